"""Copies of the notebooks for nbval, which then proves in one run what would take two: `make lessons`.

    python tests/lessons/solved.py build/lessons

A copy is the notebook as it is, so that its outputs are compared. After each check of an exercise comes the same check
with a zoo of wrong answers, then the exercise solved, and the check once more, after all other names of the lesson and
of Python were given to something else, as a reader's answer may. What a check must say is stored as the output of the
cell that follows it. Which cells an exercise needs is not tried here (`test_classroom`).
"""

import argparse
import builtins
import copy
import importlib.util
import inspect
import re
import sys
import textwrap
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "site"))  # where the script below finds its neighbours
spec = importlib.util.spec_from_file_location("classroom", ROOT / "site" / "classroom.py")
classroom = importlib.util.module_from_spec(spec)
spec.loader.exec_module(classroom)

WRONG = '-12345, "abc", "", [], {}, [1, [2, 3]], float("nan"), 1j, b"\\0", print, lambda *a: 1 / 0, lambda: None, type'
VERDICTS = ("Right.", "Not yet", "Not answered yet.")
SAID = f"""\
for line in the_check_said.stdout.splitlines():
    if line.startswith({VERDICTS}):
        print(line.partition(":")[0])"""


def cell(source, expected=None):
    """A code cell whose output nbval ignores, or must find to be this text, also where it ignores the others'."""
    made = nbformat.v4.new_code_cell(source, execution_count=1)
    made.metadata["tags"] = ["nbval-ignore-output" if expected is None else "nbval-check-output"]
    if expected:
        made.outputs = [nbformat.v4.new_output("stream", name="stdout", text=expected)]
    return made


def checked(check, expected, then=""):
    """A check that draws and prints for itself, and the verdicts that it has given, after `then`."""
    return [cell(f"%%capture the_check_said\n{check}"), cell(then + SAID, expected)]


def take_names(names, answer, solution, taken):
    """Solves an exercise in a notebook, and gives all names that it could have used up to something else.

    The notebook's copies have this function in a cell.

    Args:
        names: the notebook's `globals()`.
        answer: the name of the exercise's answer.
        solution: Python, run among copies of all names and functions, so that it works on when they are taken.
        taken: a list of names.

    Returns:
        A function that gives the names back. The answer stays.
    """
    from types import FunctionType

    mine = dict(names)
    for name, each in names.items():
        if isinstance(each, FunctionType) and each.__globals__ is names:
            mine[name] = FunctionType(each.__code__, mine, name, each.__defaults__, each.__closure__)
            mine[name].__kwdefaults__ = each.__kwdefaults__
    exec(compile(solution, get_ipython().compile.cache(solution), "exec"), mine)  # noqa: F821
    names[answer] = mine[answer]
    before = {name: names[name] for name in taken if name in names}
    names.update(dict.fromkeys(taken, "taken"))

    def give_back():  # with no name but its own
        for name in taken:
            del names[name]
        names.update(before)

    return give_back


def with_answers(notebook):
    """The notebook, and in it all that its exercises must hold to."""
    solved, places, cells = (
        classroom.solved(copy.deepcopy(notebook)).cells,
        set(classroom.exercises(notebook.cells)),
        [],
    )
    taken = {name for name in vars(builtins) if not name.startswith("_")}
    for each in notebook.cells:
        taken |= classroom.names(each.source)[0] if each.cell_type == "code" else set()
    for place, each in enumerate(notebook.cells):
        cells.append(each)
        if place - 1 in places:
            name = re.search(r"^(\w+) = None", notebook.cells[place - 1].source, re.MULTILINE)[1]
            wrong = f"for {name} in ({WRONG}):\n{textwrap.indent(each.source, '    ')}"
            cells += checked(wrong, "Not yet\n" * len(eval(f"({WRONG})")))
            given = f"globals(), {name!r}, {solved[place - 1].source!r}, {sorted(taken - {name, 'course'})}"
            cells.append(cell(f"{inspect.getsource(take_names)}\n\ngive_back = take_names({given})"))
            cells += checked(each.source, "Right.\n", "give_back()\n")
    return nbformat.from_dict({**notebook, "cells": cells})


def main() -> None:
    """Writes all copies into a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for path in classroom.COURSE:
        nbformat.write(with_answers(nbformat.read(path, as_version=4)), folder / path.name)


if __name__ == "__main__":
    main()
