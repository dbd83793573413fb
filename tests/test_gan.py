import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import TINY, all_weights
from dcgan_keras import data, losses, models, runs
from dcgan_keras.gan import DCGAN

REAL = tf.random.stateless_uniform((8, 28, 28, 1), (5, 5), -1, 1)


def tiny(**changes) -> DCGAN:
    return runs.build(dataclasses.replace(TINY, **changes), seed=1)


def values(variables):
    return [variable.numpy().copy() for variable in variables]


def moved(before, variables):
    return [not np.array_equal(old, new.numpy()) for old, new in zip(before, variables)]


def test_one_step_moves_every_trainable_variable_of_both_networks():
    gan = tiny()
    before_g, before_d = values(gan.generator.trainable_variables), values(gan.discriminator.trainable_variables)
    gan.train_step(REAL)
    assert all(moved(before_g, gan.generator.trainable_variables))
    assert all(moved(before_d, gan.discriminator.trainable_variables))


def test_each_loss_moves_its_own_network_alone():
    for silent, still, free in (("g", "generator", "discriminator"), ("d", "discriminator", "generator")):
        gan = tiny()
        setattr(gan, f"{silent}_optimizer", keras.optimizers.SGD(0.0))
        before_still = values(getattr(gan, still).trainable_variables)
        before_free = values(getattr(gan, free).trainable_variables)
        gan.train_step(REAL)
        assert not any(moved(before_still, getattr(gan, still).trainable_variables))
        assert all(moved(before_free, getattr(gan, free).trainable_variables))


@pytest.mark.parametrize("loss", losses.LOSSES)
def test_the_step_is_the_two_gradients_written_out(loss):
    """One step with plain SGD against gradients taken by hand, separately, on clones of the networks."""
    gan, rate = tiny(loss=loss, r1_gamma=0.5), 0.1
    gan.compile(keras.optimizers.SGD(rate), keras.optimizers.SGD(rate))
    g, d = keras.models.clone_model(gan.generator), keras.models.clone_model(gan.discriminator)
    g.set_weights(gan.generator.get_weights())
    d.set_weights(gan.discriminator.get_weights())
    latents, pair = gan.latent_vectors(8, 0), losses.get(loss)
    with tf.GradientTape() as tape:
        with tf.GradientTape() as inner:
            inner.watch(REAL)
            real_logits = d(REAL, training=True)
        penalty = losses.r1_penalty(inner.gradient(real_logits, REAL))
        value = pair.discriminator(real_logits, d(g(latents, training=True), training=True)) + 0.5 * penalty
    d_gradients = tape.gradient(value, [v.value for v in d.trainable_variables])
    with tf.GradientTape() as tape:
        value = pair.generator(d(g(latents, training=True), training=True))
    g_gradients = tape.gradient(value, [v.value for v in g.trainable_variables])

    gan.train_step(REAL)
    for network, start, gradients in ((gan.generator, g, g_gradients), (gan.discriminator, d, d_gradients)):
        for got, old, gradient in zip(network.trainable_variables, start.trainable_variables, gradients):
            np.testing.assert_allclose(got.numpy(), old.numpy() - rate * gradient, rtol=1e-5, atol=1e-6)


def keras_twin(network):
    """The same network with Keras's own BatchNormalization in place of the fused one."""

    def clone(layer):
        kind = keras.layers.BatchNormalization if isinstance(layer, models.BatchNormalization) else type(layer)
        return kind.from_config(layer.get_config())

    twin = keras.models.clone_model(network, clone_function=clone)
    twin.set_weights(network.get_weights())
    return twin


@pytest.mark.parametrize(("optimizer", "rate"), [("SGD", 0.1), ("Adam", 5e-4)])
def test_the_fast_step_trains_to_the_weights_of_the_plain_one(optimizer, rate, images):
    """Six steps by `fit` against six of Keras's own layers, each loss with forward passes and a tape of its own.

    The weights may differ by float32 rounding alone: by less than 1/10,000 of the way they have gone.
    """
    make = getattr(keras.optimizers, optimizer)
    gan = tiny()
    gan.compile(make(rate), make(rate))
    g, d, g_optimizer, d_optimizer = keras_twin(gan.generator), keras_twin(gan.discriminator), make(rate), make(rate)
    for step, real in enumerate(data.make_dataset(images, batch_size=8).take(6)):
        latents = gan.latent_vectors(8, step)
        with tf.GradientTape() as tape:
            fake_logits = d(g(latents, training=True), training=True)
            d_loss = losses.discriminator_loss(d(real, training=True), fake_logits)
        d_gradients = tape.gradient(d_loss, [v.value for v in d.trainable_variables])
        with tf.GradientTape() as tape:
            g_loss = losses.generator_loss(d(g(latents, training=True), training=True))
        g_gradients = tape.gradient(g_loss, [v.value for v in g.trainable_variables])
        d_optimizer.apply(d_gradients, d.trainable_variables)
        g_optimizer.apply(g_gradients, g.trainable_variables)
    start = [values(network.trainable_variables) for network in (gan.generator, gan.discriminator)]
    gan.fit(data.make_dataset(images, batch_size=8).take(6), verbose=0, shuffle=False)
    for fast, plain, before in zip((gan.generator, gan.discriminator), (g, d), start):
        got, expected, old = (
            np.concatenate([value.ravel() for value in group])
            for group in (values(fast.trainable_variables), values(plain.trainable_variables), before)
        )
        assert np.linalg.norm(got - expected) < 1e-4 * np.linalg.norm(expected - old)


