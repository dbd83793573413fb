"""Memory of training, and what importing the module costs.

    python benchmarks/footprint.py [--steps 100] [--rounds 7]

Every contestant trains on the bundled images in a process of its own, whose highest resident memory is read at its end.
Imports are timed in fresh processes too, in turn, TensorFlow alone against this package (which imports TensorFlow).
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


def seconds_to_import(package: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {package}"], check=True, stderr=subprocess.DEVNULL)
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

    times = {"tensorflow": [], "dcgan_keras": []}
    for package in times:
        seconds_to_import(package)  # once for the disk
    for _ in range(arguments.rounds):
        for package, seconds in times.items():
            seconds.append(seconds_to_import(package))
    tensorflow, ours = (statistics.median(seconds) for seconds in times.values())
    print(f"import tensorflow {tensorflow:.2f} s, import dcgan_keras {ours:.2f} s: {ours - tensorflow:+.2f} s")


if __name__ == "__main__":
    main()
