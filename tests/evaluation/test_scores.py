"""Scores of a generator: what they say of good and bad images, that they carry their names, and that none is lost."""

import dataclasses
import itertools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from dcgan_keras import data, models
from dcgan_keras.evaluation import extractors, metrics, scores


@pytest.fixture(scope="module")
def extractor():
    return extractors.load("fashion")


@pytest.fixture(scope="module")
def judge(extractor):
    test, training = data.load_images("bundled", split="test"), data.load_images("bundled")
    return scores.Judge(extractor, test, training, reference_name="bundled, split test", count=1000)


@pytest.fixture(scope="module")
def floor(judge):
    return judge.floor()


@pytest.fixture(scope="module")
def real_column(judge):
    return judge.scores(data.load_images("bundled", split="test")[-1000:], "real")


def by_metric(column):
    return {score.metric: score.value for score in column}


class Constant(keras.Model):
    """A collapsed generator: every image is grey."""

    input_shape = (None, 3)

    def call(self, latents, training=False):
        return tf.zeros([tf.shape(latents)[0], 28, 28, 1])


def test_real_images_score_better_than_worse_ones(judge, floor, real_column):
    real = data.load_images("bundled", split="test")[-1000:]
    noisy = np.clip(real + np.random.default_rng(0).normal(0, 40, real.shape), 0, 255).astype(np.uint8)
    columns, floor = [by_metric(real_column), by_metric(judge.scores(noisy, "noisy"))], by_metric(floor)
    assert floor["fid"] < 2 and columns[0]["fid"] < 2 < columns[1]["fid"]
    assert abs(floor["kid"]) < 0.02 < columns[1]["kid"]
    for metric in ("precision", "recall", "density", "coverage"):
        assert columns[1][metric] < min(columns[0][metric], floor[metric])
    assert columns[0]["classes"] == 10 and columns[0]["kl_from_uniform"] < 0.05


def test_memorised_images_are_found(judge, floor):
    copies = data.load_images("bundled")[:1000]
    found = by_metric(judge.scores(copies, "copies"))
    # The best FID of all, and the nearest training image gives it away.
    assert found["fid"] < 2
    assert found["nearest_training_image"] < 1e-3 < by_metric(floor)["nearest_training_image"]


def test_a_collapsed_generator_is_finite_and_bad(judge):
    found = by_metric(judge.scores(scores.draw(Constant(), judge.count), "collapsed"))
    assert set(found) == set(scores._METRICS) and np.isfinite(list(found.values())).all()
    assert found["classes"] == 1 and found["inception_score"] == pytest.approx(1)
    assert found["recall"] == 0 and found["coverage"] < 0.01 and found["fid"] > 64


class Counting:
    """Stands in for an extractor: its features are the first 4 pixels, and it remembers what it was shown."""

    name, sha256 = "counting", "0" * 64

    def __init__(self):
        self.seen = []

    def name_for(self, shape):
        return f"{self.name} at {shape[0]}"

    def __call__(self, images, count=None):
        images = images if hasattr(images, "shape") else np.concatenate(list(itertools.islice(images, count)))
        images = images[:count]
        self.seen.append(images)
        probabilities = np.eye(3)[images.reshape(len(images), -1)[:, 0].astype(int) % 3]
        return extractors.Features(images.reshape(len(images), -1)[:, :4].astype(np.float32), probabilities)


def noise(count, seed):
    return np.random.default_rng(seed).integers(0, 256, (count, 2, 2, 1), dtype=np.uint8)


