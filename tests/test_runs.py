import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import imageio.v3 as imageio
import keras
import numpy as np
import pytest
from conftest import ROOT, TINY, all_weights
from dcgan_keras import callbacks, plots, runs

LONG = dataclasses.replace(TINY, epochs=12)

# Trains a run in a process of its own, for a test to kill.
TRAIN = """
import sys, numpy as np
from dcgan_keras import runs
images = np.random.default_rng(0).integers(0, 256, (80, 28, 28, 1), dtype=np.uint8)
runs.train(runs.open_run(sys.argv[1]), images)
"""


def test_a_run_folder_holds_what_it_should(trained_run):
    names = {path.name for path in trained_run.folder.iterdir()}
    assert names == {
        "training.gif", "samples.png", "losses.png", "history.csv", "config.json",
        "generator.keras", "discriminator.keras", "checkpoints", "snapshots",
    }  # fmt: skip
    history = callbacks.read_history(trained_run.history)
    assert history["epoch"] == [0, 1, 2] and all(len(column) == 3 for column in history.values())
    config = json.loads((trained_run.folder / "config.json").read_text())
    assert config["settings"] == dataclasses.asdict(TINY)
    assert config["versions"]["keras"] == keras.__version__ and config["seed"] == 0
    assert runs.open_run(trained_run.folder) == trained_run


def test_the_saved_generator_draws_the_saved_samples(trained_run):
    generator = keras.models.load_model(trained_run.folder / "generator.keras")
    grid = plots.image_grid(generator(runs.film_latents(TINY.latent_dim), training=False), columns=10)
    np.testing.assert_array_equal(imageio.imread(trained_run.folder / "samples.png"), grid)


def test_the_film_is_made_again_byte_for_byte_without_training(trained_run, tmp_path):
    path = runs.make_gif(trained_run, tmp_path / "again.gif")
    assert path.read_bytes() == (trained_run.folder / "training.gif").read_bytes()
    assert len(imageio.imread(path, index=None)) == TINY.frames
    other = runs.make_gif(trained_run, tmp_path / "other.gif", rows=1, columns=2, scale=1, seed=3)
    assert imageio.imread(other, index=0).shape[1] == 2 * 30 + 2


def test_a_run_killed_at_any_moment_resumes_to_the_same_weights(images, tmp_path):
    """SIGKILL after a random time, several times, until the run ends by itself; against a run never stopped."""
    calm = runs.create(runs.Run(tmp_path / "calm", LONG))
    expected = all_weights(runs.train(calm, images))

    run = runs.create(runs.Run(tmp_path / "killed", LONG))
    pauses = np.random.default_rng()
    kills = 0
    while True:
        process = subprocess.Popen([sys.executable, "-c", TRAIN, run.folder], stdout=subprocess.PIPE, cwd=ROOT)
        done = len(callbacks.read_history(run.history)["epoch"])
        deadline = time.time() + 120
        while kills < 3 and len(callbacks.read_history(run.history)["epoch"]) <= done and process.poll() is None:
            assert time.time() < deadline, "training does not advance"
            time.sleep(0.01)
        if kills < 3 and process.poll() is None:
            time.sleep(pauses.uniform(0, 0.2))
            process.send_signal(signal.SIGKILL)
            kills += 1
        if process.wait() == 0:
            break
    assert kills >= 1
    again = runs.build(LONG)
    assert runs.restore(run, again) == LONG.epochs
    np.testing.assert_array_equal(all_weights(again), expected)
    for name in ("history.csv", "training.gif", "samples.png"):
        assert (run.folder / name).read_bytes() == (calm.folder / name).read_bytes(), name


