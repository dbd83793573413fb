import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from dcgan_keras import layers, models
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


@pytest.mark.parametrize("normalization", models._NORMALIZATIONS)
def test_a_hidden_layer_stands_between_the_last_map_and_the_logit(normalization):
    network = build_discriminator(filters=2, hidden=5, normalization=normalization, seed=0)
    names = [layer.name for layer in network.layers]
    normed = ["hidden_norm"] * (normalization == "batch")
    assert names[names.index("flatten") :] == ["flatten", "hidden", *normed, "hidden_leaky", "score", "logit"]
    assert network.get_layer("hidden").use_bias == (not normed) and network.get_layer("score").kernel.shape == (5, 1)
    assert type(network.get_layer("hidden")) is type(network.get_layer("score"))
    # All before it starts as without it: to add a layer changes no other.
    plain = build_discriminator(filters=2, normalization=normalization, seed=0)
    np.testing.assert_array_equal(network.get_layer("down_7").kernel, plain.get_layer("down_7").kernel)


def test_what_a_hidden_layer_costs():
    # 7*7*32 numbers to 64 units, 4 values a unit for BatchNorm, 64+1 for the score in place of 7*7*32+1.
    more = build_discriminator(hidden=64).count_params() - build_discriminator().count_params()
    assert more == 1_568 * 64 + 4 * 64 + 65 - 1_569


@pytest.mark.parametrize("wrong", [-1, 2.5, "many"])
def test_a_hidden_layer_that_cannot_be(wrong):
    with pytest.raises(ValueError, match="hidden must be 0 for no such layer, or a whole number of units"):
        build_discriminator(hidden=wrong)


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


@pytest.mark.parametrize("build", [build_generator, build_discriminator])
def test_keras_file_round_trip_in_safe_mode(build, tmp_path):
    network = build(28, filters=2, seed=0)
    network.save(tmp_path / "network.keras")
    again = keras.models.load_model(tmp_path / "network.keras", safe_mode=True)
    x = tf.random.stateless_normal((2, *network.input_shape[1:]), (0, 1))
    np.testing.assert_array_equal(network(x), again(x))
    assert [layer.name for layer in again.layers] == [layer.name for layer in network.layers]


def fast_layers(network):
    return [layer for layer in network.layers if type(layer) in layers.PARENTS]


@pytest.mark.parametrize("build", [build_generator, build_discriminator])
def test_a_saved_network_draws_the_same(build, tmp_path):
    network = build(28, filters=3, seed=0)
    network.trainable = False
    models.save(network, tmp_path / "network.keras")
    again = keras.models.load_model(tmp_path / "network.keras")
    x = tf.random.stateless_normal((2, *network.input_shape[1:]), (0, 1))
    np.testing.assert_allclose(network(x), again(x), atol=1e-6)
    assert fast_layers(network) and not fast_layers(again) and again.trainable


def test_a_saved_network_is_loaded_by_keras_alone(tmp_path):
    """In a process that never imports the package."""
    paths = tmp_path / "generator.keras", tmp_path / "discriminator.keras"
    for build, path in zip((build_generator, build_discriminator), paths):
        models.save(build(28, filters=3, seed=0), path)
    code = "import sys, keras\nfor path in sys.argv[1:]: print([type(l) for l in keras.models.load_model(path).layers])"
    result = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
    assert "dcgan" not in result.stdout and result.stdout.count("keras.src.layers") > 10


def test_a_network_that_is_a_class_of_its_own_is_left_as_it_is():
    class Mine(keras.Model):
        def call(self, x):
            return x

    network = Mine()
    assert models.plain(network) is network


@pytest.mark.parametrize("name", ["generator.h5", "generator.keras", "lambda.keras", "discriminator.keras"])
def test_only_a_saved_generator_is_loaded(name, tmp_path):
    path = tmp_path / name
    if name == "generator.keras":
        path.write_bytes(b"PK\x03\x04 no zip")
    elif name == "lambda.keras":
        keras.Sequential([keras.layers.Input((4,)), keras.layers.Lambda(lambda x: x)]).save(path)
    elif name == "discriminator.keras":
        models.save(build_discriminator(28, filters=2), path)
    else:  # a good one, in the format that may hold code
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            models.plain(build_generator(28, filters=2)).save(path)
    with pytest.raises(ValueError, match=f"{name} is not a saved generator") as caught:
        models.load_generator(path)
    assert "\n" not in str(caught.value)


