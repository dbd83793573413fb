"""The teacher's edition, the students', and the checker on answers of every kind.

That every solution is right is for `make lessons` (solved.py) to find.
"""

import base64
import csv
import json
import os
import re
import sys
import zipfile
import zlib

import dcgan_keras
import nbformat
import pytest
from conftest import ADDRESS, ROOT, from_site

classroom = from_site("classroom")
CONVOLUTION = ROOT / "notebooks" / "02_convolution.ipynb"


def read(path):
    return nbformat.read(path, as_version=4)


def hand_in(path, *answers, course=CONVOLUTION):
    """Writes a student's notebook with these answers; None leaves a cell as it was."""
    notebook = classroom.student(read(course))
    places = [place for place, cell in enumerate(notebook.cells) if "exercise" in classroom.tags(cell)]
    for place, answer in zip(places, answers):
        notebook.cells[place].source = answer if answer is not None else notebook.cells[place].source
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def solutions(path):
    cells = read(path).cells
    return [classroom.solution(cells[place + 2]) for place in classroom.exercises(cells)]


def test_students_get_no_solution_and_no_output(tmp_path):
    classroom.pack_students(tmp_path / "student.zip")
    with zipfile.ZipFile(tmp_path / "student.zip") as archive:
        names = sorted(archive.namelist())
        assert names == [*(f"dcgan/{path.name}" for path in classroom.COURSE), "dcgan/README.txt"]
        for path in classroom.COURSE:
            notebook = nbformat.reads(archive.read(f"dcgan/{path.name}").decode(), as_version=4)
            nbformat.validate(notebook)
            course = read(path)
            assert not [cell for cell in notebook.cells if "<summary>Solution" in cell.source]
            code = [cell for cell in notebook.cells if cell.cell_type == "code"]
            assert not [cell for cell in code if cell.outputs or cell.execution_count]
            before = [cell for cell in course.cells if cell.cell_type == "code"]
            for cell, open_cell in zip(code, before, strict=True):
                assert (classroom.unpinned(cell.source) == open_cell.source) != ("check" in classroom.tags(cell))
            assert len(notebook.cells) == len(course.cells) - len(classroom.exercises(course.cells))


