"""What only the notebooks use: whether an exercise is answered right, and the tables that took longer to make.

The checker takes any reasonable form of an answer and never raises. Not here: the exercises, their answers and hints.
"""

import csv
import decimal
import numbers
import re
import sys
import unicodedata
from collections.abc import Callable, Sized

import numpy as np
from dcgan_keras import data

# A number as a person writes it: 5, -0.5, .5, 1e-3, and 1,000 or 1 000 or 1_000.
_NUMBER = re.compile(r"[+-]?(\d{1,3}([, _]\d{3})+(\.\d*)?|\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?")
# What counts in a text: words, numbers with their sign, and the signs without which a formula is another one.
_WORD = re.compile(r"[^\W\d_]+|(?:(?<![^\W_])-)?\d+(?:\.\d+)?|[<>=+*/^%≤≥≠]")


def table(name: str) -> list[dict[str, str]]:
    """Reads a table that comes with the course, a dictionary a row. How it was made: `assets/tables/README.md`.

    Lines that begin with # are notes on that, and no rows.

    Args:
        name: of the file without its ending, "remedies" for example.

    Raises ValueError if there is no such table; the message lists those there are.
    """
    folder = data.assets_folder() / "tables"
    path = folder / f"{name}.csv"
    if not path.is_file():
        there = ", ".join(sorted(each.stem for each in folder.glob("*.csv")))
        raise ValueError(f"table must be one of {there}, got {name!r}.")
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def check(answer, right, hint: str, *, tolerance: float = 1e-6, then: Callable[[], object] | None = None) -> None:
    """Prints "Right.", "Not yet:" with a hint, or "Not answered yet." where the answer is None.

    Args:
        answer: what the reader wrote, whatever it is.
        right: a number, a truth value, or a nested sequence of them; a string, or a set of strings any of which is
            right; or a function of the answer that returns True, False, or a string to show in place of the hint.
        hint: what to think of, shown after a wrong answer.
        tolerance: largest absolute difference of two numbers that count as equal.
        then: called after a right answer, for example to draw it.
    """
    if answer is None:
        return _print("Not answered yet.")
    try:
        found = right(answer) if callable(right) else _equal(answer, right, tolerance)
        found = str(found) if isinstance(found, str) else bool(found)
    except KeyboardInterrupt:  # the reader's own stop
        raise
    except BaseException as error:  # whatever a reader's function or a strange object does, the notebook goes on
        found = _told(error) if callable(right) else ""
    if found is not True:
        return _print(f"Not yet: {found or hint}")
    _print("Right.")
    try:
        if then is not None:
            then()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        _print(f"Nothing more to show: {_told(error)}")


def _equal(answer, right, tolerance: float) -> bool:
    if isinstance(right, (str, set, frozenset)):
        accepted = {right} if isinstance(right, str) else right
        return isinstance(answer, str) and _words(answer) in [_words(text) for text in accepted]
    expected = np.asarray(right)
    for found in _readings(answer, max(1, expected.size), truth=expected.dtype.kind == "b"):
        fits = found.shape == expected.shape or found.size == expected.size == 1
        if fits and np.allclose(found.reshape(expected.shape), expected.astype(np.float64), rtol=0, atol=tolerance):
            return True
    return False


def _readings(answer, most: int, truth: bool) -> list[np.ndarray]:
    """Lists the arrays of numbers, or of truth values, that an answer may mean: none if it is none or has too many."""
    if isinstance(answer, str):
        return [] if truth else [np.asarray(value) for value in _numbers(answer)]
    if isinstance(answer, Sized) and not hasattr(answer, "__array__") and len(answer) > most:
        return []  # range(10**12) would not fit into memory
    found = np.asarray(answer)
    fits = found.dtype.kind in ("b" if truth else "iuf")
    if found.dtype.kind == "O":  # fractions, decimals, whole numbers of more than 64 bits
        fits = not truth and all(isinstance(part, (numbers.Real, decimal.Decimal)) for part in found.flat)
    return [found.astype(np.float64)] if fits and (truth or not _has_truth(answer)) else []


def _has_truth(answer) -> bool:
    """Says if there is a True or False: to NumPy they are numbers in a list with numbers."""
    parts = answer.tolist() if isinstance(answer, np.ndarray) and answer.dtype.kind == "O" else answer
    return isinstance(answer, (bool, np.bool_)) or isinstance(parts, (list, tuple)) and any(map(_has_truth, parts))


def _numbers(text: str) -> list[float]:
    """Reads a number, a fraction or a percentage. A comma is read both ways: 1,000 and 0,46."""
    text = unicodedata.normalize("NFKC", text).replace("\N{MINUS SIGN}", "-").strip().lower()
    found = []
    for reading in {text, text.replace(",", ".")}:
        parts = [part.strip() for part in reading.removesuffix("%").split("/")]
        if len(parts) <= 2 and all(map(_NUMBER.fullmatch, parts)):
            over, under = [*(float(re.sub("[, _]", "", part)) for part in parts), 1.0][:2]
            if under:
                found.append(over / under / (100 if text.endswith("%") else 1))
    return found


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _told(error: BaseException) -> str:
    try:
        text = (str(error).strip().split("\n") or [""])[0][:200]
    except BaseException:
        text = "an error without a text"
    return f"your code raised {type(error).__name__}: {text}"


def _print(text: str) -> None:
    """Prints what the output can show of the text, which may hold a reader's own characters."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))
