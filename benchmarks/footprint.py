"""Memory of training, and what importing the module costs.

    python benchmarks/footprint.py [--steps 100] [--rounds 7]

Every contestant trains on the bundled images in a process of its own, whose highest resident memory is read at its end.
Imports are timed in fresh processes too, in turn: TensorFlow alone, and this package's class `DCGAN`, which needs it.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time

CONTESTANTS = ("tutorial", "ours, same networks", "ours, laptop preset")


def train(name: str, steps: int) -> None:
    """Trains one contestant in this process and prints its highest resident memory in MB."""
    from contestants import Ours, Tutorial

    contestant = dict(zip(CONTESTANTS, (Tutorial, Ours.same_networks, Ours.laptop)))[name]()
    contestant.run(steps)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak * (1 if sys.platform == "darwin" else 1024) // 10**6)  # Linux counts in KiB, macOS in bytes


def seconds_to_import(command: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", command], check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--train", choices=CONTESTANTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        return train(arguments.train, arguments.steps)

    for name in CONTESTANTS:
        command = [sys.executable, __file__, "--train", name, "--steps", str(arguments.steps)]
        megabytes = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]
        print(f"{name:25s} {megabytes:>6s} MB resident at its peak")

    times: dict[str, list] = {"import tensorflow": [], "from dcgan_keras import DCGAN": []}
    for command in times:
        seconds_to_import(command)  # once for the disk
    for _ in range(arguments.rounds):
        for command, seconds in times.items():
            seconds.append(seconds_to_import(command))
    print(", ".join(f"{command} {statistics.median(seconds):.2f} s" for command, seconds in times.items()))


if __name__ == "__main__":
    main()
