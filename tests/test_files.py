"""Files are whole or the old ones, under the rules of Linux and, simulated, of Windows."""

import errno
import os
import re
import stat
import subprocess
import sys
import time

import pytest
from dcgan_keras import files

try:
    import fcntl
except ImportError:  # Windows, which has those rules of its own
    fcntl = None

posix = pytest.mark.skipif(os.name != "posix", reason="no such permissions and links there")


@pytest.fixture
def old(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    return tmp_path / "a.txt"


def write(path, text="new"):
    with files.atomic(path) as unfinished:
        unfinished.write_text(text)


def test_a_finished_block_replaces_the_file(old):
    with files.atomic(old) as unfinished:
        unfinished.write_text("new")
        assert old.read_text() == "old" and unfinished.parent == old.parent
    assert old.read_text() == "new" and os.listdir(old.parent) == ["a.txt"]


@pytest.mark.parametrize(
    "name",
    [
        "epoch-0001.weights.h5",
        "a.keras",
        "b.gif",
        "none",
        "x" * (240 if os.name == "posix" else 40) + ".png",
        "画 1.webp",
    ],
)
def test_the_temporary_name_keeps_the_suffixes(tmp_path, name):
    with files.atomic(tmp_path / "new" / name) as unfinished:
        assert unfinished.suffixes == (tmp_path / name).suffixes and unfinished.name.startswith(".unfinished-")
        unfinished.write_bytes(b"new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]


@pytest.mark.parametrize("error", [RuntimeError, ValueError, KeyboardInterrupt, OSError(errno.EIO, "read error")])
def test_a_failed_block_leaves_the_old_file_and_nothing_else(old, error):
    with pytest.raises(type(error) if isinstance(error, OSError) else error), files.atomic(old) as unfinished:
        unfinished.write_text("half")
        raise error
    assert old.read_text() == "old" and len(list(old.parent.iterdir())) == 1


def test_what_a_kill_left_is_removed(tmp_path):
    (tmp_path / "sub" / ".unfinished-folder" / "new").mkdir(parents=True)
    (tmp_path / "sub" / ".unfinished-folder" / "new" / "a.txt").write_text("half")
    (tmp_path / "sub" / ".unfinished-1-a.txt").write_text("half")
    (tmp_path / "sub" / "a.txt").write_text("whole")
    grow_old(tmp_path)
    files.remove_unfinished(tmp_path)
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["a.txt"]


def grow_old(folder):
    """Makes what is unfinished in a folder an hour older."""
    for path in folder.rglob(".unfinished-*"):
        os.utime(path, (time.time() - 3600,) * 2)


def test_what_another_process_is_writing_stays(tmp_path):
    """`dcgan gif` in a run folder while another process goes on with the run."""
    with files.atomic(tmp_path / "film.gif") as unfinished:
        unfinished.write_text("half")
        files.remove_unfinished(tmp_path)
        unfinished.write_text("whole")
    with files.atomic_folder(tmp_path / "model") as new:
        new.mkdir()
        files.remove_unfinished(tmp_path)
        (new / "a.txt").write_text("whole")
    assert (tmp_path / "film.gif").read_text() == (tmp_path / "model" / "a.txt").read_text() == "whole"


@posix
def test_the_folder_is_written_to_the_disk_after_the_new_name(old, monkeypatch):
    done, replace, sync = [], os.replace, os.fsync
    monkeypatch.setattr(os, "replace", lambda *paths: done.append("replace") or replace(*paths))

    def spy(number):
        done.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "file")
        sync(number)

    monkeypatch.setattr(os, "fsync", spy)
    write(old)
    assert done == ["file", "replace", "folder"]


def test_a_finished_folder_replaces_the_old_one(tmp_path):
    path = tmp_path / "made" / "folder"
    for text in ("old", "new"):
        with files.atomic_folder(path) as unfinished:
            assert unfinished.parent.parent == path.parent
            unfinished.mkdir()
            (unfinished / f"{text}.txt").write_text(text)
            assert not (path / f"{text}.txt").exists()
        assert [each.name for each in path.iterdir()] == [f"{text}.txt"] and os.listdir(path.parent) == ["folder"]
    with pytest.raises(KeyboardInterrupt), files.atomic_folder(path) as unfinished:
        unfinished.mkdir()
        raise KeyboardInterrupt
    assert os.listdir(path) == ["new.txt"] and os.listdir(path.parent) == ["folder"]


def test_a_folder_that_cannot_be_renamed_leaves_the_old_one(tmp_path, monkeypatch):
    """As where a scanner holds a new file open on Windows."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old").touch()
    replace = os.replace

    def held(source, target):
        if os.path.basename(source) == "new":
            raise PermissionError(errno.EACCES, "held")
        replace(source, target)

    monkeypatch.setattr(os, "replace", held)
    with pytest.raises(OSError, match="intact"), files.atomic_folder(tmp_path / "model") as unfinished:
        unfinished.mkdir()
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "old"]


def test_a_folder_below_a_file_is_one_sentence(old):
    with pytest.raises(OSError, match=f"Cannot write {re.escape(str(old / 'folder'))}: .* is not a folder"):
        with files.atomic_folder(old / "folder") as unfinished:
            unfinished.mkdir()


def test_a_process_that_died_leaves_nothing_for_good(tmp_path):
    code = f"""
import os, runpy
files = runpy.run_path({files.__file__!r})
with files["atomic"]({str(tmp_path / "a.txt")!r}) as unfinished:
    unfinished.write_text("half")
    os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert len(os.listdir(tmp_path)) == 1
    grow_old(tmp_path)
    files.remove_unfinished(tmp_path)
    assert os.listdir(tmp_path) == []


@posix
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_any_new_file(old, umask):
    old.chmod(0o600)
    before = os.umask(umask)
    try:
        write(old)
    finally:
        os.umask(before)
    assert stat.S_IMODE(old.stat().st_mode) == 0o666 & ~umask


@posix
def test_a_planted_link_is_not_written_through(old, monkeypatch):
    """Even where somebody guesses the temporary name."""
    monkeypatch.setattr(files.secrets, "token_hex", lambda _: "guessed")
    secret = old.parent / "secret"
    secret.write_text("mine")
    (old.parent / ".unfinished-guessed.txt").symlink_to(secret)
    with pytest.raises(FileExistsError):
        write(old)
    assert secret.read_text() == "mine" and old.read_text() == "old"


def test_names_cannot_be_guessed(old):
    names = set()
    for _ in range(20):
        with files.atomic(old) as unfinished:
            names.add(unfinished.name)
    assert len(names) == 20 and all(re.fullmatch(r"\.unfinished-[0-9a-f]{16}\.txt", name) for name in names)


@pytest.fixture
def windows(monkeypatch):
    """Its two rules: only what may be written to is flushed, and a file that a program holds open is not replaced.

    Returns a list: as many calls as its one number says are still refused.
    """
    fsync, replace, left = os.fsync, os.replace, [0]

    def fsync_there(descriptor):
        if fcntl and fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        fsync(descriptor)

    def replace_there(source, target):
        if left[0]:
            left[0] -= 1
            raise PermissionError(errno.EACCES, "Access is denied", str(source), 5, str(target))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync_there)
    monkeypatch.setattr(os, "replace", replace_there)
    monkeypatch.setattr(files, "_PATIENCE", 0.3)
    return left