def test_a_zip_says_which_version_it_is_and_installs_that(monkeypatch, tmp_path):
    """Pinned where GitHub has the commit. Else, pip could not find it."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    said = {"rev-parse": {"--show-toplevel": str(ROOT), "HEAD": commit}, "status": "", "branch": "origin/main"}
    answer = lambda *of: said[of[0]] if isinstance(said[of[0]], str) else said[of[0]][of[1]]  # noqa: E731
    monkeypatch.setattr(classroom, "_git", answer)
    monkeypatch.setattr(classroom, "COURSE", [CONVOLUTION])
    classroom.pack_students(tmp_path / "student.zip")
    with zipfile.ZipFile(tmp_path / "student.zip") as archive:
        readme = archive.read("dcgan/README.txt").decode()
        notebook = nbformat.reads(archive.read("dcgan/02_convolution.ipynb").decode(), as_version=4)
    first, *_ = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert f"Version: {dcgan_keras.__version__}, commit {commit}\n" in readme
    assert f'pip install "git+{ADDRESS}@{commit}" "jupyter>=' in readme and "{" not in readme
    assert f"    %pip install -q git+{ADDRESS}@{commit}\n" in first
    assert classroom.own_code(notebook, read(CONVOLUTION)) == [("", "")] * 5  # the line is not the student's

    said["branch"], said["status"] = "", " M README.md"
    assert classroom.version() == (f"{dcgan_keras.__version__}, commit {commit}, and changes since", "")
    assert f'pip install "git+{ADDRESS}" ' in classroom.readme("", "en")
    said["rev-parse"]["--show-toplevel"] = str(ROOT.parent)  # an unpacked copy in somebody's own repository
    assert classroom.version() == (dcgan_keras.__version__, "")
    said["rev-parse"]["--show-toplevel"] = ""
    assert classroom.version() == (dcgan_keras.__version__, "")


def test_what_was_handed_in_may_be_of_the_chinese_edition(tmp_path, monkeypatch):
    """Known by its Chinese title though the file has another name, its answers by their cells."""
    monkeypatch.setattr(classroom, "COURSE", [CONVOLUTION])
    classroom.pack_students(tmp_path / "student.zip", "zh_CN")
    with zipfile.ZipFile(tmp_path / "student.zip") as archive:
        assert "学生版" in archive.read("dcgan/README.txt").decode()
        notebook = nbformat.reads(archive.read("dcgan/02_convolution.ipynb").decode(), as_version=4)
    titles = [cell.source.splitlines()[0] for cell in notebook.cells if cell.cell_type == "markdown"]
    assert re.search("[\u4e00-\u9fff]", titles[0]) and not any("Solution" in title for title in titles)
    course = read(CONVOLUTION)
    for number, place in enumerate(classroom.exercises(course.cells)):
        next(cell for cell in notebook.cells if cell.id == course.cells[place].id).source = f"answer = {number}"
    assert classroom.course_notebook(tmp_path / "作业.ipynb", notebook) == CONVOLUTION
    assert classroom.answers(notebook, course) == [f"answer = {number}" for number in range(5)]


def test_git_that_is_missing_says_nothing(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert classroom._git("rev-parse", "HEAD") == ""


SEALED = r'# The check .+\ncourse\.check_sealed\(\n    """\n([\w+/=\n]+)\n""",\n    (\w+)=\2,\n\)'


@pytest.mark.parametrize("path", classroom.COURSE, ids=lambda path: path.stem)
def test_students_checks_show_no_answer(path):
    """All alike: a comment, the same check packed, and the answer by its name."""
    course, checks = (
        read(path),
        [cell for cell in classroom.student(read(path)).cells if "check" in classroom.tags(cell)],
    )
    for place, check in zip(classroom.exercises(course.cells), checks, strict=True):
        code, answer = re.fullmatch(SEALED, check.source).groups()
        assert zlib.decompress(base64.b64decode(code)).decode() == course.cells[place + 1].source
        assert course.cells[place].source.startswith(f"{answer} = None")


@pytest.mark.parametrize("name", ["02_convolution", "11_instability"])
def test_sealed_checks_say_what_the_open_ones_say(name):
    """Of no answer, of the solution, and of another."""
    path = ROOT / "notebooks" / f"{name}.ipynb"
    cells, packed = json.loads(path.read_text(encoding="utf-8"))["cells"], classroom.student(read(path)).cells
    checks = [cell.source for cell in packed if "check" in classroom.tags(cell)]
    given = {1: "answer = 12345", 2: "1"}
    order = classroom._order(cells, {place: n for n, place in enumerate(classroom.exercises(cells))}, solutions(path))
    for cell in order:
        if "exercise" in cell:
            number = cell["exercise"]
            cell.update(check=checks[number], code=given.get(number, cell["code"]))
    found = [verdict for verdict, _ in classroom._run(order, seconds=60, memory_gb=8).values()]
    assert found == ["right", "not yet", "not answered", *["right"] * (len(checks) - 3)]


def test_instructors_get_solutions_in_place_and_run():
    course, notebook = read(CONVOLUTION), classroom.instructor(read(CONVOLUTION))
    nbformat.validate(notebook)
    places = classroom.exercises(course.cells)
    assert [notebook.cells[place].source.strip() for place in places] == list(map(str.strip, solutions(CONVOLUTION)))
    assert all(classroom.printed(notebook.cells[place + 1]).startswith("Right.") for place in places)
    changed = {at for place in places for at in (place, place + 1)}
    for place, (cell, before) in enumerate(zip(notebook.cells, course.cells)):
        assert place in changed or cell == before
    assert "/tmp" not in json.dumps(notebook) and os.path.expanduser("~") not in json.dumps(notebook)


def test_the_checker_tells_answers_apart(tmp_path):
    """Right, wrong, empty, crashing, endless, forbidden; and what one does not touch the verdict on the next."""
    right = solutions(CONVOLUTION)
    outside = tmp_path / "outside.txt"
    hand_in(tmp_path / "all" / "ada" / "02.ipynb", *right)
    hand_in(tmp_path / "all" / "ben" / "02_convolution.ipynb", "answer = (1, 2, 3)", None, right[2], "1 / 0", "dilated")
    hand_in(
        tmp_path / "all" / "cem" / "my notebook.ipynb",
        right[0],
        "import time\nwhile True:\n    try: time.sleep(1)\n    except BaseException: pass",
        "import os\nos._exit(0)",
        f"open({str(outside)!r}, 'w').write('x')\nkernel = [[1, -1], [-1, 1]]",
        right[4],
    )
    rows = classroom.check_folder(tmp_path / "all", seconds=8)
    found = {name: [row["verdict"] for row in rows if row["student"] == name] for name in ("ada", "ben", "cem")}
    assert found == {
        "ada": ["right"] * 5,
        "ben": ["not yet", "not answered", "right", "crashed", "not answered"],
        "cem": ["right", "crashed", "crashed", "crashed", "right"],
    }
    said = [row["said"] for row in rows if row["student"] == "cem"]
    assert "after 8 seconds" in said[1] and "ended the process" in said[2] and "outside its folder" in said[3]
    assert not outside.exists()
    text = classroom.table(rows)
    assert re.search(r"^ada +02_convolution +right +right +right +right +right +5/5$", text, re.MULTILINE)
    assert re.search(r"^cem .* 2/5$", text, re.MULTILINE)


FORBIDDEN = {
    "a file in a home": "import pathlib\npathlib.Path({outside!r}).write_text('x')",
    "a file by numbers": "import os\nos.open({outside!r}, os.O_WRONLY | os.O_CREAT)",
    "a file removed": "import os\nos.remove({kept!r})",
    "a file renamed": "import os\nos.rename({kept!r}, {outside!r})",
    "a folder": "import os\nos.mkdir({outside!r})",
    "a link from inside": "import os\nos.symlink({kept!r}, 'link')\nopen('link', 'w')",
    "a program": "import subprocess\nsubprocess.run(['touch', {outside!r}])",
    "a shell": "import os\nos.system('touch ' + {outside!r})",
    "a shell, the notebook's way": "!touch {outside}",
    "the network": "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:9')",
    "a socket to an address": "import socket\nsocket.socket().connect(('127.0.0.1', 9))",
    "a datagram": "import socket\nsocket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
    "another process": "import os\nos.kill(os.getppid(), 9)",
}
# What Python does not see: on Linux the kernel refuses it.
BY_LIBRARIES = {
    "TensorFlow writes": "tf.io.write_file({outside!r}, 'x')",
    "TensorFlow removes": "tf.io.gfile.rmtree({folder!r})",
    "TensorFlow copies": "tf.io.gfile.copy({kept!r}, {outside!r})",
    "HDF5 writes": "import h5py\nh5py.File({outside!r}, 'w')",
    "weights": "net = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])\n"
    "net.save_weights({outside!r} + '.weights.h5')",
    "C": "import ctypes\nassert ctypes.CDLL(None).creat({outside!r}.encode(), 0o600) >= 0",
}


def test_the_checker_refuses_what_an_answer_has_no_reason_to_do(tmp_path):
    """In one process, with the answers as if they were those of one notebook."""
    kept, outside = tmp_path / "kept.txt", tmp_path / "outside"
    kept.write_text("kept", encoding="utf-8")
    cells = [{"code": "import os, sys", "must_run": True}]
    for number, code in enumerate(FORBIDDEN.values()):
        code = code.format(outside=str(outside), kept=str(kept)) if "{" in code else code
        cells.append({"exercise": number, "code": code + "\nanswer = 1", "check": "print('Right.')", "empty": ""})
    cells.append({"exercise": 99, "code": "open('mine', 'w').write('x')", "check": "print('Right.')", "empty": ""})
    found = classroom._run(cells, seconds=20, memory_gb=8)
    assert found.pop(99) == ("right", "")
    for name, (verdict, said) in zip(FORBIDDEN, found.values()):
        assert verdict == "crashed" and "may not" in said, (name, verdict, said)
    assert len(found) == len(FORBIDDEN) and kept.read_text(encoding="utf-8") == "kept" and not outside.exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Landlock is Linux's.")
def test_the_kernel_holds_back_what_python_does_not_see(tmp_path):
    kept, outside, folder = tmp_path / "kept.txt", tmp_path / "outside", tmp_path / "folder"
    kept.write_text("kept", encoding="utf-8")
    folder.mkdir()
    cells = [{"code": "import keras, tensorflow as tf", "must_run": True}]
    for number, code in enumerate(BY_LIBRARIES.values()):
        code = code.format(outside=str(outside), kept=str(kept), folder=str(folder))
        cells.append({"exercise": number, "code": code + "\nanswer = 1", "check": "print('Right.')", "empty": ""})
    inside = (
        "tf.io.write_file('mine', 'x')\nimport h5py\nh5py.File('mine.h5', 'w').close()\nimport os\nos.remove('mine')"
    )
    cells.append({"exercise": 99, "code": inside, "check": "print('Right.')", "empty": ""})
    found = classroom._run(cells, seconds=60, memory_gb=8)
    assert found.pop(99) == ("right", "")
    for name, (verdict, said) in zip(BY_LIBRARIES, found.values()):
        assert verdict == "crashed", (name, verdict, said)
    assert kept.read_text(encoding="utf-8") == "kept" and folder.is_dir() and not list(tmp_path.glob("outside*"))


def test_names_are_put_back_before_each_check():
    """Whatever an answer calls by a name of the course's, of Python's or of the checker's, and for the next one."""
    set_up = "from dcgan_keras import course\nimages = [1, 2, 3]"
    check = "course.check(answer, sum(images), 'six')"
    answers = (
        ("images = 10_000\nsum = 4\nanswer = 6", "right"),
        ("course.check = lambda *a, **k: print('Right.')\nanswer = 5", "not yet"),
        ("course = print = None\nanswer = 7", "not yet"),
        ("import builtins\nbuiltins.sum = lambda numbers: 5\nanswer = 6", "right"),
        ("answer = None", "not answered"),
        ("%matplotlib inline\nanswer = 6", "right"),
    )
    cells = [{"code": set_up, "must_run": True}]
    for number, (code, _) in enumerate(answers):
        cells.append({"exercise": number, "code": code, "check": check, "empty": "answer = None"})
    cells.append({"code": "assert images == [1, 2, 3] and sum(images) == 6", "must_run": True})
    found = classroom._run(cells, seconds=60, memory_gb=8)
    assert [verdict for verdict, _ in found.values()] == [wanted for _, wanted in answers], found


