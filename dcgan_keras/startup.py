"""Imports TensorFlow and Keras without the lines that TensorFlow's C++ code prints whatever the settings are.

They say which CPU instructions it found and that there is no GPU driver. In a notebook they would be the first thing
a reader sees, as if something were wrong. `TF_CPP_MIN_LOG_LEVEL=0` in the environment brings all of them back.
"""

import contextlib
import os
import subprocess
import sys

# What a shell runs to keep lines until they end, or until it is killed. It is a process of its own, so that an abort in
# C++ code does not take them along.
KEEP = """while IFS= read -r line; do held="$held$line
"; done; printf %s "$held$line" >&2"""


@contextlib.contextmanager
def held_stderr():
    """Holds back what is written to file descriptor 2, and lets it out if the block raises or the process dies."""
    keeper = _start_keeper()
    if keeper is None:
        yield
        return
    if sys.stderr is not None:
        sys.stderr.flush()
    stderr = os.dup(2)
    os.dup2(keeper.stdin.fileno(), 2)
    try:
        yield
        keeper.kill()
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        keeper.stdin.close()
        keeper.wait()


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
    try:
        return subprocess.Popen(["/bin/sh", "-c", KEEP], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    except OSError:
        return None


def import_keras() -> None:
    """Imports Keras, and its backend with it.

    Raises:
        ImportError: if the backend is not TensorFlow.
    """
    try:
        import keras

        backend = keras.config.backend()
    except ModuleNotFoundError as error:
        if error.name not in ("jax", "openvino", "torch"):
            raise
        backend = error.name  # chosen, and not even installed
    if backend != "tensorflow":
        raise ImportError(
            f"dcgan_keras needs TensorFlow as the backend of Keras, which is {backend} here: set "
            "KERAS_BACKEND=tensorflow in the environment before keras is imported for the first time."
        ) from None


with contextlib.ExitStack() as stack:
    if "tensorflow" not in sys.modules and os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") != "0":
        stack.enter_context(held_stderr())
    import_keras()
