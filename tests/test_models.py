import keras
import numpy as np
import pytest
import tensorflow as tf
from dcgan_keras import models
from dcgan_keras.models import build_discriminator, build_generator


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [28, 32, 64, 128])
def test_every_size_maps_latents_to_images_to_logits(size, channels):
    generator = build_generator(size, channels, latent_dim=5, filters=2, seed=0)
    discriminator = build_discriminator(size, channels, filters=2, seed=0)
    images = generator(tf.random.stateless_normal((3, 5), (0, 0)))
    assert images.shape == (3, size, size, channels)
    assert np.abs(images).max() <= 1
    assert discriminator(images).shape == (3, 1)


def test_the_28_pixel_generator_starts_from_7x7():
    assert build_generator(28).get_layer("reshape").output.shape[1:] == (7, 7, 32)


def test_the_papers_64_pixel_generator_has_its_widths():
    generator = build_generator(64, 3, filters=128, kernel_size=5)
    maps = [layer.output.shape[1:] for layer in generator.layers if layer.name.endswith("_relu")]
    assert maps == [(4, 4, 1024), (8, 8, 512), (16, 16, 256), (32, 32, 128)]


def test_parameter_counts_by_hand():
    # 100*7*7*32 projection, 4*4*32*16 and 4*4*16*1+1 transposed convolutions, 4 values a BatchNorm channel.
    assert build_generator(28).count_params() == 156_800 + 8_192 + 257 + 4 * (32 + 16)
    # 4*4*1*16+16 and 4*4*16*32 convolutions, 7*7*32+1 for the score, 4 values a BatchNorm channel.
    assert build_discriminator(28).count_params() == 272 + 8_192 + 1_569 + 4 * 32


@pytest.mark.parametrize("size", models.image_sizes())
def test_the_papers_guidelines(size):
    generator, discriminator = build_generator(size, filters=2), build_discriminator(size, filters=2)
    for network, convolution in ((generator, keras.layers.Conv2DTranspose), (discriminator, keras.layers.Conv2D)):
        convolutions = [layer for layer in network.layers if isinstance(layer, convolution)]
        assert len(convolutions) == len(models.halvings(size)) - 1
        assert all(layer.strides == (2, 2) for layer in convolutions)
        assert not any("pool" in type(layer).__name__.lower() for layer in network.layers)
    # No hidden dense layer: the projection of the latent vector and the score are the only matrix products.
    dense = [
        layer.name for n in (generator, discriminator) for layer in n.layers if isinstance(layer, keras.layers.Dense)
    ]
    assert dense == ["project", "score"]
    # BatchNorm after every weight layer but the generator's output and the discriminator's input and score.
    for network, without in ((generator, {f"up_{size}"}), (discriminator, {f"down_{size // 2}", "score"})):
        kinds = (keras.layers.Dense, keras.layers.Conv2D, keras.layers.Conv2DTranspose)
        weighted = {layer.name for layer in network.layers if isinstance(layer, kinds)}
        normed = {name for name in weighted if f"{name}_norm" in [layer.name for layer in network.layers]}
        assert weighted - normed == without
        assert {name for name in weighted if network.get_layer(name).use_bias} == without
    slopes = [layer.negative_slope for layer in discriminator.layers if isinstance(layer, keras.layers.LeakyReLU)]
    assert slopes == [pytest.approx(0.2)] * (len(models.halvings(size)) - 1)


def test_initial_weights_are_normal_with_the_papers_spread():
    network = build_discriminator(64, filters=32, seed=0)
    for layer in network.layers:
        for variable in layer.trainable_variables:
            values = variable.numpy()
            if variable.name == "kernel" and values.size > 10_000:
                assert abs(values.std() - 0.02) < 0.001 and abs(values.mean()) < 0.001
            if variable.name == "gamma":
                assert abs(values.mean() - 1) < 0.02 and 0.01 < values.std() < 0.03


