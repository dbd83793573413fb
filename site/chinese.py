"""The Chinese edition: keeps each translation beside its English text, and says where one is behind.

    python site/chinese.py status [--diff]   what is new, stale or gone; --diff shows which English words have changed
    python site/chinese.py update            writes the same into the translations, for whoever translates
    python site/chinese.py check             what a translation has lost or added; exit code 1 if there is anything
    python site/chinese.py build FOLDER      the Chinese notebooks

`notebooks/zh/NAME.md` holds the Markdown cells of `notebooks/NAME.ipynb` in Chinese, in the notebook's order, each
after a line with the first eight digits of the SHA-256 of the English cell: `<!-- 1a2b3c4d -->`. A page is cut before
each heading of level 2. After `update`, `new` behind the digits says that the text is still English, and `was 5e6f7a8b`
that the English cell has changed since it was translated. Who has translated it deletes the word. Style and terms are
in `notebooks/zh/README.md`.
"""

import argparse
import collections
import difflib
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import address
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
BEHIND = "> *这一段的英文原文已有改动，译文尚未跟上。*"
NOT_YET = "> *本页尚未译成中文。*"
HAN = "[\u4e00-\u9fff]"


class Entry(NamedTuple):
    """A translated cell, as it stands in its file."""

    key: str  # of the English cell that it was made from, or is to be made from
    note: str  # "", "new" or "was 5e6f7a8b"
    text: str


class Row(NamedTuple):
    """An English cell and what there is of it in Chinese."""

    state: str  # "fresh", "stale" or "new"
    english: str
    entry: Entry | None


def sources() -> list[Path]:
    """Lists what there is to translate: the notebooks, the texts beside them, and the pages of the site."""
    notebooks = ROOT / "notebooks"
    pages = [*notebooks.glob("*.md"), *(ROOT / "site").glob("*.md")]
    return [*sorted(notebooks.glob("*.ipynb")), *sorted(pages)]


def translation(path: Path) -> Path:
    """Where the Chinese text of a notebook or a page is, or would be."""
    return path.parent / "zh" / f"{path.stem}.md"


