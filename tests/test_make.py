"""The Makefile's verbs with stand-ins for all that they call, and that CI leaves none of them out."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

pytestmark = pytest.mark.skipif(os.name == "nt" or not shutil.which("make"), reason="needs make")


@pytest.fixture
def make(tmp_path):
    """Runs make in a folder where the set-up is done and each Python says with what it was called."""

    def stand_in(path, body):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        path.chmod(0o755)

    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.txt", "pyproject.toml", "site/requirements.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for venv in (".venv", "build/venv-site"):
        stand_in(tmp_path / venv / "bin" / "python", f'echo "{venv}: $@"')
        for tool in ("ruff", "mypy"):
            stand_in(tmp_path / venv / "bin" / tool, f'echo "{tool} $@"')
        (tmp_path / venv / "ready").touch()
    for tool in ("rm", "sh"):  # and no browser that this machine may have
        (tmp_path / "tools").mkdir(exist_ok=True)
        (tmp_path / "tools" / tool).symlink_to(shutil.which(tool))

    def run(verb, version, browser=None):
        code = f"import sys; sys.version_info = {version}; exec(sys.argv[1])"
        stand_in(tmp_path / "tools" / "a-python", f"exec {sys.executable} -c '{code}' \"$2\"")
        if browser:
            stand_in(tmp_path / "tools" / browser, "")
        command = [shutil.which("make"), "--silent", "--no-print-directory", "PYTHON=a-python", verb]
        environment = {**os.environ, "PATH": str(tmp_path / "tools")}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout

    return run


@pytest.mark.parametrize(
    ("version", "browser", "said", "builds"),
    [
        ((3, 12), "chromium", "", True),
        ((3, 11), "google-chrome", "", True),
        ((3, 10), "chromium", "The site needs Python 3.11 or newer: it is not built", False),
        ((3, 12), None, "No Chromium: the pages are not tested.", False),
        ((3, 10), None, "No Chromium: the pages are not tested.", False),
    ],
)
def test_the_site_is_built_where_it_can_be_and_its_pages_are_tested_after_that(make, version, browser, said, builds):
    lines = make("pages", version, browser).splitlines()
    assert said in "\n".join(lines)
    assert ("build/venv-site: site/build.py" in lines) == builds
    assert ("-r tests/browser.txt" in "\n".join(lines)) == bool(browser)
    assert lines[-1].startswith(".venv: -m pytest") and lines[-1].endswith("tests/pages")


def test_the_test_command_is_lint_tests_notebooks_and_pages_each_once(make):
    said = make("test", (3, 12), "chromium")
    for part in (
        "ruff",
        "mypy",
        "--ignore tests/pages",
        "tests/lessons/solved.py",
        "--nbval ",
        "site/build.py",
        "tests/pages\n",
    ):
        assert part in said, part
    assert said.count("-m pytest") == 3 and said.count("--nbval ") == said.count("site/build.py") == 1


def test_ci_runs_every_part_of_the_test_command():
    parts = re.search(r"^test: (.*?) *##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1].split()
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    run = [name for line in re.findall(r"bash \.ci/run(.*)", workflow) for name in line.split()]
    assert sorted(run) == sorted(parts)
    assert 'exec make "${@:-test}"' in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
