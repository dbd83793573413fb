"""A run scored: with which real images, by which generator, and which latent vectors nobody chose it by."""

import csv
import dataclasses
import json
import os

import imageio.v3 as imageio
import numpy as np
import pytest
from conftest import TINY
from dcgan_keras import data, models, training
from dcgan_keras.evaluation import scores
from dcgan_keras.training import runs, trainer


def new(folder, settings=TINY, **more):
    return runs.create(runs.Run(folder, settings, **more))


def values(column):
    return {score.metric: score.value for score in column}


@pytest.fixture
def folder(tmp_path):
    """Writes so many images of noise into a folder, which has no test split, and says where."""

    def write(count):
        path = tmp_path / "images"
        path.mkdir()
        for number, image in enumerate(np.random.default_rng(0).integers(0, 256, (count, 28, 28), dtype=np.uint8)):
            imageio.imwrite(path / f"{number}.png", image)
        return path

    return write


def test_a_run_is_scored_beside_real_images(tmp_path):
    run = new(tmp_path / "run", dataclasses.replace(TINY, epochs=1, batch_size=500), score_every=1)
    training.train(run, verbose=0)
    columns = training.evaluate(run, count=300)
    assert [column[0].subject for column in columns] == ["generator.keras", "best.keras", "real training images"]
    last, best, real = map(values, columns)
    assert last == best  # there was one epoch
    assert real["fid"] < last["fid"] and columns[0][0].reference == "bundled, split test"
    assert len(json.loads((run.folder / "scores.json").read_text(encoding="utf-8"))) == sum(map(len, columns))


def test_a_run_whose_scores_cannot_be_written_says_so_before_it_draws(monkeypatch, tmp_path):
    run = new(tmp_path / "run", dataclasses.replace(TINY, epochs=1, batch_size=500))
    training.train(run, verbose=0)
    (run.folder / "scores.json").mkdir()
    monkeypatch.setattr(scores.Judge, "scores", lambda *arguments: pytest.fail("minutes of work"))
    with pytest.raises(OSError, match="Cannot write .*scores.json: there is a folder of this name"):
        training.evaluate(run, count=300)
    assert not list(run.folder.glob(".unfinished*"))


def test_a_run_is_never_compared_with_what_it_trained_on(monkeypatch, tmp_path):
    """The reference of the bundled images is the test split: not one of its images is a training image."""
    run = runs.Run(tmp_path, TINY)
    drawn, reference, name = runs.real_images(run)
    assert name == "bundled, split test" and len(reference) == 5000 and len(drawn) == 10_000
    assert not {image.tobytes() for image in drawn.images} & {image.tobytes() for image in reference.images}
    seen = {}

    class Judge(scores.Judge):
        def __init__(self, extractor, real, training, **options):
            seen.update(real=real.images, training=training.images)
            super().__init__(extractor, real[:20], training[:20], **options)

    monkeypatch.setattr(scores, "Judge", Judge)
    monkeypatch.setattr(trainer, "generators", lambda run: {"untrained": training.build(TINY).ema_generator})
    training.evaluate(new(tmp_path / "run"), count=20)
    np.testing.assert_array_equal(seen["real"], reference.images)
    np.testing.assert_array_equal(seen["training"], drawn.images)


def test_a_folder_of_images_is_its_own_reference(tmp_path, folder):
    source = folder(60)
    run = new(tmp_path / "run", dataclasses.replace(TINY, epochs=1), source=str(source))
    real, reference, name = runs.real_images(run)
    assert len(real) == len(reference) == 30 and name == f"{source}, half of the training images"
    assert not {image.tobytes() for image in real.images} & {image.tobytes() for image in reference.images}
    training.train(run, verbose=0)
    columns = training.evaluate(run)
    assert [column[0].subject for column in columns] == ["generator.keras", "real training images"]
    assert columns[0][0].count == 30 and np.isfinite([score.value for column in columns for score in column]).all()


def test_a_run_is_not_scored_on_other_images_than_it_began_with(tmp_path, folder):
    """One more would hold out others, most of which were trained on."""
    path = folder(40)
    run = new(tmp_path / "run", dataclasses.replace(TINY, epochs=1), source=str(path))
    training.train(run, verbose=0)
    imageio.imwrite(path / "more.png", np.full((28, 28), 9, np.uint8))
    with pytest.raises(ValueError, match="are not those that the run"):
        training.evaluate(runs.open_run(run.folder), count=10)


