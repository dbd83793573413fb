"""Whole trainings: what a run folder holds at the end, killed and resumed or not, on any disk."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys
import time

import imageio.v3 as imageio
import keras
import numpy as np
import pytest
from conftest import ROOT, TINY, all_weights, dcgan
from dcgan_keras import data, models, plots, presets, training
from dcgan_keras.evaluation import scores
from dcgan_keras.training import callbacks, film, runs, trainer

LONG = dataclasses.replace(TINY, epochs=12)

# Trains a run in a process of its own, for a test to kill.
TRAIN = """
import sys, numpy as np
from dcgan_keras import training
from dcgan_keras.training import runs
images = np.random.default_rng(0).integers(0, 256, (80, 28, 28, 1), dtype=np.uint8)
training.train(runs.open_run(sys.argv[1]), images)
"""


def new(folder, settings=TINY, **more):
    return runs.create(runs.Run(folder, settings, **more))


def test_every_hyperparameter_reaches_its_place():
    """Every value of this recipe differs from all others, so that none stands in for another."""
    settings = presets.Preset(
        image_size=32, channels=3, latent_dim=7, g_filters=2, d_filters=5, kernel_size=6, batch_size=11, epochs=13,
        g_learning_rate=0.0017, d_learning_rate=0.0019, beta_1=0.23, loss="hinge", r1_gamma=0.29, ema_decay=0.31,
        frames=37, d_hidden=43,
    )  # fmt: skip
    gan = training.build(settings, seed=41)
    assert gan.generator.input_shape == (None, 7) and gan.generator.output_shape == (None, 32, 32, 3)
    assert [float(o.learning_rate) for o in (gan.g_optimizer, gan.d_optimizer)] == pytest.approx([0.0017, 0.0019])
    assert [o.beta_1 for o in (gan.g_optimizer, gan.d_optimizer)] == [0.23, 0.23]
    assert (gan.loss_name, gan.r1_gamma, gan.ema_decay, gan.seed) == ("hinge", 0.29, 0.31, 41)
    g, d = models.build_generator, models.build_discriminator
    twins = (
        g(32, 3, latent_dim=7, filters=2, kernel_size=6, seed=41),
        d(32, 3, filters=5, kernel_size=6, hidden=43, seed=41),
    )
    for network, twin in zip((gan.generator, gan.discriminator), twins):
        for mine, theirs in zip(network.get_weights(), twin.get_weights(), strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_a_run_folder_holds_what_it_should(trained_run):
    names = {path.name for path in trained_run.folder.iterdir()}
    assert names == {
        "training.gif", "samples.png", "losses.png", "history.csv", "config.json",
        "generator.keras", "discriminator.keras", "checkpoints", "snapshots", ".lock",
    }  # fmt: skip
    history = callbacks.read_history(trained_run.history)
    assert history["epoch"] == [0, 1, 2] and all(len(column) == 3 for column in history.values())
    config = json.loads((trained_run.folder / "config.json").read_text(encoding="utf-8"))
    assert config["settings"] == dataclasses.asdict(TINY)
    assert config["versions"]["keras"] == keras.__version__ and config["seed"] == 0
    assert runs.open_run(trained_run.folder) == trained_run and len(trained_run.images_sha256) == 64


def test_the_saved_generator_draws_the_saved_samples(trained_run):
    generator = models.load_generator(trained_run.folder / "generator.keras")
    grid = plots.image_grid(generator(film.latents(TINY.latent_dim), training=False), columns=10)
    drawn = imageio.imread(trained_run.folder / "samples.png").astype(int)
    assert np.abs(drawn - grid).max() <= 1  # Keras's own layers round otherwise, by a grey level of 255
    critic = keras.models.load_model(trained_run.folder / "discriminator.keras")
    assert critic(np.zeros((2, 28, 28, 1), np.float32)).shape == (2, 1)


def test_the_film_is_made_again_byte_for_byte_without_training(trained_run, tmp_path):
    path = training.make_film(trained_run, tmp_path / "again.gif")
    assert path.read_bytes() == (trained_run.folder / "training.gif").read_bytes()
    assert len(imageio.imread(path, index=None)) == TINY.frames
    other = training.make_film(trained_run, tmp_path / "other.gif", rows=1, columns=2, scale=1, seed=3)
    assert imageio.imread(other, index=0).shape[1] == 2 * 30 + 2


def test_a_run_killed_at_any_moment_resumes_to_the_same_weights(images, tmp_path):
    """SIGKILL after a random time, twice, then the run ends by itself; against a run never stopped."""
    settings = dataclasses.replace(TINY, epochs=6)
    calm = new(tmp_path / "calm", settings)
    expected = all_weights(training.train(calm, images, verbose=0))

    run = new(tmp_path / "killed", settings)
    pauses = np.random.default_rng()
    kills = 0
    while True:
        process = subprocess.Popen([sys.executable, "-c", TRAIN, run.folder], stdout=subprocess.PIPE, cwd=ROOT)
        done = len(callbacks.read_history(run.history)["epoch"])
        deadline = time.time() + 120
        while kills < 2 and len(callbacks.read_history(run.history)["epoch"]) <= done and process.poll() is None:
            assert time.time() < deadline, "training does not advance"
            time.sleep(0.01)
        if kills < 2 and process.poll() is None:
            time.sleep(pauses.uniform(0, 0.2))
            process.kill()
            kills += 1
        if process.wait() == 0:
            break
    assert kills >= 1
    again = training.build(settings)
    assert training.load_newest_checkpoint(run, again) == settings.epochs
    np.testing.assert_array_equal(all_weights(again), expected)
    for name in ("history.csv", "training.gif", "samples.png"):
        assert (run.folder / name).read_bytes() == (calm.folder / name).read_bytes(), name


def test_a_longer_run_is_the_shorter_one_gone_on(images, trained_run, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(trained_run.folder, folder)
    longer = runs.extend(runs.open_run(folder), 5)
    whole = new(tmp_path / "whole", dataclasses.replace(TINY, epochs=5))
    np.testing.assert_array_equal(
        all_weights(training.train(longer, images, verbose=0)), all_weights(training.train(whole, images, verbose=0))
    )
    assert callbacks.read_history(longer.history) == callbacks.read_history(whole.history)
    assert runs.open_run(folder).settings.epochs == 5


def test_other_images_of_equal_count_are_refused(images, trained_run):
    with pytest.raises(ValueError, match="not those that the run in .* began with: name the folder"):
        training.train(trained_run, images[::-1], verbose=0)
    assert len(callbacks.read_history(trained_run.history)["epoch"]) == 3


def test_a_damaged_checkpoint_is_named_and_the_one_before_used(images, trained_run, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(trained_run.folder, folder)
    run = runs.open_run(folder)
    newest = callbacks.checkpoints(run.checkpoints)[-1]
    newest.write_bytes(newest.read_bytes()[:4000])
    with pytest.warns(UserWarning, match="epoch-0003.* cannot be loaded.*Going on from .*epoch-0002"):
        again = training.train(run, images, verbose=0)
    undisturbed = training.build(TINY)
    training.load_newest_checkpoint(trained_run, undisturbed)
    np.testing.assert_array_equal(all_weights(again), all_weights(undisturbed))
    for path in callbacks.checkpoints(run.checkpoints):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="epoch-0002.*"):
        training.load_newest_checkpoint(run, training.build(TINY))


def test_a_stopped_run_is_of_use(images, tmp_path):
    """Stopped after three of nine epochs: it draws and films from its last checkpoint, and can be ended there."""
    run = new(tmp_path / "run", dataclasses.replace(TINY, epochs=9))

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    gan = training.build(run.settings)
    stream = data.make_dataset(images, batch_size=4)
    with pytest.raises(KeyboardInterrupt):
        gan.fit(
            stream,
            epochs=9,
            callbacks=[*trainer._run_callbacks(run, gan, 20, data.labelled(images), data.labelled(images[:0])), Stop()],
            verbose=0,
        )
    ((name, generator),) = training.generators(run).items()
    assert name == "after 3 epochs"
    z = film.latents(4, 5)
    np.testing.assert_array_equal(generator(z, training=False), gan(z))
    assert training.make_film(run, tmp_path / "film.gif").is_file()
    training.train(runs.extend(run, 3), images, verbose=0)
    assert list(training.generators(runs.open_run(run.folder))) == ["generator.keras"]
    assert callbacks.read_history(run.history)["epoch"] == [0, 1, 2]


def test_a_run_with_nothing_in_it_has_no_generator(tmp_path):
    with pytest.raises(FileNotFoundError, match="no generator and no checkpoint"):
        training.generators(new(tmp_path / "run"))


def test_short_epochs_are_saved_less_often(tmp_path):
    gan, none = training.build(TINY), data.labelled(np.zeros((0, 28, 28, 1), np.uint8))
    for steps, every in ((1, 20), (6, 4), (20, 1), (500, 1)):
        watch = trainer._run_callbacks(runs.Run(tmp_path, TINY), gan, steps, none, none)
        assert {callback.every for callback in watch if hasattr(callback, "every")} == {every}


def test_training_is_quiet_when_asked(images, tmp_path, capfd):
    training.train(new(tmp_path / "run", dataclasses.replace(TINY, epochs=1)), images, verbose=0)
    assert capfd.readouterr() == ("", "")


def test_a_scored_run_keeps_its_best_generator_over_a_resume(images, tmp_path):
    """Stopped after two epochs of four or not: the same scores, the same best generator. Some images are held out."""
    images = np.concatenate([images, images + 1])
    settings = dataclasses.replace(TINY, epochs=4, batch_size=16)
    whole = new(tmp_path / "whole", settings, score_every=1)
    gan = training.train(whole, images, verbose=0)
    assert int(gan.step) == 4 * (144 // 16)
    half = new(tmp_path / "half", dataclasses.replace(settings, epochs=2), score_every=1)
    training.train(half, images, verbose=0)
    training.train(runs.extend(runs.open_run(half.folder), 4), images, verbose=0)
    assert (whole.folder / "scores.csv").read_bytes() == (half.folder / "scores.csv").read_bytes()
    both = [keras.models.load_model(run.folder / "best.keras").get_weights() for run in (whole, half)]
    for one, other in zip(*both):
        np.testing.assert_array_equal(one, other)


def test_a_resumed_run_may_drop_its_scores_and_keeps_what_it_held_out(images, tmp_path):
    images = np.concatenate([images, images + 1])
    settings = dataclasses.replace(TINY, epochs=1, batch_size=16)
    run = new(tmp_path / "run", settings, score_every=1)
    training.train(run, images, verbose=0)
    again = runs.change(runs.open_run(run.folder), score_every=0, settings=dataclasses.replace(settings, epochs=2))
    gan = training.train(again, images, verbose=0)
    assert gan.steps_taken == 2 * 9
    assert [epoch for epoch, _ in callbacks.read_rows(run.folder / "scores.csv", "score")] == [0]


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 5 MB, where this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("needs the right to mount a disk")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_stops_a_run_in_one_sentence_and_spares_the_last_checkpoint(small_disk):
    """In a process of its own: HDF5 would take it down if it found the disk full itself."""
    run = small_disk / "run"
    rest = ["--epochs", 200, "--frames", 200, "--g-filters", 2, "--d-filters", 2, "--latent-dim", 4, "--batch-size", 8]
    for number in range(80):
        plots.save_image(small_disk / "pictures" / f"{number}.png", np.full((28, 28, 1), number, np.uint8))
    result = dcgan("train", "--source", small_disk / "pictures", "--run", run, *rest)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert re.fullmatch(r"Error: Cannot write .*: the disk is full. Its last version.*", result.stderr.splitlines()[-1])
    last = callbacks.checkpoints(run / "checkpoints")[-1]
    assert callbacks.load_checkpoint(training.build(runs.open_run(run).settings), last) > 0
    assert not list(run.rglob(".unfinished-*"))


def test_labels_stay_with_their_images_where_some_are_held_out(tmp_path, monkeypatch):
    labels = np.random.default_rng(3).integers(0, 3, 120)
    images = np.broadcast_to(np.uint8(100) * labels[:, None, None, None].astype(np.uint8), (120, 28, 28, 1)).copy()
    images[:, 1, 1, 0] = np.arange(120)  # no two are equal: those would stay on one side
    given = data.Labelled(images, labels.astype(np.int32), ("black", "grey", "white"))
    settings = dataclasses.replace(TINY, epochs=1)
    run = runs.create(runs.Run(tmp_path / "run", settings, score_every=1, class_names=given.names))
    seen, (stream, gap, scorer) = [], (data.make_stream, callbacks.LogitGap, scores.kid_scorer)

    def spy_on_stream(images, labels, **rest):
        seen.append(data.Labelled(images, labels))
        return stream(images, labels, **rest)

    def spy_on_gap(path, *parts):
        seen.extend(parts[:2])
        return gap(path, *parts)

    def spy_on_scorer(extractor, held_out, **rest):
        seen.append(held_out)
        return scorer(extractor, held_out, **rest)

    monkeypatch.setattr(data, "make_stream", spy_on_stream)
    monkeypatch.setattr(callbacks, "LogitGap", spy_on_gap)
    monkeypatch.setattr(scores, "kid_scorer", spy_on_scorer)
    gan = training.train(run, given, verbose=0)
    assert gan.classes == 3 and [len(part) for part in seen] == [108, 12, 108, 12]
    for part in seen:
        np.testing.assert_array_equal(part.images[:, 0, 0, 0], 100 * part.labels)
    assert runs.open_run(run.folder).class_names == given.names


def test_a_stopped_run_in_half_precision_is_of_use(tmp_path, images):
    """Its optimizers are others than those of a run in float32, so it is built as it was."""
    run = new(tmp_path / "run", dataclasses.replace(TINY, epochs=1), precision="mixed_float16")
    training.train(run, images, verbose=0)
    assert list(training.generators(runs.extend(run, 2))) == ["after 1 epochs"]


def test_a_run_of_clusters_resumes_to_the_weights_of_one_that_was_not_stopped(tmp_path, images):
    settings = dataclasses.replace(TINY, clusters=3)
    whole, parts = new(tmp_path / "whole", settings), new(tmp_path / "parts", dataclasses.replace(settings, epochs=1))
    gan = training.train(whole, images, verbose=0)
    training.train(parts, images, verbose=0)
    again = training.train(runs.extend(parts, settings.epochs), images, verbose=0)
    for mine, theirs in zip(all_weights(gan), all_weights(again), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    kept = np.load(whole.folder / "clusters.npy")
    np.testing.assert_array_equal(kept, data.cluster(images, 3, whole.seed))
    # What is saved draws each cluster as often as the images have it, and is an ordinary generator to all others.
    generator = training.newest_generator(whole.folder)
    drawn = models.shown(generator, film.latents(TINY.latent_dim, 5_000)).numpy().mean(axis=0)
    np.testing.assert_allclose(drawn, np.bincount(kept, minlength=3) / len(images), atol=0.03)
    assert models.classes(generator) == 0 and training.make_film(whole).is_file()


@pytest.mark.parametrize(
    ("settings", "classes", "sentence"),
    [
        ({"clusters": 3}, 2, "Networks are told classes or clusters, not both"),
        ({"clusters": 1}, 0, "clusters must be 0 for none, or 2 or more, got 1"),
        ({"clusters": 3, "pack": 2}, 0, "reads one image at a time, got pack=2"),
    ],
)
def test_clusters_that_cannot_be(settings, classes, sentence):
    with pytest.raises(ValueError, match=sentence):
        training.build(dataclasses.replace(TINY, **settings), classes=classes)