def test_batch_norm_trains_in_both_networks():
    gan = tiny()
    networks = (gan.generator, gan.discriminator)
    norms = [layer for n in networks for layer in n.layers if isinstance(layer, models.BatchNormalization)]
    before = values([norm.moving_mean for norm in norms])
    gan.train_step(REAL)
    assert len(norms) == 3 and all(moved(before, [norm.moving_mean for norm in norms]))


def test_dropout_of_a_custom_discriminator_is_active_in_the_step():
    """`training=True` reaches the networks: with everything dropped the logits are the bias, 0, so D(x) = 0.5."""
    seen = []

    class Spy(keras.layers.Layer):
        def call(self, x, training=None):
            seen.append(training)
            return x

    discriminator = keras.Sequential(
        [keras.layers.Input((28, 28, 1)), Spy(), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    gan = DCGAN(models.build_generator(filters=2, latent_dim=4), discriminator)
    gan.compile(keras.optimizers.Adam(), keras.optimizers.Adam())
    seen.clear()
    gan.train_step(REAL)
    assert seen == [True, True]


def test_metrics_are_means_over_the_epoch():
    gan = tiny()
    first = {name: float(value) for name, value in gan.train_step(REAL).items()}
    gan.reset_metrics()
    second_alone = {name: float(value) for name, value in tiny_second_step().items()}
    both = tiny()
    both.train_step(REAL)
    mean = both.train_step(REAL)
    assert set(mean) == {"g_loss", "d_loss", "d_real", "d_fake"}
    for name, value in mean.items():
        assert float(value) == pytest.approx((first[name] + second_alone[name]) / 2, rel=1e-5)


def tiny_second_step():
    gan = tiny()
    gan.train_step(REAL)
    gan.reset_metrics()
    return gan.train_step(REAL)


def test_metrics_say_what_the_discriminator_says():
    gan = tiny()
    clone = keras.models.clone_model(gan.discriminator)
    clone.set_weights(gan.discriminator.get_weights())
    expected = tf.reduce_mean(tf.sigmoid(clone(REAL, training=True)))
    assert float(gan.train_step(REAL)["d_real"]) == pytest.approx(float(expected), rel=1e-5)


def test_moving_average_follows_its_formula_and_makes_the_pictures():
    gan = tiny(ema_decay=0.5)
    average = values(gan.ema_generator.variables)
    for step in range(12):
        gan.train_step(REAL)
        decay = min(0.5, (1 + step) / (10 + step))
        average = [decay * old + (1 - decay) * new.numpy() for old, new in zip(average, gan.generator.variables)]
    for got, expected in zip(gan.ema_generator.variables, average):
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-5, atol=1e-6)
    latents = gan.latent_vectors(3, 0)
    np.testing.assert_array_equal(gan(latents), gan.ema_generator(latents, training=False))
    assert not np.array_equal(gan(latents), gan.generator(latents, training=False))


def test_without_averaging_the_average_is_the_generator():
    gan = tiny(ema_decay=0.0)
    gan.train_step(REAL)
    for average, variable in zip(gan.ema_generator.variables, gan.generator.variables):
        np.testing.assert_array_equal(average, variable)


def test_latents_are_a_function_of_seed_and_step():
    gan, same, other = tiny(), tiny(), runs.build(TINY, seed=2)
    np.testing.assert_array_equal(gan.latent_vectors(5, 7), same.latent_vectors(5, tf.constant(7)))
    assert not np.array_equal(gan.latent_vectors(5, 7), gan.latent_vectors(5, 8))
    assert not np.array_equal(gan.latent_vectors(5, 7), other.latent_vectors(5, 7))
    many = gan.latent_vectors(50_000, 0).numpy()
    assert abs(many.mean()) < 0.01 and abs(many.std() - 1) < 0.01


def test_same_seed_twice_gives_the_same_bits(images):
    weights = []
    for _ in range(2):
        gan = tiny()
        gan.fit(data.make_dataset(images, batch_size=8, epochs=2), verbose=0, shuffle=False)
        weights.append(all_weights(gan))
    np.testing.assert_array_equal(*weights)


def test_keras_file_round_trip(tmp_path):
    gan = tiny(loss="hinge", r1_gamma=0.25)
    gan.train_step(REAL)
    gan.save(tmp_path / "gan.keras")
    again = keras.models.load_model(tmp_path / "gan.keras", compile=False)
    assert (again.loss_name, again.r1_gamma, again.seed, int(again.step)) == ("hinge", 0.25, 1, 1)
    latents = gan.latent_vectors(3, 0)
    np.testing.assert_array_equal(gan(latents), again(latents))


def test_networks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"\(28, 28, 1\).*\(32, 32, 1\)"):
        DCGAN(models.build_generator(28, filters=2), models.build_discriminator(32, filters=2))


@pytest.mark.parametrize(
    "wrong", [{"ema_decay": 1.0}, {"ema_decay": -0.1}, {"r1_gamma": -1}, {"r1_gamma": float("nan")}]
)
def test_bad_settings_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        tiny(**wrong)


def test_one_optimizer_for_both_is_refused():
    gan, optimizer = tiny(), keras.optimizers.Adam()
    with pytest.raises(ValueError, match="two optimizers"):
        gan.compile(optimizer, optimizer)
