"""Makes a cheap part of every table again, by its own script, and compares it with the table that is committed.

    python benchmarks/again.py [TABLE ...]

What is made lies in build/again. Half a minute of one core a table, `beyond_images` three minutes: its
runs have no rows on their way.

Three kinds of columns:

- Times (seconds, ms_one, ms_many, images_per_second) are never compared: they are of a machine and an hour.
- Where nothing is trained (nearest, bicubic, bytes of a file, ...), the row is the same to the digit.
- Where something is trained, another machine rounds otherwise, and training magnifies that. So the new number may be
  as far outside of what the table's seeds span as three times that span, and the table's own number as far outside of
  what the other seeds and the new one span. A span counts as no less than 1% of the largest number and a unit of the
  column's last digit. Texts are the same. Three seeds say little of how far a fourth may be: on a machine of another
  kind, one number in twenty is too far by chance. On one of the same kind most are the same to the digit.

It prints a line a table: what was made again, the largest deviation, "ok" or "DIFFERS" with a sentence for each
number. A deviation is in spans, 0 within what the seeds span, and 3 the most that is ok; inf is that of a row without
training that is not the same. If any differs, the exit code is 1.
"""

import argparse
import contextlib
import dataclasses
import decimal
import importlib
import importlib.util
import io
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tables

BUILD = Path(__file__).parents[1] / "build" / "again"
FAR = 3  # spans of the seeds
TIMES = ("seconds", "ms_one", "ms_many", "images_per_second")


@dataclasses.dataclass(frozen=True)
class Part:
    """The part of a table that is made again.

    Args:
        arms, seeds, steps: what `Table.make` is told.
        exact: whether a row, a dictionary, has nothing trained.
        least: what the span of seeds counts as at least, a share of the largest.
        skip: columns that are not compared, beside those of time.
        needs: what the script cannot do without: a package, or a folder with a slash behind it.
        make: a function of the table and a path that makes the rows, if `Table.make` does not.
        word: what that makes.
    """

    arms: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    steps: float | None = None
    exact: Callable[[dict], bool] = lambda row: False
    least: float = 0.01
    skip: tuple[str, ...] = ()
    needs: str = "numpy"
    make: Callable | None = None
    word: str = ""


def always(row):
    return True


def regressors(table, path):
    """Restores garments by the ways without training and by weight 0 alone: each other one takes as long again."""
    runs = [(*run, weights[:1]) for *run, weights in table.runs]
    return dataclasses.replace(table, runs=runs).make(path, ["7 to 28 weight 0", "7 to 28 search"], [0])


def furniture(table, path):
    """Compares made-up training shapes with those pieces of real furniture that come with the course."""
    module = importlib.import_module(table.name)
    with np.load(tables.FOLDER.parent / "data" / "furniture.npz", allow_pickle=False) as arrays:
        ids, shares = arrays["id"], arrays["shares"]
    solid, training = shares > 128, module.furniture(4_000, 0)  # a share of exactly one half became 128
    flags, mean = module.report(solid), module.mean_shape(training)
    rows = []
    for n, piece in enumerate(ids):
        found = {"id": piece, "arm": "voxels", "seed": 0}
        found["nearest"] = f"{module.overlap(solid[[n]], training > 0.5).max():.3f}"
        found["mean"] = f"{module.overlap(solid[[n]], mean).max():.3f}"
        found["fails"] = ", ".join(name for name, passed in flags.items() if not passed[n])
        rows.append([str(found.get(name, "")) for name in table.head])
    return rows


PARTS = {
    "after_dcgan": Part(("drifting",), (0,), 5.0),
    "beyond_images": Part(("mirrored",), (0,)),
    "checkerboards": Part(("kernel 5",), (0,), 1),
    "colour": Part(("groups, shifts",), (10,), 34),
    "conditional": Part(("projection",), (0,), 1_000),
    "dense_and_dcgan": Part(("dense photographs",), (0,), 580),
    "few_pictures": Part(("100",), (0,), 1_000),
    "folders": Part(("icons groups, shifts",), (1,), 0.25, needs="build/folders/"),
    "hidden_layer": Part(("64",), (0,)),
    # Not "half": the last digits of its biharmonic row hang on how a sparse system of equations is rounded.
    "inpainting": Part(
        ("center truth", "center regressor", "center search"),
        (0,),
        exact=lambda row: row["seed"] == "",
    ),
    "real_furniture": Part(
        exact=always,
        skip=("name", "creator", "licence", "steps", "search", "random", "length", "valid"),
        make=furniture,
        word="nearest, mean and fails of 26 pieces: the rest needs --deb",
    ),
    "remedies": Part(("preset",), (0,), 200),
    "ring_and_grid": Part(("ring plain",), (), 1_000),
    # SavedModel and ONNX name each operation, with a number behind it that says how many were there before.
    "runtimes": Part(
        ("fashion",),
        steps=0.05,
        exact=lambda row: row["runtime"] not in ("SavedModel", "ONNX Runtime"),
        least=1e-4,
        skip=("difference", "package_mb"),
    ),
    "saturating": Part(("ring non-saturating 0.001 0.999",), (0,)),
    "sick_runs": Part(("healthy",), (0,)),
    "stability": Part(("laptop",), (10,), 15),
    "stacked_garments": Part(("1 none 0.0 non_saturating",), (0,), 2_000),
    "super_resolution": Part(
        exact=lambda row: row["method"] in ("nearest", "bicubic", "gaussian"),
        skip=("kid_without",),
        make=regressors,
        word="7 to 28, seed 0, without weights above 0",
    ),
    "sweep": Part(("default",), (0,), 500),
    "torch_steps": Part((), (0,), 10, needs="torch"),
    "without_training_flag": Part(("given",), (0,), 600),
}


