"""The teacher's edition of the notebooks, and a checker for what is handed in.

    python site/classroom.py student [FILE.zip]        # notebooks without solutions and outputs, their checks sealed
    python site/classroom.py instructor [FILE.zip]     # solutions in place and run: each check says "Right."
    python site/classroom.py check FOLDER [--out FOLDER] [--jobs N] [--seconds 60] [--memory-gb 8]

Three tags say what a cell is: `exercise` (the reader writes here), `check` (right after it: says whether it is right),
`solution` (after that: the folded answer).

The checker puts the exercise cells that were handed in into the course's own notebook, so that nobody's changed check
counts. Of that it runs the cells that the exercises need, in fast mode: in a process of its own for each notebook, in a
temporary folder that is also its home, without the caller's environment, with limits on time, memory and file sizes.
Before each check, what the course has named is put back, Python's own names and the checker's functions too. On Linux
the kernel refuses to write anywhere else (Landlock: TensorFlow and HDF5 as well), elsewhere Python alone does. Python's
audit hook refuses to start programs and to use the network.

That holds back mistakes and pranks. It is no wall: an answer runs with your rights and can read your files, and one
that sets out to cheat can. Where that matters, run the checker in a container: `site/teaching.md` has the line.
"""

import argparse
import ast
import base64
import builtins
import collections
import concurrent.futures
import csv
import functools
import html
import io
import json
import os
import queue
import re
import secrets
import signal
import subprocess
import symtable
import sys
import tempfile
import textwrap
import threading
import time
import zipfile
import zlib
from pathlib import Path

import address
import chinese
import nbformat

ROOT = Path(__file__).parents[1]
COURSE = sorted((ROOT / "notebooks").glob("*.ipynb"))
SETUP_SECONDS = 600  # for the course's own cells, which no answer can make slower
VERDICTS = ("right", "not yet", "not answered", "crashed", "missing")
COLUMNS = ("student", "file", "notebook", "exercise", "verdict", "said")  # of a row


# What the cells of a notebook are.


def tags(cell) -> list[str]:
    return cell["metadata"].get("tags", [])


def source(cell) -> str:
    return "".join(cell["source"])


def exercises(cells) -> list[int]:
    """The places of the exercise cells. A check follows each, and a solution that."""
    places = [place for place, cell in enumerate(cells) if "exercise" in tags(cell)]
    for place in places:
        if not ("check" in tags(cells[place + 1]) and "solution" in tags(cells[place + 2])):
            raise ValueError(f"Cell {place}: an exercise is followed by its check and its solution.")
    return places


def solution(cell) -> str:
    """The code in a solution, which is folded Markdown."""
    found = re.search(r"<details>.*?```python\n(.*?)```.*?</details>", source(cell), re.DOTALL)
    if not found:
        raise ValueError("A solution is a folded block of Python.")
    return found[1]


_CHANGES = {"fit", "train_step", "append", "extend", "update", "compile", "set_weights", "load_weights", "assign"}
_CHANGES |= {"keep"}  # of `course`, which each check uses