def test_same_seed_same_weights_and_no_two_layers_alike():
    def flat(network):
        return np.concatenate([w.ravel() for w in network.get_weights()])

    np.testing.assert_array_equal(flat(build_generator(seed=3)), flat(build_generator(seed=3)))
    assert not np.array_equal(flat(build_generator(seed=3)), flat(build_generator(seed=4)))
    assert not np.array_equal(flat(build_generator()), flat(build_generator()))
    kernels = [
        layer.kernel.numpy().ravel()[:100] for layer in build_generator(seed=3).layers if hasattr(layer, "kernel")
    ]
    assert not any(np.array_equal(a, b) for n, a in enumerate(kernels) for b in kernels[:n])


def test_batch_normalization_trains_and_infers_like_keras():
    x = tf.random.stateless_normal((16, 6, 6, 3), (1, 2)) * 3 + 1
    ours, theirs = models.BatchNormalization(epsilon=1e-3), keras.layers.BatchNormalization(epsilon=1e-3)
    np.testing.assert_allclose(ours(x, training=True), theirs(x, training=True), atol=1e-5)
    np.testing.assert_allclose(ours.moving_mean, theirs.moving_mean, atol=1e-6)
    n = 16 * 6 * 6
    kept = 0.99  # of the initial variance 1, the rest from the batch, unbiased
    unbiased = kept + (np.asarray(theirs.moving_variance) - kept) * n / (n - 1)
    np.testing.assert_allclose(ours.moving_variance, unbiased, rtol=1e-5)
    theirs.moving_variance.assign(ours.moving_variance)
    np.testing.assert_allclose(ours(x), theirs(x), atol=1e-5)


def test_batch_normalization_has_the_gradients_of_keras():
    x = tf.random.stateless_normal((16, 6, 6, 3), (1, 2)) * 3 + 1
    gradients = []
    for layer in (models.BatchNormalization(epsilon=1e-3), keras.layers.BatchNormalization(epsilon=1e-3)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tf.reduce_sum(tf.sin(layer(x, training=True)))
        gradients.append(tape.gradient(value, [x, layer.gamma.value, layer.beta.value]))
    for ours, theirs in zip(*gradients):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("build", [build_generator, build_discriminator])
def test_keras_file_round_trip_in_safe_mode(build, tmp_path):
    network = build(28, filters=2, seed=0)
    network.save(tmp_path / "network.keras")
    again = keras.models.load_model(tmp_path / "network.keras", safe_mode=True)
    x = tf.random.stateless_normal((2, *network.input_shape[1:]), (0, 1))
    np.testing.assert_array_equal(network(x), again(x))
    assert [layer.name for layer in again.layers] == [layer.name for layer in network.layers]


@pytest.mark.parametrize("size", [0, 1, 16, 27, 30, 96.5, 256, "28"])
def test_unbuildable_sizes_are_refused_with_the_list_of_those_that_work(size):
    with pytest.raises(ValueError, match="must be one of 28, 32, .*128"):
        build_generator(size)
    with pytest.raises(ValueError, match="must be one of 28, 32, .*128"):
        build_discriminator(size)


@pytest.mark.parametrize(
    "wrong", [{"channels": 2}, {"filters": 0}, {"kernel_size": 1}, {"latent_dim": -1}, {"filters": 1.5}]
)
def test_bad_widths_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        build_generator(28, **wrong)


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
    ours, kerass = (getattr(module, kind)(filters, 4, 2, padding="same") for module in (models, keras.layers))
    for layer in (ours, kerass):
        layer.build(inputs.shape)
    kerass.set_weights([np.random.default_rng(2).normal(size=weight.shape) for weight in kerass.get_weights()])
    ours.set_weights(kerass.get_weights())
    for mine, theirs in zip(derivatives(ours, inputs, upstream), derivatives(kerass, inputs, upstream), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())


@pytest.mark.parametrize(("size", "kernel", "stride"), [(7, 4, 2), (8, 5, 2), (8, 4, 1)])
def test_what_the_image_convolutions_are_not_made_for_is_left_to_keras(size, kernel, stride):
    images = tf.random.stateless_normal((2, size, size, 1), (0, 0))
    for kind in ("Conv2D", "Conv2DTranspose"):
        ours, kerass = (getattr(m, kind)(1, kernel, stride, padding="same") for m in (models, keras.layers))
        ours.build(images.shape)
        kerass.build(images.shape)
        ours.set_weights(kerass.get_weights())
        np.testing.assert_allclose(ours(images), kerass(images), atol=1e-6)