def test_a_generator_of_a_shorter_training_is_not_taken_for_the_newest(tmp_path):
    run = new(tmp_path / "run", dataclasses.replace(TINY, epochs=1, batch_size=500))
    training.train(run, verbose=0)
    assert list(training.generators(run)) == ["generator.keras"]
    newest = max((run.folder / "checkpoints").iterdir()).stat().st_mtime
    os.utime(run.folder / "generator.keras", (newest - 5, newest - 5))  # a kill came before it was replaced
    assert list(training.generators(run)) == ["after 1 epochs"]


def test_a_generator_chosen_on_the_images_of_its_score_says_so(tmp_path, folder, monkeypatch):
    """Where there is no test split, the held-out images both choose and judge: with other latent vectors at least."""
    shown = []

    class Watched:
        """`models`, as `scores` sees it: which latent vectors does it draw?"""

        classes, latent_dim = models.classes, models.latent_dim

        def draw(generator, latents, labels):
            shown.extend(map(tuple, np.asarray(latents)))
            return models.draw(generator, latents, labels)

    monkeypatch.setattr(scores, "models", Watched)
    source = folder(120)
    run = new(tmp_path / "run", dataclasses.replace(TINY, epochs=2), source=str(source), score_every=1)
    training.train(run, verbose=0)
    chosen_by = set(shown)
    assert len(shown) == 2 * 12 and len(chosen_by) == 12  # the same ones each time
    shown.clear()
    columns = training.evaluate(run)
    judged_by = set(shown)
    assert len(judged_by) == 12 and not judged_by & chosen_by
    subjects = [column[0].subject for column in columns]
    assert subjects == ["generator.keras", "best.keras, chosen on these images", "real training images"]
    assert {score.reference for column in columns for score in column} == {f"{source}, held out"}
    with open(run.folder / "scores.csv", encoding="utf-8") as file:
        kept = min(float(row["score"]) for row in csv.DictReader(file))
    assert values(columns[1])["kid"] != kept


def test_a_conditional_run_is_scored_at_the_frequencies_of_its_reference(tmp_path, monkeypatch):
    """Its test images hold nine classes of one in a hundred and one of the rest: so many of each are drawn."""
    test = data.load_labelled("bundled", split="test")
    often, seldom = (np.flatnonzero(test.labels == 3)[:91], [np.flatnonzero(test.labels == k)[0] for k in range(10)])
    reference = test[np.sort([*often[1:], *seldom])]
    run = new(tmp_path / "run", class_names=test.names)
    told = []

    class Watched:
        classes, latent_dim = models.classes, models.latent_dim

        def draw(generator, latents, labels):
            told.extend(labels)
            return models.draw(generator, latents, labels)

    monkeypatch.setattr(scores, "models", Watched)
    monkeypatch.setattr(runs, "real_images", lambda run, seed: (test[:200], reference, "few of most"))
    monkeypatch.setattr(trainer, "generators", lambda run: {"untrained": training.build(TINY, classes=10).generator})
    training.evaluate(run)
    np.testing.assert_array_equal(np.bincount(told), np.bincount(reference.labels))
    assert len(told) == 100 and np.bincount(told)[3] == 91


def test_the_extractor_follows_the_images():
    run = runs.Run("r", TINY)
    assert run.scored_with == "fashion"
    for other in (dataclasses.replace(TINY, channels=3), dataclasses.replace(TINY, image_size=32)):
        assert dataclasses.replace(run, settings=other).scored_with == "emoji"
    assert dataclasses.replace(run, extractor="inception").scored_with == "inception"
    with pytest.raises(ValueError, match="extractor must be one of fashion, emoji, inception, got 'vgg'"):
        runs.Run("r", TINY, extractor="vgg")


def test_another_extractor_may_be_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "generators", lambda run: {"untrained": training.build(TINY).generator})
    columns = training.evaluate(new(tmp_path / "run"), "emoji", count=20)
    assert {score.extractor for score in columns[0]} == {"emoji, resized from 28x28x1"}
