"""Builds the course's site: `make site`, or `python site/build.py [FOLDER]` with what site/requirements.txt names.

It lays out the pages in `build/pages` (notebooks with their outputs, the texts of this folder), runs Sphinx on them,
and adds what Sphinx does not make: the slides, the explorer with its weights, the notebooks to download, the pages to
print, and the search index. The Chinese pages come the same way, into `zh/`, and share all files but themselves. It
needs no network and no TensorFlow.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import address
import chinese
import classroom
import conf
import decks
import mathjax
import nbformat
import pack
import pictures
import words

ROOT = Path(__file__).parents[1]
SITE = ROOT / "site"
PAGES = {"en": ROOT / "build" / "pages", "zh_CN": ROOT / "build" / "pages-zh"}  # what Sphinx reads, by its language
GITHUB = address.of_the_repository()
ADDRESS = address.of_the_site()
COLAB = GITHUB.replace("github.com", "colab.research.google.com/github") + "/blob/main/notebooks/"
RAW = GITHUB.replace("github.com", "raw.githubusercontent.com") + "/main/"
README = {"en": ROOT / "README.md", "zh_CN": ROOT / "README.zh-CN.md"}
# Pages beside the notebooks that lie in the repository as they are.
KEPT = (
    "notebooks/faq.md",
    "notebooks/python.md",
    "assets/tables/README.md",
    "assets/data/README.md",
    "assets/weights/README.md",
)
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PAPERS = {"a4": "A4", "letter": "letter"}
TO_PRINT = ("printable", "stamps")


def lessons(language: str = "en") -> list[dict]:
    """Lists the notebooks in reading order, as a README's table does: file, short name, what you end with, time."""
    text = README[language].read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[([^\]]+)\]\([^)]*notebooks/([^).]+)\.\w+\).*? \| (.*) \| (.*) \|$", text, re.MULTILINE)
    said = {f"{stem}.ipynb": {"name": name, "end": end, "time": time} for name, stem, end, time in rows}
    files = [path.name for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]
    missing = [file for file in files if file not in said]
    if missing:
        raise SystemExit(f"The table of {README[language].name} has no row for {', '.join(missing)}.")
    return [{"file": file, **said[file]} for file in files]


def page(text: str, place: str, pages: Path) -> str:
    """Makes Markdown of the repository fit for the site.

    Args:
        text: the Markdown.
        place: the file it comes from, relative to the repository, "/" between folders.
        pages: the folder where it is laid out, and pictures with it.

    Returns:
        The same with pictures beside it, links to pages of the site, and other links to GitHub.
    """
    text = re.sub(rf" \(\[in Colab\]\({re.escape(COLAB)}[^)]*\)\)", "", text)  # the page says it once, at its top
    text = text.replace(RAW, os.path.relpath(".", Path(place).parent).replace("\\", "/") + "/")

    here = {*KEPT, "terms.md", *(path.name for path in SITE.glob("*.md"))}

    def resolved(match):
        picture, label, target = match.groups()
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        name, _, anchor = target.partition("#")
        file = (ROOT / place).parent.joinpath(name).resolve().relative_to(ROOT.resolve())
        if picture:
            (pages / file.parent).mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, pages / file)
        elif file.suffix != ".ipynb" and file.as_posix() not in here:
            if not (ROOT / file).exists():
                raise SystemExit(f"{place}: {target} does not exist.")
            kind = "tree" if (ROOT / file).is_dir() else "blob"
            return f"{picture}[{label}]({GITHUB}/{kind}/main/{file.as_posix()}{'#' + anchor if anchor else ''})"
        if file.suffix == ".ipynb" and anchor:  # Jupyter names a heading by its text, the site as GitHub does
            slug = re.sub(r"[^\w-]", "", anchor.lower())
            return f"[{label}]({name}#{slug})"
        return match[0]

    return re.sub(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)", resolved, text)


def notebook_page(notebook: nbformat.NotebookNode, name: str, language: str = "en") -> nbformat.NotebookNode:
    """A notebook as it is shown: links at its top, films as films, and a description for each picture."""
    place, say = f"notebooks/{name}", words.of(language)
    links = [
        f'<a href="{COLAB}{name}">Open in Colab</a>' if language == "en" else "",
        f'<a href="{name}" download>{say("Download the notebook")}</a>',
        f'<a href="{GITHUB}/blob/main/{place}">{say("On GitHub")}</a>',
    ]
    tools = f'<p class="tools">{" ".join(filter(None, links))}</p>'
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            source = re.sub(r"\[!\[Open in Colab\]\([^)]*\)\]\([^)]*\)", "", cell.source)
            if not number:
                title, _, rest = source.partition("\n")
                source = f"{title}\n\n{tools}\n{rest}"
            cell.source = page(source, place, PAGES[language])
            continue
        alt = decks.caption(notebook.cells, number) or say("A figure, drawn by the cell above")
        cell.metadata["mystnb"] = {"image": {"alt": alt}}
        for output in cell.outputs:
            data = output.get("data", {})
            if base64.b64decode("".join(data.get("image/png", ""))[:8]).startswith(b"GIF8"):
                data["image/gif"] = data.pop("image/png")  # Jupyter shows films under this name
    return notebook


