"""Walks and the search: known cases, generators of both shapes, and sentences for bad input."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from dcgan_keras import data, models
from dcgan_keras.applications import latent

Z = np.random.default_rng(0).normal(size=(6, 100)).astype(np.float32)


@pytest.fixture(scope="module", params=["fashion", "emoji", "fresh", "wide kernel"])
def generator(request):
    """The two committed ones, and two untrained ones with layers of the package's own."""
    if request.param == "fresh":
        return settled(models.build_generator(28, 1, filters=2, seed=0))
    if request.param == "wide kernel":
        return settled(models.build_generator(32, 3, filters=2, kernel_size=5, seed=0))
    return models.load_generator(data.assets_folder() / "weights" / f"{request.param}_generator.keras")


@pytest.fixture(scope="module")
def fashion():
    return models.load_generator(data.assets_folder() / "weights" / "fashion_generator.keras")


def settled(generator):
    """Gives a fresh generator statistics, biases and contrast that are not those it starts with, as training would."""
    generator.layers[-2].kernel.assign(20 * generator.layers[-2].kernel)
    for _ in range(5):
        generator(tf.random.stateless_normal((200, 100), (1, 2)), training=True)
    for layer in generator.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.beta.assign(np.linspace(-0.5, 0.5, layer.beta.shape[0]))
    generator.layers[-2].bias.assign(np.linspace(0.1, 0.3, generator.layers[-2].bias.shape[0]))
    return generator


def whole(images):
    return images


def upper_half(images):
    return images[:, : images.shape[1] // 2]


# Walks


@pytest.mark.parametrize("walk", [latent.lerp, latent.slerp])
def test_walks_begin_and_end_where_they_should(walk):
    points = walk(Z[0], Z[1] * 2, 7)
    assert points.shape == (7, 100) and points.dtype == np.float32
    np.testing.assert_allclose(points[[0, -1]], [Z[0], Z[1] * 2], atol=1e-6)
    np.testing.assert_allclose(walk(Z[0], Z[0], 3), Z[[0, 0, 0]], atol=1e-6)


def test_lerp_is_straight_and_slerp_goes_round_evenly():
    a, b = np.array([3.0, 0, 0]), np.array([0, 5.0, 0])
    np.testing.assert_allclose(latent.lerp(a, b, 3)[1], [1.5, 2.5, 0])
    points = latent.slerp(a, b, 5).astype(np.float64)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), [3, 3.5, 4, 4.5, 5], rtol=1e-6)
    np.testing.assert_allclose(np.arctan2(points[:, 1], points[:, 0]), np.linspace(0, np.pi / 2, 5), atol=1e-6)


