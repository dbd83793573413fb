"""Files written whole or not at all, so that a kill at any moment leaves the old file or the new one."""

import contextlib
import errno
import os
import shutil
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

    Raises:
        OSError: in one sentence, if the disk is full or may not be written to. What was there before is still there.
    """
    path = Path(path)
    unfinished = path.with_name(f"{_PREFIX}{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        with open(unfinished, "rb") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except (OSError, RuntimeError) as error:  # HDF5 reports some failed writes as the second
        reason = _reason(error, path)
        if reason is None:
            raise
        raise OSError(f"Cannot write {path}: {reason}. Its last version, if there was one, is intact.") from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _reason(error: Exception, path: Path) -> str | None:
    """Says why a file could not be written, None if it was for another reason than the disk or the rights."""
    number = getattr(error, "errno", None)
    folder = next(parent for parent in path.parents if parent.exists())
    if number == errno.ENOSPC or "No space left" in str(error) or shutil.disk_usage(folder).free < 4096:
        return "the disk is full"
    if number in (errno.EROFS, errno.EACCES, errno.EPERM) or "Read-only" in str(error):
        return f"{folder} may not be written to"
    return None


def remove_unfinished(folder: str | Path) -> None:
    """Deletes what a killed process left half-written anywhere below `folder`."""
    for path in Path(folder).rglob(f"{_PREFIX}*"):
        path.unlink(missing_ok=True)