def test_a_file_is_written_on_windows(old, windows):
    write(old)
    assert old.read_text() == "new"


def test_a_file_that_a_scanner_holds_for_a_moment_is_replaced(old, windows):
    windows[0] = 3
    write(old)
    assert old.read_text() == "new" and windows == [0]


def test_a_file_that_a_viewer_holds_is_one_sentence(old, windows):
    windows[0] = 10**9
    start = time.monotonic()
    sentence = re.escape(f"Cannot write {old}: another program has it open, close it there and try again. Its last ")
    with pytest.raises(OSError, match=sentence):
        write(old)
    assert old.read_text() == "old" and os.listdir(old.parent) == ["a.txt"] and 0.3 < time.monotonic() - start < 3


def refuses(number, name="replace"):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    return lambda monkeypatch: monkeypatch.setattr(os, name, refuse)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (refuses(errno.ENOSPC), "the disk is full"),
        (refuses(errno.EDQUOT), "the disk is full"),
        (refuses(errno.ENOSPC, "fsync"), "the disk is full"),
        (refuses(errno.EPERM), "may not be written to"),  # a folder where everybody may make files, not replace others'
        (refuses(errno.EROFS), "may not be written to"),
    ],
)
def test_what_stands_in_the_way_is_one_sentence(old, monkeypatch, setting, words):
    setting(monkeypatch)
    start = time.monotonic()
    with pytest.raises(OSError, match=f"^Cannot write .*a.txt: .*{words}.* is intact.$"):
        write(old)
    assert old.read_text() == "old" and time.monotonic() - start < 1


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("folder", "there is a folder"),
        ("a.txt/b.txt", "a.txt is not a folder"),
        (".", "there is a folder"),
    ],
)
def test_a_path_that_cannot_be_one_is_one_sentence(old, target, words):
    (old.parent / "folder").mkdir()
    with pytest.raises(OSError, match=f"^Cannot write .*: .*{words}"):
        write(old.parent / target)
    assert old.read_text() == "old" and sorted(os.listdir(old.parent)) == ["a.txt", "folder"]


def test_another_error_is_left_as_it_is(old):
    with pytest.raises(OSError, match="another subject"), files.atomic(old):
        raise OSError("another subject")
    with pytest.raises(RuntimeError, match="shape"), files.atomic(old):
        raise RuntimeError("shape")
