"""A run folder: made once, opened whole, claimed by one process, and never anybody else's."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY
from dcgan_keras import runs, training


def test_a_folder_with_anything_in_it_is_not_overwritten(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="not empty"):
        runs.create(runs.Run(tmp_path, TINY))
    with pytest.raises(FileExistsError):
        runs.create(runs.Run(tmp_path / "mine.txt", TINY))
    assert os.listdir(tmp_path) == ["mine.txt"]


def test_new_folders_count_up_and_are_taken_at_once(tmp_path):
    found = [runs.new_folder(tmp_path / "runs", "laptop") for _ in range(3)]
    assert [path.name for path in found] == ["laptop-1", "laptop-2", "laptop-3"] and found[2].is_dir()


def test_processes_started_together_take_a_folder_each(tmp_path):
    code = "import sys; from dcgan_keras import runs; sys.stdin.read(1); print(runs.new_folder(sys.argv[1], 'r'))"
    command = [sys.executable, "-c", code, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    together = [subprocess.Popen(command, **pipes) for _ in range(4)]
    found = [process.communicate("x")[0].strip() for process in together]
    assert len(set(found)) == 4 == len(list(tmp_path.iterdir()))


def test_a_run_belongs_to_one_process_at_a_time(tmp_path):
    run = runs.create(runs.Run(tmp_path / "run", TINY))
    code = "import sys; from dcgan_keras import runs\nwith runs.claimed(runs.open_run(sys.argv[1])): print('in')"
    command = [sys.executable, "-c", code, run.folder]
    with runs.claimed(run):
        other = subprocess.run(command, capture_output=True, text=True)
        assert other.returncode and "Another process is training in" in other.stderr
        with pytest.raises(FileExistsError, match="Another process"):
            training.train(run, np.zeros((80, 28, 28, 1), np.uint8), verbose=0)
    assert subprocess.run(command, capture_output=True, text=True).stdout == "in\n"


@pytest.mark.parametrize("content", ["", "{}", '{"settings": {"epochs": 3}}', "[1]", "\x00"])
def test_a_config_that_cannot_be_understood_is_named(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match="config.json is not a config"):
        runs.open_run(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("batch_size", "8"), ("epochs", -1), ("epochs", 1.5), ("g_learning_rate", "fast"), ("beta_1", 2), ("loss", 3)],
)
def test_a_config_with_values_out_of_range_is_named(tmp_path, name, value):
    run = runs.create(runs.Run(tmp_path / "run", TINY))
    path = run.folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["settings"][name] = value
    path.write_text(json.dumps(config))
    with pytest.raises(ValueError, match=f"config.json is not a config.*{name}"):
        runs.open_run(run.folder)


def test_a_config_of_the_first_version_is_understood(tmp_path):
    run = runs.create(runs.Run(tmp_path / "run", TINY))
    path = run.folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    for name in ("holds_out", "images_sha256", "precision", "score_every"):
        del config[name]
    path.write_text(json.dumps(config))
    assert runs.open_run(run.folder) == run


def test_a_folder_of_images_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = runs.create(runs.Run("run", TINY, source="pictures"))
    assert run.source == str(tmp_path / "pictures")
    assert json.loads(Path("run/config.json").read_text(encoding="utf-8"))["source"] == str(tmp_path / "pictures")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert runs.Run("~/run", TINY, source="~/pictures").source == str(tmp_path / "pictures")
    assert runs.open_run("~/run").folder == tmp_path / "run"
    for name in ("bundled", "tfds:mnist"):
        assert runs.Run("run", TINY, source=name).source == name


def test_no_run_no_snapshots(tmp_path, trained_run):
    with pytest.raises(FileNotFoundError, match="no run in"):
        runs.open_run(tmp_path)
    empty = dataclasses.replace(trained_run, folder=tmp_path)
    with pytest.raises(FileNotFoundError, match="no snapshots"):
        training.make_film(empty)
    with pytest.raises(ValueError, match="rows and columns"):
        training.make_film(trained_run, rows=0)


@pytest.mark.parametrize("seed", [-1, 2**31, 1.5, None])
def test_seeds_out_of_range(tmp_path, seed):
    with pytest.raises(ValueError, match="seed must be"):
        runs.create(runs.Run(tmp_path / "run", TINY, seed=seed))
    assert not (tmp_path / "run").exists()


def test_held_out_images_are_never_trained_on(tmp_path, images):
    images = np.arange(80, dtype=np.uint8).reshape(80, 1, 1, 1)
    run = runs.Run(tmp_path, TINY, score_every=2)
    training, held_out = runs.hold_out(run, images)
    assert len(held_out) == 8 and sorted([*training.ravel(), *held_out.ravel()]) == list(range(80))
    np.testing.assert_array_equal(runs.hold_out(run, images)[1], held_out)
    training, held_out = runs.hold_out(dataclasses.replace(run, score_every=0, holds_out=False), images)
    assert len(training) == 80 and len(held_out) == 0
    # Scores may be dropped later. What was held out stays so.
    assert len(runs.hold_out(dataclasses.replace(run, score_every=0), images)[1]) == 8
    with pytest.raises(ValueError, match="held none out"):
        dataclasses.replace(run, score_every=1, holds_out=False)
    with pytest.raises(ValueError, match="takes 100 images"):
        runs.check_images(run, images)


def test_a_run_of_another_version_is_refused(tmp_path):
    run = runs.create(runs.Run(tmp_path / "run", TINY))
    path = run.folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, "format": 2, "versions": {"dcgan_keras": "9.0"}}))
    with pytest.raises(ValueError, match="written by dcgan_keras 9.0, and this is"):
        runs.open_run(run.folder)


@pytest.fixture
def read_only_disk(tmp_path):
    """A disk that nobody may write to, where this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if (
        os.name == "nt"
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", disk], capture_output=True).returncode
    ):
        pytest.skip("needs the right to mount a disk")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_read_only_folder_is_refused_in_one_sentence(read_only_disk):
    with pytest.raises(OSError, match="Cannot write .*config.json: .* may not be written to"):
        runs.create(runs.Run(read_only_disk / "run", TINY))
