"""What the scripts of the long tables share: a table and its runs. Those that its file lacks are trained."""

import argparse
import csv
import dataclasses
import hashlib
import json
import multiprocessing
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from dcgan_keras import files

FOLDER = Path(__file__).parents[1] / "assets" / "tables"


@dataclasses.dataclass(frozen=True)
class Table:
    """A table that its script makes, run by run.

    Args:
        name: of the file and of the script, without an ending.
        head: names of the columns.
        key: the columns that say of which run a row is. All but "seed" make up the run's arm.
        within: the columns that say which row of its run one is.
        runs: tuples that begin with the values of `key`, in the order to train them. What follows is for `train`.
        train: a function of one run, of the script's top level. Returns the rows of the run.
        steps: how long a run is, for all or by arm: goes to `train` as the last number of the run. None: has no length.
        unit: of that number, and the name of its option. Where a column says steps, a run of fewer is trained anew;
            likewise epochs.
        jobs: runs at a time, unless the command says otherwise.
        order: the key of a row, by which the table is sorted. By default arms and then seeds are as in `runs`.
        then: a function of all rows. Returns the runs that only those tell.
    """

    name: str
    head: tuple[str, ...]
    key: tuple[str, ...]
    within: tuple[str, ...]
    runs: list[tuple]
    train: Callable[[tuple], list]
    steps: dict | float | None = None
    unit: str = "steps"
    jobs: int = 1
    order: Callable | None = None
    then: Callable[[list], list] = lambda rows: []

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.csv"

    def key_of(self, row) -> tuple[str, ...]:
        return tuple(str(row[self.head.index(name)]) for name in self.key)

    def arm(self, run) -> str:
        """Names the arm of a run, or of the key of a row."""
        return " ".join(str(value) for name, value in zip(self.key, run) if name != "seed" and value != "")

    def seed(self, run) -> int:
        return int(run[self.key.index("seed")] or 0) if "seed" in self.key else 0

    def arms(self) -> list[str]:
        return list(dict.fromkeys(map(self.arm, self.runs)))

    def place(self, row):
        key = self.key_of(row)
        return self.arms().index(self.arm(key)), self.seed(key)

    def parser(self) -> argparse.ArgumentParser:
        """Makes a parser of what `make` is told."""
        about = sys.modules[self.train.__module__].__doc__
        made = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
        if len(self.arms()) > 1:
            made.add_argument("--arms", nargs="+", choices=self.arms(), metavar="ARM", help="these alone")
        if "seed" in self.key:
            made.add_argument("--seeds", nargs="+", type=int, metavar="SEED", help="these alone")
        if self.steps is not None:
            kind = type(self.steps if isinstance(self.steps, float) else 0)
            made.add_argument(f"--{self.unit}", dest="steps", type=kind, help=f"of a run; unless said: {self.steps}")
        made.add_argument("--jobs", type=int, default=self.jobs, help="runs at a time, each with one thread")
        made.add_argument("--csv", dest="path", type=Path, default=self.path)
        return made

    def main(self) -> None:
        self.make(**vars(self.parser().parse_args()))

    def make(self, path: Path, arms: Iterable = (), seeds: Iterable = (), steps=None, jobs: int = 1) -> list[list[str]]:
        """Trains what the file lacks, of all runs or of some arms and seeds, and returns all rows.

        After each run the whole file is written, or not at all: stop and start it as you like.
        """
        rows = read(path)
        for runs in (lambda rows: self.runs, self.then):
            wanted = list(self.missing(runs(rows), rows, arms, seeds, steps))
            for found in train_all(self.train, wanted, jobs):
                print(*(" ".join(map(str, row)) for row in found), sep="\n", flush=True)
                found = [list(map(str, row)) for row in found]
                gone = {self.key_of(row) for row in found}
                rows = [row for row in rows if self.key_of(row) not in gone] + found
                rows.sort(key=self.order or self.place)
                self.write(path, rows)
        return rows

    def missing(self, runs, rows, arms, seeds, steps):
        """Yields those of the runs that are asked for, and not in the rows or shorter there."""
        at = [self.head.index(name) for name in (self.unit, self.unit.removesuffix("s")) if name in self.head]
        for run in runs:
            arm, key = self.arm(run), tuple(map(str, run[: len(self.key)]))
            if (arms and arm not in arms) or (seeds and self.seed(run) not in seeds):
                continue
            length = steps or (self.steps[arm] if isinstance(self.steps, dict) else self.steps)
            its = [row for row in rows if self.key_of(row) == key]
            if not any(not at or float(row[at[0]]) >= length for row in its):
                yield run if length is None else (*run, length)

    def write(self, path: Path, rows: list[list[str]]) -> None:
        """Writes the table; of one that comes with the course, how it was made, too."""
        with files.atomic(path) as unfinished, open(unfinished, "w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([self.head, *rows])
        if path.resolve() == self.path.resolve():
            from dcgan_keras.training import runs

            about = {"commit": commit(), "command": f"python benchmarks/{' '.join([self.name + '.py', *sys.argv[1:]])}"}
            if "seed" in self.head:
                found = {row[self.head.index("seed")] for row in rows} - {""}
                about["seeds"] = " ".join(sorted(found, key=int))
            about |= {"machine": machine(), "versions": runs.versions(), "sha256": sha256(path)}
            made = FOLDER / "made.json"
            notes = json.loads(made.read_text(encoding="utf-8")) if made.is_file() else {}
            notes = dict(sorted({**notes, self.name: about}.items()))
            with files.atomic(made) as unfinished:
                unfinished.write_text(json.dumps(notes, indent=2) + "\n", encoding="utf-8")


def read(path: Path) -> list[list[str]]:
    """Reads the rows of a table without its head; of a file that is not there, none."""
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))[1:]


def train_all(train: Callable, wanted: list, jobs: int):
    """Yields the rows of each run as it ends.

    Each is in a process of its own with one thread, so that seconds of the processor compare.
    """
    if wanted:
        os.environ |= {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
        with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=1) as pool:
            yield from pool.imap_unordered(train, wanted)


def sha256(path: Path) -> str:
    """Of a file's text, whatever ends its lines: git may change that."""
    return hashlib.sha256(path.read_text(encoding="utf-8").encode()).hexdigest()


def commit() -> str:
    """The short name of the commit that the scripts are of, or "unknown" where git does not say."""
    try:
        command = ["git", "rev-parse", "--short", "HEAD"]
        return subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def machine() -> str:
    """Names the processor and counts its cores."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()}, {os.cpu_count()} cores"
