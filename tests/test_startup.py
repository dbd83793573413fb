"""The start: quiet where all is well, no reason lost where it is not. Stand-ins for both libraries make it fast."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from dcgan_keras import startup

NOISE = "import os, subprocess, sys\nos.write(2, b'I0000 noise of C++\\n' * 3)\n"
KERAS = "import tensorflow\nclass config:\n    backend = staticmethod(lambda: 'tensorflow')\n"
HERE = "import runpy\nstartup = runpy.run_path({!r})\n"


def script(folder, tensorflow="", keras=KERAS, *, before="", between="", after=""):
    """Writes the stand-ins, and a program that enters startup.py and then imports Keras, which imports TensorFlow."""
    (folder / "tensorflow.py").write_text(tensorflow)
    (folder / "keras.py").write_text(keras)
    parts = ["import os, sys", before, HERE.format(startup.__file__), between, "import keras", after]
    (folder / "run.py").write_text("\n".join(map(textwrap.dedent, parts)))
    return [sys.executable, str(folder / "run.py")]


def start(folder, *stand_ins, redirect="", environment=None, **steps):
    """Runs such a program to its end."""
    command = script(folder, *stand_ins, **steps)
    if redirect:
        command = ["/bin/sh", "-c", f'"$0" "$@" {redirect}', *command]
    variables = {**os.environ, "PYTHONPATH": str(folder), **(environment or {})}
    return subprocess.run(command, capture_output=True, text=True, env=variables, timeout=60)


posix = pytest.mark.skipif(os.name != "posix", reason="nothing is held back there, and no shell closes descriptors")


@pytest.fixture(autouse=True)
def usual_environment(monkeypatch):
    for name in ("TF_CPP_MIN_LOG_LEVEL", "KERAS_BACKEND"):
        monkeypatch.delenv(name, raising=False)


@posix
def test_a_start_is_quiet_and_stderr_works_afterwards(tmp_path):
    result = start(tmp_path, NOISE, after="print('seen', file=sys.stderr)\nos.write(2, b'this too')")
    assert (result.returncode, result.stderr) == (0, "seen\nthis too")


@posix
@pytest.mark.parametrize(
    "line",
    [
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
        "I0000 00:00:1795929362.267189   24592 cudart_stub.cc:31] Could not find cuda drivers on your machine",
        "E0000 00:00:1795929389.543330   24592 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error",
        "2026-11-29 04:26:02.267: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.",
        "To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow",
        "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
    ],
)
def test_every_kind_of_line_is_held_back(tmp_path, line):
    assert start(tmp_path, f"import os\nos.write(2, {line.encode()!r} + b'\\n')\n").stderr == ""


@posix
def test_lines_of_others_come_through_at_once(tmp_path):
    """Those of other threads and of child processes, while TensorFlow's are held back."""
    others = """
        import select, threading
        thread = threading.Thread(target=os.write, args=(2, b"of a thread: 100% \\\\n of it\\n"))
        thread.start()
        thread.join()
        subprocess.run([sys.executable, "-c", "import os; os.write(2, b'  of a child\\\\n')"])
        select.select([sys.stdin], [], [], 60)  # the import goes on when both have been seen
        os.write(2, b"I0000 more noise\\n")
    """
    command = script(tmp_path, NOISE + textwrap.dedent(others))
    pipes = dict.fromkeys(("stdin", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, text=True, **pipes) as process:
        assert [process.stderr.readline() for _ in range(2)] == ["of a thread: 100% \\n of it\n", "  of a child\n"]
        assert process.communicate("go on\n", timeout=60) == (None, "")
    assert process.returncode == 0


@posix
def test_a_child_process_that_lives_on_holds_nothing_up(tmp_path):
    """It keeps the descriptor that it was given, and what it writes later is still shown."""
    child = "import os, time\nwhile not os.path.exists('imported'): time.sleep(0.05)\nos.write(2, b'late\\n')"
    tensorflow = NOISE + f"child = subprocess.Popen([sys.executable, '-c', {child!r}])\n"
    result = start(
        tmp_path,
        tensorflow,
        before=f"os.chdir({str(tmp_path)!r})",
        after="open('imported', 'w').close()\nimport tensorflow\ntensorflow.child.wait()",
    )
    assert (result.returncode, result.stderr) == (0, "late\n")


def test_the_lines_are_there_for_who_asks(tmp_path):
    """Before the start or after it, and the setting stays as it is."""
    after = "print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    for asked in (
        {"environment": {"TF_CPP_MIN_LOG_LEVEL": "0"}},
        {"between": "os.environ['TF_CPP_MIN_LOG_LEVEL'] = '0'"},
    ):
        result = start(tmp_path, NOISE, after=after, **asked)
        assert "noise of C++" in result.stderr and result.stdout == "0\n"


def test_the_log_level_is_for_the_import_alone(tmp_path):
    """A child process that is started later shows the errors of its TensorFlow."""
    tensorflow = "import os\nprint(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    result = start(tmp_path, tensorflow, after="print('TF_CPP_MIN_LOG_LEVEL' in os.environ)")
    assert result.stdout in ("3\nFalse\n", "2\nFalse\n")  # the second where there is a GPU
    result = start(tmp_path, tensorflow + "\nraise ImportError", KERAS.replace("import tensorflow", ""), after="""
        try:
            import tensorflow
        except ImportError:
            print('TF_CPP_MIN_LOG_LEVEL' in os.environ)
    """)  # fmt: skip
    assert result.stdout in ("3\nFalse\n", "2\nFalse\n")