def test_cells_of_their_own_count(tmp_path):
    right = solutions(CONVOLUTION)
    path = hand_in(tmp_path / "eve.ipynb", right[0], "answer = mine", right[2], right[3], right[4])
    notebook = read(path)
    places = [place for place, cell in enumerate(notebook.cells) if "exercise" in classroom.tags(cell)]
    helper = nbformat.v4.new_code_cell("import itertools\n" + right[1].replace("answer", "mine"))
    notebook.cells.insert(places[1], helper)
    nbformat.write(notebook, path)
    assert classroom.own_code(notebook, read(CONVOLUTION))[1] == (helper.source, "")
    rows = classroom.check_folder(tmp_path)
    assert [row["verdict"] for row in rows] == ["right"] * 5
    assert [row["said"] for row in rows] == ["", "with cells of their own", "", "", ""]


def test_nobody_vanishes_and_one_file_costs_no_other(tmp_path, monkeypatch):
    """Ten kinds of files, without running any."""
    names = ["02_convolution.ipynb", "02_convolution (1).ipynb", "03.IPYNB", "04.ipynb.txt"]
    for name in names:
        (tmp_path / "in" / "mia").mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / "mia" / name).write_text("{}", encoding="utf-8")
    odd = os.fsencode(tmp_path / "in") + b"/\xe9va.ipynb"  # Latin-1
    with open(odd, "w", encoding="utf-8") as file:
        file.write('{"cells": [{"cell_type": "code"}]}')
    (tmp_path / "in" / "notes.pdf").write_bytes(b"")
    kept = []
    rows = classroom.check_folder(tmp_path / "in", each=lambda rows: kept.append(len(rows)))
    assert kept == [1, 2, 3, 4, 5] and {row["verdict"] for row in rows} == {"missing"}
    assert sorted(row["file"] for row in rows) == sorted(["\\xe9va.ipynb", *(f"mia/{name}" for name in names)])

    def verdicts(path, *_):
        if "(1)" in path.name:
            raise MemoryError("of any kind")
        return "02_convolution", [("right", ""), ("not yet", "look"), ("right", "")]

    monkeypatch.setattr(classroom, "check_notebook", verdicts)
    rows = classroom.check_folder(tmp_path / "in", jobs=2)
    text = classroom.table(rows)
    assert re.search(r"^mia +02_convolution \(mia/02_convolution.ipynb\) +right +not yet +right +2/3$", text, re.M)
    assert "cannot be read: MemoryError" in [row["said"] for row in rows if "(1)" in row["file"]][0]
    assert {"student": "mia", "02_convolution": "2", "sum": "2"} in classroom.points(rows)
    classroom.write_all(tmp_path / "out", rows)
    assert (tmp_path / "out" / "points.csv").read_bytes().startswith(b"\xef\xbb\xbfstudent,")
    page = (tmp_path / "out" / "students" / "mia.html").read_text(encoding="utf-8")
    assert page.count("<tr>") == 1 + 3 * 3 + 1 and "look" in page


