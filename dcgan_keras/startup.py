"""Imports TensorFlow without the lines its C++ code prints before any setting is read.

They say which CPU instructions it found and that there is no GPU driver. In a notebook they would be the first thing
a reader sees, as if something were wrong. `TF_CPP_MIN_LOG_LEVEL=0` in the environment brings all of them back.
"""

import contextlib
import os
import sys
import tempfile


@contextlib.contextmanager
def held_stderr():
    """Holds back what is written to file descriptor 2, and lets it out only if the block raises."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


if "tensorflow" not in sys.modules and os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") != "0":
    with held_stderr():
        import tensorflow  # noqa: F401