def test_channels_first_in_the_users_settings_changes_nothing():
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        generator, discriminator = build_generator(28, filters=2, seed=0), build_discriminator(28, filters=2, seed=0)
    finally:
        keras.config.set_image_data_format(before)
    z = tf.random.stateless_normal((3, 100), (0, 0))
    np.testing.assert_array_equal(generator(z), build_generator(28, filters=2, seed=0)(z))
    images = generator(z)
    np.testing.assert_array_equal(discriminator(images), build_discriminator(28, filters=2, seed=0)(images))


def test_batch_norm_is_the_papers():
    norm = models.batch_norm("norm", lambda mean: keras.initializers.RandomNormal(mean, 0.02, seed=0))
    assert (norm.momentum, norm.epsilon, norm.gamma_initializer.mean) == (0.9, 1e-5, 1.0)


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


@pytest.mark.parametrize("normalization", models._NORMALIZATIONS)
@pytest.mark.parametrize("pack", [1, 3])
def test_a_discriminator_of_packs_and_other_normalizations(pack, normalization):
    network = build_discriminator(32, 3, filters=4, pack=pack, normalization=normalization, seed=0)
    assert network.input_shape == (None, 32, 32, 3 * pack) and network.output_shape == (None, 1)
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(norms) == (2 if normalization == "batch" else 0)
    # What is subtracted again has no bias: a layer before BatchNorm, and none else.
    biases = [layer.use_bias for layer in network.layers if hasattr(layer, "use_bias")]
    assert biases == ([True, False, False, True] if normalization == "batch" else [True] * 4)


def test_unknown_normalizations_and_packs_are_named():
    with pytest.raises(ValueError, match="normalization must be one of batch, spectral, none, got 'layer'"):
        build_discriminator(normalization="layer")
    with pytest.raises(ValueError, match="pack must be a whole number of 1 or more"):
        build_discriminator(pack=0)


# Classes


def test_networks_that_are_told_classes():
    generator = build_generator(latent_dim=5, filters=2, classes=3, seed=0)
    discriminator = build_discriminator(filters=2, classes=3, seed=0)
    assert [models.classes(network) for network in (generator, discriminator, build_generator(filters=2))] == [3, 3, 0]
    assert models.latent_dim(generator) == 5
    # A class is three more numbers of the vector, and its fit one more vector as long as the last map.
    assert generator.get_layer("project").kernel.shape[0] == 5 + 3
    assert discriminator.get_layer("of_class").kernel.shape == (3, discriminator.get_layer("score").kernel.shape[0])


def test_the_logit_of_a_class_is_the_score_and_the_inner_product_with_its_vector():
    """Written out from the last map (projection, arXiv 1802.05637)."""
    discriminator = build_discriminator(filters=2, classes=3, seed=0)
    images = tf.random.stateless_uniform((4, 28, 28, 1), (1, 2), -1, 1)
    labels = np.array([2, 0, 1, 1])
    features = keras.Model(discriminator.inputs[0], discriminator.get_layer("flatten").output)(images).numpy()
    score = discriminator.get_layer("score")
    by_hand = features @ score.kernel.numpy() + score.bias.numpy()
    by_hand[:, 0] += np.sum(features * discriminator.get_layer("of_class").kernel.numpy()[labels], axis=1)
    found = discriminator(models.with_labels(discriminator, images, labels))
    np.testing.assert_allclose(found, by_hand, atol=1e-6)


def test_labels_come_in_turn_by_number_or_mixed():
    generator = build_generator(latent_dim=4, filters=2, classes=3, seed=0)
    vectors = tf.random.stateless_normal((4, 4), (0, 0))
    in_turn, zero = models.draw(generator, vectors), models.draw(generator, vectors, [0] * 4)
    np.testing.assert_array_equal(in_turn, models.draw(generator, vectors, np.eye(3, dtype="float32")[[0, 1, 2, 0]]))
    np.testing.assert_array_equal(in_turn[::3], zero[::3])
    assert not np.allclose(in_turn[1], zero[1])
    plain = build_generator(latent_dim=4, filters=2)
    assert models.with_labels(plain, vectors, [0] * 4) is vectors


