"""The Chinese edition says what the English one says. An English cell that has changed is named, and stops nothing."""

import json
import os
import re

import pytest
from conftest import ROOT, from_site

chinese = from_site("chinese")
PATHS = [path for path in chinese.sources() if chinese.translation(path).is_file()]
ENGLISH = "**Two** networks, $x^2$, `np.mean`, 0.27 and 10,000: [there](04_bce_loss.ipynb#4.-The-losses), now."
CHINESE = "**两个**网络，$x^2$，`np.mean`，0.27 和 10,000：见[那里](04_bce_loss.ipynb#4.-The-losses)，就是现在。"


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of one notebook of five cells, translated."""
    monkeypatch.setattr(chinese, "ROOT", tmp_path)
    (tmp_path / "notebooks" / "zh").mkdir(parents=True)
    (tmp_path / "site").mkdir()
    path = tmp_path / "notebooks" / "00_a.ipynb"
    texts = ["# One", "Two is `f(2)`.", ENGLISH, "## Four\n\nIt is $4$.", "The fifth one, all in words."]
    theirs = ["# 一", "二是 `f(2)`。", CHINESE, "## 四\n\n它是 $4$。", "第五个单元格，全是文字。"]

    def write(cells):
        kinds = [{"cell_type": "markdown", "source": [text], "metadata": {}} for text in cells]
        code = {"cell_type": "code", "source": ["1 + 1"], "metadata": {}, "outputs": [], "id": "c"}
        path.write_text(json.dumps({"cells": [kinds[0], code, *kinds[1:]], "nbformat": 4}), encoding="utf-8")

    write(texts)
    pairs = [f"<!-- {chinese.key(a)} -->\n{b}\n" for a, b in zip(texts, theirs)]
    chinese.translation(path).write_text("\n".join(pairs), encoding="utf-8")
    return path, texts, write


def states(path):
    return [row.state for row in chinese.rows(path)[0]]


def test_cells_are_known_by_their_english_text(course):
    path, texts, write = course
    assert states(path) == ["fresh"] * 5 and chinese.status(path) == []
    write([texts[0], texts[3], texts[1], texts[2], texts[4]])
    assert states(path) == ["fresh"] * 5, "a cell that moves keeps its translation"
    write([texts[0], "A new one, with words.", texts[1], texts[2].replace("now", "then"), texts[4]])
    found, gone = chinese.rows(path)
    assert [row.state for row in found] == ["fresh", "new", "fresh", "stale", "fresh"]
    assert [entry.text for entry in gone] == ["## 四\n\n它是 $4$。"]
    assert found[3].entry.text == CHINESE
    said = "\n".join(chinese.status(path))
    assert "cell 1" in said and "new" in said and "stale" in said and "gone" in said


def test_a_page_never_shows_a_number_that_english_has_no_more(course):
    path, texts, write = course
    write([*texts[:2], texts[2].replace("now", "then"), *texts[3:]])
    same = chinese.notebook(path, {})["cells"][3]
    assert "".join(same["source"]) == f"{CHINESE}\n\n{chinese.BEHIND}"
    for old, new in (("0.27", "0.28"), ("x^2", "x^3"), ("np.mean", "np.sum"), ("#4.-The-losses", "#5.-The-losses")):
        write([*texts[:2], texts[2].replace(old, new), *texts[3:]])
        assert "".join(chinese.notebook(path, {})["cells"][3]["source"]) == texts[2].replace(old, new)


def test_an_update_tells_what_a_translation_was_made_from(course):
    path, texts, write = course
    changed = texts[2].replace("now", "then")
    write([*texts[:2], changed, *texts[3:], "A sixth one, new."])
    chinese.update(path)
    chinese.update(path)  # and not from itself
    text = chinese.translation(path).read_text(encoding="utf-8")
    assert f"<!-- {chinese.key(changed)} was {chinese.key(texts[2])} -->\n{CHINESE}\n" in text
    assert f"<!-- {chinese.key('A sixth one, new.')} new -->\nA sixth one, new.\n" in text
    assert states(path) == ["fresh", "fresh", "stale", "fresh", "fresh", "new"]
    chinese.translation(path).write_text(re.sub(" (new|was [0-9a-f]+) -->", " -->", text), encoding="utf-8")
    assert states(path) == ["fresh"] * 6


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("0.27", "0.72", "number: lost"),
        ("x^2", r"\hat{x}^2", "formula: lost"),
        ("np.mean", "np.sum", "code: lost"),
        ("04_bce", "05_bce", "link: lost"),
        ("**两个**", "两个", "mark: lost"),
        ("10,000", "1 万", "number: lost"),
        ("网络，", "网络,", "half-width mark"),
        ("0.27 和", "0.27和", "no space"),
        ("，就是", "， 就是", "a space beside"),
        ("见[那里]", "见您的[那里]", "tone"),
        ("网络", "判别器网络（即鉴别器）", "usage"),
        ("**两个**网络", "**两个。**网络", "star"),
    ],
)
def test_what_a_translation_has_lost_is_found(old, new, words):
    assert old in CHINESE
    row = chinese.Row("fresh", ENGLISH, chinese.Entry("", "", CHINESE.replace(old, new)))
    assert any(words in fault for fault in chinese.faults(row)), chinese.faults(row)
    assert not chinese.faults(chinese.Row("fresh", ENGLISH, chinese.Entry("", "", CHINESE)))


def test_the_address_of_the_repository_does_not_count(monkeypatch):
    text = f"[here]({chinese.address.of_the_repository()}/blob/main/x), [site]({chinese.address.of_the_site()}/y)"
    digits = chinese.key(text)
    other = "https://github.com/jane/gans"
    for old, new in zip(*map(chinese.address.beginnings, (chinese.address.of_the_repository(), other))):
        text = text.replace(old, new)
    assert chinese.key(text) != digits
    monkeypatch.setattr(chinese.address, "of_the_repository", lambda: other)
    assert chinese.key(text) == digits


def test_the_chinese_readme_has_the_lessons_and_the_way_without_github():
    ours, theirs = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.zh-CN.md", "README.md"))
    row = re.compile(r"^\| \[(\w+) .*?\]\([^)]*notebooks/(\w+)\.\w+\).* \| ([^|]+) \|$", re.MULTILINE)
    assert row.findall(ours) == row.findall(theirs) and len(row.findall(ours)) > 20
    assert f"{len(row.findall(ours))} 个 notebook" in ours and f"{len(row.findall(ours))} notebooks" in theirs
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    needed = set(re.findall(r'^    "([a-z0-9]+)>=[^"]*",$', project, re.MULTILINE))
    written = set(re.search(r"^pip install tensorflow-cpu (.*)$", ours, re.MULTILINE)[1].split())
    assert needed - {"tensorflow"} == (written - {"jupyter", "imageio"}) | {"keras", "numpy", "h5py"}  # TensorFlow's
    import dcgan_keras

    wheel = f"dcgan_keras-{dcgan_keras.__version__}-py3-none-any.whl"  # as the site's build names it
    assert ours.count(wheel) == 2 and wheel in (ROOT / "site" / "index.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
def test_a_fresh_translation_has_lost_nothing(path):
    fresh = [row for row in chinese.rows(path)[0] if row.state == "fresh"]
    assert [(row.entry.key, fault) for row in fresh for fault in chinese.faults(row)] == []


@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
def test_a_translation_is_up_to_date(path):
    """Only for a release does it have to be: an English change does not wait for its translation."""
    behind = chinese.status(path)
    if behind and not os.environ.get("DCGAN_ZH_STRICT"):
        pytest.xfail("\n".join(behind))
    assert not behind


def test_chinese_notebooks_differ_in_their_markdown_alone(tmp_path):
    chinese.build(tmp_path)
    there = {}
    for path in sorted(tmp_path.glob("*.ipynb")):
        ours = json.loads((ROOT / "notebooks" / path.name).read_text(encoding="utf-8"))
        theirs = json.loads(path.read_text(encoding="utf-8"))
        assert len(ours["cells"]) == len(theirs["cells"])
        for a, b in zip(ours["cells"], theirs["cells"]):
            if a["cell_type"] == "markdown":
                text = "".join(b["source"])
                there.setdefault(path.name, set()).update(each.replace(" ", "-") for each in chinese.headings(text))
                a, b = dict(a, source=""), dict(b, source="")
            assert a == b
    assert len(there) == len(list((ROOT / "notebooks").glob("*.ipynb")))
    for path in tmp_path.glob("*.ipynb"):
        for name, anchor in re.findall(r"\]\((\w+\.ipynb)#([^)]+)\)", path.read_text(encoding="utf-8")):
            assert anchor in there[name], (path.name, anchor)
