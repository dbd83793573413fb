"""Restored pictures: what is known stays, the operators are what they say, what the generator drew is found again."""

import keras
import numpy as np
import pytest
from conftest import lively
from dcgan_keras import build_generator, data, latent, models, plots, restoring

QUICK = {"restarts": 2, "steps": 3}


@pytest.fixture(scope="module", params=["grey", "colour"])
def generator(request):
    return lively(
        build_generator(28 if request.param == "grey" else 32, 1 + 2 * (request.param == "colour"), filters=2)
    )


@pytest.fixture(scope="module")
def fashion():
    return models.load_generator(data.assets_folder() / "weights" / "fashion_generator.keras")


def noise(generator, count=3):
    shape = (count, *generator.output_shape[1:])
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def drawn(generator, count=4):
    return np.asarray(models.draw(generator, np.random.default_rng(0).normal(size=(count, 100)).astype(np.float32)))


def test_what_is_around_a_hole_stays_exactly(generator):
    images = noise(generator)
    size = images.shape[1]
    hole = np.random.default_rng(2).random((size, size)) < 0.3
    restored = restoring.inpaint(generator, images, hole, **QUICK)
    assert restored.images.dtype == np.float32 and np.abs(restored.images).max() <= 1
    np.testing.assert_array_equal(plots.to_uint8(restored.images)[:, ~hole], images[:, ~hole])
    assert (restored.spread[:, ~hole] == 0).all() and (restored.spread[:, hole] > 0).all()
    floats = (images.astype(np.float32) / 127.5 - 1).astype(np.float32)
    again = restoring.inpaint(generator, floats, hole, **QUICK)
    np.testing.assert_array_equal(again.images, restored.images)


def test_what_is_in_the_hole_does_not_matter(generator):
    images = noise(generator)
    hole = restoring.center(images.shape[1])
    first, second = (
        restoring.inpaint(generator, np.where(hole[..., None], value, images), hole, **QUICK)
        for value in np.uint8([0, 255])
    )
    for one, other in zip(first, second):
        np.testing.assert_array_equal(one, other)


