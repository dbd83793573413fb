"""Files written whole or not at all, so that a kill at any moment leaves the old file or the new one."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_PREFIX = ".unfinished-"


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path beside `path` and renames it to `path` when the block ends without an error.

    Args:
        path: the file to write. Its folder is made when missing. The temporary name keeps the suffixes, since
            Keras and imageio choose the format by them.

    Yields:
        The temporary path to write to.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{_PREFIX}{os.getpid()}-{path.name}")
    try:
        yield unfinished
        with open(unfinished, "rb") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def remove_unfinished(folder: str | Path) -> None:
    """Deletes what a killed process left half-written anywhere below `folder`."""
    for path in Path(folder).rglob(f"{_PREFIX}*"):
        path.unlink(missing_ok=True)
