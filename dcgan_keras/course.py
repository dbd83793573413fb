"""What only the notebooks use: whether an exercise is answered right, and the tables that took longer to make.

The checker takes any reasonable form of an answer and never raises. Not here: the exercises, their answers and hints.
Who imports it has products of float32 computed in float32: newer GPUs round them to 10 bits (TF32) unless told not to,
and then no two ways to compute the same agree to 1e-5, as notebooks print.
"""

import base64
import csv
import decimal
import functools
import inspect
import itertools
import numbers
import re
import sys
import types
import unicodedata
import zlib
from collections.abc import Callable, Sized

import numpy as np
import tensorflow as tf
from dcgan_keras import data

tf.config.experimental.enable_tensor_float_32_execution(False)

# A number as a person writes it: 5, -0.5, .5, 1e-3, 3/4, 80%, and 1,000 or 1 000 or 1_000; "n = 5", and "5 pixels".
_PLAIN = r"([+-]?(?:[1-9]\d{0,2}(?:[, _]\d{3})+(?:\.\d*)?|\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?)"
_UNIT = r"(%|per ?cent\b)?\s*((?:[^\W\d_]+(?:[\s-][^\W\d_]+)*|×)?)[\s.]*"
_NUMBER = re.compile(rf"\s*(?:[^\W\d_]*\s*[=≈]\s*)?{_PLAIN}(?:\s*/\s*{_PLAIN})?\s*{_UNIT}")
# After it, these words are no unit, but make it another number.
_OTHER = re.compile(r"\b(hundred|thousand|\w+illion|dozen|half|pi|or|and|not|no|plus|minus|[kmgij])\b|[十百千万亿半]")
_BETWEEN = (r"(?!)", r"[,;]", r";|,\s", r"\s+", r"[x×]|\bby\b")  # numbers in a row; the first is for one alone
_NAMES = dict(zip("zero one two three four five six seven eight nine ten once twice".split(), [*range(11), 1, 2]))
_MARKS = [str.maketrans(",.", marks) for marks in (",.", "..", ".,")]
# What counts in a text: words, numbers with their sign, and the signs without which a formula is another one.
_WORD = re.compile(r"\b(?:the|is|are)\b|([^\W\d_]+|(?:(?<![^\W_])-)?\d+(?:\.\d+)?|[<>=+*/^%≤≥≠])")
_kept: dict = {}  # what a notebook had named before its exercises


def table(name: str) -> list[dict[str, str]]:
    """Reads a table that comes with the course, "remedies" for example: a dictionary a row, without the notes after #.

    Raises ValueError if there is no such table; the message lists those there are.
    """
    there = {path.stem: path for path in sorted((data.assets_folder() / "tables").glob("*.csv"))}
    if name not in there:
        raise ValueError(f"table must be one of {', '.join(there)}, got {name!r}.")
    lines = there[name].read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def keep(names: dict) -> None:
    """Keeps what a notebook has named, its `globals()`, for its checks: answers may then take any of the names."""
    _kept.clear()
    _kept.update(names)
    _kept.update((name, _with_kept(value)) for name, value in names.items())


def _with_kept(value):
    """A notebook's function with the kept names around it, and Python's own; anything else as it is."""
    if _kept and inspect.isfunction(value) and value.__module__ == "__main__":
        old, value = value, types.FunctionType(value.__code__, _kept, None, value.__defaults__, value.__closure__)
        value.__kwdefaults__ = old.__kwdefaults__
    return value


def check(answer, right, hint: str, *, tolerance: float = 1e-6, then: Callable = lambda answer: None) -> None:
    """Prints "Right.", "Not yet:" with a hint, or "Not answered yet." where the answer is None.

    Args:
        answer: what the reader wrote, whatever it is.
        right: a number, a truth value, or a nested sequence of them; a string, or a set of strings any of which is
            right; a function of nothing that returns one of these; or a function of the answer that returns True,
            False, or a string to show in place of the hint. A notebook's function sees what was kept by `keep`.
        hint: what to think of, shown after a wrong answer that has the form asked for.
        tolerance: largest absolute difference of two numbers that count as equal.
        then: a function of a right answer, for example to draw it.
    """
    if answer is None:
        return _print("Not answered yet.")
    gave: list = []  # what the reader's function gave at each call, and `gave` itself where it raised

    def noted(*args, **options):
        gave.append(gave)
        gave[-1] = answer(*args, **options)
        return gave[-1]

    try:
        right, then = _with_kept(right), _with_kept(then)
        right = right() if inspect.isfunction(right) and not inspect.signature(right).parameters else right
        asked = functools.wraps(answer)(noted) if inspect.isfunction(answer) else answer
        found = right(asked) if callable(right) else equal(answer, right, tolerance)
        found = str(found) if isinstance(found, str) else bool(found)
    except BaseException as error:  # whatever a reader's function or a strange object does, the notebook goes on
        code = callable(right) and callable(answer) and (not gave or gave[-1] is gave)
        found = _told(error, "" if code else "what your function gave" if gave else "this")
    if found is not True:
        none = "your function gave None: does each way through it end with `return`?"
        return _print(f"Not yet: {none if gave and gave[-1] is None else found or hint}")
    _print("Right.")
    try:
        then(answer)
    except BaseException as error:
        _print(f"Nothing more to show: {_told(error)}")


