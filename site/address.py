"""Gives the repository another address, in every notebook, page and link: for who forks it or publishes it elsewhere.

    make address URL=https://github.com/owner/name

The address is written down once, as Homepage in pyproject.toml, and is otherwise the beginning of links: badges of
Colab, lines that install the package from GitHub, raw files, the site at owner.github.io/name; and the folder that a
hub opens. Nothing else changes.
"""

import os
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXTS = {".cff", ".html", ".ipynb", ".js", ".md", ".py", ".toml", ".yml"}
NOT_WRITTEN_BY_HAND = {"build", "dist", "node_modules", "runs"}


def beginnings(url: str) -> list[str]:
    """Lists what links to a repository begin with: itself, its notebooks in Colab, its raw files, its site.

    The last is no link: the folder that a hub opens after it has cloned the repository.

    Raises:
        ValueError: if it is no address of a repository on GitHub.
    """
    found = re.fullmatch(r"https://github\.com/([a-z\d]+(?:-[a-z\d]+)*)/([\w.-]*[\w-])", url, re.ASCII | re.IGNORECASE)
    if not found or url.endswith(".git"):
        raise ValueError(f"{url!r} is no address of a repository: give one like https://github.com/owner/name.")
    owner, name = found.groups()
    site = f"{owner.lower()}.github.io"
    places = ("github.com", "colab.research.google.com/github", "raw.githubusercontent.com")
    return [
        *(f"https://{place}/{owner}/{name}" for place in places),
        f"https://{site}" if name.lower() == site else f"https://{site}/{name}",
        f"urlpath=lab/tree/{name}",
    ]


def of_the_repository(root: Path = ROOT) -> str:
    """Where the repository is, as its pyproject.toml says."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    return re.search(r'^Homepage = "(.*)"$', text, re.MULTILINE)[1]


def of_the_site() -> str:
    """Where GitHub Pages shows the site of this repository, without a slash at its end."""
    return beginnings(of_the_repository())[-2]


def texts(root: Path) -> list[Path]:
    """Lists the files that people write. The last is pyproject.toml: until it is changed, all can be done again."""
    found = []
    for folder, folders, names in os.walk(root):
        hidden = {name for name in folders if name.startswith(".") and name != ".github"}
        folders[:] = set(folders) - hidden - NOT_WRITTEN_BY_HAND
        found += [Path(folder, name) for name in names if Path(name).suffix in TEXTS]
    return sorted(found, key=lambda path: (path.name == "pyproject.toml", path))


def change(root: Path, url: str) -> tuple[int, int]:
    """Replaces the address, each file written whole. Returns in how many places of how many files.

    Raises:
        ValueError: if it is no address, or one that is linked to already: then there would be no way back.
    """
    old = beginnings(of_the_repository(root))
    pairs = {a.encode(): b.encode() for a, b in zip(old, beginnings(url)) if a != b}

    def any_of(links):
        return re.compile(b"(?:" + b"|".join(map(re.escape, links)) + rb")(?![\w-])")  # a longer name is another's

    written = {path: path.read_bytes() for path in texts(root)} if pairs else {}
    for path, before in written.items():
        if any_of(pairs.values()).search(before):
            raise ValueError(f"{path.relative_to(root)} links to {url} already, as to something else: name another.")
    count, changed = 0, 0
    for path, before in written.items():
        after, places = any_of(pairs).subn(lambda match: pairs[match[0]], before)
        if places:
            unfinished = path.with_name(f".unfinished-{path.name}")
            unfinished.write_bytes(after)
            shutil.copymode(path, unfinished)
            os.replace(unfinished, path)
            count, changed = count + places, changed + 1
    return count, changed


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python site/address.py https://github.com/owner/name")
    try:
        count, changed = change(ROOT, sys.argv[1])
    except ValueError as error:
        sys.exit(f"Error: {error}")
    print(f"{count} places in {changed} files now say {sys.argv[1]}.")