def test_each_score_is_the_metric_of_its_name_with_the_papers_settings():
    """3 neighbours for precision and recall, 5 for density and coverage: computed here from all 60 images a side."""
    reference, training, fake = noise(60, 0), noise(60, 1), noise(60, 2) // 2 + 60
    judge = scores.Judge(Counting(), reference, training, reference_name="noise", count=60, seed=4)
    found = {score.metric: (score.value, score.standard_error) for score in judge.scores(fake, "x")}
    real, drawn, seen = (images.reshape(60, 4).astype(float) for images in (reference, fake, training))
    narrow, wide = metrics.precision_recall(real, drawn, k=3), metrics.precision_recall(real, drawn, k=5)
    # The test would say nothing if both settings gave one number.
    assert all(one != other for one, other in zip(narrow, wide))
    certain = np.eye(3)[fake.reshape(60, 4)[:, 0] % 3]
    counts = certain.sum(axis=0)
    assert found == {
        "fid": (pytest.approx(metrics.fid(real, drawn)), None),
        "kid": metrics.kid(real, drawn, subset_size=60, seed=4),
        "inception_score": metrics.inception_score(certain, splits=10),
        "precision": (narrow.precision, None),
        "recall": (narrow.recall, None),
        "density": (wide.density, None),
        "coverage": (wide.coverage, None),
        "classes": ((counts > 0).sum(), None),
        "kl_from_uniform": (pytest.approx(metrics.reverse_kl(counts)), None),
        "nearest_training_image": (np.median(metrics.nearest_neighbours(drawn, seen)[1]), None),
    }
    floor = {score.metric: score.value for score in judge.floor()}
    assert floor["fid"] == pytest.approx(metrics.fid(real, seen))
    assert floor["recall"] == metrics.precision_recall(real, seen, k=3).recall
    assert floor["nearest_training_image"] == np.median(metrics.nearest_neighbours(real, seen)[1])


def test_count_bounds_the_work():
    looks = Counting()
    reference, training = noise(300, 0), noise(500, 1)
    judge = scores.Judge(looks, reference, training, reference_name="noise", count=20, seed=1)
    judge.scores((noise(15, seed) for seed in itertools.count()), "endless")
    judge.scores(noise(300, 2), "many")
    judge.floor()
    assert [len(images) for images in looks.seen] == [20, 200, 20, 20] and judge.count == 20
    rows = {image.tobytes() for image in training}
    assert all(image.tobytes() in rows for image in looks.seen[1])  # distinct training images, chosen by the seed
    again, other = Counting(), Counting()
    scores.Judge(again, reference, training, reference_name="noise", count=20, seed=1)
    scores.Judge(other, reference, training, reference_name="noise", count=20, seed=2)
    np.testing.assert_array_equal(again.seen[1], looks.seen[1])
    assert (other.seen[1] != looks.seen[1]).any() and (other.seen[0] != looks.seen[0]).any()
    everything = Counting()
    scores.Judge(everything, reference, training, reference_name="noise", count=50)
    np.testing.assert_array_equal(everything.seen[1], training)  # no more than ten times as many: all, in their order


def test_kid_scorer_keeps_to_its_cap_on_both_sides(monkeypatch):
    monkeypatch.setattr(scores, "_KID_COUNT", 30)
    looks, held_out = Counting(), noise(100, 0)
    keras.utils.set_random_seed(0)
    generator = keras.Sequential(
        [keras.layers.Input((3,)), keras.layers.Dense(4, "tanh"), keras.layers.Reshape((2, 2, 1))]
    )
    score = scores.kid_scorer(looks, held_out, seed=7)
    value = score(generator)
    assert [len(images) for images in looks.seen] == [30, 30]
    expected = metrics.kid(*(images.reshape(30, 4) for images in looks.seen), subset_size=30, seed=7)
    assert value == pytest.approx(expected.mean, rel=1e-9)
    other = Counting()
    scores.kid_scorer(other, held_out, seed=8)
    assert (other.seen[0] != looks.seen[0]).any() and len(np.unique(other.seen[0].reshape(30, 4), axis=0)) == 30


def test_a_compiled_program_draws_the_same_latent_vectors():
    """XLA's own generator of random numbers is another one: it is not left the choice."""
    given = []

    class Keeps(Constant):
        def call(self, latents, training=False):
            given.append(latents)
            return super().call(latents)

    next(scores.draw(Keeps(), 500, seed=5))
    compiled = tf.function(lambda: tf.random.stateless_normal([500, 3], [5, 0], alg="philox"), jit_compile=True)
    np.testing.assert_allclose(given[0], compiled(), atol=1e-5)


def test_every_score_says_what_it_was_made_of(floor, real_column, tmp_path):
    for score in real_column:
        assert (score.subject, score.extractor, score.count, score.seed) == ("real", "fashion", 1000, 0)
        assert score.extractor_sha256 == extractors._SHA256["fashion"] and score.reference == "bundled, split test"
    scores.write(tmp_path / "scores.json", [real_column, floor])
    stored = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert [scores.Score(**record) for record in stored] == [*real_column, *floor]
    assert len(stored) == 2 * len(scores._METRICS)


