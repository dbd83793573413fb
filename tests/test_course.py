"""The checker of the exercises: right in any reasonable form, wrong ones refused, and nothing can make it raise.

And the tables that come with the course.
"""

import array
import base64
import collections.abc
import contextlib
import datetime
import decimal
import fractions
import inspect
import io
import re
import sys
import types
import zlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT
from dcgan_keras import course
from hypothesis import example, given, settings
from hypothesis import strategies as st

HINT = "think again."


def said(answer, right, **options) -> str:
    """What the checker prints. That it is one of its three forms is asserted here, for every test."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert course.check(answer, right, HINT, **options) is None
    text = out.getvalue()
    assert re.match(r"(Not answered yet\.|Right\.|Not yet: .+)\n", text), text
    return text


def is_right(answer, right, **options) -> bool:
    text = said(answer, right, **options)
    assert text in ("Right.\n", f"Not yet: {HINT}\n") or text.startswith("Not yet: this does not fit here: ")
    return text == "Right.\n"


FIVES = [5, 5.0, np.int64(5), np.uint8(5), np.float16(5), [5], (5,), [[5.0]], np.array(5), np.array([[5]]), "5", " 5 ",
         "5.0", "5.", "+5", "10/2", "5e0", "500%", "５", tf.constant(5), tf.constant([5.0]),
         collections.deque([5]), tf.Variable(5.0), keras.Variable(5.0), keras.ops.ones(1) * 5,
         fractions.Fraction(5), decimal.Decimal(5), ["5"], np.array("5"), np.array([["5"]]), "[5]", "(5)",
         "= 5", "n = 5", "≈ 5", "5 steps", "5 pixels.", "5px", "5 times", "5×", "5x", "5 步", "5 dB", "5 E",
         "5 images a batch", "five", "Five times.", "n = five",
         5 + 0j, np.complex64(5), np.array([5 + 0j]), np.float64(5 + 1e-9), array.array("i", [5])]  # fmt: skip
EIGHT_TENTHS = [0.8, np.float32(0.8), "0.8", ".8", "0,8", "80%", "80 %", "4/5", " 4 / 5 ", "８０％", "8e-1", "0.80",
                fractions.Fraction(4, 5), decimal.Decimal("0.8"), [0.8], tf.constant(0.8), "80 percent", "80 per cent",
                "0.8 nats", np.array([0.8], "float32"), np.complex64(0.8), [["0.8"]]]  # fmt: skip
THOUSANDS = [
    12544,
    "12544",
    "12,544",
    "12 544",
    "12_544",
    "12,544.0",
    "１２，５４４",
    2**8 * 49,
    "12.544",
    "12.544,0",
    "12.544 images",
]
PAIRS = [[5, 7], (5, 7), np.array([5.0, 7.0]), [np.int64(5), 7.0], [tf.constant(5), 7], tf.constant([5, 7]),
         [fractions.Fraction(5), decimal.Decimal(7)], range(5, 9, 2), [5 + 0j, 7 + 0j], [[5, 7]], [[5], [7]], (5, (7,)),
         "5, 7", "5,7", "5 7", "5; 7", "[5, 7]", "(5, 7)", "5 x 7", "5x7", "5 × 7", "5 by 7", "5 ms, 7 ms", ["5", "7"],
         [5, "7 pixels"], np.array(["5", "7"]), np.array([["5", "7"]])]  # fmt: skip


@pytest.mark.parametrize(
    ("right", "answers"),
    [(5, FIVES), (np.float32(5), FIVES), (0.8, EIGHT_TENTHS), (12544, THOUSANDS), ([5, 7], PAIRS), ((5, 7), PAIRS)],
)
def test_every_reasonable_form_of_a_number_is_right(right, answers):
    assert [answer for answer in answers if not is_right(answer, right)] == []


REFUSED = [
    (5, ["5 or 6", "5, 7", "5 7", "55", "5/0", "1/5/1", "-5", "six", "5%", "", "nan", "inf", "5 % 2", "0x5", "5\0"]),
    (5, ["5 thousand", "5 Million", "5k", "5 M", "5 dozen", "5 and a half", "5 not", "5 plus", "5 pi", "5j", "5万"]),
    (5, ["five or six", "five hundred", "fifty five", "fives", "five and a half"]),
    (5, ["not 5", "x > 5", "x != 5", "-= 5", "5 pixels 6", "5 - 6", "5 * 1", "5 percent", "at least 5"]),
    (5, [[5, 7], [5, 5], [], [[5], [7]], {5}, {5: 5}, [[]], [5, None], [None], ["5", "5"], b"5", np.array(b"5")]),
    (5, [5 + 1e-5, 5 + 1e-5j, float("nan"), np.inf, 2**70, 10**400, lambda: 5, int, object(), iter([5]), ..., 6]),
    (1, [True, np.True_, [True], (np.True_,), np.array(True), np.array([True]), tf.constant(True), "True", [[True]]]),
    (1, [np.array([True], object), (True, True), np.array([[np.True_]])]),
    ([1, 5], [[True, 5], np.array([True, 5], object), [1, 5, 9], [5, 1], [[5, 1]], 1, [1], "15", "1.5", "5, 1"]),
    ([1, 5], [{1: 5}, {"a": 1, "b": 5}, {"a"}, ["1", True], "1, 5, 9", "1 or 5", "1 - 5", "1/5", ["1, 5", 5]]),
    (0.8, [np.float32(0.80001), np.float16(0.81), 0.8 + 2e-6, [0.8, 0.8], "0.8 or less"]),
    (10**7, [np.float32(10**7 + 1), "10,000,001", 10**7 + 1.0]),
    (0, [False, "", [], (), {}, b"", np.zeros(0), np.zeros(2), "false", "o"]),
    ([[1, 2], [3, 4]], [[1, 2, 3, 4], "1, 2, 3, 4", [[[1, 2], [3, 4]]], [[1, 2], [3]], [[1, 3], [2, 4]], 1, np.eye(2)]),
    (57, ["5, 7", "5 7", "5_7"]),
    (800, ["0,800", "0.800", "8.00", "80.000"]),
    (0.5, ["50", "1.5", "0.5.0", "1/2/1", "5/1"]),
    (float("nan"), [float("nan"), "nan", 0]),
]  # fmt: skip


@pytest.mark.parametrize(("right", "answers"), REFUSED)
def test_wrong_ones_are_refused(right, answers):
    assert [answer for answer in answers if is_right(answer, right)] == []


def test_a_lesson_computes_in_float32_where_a_gpu_could_round_more():
    assert not tf.config.experimental.tensor_float_32_execution_enabled()  # TensorFlow's own default is True


def test_numbers_of_32_bits_are_as_exact_as_they_can_be():
    right = 2 * np.log(2) * 1e4
    assert (
        is_right(np.float32(right), right)
        and is_right(tf.constant([right]), right)
        and not is_right(right + 1e-3, right)
    )
    assert is_right(np.float32(right), np.float32(right)) and not is_right(np.float32(right + 0.01), right)


def test_numbers_of_16_bits_too():
    assert is_right(np.float16(0.01), 0.01) and not is_right(np.float16(0.0101), 0.01) and is_right("twice", 2)
    assert not is_right(np.float16(5.004), 5)  # a whole number is exact


def test_the_tolerance_is_absolute():
    assert is_right(0.47, 0.46, tolerance=0.0101) and not is_right(0.48, 0.46, tolerance=0.01)
    assert is_right(1000.5, 1000, tolerance=1) and not is_right(1002, 1000, tolerance=1)
    assert is_right([0.1, 0.21], [0.1, 0.2], tolerance=0.05) and not is_right([0.1, 0.31], [0.1, 0.2], tolerance=0.05)


def test_truth_values():
    for form in (True, np.True_, [True], np.array([True]), tf.constant(True)):
        assert is_right(form, True) and not is_right(form, False)
    assert is_right([True, False], [True, False]) and is_right(np.array([True, False]), (True, False))
    for wrong in (1, 1.0, "True", [1], [True, True], [True, 0], object()):
        assert not is_right(wrong, True)
    assert not is_right([1, 0], [True, False]) and not is_right([True], [True, False])


@pytest.mark.parametrize("answer", ["neither", "Neither.", " NEITHER ", "neither\n", "“Neither”!", "ｎｅｉｔｈｅｒ"])
def test_texts_are_compared_without_case_spaces_and_punctuation(answer):
    assert is_right(answer, "neither") and is_right(answer, {"none", "Neither"}) and not is_right(answer, "either")


@pytest.mark.parametrize(
    ("answer", "right", "equal"),
    [
        ("the discriminator, too strong", {"the discriminator too strong", "too strong"}, True),
        ("too strong", {"the discriminator too strong", "too strong"}, True),
        ("not too strong", {"the discriminator too strong", "too strong"}, False),
        ("Discriminator is too strong", "the discriminator is too strong", True),
        ("the", "", True),
        ("thesis", "sis", False),
        ("non_saturating", "Non-saturating", True),
        ("too  strong", "too strong", True),
        ("-1", "1", False),
        ("x > 0", "x < 0", False),
        ("a+b", "a*b", False),
        ("z1", "z2", False),
        ("conv2d", "conv1d", False),
        ("0.5", "05", False),
        ("转置卷积", "转置卷积。", True),
        ("", "neither", False),
        (["neither"], "neither", False),
        (b"neither", "neither", False),
        (5, "5", False),
        (np.str_("neither"), "neither", True),
    ],
)
def test_texts(answer, right, equal):
    assert is_right(answer, right) == equal


def test_no_answer():
    assert said(None, 5) == said(None, lambda answer: True) == "Not answered yet.\n"


def test_a_function_decides():
    def doubles(answer):
        return answer(2) == 4 or f"it must double: 2 gave {answer(2)}."

    assert said(lambda x: 2 * x, doubles) == "Right.\n"
    assert said(lambda x: x, doubles) == "Not yet: it must double: 2 gave 2.\n"
    assert said(lambda x: x + np.array(2), doubles) == "Right.\n"  # np.True_
    for nothing in (False, "", None, 0, np.False_):
        assert said(1, lambda answer: nothing) == f"Not yet: {HINT}\n"  # noqa: B023


def quits(*_):
    exit()


def divides(*_):
    return 1 // 0


class Evil:
    """Raises at whatever is done with it."""

    def __getattribute__(self, name):
        raise RuntimeError("evil")

    __array__ = __eq__ = __str__ = __repr__ = __bool__ = __len__ = __iter__ = __float__ = __call__ = __hash__ = divides


class EvilError(Exception):
    __str__ = __repr__ = divides


def raises(error):
    def function(*_, **__):
        raise error

    return function


def test_none_that_was_right_is_not_told_as_the_fault():
    """Of a function that may give None, what the check says of the call that failed."""
    first_above = lambda row: next((n for n, value in enumerate(row) if value >= 2), None)  # noqa: E731

    def judges(function):
        cases = [([0, 1], None), ([2, 2], None), ([0, 3], 1)]
        return next((f"for {row} it must be {wanted}." for row, wanted in cases if function(row) != wanted), True)

    assert said(first_above, judges).startswith("Not yet: for [2, 2] it must be None.")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (divides, "your code raised ZeroDivisionError: integer"),
        (np.linalg.inv, "your code raised LinAlgError: "),
        (lambda: 1, "your code raised TypeError: "),
        (lambda a, b: 1, "your code raised TypeError: "),
        (quits, "your code raised SystemExit"),
        (raises(EvilError()), "your code raised EvilError: an error without a text"),
        (raises(ValueError("\ud800 画\nsecond line")), "your code raised ValueError: \\ud800 画\n"),
        (raises(GeneratorExit()), "your code raised GeneratorExit"),
        (raises(MemoryError()), "your code raised MemoryError: \n"),
        (lambda x: np.array([1, 2]), "what your function gave does not fit here: The truth value"),
        (lambda x: None, "your function gave None: does each way through it end with `return`?"),
        (lambda x: print(end=""), "your function gave None: "),
        (7, "give a function: 'int' object is not callable."),
        ("abc", "give a function: 'str' object is not callable."),
        (tf.constant(1), "give a function: 'tensorflow.python"),
    ],
)
def test_what_a_readers_function_raises_is_told(answer, words):
    assert said(answer, lambda function: function(2) == 4).startswith(f"Not yet: {words}")


@pytest.mark.parametrize(
    ("answer", "right", "words"),
    [
        ("many", 5, "this does not fit here: give a number."),
        ({5}, 5, "this does not fit here: give a number."),
        ("many", [5, 7], "this does not fit here: give numbers."),
        ("many", True, "this does not fit here: give True or False."),
        (5, "neither", "this does not fit here: give a text in quotes."),
        (["neither"], {"neither"}, "this does not fit here: give a text in quotes."),
        ("6 steps", 5, HINT),
        ([5, 7, 9], [5, 7], HINT),
        ("5, 7, 9", [5, 7], HINT),
        ("abc", lambda answer: np.asarray(answer, float) > 1, "this does not fit here: could not convert string"),
        ([[1], [1, 2]], lambda answer: np.asarray(answer, float), "this does not fit here: setting an array element"),
        (lambda: "abc", lambda answer: float(answer()), "what your function gave does not fit here: could not convert"),
        (lambda: None, lambda answer: float(answer()), "your function gave None: "),
        (lambda: None, lambda answer: np.shape(answer()) == (2,) or "give two numbers.", "your function gave None: "),
    ],
)
def test_an_answer_of_another_form_is_told_the_form_and_not_the_value(answer, right, words):
    assert said(answer, right).startswith(f"Not yet: {words}")


def test_a_function_may_give_none_where_the_check_does_not_mind():
    assert said(lambda x: None, lambda function: function(2) is None) == "Right.\n"


def test_what_a_check_asks_of_a_function_is_there():
    def named(x, y=2):
        """Doubles."""
        return x * y

    def asks(function):
        return function.__name__ == "named" and list(inspect.signature(function).parameters) == ["x", "y"]

    assert said(named, asks) == "Right.\n"
    assert said(tf.function(named), lambda function: function.experimental_get_tracing_count() == 0) == "Right.\n"
    layer = keras.layers.Dense(1)
    for thing in (layer, keras.Sequential(), int, keras.callbacks.Callback):
        assert said(thing, lambda answer: answer is thing) == "Right.\n"  # noqa: B023


def test_what_a_function_gives_is_compared_in_every_form():
    def eight(function):
        return course.equal(function(), 8)

    assert {said(lambda: form, eight) for form in (8, 8.0, [8], np.array([[8]]), "8", tf.constant(8.0))} == {"Right.\n"}  # noqa: B023
    assert said(lambda: 7, eight) == said(lambda: [8, 8], eight) == f"Not yet: {HINT}\n"
    assert said(lambda: "many", eight) == "Not yet: what your function gave does not fit here: give a number.\n"
    assert course.equal([0.8, 0.4], np.array([0.8, 0.41]), 0.02) and not course.equal([0.8, 0.4], [0.8, 0.41])


def test_the_reader_can_stop_it():
    with pytest.raises(KeyboardInterrupt):
        course.check(raises(KeyboardInterrupt()), lambda answer: answer(), HINT)
    with pytest.raises(KeyboardInterrupt):
        course.check(5, 5, HINT, then=raises(KeyboardInterrupt()))


def test_what_comes_then():
    seen = []
    assert said(5, 5, then=seen.append) == "Right.\n" and seen == [5]
    assert said(6, 5, then=seen.append) != "Right.\n" and seen == [5]
    assert said(None, 5, then=divides) == "Not answered yet.\n"
    assert said(5, 5, then=lambda answer: np.zeros(2)) == "Right.\n"
    assert said(5, 5, then=divides).startswith("Right.\nNothing more to show: your code raised ZeroDivisionError")


def test_what_is_right_may_be_computed():
    assert said(5, lambda: 2 + 3) == said("neither", lambda: {"neither", "none"}) == "Right.\n"
    assert said(6, lambda: 2 + 3) == f"Not yet: {HINT}\n"
    assert said("many", lambda: [2, 3]) == "Not yet: this does not fit here: give numbers.\n"
    assert said(5, lambda: 1 // 0).startswith("Not yet: this does not fit here: ")


@pytest.fixture
def notebook():
    """The names of one that has kept its own: code is run with exec, as a notebook's cells are."""
    names = {"__name__": "__main__", "course": course, "seen": []}
    exec("size = 5\ndef double(x, *, times=2): return sum([x] * times)\nmakes = [lambda: double(size)]", names)
    exec("course.keep(globals())", names)
    yield names
    course.keep({})


