"""The restorer of notebook 15 and of its benchmark: each writes its own, and both are what the texts say."""

import json

import dcgan_keras
import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, all_weights, from_benchmarks
from dcgan_keras import data, layers, losses, models

REAL = tf.random.stateless_uniform((8, 28, 28, 1), (5, 5), -1, 1)


def smaller(images):
    """Means over 4x4 pixels: (batch, 28, 28, 1) to (batch, 7, 7, 1)."""
    return tf.nn.avg_pool2d(images, 4, 4, "VALID")


@pytest.fixture(scope="module")
def benchmark():
    with from_benchmarks("super_resolution") as (script,):
        yield script


@pytest.fixture(scope="module")
def notebook():
    """What the cells of notebook 15 define that write the network and the class."""
    cells = json.loads((ROOT / "notebooks" / "15_super_resolution.ipynb").read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    scope = {"dcgan_keras": dcgan_keras, "keras": keras, "layers": layers, "models": models, "np": np, "tf": tf}
    scope |= {"SEED": 0, "measure": smaller}
    for begin in ("def build_restorer", "class Restorer"):
        (code,) = [source for source in sources if source.startswith(begin)]
        exec(code, scope)
    return scope


def of_notebook(found, weight, **options):
    networks = found["build_restorer"](filters=2, seed=1), models.build_discriminator(filters=2, seed=1)
    return found["Restorer"](*networks, weight=weight, seed=3, **options)


def of_benchmark(found, weight, **options):
    networks = found.build_restorer(7, 1, 4, filters=2, seed=1), models.build_discriminator(filters=2, seed=1)
    return found.Restorer(*networks, smaller, weight, seed=3, **options)


def compiled(gan):
    gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    return gan


@pytest.fixture(params=[of_notebook, of_benchmark])
def restorer(request):
    """Builds the one or the other, with networks of the same seed."""
    found = request.getfixturevalue(request.param.__name__.removeprefix("of_"))
    return lambda weight, **options: compiled(request.param(found, weight, **options))


@pytest.mark.parametrize("weight", [0.0, 0.25])
def test_its_step_is_the_two_gradients_written_out(restorer, weight):
    gan = restorer(weight)
    g, d = keras.models.clone_model(gan.generator), keras.models.clone_model(gan.discriminator)
    g.set_weights(gan.generator.get_weights())
    d.set_weights(gan.discriminator.get_weights())
    given = tf.concat([smaller(REAL), tf.reshape(gan.latent_vectors(8, 0), (8, 7, 7, 1))], axis=3)
    with tf.GradientTape() as tape:
        fake = g(given, training=True)
        g_loss = tf.reduce_mean((fake - REAL) ** 2)
        if weight:
            g_loss += weight * losses.generator_loss(d(fake, training=True))
    g_gradients = tape.gradient(g_loss, [v.value for v in g.trainable_variables])
    with tf.GradientTape() as tape:
        d_loss = losses.discriminator_loss(d(REAL, training=True), d(fake, training=True))
    d_gradients = tape.gradient(d_loss, [v.value for v in d.trainable_variables])

    logs = gan.train_step(REAL)
    assert float(logs["g_loss"]) == pytest.approx(float(g_loss), rel=1e-5)
    for network, start, gradients in ((gan.generator, g, g_gradients), (gan.discriminator, d, d_gradients)):
        for got, old, gradient in zip(network.trainable_variables, start.trainable_variables, gradients):
            np.testing.assert_allclose(got.numpy(), old.numpy() - 0.1 * gradient, rtol=1e-5, atol=1e-6)


def test_it_learns_evaluates_and_restores(restorer, images):
    gan = restorer(0.1, r1_gamma=0.5, augment="translation")
    batches = data.make_dataset(images, batch_size=8)
    start = all_weights(gan)
    gan.fit(batches, verbose=0)
    assert not np.array_equal(all_weights(gan), start)
    logs = gan.evaluate(batches, verbose=0, return_dict=True)
    assert logs == pytest.approx(gan.evaluate(batches, verbose=0, return_dict=True), rel=1e-4)
    restored = gan.restore(smaller(REAL))
    assert restored.shape == REAL.shape
    np.testing.assert_array_equal(restored, gan.restore(smaller(REAL).numpy()))


def test_its_noise_changes_from_step_to_step_and_what_is_seen_does_not(restorer):
    first, second = (restorer(0.1).generator_inputs(REAL, step).numpy() for step in (0, 1))
    np.testing.assert_array_equal(first[..., :1], smaller(REAL))
    np.testing.assert_array_equal(second[..., :1], smaller(REAL))
    assert not np.isclose(first[..., 1:], second[..., 1:]).any()


def test_the_notebooks_is_the_benchmarks(notebook, benchmark, images):
    made = [compiled(build(found, 0.01)) for build, found in ((of_notebook, notebook), (of_benchmark, benchmark))]
    names = [[layer.name for layer in gan.generator.layers] for gan in made]
    assert names[0] == names[1]
    np.testing.assert_array_equal(*map(all_weights, made))
    for gan in made:
        gan.fit(data.make_dataset(images, batch_size=16, seed=4), verbose=0)
    np.testing.assert_array_equal(*map(all_weights, made))
    np.testing.assert_array_equal(*(gan.restore(smaller(REAL)) for gan in made))


def test_the_network_is_the_generator_from_one_of_its_maps_on(benchmark):
    def maps(network):
        return {layer.name: layer.output.shape[1:] for layer in network.layers if layer.name.endswith("_relu")}

    generator = maps(models.build_generator(64, 3, filters=4))
    small = benchmark.build_restorer(16, 3, 4, filters=4, seed=0)
    assert maps(small) == {"read_relu": generator["up_16_relu"], "up_32_relu": generator["up_32_relu"]}
    assert benchmark.build_restorer(14, 1, 2, filters=4, seed=0).output_shape == (None, 28, 28, 1)
    # 4*4*2*32 weights that read, 4*4*32*16 and 4*4*16*1+1 that go up, 4 values a BatchNorm channel.
    count = benchmark.build_restorer(7, 1, 4, filters=16, seed=0).count_params()
    assert count == 1_024 + 8_192 + 257 + 4 * (32 + 16)
    first, again, other = (benchmark.build_restorer(7, 1, 4, 2, seed).get_weights()[0] for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert first.std() == pytest.approx(0.02, rel=0.2) and not np.isclose(first, other).any()
