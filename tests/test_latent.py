"""What a trained generator is used for: known cases, generators of both shapes, and sentences for bad input."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from dcgan_keras import data, latent, models

rng = np.random.default_rng(0)
Z = rng.normal(size=(6, 100)).astype(np.float32)


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
    found = latent.search(generator, whole, images, steps=150, restarts=2, prior=0)
    at_random = latent.search(generator, whole, images, steps=1, restarts=2, prior=0)
    assert found.images.shape == images.shape and found.latents.shape == (3, 100)
    assert (found.losses < 0.2 * at_random.losses).all()
    np.testing.assert_allclose(
        found.losses, np.mean((found.images - images) ** 2, axis=(1, 2, 3)), rtol=1e-3, atol=1e-7
    )
    np.testing.assert_allclose(found.images, generator(found.latents, training=False), atol=1e-5)


def test_the_loss_is_what_the_docstring_says(fashion):
    images = np.asarray(fashion(Z[:2], training=False))
    found = latent.search(fashion, upper_half, images[:, :14], steps=20, restarts=1, prior=0.5)
    wrong = np.mean((found.images[:, :14] - images[:, :14]) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(found.losses, wrong + 0.5 * np.mean(found.latents**2, axis=1), rtol=1e-5)


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
    np.testing.assert_allclose(found.latents, z, atol=1e-4)


def test_more_restarts_are_never_worse_and_sometimes_better(fashion):
    images = np.asarray(fashion(Z, training=False))
    losses = [latent.search(fashion, upper_half, images[:, :14], steps=30, restarts=n).losses for n in (1, 2, 4)]
    assert (losses[1] <= losses[0] + 1e-5).all() and (losses[2] <= losses[1] + 1e-5).all()
    assert (losses[2] < losses[0] - 1e-4).any()


def test_batches_do_not_matter(fashion, monkeypatch):
    images = np.asarray(fashion(Z[:5], training=False))
    at_once = latent.search(fashion, whole, images, steps=10, restarts=3)
    monkeypatch.setattr(latent, "BATCH", 4)
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
    assert after.losses[0] > before.losses[0] + 0.1
    np.testing.assert_allclose(after.images, generator(after.latents, training=False), atol=1e-5)


def test_the_penalty_shortens_latent_vectors(fashion):
    images = np.asarray(fashion(Z[:4], training=False))
    lengths = [
        np.linalg.norm(
            latent.search(fashion, upper_half, images[:, :14], prior=prior, steps=100).latents, axis=1
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


# Directions


def test_fit_direction_recovers_a_planted_one():
    z = rng.normal(size=(500, 20)) + 3
    planted = rng.normal(size=20)
    exact = latent.fit_direction(z, z @ planted + 7)
    np.testing.assert_allclose(exact.vector, planted / np.linalg.norm(planted), atol=1e-9)
    assert exact.r2 == pytest.approx(1) and exact.intercept == pytest.approx(7)
    assert exact.slope == pytest.approx(np.linalg.norm(planted))
    noisy = latent.fit_direction(z, z @ planted + rng.normal(size=500) * np.linalg.norm(planted))
    assert noisy.vector @ exact.vector > 0.9 and 0.4 < noisy.r2 < 0.6


def test_r2_is_the_share_of_variance_and_flatters_where_rows_are_few():
    z, values = rng.normal(size=(200, 50)), rng.normal(size=200)
    found = latent.fit_direction(z, values)
    predicted = found.intercept + found.slope * z @ found.vector
    assert found.r2 == pytest.approx(1 - np.var(values - predicted) / np.var(values))
    assert found.r2 == pytest.approx(50 / 200, abs=0.15) and np.linalg.norm(found.vector) == pytest.approx(1)


@pytest.mark.parametrize(
    ("latents", "values", "sentence"),
    [
        (Z, np.zeros(6), "It takes more than 101 latent vectors of 100 numbers, got 6"),
        (Z, np.zeros(5), "got shapes (6, 100) and (5,)"),
        (Z[0], np.zeros(100), "got shapes (100,) and (100,)"),
        (Z[:, :2], np.ones(6), "All values are the same"),
        (Z[:, :2], np.arange(6) * np.nan, "must be finite"),
        (np.ones((6, 2)), np.arange(6), "do not depend on the latent vectors"),
    ],
)
def test_directions_that_cannot_be_fitted(latents, values, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        latent.fit_direction(latents, values)


def before_first_relu(generator, latents):
    project, reshape, norm = generator.layers[:3]
    return np.asarray(norm(reshape(project(latents)), training=False), np.float64).reshape(len(latents), -1)


def test_weight_directions_are_those_of_the_pca_of_the_first_layer(generator):
    directions, stretches = latent.weight_directions(generator, 100)
    np.testing.assert_allclose(directions @ directions.T, np.eye(100), atol=1e-10)
    assert (np.diff(stretches) <= 0).all() and directions.shape == (100, 100) and stretches.shape == (100,)
    # The exact covariance for z ~ N(0, I), from what the layers do to the unit vectors.
    at_zero = before_first_relu(generator, np.zeros((1, 100), np.float32))
    matrix = before_first_relu(generator, np.eye(100, dtype=np.float32)) - at_zero
    components = directions @ matrix / stretches[:, None]
    np.testing.assert_allclose(components @ matrix.T @ matrix, stretches[:, None] ** 2 * components, atol=1e-3)
    assert np.sum(matrix**2) == pytest.approx(np.sum(stretches**2), rel=1e-4)
    if matrix.shape[1] < 500:  # by the covariance as a whole, where it is small: the cosines of the principal angles
        by_pca = np.linalg.eigh(matrix.T @ matrix)[1][:, ::-1][:, :5]
        assert np.linalg.svd(components[:5] @ by_pca, compute_uv=False).min() > 1 - 1e-6


def test_weight_directions_move_the_first_layer_by_their_stretch(generator):
    directions, stretches = latent.weight_directions(generator, 3)
    steps = np.concatenate([np.zeros((1, 100)), directions]).astype(np.float32)
    reached = before_first_relu(generator, steps)
    np.testing.assert_allclose(np.linalg.norm(reached[1:] - reached[0], axis=1), stretches, rtol=1e-4)
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    assert (largest > 0).all()


def test_weight_directions_that_cannot_be(fashion):
    for count in (0, 101, 2.5):
        with pytest.raises(ValueError, match=f"count must be a whole number from 1 to 100, got {count}"):
            latent.weight_directions(fashion, count)


# Units


def before_tanh(generator, latents):
    for layer in generator.layers[:-1]:
        latents = layer(latents)
    return np.asarray(latents)


def test_unit_images_and_the_bias_sum_to_the_image_before_tanh(generator):
    pictures = latent.unit_images(generator, Z)
    units = generator.layers[-2].kernel.shape[-1]
    assert pictures.shape == (6, units, *generator.output_shape[1:])
    image = pictures.sum(axis=1) + np.asarray(generator.layers[-2].bias)
    right = before_tanh(generator, Z)
    np.testing.assert_allclose(image, right, atol=2e-6 * np.abs(right).max())
    np.testing.assert_allclose(np.tanh(image), generator(Z, training=False), atol=2e-5)


def test_a_units_picture_is_what_the_image_loses_without_it(generator):
    last = generator.layers[-3].name
    pictures = latent.unit_images(generator, Z)
    bias = np.asarray(generator.layers[-2].bias)
    for unit in (0, pictures.shape[1] - 1):
        without = np.tanh(pictures.sum(axis=1) - pictures[:, unit] + bias)
        np.testing.assert_allclose(latent.ablate(generator, Z, last, [unit]), without, atol=2e-5)


def test_ablating_all_units_leaves_the_bias_and_none_the_image(generator):
    last = generator.layers[-3]
    images = latent.ablate(generator, Z, last.name, range(last.output.shape[-1]))
    bias = np.tanh(np.asarray(generator.layers[-2].bias))
    np.testing.assert_allclose(images, np.broadcast_to(bias, images.shape), atol=1e-6)
    for layer in ("project_relu", last.name):
        np.testing.assert_allclose(latent.ablate(generator, Z, layer, []), generator(Z, training=False), atol=1e-5)
    images = latent.ablate(generator, Z, "project_relu", [1])
    assert np.ptp(images) > 0.1 and not np.allclose(images, generator(Z, training=False), atol=1e-3)


def test_units_in_batches(fashion, monkeypatch):
    monkeypatch.setattr(latent, "BATCH", 4)
    np.testing.assert_allclose(latent.ablate(fashion, Z, "up_14_relu", []), fashion(Z, training=False), atol=1e-5)
    assert latent.unit_images(fashion, Z).shape == (6, 32, 28, 28, 1)


@pytest.mark.parametrize(
    ("latents", "layer", "units", "sentence"),
    [
        (Z, "up_28", [0], "layer must be one of project_relu, up_14_relu, got 'up_28'"),
        (Z, "up_14_relu", [32], "units must be whole numbers from 0 to 31, got [32]"),
        (Z, "up_14_relu", [-1], "units must be whole numbers from 0 to 31, got [-1]"),
        (Z, "up_14_relu", 3, "units must be whole numbers from 0 to 31, got 3"),
        (Z, "up_14_relu", [True], "units must be whole numbers"),
        (Z[:, :3], "up_14_relu", [0], "Latent vectors must have the shape (n, 100), got (6, 3)"),
        (Z * np.inf, "up_14_relu", [0], "must be finite"),
    ],
)
def test_ablations_that_cannot_be(fashion, latents, layer, units, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        latent.ablate(fashion, latents, layer, units)


def test_generators_of_another_architecture_are_named():
    dense = keras.Sequential(
        [
            keras.layers.Input((100,)),
            keras.layers.Dense(28 * 28, activation="tanh"),
            keras.layers.Reshape((28, 28, 1)),
        ]
    )
    for use in (latent.unit_images, lambda *a: latent.ablate(*a, "x", [0]), latent.weight_directions):
        with pytest.raises(ValueError, match="This generator is of another architecture"):
            use(dense, Z)
    found = latent.search(dense, whole, np.asarray(dense(Z)), steps=3)  # this needs none of the layers
    assert found.images.shape == (6, 28, 28, 1)
