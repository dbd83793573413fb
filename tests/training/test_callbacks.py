import dataclasses
import math
import shutil
from pathlib import Path

import h5py
import imageio.v3 as imageio
import keras
import numpy as np
import pytest
from conftest import TINY, all_weights, lively
from dcgan_keras import DCGAN, build_discriminator, build_generator, data, training
from dcgan_keras.training import callbacks


def fit(gan, images, *watchers, epochs=1, first_epoch=0):
    dataset = data.make_dataset(images, batch_size=8, first_epoch=first_epoch)
    gan.fit(dataset, initial_epoch=first_epoch, epochs=epochs, callbacks=list(watchers), verbose=0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, images):
    """A model after one epoch, and its checkpoints before and after it. What it trains with is compiled by then."""
    gan, folder = training.build(TINY), tmp_path_factory.mktemp("checkpoints")
    fit(gan, images, callbacks.Checkpoint(folder))
    return gan, callbacks.checkpoints(folder)


@pytest.fixture
def gan(trained):
    """The model as it was built, which saves the second that each new one takes to compile."""
    gan, (first, _) = trained
    callbacks.load_checkpoint(gan, first)
    return gan


@pytest.fixture
def checkpoint(trained, tmp_path):
    """A copy of the checkpoint after the epoch, to damage."""
    return Path(shutil.copy(trained[1][-1], tmp_path))


def test_checkpoint_holds_everything_a_run_needs(tmp_path, images):
    gan, other = training.build(TINY), training.build(TINY, seed=9)
    fit(gan, images, callbacks.Checkpoint(tmp_path))
    newest = callbacks.checkpoints(tmp_path)[-1]
    assert callbacks.load_checkpoint(other, newest) == 1
    np.testing.assert_array_equal(all_weights(gan), all_weights(other))
    assert int(other.step) == int(other.g_optimizer.iterations) == 10
    with h5py.File(newest) as file:
        assert (file.attrs["epoch"], file.attrs["step"]) == (1, 10)


def test_checkpoints_begin_before_the_first_epoch_and_keep_the_newest(tmp_path, images, gan):
    class Names(keras.callbacks.Callback):
        seen = []

        def on_epoch_begin(self, epoch, logs=None):
            self.seen.append([path.name[6:10] for path in callbacks.checkpoints(tmp_path)])

    fit(gan, images, callbacks.Checkpoint(tmp_path, keep=2), Names(), epochs=4)
    assert Names.seen == [["0000"], ["0000", "0001"], ["0001", "0002"], ["0002", "0003"]]
    assert len(list(tmp_path.iterdir())) == 2


def test_checkpoints_may_be_rarer_and_the_last_epoch_is_always_one(tmp_path, images, gan):
    watch = [
        callbacks.Checkpoint(tmp_path / "c", every=3, keep=9),
        callbacks.HistoryFile(tmp_path / "history.csv", every=3),
        callbacks.SamplePicture(tmp_path / "samples.png", np.zeros((4, 4), np.float32), every=9),
    ]
    fit(gan, images, *watch, epochs=7)
    assert [callbacks.epoch_of(path) for path in callbacks.checkpoints(tmp_path / "c")] == [0, 3, 6, 7]
    assert callbacks.read_history(tmp_path / "history.csv")["epoch"] == list(range(7))
    assert (tmp_path / "samples.png").is_file()


def test_the_newest_checkpoint_is_that_of_the_highest_number(tmp_path, gan):
    keep = callbacks.Checkpoint(tmp_path)
    keep.set_model(gan)
    for epoch in (9998, 9999, 10_000, 10_001):
        keep._save(epoch)
    assert [path.name[6:-11] for path in callbacks.checkpoints(tmp_path)] == ["10000", "10001"]
    (tmp_path / "epoch-copy.weights.h5").write_bytes(b"")
    assert callbacks.checkpoints(tmp_path)[-1].name == "epoch-10001.weights.h5"


def test_a_checkpoint_that_claims_terabytes_is_named(checkpoint, gan):
    with h5py.File(checkpoint, "a") as file:
        file.create_dataset("huge", shape=(10**12,), dtype="f4", chunks=(1000,), compression="gzip")
    with pytest.raises(ValueError, match="Checkpoint .* cannot be loaded"):
        callbacks.load_checkpoint(gan, checkpoint)


@pytest.mark.parametrize("kind", ["SGD", "RMSprop", "Lion"])
def test_a_checkpoint_of_other_optimizers_is_named(checkpoint, kind):
    """Keras would go on with fresh moments, and a warning."""
    gan = training.build(TINY)
    gan.compile(gan.g_optimizer, getattr(keras.optimizers, kind)())
    with pytest.raises(
        ValueError, match=f"Checkpoint .*{checkpoint.name} cannot be loaded into these networks: .*optimizer"
    ):
        callbacks.load_checkpoint(gan, checkpoint)