def key(text: str) -> str:
    """The digits by which a translation knows its English cell. The repository's address does not count."""
    for place, beginning in enumerate(address.beginnings(address.of_the_repository())):
        text = text.replace(beginning, f"<{place}>")
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def english(path: Path) -> list[str]:
    """The Markdown cells of a notebook, or the sections of a page."""
    if path.suffix == ".md":
        parts = re.split(r"^(?=## )", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        return [part.strip() for part in parts]
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


def entries(path: Path) -> list[Entry]:
    """Reads a file of translations. Where there is none, it is empty."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    parts = re.split(r"^<!-- (\w+)(?: (new|was \w+))? -->\n", text, flags=re.MULTILINE)[1:]
    return [Entry(parts[at], parts[at + 1] or "", parts[at + 2].strip()) for at in range(0, len(parts), 3)]


def rows(path: Path) -> tuple[list[Row], list[Entry]]:
    """Pairs each English cell with its translation, and lists the translations that are left over.

    A cell and its translation know each other by the digits. Those whose English has changed since are paired by
    formulas, code, links, numbers and place, the most alike first.
    """
    cells, there = english(path), entries(translation(path))
    free = set(range(len(there)))
    found: list[int | None] = []
    for text in cells:
        same = next((number for number in sorted(free) if there[number].key == key(text)), None)
        free.discard(same)
        found.append(same)
    alike = []
    for place in (place for place, number in enumerate(found) if number is None and free):
        for number in free:
            ratio = difflib.SequenceMatcher(None, _listed(cells[place]), _listed(there[number].text), False).ratio()
            alike.append((ratio - abs(place / len(cells) - number / len(there)), place, number))
    for score, place, number in sorted(alike, reverse=True):
        if score >= 0.4 and found[place] is None and number in free:
            found[place] = number
            free.remove(number)
    result = []
    for text, number in zip(cells, found):
        entry = None if number is None else there[number]
        new = entry is None or entry.note == "new"
        fresh = entry is not None and entry.key == key(text) and not entry.note
        result.append(Row("new" if new else "fresh" if fresh else "stale", text, entry))
    return result, [there[number] for number in sorted(free)]


def shown(row: Row) -> str:
    """What a Chinese page shows of a cell: never a number, a formula or code that the English has no more."""
    if row.state == "fresh":
        return row.entry.text
    if row.state == "stale" and kept(row.english) == kept(row.entry.text):
        return f"{row.entry.text}\n\n{BEHIND}"
    return row.english


# What a translation keeps as it is.

_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$", re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HTML = re.compile(r"<[a-z/][^>]*>")
_SAID = re.compile(r' (?:alt|aria-label|title)="[^"]*"')  # attributes whose words are translated
_NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)*(?:x\d+)?")
_LARGE = {"million": 1e6, "billion": 1e9, "万": 1e4, "亿": 1e8}  # 2.5 million is 250 万
_IN_WORDS = re.compile(rf"(\d+(?:\.\d+)?) ({'|'.join(_LARGE)})")
_MARK = re.compile(r"^#+ |^- |^\d+\. |\*\*|</?details>|!\[", re.MULTILINE)
# What no Chinese text here has.
_NEVER = {
    "no space between Chinese and Latin": rf"{HAN}[A-Za-z0-9$`]|[A-Za-z0-9$`%]{HAN}",
    "a half-width mark after Chinese": rf"{HAN}[,;:?!]|{HAN}\.(?!\w)",
    "half-width brackets around Chinese": rf"\([^()]*{HAN}[^()]*\)",
    "a space beside a full-width mark": r"[，。：；、！？（）“”] (?=[^*\s|])|[^\s*|\-] (?=[，。：；、！？）”])",
    "a word of another usage": "[訓練網絡圖學習]|鉴别器|辨别器|初始分数|初始距离|全规约|反捲積",
    "a tone that is not the course's": "您|亲们|小编|让我们|显然|众所周知|只需简单",
}


def kept(text: str) -> dict[str, collections.Counter]:
    """Counts what a translation has to keep: program lines, formulas, code, links, numbers and marks."""
    programs = []
    for block in _FENCE.findall(text):
        if block.startswith("```{raw} html"):  # its tags are kept, its words are translated
            programs += [" ".join(tag.split()) for tag in _HTML.findall(_SAID.sub("", block))]
        else:
            programs += [re.sub(r"\s*(?<!\S)#\s.*", "", line) for line in block.splitlines()]
    text = _FENCE.sub("", text)
    formulas, text = _FORMULA.findall(text), _FORMULA.sub(" ", text)
    code, text = _CODE.findall(text), _CODE.sub(" ", text)
    links, text = _LINK.findall(text), _LINK.sub("]", text)
    found = {"program": programs, "formula": formulas, "code": code, "link": links, "mark": _MARK.findall(text)}
    text = _HTML.sub(" ", re.sub(r"^\d+\. ", "", text, flags=re.MULTILINE))
    large = [f"{float(number) * _LARGE[word]:g}" for number, word in _IN_WORDS.findall(text)]
    found["number"] = _NUMBER.findall(_IN_WORDS.sub(" ", text)) + large
    return {name: collections.Counter(each) for name, each in found.items()}


def _listed(text: str) -> list[str]:
    return [item for each in kept(text).values() for item in sorted(each.elements())]


def faults(row: Row) -> list[str]:
    """Says what a fresh translation has lost or added, and which marks are wrong. Code in backticks may be added."""
    said, ours, theirs = [], kept(row.english), kept(row.entry.text)
    for name in ours:
        lost, added = ours[name] - theirs[name], theirs[name] - ours[name]
        if lost or (added and name not in ("code", "program")):
            said.append(f"{name}: lost {list(lost.elements())}, added {list(added.elements())}")
    text = _HTML.sub("", _LINK.sub("]", _CODE.sub("`", _FORMULA.sub("$", _FENCE.sub("", row.entry.text)))))
    for what, pattern in _NEVER.items():
        said += [f"{what}: {text[max(0, at.start() - 8) : at.end() + 8]!r}" for at in re.finditer(pattern, text)]
    # Bold that ends in a mark needs a space behind it, or the stars stay.
    html = MarkdownIt().enable("table").render(_FORMULA.sub("x", row.entry.text))
    html = re.sub(r"<(code|pre)\b.*?</\1>", "", html, flags=re.DOTALL)
    said += [f"a star that stays: {html[max(0, at.start() - 12) : at.end() + 12]!r}" for at in re.finditer(r"\*", html)]
    words = re.findall(r"[A-Za-z]{3,}", _HTML.sub("", _CODE.sub("", _FENCE.sub("", row.english))))
    if len(words) > 3 and not re.search(HAN, text):
        said.append("no Chinese")
    return said


# The Chinese notebooks and pages.


def headings(text: str) -> list[str]:
    return re.findall(r"^#+ (.*)$", _FENCE.sub("", text), re.MULTILINE)


def anchors(path: Path) -> dict[str, str]:
    """The anchors of the English headings, as Jupyter makes them, and those of the Chinese ones in their place."""
    found = {}
    for row in rows(path)[0]:
        pairs = headings(row.english), headings(shown(row))
        if len(pairs[0]) == len(pairs[1]):
            found |= {a.replace(" ", "-"): b.replace(" ", "-") for a, b in zip(*pairs)}
    return found


def local(text: str, known: dict[str, dict[str, str]]) -> str:
    """A Chinese text whose links lead to the Chinese headings, and not to English notebooks in Colab.

    `known` has the `anchors` of each notebook and page.
    """
    text = re.sub(r"^\[!\[[^\]]*\]\([^)]*colab-badge[^)]*\)\]\([^)]*\)\n\n?", "", text, flags=re.MULTILINE)
    text = re.sub(r" ?[（(]\[[^\]]*\]\(https://colab\.research\.google\.com/[^)]*\)[）)]", "", text)

    def led(match):
        name, ending, anchor = match.groups()
        return f"]({name}{ending}#{known.get(Path(name).name, {}).get(anchor, anchor)})"

    return re.sub(r"\]\(([\w/.]+?)(\.ipynb)#([^)]+)\)", led, text)


def notebook(path: Path, known: dict[str, dict[str, str]]) -> dict:
    """A notebook with its Markdown in Chinese; code, outputs, tags and ids as they are."""
    made = json.loads(path.read_text(encoding="utf-8"))
    found = iter(rows(path)[0])
    for cell in made["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = local(shown(next(found)), known).splitlines(keepends=True)
    return made


def page(path: Path, known: dict[str, dict[str, str]]) -> str:
    """A page in Chinese; in English, with a line that says so, where it is not translated."""
    found = rows(path)[0]
    parts = [shown(row) for row in found]
    if all(row.state == "new" for row in found):
        parts[0] = re.sub(r"^# .*", lambda title: f"{title[0]}\n\n{NOT_YET}", parts[0], count=1, flags=re.MULTILINE)
    return local("\n\n".join(parts), known) + "\n"


def all_anchors() -> dict[str, dict[str, str]]:
    return {path.stem: anchors(path) for path in sources()}


def build(folder: Path) -> None:
    """Writes the Chinese notebooks into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    known = all_anchors()
    for path in sources():
        if path.suffix == ".ipynb":
            text = json.dumps(notebook(path, known), ensure_ascii=False, indent=1) + "\n"
            (folder / path.name).write_text(text, encoding="utf-8")


# For whoever translates.


def update(path: Path) -> None:
    """Brings the translations of a file into the order of the English cells, with their digits."""
    lines = []
    for row in rows(path)[0]:
        note = " new" if row.state == "new" else ""
        if row.state == "stale":
            note = f" {row.entry.note}" if row.entry.note else f" was {row.entry.key}"
        lines.append(f"<!-- {key(row.english)}{note} -->\n{row.english if row.state == 'new' else row.entry.text}\n")
    translation(path).parent.mkdir(exist_ok=True)
    translation(path).write_text("\n".join(lines), encoding="utf-8")


def before(path: Path, digits: str) -> str:
    """The English text that a translation was made from, out of the history; "" if it is not there."""
    place = path.relative_to(ROOT).as_posix()

    def git(*words):
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, encoding="utf-8").stdout

    for commit in git("log", "--format=%H", "--", place).split():
        old = git("show", f"{commit}:{place}")
        cells = json.loads(old or '{"cells": []}')["cells"] if path.suffix == ".ipynb" else []
        texts = ["".join(cell["source"]) for cell in cells] or re.split(r"^(?=## )", old, flags=re.MULTILINE)
        for text in texts:
            if key(text.strip() if path.suffix == ".md" else text) == digits:
                return text
    return ""