def made_again(table: tables.Table, part: Part) -> list[list[str]]:
    """Makes the rows of a part anew."""
    path = BUILD / f"{table.name}.csv"
    path.unlink(missing_ok=True)
    with contextlib.redirect_stdout(io.StringIO()):  # the rows are in the file
        return part.make(table, path) if part.make else table.make(path, part.arms, part.seeds, part.steps)


def number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def unit(rows: list[dict], column: str) -> float:
    """The unit of the last digit that a column of numbers has."""
    numbers = [decimal.Decimal(row[column]) for row in rows if row[column]]
    return 10.0 ** min(number.as_tuple().exponent for number in numbers if number.is_finite())


def outside(value: float, others: list[float], least: float) -> float:
    """How far outside of the span of others a value is, in spans. A span counts as no less than `least`."""
    low, high = min(others), max(others)
    return max(low - value, value - high, 0) / max(high - low, least)


def compare(table: tables.Table, part: Part, made: list, committed: list) -> tuple[float, str, list[str]]:
    """Compares rows with those of the table.

    Returns the largest deviation, its column, empty if all is the same, and a sentence for each number too far off.
    """
    names = (*table.key, *table.within)
    of_arm = [name for name in names if name != "seed"]
    old_rows = [dict(zip(table.head, row)) for row in committed]
    largest, at, compared, sentences = -1.0, "", 0, []
    for row in (dict(zip(table.head, row)) for row in made):
        seeds = [old for old in old_rows if all(old[name] == row[name] for name in of_arm)]
        for old in [old for old in seeds if all(old[name] == row[name] for name in names)]:
            compared += 1
            for column in table.head:
                if column in (*names, *TIMES, *part.skip) or old[column] in ("", row[column]):
                    continue
                where = f"{column} of {', '.join(row[name] for name in names if row[name])}"
                said = f"{where} is {row[column] or 'empty'} now and {old[column]} in the table"
                new, its, deviation = number(row[column]), number(old[column]), math.inf
                if new is not None and its is not None and not part.exact(row):
                    others = [float(some[column]) for some in seeds if some is not old and some[column]]
                    least = max(unit(old_rows, column), part.least * max(map(abs, [its, *others])))
                    deviation = max(outside(new, [its, *others], least), outside(its, [new, *others], least))
                    said += f", where other seeds have {min(others):g} to {max(others):g}" if others else ""
                if not deviation <= FAR:
                    sentences.append(f"{said}.")
                if not deviation <= largest:
                    largest, at = deviation, column
    return largest, at, sentences if compared else ["none of the rows made is in the table."]


def is_here(needs: str) -> bool:
    """Whether there is a package of this name or, with a slash behind it, a folder of the repository."""
    if needs.endswith("/"):
        return (BUILD.parents[1] / needs).is_dir()
    return importlib.util.find_spec(needs) is not None


def check(name: str) -> bool:
    """Makes a part of a table again and prints what came of it. Returns whether it is what the table says."""
    part, path = PARTS[name], tables.FOLDER / f"{name}.csv"
    if not path.is_file():
        print(f"{name}: skipped, there is no such table yet", flush=True)
        return True
    if not is_here(part.needs):
        print(f"{name}: skipped, needs {part.needs}", flush=True)
        return True
    table = importlib.import_module(name).TABLE
    made = made_again(table, part)
    largest, at, sentences = compare(table, part, made, tables.read(path))
    seeds = [f"seed {seed}" for seed in part.seeds]
    what = part.word or ", ".join([*part.arms, *seeds, *([f"{part.steps:g} {table.unit}"] if part.steps else [])])
    how = f"largest deviation {largest:.2f} ({at})" if at else "the same to the digit"
    print(f"{name}: {what}; {len(made)} rows; {how}; {'DIFFERS' if sentences else 'ok'}")
    print(*(f"  {sentence}" for sentence in sentences), sep="\n", end="\n" if sentences else "", flush=True)
    return not sentences


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"some of {', '.join(PARTS)}; unless said, all")
    names = parser.parse_args().tables or list(PARTS)
    if unknown := set(names) - set(PARTS):
        parser.error(f"there is no table {', '.join(sorted(unknown))}: choose from {', '.join(PARTS)}")
    if not all([check(name) for name in names]):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
