"""What can be said of the notebooks from their JSON alone, and their solutions, which nbval does not run."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT
from nbclient import NotebookClient

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TAGS = {
    "nbval-ignore-output",  # numbers of training or time
    "exercise",  # the reader writes here
    "check",  # says whether it is right
}
HEADINGS = ["You will learn", "You need", "Check yourself", "Summary", "Further reading"]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def cells(path):
    return json.loads(path.read_text())["cells"]


def source(cell):
    return "".join(cell["source"])


def tags(cell):
    return cell["metadata"].get("tags", [])


def code_cells(cells):
    return [cell for cell in cells if cell["cell_type"] == "code"]


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_executed_from_top_to_bottom_without_errors_or_stderr(cells):
    assert [cell["execution_count"] for cell in code_cells(cells)] == list(range(1, len(code_cells(cells)) + 1))
    outputs = [output for cell in code_cells(cells) for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]
    assert not [output for output in outputs if "\b" in "".join(output.get("text", ""))]


def test_shape_of_the_lesson(path, cells):
    text = "\n".join(source(cell) for cell in cells if cell["cell_type"] == "markdown")
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1 and source(cells[0]).startswith("# ")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert [heading for heading in headings if heading in HEADINGS] == HEADINGS
    assert re.search(r"\*Follows section.*document.*Run time: .*\*", source(cells[0]))
    assert path.stat().st_size < 1_000_000
    setup = source(code_cells(cells)[0])
    assert "google.colab" in setup and "import" in setup
    later = [source(cell) for cell in code_cells(cells)[1:]]
    assert not [code for code in later if re.search(r"^\s*(import|from) ", code, re.MULTILINE)]


def test_cells_are_short_and_tags_known(cells):
    assert max(source(cell).count("\n") + 1 for cell in code_cells(cells)) <= 25
    assert {tag for cell in cells for tag in tags(cell)} <= TAGS
    ignored = [cell for cell in code_cells(cells) if "nbval-ignore-output" in tags(cell)]
    assert len(ignored) < len(code_cells(cells)) / 2


def test_links_and_pictures_resolve(path, cells):
    text = "\n".join(source(cell) for cell in cells)
    for alternative, target in re.findall(r"(!?\[[^\]]*\])\(([^)\s]+)\)", text):
        if alternative.startswith("!") and "colab" not in target:
            assert len(alternative) > 40, f"{target} needs a description for readers who cannot see it"
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target


def test_words_that_talk_down_are_absent(cells):
    text = "\n".join(source(cell) for cell in cells if cell["cell_type"] == "markdown").lower()
    assert not re.findall(r"\b(simply|just|obviously)\b", text)


def solutions(cells):
    """Pairs of the place of an exercise cell and its solution, from the folded block after its check cell."""
    for place, cell in enumerate(cells):
        if "exercise" in tags(cell):
            assert "check" in tags(cells[place + 1]), "an exercise is followed by its check"
            block = re.search(r"<details>.*?```python\n(.*?)```.*?</details>", source(cells[place + 2]), re.DOTALL)
            assert block, "a check is followed by a folded solution"
            yield place, block[1]


def test_solutions_are_right_and_wrong_answers_are_not(path, cells, monkeypatch):
    """Runs the notebook in fast mode with every exercise solved, and again its checks with a wrong answer."""
    monkeypatch.setenv("DCGAN_FAST", "1")
    notebook = nbformat.read(path, as_version=4)
    found = list(solutions(cells))
    assert 3 <= len(found) <= 5
    for place, solution in found:
        notebook.cells[place].source = solution
        name = re.search(r"^(\w+) = None", source(cells[place]), re.MULTILINE)[1]
        check = notebook.cells[place + 1].source
        notebook.cells.append(nbformat.v4.new_code_cell(f"{name} = -12345\n{check}"))
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    said = ["".join(output.get("text", "") for output in notebook.cells[place + 1].outputs) for place, _ in found]
    assert all(text.startswith("Right.") for text in said), said
    refused = ["".join(output.get("text", "") for output in cell.outputs) for cell in notebook.cells[-len(found) :]]
    assert all(text.startswith("Not yet") for text in refused), refused


def test_the_kernel_is_the_usual_one(path):
    metadata = json.loads(path.read_text())["metadata"]
    assert metadata["kernelspec"]["name"] == "python3"
    assert Path(path).stem[:2].isdigit()