def word_diff(old: str, new: str) -> str:
    """Shows the words that have changed, [-before-]{+after+}, and little of what has not."""
    a, b = (re.findall(r"\s+|\S+", text) for text in (old, new))
    said = []
    for kind, i, j, k, m in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        gone, come = "".join(a[i:j]), "".join(b[k:m])
        if kind == "equal":
            said.append(gone if len(gone) < 60 else f"{gone[:25]} ... {gone[-25:]}")
        else:
            said.append(f"[-{gone}-]" * bool(gone) + f"{{+{come}+}}" * bool(come))
    return "".join(said)


def status(path: Path, with_diff: bool = False) -> list[str]:
    """Lists what is behind in a file, a line each, and below it the changed words where they are asked for."""
    said, name = [], translation(path).relative_to(ROOT).as_posix()
    found, gone = rows(path)
    for number, row in enumerate(found):
        if row.state == "fresh":
            continue
        said.append(f"{name}, cell {number}, {key(row.english)}: {row.state}: {row.english[:60]!r}")
        if with_diff and row.state == "stale":
            old = before(path, row.entry.note.removeprefix("was ") or row.entry.key)
            said.append("    " + word_diff(old, row.english).replace("\n", "\n    "))
    return said + [f"{name}, {entry.key}: gone: {entry.text[:40]!r}" for entry in gone]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("status").add_argument("--diff", action="store_true")
    for verb in ("update", "check"):
        verbs.add_parser(verb).add_argument("names", nargs="*", help="of notebooks or pages, without ending")
    verbs.add_parser("build").add_argument("folder", type=Path)
    asked = parser.parse_args()
    if asked.verb == "build":
        return build(asked.folder)
    wanted = [path for path in sources() if not getattr(asked, "names", None) or path.stem in asked.names]
    said: list[str] = []
    for path in wanted:
        if asked.verb == "update":
            update(path)
        elif asked.verb == "status":
            said += status(path, asked.diff)
        else:
            name = translation(path).relative_to(ROOT).as_posix()
            fresh = [row for row in rows(path)[0] if row.state == "fresh"]
            said += [f"{name}, {row.entry.key}: {fault}" for row in fresh for fault in faults(row)]
    print("\n".join(said), end="\n" * bool(said))
    sys.exit(bool(said) and asked.verb == "check")


if __name__ == "__main__":
    main()