def test_the_checker_shows_answers_nothing_of_the_environment(monkeypatch):
    monkeypatch.setenv("A_SECRET", "1234")
    code = "import os\nprint(sorted(os.environ), os.getcwd(), os.path.expanduser('~'))"
    cells = [
        {"exercise": 0, "code": "pass", "check": f"{code}\nprint('Not yet:', 'A_SECRET' in os.environ)", "empty": ""}
    ]
    assert classroom._run(cells, seconds=20, memory_gb=8) == {0: ("not yet", "False")}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such limit.")
def test_an_answer_may_not_take_all_memory_or_fill_the_disk():
    hog = "import numpy as np\nanswer = np.ones(2**33)"
    full = "with open('big', 'wb') as file:\n    for _ in range(300):\n        file.write(bytes(2**20))"
    cells = [
        {"exercise": n, "code": code, "check": "print('Right.')", "empty": ""} for n, code in enumerate((hog, full))
    ]
    found = classroom._run(cells, seconds=60, memory_gb=8)
    assert found[0][0] == "crashed" and "Memory" in found[0][1] and found[1][0] == "crashed"


def test_changed_checks_and_ids_do_not_matter(tmp_path):
    """Colab writes ids anew, readers add cells and change what is not theirs."""
    path = hand_in(tmp_path / "dora.ipynb", "answer = 0")
    notebook = read(path)
    for cell in notebook.cells:
        if "check" in classroom.tags(cell):
            cell.source = "print('Right.')"
        cell["id"] = "new-" + cell["id"]
    notebook.cells.insert(3, nbformat.v4.new_code_cell("my_own = 1"))
    nbformat.write(notebook, path)
    course = read(CONVOLUTION)
    given = classroom.answers(read(path), course)
    assert given == ["answer = 0", *(course.cells[place].source for place in classroom.exercises(course.cells)[1:])]
    for cell in notebook.cells:
        if "check" in classroom.tags(cell):
            cell.source = "course.check_sealed('', answer=1)"
        cell.metadata.pop("tags", None)
    assert classroom.answers(notebook, course)[0] == "answer = 0"
    assert classroom.course_notebook(path, notebook) == CONVOLUTION


