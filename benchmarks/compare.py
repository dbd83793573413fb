"""Throughput of the `laptop` preset in two checkouts of this repository, in turn: A B A B ...

    python benchmarks/compare.py OTHER_CHECKOUT [--rounds 5] [--seconds 8]

Each measurement is a process of its own, with the module and the contestants of its checkout. Prints images a second of
every round, the medians and the ratio of this checkout to the other.
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

MEASURE = """
import sys, time
from contestants import Ours
contestant = Ours.laptop()
contestant.run(20)
start = time.perf_counter()
contestant.run(100)
steps = max(100, int(float(sys.argv[1]) * 100 / (time.perf_counter() - start)))
start = time.perf_counter()
contestant.run(steps)
print(steps * contestant.batch_size / (time.perf_counter() - start))
"""


def images_per_second(checkout: Path, seconds: float) -> float:
    path = os.pathsep.join(map(str, (checkout, checkout / "benchmarks")))
    command = [sys.executable, "-c", MEASURE, str(seconds)]
    environment = {**os.environ, "PYTHONPATH": path}
    result = subprocess.run(command, cwd=checkout, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(result.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0)
    arguments = parser.parse_args()
    checkouts = {"other": arguments.other.resolve(), "this": Path(__file__).resolve().parents[1]}
    rates = {name: [] for name in checkouts}
    for number in range(arguments.rounds):
        for name, checkout in checkouts.items():
            rates[name].append(images_per_second(checkout, arguments.seconds))
            print(f"round {number + 1}  {name:5s} {rates[name][-1]:8.0f} images/s", flush=True)
    other, this = (statistics.median(values) for values in rates.values())
    print(f"medians: other {other:.0f}, this {this:.0f} images/s; ratio {this / other:.3f}")


if __name__ == "__main__":
    main()
