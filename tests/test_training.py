"""Whole trainings: what a run folder holds at the end, killed and resumed or not, on any disk."""

import dataclasses
import json
import shutil
import subprocess
import sys
import time

import imageio.v3 as imageio
import keras
import numpy as np
import pytest
from conftest import ROOT, TINY, all_weights
from dcgan_keras import callbacks, data, film, models, plots, presets, runs, scores, training

LONG = dataclasses.replace(TINY, epochs=12)

# Trains a run in a process of its own, for a test to kill.
TRAIN = """
import sys, numpy as np
from dcgan_keras import runs, training
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
        frames=37,
    )  # fmt: skip
    gan = training.build(settings, seed=41)
    assert gan.generator.input_shape == (None, 7) and gan.generator.output_shape == (None, 32, 32, 3)
    assert [float(o.learning_rate) for o in (gan.g_optimizer, gan.d_optimizer)] == pytest.approx([0.0017, 0.0019])
    assert [o.beta_1 for o in (gan.g_optimizer, gan.d_optimizer)] == [0.23, 0.23]
    assert (gan.loss_name, gan.r1_gamma, gan.ema_decay, gan.seed) == ("hinge", 0.29, 0.31, 41)
    g, d = models.build_generator, models.build_discriminator
    twins = (
        g(32, 3, latent_dim=7, filters=2, kernel_size=6, seed=41),
        d(32, 3, filters=5, kernel_size=6, seed=41),
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
    """SIGKILL after a random time, several times, until the run ends by itself; against a run never stopped."""
    calm = new(tmp_path / "calm", LONG)
    expected = all_weights(training.train(calm, images, verbose=0))

    run = new(tmp_path / "killed", LONG)
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
            process.kill()
            kills += 1
        if process.wait() == 0:
            break
    assert kills >= 1
    again = training.build(LONG)
    assert training.restore(run, again) == LONG.epochs
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


def test_a_count_that_has_changed_is_refused_in_a_run_without_a_digest(images, trained_run, tmp_path):
    """As runs of the first version are."""
    shutil.copytree(trained_run.folder, tmp_path / "copy")
    old = runs.change(runs.open_run(tmp_path / "copy"), images_sha256=None)
    with pytest.raises(ValueError, match="has changed since the run began: 3 epochs were 60 steps.*72 images.* 54"):
        training.train(old, images[:72], verbose=0)


def test_a_damaged_checkpoint_is_named_and_the_one_before_used(images, trained_run, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(trained_run.folder, folder)
    run = runs.open_run(folder)
    newest = callbacks.checkpoints(run.checkpoints)[-1]
    newest.write_bytes(newest.read_bytes()[:4000])
    with pytest.warns(UserWarning, match="epoch-0003.* cannot be loaded.*Going on from .*epoch-0002"):
        again = training.train(run, images, verbose=0)
    undisturbed = training.build(TINY)
    training.restore(trained_run, undisturbed)
    np.testing.assert_array_equal(all_weights(again), all_weights(undisturbed))
    for path in callbacks.checkpoints(run.checkpoints):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="epoch-0002.*"):
        training.restore(run, training.build(TINY))


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
        gan.fit(stream, epochs=9, callbacks=[*training.run_callbacks(run, gan, 20), Stop()], verbose=0)
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
    gan = training.build(TINY)
    for steps, every in ((1, 20), (6, 4), (20, 1), (500, 1)):
        watch = training.run_callbacks(runs.Run(tmp_path, TINY), gan, steps)
        assert {callback.every for callback in watch if hasattr(callback, "every")} == {every}


def test_training_is_quiet_when_asked(images, tmp_path, capfd):
    training.train(new(tmp_path / "run", dataclasses.replace(TINY, epochs=1)), images, verbose=0)
    assert capfd.readouterr() == ("", "")


def test_a_scored_run_keeps_its_best_generator_over_a_resume(images, tmp_path):
    """Stopped after two epochs of four or not: the same scores, the same best generator. Some images are held out."""
    images = np.concatenate([images, images + 1])
    settings = dataclasses.replace(TINY, epochs=4)
    whole = new(tmp_path / "whole", settings, score_every=1)
    gan = training.train(whole, images, verbose=0)
    assert int(gan.step) == 4 * (144 // 4)
    half = new(tmp_path / "half", dataclasses.replace(settings, epochs=2), score_every=1)
    training.train(half, images, verbose=0)
    training.train(runs.extend(runs.open_run(half.folder), 4), images, verbose=0)
    assert (whole.folder / "scores.csv").read_bytes() == (half.folder / "scores.csv").read_bytes()
    both = [keras.models.load_model(run.folder / "best.keras").get_weights() for run in (whole, half)]
    for one, other in zip(*both):
        np.testing.assert_array_equal(one, other)


def test_a_resumed_run_may_drop_its_scores_and_keeps_what_it_held_out(images, tmp_path):
    images = np.concatenate([images, images + 1])
    run = new(tmp_path / "run", dataclasses.replace(TINY, epochs=1), score_every=1)
    training.train(run, images, verbose=0)
    again = runs.change(runs.open_run(run.folder), score_every=0, settings=dataclasses.replace(TINY, epochs=2))
    gan = training.train(again, images, verbose=0)
    assert gan.steps_taken == 2 * 36
    assert [epoch for epoch, _ in callbacks.read_scores(run.folder / "scores.csv")] == [0]


def test_a_run_is_scored_beside_real_images(tmp_path):
    run = new(tmp_path / "run", dataclasses.replace(TINY, epochs=1, batch_size=500), score_every=1)
    training.train(run, verbose=0)
    columns = scores.evaluate(run, training.generators(run), count=300)
    assert [column[0].subject for column in columns] == ["generator.keras", "best.keras", "real training images"]
    last, best, real = ({score.metric: score.value for score in column} for column in columns)
    assert last == best  # there was one epoch
    assert real["fid"] < last["fid"] and columns[0][0].reference == "bundled, split test"
    assert len(json.loads((run.folder / "scores.json").read_text(encoding="utf-8"))) == sum(map(len, columns))


def test_a_run_is_never_compared_with_what_it_trained_on(monkeypatch, tmp_path):
    """The reference of the bundled images is the test split: not one of its images is a training image."""
    run = runs.Run(tmp_path, TINY)
    drawn, reference, name = runs.real_images(run)
    assert name == "bundled, split test" and len(reference) == 5000 and len(drawn) == 10_000
    assert not {image.tobytes() for image in drawn} & {image.tobytes() for image in reference}
    seen = {}

    class Judge(scores.Judge):
        def __init__(self, extractor, real, training, **options):
            seen.update(real=real, training=training)
            super().__init__(extractor, real[:20], training[:20], **options)

    monkeypatch.setattr(scores, "Judge", Judge)
    scores.evaluate(new(tmp_path / "run"), {"untrained": training.build(TINY).ema_generator}, count=20)
    np.testing.assert_array_equal(seen["real"], reference)
    np.testing.assert_array_equal(seen["training"], drawn)


def test_a_folder_of_images_is_its_own_reference(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for number, image in enumerate(np.random.default_rng(0).integers(0, 256, (60, 28, 28), dtype=np.uint8)):
        imageio.imwrite(folder / f"{number}.png", image)
    run = new(tmp_path / "run", dataclasses.replace(TINY, epochs=1), source=str(folder))
    real, reference, name = runs.real_images(run)
    assert len(real) == len(reference) == 30 and name == f"{folder}, half of the training images"
    assert not {image.tobytes() for image in real} & {image.tobytes() for image in reference}
    training.train(run, verbose=0)
    columns = scores.evaluate(run, training.generators(run))
    assert columns[0][0].count == 30 and np.isfinite([score.value for column in columns for score in column]).all()


def test_the_extractor_follows_the_images():
    run = runs.Run("r", TINY)
    assert scores.extractor_for(run) == "fashion"
    for other in (dataclasses.replace(TINY, channels=3), dataclasses.replace(TINY, image_size=32)):
        assert scores.extractor_for(dataclasses.replace(run, settings=other)) == "emoji"
    assert scores.extractor_for(dataclasses.replace(run, extractor="inception")) == "inception"
    with pytest.raises(ValueError, match="extractor must be one of fashion, emoji, inception, got 'vgg'"):
        runs.Run("r", TINY, extractor="vgg")


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
    run = new(small_disk / "run", LONG)
    with pytest.raises(OSError, match="Cannot write .*: the disk is full. Its last version"):
        training.train(run, images, verbose=0)
    last = callbacks.checkpoints(run.checkpoints)[-1]
    assert callbacks.load_checkpoint(training.build(LONG), last) >= 0
    assert not list(run.folder.rglob(".unfinished-*"))


def test_labels_stay_with_their_images_where_some_are_held_out(tmp_path, monkeypatch):
    labels = np.random.default_rng(3).integers(0, 3, 120)
    images = np.broadcast_to(np.uint8(100) * labels[:, None, None, None].astype(np.uint8), (120, 28, 28, 1)).copy()
    names = ("black", "grey", "white")
    run = runs.create(runs.Run(tmp_path / "run", dataclasses.replace(TINY, epochs=1), score_every=1, class_names=names))
    seen, (stream, gap) = [], (data.make_stream, callbacks.LogitGap)
    monkeypatch.setattr(data, "make_stream", lambda *given, **rest: seen.append(given) or stream(*given, **rest))
    monkeypatch.setattr(callbacks, "LogitGap", lambda path, *given: seen.extend(given[:2]) or gap(path, *given))
    gan = training.train(run, images, labels, verbose=0)
    assert gan.classes == 3 and [len(pair[1]) for pair in seen] == [108, 108, 12]
    for pictures, told in seen:
        np.testing.assert_array_equal(pictures[:, 0, 0, 0], 100 * told)
    assert runs.open_run(run.folder).class_names == names