def terms() -> str:
    """A page of the document's Chinese terms, from the places where the notebooks introduce them."""
    rows = {}
    for lesson in lessons():
        for cell in nbformat.read(ROOT / "notebooks" / lesson["file"], as_version=4).cells:
            if cell.cell_type != "markdown":
                continue
            for english, term in re.findall(
                r"\*\*([\w -]+)\*\*(?: \$[^$]*\$)? \((?:[A-Z]+[ ,]*)?([\u4e00-\u9fff]+)", cell.source
            ):
                rows.setdefault(term, (english.lower() if english[1:].islower() else english, lesson))
    lines = [
        f"| {english} | {term} | [{lesson['name']}](notebooks/{lesson['file']}) |"
        for term, (english, lesson) in sorted(rows.items(), key=lambda row: row[1][0].lower())
    ]
    return "\n".join(
        [
            "# Terms, English and Chinese",
            "",
            "The course follows a Chinese text. Each term is followed by the Chinese one where a notebook introduces"
            " it. This list is made from those places. The search finds both.",
            "",
            "| term | in the document | introduced in |",
            "|---|---|---|",
            *lines,
            "",
        ]
    )


def glossary() -> str:
    """The same page in Chinese: the table that translators go by."""
    table = re.search(
        r"^\| English .*?\n\n", (ROOT / "notebooks/zh/README.md").read_text(encoding="utf-8"), re.M | re.S
    )
    rows = [[part.strip() for part in line.split("|")[1:3]] for line in table[0].strip().splitlines()[2:]]
    lines = [f"| {chinese_term} | {english_term} |" for english_term, chinese_term in rows]
    return "\n".join(["# 术语", "", "| 中文 | 英文 |", "|---|---|", *lines, ""])


def course_table(language: str) -> str:
    """The lessons as a table of links."""
    rows = [
        f"| [{each['name']}](notebooks/{each['file']}) | {each['end']} | {each['time']} |" for each in lessons(language)
    ]
    say = words.of(language)
    head = " | ".join(map(say, ("notebook", "you end with", "CPU, 2 cores")))
    return "\n".join([f"| {head} |", "|---|---|---|", *rows])