def names(code: str) -> tuple[set, set, set]:
    """The names that a cell gives a value, those whose value it changes, and those that it uses."""
    code = re.sub(r"^([ \t]*)[%!].*", r"\1pass", code, flags=re.MULTILINE)
    cell = symtable.symtable(code, "cell", "exec")
    given = {symbol.get_name() for symbol in cell.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    used, scopes = set(), [cell]
    for scope in scopes:
        scopes += scope.get_children()
        used |= {each.get_name() for each in scope.get_symbols() if each.is_global() and each.is_referenced()}
        used |= {each.get_name() for each in cell.get_symbols() if each.is_referenced()}
    changed = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            changed |= {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGES:
            changed |= {inner.id for inner in ast.walk(node.func) if isinstance(inner, ast.Name)}
    return given, changed, used


def needed(cells, last, also=frozenset()) -> set[int]:
    """The places of the cells without which those in `last` cannot run: the set-up, and what binds the names in use.

    Args:
        cells: of a notebook.
        last: places.
        also: names that are wanted besides.
    """
    kept, wanted = set(last), set(also)
    for place in reversed(range(len(cells))):
        if cells[place]["cell_type"] != "code":
            continue
        given, changed, used = names(source(cells[place]))
        if place in kept or (given | changed) & wanted:
            kept.add(place)
            wanted = wanted - given | used
    return kept | {next(place for place, cell in enumerate(cells) if cell["cell_type"] == "code")}


# The two editions.


_CHECK = re.compile(r"\bcourse\.check(_sealed)?\(")


def sealed(check: str, answer: str) -> str:
    """The code of a check, packed so that it shows no answer. That is no secret: whoever wants to can unpack it.

    Args:
        check: the code.
        answer: the name that the exercise gives to what it asks for.
    """
    packed = textwrap.fill(base64.b64encode(zlib.compress(check.encode(), 9)).decode(), 88)
    comment = "# The check of this exercise, packed so that it does not show the answer: run it as it is."
    return f'{comment}\ncourse.check_sealed(\n    """\n{packed}\n""",\n    {answer}={answer},\n)'


def student(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A notebook without solutions and outputs, its checks sealed."""
    from nbconvert.preprocessors import ClearOutputPreprocessor, TagRemovePreprocessor

    for place in exercises(notebook.cells):
        (answer,) = names(notebook.cells[place].source)[0]
        notebook.cells[place + 1].source = sealed(notebook.cells[place + 1].source, answer)
    notebook, _ = TagRemovePreprocessor(remove_cell_tags={"solution"}).preprocess(notebook, {})
    return ClearOutputPreprocessor().preprocess(notebook, {})[0]


def solved(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A notebook with each solution in its exercise's cell. Solutions stay where they are, with what they explain."""
    for place in exercises(notebook.cells):
        notebook.cells[place].source = solution(notebook.cells[place + 2]).rstrip()
    return notebook


def run_needed(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Runs of a notebook what its exercises need, in fast mode, and returns those cells with outputs."""
    from nbclient import NotebookClient

    cells = json.loads(nbformat.writes(notebook))["cells"]
    kept = needed(cells, {at for place in exercises(cells) for at in (place, place + 1)})
    part = nbformat.from_dict({**notebook, "cells": [c for n, c in enumerate(notebook.cells) if n in kept]})
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "DCGAN_FAST": "1"}
        NotebookClient(part, timeout=SETUP_SECONDS, resources={"metadata": {"path": folder}}).execute(env=environment)
    return part


def instructor(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A notebook with solutions in place and run. All other cells keep the committed outputs, of a run in full."""
    notebook = solved(notebook)
    ran = {cell.id: cell for cell in run_needed(notebook).cells if cell.cell_type == "code"}
    for place in exercises(notebook.cells):
        for cell in notebook.cells[place : place + 2]:
            cell.outputs = ran[cell.id].outputs
    return notebook


def printed(cell) -> str:
    """What a cell has printed."""
    return "".join(output.get("text", "") for output in cell["outputs"])


def _git(*arguments: str) -> str:
    """What git says, nothing where it is missing or fails."""
    try:
        said = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout.strip() if said.returncode == 0 else ""


def version() -> tuple[str, str]:
    """Which course this is, in words, and what makes pip install the same one.

    That is "@" and the commit, if a branch of GitHub's has it, else nothing.
    """
    text = (ROOT / "dcgan_keras" / "__init__.py").read_text(encoding="utf-8")
    number = re.search(r'^__version__ = "(.*)"', text, re.MULTILINE)[1]
    top, commit = _git("rev-parse", "--show-toplevel"), _git("rev-parse", "HEAD")
    if not top or Path(top).resolve() != ROOT.resolve():  # no git, or a copy within another repository
        return number, ""
    changed = ", and changes since" if _git("status", "--porcelain", "--untracked-files=no") else ""
    published = _git("branch", "--remotes", "--contains", commit)
    return f"{number}, commit {commit}{changed}", f"@{commit}" if published else ""


def _pinned(text: str, pin: str) -> str:
    """A notebook's text whose set-up cell installs one commit in Colab."""
    return re.sub(r'(%pip install -q git\+https://[^\s"\\@]+)', rf"\1{pin}", text)


def unpinned(code: str) -> str:
    return re.sub(r"(%pip install -q git\+https://[^\s@]+)@\w+", r"\1", code)


def readme(edition: str, language: str) -> str:
    """The README of a zip: which version, what to install, how to open a notebook and hand it in."""
    required = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    packages = re.search(r"# The notebooks\.\n((?:\S.*\n)+)", required)[1].split()
    words, pin = version()
    filled = {"edition": edition, "version": words, "address": address.of_the_repository(), "pin": pin}
    folder = ROOT / "site" / ("zh" if language == "zh_CN" else "")
    text = (folder / "handout.txt").read_text(encoding="utf-8")
    return text.format(**filled, packages=" ".join(f'"{each}"' for each in packages))


def pack_students(path: Path, language: str = "en") -> None:
    """Writes all notebooks for students as a zip, in English or Chinese (zh_CN)."""
    words = {"en": "Notebooks for students, without solutions and outputs", "zh_CN": "学生版 notebook，不含解答和输出"}
    _pack(path, student, words[language], language)


def pack_instructors(path: Path, language: str = "en") -> None:
    """Writes all notebooks for instructors as a zip: some minutes."""
    words = {"en": "Notebooks for instructors, with solutions in place", "zh_CN": "教师版 notebook，解答已填好并运行过"}
    _pack(path, instructor, words[language], language)


def _pack(path: Path, edition, words: str, language: str) -> None:
    known = chinese.all_anchors() if language == "zh_CN" else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    _, pin = version()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("dcgan/README.txt"), readme(words, language), zipfile.ZIP_DEFLATED)
        for file in COURSE:
            text = json.dumps(chinese.notebook(file, known)) if known else file.read_text(encoding="utf-8")
            text = _pinned(nbformat.writes(edition(nbformat.reads(text, as_version=4))), pin)
            archive.writestr(zipfile.ZipInfo(f"dcgan/{file.name}"), text, zipfile.ZIP_DEFLATED)
            print(f"{path.name}: {file.name}", flush=True)


# The checker: what was handed in.


def course_notebook(path: Path, notebook) -> Path | None:
    """Which notebook of the course was handed in: by its title, or else by its file's name. None: none of them."""
    titles = {}
    for file in COURSE:
        for first in (
            chinese.english(file)[0],
            *(entry.text for entry in chinese.entries(chinese.translation(file))[:1]),
        ):
            titles[first.splitlines()[0]] = file
    for cell in notebook.cells:
        for line in cell.source.splitlines() if cell.cell_type == "markdown" else ():
            if line in titles:
                return titles[line]
    return next((file for file in reversed(COURSE) if file.stem in path.stem), None)


def answers(notebook, course) -> list[str | None]:
    """The code in each exercise's cell of a handed-in notebook: None where the cell is gone.

    Cells are known by their ids, which some programs write anew; else by their tags, or by the checks that follow
    them, if there are as many as there should be.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    wanted = [course.cells[place].id for place in exercises(course.cells)]
    by_id = {cell.get("id"): cell for cell in code}
    tagged = [cell for cell in code if "exercise" in tags(cell)]
    before_check = [cell for cell, after in zip(code, code[1:]) if _CHECK.search(after.source)]
    if not set(wanted) & set(by_id):
        for found in (tagged, before_check):
            if len(found) == len(wanted):
                return [cell.source for cell in found]
    return [by_id[each].source if each in by_id else None for each in wanted]


def own_code(notebook, course) -> list[tuple[str, str]]:
    """For each exercise, what a student wrote in cells of their own before its cell and after it, up to its check.

    Those before it begin after the last check. Cells of the course are known by their code.
    """
    ours = {cell.source.strip() for cell in course.cells} | {""}
    wanted = {course.cells[place].id: number for number, place in enumerate(exercises(course.cells))}
    found, before, at = [("", "")] * len(wanted), [], None
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        if cell.get("id") in wanted:
            at = wanted[cell.get("id")]
            found[at], before = ("\n".join(before), ""), []
        elif _CHECK.search(cell.source):
            before, at = [], None
        elif unpinned(cell.source.strip()) not in ours:
            before.append(cell.source)
            if at is not None:
                found[at] = (found[at][0], "\n".join(before))
    return found


def handed_in(folder: Path) -> list[tuple[str, Path]]:
    """Pairs of student and file: by folder if there are folders, else by the file's name. Names are made printable."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and ".ipynb_checkpoints" not in path.parts]
    named = [path for path in files if re.search(r"\.ipynb(\.txt|\.json)?$", path.name, re.IGNORECASE)]
    whose = [path.relative_to(folder).parts[0] if path.parent != folder else path.name.split(".")[0] for path in named]
    return list(zip(map(printable, whose), named))


def printable(name: str) -> str:
    """A name as it can be printed and stored, though its bytes may be of another encoding than the system's."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


# The checker: a process that runs answers. It is this file again, and prints a line of JSON for each step.


def _limit(memory_gb: float) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    for kind, most in ((resource.RLIMIT_AS, int(memory_gb * 2**30)), (resource.RLIMIT_FSIZE, 2**28)):
        try:
            resource.setrlimit(kind, (most, most))
        except (ValueError, OSError):  # macOS has no RLIMIT_AS to set
            pass
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


_PROGRAMS = {"subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.startfile"}
_PATHS = {"os.remove": 1, "os.rename": 2, "os.mkdir": 1, "os.rmdir": 1, "os.link": 2, "os.symlink": 2, "os.truncate": 1}
_PATHS |= {"os.chmod": 1, "os.chown": 1, "os.utime": 1, "shutil.rmtree": 1}


def _raise_fence(folder: str) -> None:
    """From here on, this process may not write outside its folder, start programs, or use the network."""
    inside = os.path.realpath(folder) + os.sep
    join, realpath, fspath = os.path.join, os.path.realpath, os.fspath
    written = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

    def outside(path):
        if not isinstance(path, (str, bytes, os.PathLike)):
            return False  # a file that is open already
        path = os.fsdecode(fspath(path))
        return path != os.devnull and not (join(realpath(path), "")).startswith(inside)

    def fence(event, arguments):
        if event == "open":
            path, mode, flags = arguments
            writes = bool(flags & written) if isinstance(flags, int) else bool(set(mode or "r") & set("wax+"))
            if writes and outside(path):
                raise PermissionError(f"an answer may not write outside its folder: {os.fsdecode(path)}")
        elif event in _PATHS:
            for path in arguments[: _PATHS[event]]:
                if outside(path):
                    raise PermissionError(f"an answer may not change files outside its folder: {os.fsdecode(path)}")
        elif event in _PROGRAMS:
            raise PermissionError("an answer may not start programs")
        elif event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto"):
            raise PermissionError("an answer may not use the network")
        elif event == "os.kill":
            raise PermissionError("an answer may not end programs")

    sys.addaudithook(fence)


def _fence_of_the_kernel(folder: str) -> None:
    """On Linux 5.13 or newer: from here on, this process and those it starts write in one folder alone.

    That is Landlock, which needs no rights. It holds what Python does not see: TensorFlow's own files, HDF5.
    """
    import ctypes

    if not sys.platform.startswith("linux"):
        return
    call = ctypes.CDLL(None, use_errno=True).syscall
    version = call(444, None, 0, 1)  # landlock_create_ruleset
    if version < 1:
        return
    write, rest = 1 << 1, sum(1 << bit for bit in range(4, 13))  # remove and make, of any kind
    changes = write | rest | (1 << 13) * (version >= 2) | (1 << 14) * (version >= 3)  # to move elsewhere; to truncate
    handled = ctypes.c_uint64(changes)
    rules = call(444, ctypes.byref(handled), ctypes.sizeof(handled), 0)

    class Beneath(ctypes.Structure):
        _pack_ = 1
        _fields_ = [("allowed", ctypes.c_uint64), ("place", ctypes.c_int32)]

    terminals = [path for path in ("/dev/ptmx", "/dev/pts") if os.path.exists(path)]
    for path, allowed in ((folder, changes), *((path, write) for path in (os.devnull, *terminals))):
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        call(445, rules, 1, ctypes.byref(Beneath(allowed, place)), 0)  # landlock_add_rule
        os.close(place)
    ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)  # no new rights, on which landlock_restrict_self insists
    call(446, rules, 0)
    os.close(rules)


class Kept:
    """What the course, Python and the checker call by which name, to be put back after an answer took other values."""

    def __init__(self, names: dict):
        self.names, self.before = names, dict(names)
        modules = (builtins, sys.modules.get("dcgan_keras.course"))
        self.modules = [(vars(module), dict(vars(module))) for module in modules if module]

    def put_back(self, mine: set, drop) -> None:
        """Puts all back but the names in `mine`, and removes new ones of which `drop` says so."""
        for now, before in self.modules:
            now.update(before)
        for name in set(self.names) - set(self.before) - mine:
            if drop(name):
                del self.names[name]
        self.names.update({name: value for name, value in self.before.items() if name not in mine})


def _serve(folder: str) -> None:
    """Reads cells from stdin and runs them. Prints, after a secret word, what became of each."""
    order = json.load(sys.stdin)
    _limit(order["memory_gb"])
    _fence_of_the_kernel(folder)  # before TensorFlow starts threads, which it would not hold
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output
    from traitlets.config import Config

    def say(**what):
        out.write(order["word"] + json.dumps(what) + "\n")
        out.flush()

    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    shell.enable_gui = lambda gui=None: None  # `%matplotlib inline` asks for it

    def run(code):
        """Runs a cell and returns what it printed and the error that it raised."""
        with capture_output() as captured:
            result = shell.run_cell(code)
        error = result.error_before_exec or result.error_in_exec
        return captured.stdout, f"{type(error).__name__}: {str(error)[:300]}" if error else None

    fence_stands = False
    for cell in order["cells"]:
        number = cell.get("exercise")
        say(begin=number)
        if number is None:
            _, error = run(cell["code"])
            if not fence_stands:  # the set-up cell has imported what is needed
                _raise_fence(folder)
                fence_stands = True
            if error and cell["must_run"]:
                say(broken=error)
                return
            continue
        run(cell["empty"])  # else an answer that crashes would leave the one before in its place
        mine, course = names(cell["empty"])[0], Kept(shell.user_ns)
        _, error = run(cell["code"])
        course.put_back(mine, drop=lambda name: hasattr(builtins, name))
        said = "" if error else run(cell["check"])[0]
        say(exercise=number, error=error, said=said)
        course.put_back(mine, drop=lambda name: not name.startswith("_"))
    say(done=True)


def _environment(folder: str) -> dict[str, str]:
    """What an answer sees of the caller's environment: what Python needs, and nothing that could be a secret."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    own = dict.fromkeys(("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP", "IPYTHONDIR", "MPLCONFIGDIR"), folder)
    return {
        **kept,
        **own,
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "DCGAN_FAST": "1",
        "MPLBACKEND": "agg",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "OMP_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
    }


def _stop(process) -> None:
    """Ends a process and, where there are process groups, all that it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
    except ProcessLookupError:
        pass
    process.wait()


def _run(cells: list[dict], seconds: float, memory_gb: float) -> dict[int, tuple[str, str]]:
    """Runs cells in a process of their own, until they end or one takes too long.

    Returns:
        For each exercise that was reached, the verdict and what was said.
    """
    found, word = {}, secrets.token_hex(16)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [sys.executable, __file__, "serve", folder],
            cwd=folder,
            env=_environment(folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        lines = queue.Queue()

        def read():
            for line in process.stdout:
                lines.put(line)
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        at = None
        try:
            json.dump({"word": word, "cells": cells, "memory_gb": memory_gb}, process.stdin)
            process.stdin.close()
            deadline = time.monotonic() + SETUP_SECONDS
            while True:
                line = lines.get(timeout=max(0.01, deadline - time.monotonic()))
                if line is None:
                    raise EOFError
                if not line.startswith(word):
                    continue
                step = json.loads(line.removeprefix(word))
                if "begin" in step:
                    at = step["begin"]
                    deadline = time.monotonic() + (SETUP_SECONDS if at is None else seconds)
                elif "exercise" in step:
                    found[step["exercise"]] = _verdict(step["error"], step["said"])
                elif "broken" in step:
                    raise RuntimeError(f"A cell of the course failed: {step['broken']}")
                else:
                    return found
        except queue.Empty:
            if at is None:
                raise RuntimeError(f"The course's own cells took more than {SETUP_SECONDS} seconds.") from None
            found[at] = ("crashed", f"stopped after {seconds:g} seconds")
        except (EOFError, BrokenPipeError):
            if at is None or at in found:
                raise RuntimeError("The process ended among the course's own cells: too little memory?") from None
            found[at] = ("crashed", "it ended the process, or ran out of memory")
        finally:
            _stop(process)
    return found


def _verdict(error: str | None, said: str) -> tuple[str, str]:
    if error:
        return "crashed", error
    line = next((line for line in said.splitlines() if line.startswith(("Right.", "Not yet", "Not answered"))), "")
    if line.startswith("Right."):
        return "right", ""
    if line.startswith("Not answered"):
        return "not answered", ""
    return ("not yet", line.removeprefix("Not yet: ")) if line else ("crashed", "its check did not end")


def check_notebook(path: Path, seconds: float = 60, memory_gb: float = 8) -> tuple[str, list[tuple[str, str]]]:
    """Checks a handed-in notebook.

    Returns:
        The name of the course's notebook, and for each of its exercises a verdict of VERDICTS and what was said.

    Raises:
        ValueError: if it is no notebook of the course.
        RuntimeError: if a cell of the course itself does not run.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises many kinds
        raise ValueError(f"{path.name} cannot be read as a notebook: {type(error).__name__}") from None
    file = course_notebook(path, notebook)
    if file is None:
        raise ValueError(f"{path.name} has the title of no notebook of the course.")
    course = nbformat.read(file, as_version=4)
    cells = json.loads(nbformat.writes(course))["cells"]
    given = answers(notebook, course)
    found = {n: ("missing", "its cell is gone") for n, code in enumerate(given) if code is None}

    def run(numbers, given):
        while left := [n for n in numbers if n not in found]:  # again after an answer that ended its process
            places = {exercises(cells)[n]: n for n in left}
            found.update(_run(_order(cells, places, given), seconds, memory_gb))

    run(range(len(given)), given)
    own = own_code(notebook, course)
    again = [n for n, (verdict, _) in found.items() if verdict not in ("right", "missing") and any(own[n])]
    if again:  # with what their cells of their own import or define
        first = {n: found.pop(n) for n in again}
        run(again, ["\n".join([own[n][0], code or "", own[n][1]]) for n, code in enumerate(given)])
        for n in again:
            found[n] = ("right", "with cells of their own") if found[n][0] == "right" else first[n]
    return file.stem, [found[n] for n in range(len(given))]


def _order(cells, places: dict[int, int], given) -> list[dict]:
    """The cells to run, in order, with the answers in their places."""
    checks = {place + 1 for place in places}
    skipped = {at for place in exercises(cells) for at in (place, place + 1)} - set(places) - checks
    wanted = set()
    for number in places.values():  # an answer may use a name of the course that no check does
        try:
            wanted |= names(given[number])[2]
        except (SyntaxError, ValueError):
            pass
    order = []
    for place in sorted(needed(cells, set(places) | checks, wanted) - checks - skipped):
        if place in places:
            number = places[place]
            check, empty = source(cells[place + 1]), source(cells[place])
            order.append({"exercise": number, "code": given[number], "check": check, "empty": empty})
        else:
            order.append({"code": source(cells[place]), "must_run": True})
    return order


def check_folder(
    folder: Path, seconds: float = 60, memory_gb: float = 8, jobs: int = 1, each=lambda rows: None
) -> list[dict[str, str]]:
    """Checks every notebook in a folder. A row for each exercise, with the columns of COLUMNS.

    Whatever a file holds costs that file alone. After each, `each` is called with the rows so far.
    """

    def look(pair):
        try:
            return check_notebook(pair[1], seconds, memory_gb)
        except Exception as error:  # of any kind, as a file may hold anything
            known = isinstance(error, (ValueError, RuntimeError)) and str(error)
            return "", [("missing", str(error) if known else f"cannot be read: {type(error).__name__}: {error}")]

    rows, pairs = [], handed_in(folder)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for (student_name, path), (name, found) in zip(pairs, pool.map(look, pairs)):
            file = printable(path.relative_to(folder).as_posix())
            print(f"{student_name}, {name or file}: {', '.join(verdict for verdict, _ in found)}", flush=True)
            for number, (verdict, said) in enumerate(found, start=1):
                values = (student_name, file, name, str(number), verdict, printable(said))
                rows.append(dict(zip(COLUMNS, values)))
            each(rows)
    return rows


def by_file(rows: list[dict[str, str]]) -> dict[tuple[str, str, str], list[str]]:
    """The verdicts of each file, by student, file and notebook."""
    lines = {}
    for row in rows:
        lines.setdefault((row["student"], row["file"], row["notebook"]), []).append(row["verdict"])
    return lines


def table(rows: list[dict[str, str]]) -> str:
    """The rows as a table: a line for each file, a column for each exercise."""
    lines = by_file(rows)
    most = max(map(len, lines.values()), default=0)
    header = ["student", "notebook", *map(str, range(1, most + 1)), "right"]
    body, notebooks = [], collections.Counter((who, notebook) for who, _, notebook in lines)
    for (who, file, notebook), verdicts in lines.items():
        named = f"{notebook} ({file})" if notebooks[who, notebook] > 1 else notebook or file
        said = ["-" if verdict == "not answered" else verdict for verdict in verdicts]
        body.append([who, named, *said, *[""] * (most - len(said)), f"{said.count('right')}/{len(said)}"])
    widths = [max(len(line[n]) for line in [header, *body]) for n in range(len(header))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in [header, *body]
    )


def points(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Right answers: a row for each student, a column for each notebook, of two files the better one, and the sum."""
    best = {}
    for (who, _, notebook), verdicts in by_file(rows).items():
        mine = best.setdefault(who, {})
        mine[notebook] = max(mine.get(notebook, 0), verdicts.count("right"))
    names = sorted({name for mine in best.values() for name in mine} - {""})
    return [
        {"student": who, **{name: str(mine.get(name, "")) for name in names}, "sum": str(sum(mine.values()))}
        for who, mine in best.items()
    ]


def student_page(who: str, rows: list[dict[str, str]]) -> str:
    """What one student gets back, as HTML."""
    cells = ("file", "exercise", "verdict", "said")
    lines = ["".join(f"<td>{html.escape(row[name])}</td>" for name in cells) for row in rows if row["student"] == who]
    head = "".join(f"<th>{name}</th>" for name in cells)
    style = "body{font:1rem/1.5 sans-serif;margin:2rem}td,th{padding:.2rem .8rem;text-align:left;vertical-align:top}"
    name, body = html.escape(who), "".join(f"<tr>{line}</tr>" for line in lines)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title><style>{style}</style>'
        f"<h1>{name}</h1><table><tr>{head}</tr>{body}</table></html>\n"
    )


def write_csv(path: Path, rows: list[dict[str, str]]) -> None:
    """Writes the rows, with no cell that a spreadsheet would take for a formula, and the mark that Excel asks for."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: re.sub(r"^(?=[=+\-@\t\r])", "'", value) for key, value in row.items()})
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(text.getvalue(), encoding="utf-8-sig")
    unfinished.replace(path)


def write_all(folder: Path, rows: list[dict[str, str]]) -> None:
    """Writes `checked.csv`, `points.csv`, and a page for each student into `students/`."""
    write_csv(folder / "checked.csv", rows)
    write_csv(folder / "points.csv", points(rows))
    (folder / "students").mkdir(exist_ok=True)
    for who in {row["student"] for row in rows}:
        name = re.sub(r'[/\\:*?"<>|\x00-\x1f]', "_", who)
        (folder / "students" / f"{name}.html").write_text(student_page(who, rows), encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("student", "instructor"):
        made = verbs.add_parser(verb, help=f"write the {verb} notebooks as a zip")
        made.add_argument("file", type=Path, nargs="?", help="build/classroom/..., unless given")
        made.add_argument("--language", choices=("en", "zh_CN"), default="en")
    checking = verbs.add_parser("check", help="check a folder of handed-in notebooks")
    checking.add_argument("folder", type=Path)
    checking.add_argument("--out", type=Path, default=ROOT / "build" / "classroom", help="folder for the results")
    checking.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="notebooks at a time")
    checking.add_argument("--seconds", type=float, default=60, help="for one answer and its check")
    checking.add_argument("--memory-gb", type=float, default=8)
    verbs.add_parser("serve").add_argument("folder")
    given = parser.parse_args(arguments)
    if given.verb == "serve":
        _serve(given.folder)
    elif given.verb in ("student", "instructor"):
        name = given.verb + ("-zh" if given.language == "zh_CN" else "")
        pack = pack_students if given.verb == "student" else pack_instructors
        pack(given.file or ROOT / "build" / "classroom" / f"{name}.zip", given.language)
    else:
        if not given.folder.is_dir():
            parser.error(f"{given.folder} is no folder.")
        keep = functools.partial(write_all, given.out)
        rows = check_folder(given.folder, given.seconds, given.memory_gb, given.jobs, keep)
        if not rows:
            parser.error(f"There is no notebook in {given.folder}.")
        print("", table(rows), "", f"Written to {given.out}: checked.csv, points.csv, students/", sep="\n")


if __name__ == "__main__":
    main()