def test_a_longer_run_is_the_shorter_one_gone_on(images, trained_run, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(trained_run.folder, folder)
    longer = runs.extend(runs.open_run(folder), 5)
    whole = runs.create(runs.Run(tmp_path / "whole", dataclasses.replace(TINY, epochs=5)))
    np.testing.assert_array_equal(all_weights(runs.train(longer, images)), all_weights(runs.train(whole, images)))
    assert callbacks.read_history(longer.history) == callbacks.read_history(whole.history)
    assert runs.open_run(folder).settings.epochs == 5


def test_a_source_that_has_changed_is_refused(images, trained_run):
    with pytest.raises(ValueError, match="has changed since the run began: 3 epochs were 30 steps.*72 images.* 27"):
        runs.train(trained_run, images[:72])


def test_a_damaged_checkpoint_is_named_and_the_one_before_used(images, trained_run, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(trained_run.folder, folder)
    run = runs.open_run(folder)
    newest = callbacks.checkpoints(run.checkpoints)[-1]
    newest.write_bytes(newest.read_bytes()[:4000])
    with pytest.warns(UserWarning, match="epoch-0003.* cannot be loaded.*Going on from .*epoch-0002"):
        again = runs.train(run, images)
    undisturbed = runs.build(TINY)
    runs.restore(trained_run, undisturbed)
    np.testing.assert_array_equal(all_weights(again), all_weights(undisturbed))
    for path in callbacks.checkpoints(run.checkpoints):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="epoch-0002.*"):
        runs.restore(run, runs.build(TINY))


def test_a_folder_with_anything_in_it_is_not_overwritten(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="not empty"):
        runs.create(runs.Run(tmp_path, TINY))
    with pytest.raises(FileExistsError):
        runs.create(runs.Run(tmp_path / "mine.txt", TINY))
    assert os.listdir(tmp_path) == ["mine.txt"]


def test_free_folders_count_up(tmp_path):
    for number in (1, 2):
        folder = runs.free_folder(tmp_path, "laptop")
        assert folder.name == f"laptop-{number}"
        folder.mkdir()


@pytest.mark.parametrize("content", ["", "{}", '{"settings": {"epochs": 3}}', "[1]", "\x00"])
def test_a_config_that_cannot_be_understood_is_named(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match="config.json is not a config"):
        runs.open_run(tmp_path)


def test_no_run_no_snapshots(tmp_path, trained_run):
    with pytest.raises(FileNotFoundError, match="no run in"):
        runs.open_run(tmp_path)
    empty = dataclasses.replace(trained_run, folder=tmp_path)
    with pytest.raises(FileNotFoundError, match="no snapshots"):
        runs.make_gif(empty)
    with pytest.raises(ValueError, match="rows and columns"):
        runs.make_gif(trained_run, rows=0)


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_seeds_out_of_range(tmp_path, seed):
    with pytest.raises(ValueError, match="seed must be"):
        runs.create(runs.Run(tmp_path / "run", TINY, seed=seed))
    assert not (tmp_path / "run").exists()


def test_a_scored_run_keeps_its_best_generator_over_a_resume(images, tmp_path):
    """Stopped after two epochs of four or not: the same scores, the same best generator. Some images are held out."""
    images = np.concatenate([images, images + 1])
    settings = dataclasses.replace(TINY, epochs=4)
    whole = runs.create(runs.Run(tmp_path / "whole", settings, score_every=1))
    gan = runs.train(whole, images)
    assert int(gan.step) == 4 * (144 // 8)
    half = runs.create(runs.Run(tmp_path / "half", dataclasses.replace(settings, epochs=2), score_every=1))
    runs.train(half, images)
    runs.train(runs.extend(runs.open_run(half.folder), 4), images)
    assert (whole.folder / "scores.csv").read_bytes() == (half.folder / "scores.csv").read_bytes()
    both = [keras.models.load_model(run.folder / "best.keras").get_weights() for run in (whole, half)]
    for one, other in zip(*both):
        np.testing.assert_array_equal(one, other)


def test_held_out_images_are_never_trained_on(tmp_path, images):
    images = np.arange(80, dtype=np.uint8).reshape(80, 1, 1, 1)
    run = runs.Run(tmp_path, TINY, score_every=2)
    training, held_out = runs.hold_out(run, images)
    assert len(held_out) == 8 and sorted([*training.ravel(), *held_out.ravel()]) == list(range(80))
    np.testing.assert_array_equal(runs.hold_out(run, images)[1], held_out)
    training, held_out = runs.hold_out(dataclasses.replace(run, score_every=0), images)
    assert len(training) == 80 and len(held_out) == 0
    with pytest.raises(ValueError, match="takes 100 images"):
        runs.check_images(run, images)


def test_a_run_is_scored_beside_real_images(tmp_path):
    run = runs.create(runs.Run(tmp_path / "run", dataclasses.replace(TINY, epochs=1, batch_size=500), score_every=1))
    runs.train(run)
    columns = runs.evaluate(run, count=300)
    assert [column[0].subject for column in columns] == ["generator.keras", "best.keras", "real training images"]
    last, best, real = ({score.metric: score.value for score in column} for column in columns)
    assert last == best  # there was one epoch
    assert real["fid"] < last["fid"] and columns[0][0].reference == "bundled, split test"
    assert len(json.loads((run.folder / "scores.json").read_text())) == sum(map(len, columns))


def test_a_folder_of_images_is_its_own_reference(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for number, image in enumerate(np.random.default_rng(0).integers(0, 256, (60, 28, 28), dtype=np.uint8)):
        imageio.imwrite(folder / f"{number}.png", image)
    run = runs.create(runs.Run(tmp_path / "run", dataclasses.replace(TINY, epochs=1), source=str(folder)))
    training, reference, name = runs.real_images(run)
    assert len(training) == len(reference) == 30 and name == f"{folder}, half of the training images"
    assert not {image.tobytes() for image in training} & {image.tobytes() for image in reference}
    with pytest.raises(FileNotFoundError, match="train a run to its end first"):
        runs.evaluate(run)
    runs.train(run)
    columns = runs.evaluate(run)
    assert columns[0][0].count == 30 and np.isfinite([score.value for column in columns for score in column]).all()


def test_the_extractor_follows_the_images():
    assert runs.extractor_for(TINY) == "fashion"
    assert runs.extractor_for(dataclasses.replace(TINY, channels=3)) == "inception"
    assert runs.extractor_for(dataclasses.replace(TINY, image_size=32)) == "inception"


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 400 kB, where this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("needs the right to mount a disk")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_stops_a_run_in_one_sentence_and_spares_the_last_checkpoint(small_disk, images):
    run = runs.create(runs.Run(small_disk / "run", LONG))
    with pytest.raises(OSError, match="Cannot write .*: the disk is full. Its last version"):
        runs.train(run, images)
    last = callbacks.checkpoints(run.checkpoints)[-1]
    assert callbacks.load_checkpoint(runs.build(LONG), last) >= 0
    assert not list(run.folder.rglob(".unfinished-*"))


def test_a_read_only_folder_is_refused_in_one_sentence(small_disk, images):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(OSError, match="Cannot write .*config.json: .* may not be written to"):
        runs.create(runs.Run(small_disk / "run", TINY))


def test_a_run_of_another_version_is_refused(tmp_path):
    run = runs.create(runs.Run(tmp_path / "run", TINY))
    path = run.folder / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "format": 2, "versions": {"dcgan_keras": "9.0"}}))
    with pytest.raises(ValueError, match="written by dcgan_keras 9.0, and this is"):
        runs.open_run(run.folder)
