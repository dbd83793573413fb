"""Slides of five lessons: `site/slides/decks.md` says which question comes before which figure.

Figures, films, printed numbers, sentences and exercises are the notebooks' own, taken from their cells when the site is
built. A cell, a sentence or an exercise that is gone stops the build.
"""

import base64
import html
import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "site" / "slides"
UNSAID = "A figure. What it shows is described on the next slide."


def source(cell) -> str:
    return "".join(cell["source"])


def caption(cells, number: int) -> str | None:
    """The sentence under a figure, which says what to see. It serves those who cannot see it as well."""
    after = "".join(source(each) for each in cells[number + 1 : number + 2] if each["cell_type"] == "markdown")
    said = re.match(r"\*([^*].*?)\*\s*(?:\n\n|\Z)", after, re.DOTALL)
    return re.sub(r"[*`$\s]+", " ", said[1]).strip() if said else None


def decks() -> dict[str, list[list[str]]]:
    """The rows of each deck, by the notebook's name: question, shown with it, shown then, said then."""
    found = {}
    for name, table in re.findall(
        r"^## (\w+)\n\n((?:\|.*\n)+)", (SOURCE / "decks.md").read_text("utf-8"), re.MULTILINE
    ):
        found[name] = [[part.strip() for part in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return found


def inline(text: str) -> str:
    """A piece of Markdown as HTML: code, formulas, bold and slanted words. Links become their words."""
    text = re.sub(r" \(\[in Colab\]\([^)]*\)\)", "", text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    parts = re.split(r"(`[^`]+`|\$[^$]+\$)", text)
    for place, part in enumerate(parts):
        part, inside = html.escape(part, quote=False), html.escape(part[1:-1], quote=False)
        if place % 2:
            parts[place] = f"<code>{inside}</code>" if part[0] == "`" else rf'<span class="math">\({inside}\)</span>'
        else:
            part = re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", part)
            parts[place] = re.sub(r"\*([^*]+)\*", r"<em>\1</em>", part)
    return "".join(parts)


class Lesson:
    """A notebook, asked for its parts."""

    def __init__(self, name: str):
        self.name = name
        self.cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
        self.places = {cell["id"].removeprefix("cell-"): place for place, cell in enumerate(self.cells)}

    def place(self, cell: str) -> int:
        if cell not in self.places:
            raise ValueError(f"{self.name} has no cell {cell}.")
        return self.places[cell]

    def sentence(self, cell: str, beginning: str) -> str:
        """The sentence of a cell that begins with these words."""
        text = source(self.cells[self.place(cell)])
        found = re.findall(rf"(?:^|[\s*\"]){re.escape(beginning)}.*?[.?!](?=[*\")]*(?:\s|$))", text, re.MULTILINE)
        if len(found) != 1:
            raise ValueError(f"{self.name}, cell {cell}: {len(found)} sentences begin with {beginning!r}.")
        said = found[0].lstrip('*" \n')
        return said[0].upper() + said[1:]

    def formula(self, cell: str, number: int = 1) -> str:
        """A formula that stands on a line of its own."""
        found = re.findall(r"\$\$(.*?)\$\$", source(self.cells[self.place(cell)]), re.DOTALL)
        if len(found) < number:
            raise ValueError(f"{self.name}, cell {cell} has no formula {number}.")
        return found[number - 1].strip()

    def exercise(self, number: int) -> str:
        places = [n for n, cell in enumerate(self.cells) if "exercise" in cell["metadata"].get("tags", [])]
        if not 1 <= number <= len(places):
            raise ValueError(f"{self.name} has no exercise {number}.")
        return source(self.cells[places[number - 1] - 1])

    def section(self, cell: str) -> tuple[str, str]:
        """The number and the anchor of the section that a cell stands in. Both empty above the first."""
        for each in reversed(self.cells[: self.place(cell) + 1]):
            found = (
                re.findall(r"^## ((\d+)\. .*)", source(each), re.MULTILINE) if each["cell_type"] == "markdown" else ()
            )
            if found:
                title, number = found[-1]
                return number, re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-").lstrip("0123456789-")
        return "", ""

    def shown(self, what: str, answered: bool, files: dict[str, bytes]) -> str:
        """The figure or the printed text of a cell, or its formula, as HTML. Adds the files of figures to `files`."""
        cell, _, formula = what.partition(" formula")
        if " formula" in what:
            text = html.escape(self.formula(cell, int(formula or 1)), quote=False)
            return rf'<div class="formula"><span class="math">\(\displaystyle {text}\)</span></div>'
        printed, figure = "", ""
        for cell, place in ((each, self.place(each)) for each in what.split(" + ")):
            for output in self.cells[place].get("outputs", []):
                printed += "".join(output.get("text", "")) if output.get("name") == "stdout" else ""
                if "image/png" not in output.get("data", {}):
                    continue
                content = base64.b64decode("".join(output["data"]["image/png"]))
                name = f"{self.name.split('_')[0]}-{cell}.{'gif' if content.startswith(b'GIF8') else 'png'}"
                files[name] = content
                alt = html.escape(caption(self.cells, place) or "A figure of the notebook") if answered else UNSAID
                figure = f'<figure><img alt="{alt}" src="{name}"></figure>'
        if not figure and not printed.strip():
            raise ValueError(f"{self.name}, cell {cell} shows nothing.")
        lines = printed.strip("\n").splitlines()
        columns = max(map(len, lines), default=0)
        text = html.escape("\n".join(lines), quote=False)
        return figure or f'<pre style="--columns: {columns}; --lines: {len(lines)}">{text}</pre>'


def deck(name: str, mathjax: dict | None = None) -> tuple[str, dict[str, bytes]]:
    """The slides of a notebook: a page of HTML, and the files of its pictures by name.

    Args:
        name: of the notebook.
        mathjax: settings of MathJax, for a deck with formulas.
    """
    lesson, files, slides = Lesson(name), {}, []
    number = name.split("_")[0]
    top = source(lesson.cells[0])
    title, goal = re.search(r"^# (.*)", top)[1], re.search(r"^At the end .*", top, re.MULTILINE)[0]
    page = f"../notebooks/{name}.html"

    def slide(kind, body, cell=None):
        section, anchor = lesson.section(cell) if cell else ("", "")
        words = f"Notebook {number}, section {section}" if section else f"Notebook {number}"
        link = f'<a href="{page}{"#" + anchor if anchor else ""}">{words}</a>'
        slides.append((kind, body, link))

    slide("title", f"<h1>{inline(title)}</h1><p>{inline(goal)}</p>{{hint}}")
    for question, beside, then, said in decks()[name]:
        exercise = re.fullmatch(r"exercise (\d+)", question)
        if exercise:
            text = re.sub(r"^\*\*\d+\. ", "**", lesson.exercise(int(exercise[1])))
            body = "".join(f"<p>{inline(part)}</p>" for part in text.split("\n\n"))
            slide("exercise", f"<h2>Exercise {exercise[1]}</h2>{body}<p class='do'>Answer it in the notebook.</p>")
            continue
        asked = inline(question)
        first = (then or beside or said).split()[0]
        alone = not then and not said
        do = "Decide before you go on." if beside else "Write down what you expect."
        if then or beside:
            looked = lesson.shown(beside, False, files) if beside else ""
            slide("ask", f'<h2>{asked}</h2>{looked}<p class="do">{do}</p>', first)
        if alone:
            continue
        parts = [part.strip().split(" ", 1) for part in said.split(" / ")] if said else []
        words = "".join(f"<p>{inline(lesson.sentence(*part))}</p>" for part in parts)
        seen = lesson.shown(then, True, files) if then else ""
        head = f'<p class="asked">{asked}</p>' if then or beside else f"<h2>{asked}</h2>"
        slide("see" if seen else "say", f'{head}{seen}<div class="said">{words}</div>', first)

    body = "\n".join(
        f'<section id="slide-{n}" class="{kind}" tabindex="-1" aria-label="Slide {n} of {len(slides)}">{text}'
        f"<footer>{link}<span>{n} / {len(slides)}</span></footer></section>"
        for n, (kind, text, link) in enumerate(slides, start=1)
    )
    template = (SOURCE / "deck.html").read_text(encoding="utf-8")
    hint = re.search(r"<template>(.*?)</template>\s*", template, re.DOTALL)
    text = template.replace(hint[0], "").replace("{{slides}}", body.replace("{hint}", hint[1].strip()))
    plain = {"title": html.escape(title), "goal": html.escape(goal), "number": number, "mathjax": json.dumps(mathjax)}
    for mark, value in plain.items():
        text = text.replace(f"{{{{{mark}}}}}", value)
    formulas = re.search(r"<!-- formulas -->(.*?)<!-- -->\n", text, re.DOTALL)
    return text.replace(formulas[0], formulas[1].strip() + "\n" if 'class="math"' in body else ""), files


def write(folder: Path, mathjax: dict) -> None:
    """Writes all decks into a folder, NAME.html each, with their pictures."""
    folder.mkdir(parents=True)
    for name in decks():
        text, files = deck(name, mathjax)
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
        for file, content in files.items():
            (folder / file).write_bytes(content)