TAKEN = "size = double = makes = sum = max = 0\nanswer = 10\n"
CHECKS = (
    "course.check(answer, lambda: double(size), 'think')",
    "course.check(answer, lambda answer: answer == max(double(size), 3), 'think', then=lambda it: seen.append(it))",
    "def right():\n    def half(): return sum([size])\n    return 2 * half()\ncourse.check(answer, right, 'think')",
)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("seal", [False, True])
def test_an_answer_may_take_any_name(notebook, check, seal, capsys):
    if seal:
        packed = base64.b64encode(zlib.compress(check.encode())).decode()
        check = f"course.check_sealed({packed!r}, answer=answer)"
    exec(TAKEN + check + "\nanswer = 11\n" + check + "\nanswer = None\n" + check, notebook)
    assert capsys.readouterr().out == "Right.\nNot yet: think\nNot answered yet.\n"
    assert notebook["size"] == 0 and not {"right", "half"} & set(notebook if seal else ())


def test_an_answer_keeps_the_names_that_it_took(notebook, capsys):
    exec("size = 7\ndef answer(): return size\ncourse.check(answer, lambda f: f() == size + 2, 'think')", notebook)
    assert capsys.readouterr().out == "Right.\n"


def test_a_sealed_check_asks_for_what_it_needs(capsys):
    course.keep({})
    course.check_sealed("", answer=5)
    assert capsys.readouterr().out.startswith("Not yet: first run the cell")


