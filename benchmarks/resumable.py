"""What the scripts of the long tables share: runs that a CSV file lacks, some at a time, added one by one."""

import argparse
import csv
import multiprocessing
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from dcgan_keras import files


def parser(description: str, table: Path, jobs: int) -> argparse.ArgumentParser:
    """Makes a parser with the two options that all of them have."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--jobs", type=int, default=jobs, help="runs at a time, each with one thread")
    made.add_argument("--csv", type=Path, default=table)
    return made


def read(path: Path) -> list[list[str]]:
    """Reads the rows of a table without its head; of a file that is not there, none."""
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))[1:]


def add(path: Path, head: Iterable, rows: list[list[str]], train: Callable, wanted: list, jobs: int, order: Callable):
    """Trains what is wanted and adds its rows to `rows`. After each run the whole table is written, or not at all.

    Args:
        path: the CSV file.
        head: names of its columns.
        rows: those that stay, as `read` returns them.
        train: a function of one run, of the script's top level. Returns the rows of the run.
        wanted: the runs.
        jobs: runs at a time. Each is in a process of its own with one thread, so that seconds of the processor compare.
        order: the key of a row, by which the table is sorted.
    """
    os.environ |= {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=1) as pool:
        for found in pool.imap_unordered(train, wanted):
            rows += [list(map(str, row)) for row in found]
            print(*(" ".join(map(str, row)) for row in found), sep="\n", flush=True)
            rows.sort(key=order)
            with files.atomic(path) as unfinished, open(unfinished, "w", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerows([head, *rows])
