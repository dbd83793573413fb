"""The teacher's pages: what they name of the notebooks is there, and plans and points add up."""

import json
import re

import pytest
from conftest import ROOT

TEACHING = (ROOT / "site" / "teaching.md").read_text(encoding="utf-8")
SESSIONS = (ROOT / "site" / "sessions.md").read_text(encoding="utf-8")
LESSONS = {path.stem.split("_")[0]: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
NAMED = r"(?:\[(\d\db?)\]\([^)]*\)|\b[Nn]otebook (\d\db?)\b)"
LIST = r"(\d+(?:(?:, | and | to )\d+)*)"


def cells(number):
    return json.loads(LESSONS[number].read_text(encoding="utf-8"))["cells"]


def sections(number):
    text = "\n".join("".join(cell["source"]) for cell in cells(number) if cell["cell_type"] == "markdown")
    return {int(each) for each in re.findall(r"^## (\d+)\. ", text, re.MULTILINE)}


def exercises(number):
    return sum("exercise" in cell["metadata"].get("tags", []) for cell in cells(number))


def numbers(words):
    """Of "1 to 3 and 5": 1, 2, 3, 5."""
    found = []
    for joint, number in re.findall(r"(, | and | to |^)(\d+)", words):
        found += range(found[-1] + 1, int(number) + 1) if joint == " to " else [int(number)]
    return found


def test_numbers():
    assert numbers("1 to 3 and 5") == [1, 2, 3, 5] and numbers("8") == [8] and numbers("1, 5, 6") == [1, 5, 6]


@pytest.mark.parametrize("text, least", [(TEACHING, 20), (SESSIONS, 70)], ids=["teaching", "sessions"])
def test_sections_and_exercises_that_are_named_exist(text, least):
    found = 0
    for linked, spoken, words in re.findall(rf"{NAMED}(?:,|:| is at)? (?:the rest of )?sections? {LIST}", text):
        number = linked or spoken
        assert set(numbers(words)) <= sections(number), (number, words)
        found += 1
    for linked, spoken, words in re.findall(rf"{NAMED},? exercises? {LIST}", text):
        assert max(numbers(words)) <= exercises(linked or spoken)
    for number, exercise in re.findall(r"(?<![\d.,])\b(\d\db?)\.(\d)\b(?![\d%])", text):
        if number in LESSONS:
            assert 1 <= int(exercise) <= exercises(number), f"{number}.{exercise}"
            found += 1
    assert found >= least


def test_every_row_of_a_plan_names_a_section_that_is_there():
    """Even where the notebook is named, and its sections come without a link."""
    for row in re.findall(r"^\| \d+–\d+ \|.*", SESSIONS, re.MULTILINE):
        what = row.split("|")[2]
        if "section" in what:
            assert re.search(rf"{NAMED}, (?:the rest of )?sections? {LIST}", what), row


def test_the_minutes_of_each_plan_follow_each_other_up_to_90_and_once_to_45():
    plans = re.findall(r"^\| minutes \|.*\n\|[-|]+\n((?:\|.*\n)+)", TEACHING + "\n" + SESSIONS, re.MULTILINE)
    ends = []
    for plan in plans:
        times = [tuple(map(int, pair)) for pair in re.findall(r"^\| (\d+)–(\d+) \|", plan, re.MULTILINE)]
        assert len(times) == plan.count("\n") and times[0][0] == 0
        ends.append(times[-1][1])
        assert all(start < end for start, end in times)
        assert all(before[1] == after[0] for before, after in zip(times, times[1:]))
    (promised,) = re.findall(r"plans of 90 minutes for (\d+) sessions, and of 45 for one", TEACHING)
    assert sorted(ends) == [45] + [90] * (1 + int(promised))


def test_every_notebook_has_a_place_in_a_plan():
    assert {linked for linked, _ in re.findall(NAMED, SESSIONS) if linked} == set(LESSONS)


def test_homework_and_points_are_counted_right():
    counted = 0
    weeks = re.findall(r"^\| (\d)\. .*", TEACHING, re.MULTILINE)
    sums = {}
    for week, row in zip(weeks, re.findall(r"^\| \d\. .*", TEACHING, re.MULTILINE)):
        given = row.split("|")[4]
        names, said = re.search(r"^ ([^(]*) \((\d+)", given).groups()
        assert sum(exercises(each) for each in re.findall(r"\d\d", names)) == int(said), row
        counted += int(said)
        sums[week] = counted
    assert f"{sums['4']} in four weeks, {sums['5']} in five" in " ".join(TEACHING.split())
    rubric = re.search(r"\*\*Project\*\*, (\d+) points:\n\n\| what \|.*\n\|[-|]+\n((?:\|.*\n)+)", TEACHING)
    assert int(rubric[1]) == 4 * rubric[2].count("\n")


@pytest.mark.parametrize("name", ["teaching.md", "sessions.md"])
def test_words_that_talk_down_are_absent(name):
    assert not re.findall(r"\b(simply|just|obviously)\b", (ROOT / "site" / name).read_text(encoding="utf-8").lower())