def toctree(caption: str, entries: list[str]) -> str:
    return "\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *entries, "```", ""])


def lay_out(papers: list[str], language: str = "en") -> None:
    """Writes everything that Sphinx reads for a language."""
    pages, say, known = PAGES[language], words.of(language), chinese.all_anchors() if language != "en" else {}
    shutil.rmtree(pages, ignore_errors=True)
    (pages / "notebooks").mkdir(parents=True)

    def text_of(path: Path) -> str:
        if language == "en" or path not in chinese.sources():
            return path.read_text(encoding="utf-8")
        return chinese.page(path, known)

    for lesson in lessons(language):
        path = ROOT / "notebooks" / lesson["file"]
        made = chinese.notebook(path, known) if language != "en" else json.loads(path.read_text(encoding="utf-8"))
        shown = notebook_page(nbformat.reads(json.dumps(made), as_version=4), path.name, language)
        nbformat.write(shown, pages / "notebooks" / path.name)
    for name in KEPT:
        (pages / name).parent.mkdir(parents=True, exist_ok=True)
        (pages / name).write_text(page(text_of(ROOT / name), name, pages), encoding="utf-8")

    def to_print(name, what):
        pdfs = [f'<a href="{name}-{each}.pdf">PDF, {"A4" if each == "a4" else "US Letter"}</a>' for each in papers]
        return ", ".join([f'<a href="{name}.html">{say(what)}</a>', *pdfs])

    slides = [f'<a href="slides/{name}.html">{name.split("_")[0]}</a>' for name in decks.decks()]
    beside = ["teaching", "sessions", "run_folder", "commands", "notebooks/faq", "notebooks/python", "terms"]
    evidence = ["measured", "assets/tables/README", "assets/data/README", "assets/weights/README", "cite"]
    course = [f"{each['name']} <notebooks/{each['file'][:-6]}>" for each in lessons(language)]
    filled = {
        "{{course}}": course_table(language),
        "{{printable}}": to_print("printable", "One page to print"),
        "{{stamps}}": to_print("stamps", "Stamps to cut out"),
        "{{slides}}": ", ".join(slides),
        "{{toctrees}}": toctree(say("The course"), course)
        + toctree(say("Beside it"), beside)
        + toctree(say("Evidence"), evidence),
    }
    for path in SITE.glob("*.md"):
        text = text_of(path)
        for mark, value in filled.items():
            text = text.replace(mark, value)
        (pages / path.name).write_text(page(text, path.name, pages), encoding="utf-8")
    (pages / "terms.md").write_text(terms() if language == "en" else glossary(), encoding="utf-8")


def chromium() -> str | None:
    """The path of a Chromium or Chrome, None where there is none."""
    return next(filter(None, map(shutil.which, CHROMIUMS)), None)


def print_pages(folder: Path) -> None:
    """Writes the pages to print to a folder and, where there is a Chromium, prints each to one PDF a paper size."""
    for name in TO_PRINT:
        text = (SITE / f"{name}.html").read_text(encoding="utf-8")
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
        for paper, size in PAPERS.items() if chromium() else ():
            page = folder / f"{name}-{paper}.html"
            page.write_text(text.replace("size: A4", f"size: {size}"), encoding="utf-8")
            options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
            subprocess.run(
                [chromium(), *options, f"--print-to-pdf={page.with_suffix('.pdf')}", page.as_uri()],
                check=True,
                capture_output=True,
                timeout=120,
            )
            page.unlink()


def for_robots(folder: Path) -> None:
    """Writes the list of pages for search engines, and the page for addresses that are none."""
    pages = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*.html") if "pagefind" not in path.parts
    )
    places = "".join(f"<url><loc>{ADDRESS}/{name}</loc></url>" for name in pages)
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    text = f'{head}<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{places}</urlset>\n'
    (folder / "sitemap.xml").write_text(text, encoding="utf-8")
    page = (SITE / "404.html").read_text(encoding="utf-8").replace("{{address}}", ADDRESS)
    (folder / "404.html").write_text(page, encoding="utf-8")


def sphinx(language: str) -> Path:
    """Runs Sphinx on the pages of a language, and returns the folder of what it made."""
    work = ROOT / "build" / f"sphinx-{language}"
    shutil.rmtree(work, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", SITE, "-d", work / "doctrees"]
    subprocess.run([*command, "-D", f"language={language}", PAGES[language], work / "html"], check=True)
    for unneeded in ("jupyter_execute", "_sources"):
        shutil.rmtree(work / "html" / unneeded, ignore_errors=True)
    return work / "html"


def share(folder: Path, own: Path) -> None:
    """Deletes from the pages in `own`, a folder of `folder`, what the English pages have too, and links to that."""
    for path in [path for path in own.rglob("*") if path.is_file() and path.suffix != ".html"]:
        same = folder / path.relative_to(own)
        if same.is_file() and same.read_bytes() == path.read_bytes():
            path.unlink()
    for place in own.rglob("*.html"):

        def led(match, place=place):
            target, rest = re.fullmatch(r"([^?#]*)(.*)", match[2]).groups()
            path = Path(os.path.normpath(place.parent / unquote(target)))
            if not target or re.match(r"[a-z]+:|/", target) or path.exists() or not path.is_relative_to(own):
                return match[0]
            there = folder / path.relative_to(own)
            return f'{match[1]}"{os.path.relpath(there, place.parent)}{rest}"' if there.exists() else match[0]

        html = place.read_text(encoding="utf-8")
        place.write_text(re.sub(r'( (?:src|href)=)"([^"]*)"', led, html), encoding="utf-8")


def wheel(folder: Path) -> None:
    """Writes the module as a file that pip installs, for those who cannot reach GitHub."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, ROOT]
    subprocess.run(command, check=True)


def build(folder: Path) -> None:
    """Builds the site into a folder, which is emptied before."""
    print("Laying out the pages ...", flush=True)
    papers = list(PAPERS) if chromium() else []
    for language in PAGES:
        lay_out(papers, language)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.move(sphinx("en"), folder)
    shutil.move(sphinx("zh_CN"), folder / "zh")
    shutil.copy(ROOT / "assets" / "fashion.gif", folder / "assets")
    decks.write(folder / "slides", conf.mathjax3_config)

    print("Adding MathJax, the explorer, the notebooks and the pages to print ...", flush=True)
    (folder / "_static" / "mathjax").mkdir()
    found = next(Path(mathjax.__file__).parent.rglob("es5/tex-svg.js"))
    shutil.copy(found, folder / "_static" / "mathjax")
    shutil.copytree(SITE / "explorer", folder / "explorer")
    pack.main(folder / "explorer")
    for lesson in lessons():
        shutil.copy(ROOT / "notebooks" / lesson["file"], folder / "notebooks")
    chinese.build(folder / "zh" / "notebooks")
    for table in (ROOT / "assets" / "tables").glob("*.csv"):
        shutil.copy(table, folder / "assets" / "tables")
    classroom.pack_students(folder / "student.zip")
    classroom.pack_students(folder / "zh" / "student.zip", "zh_CN")
    print_pages(folder)
    wheel(folder)
    share(folder, folder / "zh")
    pictures.finish(folder)
    for_robots(folder)

    print("Indexing for the search ...", flush=True)
    options = ["--root-selector", "[role=main]", "--exclude-selectors", ".headerlink, .tools, .copybtn"]
    subprocess.run([sys.executable, "-m", "pagefind", "--site", folder, "--silent", *options], check=True)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(json.dumps({"folder": str(folder), "pages": len(list(folder.rglob("*.html"))), "MB": round(size / 1e6, 1)}))


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit("usage: python site/build.py [FOLDER]")
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "site")
