"""A run folder: made once, opened whole, claimed by one process, and never anybody else's."""

import dataclasses
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import filelock
import numpy as np
import pytest
from conftest import TINY
from dcgan_keras import data, training
from dcgan_keras.training import runs


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


# Takes a new folder and a run, each when it is told to: a line of input each time.
OTHER = """
import sys
from dcgan_keras.training import runs
print("there", flush=True)
for line in sys.stdin:
    try:
        if line == "folder\\n":
            print(runs.new_folder(sys.argv[1], "r"), flush=True)
        else:
            with runs.claimed(runs.open_run(line.strip())):
                print("in", flush=True)
    except FileExistsError as error:
        print(error, flush=True)
"""


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Three other processes, which `ask` tells something at the same time and reads the answers of."""
    folder = tmp_path_factory.mktemp("folders")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([sys.executable, "-c", OTHER, folder], **pipes) for _ in range(3)]
    assert [process.stdout.readline() for process in processes] == ["there\n"] * 3

    def ask(line, count):
        for process in processes[:count]:
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
        return [process.stdout.readline().strip() for process in processes[:count]]

    ask.folder = folder
    yield ask
    for process in processes:
        process.stdin.close()
        process.wait(timeout=60)


def test_processes_at_the_same_moment_take_a_folder_each(others):
    found = [path for _ in range(20) for path in others("folder", 3)]
    assert len(set(found)) == 60 == len(list(others.folder.iterdir()))


def test_a_run_belongs_to_one_process_at_a_time(others, tmp_path):
    run = runs.create(runs.Run(tmp_path / "run", TINY))
    with runs.claimed(run):
        assert "Another process is training in" in others(run.folder, 1)[0]
        with pytest.raises(FileExistsError, match="Another process"):
            training.train(run, np.zeros((80, 28, 28, 1), np.uint8), verbose=0)
    assert others(run.folder, 1) == ["in"]


def test_a_config_with_a_value_missing_is_named(tmp_path):
    run = runs.create(runs.Run(tmp_path / "run", TINY))
    path = run.folder / "config.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    for name in ("format", "precision", "class_names"):
        path.write_text(json.dumps({key: value for key, value in whole.items() if key != name}))
        with pytest.raises(ValueError, match=f"config.json is not a config.*'{name}'"):
            runs.open_run(run.folder)


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


def test_held_out_images_are_never_trained_on(tmp_path):
    pictures = np.arange(80, dtype=np.uint8).reshape(80, 1, 1, 1)
    images = data.Labelled(pictures, pictures.ravel().astype(np.int32) + 100, ("a", "b"))
    run = runs.Run(tmp_path, TINY, score_every=2)
    training, held_out = runs.hold_out(run, images)
    assert len(held_out) == 8
    assert sorted([*training.images.ravel(), *held_out.images.ravel()]) == list(range(80))
    for part in (training, held_out):
        np.testing.assert_array_equal(part.images.ravel() + 100, part.labels)
        assert part.names == ("a", "b")
    np.testing.assert_array_equal(runs.hold_out(run, images)[1].images, held_out.images)
    training, held_out = runs.hold_out(dataclasses.replace(run, score_every=0, holds_out=False), images)
    assert len(training) == 80 and len(held_out) == 0
    # Scores may be dropped later. What was held out stays so.
    assert len(runs.hold_out(dataclasses.replace(run, score_every=0), images)[1]) == 8
    with pytest.raises(ValueError, match="held none out"):
        dataclasses.replace(run, score_every=1, holds_out=False)
    with pytest.raises(ValueError, match="takes 100 images that differ"):
        runs.check_images(run, images)


def test_copies_of_a_held_out_image_are_held_out_too(tmp_path):
    values = np.repeat(np.arange(40, dtype=np.uint8), 3)  # three of each
    images = data.labelled(np.random.default_rng(0).permutation(values).reshape(120, 1, 1, 1))
    run = runs.Run(tmp_path, TINY, score_every=2)
    training, held_out = runs.hold_out(run, images)
    assert len(held_out) == 12 and len(training) == 108
    assert not set(training.images.ravel()) & set(held_out.images.ravel())
    few = data.labelled(np.repeat(np.arange(5, dtype=np.uint8), 40).reshape(200, 1, 1, 1))
    assert len(runs.hold_out(run, few)[1]) == 0
    with pytest.raises(ValueError, match="takes 100 images that differ"):
        runs.check_images(run, few)


@pytest.mark.parametrize("error", [OSError(errno.ENOLCK, "No locks available"), NotImplementedError("no flock")])
def test_a_disk_that_cannot_lock_is_named_and_trained_on(tmp_path, monkeypatch, error):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(filelock.FileLock, "acquire", fails)
    run = runs.Run(tmp_path / "run", TINY)
    with pytest.warns(UserWarning, match="cannot be locked: see that no other process trains there"), runs.claimed(run):
        pass
    monkeypatch.setattr(filelock.FileLock, "acquire", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "broken")))
    with pytest.raises(OSError, match="broken"), runs.claimed(run):
        pass


def test_a_name_with_a_tilde_is_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert runs.Run("~nobody-of-this-name/run", TINY).folder == Path("~nobody-of-this-name/run")


def test_a_batch_that_is_no_multiple_of_the_pack_is_refused(tmp_path):
    images = data.labelled(np.zeros((80, 28, 28, 1), np.uint8))
    run = runs.Run(tmp_path, dataclasses.replace(TINY, pack=3))
    with pytest.raises(ValueError, match="shown 3 images at a time: a batch of 4 cannot be"):
        runs.check_images(run, images)
    runs.check_images(runs.Run(tmp_path, dataclasses.replace(TINY, pack=2)), images)


def test_clusters_are_found_once_and_then_read(tmp_path, monkeypatch):
    images = data.labelled(np.random.default_rng(0).integers(0, 256, (40, 28, 28, 1), dtype=np.uint8))
    run = runs.Run(tmp_path, dataclasses.replace(TINY, clusters=3), seed=5)
    found = runs.told(run, images, keep=False)
    assert not list(tmp_path.iterdir()) and found.names == ()
    np.testing.assert_array_equal(found.labels, data.cluster(images.images, 3, 5))
    np.testing.assert_array_equal(runs.told(run, images).labels, found.labels)
    # Another processor might find others: what counts is the file.
    monkeypatch.setattr(data, "cluster", None)
    np.testing.assert_array_equal(runs.told(run, images).labels, found.labels)
    with pytest.raises(ValueError, match="clusters.npy does not hold the clusters of the run's images"):
        runs.told(run, images[:39])
    (tmp_path / "clusters.npy").write_bytes(b"no array")
    with pytest.raises(ValueError, match="clusters.npy does not hold the clusters of the run's images"):
        runs.told(run, images)


def test_networks_that_are_told_nothing_are_not_told_labels(tmp_path):
    images = data.Labelled(np.zeros((40, 28, 28, 1), np.uint8), np.arange(40, dtype=np.int32) % 2, ("a", "b"))
    assert runs.told(runs.Run(tmp_path, TINY), images).labels is None
    assert runs.told(runs.Run(tmp_path, TINY, class_names=("a", "b")), images) is images


def test_more_clusters_than_images_are_refused(tmp_path):
    run = runs.Run(tmp_path, dataclasses.replace(TINY, clusters=81))
    with pytest.raises(ValueError, match="There are 80 images for 81 clusters: give fewer --clusters."):
        runs.check_images(run, data.labelled(np.zeros((80, 28, 28, 1), np.uint8)))


def test_a_run_of_before_there_were_clusters_opens(tmp_path):
    run = runs.create(runs.Run(tmp_path / "run", TINY))
    path = run.folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    del config["settings"]["clusters"], config["settings"]["d_hidden"]
    path.write_text(json.dumps(config))
    opened = runs.open_run(run.folder)
    assert (opened.settings.clusters, opened.settings.d_hidden) == (0, 0)


@pytest.mark.parametrize(
    ("name", "number"),
    [("ankle boot", 2), ("Boot", 2), ("top", 0), ("shirt", 1), ("1", 1), ("dress", None), ("t", 0), ("5", None)],
)
def test_a_class_is_found_by_a_word_that_no_other_has(name, number):
    names = ("T-shirt/top", "shirt", "ankle boot", "old dress", "new dress")
    if number is None:
        with pytest.raises(ValueError, match="--class must be one of T-shirt/top, shirt"):
            runs.class_number(name, 5, names)
    else:
        assert runs.class_number(name, 5, names) == number


def test_a_class_is_found_as_it_is_written_before_capitals_are_ignored():
    assert [runs.class_number(name, 3, ("A", "a", "b")) for name in "AaB"] == [0, 1, 2]


def test_a_class_of_unknown_names_is_found_by_its_number():
    assert runs.class_number("3", 5) == 3
    with pytest.raises(ValueError, match="--class must be one of 0, 1, 2, 3, 4, got 'boot'"):
        runs.class_number("boot", 5)
    with pytest.raises(ValueError, match="only one trained with --conditional takes --class"):
        runs.class_number("boot", 0)


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
