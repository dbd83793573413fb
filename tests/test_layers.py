"""The faster layers are Keras's: in the case they were made for, and with every other setting."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from dcgan_keras import layers, models


def pair(kind, *arguments, **options):
    """A layer of ours and Keras's own, with equal settings."""
    return getattr(layers, f"Fast{kind}")(*arguments, **options), getattr(keras.layers, kind)(*arguments, **options)


def test_batch_normalization_trains_and_infers_like_keras():
    x = tf.random.stateless_normal((16, 6, 6, 3), (1, 2)) * 3 + 1
    ours, theirs = layers.FastBatchNormalization(epsilon=1e-3), keras.layers.BatchNormalization(epsilon=1e-3)
    np.testing.assert_allclose(ours(x, training=True), theirs(x, training=True), atol=1e-5)
    np.testing.assert_allclose(ours.moving_mean, theirs.moving_mean, atol=1e-6)
    n = 16 * 6 * 6
    kept = 0.99  # of the initial variance 1, the rest from the batch, unbiased
    unbiased = kept + (np.asarray(theirs.moving_variance) - kept) * n / (n - 1)
    np.testing.assert_allclose(ours.moving_variance, unbiased, rtol=1e-5)
    theirs.moving_variance.assign(ours.moving_variance)
    np.testing.assert_allclose(ours(x), theirs(x), atol=1e-5)


@pytest.mark.parametrize("shape", [(16, 6, 6, 3), (16, 3)])
def test_batch_normalization_has_the_gradients_of_keras(shape):
    x = tf.random.stateless_normal(shape, (1, 2)) * 3 + 1
    gradients = []
    for layer in (layers.FastBatchNormalization(epsilon=1e-3), keras.layers.BatchNormalization(epsilon=1e-3)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tf.reduce_sum(tf.sin(layer(x, training=True)))
        gradients.append(tape.gradient(value, [x, layer.gamma.value, layer.beta.value]))
    for ours, theirs in zip(*gradients):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((8, 6, 6, 6), {"axis": 1}),
        ((8, 6, 6, 6), {"axis": 2}),
        ((8, 6, 6, 3), {"axis": 3}),
        ((8, 6, 6, 3), {"scale": False}),
        ((8, 6, 6, 3), {"center": False}),
        ((8, 6, 6, 3), {"dtype": "float64"}),
        ((8, 6, 6, 3), {"dtype": "mixed_bfloat16"}),
        ((8, 6, 6, 3), {"trainable": False}),
        ((8, 5), {}),
        ((8, 5), {"axis": 1}),
        ((4, 3, 3, 3, 2), {}),
    ],
)
def test_batch_normalization_with_other_settings_is_kerass(shape, options):
    x = tf.random.stateless_normal(shape, (3, 4)) * 2 + 1
    ours, theirs = pair("BatchNormalization", epsilon=1e-3, **options)
    rough = 0.05 if "bfloat16" in options.get("dtype", "") else 1e-4
    got, wanted = (np.asarray(tf.cast(layer(x, training=True), tf.float32)) for layer in (ours, theirs))
    np.testing.assert_allclose(got, wanted, atol=rough)
    np.testing.assert_allclose(ours.moving_mean, theirs.moving_mean, atol=rough)
    np.testing.assert_allclose(ours.moving_variance, theirs.moving_variance, atol=0.02)  # unbiased or not


def test_a_mask_is_kerass_too():
    x, mask = tf.random.stateless_normal((8, 6, 6, 3), (3, 4)), tf.random.stateless_uniform((8, 6, 6), (0, 1)) > 0.5
    ours, theirs = pair("BatchNormalization")
    np.testing.assert_allclose(ours(x, training=True, mask=mask), theirs(x, training=True, mask=mask), atol=1e-5)


def derivatives(layer, inputs, upstream):
    """Outputs, first derivatives to inputs and weights, and a second one, as R1 takes: of a slope to the kernel."""
    with tf.GradientTape() as outer:
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(inputs)
            outputs = layer(inputs)
            total = tf.reduce_sum(tf.sin(outputs) * upstream)
        slope = tape.gradient(total, inputs)
        length = tf.reduce_sum(slope**2)
    first = tape.gradient(total, [variable.value for variable in layer.trainable_variables])
    return [outputs, slope, *first, outer.gradient(length, layer.kernel.value)]


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("way", ["to the image", "from the image"])
def test_convolutions_at_the_image_are_kerass(channels, way):
    if way == "to the image":
        kind, filters, inputs, outputs = "Conv2DTranspose", channels, (2, 6, 8, 7), (2, 12, 16, channels)
    else:
        kind, filters, inputs, outputs = "Conv2D", 7, (2, 12, 16, channels), (2, 6, 8, 7)
    inputs, upstream = (tf.random.stateless_normal(shape, (1, n)) for n, shape in enumerate((inputs, outputs)))
    ours, kerass = pair(kind, filters, 4, 2, padding="same")
    for layer in (ours, kerass):
        layer.build(inputs.shape)
    kerass.set_weights([np.random.default_rng(2).normal(size=weight.shape) for weight in kerass.get_weights()])
    ours.set_weights(kerass.get_weights())
    for mine, theirs in zip(derivatives(ours, inputs, upstream), derivatives(kerass, inputs, upstream), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "options"),
    [
        (7, 4, 2, {}),
        (8, 5, 2, {}),
        (8, 4, 1, {}),
        (8, 4, 2, {"padding": "valid"}),
        (8, 4, 2, {"activation": "tanh"}),
        (8, 4, 2, {"use_bias": False}),
        (8, 4, 1, {"dilation_rate": 2}),
        (8, 4, 2, {"dtype": "float64"}),
        (8, 4, 2, {"dtype": "mixed_bfloat16"}),
        (8, 4, 2, {"groups": 3}),
        (7, 4, 2, {"output_padding": 1}),
    ],
)
def test_convolutions_with_other_settings_are_kerass(size, kernel, stride, options):
    images = tf.random.stateless_normal((2, size, size, 3), (0, 0))
    for kind, other in (("Conv2D", "output_padding"), ("Conv2DTranspose", "groups")):
        if other in options:
            continue
        ours, kerass = pair(kind, 3, kernel, stride, **{"padding": "same", **options})
        ours.build(images.shape)
        kerass.build(images.shape)
        ours.set_weights(kerass.get_weights())
        try:
            wanted = tf.cast(kerass(images), tf.float32)
        except tf.errors.InvalidArgumentError:  # dilation, on a processor without AVX-512: TensorFlow has no kernel
            with pytest.raises(tf.errors.InvalidArgumentError, match="dilation"):
                ours(images)
            continue
        got = tf.cast(ours(images), tf.float32)
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, atol=0.05 if "bfloat16" in options.get("dtype", "") else 1e-5)
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(ours(images))
        assert tape.gradient(value, ours.kernel.value) is not None