@pytest.mark.parametrize("harm", ["truncated", "empty", "other networks", "not a checkpoint"])
def test_a_checkpoint_that_does_not_fit_is_named(checkpoint, gan, harm):
    if harm == "truncated":
        checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    elif harm == "empty":
        checkpoint.write_bytes(b"")
    elif harm == "not a checkpoint":
        gan.generator.save_weights(checkpoint)
    else:
        gan = training.build(TINY.__class__(**{**TINY.__dict__, "g_filters": 3}))
    with pytest.raises(ValueError, match=f"Checkpoint .*{checkpoint.name} cannot be loaded"):
        callbacks.load_checkpoint(gan, checkpoint)


def test_a_loss_that_is_not_finite_stops_the_run_before_a_checkpoint(tmp_path, images, gan):
    class Poison(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if int(self.model.step) == 13:
                self.model.generator.weights[0].assign(self.model.generator.weights[0] * math.nan)

    with pytest.raises(FloatingPointError, match="by step 14.*last good checkpoint is .*epoch-0001") as caught:
        fit(gan, images, Poison(), callbacks.StopIfNotFinite(tmp_path), callbacks.Checkpoint(tmp_path), epochs=3)
    assert "Lower the learning rates" in str(caught.value)
    assert callbacks.checkpoints(tmp_path)[-1].name == "epoch-0001.weights.h5"


def test_history_is_written_each_epoch_and_holds_none_twice(tmp_path, images, gan):
    path = tmp_path / "history.csv"
    fit(gan, images, callbacks.HistoryFile(path), epochs=3)
    first = callbacks.read_history(path)
    assert path.read_text().splitlines()[0] == "epoch,g_loss,d_loss,d_real,d_fake"
    assert first["epoch"] == [0, 1, 2] and len(set(first["g_loss"])) == 3
    fit(gan, images, callbacks.HistoryFile(path), first_epoch=1, epochs=4)
    second = callbacks.read_history(path)
    assert second["epoch"] == [0, 1, 2, 3]
    assert second["g_loss"][0] == first["g_loss"][0] and second["g_loss"][1] != first["g_loss"][1]


def test_history_that_is_something_else_is_named(tmp_path):
    (tmp_path / "history.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="history.csv is not a table of epoch, g_loss"):
        callbacks.read_history(tmp_path / "history.csv")


def test_sample_picture_is_drawn_after_each_epoch(tmp_path, images, gan):
    latents = gan.latent_vectors(6, 0)
    fit(gan, images, callbacks.SamplePicture(tmp_path / "samples.png", latents, columns=3))
    from dcgan_keras import plots

    drawn = imageio.imread(tmp_path / "samples.png")
    np.testing.assert_array_equal(drawn, plots.image_grid(gan(latents), columns=3))


def test_progress_prints_a_line_an_epoch_without_a_terminal(images, gan, capsys):
    fit(gan, images, callbacks.Progress(), epochs=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[1].startswith("epoch   2/2") and "d_loss" in lines[1]


def test_progress_of_a_long_training_prints_about_a_hundred_lines(capsys):
    """The callback alone is told what `fit` tells it: 250 real epochs say no more, and take 20 seconds."""
    progress, logs = callbacks.Progress(), {"g_loss": 0.5, "d_loss": 1.5}
    progress.set_params({"epochs": 250, "steps": 1, "verbose": 0})
    progress.on_train_begin()
    for epoch in range(250):
        progress.on_epoch_begin(epoch)
        progress.on_train_batch_end(0, logs)
        progress.on_epoch_end(epoch, logs)
    lines = capsys.readouterr().out.splitlines()
    assert 80 <= len(lines) <= 101 and lines[-1].startswith("epoch 250/250")


def test_progress_without_a_console_says_nothing_and_breaks_nothing(monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    progress = callbacks.Progress()
    progress.on_train_begin()
    assert progress.live is False


def test_progress_shows_losses_and_time_left_on_a_terminal(images, gan, capsys, monkeypatch):
    progress = callbacks.Progress()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    fit(gan, images, progress, epochs=3, first_epoch=1)
    out = capsys.readouterr().out
    assert "20/20" in out and "g_loss" in out


def test_a_single_changed_bit_of_a_checkpoint_is_found(checkpoint, gan):
    with h5py.File(checkpoint) as file:
        names = []
        file.visititems(lambda name, item: names.append(name) if getattr(item, "size", 0) > 100 else None)
        offset = file[names[0]].id.get_offset()
    content = bytearray(checkpoint.read_bytes())
    content[offset + 40] ^= 1  # the lowest bit of a weight: a number like any other
    checkpoint.write_bytes(content)
    with pytest.raises(ValueError, match="content has changed since it was written"):
        callbacks.load_checkpoint(gan, checkpoint)


def test_broken_weights_are_never_a_checkpoint(tmp_path, images, gan):
    """The loss of the last step of an epoch is finite, its update is not."""

    class Break(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                self.model.generator.trainable_variables[0].assign(
                    self.model.generator.trainable_variables[0] * float("nan")
                )

    with pytest.raises(
        FloatingPointError, match="not a number after epoch 2. The last good checkpoint is .*epoch-0001"
    ):
        fit(gan, images, Break(), callbacks.Checkpoint(tmp_path), epochs=3)
    assert callbacks.load_checkpoint(gan, callbacks.checkpoints(tmp_path)[-1]) == 1


def test_the_best_generator_is_kept_and_every_score_written(tmp_path, images, gan):
    given = iter([3.0, 1.0, 2.0, 5.0])
    seen = []

    def score(generator):
        seen.append(np.concatenate([np.ravel(weight) for weight in generator.get_weights()]))
        return next(given)

    keep = callbacks.KeepBest(tmp_path, score, every=2)
    fit(gan, images, keep, epochs=7)
    # Every second epoch, and the last one.
    assert callbacks.read_rows(tmp_path / "scores.csv", "score") == [(1, 3.0), (3, 1.0), (5, 2.0), (6, 5.0)]
    best = keras.models.load_model(tmp_path / "best.keras")
    np.testing.assert_array_equal(np.concatenate([np.ravel(weight) for weight in best.get_weights()]), seen[1])


def test_scores_of_an_earlier_part_of_a_run_count(tmp_path, images, gan):
    (tmp_path / "scores.csv").write_text("epoch,score\n0,0.5\n1,0.2\n2,0.1\n")
    fit(gan, images, callbacks.KeepBest(tmp_path, lambda generator: 0.3), epochs=3, first_epoch=2)
    # Epoch 2 was cut off and is done again: its old score is replaced. The best is from before, and not overwritten.
    assert callbacks.read_rows(tmp_path / "scores.csv", "score") == [(0, 0.5), (1, 0.2), (2, 0.3)]
    assert not (tmp_path / "best.keras").exists()


def test_scores_that_are_something_else_are_named(tmp_path):
    (tmp_path / "scores.csv").write_text("day,weather\n1,rain\n")
    with pytest.raises(ValueError, match="scores.csv is not a table of epoch, score"):
        callbacks.read_rows(tmp_path / "scores.csv", "score")
    with pytest.raises(ValueError, match="every must be 1 epoch or more"):
        callbacks.KeepBest(tmp_path, lambda generator: 0.0, every=0)


def test_the_gap_between_known_and_other_images_is_written(tmp_path, images, gan):
    path = tmp_path / "gap.csv"
    fit(gan, images[:60], callbacks.LogitGap(path, images[:60], images[60:], every=2), epochs=3)
    rows = callbacks.read_rows(path, *callbacks.GAP)
    assert [row[0] for row in rows] == [1, 2]
    for row, part in zip(rows[-1][1:], (images[:60], images[60:])):
        logits = gan.discriminator(np.float32(part) / 127.5 - 1, training=False)
        assert row == pytest.approx(float(np.mean(logits)), abs=1e-5)


def test_the_gap_of_networks_that_are_told_is_that_of_what_the_images_show(tmp_path, images):
    judge = lively(build_discriminator(filters=3, hidden=5, classes=3))
    gan, parts = DCGAN(build_generator(filters=2, latent_dim=4, classes=3), judge), []
    for place in (0, 1):
        parts.append(data.Labelled(images[place::2], np.full(len(images[place::2]), 2 - place, np.int32)))
    gap = callbacks.LogitGap(tmp_path / "gap.csv", *parts)
    gap.set_model(gan)
    for found, part in zip(gap.mean_logits(), parts):
        scaled = np.float32(part.images) / 127.5 - 1
        assert found == pytest.approx(float(np.mean(gan.score(scaled, part.labels))), abs=1e-6)
        assert abs(found - float(np.mean(gan.score(scaled, np.arange(len(part)) % 3)))) > 1e-4


def test_a_discriminator_that_learns_few_images_by_heart_shows_a_gap(tmp_path, images):
    """Noise has nothing else to learn: trained on 20 images for long, it tells them from others of the same kind."""
    settings = dataclasses.replace(TINY, d_filters=16, d_hidden=0, d_learning_rate=2e-3)
    gan = training.build(settings)
    path = tmp_path / "gap.csv"
    fit(gan, images[:20], callbacks.LogitGap(path, images[:20], images[40:], every=5), epochs=40)
    gaps = [training_mean - held_out for _, training_mean, held_out in callbacks.read_rows(path, *callbacks.GAP)]
    assert gaps[-1] > 1 > abs(gaps[0])
