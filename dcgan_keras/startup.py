"""A quiet start: TensorFlow's C++ code prints lines while it is imported, whatever the settings are.

They say which CPU instructions it found and that there is no GPU driver. In a notebook they would be the first thing
a reader sees, as if something were wrong. `TF_CPP_MIN_LOG_LEVEL=0` in the environment brings all of them back. The
package enters this room first. It imports neither TensorFlow nor Keras, but waits for whoever does.
"""

import contextlib
import functools
import glob
import importlib.abc
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator

# What a shell runs to keep TensorFlow's own lines until they end, and to pass all others on at once: other threads and
# child processes write to the same place. It is a process of its own, so that an abort in C++ code does not take the
# lines along. When it reads $0 all went well: it forgets them, and passes on what is still to come.
_KEEP = """held=
while IFS= read -r line; do case "$line" in
"$0") exec cat >&2 ;;
"" | [IWE][0-9][0-9][0-9][0-9]\\ * | 20[0-9][0-9]-*:\\ [IWE]\\ * | "WARNING: All log messages"* | "To enable "* | \
"INFO: Created TensorFlow Lite "*)
held="$held$line
" ;;
*) printf '%s\\n' "$line" >&2 ;;
esac; done; printf %s "$held$line" >&2"""
_ALL_WENT_WELL = "dcgan_keras: all went well"


@contextlib.contextmanager
def held_stderr() -> Iterator[None]:
    """Holds back TensorFlow's lines on file descriptor 2, and lets them out if the block raises or the process dies."""
    keeper = _start_keeper()
    if keeper is None or keeper.stdin is None:
        yield
        return
    if sys.stderr is not None:
        sys.stderr.flush()
    stderr = os.dup(2)
    os.dup2(keeper.stdin.fileno(), 2)
    try:
        yield
        keeper.stdin.write(f"\n{_ALL_WENT_WELL}\n".encode())
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        keeper.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):  # a child process started meanwhile may write on for long
            keeper.wait(timeout=1)


def _start_keeper() -> subprocess.Popen | None:
    """Starts the shell. None where there is none, as on Windows, which shows two lines, or nothing to hold back."""
    try:
        os.fstat(2)
    except OSError:  # closed, as that of a service may be: the next file opened would get what is meant for it
        null = os.open(os.devnull, os.O_WRONLY)
        if null != 2:
            os.dup2(null, 2)
            os.close(null)
        return None
    command = ["/bin/sh", "-c", _KEEP, _ALL_WENT_WELL]
    with contextlib.suppress(OSError):
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    return None


def _import_tensorflow(load, module) -> None:
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        return load(module)
    # Without a GPU, TensorFlow calls it an error that there is none.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2" if glob.glob("/dev/nvidia[0-9]*") else "3"
    try:
        with held_stderr():
            load(module)
    finally:
        del os.environ["TF_CPP_MIN_LOG_LEVEL"]  # it has been read, and is not for child processes


def _import_keras(load, module) -> None:
    try:
        load(module)
        backend = module.config.backend()
    except ModuleNotFoundError as error:
        if error.name not in ("jax", "openvino", "torch"):
            raise
        backend = error.name  # chosen, and not even installed
    if backend != "tensorflow":
        advice = "set KERAS_BACKEND=tensorflow in the environment before keras is imported for the first time"
        needed = f"dcgan_keras needs TensorFlow as the backend of Keras, which is {backend} here"
        raise ImportError(f"{needed}: {advice}.") from None


_waiting = {"keras": _import_keras, "tensorflow": _import_tensorflow}


class _Watch(importlib.abc.MetaPathFinder):
    """Finds the two libraries as Python does, and has them imported by the functions above."""

    def find_spec(self, name, path=None, target=None):
        around = _waiting.pop(name, None)
        if around is None:
            return None
        spec = importlib.util.find_spec(name)
        _waiting[name] = around  # whoever finds a library need not import it, and an import may fail
        if spec and spec.loader:
            spec.loader.exec_module = functools.partial(around, spec.loader.exec_module)
        return spec


if "keras" in sys.modules:
    _import_keras(lambda module: None, sys.modules["keras"])
else:
    sys.meta_path.insert(0, _Watch())