def test_what_is_no_notebook_of_the_course_is_named(tmp_path):
    (tmp_path / "broken.ipynb").write_text("{", encoding="utf-8")
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Mine")]), tmp_path / "mine.ipynb")
    rows = classroom.check_folder(tmp_path)
    assert [(row["student"], row["verdict"]) for row in rows] == [("broken", "missing"), ("mine", "missing")]
    assert "cannot be read" in rows[0]["said"] and "title of no notebook" in rows[1]["said"]


def test_the_table_is_safe_to_open_in_a_spreadsheet(tmp_path):
    row = {
        "student": "=cmd()",
        "file": "a",
        "notebook": "02",
        "exercise": "1",
        "verdict": "not yet",
        "said": "+1, @x\n",
    }
    others = [{**row, "student": f"{first}SUM(1)"} for first in "@-+\t"]
    classroom.write_csv(tmp_path / "deep" / "table.csv", [row, *others])
    with open(tmp_path / "deep" / "table.csv", encoding="utf-8-sig", newline="") as file:
        found, *rest = csv.DictReader(file)
    assert found["student"] == "'=cmd()" and found["said"] == "'+1, @x\n" and found["verdict"] == "not yet"
    assert [each["student"] for each in rest] == [f"'{first}SUM(1)" for first in "@-+\t"]
