"""One command gives the repository another address: `make address`. It is tried on a copy, and taken back."""

import re
import shutil
import subprocess
import sys

import pytest
from conftest import ADDRESS, ROOT

# In parts, as this file is one of those that may not link to it.
GITHUB = "https://github.com"
OTHER = f"{GITHUB}/Jane-Doe/gans.and-more"
KINDS = (
    "*.py",
    "*.md",
    "*.cff",
    "*.ipynb",
    "*.toml",
    "*.txt",
    "*.yml",
    "*.html",
    "*.js",
    "*.json",
    "*.css",
    "*.csv",
    "Makefile",
)


@pytest.fixture(scope="module")
def texts():
    """All that people write here, by its name, as bytes."""
    paths = {path for kind in KINDS for path in ROOT.rglob(kind) if path.is_file()}
    names = {path.relative_to(ROOT) for path in paths}
    made = {".venv", "build", "dist", "node_modules", "runs", ".git"}
    return {name: (ROOT / name).read_bytes() for name in names if not made & set(name.parts)}


@pytest.fixture
def copy(tmp_path, texts):
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text)
    return tmp_path


def move(folder, *arguments):
    command = [sys.executable, folder / "site" / "address.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def found_in(folder, texts):
    return {name: (folder / name).read_bytes() for name in texts}


def test_the_address_changes_everywhere_and_back(copy, texts):
    result = move(copy, OTHER)
    assert result.returncode == 0 and re.fullmatch(r"\d{3} places in \d\d files now say .*\n", result.stdout)
    changed = found_in(copy, texts)
    owner, name = ADDRESS.split("/")[-2:]
    for path, text in changed.items():
        assert not re.search(rf"{owner}/{name}|{owner}\.github\.io".encode(), text), path
    readme = changed[(copy / "README.md").relative_to(copy)].decode()
    for link in (
        f"https://{'jane-doe'}.github.io/gans.and-more/explorer/",
        f"https://colab.research.google.com/github/{'Jane-Doe'}/gans.and-more/blob/main/notebooks/00_quickstart.ipynb",
        f"pip install git+{OTHER}",
    ):
        assert link in readme
    assert f"url = {{{OTHER}}}".encode() in changed[(copy / "site" / "cite.md").relative_to(copy)]
    assert (
        f"urlpath=lab/tree/{OTHER.split('/')[-1]}/".encode()
        in changed[(copy / "site" / "teaching.md").relative_to(copy)]
    )
    assert f'repository-code: "{OTHER}"'.encode() in changed[(copy / "CITATION.cff").relative_to(copy)]
    for path, text in changed.items():
        if path.suffix == ".ipynb":
            assert f"git+{OTHER}".encode() in text and OTHER.split("/")[-1].encode() not in texts[path]

    assert move(copy, OTHER).stdout == f"0 places in 0 files now say {OTHER}.\n"
    assert move(copy, ADDRESS).returncode == 0
    assert found_in(copy, texts) == texts
    assert not [path for path in copy.rglob("*") if path.is_file() and path.relative_to(copy) not in texts]


def test_a_repository_that_is_a_site_of_its_own(copy, texts):
    """GitHub serves owner/owner.github.io without the name."""
    site = "jane.github.io"
    assert move(copy, f"{GITHUB}/Jane/{site}").returncode == 0
    assert f"https://{site}/explorer/)" in (copy / "README.md").read_text(encoding="utf-8")
    assert move(copy, ADDRESS).returncode == 0
    assert found_in(copy, texts) == texts


@pytest.mark.parametrize(
    "url",
    [
        "",
        "github.com/jane/gans",
        "http://github.com/jane/gans",
        "https://github.com/jane",
        "https://github.com/jane/gans/",
        "https://github.com/jane/gans.git",
        "https://github.com/jane/gans/tree/main",
        "https://github.com/-jane/gans",
        "https://github.com/jane/..",
        "https://gitlab.com/jane/gans",
        "https://github.com/jane/gans\n",
        "https://github.com/jäne/gans",
    ],
)
def test_what_is_no_address_is_refused(copy, texts, url):
    result = move(copy, url)
    assert result.returncode == 1 and not result.stdout
    assert (
        result.stderr == f"Error: {url!r} is no address of a repository: give one like https://github.com/owner/name.\n"
    )
    assert found_in(copy, texts) == texts


def test_an_address_that_is_linked_to_as_another_is_refused(copy, texts):
    (other,) = re.findall(rb"https://github\.com/tensorflow/docs", b"".join(texts.values()))[:1]
    result = move(copy, other.decode())
    assert result.returncode == 1
    assert re.fullmatch(r"Error: \S+ links to \S+ already, as to something else: name another.\n", result.stderr)
    assert found_in(copy, texts) == texts


def test_make_asks_for_the_url():
    if not shutil.which("make"):
        pytest.skip("There is no make.")
    result = subprocess.run(["make", "-s", "address"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode and "give one like https://github.com/owner/name" in result.stderr
