import pytest
from dcgan_keras import files


def test_a_finished_block_replaces_the_file(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with files.atomic(tmp_path / "a.txt") as unfinished:
        unfinished.write_text("new")
        assert (tmp_path / "a.txt").read_text() == "old" and unfinished.suffix == ".txt"
    assert (tmp_path / "a.txt").read_text() == "new"


def test_a_failed_block_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(RuntimeError), files.atomic(tmp_path / "a.txt") as unfinished:
        unfinished.write_text("half")
        raise RuntimeError
    assert (tmp_path / "a.txt").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_what_a_kill_left_is_removed(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / ".unfinished-1-a.txt").write_text("half")
    (tmp_path / "sub" / "a.txt").write_text("whole")
    files.remove_unfinished(tmp_path)
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["a.txt"]