def test_a_told_generator_is_saved_and_opened(tmp_path):
    generator = build_generator(latent_dim=4, filters=2, classes=3, seed=0)
    models.save(generator, tmp_path / "g.keras")
    again = models.load_generator(tmp_path / "g.keras")
    vectors = tf.random.stateless_normal((4, 4), (0, 0))
    assert models.classes(again) == 3 and all(type(layer).__module__.startswith("keras") for layer in again.layers)
    np.testing.assert_allclose(models.draw(again, vectors), models.draw(generator, vectors), atol=1e-6)


@pytest.mark.parametrize("build", [build_generator, build_discriminator])
@pytest.mark.parametrize("wrong", [1, -3, 2.5, "many"])
def test_a_number_of_classes_that_cannot_be(build, wrong):
    with pytest.raises(ValueError, match="classes must be 0 for none, or 2 or more"):
        build(filters=2, classes=wrong)


def test_packs_of_classes_are_refused():
    with pytest.raises(ValueError, match="reads one image at a time, got pack=2"):
        build_discriminator(filters=2, classes=3, pack=2)


# Kinds that a generator chooses itself

SHARES = [0.5, 0.2, 0.0, 0.3]


def test_a_generator_chooses_kinds_by_chance_as_often_as_it_should():
    generator = build_generator(latent_dim=5, filters=2, clusters=SHARES, seed=0)
    assert (models.clusters(generator), models.classes(generator), models.latent_dim(generator)) == (4, 0, 5)
    assert models.clusters(build_generator(filters=2)) == 0
    kinds = models.shown(generator, tf.random.stateless_normal((20_000, 5), (0, 1))).numpy()
    assert set(np.unique(kinds)) == {0.0, 1.0} and (kinds.sum(axis=1) == 1).all()
    np.testing.assert_allclose(kinds.mean(axis=0), SHARES, atol=0.01)
    assert kinds[:, 2].sum() == 0


def test_the_kind_hangs_on_the_first_number_alone():
    generator = build_generator(latent_dim=3, filters=2, clusters=[1, 1, 2], seed=0)
    # A quarter of N(0, 1) lies below -0.674, half of it below 0.
    firsts, kinds = [-5, -0.7, -0.6, -0.1, 0.1, 5], [0, 0, 1, 1, 2, 2]
    vectors = np.array([[first, *rest] for first, rest in zip(firsts, np.random.default_rng(0).normal(size=(6, 2)))])
    np.testing.assert_array_equal(models.shown(generator, vectors), np.eye(3)[kinds])


def test_it_draws_as_one_that_is_told_the_kind():
    chooses = build_generator(latent_dim=4, filters=2, clusters=[1, 1, 1], seed=0)
    told = build_generator(latent_dim=4, filters=2, classes=3, seed=0)
    vectors = tf.random.stateless_normal((9, 4), (0, 0))
    np.testing.assert_allclose(chooses(vectors), told([vectors, models.shown(chooses, vectors)]), atol=1e-6)
    labels = np.arange(9) % 3
    assert models.shown(told, vectors, labels) is labels


def test_the_choice_is_not_trained_and_survives_a_file(tmp_path):
    generator = build_generator(latent_dim=4, filters=2, clusters=SHARES, seed=0)
    trained = sum(int(np.prod(variable.shape)) for variable in generator.trainable_variables)
    told = build_generator(latent_dim=4, filters=2, classes=4, seed=0)
    assert trained == sum(int(np.prod(variable.shape)) for variable in told.trainable_variables)
    models.save(generator, tmp_path / "g.keras")
    again = models.load_generator(tmp_path / "g.keras")
    vectors = tf.random.stateless_normal((50, 4), (0, 0))
    np.testing.assert_allclose(again(vectors), generator(vectors), atol=1e-6)
    np.testing.assert_array_equal(models.shown(again, vectors), models.shown(generator, vectors))
    assert all(type(layer).__module__.startswith("keras") for layer in again.layers)
    assert len(again.trainable_variables) == len(generator.trainable_variables)


@pytest.mark.parametrize("wrong", [[1.0], [0, 0], [1, -1, 1], [1, float("nan")]])
def test_shares_that_cannot_be(wrong):
    with pytest.raises(ValueError, match="clusters must be two shares or more, none below 0 and not all 0, got"):
        build_generator(filters=2, clusters=wrong)


def test_told_and_choosing_are_not_both():
    with pytest.raises(ValueError, match="A generator is told classes or chooses clusters, not both."):
        build_generator(filters=2, classes=3, clusters=[1, 1])