def test_the_same_seed_gives_the_same_scores():
    columns = []
    for seed in (3, 3, 4):
        judge = scores.Judge(Counting(), noise(90, 0), noise(90, 1), reference_name="noise", count=60, seed=seed)
        columns.append([score.value for score in judge.scores(noise(60, 2), "x") + judge.floor()])
    assert columns[0] == columns[1] and not set(columns[0][:2]) & set(columns[2][:2])  # FID and KID


def test_the_table_has_a_row_a_metric(floor):
    column = floor
    lines = scores.table([column, [dataclasses.replace(score, subject="b") for score in column[:2]]]).split("\n")
    assert (
        len(lines) == 1 + len(scores._METRICS) and len({line.index(word) for line, word in zip(lines[:1], ["b"])}) == 1
    )
    assert lines[1].startswith("fid") and lines[1].endswith("lower") and "-" in lines[-1]


def test_draws_are_bytes_and_begin_alike(monkeypatch):
    monkeypatch.setattr(scores, "_DRAWN_AT_ONCE", 8)
    keras.utils.set_random_seed(0)
    generator = keras.Sequential(
        [keras.layers.Input((3,)), keras.layers.Dense(4, "tanh"), keras.layers.Reshape((2, 2, 1))]
    )
    few, many = (np.concatenate(list(scores.draw(generator, count, seed=5))) for count in (11, 20))
    assert few.dtype == np.uint8 and few.shape == (11, 2, 2, 1) and many.shape == (20, 2, 2, 1)
    np.testing.assert_array_equal(few, many[:11])
    assert len(np.unique(many.reshape(20, -1), axis=0)) == 20  # each batch has vectors of its own
    other = np.concatenate(list(scores.draw(generator, 11, seed=6)))
    assert (other != few).any()


def test_kid_scorer_is_kid_of_what_it_draws(extractor):
    held_out = data.load_images("bundled", split="test")[:200]
    score = scores.kid_scorer(extractor, held_out, seed=2)
    fake = np.concatenate(list(scores.draw(Constant(), 200, seed=2)))
    expected = metrics.kid(extractor(held_out).features, extractor(fake).features, subset_size=200, seed=2).mean
    assert score(Constant()) == pytest.approx(expected, rel=1e-9) and score(Constant()) == score(Constant())


class Told:
    """A generator that is told classes: it draws class k all in the grey level 20 k, and remembers what it was told."""

    def __init__(self, classes):
        self.input_shape = [(None, 3), (None, classes)]
        self.told = []

    def __call__(self, inputs, training):
        latents, one_hot = inputs
        assert latents.shape == (len(one_hot), 3) and not training
        labels = np.argmax(one_hot, axis=1)
        self.told += labels.tolist()
        return np.broadcast_to(20 * labels[:, None, None, None] / 127.5 - 1, (len(labels), 2, 2, 1))


def classes_of(batches):
    return np.concatenate(list(batches))[:, 0, 0, 0] // 20


def test_labels_say_what_is_drawn():
    """One each, image by image and over more than one batch; or one number for all."""
    labels = np.random.default_rng(0).choice(3, 1200, p=[0.9, 0.09, 0.01])
    np.testing.assert_array_equal(classes_of(scores.draw(Told(3), 1200, labels=labels)), labels)
    np.testing.assert_array_equal(classes_of(scores.draw(Told(3), 600, labels=2)), np.full(600, 2))


def test_without_labels_classes_come_in_turn_over_all_batches():
    """7 does not divide the 500 of a batch: the second one goes on where the first ended."""
    np.testing.assert_array_equal(classes_of(scores.draw(Told(7), 1200)), np.arange(1200) % 7)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0, 1, 2], "There are 3 labels for 10 images: give one each"),
        (np.zeros(11, int), "There are 11 labels for 10 images"),
        ([], "There are 0 labels"),
        ([3] * 10, "whole numbers from 0 to 2"),
        (-1, "whole numbers from 0 to 2"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, words):
    with pytest.raises(ValueError, match=words):
        list(scores.draw(Told(3), 10, labels=labels))