def check_sealed(code: str, **answer) -> None:
    """Runs a notebook's check whose code zlib and base64 hold out of sight: no secret. Its answer goes by its name."""
    if not _kept:
        return _print("Not yet: first run the cell with course.keep, and those above it.")
    exec(zlib.decompress(base64.b64decode(code)), {**_kept, **answer})


def equal(answer, right, tolerance: float = 1e-6) -> bool:
    """Says if an answer, or what a reader's function gave, means what is right: any form will do, as in `check`.

    Where one number or a row of them is right, brackets do not count; in a table of numbers the shape does.

    Raises ValueError if it is of another kind than the right one, a text that is no number for example.
    """
    right = {right} if isinstance(right, str) else right
    if isinstance(right, (set, frozenset)) and isinstance(answer, str):
        return _words(answer) in [_words(text) for text in right]
    expected = np.asarray(right)
    form = {"b": "True or False", "O": "a text in quotes"}.get(expected.dtype.kind, "a number")
    readings = [] if isinstance(right, (set, frozenset)) else _readings(answer, expected)
    if not readings:
        raise ValueError(f"give {form if expected.size == 1 else 'numbers'}.")
    for found in readings:
        flat = found.size == expected.size > 0 and (expected.ndim < 2 or expected.size == 1)
        rounded = 2 * np.finfo(found.dtype).eps if found.dtype.kind == expected.dtype.kind == "f" else 0
        if flat or found.shape == expected.shape:
            found, wanted = found.reshape(expected.shape).astype(np.float64), expected.astype(np.float64)
            if np.allclose(found, wanted, rtol=rounded, atol=tolerance):
                return True
    return False


def _readings(answer, expected: np.ndarray) -> list[np.ndarray]:
    """Lists the arrays of numbers, or of truth values, that an answer may mean: none if it is of another kind."""
    answer = answer.tolist() if isinstance(answer, np.ndarray) and answer.dtype.kind in "OU" else answer
    sized = isinstance(answer, Sized) and not isinstance(answer, str) and not hasattr(answer, "__array__")
    if sized and len(answer) > max(1, expected.size):  # range(10**12) would not fit into memory
        return [np.full(expected.size + 1, np.nan)]
    truth, leaves = expected.dtype.kind == "b", _leaves(answer)
    if any(isinstance(leaf, str) for leaf in leaves):
        return [] if truth else _rows(";".join(map(str, leaves)))
    found = np.asarray(leaves if isinstance(answer, (list, tuple)) and expected.ndim < 2 else answer)
    found = found.real if found.dtype.kind == "c" and not found.imag.any() else found
    fits = found.dtype.kind in ("b" if truth else "iuf")
    if found.dtype.kind == "O":  # fractions, decimals, whole numbers of more than 64 bits
        fits = not truth and all(isinstance(part, (numbers.Real, decimal.Decimal)) for part in found.flat)
    mixed = not truth and any(isinstance(leaf, (bool, np.bool_)) for leaf in leaves)  # to NumPy, True is then 1
    return [found] if fits and not mixed else []


def _leaves(answer) -> list:
    return [leaf for part in answer for leaf in _leaves(part)] if isinstance(answer, (list, tuple)) else [answer]


def _rows(text: str) -> list[np.ndarray]:
    """Reads numbers, one or more in a row. Comma and point are read in each way: 1,000 or 1.000, 0,46 or 0.46."""
    text = unicodedata.normalize("NFKC", text).replace("\N{MINUS SIGN}", "-").lower().strip("()[] \n")
    text = re.sub("[a-z]+", lambda word: str(_NAMES.get(word[0], word[0])), text)
    ways = itertools.product(_BETWEEN if len(text) < 1000 else (), _MARKS)
    rows = ([_number(part.translate(marks)) for part in re.split(between, text)] for between, marks in ways)
    return [np.array(row) for row in rows if None not in row]


def _number(text: str) -> float | None:
    found = _NUMBER.fullmatch(text)
    if not found or _OTHER.search(found[4]):
        return None
    over, under = (float(re.sub("[, _]", "", part or "1")) for part in found.group(1, 2))
    return over / under / (100 if found[3] else 1) if under else None


def _words(text: str) -> list[str]:
    return [word for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()) if word]


def _told(error: BaseException, what: str = "") -> str:
    """Says what went wrong: in the reader's code, or when the check looked at `what`."""
    if isinstance(error, KeyboardInterrupt):  # the reader's own stop
        raise error
    try:
        text = (str(error).strip().split("\n") or [""])[0][:200]
    except BaseException:
        text = "an error without a text"
    if what and text.endswith("object is not callable"):
        return f"give a function: {text}."
    return f"{what} does not fit here: {text}" if what else f"your code raised {type(error).__name__}: {text}"


def _print(text: str) -> None:
    """Prints what the output can show of the text, which may hold a reader's own characters."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))
