"""Files and folders written whole or not at all, so that a kill at any moment leaves the old file or the new one."""

import contextlib
import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

_PREFIX = ".unfinished-"
_ABANDONED = 600.0  # seconds after which nobody is writing an unfinished file any more
_PATIENCE = 2.0  # seconds that another program may hold the old file open: virus scanners do it for a moment


def at_home(path: str | os.PathLike) -> Path:
    """Takes `~` for the home folder. `~name` is a name where there is no such user."""
    return Path(os.path.expanduser(path))


@contextlib.contextmanager
def atomic(path: str | Path, size: int = 0) -> Iterator[Path]:
    """Gives an empty file beside `path` to write to, and renames it to `path` when the block ends without an error.

    The folder is made when missing. The temporary name keeps the suffixes: Keras and Pillow choose the format by them.

    Args:
        path: the file.
        size: bytes that the disk must have free: HDF5 takes the whole process down where it finds the disk full.

    Raises OSError in one sentence, if the disk is full or may not be written to, `path` or its folder cannot be what it
    should, or another program holds the old file open. What was there before is still there.
    """
    path = Path(path)
    unfinished = path.parent / (_PREFIX + secrets.token_hex(8) + "".join(path.suffixes))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if os.path.isdir(path):
            raise IsADirectoryError
        if size and shutil.disk_usage(path.parent).free < size:
            raise OSError(errno.ENOSPC, "too little space")
        open(unfinished, "xb").close()  # made anew, so that a link which somebody put there is never written through
        yield unfinished
        with open(unfinished, "r+b") as file:  # Windows flushes only what may be written to
            os.fsync(file.fileno())
        _replace(unfinished, path)
    except (OSError, RuntimeError) as error:  # HDF5 reports some failed writes as the second
        reason = _reason(error, path)
        if reason is None:
            raise
        raise OSError(f"Cannot write {path}: {reason}. Its last version, if there was one, is intact.") from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Does for a folder what `atomic` does for a file, and gives a path to make it at.

    What is there under its name is replaced, so look first. A kill between the two renames at the end leaves neither.
    Raises OSError, in one sentence, if the disk is full or may not be written to; then what was there still is.
    """
    path = Path(path)
    unfinished = path.parent / (_PREFIX + secrets.token_hex(8))
    try:
        unfinished.mkdir(parents=True)
        yield unfinished / "new"
        if path.exists():
            os.replace(path, unfinished / "old")
        try:
            os.replace(unfinished / "new", path)
        except BaseException:
            if (unfinished / "old").exists():
                os.replace(unfinished / "old", path)
            raise
    except OSError as error:
        reason = _reason(error, path / "file")
        if reason is None:
            raise
        raise OSError(f"Cannot write {path}: {reason}. Its last version, if there was one, is intact.") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _replace(unfinished: Path, path: Path) -> None:
    """Renames over the old file. Windows refuses that while a program has it open: tried again for a short while."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            os.replace(unfinished, path)
            return _sync_folder(path.parent)
        except PermissionError as error:
            if error.errno != errno.EACCES:  # it has no other cause: the folder could be written to a moment ago
                raise
            if time.monotonic() > end:
                raise OSError(errno.EBUSY, "another program has it open, close it there and try again") from error
        time.sleep(0.05)


def _sync_folder(folder: Path) -> None:
    """Has the new name on the disk too before anybody goes on, where a folder can be opened for that (not Windows)."""
    with contextlib.suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _reason(error: Exception, path: Path) -> str | None:
    """Says why a file could not be written, None if it was for another reason than the disk, the rights or the path."""
    number = getattr(error, "errno", None)
    folder = next((parent for parent in path.parents if os.path.exists(parent)), Path("."))
    if os.path.isdir(path):
        return "there is a folder of this name"
    if not os.path.isdir(folder):
        return f"{folder} is not a folder"
    if isinstance(error, OSError) and number == errno.EBUSY:
        return error.strerror
    if number in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error) or shutil.disk_usage(folder).free < 4096:
        return "the disk is full"
    if number in (errno.EROFS, errno.EACCES, errno.EPERM) or "Read-only" in str(error):
        return f"{folder} may not be written to"
    return None


def remove_unfinished(folder: str | Path) -> None:
    """Deletes what killed processes left half-written anywhere below `folder`, as far as it may be deleted.

    What was touched in the last ten minutes stays: another process may be writing it, a film of the same run perhaps.
    """
    now = time.time()
    for path in list(Path(folder).rglob(f"{_PREFIX}*")):
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime < _ABANDONED:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