def recursive():
    found = []
    found.append(found)
    return found


class Frame:
    """A table as pandas has them: == gives a table, and its truth value raises."""

    columns = ["a", "b"]

    def __array__(self, dtype=None, copy=None):
        return np.array([["x", 1], ["y", 2]], object)

    def __eq__(self, other):
        return Frame()

    __bool__ = divides
    __hash__ = None


class Endless:
    def __len__(self):
        return 10**18  # more than any machine can make a list of, so that whoever tries fails at once

    def __getitem__(self, place):
        return 5


def test_what_is_too_long_is_not_read():
    """A range(10**9) would fill the memory."""
    read = []

    class Long(collections.abc.Sequence):
        def __len__(self):
            return 1000

        def __getitem__(self, place):
            read.append(place)
            return (5,)[place // 1000]

    assert not is_right(Long(), 5) and not is_right(Long(), [5, 5]) and read == []


class Negative(Endless):
    def __len__(self):
        return -1


STRANGE = np.empty(2, object)
STRANGE[0] = Evil()
ZOO = [
    Evil(), Evil, Frame(), Endless(), Negative(), recursive(), range(10**18), raises(ValueError()), iter([1]),
    (x for x in ()), int, type, object(), ..., NotImplemented, sys, np, {5}, frozenset(), {"a": 5}, {}, [], (),
    [[]], [[], [1]], [None, [None]], b"5\0", "\0", "\ud800", "9" * 5000, "1e999999999", "1/0", "9" * 100_000 + "x",
    bytearray(b"5"), memoryview(b"5"), 10**400, -(10**400), 1j, np.complex64(1), float("inf"), float("nan"),
    decimal.Decimal("NaN"), decimal.Decimal("sNaN"), fractions.Fraction(10**400, 3), np.datetime64("2015-11-19"),
    np.datetime64("NaT"), np.timedelta64(1, "s"), datetime.date(2015, 11, 19), np.zeros(3, "i4,f8"), np.zeros((0, 3)),
    STRANGE, np.ma.masked, np.ma.array([5], mask=[True]), np.void(b"5"), np.array(["a"]),
    tf.constant("5"), tf.constant(1j), tf.ragged.constant([[1], [1, 2]]), tf.sparse.eye(2), tf.float32,
    tf.TensorShape([None, 5]), keras.Input((2,)), keras.layers.Dense(1), keras.Sequential(), tf.data.Dataset.range(3),
    collections.deque([object()]), collections.Counter("a"), types.SimpleNamespace(shape=(), dtype="int"), slice(1),
    re.compile("5"), [Evil()], (5, Evil()), {"a": Evil()}, lambda: None, lambda *_: Evil(), quits, staticmethod(quits),
    EvilError(), "5" * 10**6,
]  # fmt: skip
RIGHTS = [5, 0.5, [5, 7], [], [[1, 2], [3, 4]], True, [True, False], "neither", {"a", "b"}, np.eye(2), 2**70, 1e300,
          lambda answer: answer(3) == 9, lambda answer: len(answer) == 2 and answer[0] > 1,
          lambda answer: np.allclose(answer, 5), lambda answer: answer == 5, lambda answer: answer]  # fmt: skip


@pytest.mark.parametrize("number", range(len(RIGHTS)))
@pytest.mark.filterwarnings("ignore")
def test_nothing_raises_and_nothing_strange_is_right(number):
    right = RIGHTS[number]
    found = [said(answer, right).startswith("Right.") for answer in ZOO]
    if not callable(right):
        allowed = {0: {np.ma.MaskedArray}, 3: {list, tuple}}.get(number, set())
        assert {type(answer) for answer, passed in zip(ZOO, found) if passed} <= allowed


leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.complex_numbers(), st.text(), st.binary(),
    st.decimals(), st.fractions(), st.dates(),
    st.integers(0, len(ZOO) - 1).map(lambda place: ZOO[place]),
)  # fmt: skip
anything = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.text(), inner, max_size=3),
        inner.map(lambda value: lambda *_: value),
    ),
    max_leaves=8,
)