def test_slerp_keeps_the_length_and_lerp_loses_it():
    a, b = (z / np.linalg.norm(z) * 10 for z in Z[:2])
    np.testing.assert_allclose(np.linalg.norm(latent.slerp(a, b, 9), axis=1), 10, rtol=1e-6)
    assert np.linalg.norm(latent.lerp(a, b, 9)[4]) < 8


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((Z[0], -Z[0], 5), "no shortest arc between opposite vectors"),
        ((Z[0], 0 * Z[0], 5), "no arc to or from a vector of zeros"),
        ((Z[0], Z[1][:50], 5), "Both ends must have the shape (latent_dim,), got (100,) and (50,)"),
        ((Z[:2], Z[2:4], 5), "Both ends must have the shape"),
        ((Z[0], Z[1], 1), "count must be a whole number of 2 or more, got 1"),
        ((Z[0], Z[1] * np.nan, 5), "must be finite"),
    ],
)
def test_walks_that_cannot_be(arguments, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        latent.slerp(*arguments)


# The search


def test_search_finds_what_the_generator_drew_itself(generator):
    images = np.asarray(generator(Z[:3], training=False))
    found = latent.search(generator, whole, images, steps=150, restarts=8, prior=0)  # some starts end in another place
    at_random = latent.search(generator, whole, images, steps=1, restarts=2, prior=0)
    assert found.images.shape == (3, 8, *images.shape[1:]) and found.latents.shape == (3, 8, 100)
    assert (found.losses[:, 0] < 0.2 * at_random.losses[:, 0]).all()
    wrong = np.mean((found.images - images[:, None]) ** 2, axis=(2, 3, 4))
    np.testing.assert_allclose(found.losses, wrong, rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(found.images, drawn(generator, found), atol=1e-5)


def drawn(generator, found):
    """What the generator draws of all latent vectors that a search found."""
    return np.asarray(generator(found.latents.reshape(-1, 100), training=False)).reshape(found.images.shape)


def test_the_loss_is_what_the_docstring_says(fashion):
    images = np.asarray(fashion(Z[:2], training=False))
    found = latent.search(fashion, upper_half, images[:, :14], steps=20, restarts=1, prior=0.5)
    wrong = np.mean((found.images[:, 0, :14] - images[:, :14]) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(found.losses[:, 0], wrong + 0.5 * np.mean(found.latents[:, 0] ** 2, axis=1), rtol=1e-5)


def test_one_step_is_keras_adam(fashion):
    """The first two steps by hand, with Keras's own optimizer and the loss as a whole."""
    images = np.asarray(fashion(Z[:2], training=False))
    z = tf.Variable(tf.random.stateless_normal((2, 100), seed=(7, 0), alg="philox"))
    adam = keras.optimizers.Adam(0.05, epsilon=1e-8)
    for _ in range(2):
        with tf.GradientTape() as tape:
            wrong = tf.reduce_mean(tf.square(fashion(z, training=False) - images), axis=(1, 2, 3))
            loss = tf.reduce_sum(wrong + 0.3 * tf.reduce_mean(tf.square(z), axis=1))
        adam.apply([tape.gradient(loss, z)], [z])
    found = latent.search(fashion, whole, images, steps=2, restarts=1, prior=0.3, seed=7)
    np.testing.assert_allclose(found.latents[:, 0], z, atol=1e-4)


def test_all_starts_come_back_the_best_one_first(fashion):
    images = np.asarray(fashion(Z, training=False))
    few, all_of_them = (
        latent.search(fashion, upper_half, images[:, :14], steps=10, restarts=restarts) for restarts in (2, 4)
    )
    assert all_of_them.losses.shape == (6, 4) and (np.diff(all_of_them.losses, axis=1) >= 0).all()
    assert (np.argmin(all_of_them.losses, axis=1) == 0).all() and np.ptp(all_of_them.losses, axis=1).min() > 1e-4
    # Each latent vector, image and loss is still of one start and of its own observation.
    wrong = np.mean((all_of_them.images[:, :, :14] - images[:, None, :14]) ** 2, axis=(2, 3, 4))
    penalty = 1e-3 * np.mean(all_of_them.latents**2, axis=2)
    np.testing.assert_allclose(all_of_them.losses, wrong + penalty, rtol=1e-3)
    np.testing.assert_allclose(all_of_them.images, drawn(fashion, all_of_them), atol=1e-5)
    # More starts only add to the others.
    apart = np.abs(few.losses[:, :, None] - all_of_them.losses[:, None]).min(axis=2)
    assert apart.max() < 1e-4 and (all_of_them.losses[:, 0] <= few.losses[:, 0] + 1e-5).all()
    assert (all_of_them.losses[:, 0] < few.losses[:, 0] - 1e-4).any()


def test_batches_do_not_matter(fashion, monkeypatch):
    images = np.asarray(fashion(Z[:5], training=False))
    at_once = latent.search(fashion, whole, images, steps=10, restarts=3)
    monkeypatch.setattr(latent, "_BATCH", 4)
    in_parts = latent.search(fashion, whole, images, steps=10, restarts=3)
    np.testing.assert_allclose(at_once.latents, in_parts.latents, atol=1e-4)
    alone = latent.search(fashion, whole, images[:1], steps=10, restarts=3)
    np.testing.assert_allclose(alone.latents, at_once.latents[:1], atol=1e-4)


def test_search_is_repeatable_follows_the_seed_and_leaves_the_generator(fashion):
    images = np.asarray(fashion(Z[:2], training=False))
    before = [np.copy(weight) for weight in fashion.get_weights()]
    first, again, other = (latent.search(fashion, whole, images, steps=5, seed=seed) for seed in (3, 3, 4))
    for one, two in zip(first, again):
        np.testing.assert_array_equal(one, two)
    assert not np.allclose(first.latents, other.latents)
    for one, two in zip(before, fashion.get_weights()):
        np.testing.assert_array_equal(one, two)


def test_search_is_traced_once_for_a_measure(fashion):
    calls = []

    def counted(images):
        calls.append(images)
        return images

    images = np.asarray(fashion(Z, training=False))
    traced = []
    for count, steps in ((6, 2), (3, 3), (1, 4)):
        latent.search(fashion, counted, images[:count], steps=steps, restarts=2)
        traced.append(sum(not hasattr(each, "numpy") for each in calls))
    assert traced[0] > 0 and traced[1:] == traced[:1] * 2


def test_search_follows_a_generator_that_goes_on_training():
    generator = settled(models.build_generator(28, 1, filters=2, seed=0))
    observed = np.zeros((1, 28, 28, 1), np.float32)
    before = latent.search(generator, whole, observed, steps=2)
    generator.layers[-2].bias.assign([0.9])
    after = latent.search(generator, whole, observed, steps=2)
    assert after.losses[0, 0] > before.losses[0, 0] + 0.1
    np.testing.assert_allclose(after.images, drawn(generator, after), atol=1e-5)


def test_the_penalty_shortens_latent_vectors(fashion):
    images = np.asarray(fashion(Z[:4], training=False))
    lengths = [
        np.linalg.norm(
            latent.search(fashion, upper_half, images[:, :14], prior=prior, steps=100).latents[:, 0], axis=1
        ).mean()
        for prior in (0.0, 0.1)
    ]
    assert lengths[1] < lengths[0] - 1


GOOD = np.zeros((2, 28, 28, 1), np.float32)


@pytest.mark.parametrize(
    ("observed", "changes", "sentence"),
    [
        (GOOD, {"restarts": 0}, "restarts must be a whole number of 1 or more, got 0"),
        (GOOD, {"steps": 1.5}, "steps must be a whole number of 1 or more, got 1.5"),
        (GOOD, {"learning_rate": 0}, "learning_rate must be a number above 0, got 0"),
        (GOOD, {"prior": -1}, "prior must be a number of 0 or more, got -1"),
        (GOOD[:, :14], {}, "measured to the shape (2, 28, 28, 1)"),
        (GOOD[0], {}, "measured to the shape (2, 28, 28, 1)"),
        (GOOD[:0], {}, "There is nothing observed"),
        (GOOD + np.inf, {}, "must be finite"),
        (np.zeros(2), {"measure": tf.reduce_mean}, "measured to the shape ()"),
        (GOOD, {"measure": tf.sign}, "No gradient passes the measure"),
        (GOOD, {"measure": tf.math.log, "steps": 2}, "The search left the finite numbers"),
    ],
)
def test_searches_that_cannot_be(fashion, observed, changes, sentence):
    measure = changes.pop("measure", whole)
    if measure is tf.sign:
        measure = lambda images: tf.stop_gradient(tf.sign(images))  # noqa: E731
    with pytest.raises(ValueError, match=re.escape(sentence)):
        latent.search(fashion, measure, observed, **changes)


def test_a_generator_that_is_told_classes_is_not_searched():
    told = models.build_generator(28, 1, filters=2, classes=3)
    with pytest.raises(ValueError, match="This generator is told classes: only one that draws from latent vectors"):
        latent.search(told, whole, GOOD)


def test_a_generator_of_any_architecture_is_searched():
    dense = keras.Sequential(
        [
            keras.layers.Input((100,)),
            keras.layers.Dense(28 * 28, activation="tanh"),
            keras.layers.Reshape((28, 28, 1)),
        ]
    )
    found = latent.search(dense, whole, np.asarray(dense(Z)), steps=3)
    assert found.images.shape == (6, 4, 28, 28, 1)
