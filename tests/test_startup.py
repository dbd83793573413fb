"""The start: quiet where all is well, no reason lost where it is not. Stand-ins for both libraries make it fast."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from dcgan_keras import startup

NOISE = "import os\nos.write(2, b'I0000 noise of C++\\n' * 3)\n"
KERAS = "import tensorflow\nclass config:\n    backend = staticmethod(lambda: 'tensorflow')\n"


def start(folder, tensorflow="", keras=KERAS, *, after="", redirect="", **environment):
    """Runs startup.py in a new process that finds these two modules."""
    (folder / "tensorflow.py").write_text(tensorflow)
    (folder / "keras.py").write_text(keras)
    (folder / "run.py").write_text(f"import runpy, sys\nrunpy.run_path({startup.__file__!r})\n{after}\n")
    environment = {**os.environ, "PYTHONPATH": str(folder), **environment}
    command = [sys.executable, str(folder / "run.py")]
    if redirect:
        command = ["/bin/sh", "-c", f'"$0" "$@" {redirect}', *command]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


posix = pytest.mark.skipif(os.name != "posix", reason="nothing is held back there, and no shell closes descriptors")


@pytest.fixture(autouse=True)
def usual_environment(monkeypatch):
    for name in ("TF_CPP_MIN_LOG_LEVEL", "KERAS_BACKEND"):
        monkeypatch.delenv(name, raising=False)


@posix
def test_a_start_is_quiet_and_stderr_works_afterwards(tmp_path):
    after = "import os, tensorflow\nprint('seen', file=sys.stderr)\nos.write(2, b'this too')"
    result = start(tmp_path, NOISE, after=after)
    assert (result.returncode, result.stderr) == (0, "seen\nthis too")


def test_the_lines_are_there_for_who_asks(tmp_path):
    assert "noise of C++" in start(tmp_path, NOISE, TF_CPP_MIN_LOG_LEVEL="0").stderr


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
    after = f"file = open({str(tmp_path / 'file')!r}, 'w')\nimport os\nos.write(2, b'lost')\nfile.write('mine')"
    result = start(tmp_path, NOISE, after=after, redirect=redirect)
    assert (result.returncode, result.stderr, (tmp_path / "file").read_text()) == (0, "", "mine")


def test_without_sys_stderr(tmp_path):
    """As in IDLE and under pythonw."""
    after = "print('went on')"
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.stderr = None\n")
    result = start(tmp_path, NOISE, after=after)
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
    (tmp_path / "sitecustomize.py").write_text("import tensorflow\n")
    assert start(tmp_path, NOISE, keras=KERAS + "import os\nos.write(2, b'shown')\n").stderr.endswith("shown")


@pytest.mark.parametrize("backend", ["torch", "jax", "openvino"])
@pytest.mark.parametrize("installed", [True, False])
def test_another_backend_is_one_sentence(tmp_path, backend, installed):
    keras = KERAS.replace("'tensorflow'", repr(backend)) if installed else f"import {backend}"
    (tmp_path / "jax.py").write_text("raise ModuleNotFoundError('No module named jax', name='jax')")
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('No module named torch', name='torch')")
    result = start(tmp_path, NOISE, keras)
    *_, sentence = result.stderr.strip().split("\n")
    assert result.returncode == 1 and "During handling" not in result.stderr
    assert sentence.startswith("ImportError: dcgan_keras needs TensorFlow as the backend of Keras")
    assert backend in sentence and "KERAS_BACKEND=tensorflow" in sentence


def test_another_missing_module_is_named(tmp_path):
    assert "No module named 'absent'" in start(tmp_path, NOISE, "import absent").stderr


def test_the_real_keras_with_another_backend(tmp_path):
    """Set in keras.json, and torch is not installed."""
    (tmp_path / "keras.json").write_text('{"backend": "torch"}')
    environment = {**os.environ, "KERAS_HOME": str(tmp_path)}
    command = [sys.executable, "-c", "import dcgan_keras"]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert result.returncode == 1
    assert result.stderr.strip().split("\n")[-1].startswith("ImportError: dcgan_keras needs TensorFlow as the backend")


@posix
def test_the_real_start_is_quiet():
    command = [sys.executable, "-c", "import dcgan_keras, keras\nkeras.ops.ones(2)"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent, timeout=120)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