def unbalanced(count, seed=0):
    """Pictures as `Told` draws them, of three classes that are not equally frequent, in no order."""
    labels = np.random.default_rng(seed).choice(3, count, p=[0.8, 0.15, 0.05])
    pictures = np.broadcast_to(20 * labels[:, None, None, None], (count, 2, 2, 1)).astype(np.uint8)
    return data.Labelled(pictures, labels, ("black", "dark", "grey"))


def test_kid_scorer_asks_for_each_class_as_often_as_it_is_held_out(monkeypatch):
    monkeypatch.setattr(scores, "_KID_COUNT", 700)
    looks, held_out, generator = Counting(), unbalanced(900), Told(3)
    perfect = scores.kid_scorer(looks, held_out, seed=5)(generator)
    compared = looks.seen[0][:, 0, 0, 0] // 20
    np.testing.assert_array_equal(generator.told, compared)
    assert len(compared) == 700 and 0.75 < np.mean(compared == 0) < 0.85
    # The same pictures without a word of what they show: drawn in turn, they score as something else.
    in_turn = Told(3)
    worse = scores.kid_scorer(Counting(), held_out.images, seed=5)(in_turn)
    assert np.ptp(np.bincount(in_turn.told)) <= 1 and perfect <= 0 < worse


def test_a_judge_says_which_classes_it_compares_with():
    judge = scores.Judge(Counting(), unbalanced(400), unbalanced(600, 1), reference_name="x", count=300, seed=2)
    generator = Told(3)
    drawn = list(scores.draw(generator, judge.count, labels=judge.labels))
    np.testing.assert_array_equal(generator.told, judge.extractor.seen[0][:, 0, 0, 0] // 20)
    assert len(judge.labels) == 300 and 0.7 < np.mean(judge.labels == 0) < 0.9
    perfect, worse = (
        by_metric(judge.scores(drawn, "as often")),
        by_metric(judge.scores(scores.draw(Told(3), judge.count), "in turn")),
    )
    assert perfect["fid"] == pytest.approx(0, abs=1e-6) and worse["fid"] > 1 and perfect["kid"] <= 0 < worse["kid"]
    assert scores.Judge(Counting(), noise(30, 0), noise(30, 1), reference_name="x").labels is None


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda e: scores.Judge(e, np.zeros((9, 28, 28, 1), np.uint8), np.zeros((99, 28, 28, 1), np.uint8),
                                reference_name="x"), "at least 10 images"),
        (lambda e: scores.kid_scorer(e, np.zeros((9, 28, 28, 1), np.uint8)), "at least 10 images"),
    ],
)  # fmt: skip
def test_too_few_images_get_one_sentence(extractor, call, words):
    with pytest.raises(ValueError, match=words):
        call(extractor)


def test_too_few_generated_images_are_refused(judge):
    with pytest.raises(ValueError, match="1000 images are compared, got 500"):
        judge.scores(data.load_images("bundled", split="test")[:500], "few")


def test_the_committed_generator_is_as_good_as_it_was(judge):
    """Its FID over 10,000 images is 1.07; over these 1,000, with FID's bias, it is a little more."""
    generator = models.load_generator(data.assets_folder() / "weights" / "fashion_generator.keras")
    assert {weight.dtype for weight in generator.weights} == {"float32"}
    found = by_metric(judge.scores(scores.draw(generator, judge.count), "committed"))
    assert found["fid"] < 2.5 and found["classes"] == 10


def test_the_committed_colour_generator_is_as_good_as_it_was():
    """Its KID over these 318 was 0.025."""
    training, test = (data.load_bundled(split, "emoji")[0] for split in ("train", "test"))
    judge = scores.Judge(extractors.load("emoji"), test, training, reference_name="bundled:emoji, split test")
    path = data.assets_folder() / "weights" / "emoji_generator.keras"
    assert path.stat().st_size <= 3_000_000
    found = by_metric(judge.scores(scores.draw(models.load_generator(path), judge.count), "committed"))
    assert found["kid"] < 0.05 and found["recall"] > 0.4 and found["classes"] == 9