@posix
def test_who_asks_whether_tensorflow_is_there_does_not_end_the_wait(tmp_path):
    between = (
        "import importlib.util\nassert importlib.util.find_spec('tensorflow') and importlib.util.find_spec('keras')"
    )
    result = start(tmp_path, NOISE, between=between)
    assert (result.returncode, result.stderr) == (0, "")


@posix
@pytest.mark.parametrize(
    ("death", "code"),
    [("os.abort()", -6), ("os.kill(os.getpid(), 9)", -9), ("os._exit(3)", 3), ("raise ImportError('no wheel')", 1)],
)
def test_a_crash_says_why(tmp_path, death, code):
    reason = "The TensorFlow library was compiled to use AVX instructions: 100% \\\\ of them"
    result = start(tmp_path, NOISE + f"os.write(2, b'{reason}')\n{death}")
    assert result.returncode == code
    assert "noise of C++\nThe TensorFlow library was compiled to use AVX instructions: 100% \\ of them" in result.stderr
    assert ("no wheel" in result.stderr) == ("wheel" in death)


@posix
@pytest.mark.parametrize("redirect", ["2>&-", "0<&- 1>&- 2>&-", "<&- 2>&-"])
def test_without_stderr(tmp_path, redirect):
    """What is written to descriptor 2 later does not land in the next file that is opened."""
    after = f"file = open({str(tmp_path / 'file')!r}, 'w')\nos.write(2, b'lost')\nfile.write('mine')"
    result = start(tmp_path, NOISE, after=after, redirect=redirect)
    assert (result.returncode, result.stderr, (tmp_path / "file").read_text()) == (0, "", "mine")


def test_without_sys_stderr(tmp_path):
    """As in IDLE and under pythonw."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.stderr = None\n")
    result = start(tmp_path, NOISE, after="print('went on')")
    assert (result.returncode, result.stdout) == (0, "went on\n")
    assert result.stderr == "" or os.name != "posix"


def test_without_a_shell(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import subprocess\nclass None_(subprocess.Popen):\n    def __init__(self, *_, **__):\n"
        "        raise FileNotFoundError\n    __del__ = object\nsubprocess.Popen = None_\n"
    )
    result = start(tmp_path, NOISE)
    assert result.returncode == 0 and "noise of C++" in result.stderr


def test_tensorflow_that_is_there_already_is_left_alone(tmp_path):
    """A notebook that imported it has its lines, and stderr is not touched."""
    keras = KERAS + "import os\nos.write(2, b'shown')\n"
    assert start(tmp_path, NOISE, keras, before="import tensorflow").stderr.endswith("shown")


def is_one_sentence(result, backend):
    *_, sentence = result.stderr.strip().split("\n")
    assert result.returncode == 1 and "During handling" not in result.stderr
    assert sentence.startswith("ImportError: dcgan_keras needs TensorFlow as the backend of Keras")
    assert backend in sentence and "KERAS_BACKEND=tensorflow" in sentence


@pytest.mark.parametrize("backend", ["torch", "jax", "openvino"])
@pytest.mark.parametrize("installed", [True, False])
def test_another_backend_is_one_sentence(tmp_path, backend, installed):
    keras = KERAS.replace("'tensorflow'", repr(backend)) if installed else f"import {backend}"
    (tmp_path / "jax.py").write_text("raise ModuleNotFoundError('No module named jax', name='jax')")
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('No module named torch', name='torch')")
    is_one_sentence(start(tmp_path, NOISE, keras), backend)
    again = "try:\n    import keras\nexcept ImportError:\n    pass"
    is_one_sentence(start(tmp_path, NOISE, keras, between=again), backend)


def test_keras_that_was_imported_before(tmp_path):
    """With another backend that is said at once, with TensorFlow all is well."""
    is_one_sentence(start(tmp_path, "", KERAS.replace("'tensorflow'", "'torch'"), before="import keras"), "torch")
    result = start(tmp_path, "", before="import keras", after="print('went on')")
    assert (result.returncode, result.stdout, result.stderr) == (0, "went on\n", "")


def test_another_missing_module_is_named(tmp_path):
    assert "No module named 'absent'" in start(tmp_path, NOISE, "import absent").stderr


def test_the_real_keras_with_another_backend(tmp_path):
    """Set in keras.json, and torch is not installed."""
    (tmp_path / "keras.json").write_text('{"backend": "torch"}')
    environment = {**os.environ, "KERAS_HOME": str(tmp_path)}
    command = [sys.executable, "-c", "from dcgan_keras import DCGAN"]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    is_one_sentence(result, "torch")


@posix
def test_the_real_start_is_quiet():
    command = [sys.executable, "-c", "import dcgan_keras, keras\nkeras.ops.ones(2)"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent, timeout=120)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_the_command_line_helps_without_tensorflow():
    """And without whatever else takes long to import: it is there in a quarter of a second."""
    code = """
        import sys
        from dcgan_keras.__main__ import app
        for arguments in (["--help"], ["train", "--help"]):
            try:
                app(arguments)
            except SystemExit:
                pass
        print("Imported:", *sorted({"tensorflow", "keras", "matplotlib", "h5py", "numpy"} & set(sys.modules)))
    """
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60)
    assert "--g-learning-rate" in result.stdout and result.stdout.endswith("Imported:\n"), result.stdout + result.stderr