def test_weights_go_from_ours_to_kerass_and_back(tmp_path):
    """Files do not tell which of the two they come from."""
    fast = models.build_generator(28, filters=3, seed=0)
    plain = models.plain(fast)
    assert [type(layer).__name__ for layer in fast.layers] == [type(layer).__name__ for layer in plain.layers]
    fast.save_weights(tmp_path / "a.weights.h5")
    plain.load_weights(tmp_path / "a.weights.h5")
    other = models.build_generator(28, filters=3, seed=1)
    plain.save_weights(tmp_path / "b.weights.h5")
    other.load_weights(tmp_path / "b.weights.h5")
    for mine, theirs in zip(other.get_weights(), fast.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


# Spectral normalisation


def spectral(kind, *arguments, shape, **options):
    layer = kind(*arguments, kernel_initializer=keras.initializers.RandomNormal(seed=1), **options)
    layer.build((None, *shape))
    return layer


CASES = [
    pytest.param(lambda: spectral(layers.SpectralDense, 5, shape=(7,)), (7,), id="dense"),
    pytest.param(
        lambda: spectral(layers.SpectralConv2D, 6, 4, 2, padding="same", shape=(8, 8, 3)), (8, 8, 3), id="convolution"
    ),
]


def largest(layer):
    kernel = keras.ops.convert_to_numpy(layer.kernel)
    return np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0]


@pytest.mark.parametrize(("make", "shape"), CASES)
def test_a_spectral_layer_divides_by_the_largest_singular_value(make, shape):
    layer = make()
    inputs = tf.random.stateless_normal((4, *shape), (0, 0))
    for _ in range(200):
        found = layer(inputs, training=True)
    parents = {layers.SpectralDense: keras.layers.Dense, layers.SpectralConv2D: keras.layers.Conv2D}
    plain = parents[type(layer)].from_config(layer.get_config())
    plain.build(inputs.shape)
    plain.set_weights([keras.ops.convert_to_numpy(layer.kernel) / largest(layer), np.full(plain.bias.shape, 0.0)])
    np.testing.assert_allclose(found, plain(inputs), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer(inputs, training=False), found, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_the_iteration_is_in_float32_whatever_the_layer_computes_in(policy):
    layer = spectral(layers.SpectralDense, 20, shape=(50,), dtype=policy)
    inputs = tf.random.stateless_normal((64, 50), (0, 0))
    for _ in range(200):
        found = layer(inputs, training=True)
    assert found.dtype == layer.compute_dtype and layer.kernel.dtype == layer.right.dtype == "float32"
    kernel, right = (keras.ops.convert_to_numpy(each) for each in (layer.kernel, layer.right))
    assert np.linalg.norm(kernel @ right) / np.linalg.norm(right) == pytest.approx(largest(layer), rel=1e-4)
    # Rounding of single outputs cancels in their sum; that of what all are divided by would not.
    found, wanted = np.asarray(tf.cast(found, tf.float32)), inputs.numpy() @ kernel / largest(layer)
    assert np.sum(found * wanted) / np.sum(wanted**2) == pytest.approx(1, abs=3e-3)


@pytest.mark.parametrize(("make", "shape"), CASES)
def test_the_iteration_advances_in_training_alone(make, shape):
    layer = make()
    inputs = tf.ones((2, *shape))
    before = keras.ops.convert_to_numpy(layer.right)
    layer(inputs, training=False)
    np.testing.assert_array_equal(layer.right, before)
    layer(inputs, training=True)
    assert np.abs(keras.ops.convert_to_numpy(layer.right) - before).max() > 1e-3
    assert len(layer.trainable_variables) == 2 and len(layer.non_trainable_variables) == 1


def test_the_gradient_knows_of_the_division():
    """Along the kernel itself nothing changes, whatever its size: a projection after the step would see a change."""
    layer = spectral(layers.SpectralDense, 5, shape=(7,))
    inputs = tf.random.stateless_normal((4, 7), (0, 0))
    for _ in range(200):
        layer(inputs, training=True)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(inputs, training=False) ** 2)
    gradient = keras.ops.convert_to_numpy(tape.gradient(total, layer.kernel.value))
    along = np.sum(gradient * keras.ops.convert_to_numpy(layer.kernel))
    assert np.abs(gradient).max() > 0.1 and abs(along) < 1e-3
