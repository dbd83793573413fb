"""What a teacher shows and hands out: slides and stamps, whose content is that of the notebooks."""

import ast
import json
import re

import numpy as np
import pytest
from conftest import ROOT, from_site

decks = from_site("decks")


def test_there_are_slides_of_what_the_lesson_of_90_minutes_uses():
    teaching = (ROOT / "site" / "teaching.md").read_text(encoding="utf-8")
    materials = teaching.split("Materials: notebooks")[1].split("the explorer")[0]
    assert [name.split("_")[0] for name in decks.decks()] == re.findall(r"\[(\d\d)\]", materials)


@pytest.mark.parametrize("name", ["slides/decks.md", "handout.txt", "stamps.html"])
def test_words_that_talk_down_are_absent(name):
    assert not re.findall(r"\b(simply|just|obviously)\b", (ROOT / "site" / name).read_text(encoding="utf-8").lower())


@pytest.mark.parametrize("name", decks.decks())
def test_every_slide_shows_what_its_table_names(name):
    text, files = decks.deck(name)
    rows = decks.decks()[name]
    assert all(len(row) == 4 for row in rows)
    shown = len(re.findall(r'<figure|<pre|class="formula"', text))
    assert shown == sum(bool(each) for row in rows for each in row[1:3])
    assert all(content[:4] in (b"\x89PNG", b"GIF8") for content in files.values())
    assert text.count("<section") == 1 + sum(
        1 if row[0].startswith("exercise") else bool(row[1] or row[2]) + bool(row[2] or row[3]) for row in rows
    )
    assert "{{" not in text and "**" not in text and "](" not in text
    asked = re.findall(r'<section id="slide-(\d+)" class="ask"', text)
    seen = re.findall(r'<section id="slide-(\d+)" class="see"', text)
    assert len(seen) >= 5 and {int(n) - 1 for n in seen} <= {int(n) for n in asked}  # a question before each answer
    assert [alt for alt in re.findall(r'class="ask".*?alt="([^"]*)"', text) if alt != decks.UNSAID] == []


def test_a_slide_of_something_that_is_gone_stops_the_build():
    lesson = decks.Lesson("03_transposed_convolution")
    for ask in (
        lambda: lesson.shown("999", True, {}),
        lambda: lesson.shown("001", True, {}),
        lambda: lesson.shown("020 formula", True, {}),
        lambda: lesson.sentence("031", "Left, kernel 6"),
        lambda: lesson.sentence("031", "kern"),
        lambda: lesson.exercise(6),
    ):
        with pytest.raises(ValueError):
            ask()
    assert (
        lesson.sentence("031", "Right, kernel 5")
        == "Right, kernel 5: a checkerboard of 4, 6 and 9, but for the border."
    )
    assert lesson.section("030") == ("7", "overlaps") and lesson.section("001") == ("", "")
    assert decks.inline("`a*b` is $x < 1$, **not** *so* [here](x.md)") == (
        '<code>a*b</code> is <span class="math">\\(x &lt; 1\\)</span>, <b>not</b> <em>so</em> here'
    )


def test_the_stamps_are_those_of_the_notebook():
    """The numbers to cut out are its kernels times its inputs, and the fields have the sizes that come out."""
    text = (ROOT / "notebooks" / "03_transposed_convolution.ipynb").read_text(encoding="utf-8")
    source = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    (kernel,) = re.findall(r"^stamp = np\.array\((.*)\)$", source, re.MULTILINE)
    (small,) = re.findall(r"^small = np\.array\((.*)\)$", source, re.MULTILINE)
    wanted = [np.array(ast.literal_eval(kernel)) * n for n in np.ravel(ast.literal_eval(small))]
    wanted += [np.array([[1, 2, 3]]) * n for n in (1, 10, 100)]
    assert "1 2 3" in source and "[  1   2  13  20 130 200 300]" in text
    page = (ROOT / "site" / "stamps.html").read_text(encoding="utf-8")
    groups = re.findall(r'<g transform="[^"]*"><path d="([^"]*)" />(.*?)</g>', page)
    printed = [list(map(int, re.findall(r">(\d+)<", inside))) for _, inside in groups]
    assert [each for each in printed if each] == [list(each.ravel()) for each in wanted]
    sizes = [(len(set(re.findall(r"M(\d+) 0v", d))), len(set(re.findall(r"M0 (\d+)h", d)))) for d, _ in groups]
    squares = [(columns - 1, rows - 1) for columns, rows in sizes]
    dots = [inside.count("<circle") for _, inside in groups]
    assert squares[:5] == [(7, 4), (5, 3), (5, 5), (8, 8), (9, 9)] and dots[:5] == [0, 0, 4, 9, 9]
    assert squares[3][0] == (3 - 1) * 2 + 4 and squares[4][0] == (3 - 1) * 2 + 5