def test_the_answer_is_the_generators_own_and_its_error_is_that_of_what_is_known(generator):
    """With one start: what `latent.search` finds for a measure written here in another way."""
    images = noise(generator) / 127.5 - 1
    size = images.shape[1]
    hole = restoring.center(size)
    places = np.flatnonzero(~hole)

    def around(batch):
        flat = keras.ops.reshape(batch, (-1, size * size, batch.shape[-1]))
        return keras.ops.take(flat, places, axis=1)

    def means(batch):
        return keras.ops.mean(keras.ops.reshape(batch, (-1, size // 4, 4, size // 4, 4, batch.shape[-1])), axis=(2, 4))

    small = np.asarray(means(images.astype(np.float32)))
    once = {"restarts": 1, "steps": 3, "prior": 0.01}
    cases = (
        (restoring.inpaint(generator, images, hole, restarts=1, steps=3), around, images[:, ~hole]),
        (restoring.denoise(generator, images, restarts=1, steps=3), lambda batch: batch, images),
        (restoring.upscale(generator, small, 4, restarts=1, steps=3), means, small),
    )
    for restored, measure, known in cases:
        found = latent.search(generator, measure, known, **once)
        wrong = np.asarray(measure(found.images)) - known
        rms = np.sqrt((wrong**2).reshape(len(wrong), -1).mean(axis=1))
        np.testing.assert_allclose(restored.errors, rms, rtol=2e-4)
        there = hole if measure is around else np.ones_like(hole)
        np.testing.assert_allclose(restored.images[:, there], found.images[:, there], atol=1e-3)
        assert (restored.spread == 0).all()


def test_the_best_start_is_kept_and_the_spread_is_that_of_all(generator, monkeypatch):
    """Three starts whose answers are known: flat images of -0.5, 0.5 and 0, of which the last has the lowest loss."""
    shape = generator.output_shape[1:]

    def search(_, measure, observed, *, restarts, **options):
        assert restarts == 1 and len(observed) == 6 and options == {"prior": 0.2, "seed": 4}
        flat = np.repeat(np.float32([-0.5, 0.5, 0]), 2)
        images = np.ones((6, *shape), np.float32) * flat[:, None, None, None]
        return latent.Found(np.zeros((6, 100)), images, np.float32([3, 3, 2, 2, 1, 1]))

    monkeypatch.setattr(latent, "search", search)
    restored = restoring.denoise(generator, np.zeros((2, *shape)), restarts=3, prior=0.2, seed=4)
    assert (restored.images == 0).all() and (restored.errors == 0).all()
    np.testing.assert_allclose(restored.spread, np.std([-0.5, 0.5, 0]), rtol=1e-6)


@pytest.mark.parametrize(("task", "limit"), [("inpaint", 15), ("denoise", 7), ("upscale", 13)])
def test_what_the_generator_drew_itself_is_found_again(fashion, task, limit):
    """Of four images the one found best, in grey levels of 255. Measured: 9.7, 4.7 and 8.4. The others drew over 50."""
    images = drawn(fashion)
    hole = restoring.center(28)
    call = {
        "inpaint": lambda: restoring.inpaint(fashion, images, hole),
        "denoise": lambda: restoring.denoise(fashion, images),
        "upscale": lambda: restoring.upscale(fashion, images.reshape(-1, 7, 4, 7, 4, 1).mean(axis=(2, 4)), 4),
    }[task]
    wrong = 127.5 * np.sqrt(np.square(call().images - images).mean(axis=(1, 2, 3)))
    apart = 127.5 * np.sqrt(np.square(images - images[[1, 2, 3, 0]]).mean(axis=(1, 2, 3)))
    assert wrong.min() < limit < 50 < apart.min()


def test_a_hole_in_the_middle():
    hole = restoring.center(28)
    assert hole.sum() == 14 * 14 and hole[7:21, 7:21].all() and restoring.center(10).sum() == 36


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda g, x: restoring.inpaint(g, x, np.ones((28, 28))), "must be bool of shape"),
        (lambda g, x: restoring.inpaint(g, x, np.ones((14, 14), bool)), "must be bool of shape"),
        (lambda g, x: restoring.inpaint(g, x, np.ones((28, 28), bool)), "takes all of the picture"),
        (lambda g, x: restoring.inpaint(g, x, np.zeros((28, 28), bool)), "takes none of the picture"),
        (lambda g, x: restoring.denoise(g, x[:, :20]), r"must have the shape \(n, 28, 28, 1\), got \(2, 20"),
        (lambda g, x: restoring.denoise(g, x[:0]), "must have the shape"),
        (lambda g, x: restoring.denoise(g, x.astype(float)), r"must be uint8, or float in \[-1, 1\]"),
        (lambda g, x: restoring.denoise(g, x * np.float32("nan")), "must be uint8"),
        (lambda g, x: restoring.upscale(g, x, 3), "must be one of 2, 4, 7, 14, .* got 3"),
        (lambda g, x: restoring.upscale(g, x, 28), "must be one of"),
        (lambda g, x: restoring.upscale(g, x, 4), r"Small pictures must have the shape \(n, 7, 7, 1\)"),
        (lambda g, x: restoring.denoise(g, x, restarts=0), "restarts must be a whole number of 1 or more"),
        (lambda g, x: restoring.denoise(g, x, steps=0), "steps must be a whole number"),
        (lambda g, x: restoring.denoise(g, x, prior=-1), "prior must be"),
    ],
)
def test_bad_input_is_one_sentence(call, words):
    generator = build_generator(28, filters=2)
    with pytest.raises(ValueError, match=words):
        call(generator, noise(generator, 2))


def test_generators_that_are_not_searched():
    told, restorer = build_generator(28, filters=2, classes=2), models.build_restorer(28, filters=2)
    for generator, words in ((told, "told classes"), (restorer, "draws from an image")):
        with pytest.raises(ValueError, match=words):
            restoring.denoise(generator, np.zeros((1, 28, 28, 1)))