@pytest.mark.filterwarnings("ignore")
@settings(deadline=None)
@given(anything, st.sampled_from(RIGHTS))
def test_no_answer_at_all_raises(answer, right):
    said(answer, right)


@settings(deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
@example(0.0, -0.0)
def test_numbers_are_right_exactly_within_the_tolerance(answer, right):
    expected = abs(answer - right) <= 1e-6
    forms = [answer, [answer], repr(answer), np.float64(answer), f" {answer!r}\n", f"{answer!r}/1"]
    if abs(abs(answer - right) - 1e-6) > 1e-9:  # rounding may decide in between
        assert [is_right(form, right) for form in forms] == [expected] * len(forms)


@settings(deadline=None)
@given(st.lists(st.integers(-9, 9), min_size=2, max_size=4), st.lists(st.integers(-9, 9), max_size=5))
def test_lists_are_right_if_they_are_equal(right, answer):
    forms = [answer, tuple(answer), np.array(answer), [float(part) for part in answer], ", ".join(map(str, answer))]
    forms += [[answer], [[part] for part in answer], [str(part) for part in answer], " ".join(map(str, answer))]
    assert [is_right(form, right) for form in forms] == [answer == right] * 9
    assert is_right(right, right) and not is_right([*right, 0], right)


@settings(deadline=None)
@given(st.text(), st.sampled_from(["neither", "too strong", "-1", "D(x) > 0.5"]))
def test_a_text_is_right_only_if_its_words_are(answer, right):
    bare = re.sub(r"\b(the|is|are)\b|[\W_]", "", answer.casefold())
    assert not is_right(answer, right) or bare == re.sub(r"[\W_]", "", right).casefold()


def test_an_output_that_knows_few_characters(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    course.check(raises(ValueError("画")), lambda answer: answer(), HINT)
    out.flush()
    assert out.buffer.getvalue() == b"Not yet: your code raised ValueError: \\u753b\n"
    monkeypatch.setattr(sys, "stdout", None)
    course.check(5, 5, HINT)


TABLES = sorted(path.stem for path in (ROOT / "assets" / "tables").glob("*.csv"))


def test_a_table_is_read_a_dictionary_a_row():
    rows = course.table("remedies")
    assert len(rows) == 12 * 5 * 4  # arms, seeds, moments
    assert rows[0] == {
        "arm": "bad",
        "seed": "0",
        "step": "200",
        "kid_raw": "25.2536",
        "kid_averaged": "21.8742",
        "images_per_second": "7139",
        "d_real": "0.9655",
        "d_fake": "0.0468",
    }
    assert {row["arm"] for row in rows} >= {"bad", "R1 no norm", "alternating", "preset"}


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_a_value_in_each_column_of_each_row(name):
    rows = course.table(name)
    assert rows and all(row.keys() == rows[0].keys() and None not in row.values() for row in rows)
    assert not [word for row in rows for word in [*row.keys(), *row.values()] if word.startswith("#")]  # no notes
    lines = (ROOT / "assets" / "tables" / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == len([line for line in lines if not line.startswith("#")]) - 1


@pytest.mark.parametrize("name", ["remedy", "remedies.csv", "", "README"])
def test_a_table_that_is_not_there_is_told_with_those_that_are(name):
    with pytest.raises(ValueError) as error:
        course.table(name)
    assert str(error.value) == f"table must be one of {', '.join(TABLES)}, got {name!r}."
