import dataclasses
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import TINY, all_variables, all_weights, lively
from dcgan_keras import data, layers, losses, models, training
from dcgan_keras.gan import DCGAN
from dcgan_keras.training import devices

REAL = tf.random.stateless_uniform((8, 28, 28, 1), (5, 5), -1, 1)


def tiny(**changes) -> DCGAN:
    return training.build(dataclasses.replace(TINY, **changes), seed=1)


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
        kind = keras.layers.BatchNormalization if isinstance(layer, layers.FastBatchNormalization) else type(layer)
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
    gan.fit(data.make_dataset(images, batch_size=8).take(6), verbose=0)
    for fast, plain, before in zip((gan.generator, gan.discriminator), (g, d), start):
        got, expected, old = (
            np.concatenate([value.ravel() for value in group])
            for group in (values(fast.trainable_variables), values(plain.trainable_variables), before)
        )
        assert np.linalg.norm(got - expected) < 1e-4 * np.linalg.norm(expected - old)


def test_batch_norm_trains_in_both_networks():
    gan = tiny()
    networks = (gan.generator, gan.discriminator)
    norms = [layer for n in networks for layer in n.layers if isinstance(layer, layers.FastBatchNormalization)]
    before = values([norm.moving_mean for norm in norms])
    gan.train_step(REAL)
    assert len(norms) == 4 and all(moved(before, [norm.moving_mean for norm in norms]))


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


def test_each_metric_is_what_its_name_says():
    """From the logits of clones, before the update: no two of the four agree by chance."""
    gan = tiny()
    generator, discriminator = (keras.models.clone_model(n) for n in (gan.generator, gan.discriminator))
    generator.set_weights(gan.generator.get_weights())
    # Logits far from 0, and not the same for real and fake.
    gan.discriminator.layers[-2].set_weights([40 * w + 0.7 for w in gan.discriminator.layers[-2].get_weights()])
    discriminator.set_weights(gan.discriminator.get_weights())
    real = discriminator(REAL, training=True)
    fake = discriminator(generator(gan.latent_vectors(8, 0), training=True), training=True)
    expected = {
        "g_loss": losses.generator_loss(fake),
        "d_loss": losses.discriminator_loss(real, fake),
        "d_real": tf.reduce_mean(tf.sigmoid(real)),
        "d_fake": tf.reduce_mean(tf.sigmoid(fake)),
    }
    logs = gan.train_step(REAL)
    assert set(logs) == set(expected) and len({round(float(value), 3) for value in expected.values()}) == 4
    for name, value in expected.items():
        assert float(logs[name]) == pytest.approx(float(value), rel=1e-4), name


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
    gan, same, other = tiny(), tiny(), training.build(TINY, seed=2)
    np.testing.assert_array_equal(gan.latent_vectors(5, 7), same.latent_vectors(5, tf.constant(7)))
    assert not np.array_equal(gan.latent_vectors(5, 7), gan.latent_vectors(5, 8))
    assert not np.array_equal(gan.latent_vectors(5, 7), other.latent_vectors(5, 7))
    many = gan.latent_vectors(50_000, 0).numpy()
    assert abs(many.mean()) < 0.01 and abs(many.std() - 1) < 0.01


def test_same_seed_twice_gives_the_same_bits(images):
    weights = []
    for _ in range(2):
        gan = tiny()
        gan.fit(data.make_dataset(images, batch_size=8), epochs=2, verbose=0)
        weights.append(all_weights(gan))
    np.testing.assert_array_equal(*weights)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_a_saved_model_goes_on_to_the_same_weights(tmp_path, images, precision):
    gan = training.build(dataclasses.replace(TINY, loss="hinge", r1_gamma=0.25), seed=1, precision=precision)
    batches = data.make_dataset(images, batch_size=8)
    gan.fit(batches.take(3), verbose=0)
    gan.save(tmp_path / "gan.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = keras.models.load_model(tmp_path / "gan.keras")
    assert (again.loss_name, again.r1_gamma, again.seed, again.steps_taken) == ("hinge", 0.25, 1, 3)
    np.testing.assert_array_equal(all_weights(gan), all_weights(again))
    for model in (gan, again):
        model.fit(data.make_dataset(images, batch_size=8), epochs=2, verbose=0)
    np.testing.assert_array_equal(all_weights(gan), all_weights(again))


def test_an_uncompiled_model_is_saved_too(tmp_path):
    networks = models.build_generator(filters=2, latent_dim=4), models.build_discriminator(filters=2)
    gan = DCGAN(*networks)
    gan.save(tmp_path / "gan.keras")
    latents = gan.latent_vectors(3, 0)
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "gan.keras")(latents), gan(latents))


# As Keras users do it


def seen_by(gan, stream, **options):
    """Trains on a stream and returns the first pixel of each image of each step, one row a step."""
    rows, step = [], gan.real_images

    def spy(batch):
        found = step(batch)
        rows.append(found[:, 0, 0, 0])
        return found

    gan.real_images = spy
    gan.compile(keras.optimizers.Adam(), keras.optimizers.Adam(), run_eagerly=True)
    gan.fit(stream, verbose=0, **options)
    return np.array(rows)


def test_fit_with_nothing_else_sees_each_image_once_an_epoch_in_another_order():
    images = np.arange(32, dtype=np.uint8).reshape(32, 1, 1, 1) * np.ones((1, 28, 28, 1), np.uint8)
    epochs = seen_by(tiny(), data.make_dataset(images, batch_size=8, seed=3), epochs=3).reshape(3, 32)
    for epoch in epochs:
        np.testing.assert_allclose(np.sort(epoch), np.arange(32) / 127.5 - 1, atol=1e-6)
    assert not np.array_equal(epochs[0], epochs[1]) and not np.array_equal(epochs[1], epochs[2])
    # The command line's order: one stream without end, cut by steps.
    stream = data.make_dataset(images, batch_size=8, seed=3).repeat()
    np.testing.assert_array_equal(seen_by(tiny(), stream, epochs=3, steps_per_epoch=4).ravel(), epochs.ravel())
    later = data.make_dataset(images, batch_size=8, seed=3, first_epoch=2)
    np.testing.assert_array_equal(seen_by(tiny(), later, epochs=3, initial_epoch=2).ravel(), epochs[2])


def test_tuples_mean_their_images_and_bytes_are_scaled(images):
    """Ten steps on the same images, however they are handed over, end with the same weights."""
    scaled = (images / 127.5 - 1).astype(np.float32)
    labels = np.zeros(80)

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 10

        def __getitem__(self, n):
            return (scaled[8 * n : 8 * n + 8],)

    slices = tf.data.Dataset.from_tensor_slices
    ways = {
        "images": slices(scaled).batch(8),
        "(images,)": slices((scaled,)).batch(8),
        "(images, labels)": slices((scaled, labels)).batch(8),
        "uint8": slices(images).batch(8),
        "float64": slices(scaled.astype(np.float64)).batch(8),
        "an array": scaled,
        "a PyDataset": Batches(),
        "a generator": ((scaled[8 * n : 8 * n + 8], labels[:8]) for n in range(10)),
    }
    gan, expected = tiny(), None  # one model, put back to its start: what it has compiled it need not compile again
    start = values(all_variables(gan))
    assert gan.real_images(scaled[:5]).shape[0] == 5
    for name, x in ways.items():
        for variable, value in zip(all_variables(gan), start):
            variable.assign(value)
        gan.fit(x, batch_size=8 if name == "an array" else None, verbose=0, shuffle=False)
        # Not the step counters: at the end of a stream of unknown length TensorFlow counts one that it does not take.
        found = np.concatenate([np.ravel(v) for n in (gan.generator, gan.discriminator) for v in values(n.variables)])
        expected = found if expected is None else expected
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=name)


def test_a_tuple_of_images_trains_on_as_many_fakes(images):
    gan, counts = tiny(), []
    drawn = gan.latent_vectors
    gan.latent_vectors = lambda count, step: counts.append(int(count)) or drawn(count, step)
    gan.train_step((tf.constant(images[:8]),))
    assert counts == [8]


@pytest.mark.parametrize("wrong", ["0 to 255", "0 to 2", "nan", "size", "size unknown", "channels", "no images"])
def test_images_that_do_not_fit_get_one_sentence_and_are_not_learned_from(images, wrong):
    scaled = (images / 127.5 - 1).astype(np.float32)
    x = {
        "0 to 255": images.astype(np.float32),
        "0 to 2": scaled + 1,
        "nan": np.where(scaled > 0.99, np.nan, scaled),
        "size": scaled[:, :14],
        "size unknown": tf.data.Dataset.from_generator(lambda: [scaled[:8, :14]], output_types=tf.float32),
        "channels": np.repeat(scaled, 3, axis=-1),
        "no images": np.zeros((80, 4), np.float32),
    }[wrong]
    gan = tiny()
    before = values(gan.discriminator.trainable_variables)
    with pytest.raises(ValueError, match="^Real images must [^\n]*$"):
        gan.fit(x, batch_size=None if wrong == "size unknown" else 8, verbose=0)
    assert not any(moved(before, gan.discriminator.trainable_variables))  # it has learned nothing from them
    with pytest.raises(ValueError, match="^Real images must [^\n]*$"):
        gan.evaluate(x, batch_size=None if wrong == "size unknown" else 8, verbose=0)


def test_training_prints_and_warns_nothing(images, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tiny().fit(data.make_dataset(images, batch_size=8), epochs=2, verbose=0)
    assert capfd.readouterr() == ("", "")


def test_evaluate_takes_the_means_without_training(images):
    gan = tiny()
    gan.fit(data.make_dataset(images, batch_size=8), verbose=0)
    before = all_weights(gan)
    real = data.make_dataset(images, batch_size=40)
    found, again = (gan.evaluate(real, return_dict=True, verbose=0) for _ in range(2))
    assert found == pytest.approx(again) and set(found) == {"g_loss", "d_loss", "d_real", "d_fake"}
    np.testing.assert_array_equal(all_weights(gan)[: len(before)], before)
    logits = gan.discriminator(tf.constant(images / 127.5 - 1, tf.float32), training=False)
    assert found["d_real"] == pytest.approx(float(tf.reduce_mean(tf.sigmoid(logits))), rel=1e-5)
    history = gan.fit(data.make_dataset(images, batch_size=8), validation_data=real, verbose=0).history
    assert {"val_d_loss", "val_d_real"} <= history.keys()


def test_an_own_pair_of_losses_plays_like_the_named_one():
    pair, logs = losses.get("least_squares"), []
    for loss in ("least_squares", (lambda real, fake: pair.discriminator(real, fake), pair.generator)):
        networks = models.build_generator(filters=2, seed=1), models.build_discriminator(filters=2, seed=1)
        gan = DCGAN(*networks, loss=loss)
        gan.compile("adam", "adam")
        logs.append({name: float(value) for name, value in gan.train_step(REAL).items()})
    assert logs[0] == pytest.approx(logs[1])
    for wrong in ("mse", len, (len,), (1, 2)):
        with pytest.raises(ValueError, match="loss must be one of"):
            losses.get(wrong)


def test_optimizers_by_name_and_what_compile_does_not_take():
    gan = tiny()
    gan.compile("adam", "sgd")
    assert isinstance(gan.d_optimizer, keras.optimizers.SGD)
    gan.compile("adam", "adam")
    gan.train_step(REAL)
    for name, value in (
        ("loss", "mse"), ("metrics", ["mae"]), ("optimizer", "adam"), ("loss_weights", [1, 2]),
        ("weighted_metrics", ["mae"]),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"compile takes no {name}: it takes g_optimizer and d_optimizer"):
            gan.compile("adam", "adam", **{name: value})


@pytest.mark.parametrize("given", [{"optimizer": "adam", "loss": "binary_crossentropy"}, {"g_optimizer": "adam"}, {}])
def test_what_everybody_types_first_is_one_sentence(given):
    with pytest.raises(ValueError, match="compile takes (no optimizer: it takes )?g_optimizer and d_optimizer"):
        tiny().compile(**given)


def test_weights_of_samples_and_classes_are_refused(images):
    """Keras hands them on, and a step would train on without them."""
    scaled, gan = np.float32(images) / 127.5 - 1, tiny()
    before = values(gan.generator.trainable_variables)
    ones = np.ones(len(images), np.float32)
    triple = tf.data.Dataset.from_tensor_slices((scaled, ones, ones)).batch(8)
    for x, options in (
        (scaled, {"sample_weight": ones}), (scaled, {"y": ones, "class_weight": {0: 1.0, 1: 2.0}}), (triple, {}),
        (data.make_dataset(images, batch_size=8), {"class_weight": {0: 1.0}}),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="no use for sample_weight or class_weight"):
            gan.fit(x, verbose=0, **options)
    with pytest.raises(ValueError, match="no use for sample_weight or class_weight"):
        gan.evaluate(scaled, sample_weight=ones, verbose=0)
    assert not any(moved(before, gan.generator.trainable_variables))


@pytest.fixture(scope="module")
def any_gan():
    """Whatever it has learned: what TensorFlow has compiled for one test it need not compile for the next."""
    return tiny()


@pytest.mark.parametrize("form", ["array", "dataset", "PyDataset", "generator", "uint8", "whole range"])
def test_images_scaled_to_half_the_range_are_a_warning(any_gan, images, form):
    """`Rescaling(1 / 255)` is the most usual line in Keras."""
    half = np.float32(images[:16]) / 255

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, n):
            return half[8 * n : 8 * n + 8]

    x = {
        "array": half,
        "dataset": tf.data.Dataset.from_tensor_slices(half).batch(8),
        "PyDataset": Batches(),
        "generator": ((half[8 * n : 8 * n + 8],) for n in range(2)),
        "uint8": images[:16],
        "whole range": 2 * half - 1,
    }[form]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        any_gan.fit(x, batch_size=8 if isinstance(x, np.ndarray) else None, verbose=0)
    said = [str(each.message) for each in caught if "half of the range [-1, 1]" in str(each.message)]
    assert len(said) == (form not in ("uint8", "whole range"))


@pytest.mark.parametrize("wrong", ["images", "labels"])
def test_under_xla_the_first_batch_is_checked_all_the_same(images, wrong):
    """XLA drops a graph's assertions."""
    gan = told_model()
    gan.compile("sgd", "sgd", jit_compile=True)
    scaled, labels = np.float32(images) / 127.5 - 1, np.zeros(len(images), np.int32)
    if wrong == "images":
        scaled *= 10
    else:
        labels[3] = 7
    sentence = "^Real images must be float in" if wrong == "images" else "^Labels must be whole numbers from 0 to 2"
    x = tf.data.Dataset.from_tensor_slices((scaled, labels)).batch(8)
    before = values(gan.generator.trainable_variables)
    for given in ((x,), (scaled, labels)):
        with pytest.raises(ValueError, match=sentence):
            gan.fit(*given, verbose=0)
        with pytest.raises(ValueError, match=sentence):
            gan.evaluate(*given, verbose=0)
    assert not any(moved(before, gan.generator.trainable_variables))


def test_a_generator_loses_no_batch_to_the_look_at_its_first(images):
    scaled, gan, seen = np.float32(images) / 127.5 - 1, tiny(), []
    gan.compile("sgd", "sgd", run_eagerly=True)
    step = gan.train_step
    gan.train_step = lambda batch: (
        seen.append(np.asarray(batch[0] if isinstance(batch, tuple) else batch)) or step(batch)
    )
    gan.fit(((scaled[8 * n : 8 * n + 8],) for n in range(3)), verbose=0)
    np.testing.assert_array_equal(np.concatenate(seen), scaled[:24])


# A discriminator that judges parts of an image: a map of logits (PatchGAN)


def patches(**options):
    stack = [
        keras.layers.Input((28, 28, 1)),
        keras.layers.Conv2D(3, 4, 2, "same", activation="leaky_relu"),
        keras.layers.Conv2D(1, 4, 2, "same"),
    ]
    gan = DCGAN(models.build_generator(filters=2, latent_dim=4, seed=1), keras.Sequential(stack), **options)
    gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    return gan


def test_a_map_of_logits_is_played_by_its_mean(images, tmp_path):
    gan = patches(r1_gamma=0.5)
    assert gan.score(REAL).shape == (8, 7, 7, 1)
    g, d = keras.models.clone_model(gan.generator), keras.models.clone_model(gan.discriminator)
    g.set_weights(gan.generator.get_weights())
    d.set_weights(gan.discriminator.get_weights())
    with tf.GradientTape() as tape:
        with tf.GradientTape() as inner:
            inner.watch(REAL)
            real = d(REAL, training=True)
            one_logit_an_image = tf.reduce_mean(real, axis=[1, 2, 3])
        penalty = losses.r1_penalty(inner.gradient(one_logit_an_image, REAL))
        fake = d(g(gan.latent_vectors(8, 0), training=True), training=True)
        value = tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(tf.nn.softplus(fake)) + 0.5 * penalty
    wanted = [v - 0.1 * s for v, s in zip(d.trainable_variables, tape.gradient(value, d.trainable_variables))]
    gan.train_step(REAL)
    for found, each in zip(gan.discriminator.trainable_variables, wanted):
        np.testing.assert_allclose(found, each, atol=1e-6)
    gan.fit(data.make_dataset(images, batch_size=8), verbose=0)
    gan.save(tmp_path / "patches.keras")
    assert keras.models.load_model(tmp_path / "patches.keras").score(REAL).shape == (8, 7, 7, 1)


# A step of one's own, made of the seams


class Halves(DCGAN):
    """Sees the upper half of each real image twice."""

    def real_images(self, data):
        images = super().real_images(data)
        return tf.concat([images[:, :14], images[:, :14]], axis=1)


def test_a_seam_that_is_changed_changes_the_step(images):
    networks = models.build_generator(filters=2, latent_dim=4, seed=1), models.build_discriminator(filters=3, seed=1)
    halves, plain = Halves(*networks), DCGAN(*map(keras.models.clone_model, networks))
    plain.generator.set_weights(halves.generator.get_weights())
    plain.discriminator.set_weights(halves.discriminator.get_weights())
    for gan in (halves, plain):
        gan.compile("sgd", "sgd")
    doubled = tf.concat([REAL[:, :14], REAL[:, :14]], axis=1)
    for own, same in zip(halves.train_step(REAL).values(), plain.train_step(doubled).values()):
        np.testing.assert_array_equal(own, same)


def test_real_and_generated_images_are_changed_by_other_numbers(monkeypatch):
    """The same shift of both would tell the discriminator nothing of the change."""
    gan, salts = tiny(augment="translation"), []
    changed = gan.augmented
    monkeypatch.setattr(gan, "augmented", lambda images, salt: salts.append(salt) or changed(images, salt))
    gan.train_step(REAL)
    assert len(salts) == 2 and len(set(salts)) == 2
    shown = [changed(REAL, salt).numpy() for salt in salts]
    assert not np.array_equal(*shown)


@pytest.mark.parametrize("kind", ["LearningRateScheduler", "ReduceLROnPlateau"])
def test_callbacks_that_know_one_optimizer_are_refused_in_a_sentence(images, kind):
    callback = getattr(keras.callbacks, kind)(*[lambda epoch: 1e-3] * (kind == "LearningRateScheduler"))
    with pytest.raises(ValueError, match=f"{kind} sets the rate of one optimizer, and a GAN has two"):
        tiny().fit(data.make_dataset(images, batch_size=8), callbacks=[callback], verbose=0)


def test_an_optimizers_own_average_reaches_the_generator(images):
    """As in Keras: after `fit` the variables hold the averages."""
    gan = tiny()
    gan.compile(keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.999), keras.optimizers.SGD(0.5))
    start = values(gan.generator.trainable_variables)
    gan.fit(data.make_dataset(images, batch_size=8), verbose=0)  # some steps: after one, average and weight are equal
    averaged = gan.g_optimizer._model_variables_moving_average
    assert any(moved(start, gan.generator.trainable_variables))
    for average, variable in zip(averaged, gan.generator.trainable_variables):
        np.testing.assert_array_equal(average, variable)


def test_half_precision_has_a_loss_scale_by_itself():
    with devices.precision("mixed_float16"):
        gan = DCGAN(models.build_generator(filters=2, latent_dim=4), models.build_discriminator(filters=2))
    gan.compile("adam", keras.optimizers.Adam())
    for optimizer in (gan.g_optimizer, gan.d_optimizer):
        assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


def test_xla_draws_the_same_latent_vectors():
    gan = tiny()
    compiled = tf.function(lambda: gan.latent_vectors(64, 3), jit_compile=True)
    np.testing.assert_allclose(compiled(), gan.latent_vectors(64, 3), atol=1e-5)


def test_summary_names_three_networks_and_trains_two():
    gan, lines = tiny(), []
    gan.summary(print_fn=lines.append, line_length=80)
    text = "\n".join(lines)
    assert all(name in text for name in ("generator", "discriminator", "ema_generator"))
    trainable = {id(v) for network in (gan.generator, gan.discriminator) for v in network.trainable_variables}
    assert {id(v) for v in gan.trainable_variables} == trainable


def test_export_draws_what_the_averaged_generator_draws(tmp_path):
    gan = tiny()
    gan.export(tmp_path / "saved", verbose=False)
    latents, saved = gan.latent_vectors(5, 0), tf.saved_model.load(tmp_path / "saved")
    np.testing.assert_allclose(saved.serve(latents), gan(latents), atol=1e-5)


@keras.saving.register_keras_serializable("test")
class OwnGenerator(keras.Model):
    """A generator that is a class of its own, with Dropout, whose random state is whole numbers."""

    def __init__(self, **options):
        super().__init__(**options)
        self.dense, self.drop = keras.layers.Dense(784, activation="tanh"), keras.layers.Dropout(0.5)

    def call(self, z, training=False):
        return keras.ops.reshape(self.drop(self.dense(z), training=training), (-1, 28, 28, 1))


def test_a_generator_of_ones_own_class(tmp_path, images):
    generator = OwnGenerator()
    with pytest.raises(ValueError, match="give DCGAN\\(..., latent_dim=...\\)"):
        DCGAN(generator, models.build_discriminator(filters=2))
    gan = DCGAN(generator, models.build_discriminator(filters=2), latent_dim=6, ema_decay=0.5)
    gan.compile("adam", "adam")
    before = gan(gan.latent_vectors(3, 0))
    gan.fit(data.make_dataset(images, batch_size=8), verbose=0)
    assert not np.array_equal(gan(gan.latent_vectors(3, 0)), before)
    gan.save(tmp_path / "own.keras")
    again = keras.models.load_model(tmp_path / "own.keras")
    np.testing.assert_array_equal(again(gan.latent_vectors(3, 0)), gan(gan.latent_vectors(3, 0)))


def critic(*stack):
    return keras.Sequential([keras.layers.Input((28, 28, 1)), *stack])


@pytest.mark.parametrize(
    ("discriminator", "message"),
    [
        (lambda: critic(keras.layers.Conv2D(3, 3)), "or a map of logits"),
        (lambda: critic(keras.layers.Flatten(), keras.layers.Dense(2)), "one logit an image"),
        (lambda: critic(keras.layers.Flatten(), keras.layers.Dense(1, "sigmoid")), "ends with a sigmoid"),
        (
            lambda: keras.Sequential([keras.layers.Input((32, 32, 1)), keras.layers.Flatten()]),
            "build both for the same",
        ),
    ],
)
def test_a_wrong_critic_is_refused(discriminator, message):
    with pytest.raises(ValueError, match=message):
        DCGAN(models.build_generator(filters=2), discriminator())


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


# Packing: one logit for several images


def packed_model(pack=2, **options):
    networks = models.build_generator(filters=2, latent_dim=4, seed=1), models.build_discriminator(filters=3, pack=pack)
    gan = DCGAN(*networks, seed=2, **options)
    gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    return gan


def test_a_pack_is_images_that_follow_one_another_as_channels(images):
    gan = packed_model(pack=2)
    assert gan.pack == 2 and gan.image_shape == (28, 28, 1)
    batch = np.float32(images[:6]) / 127.5 - 1
    by_hand = np.concatenate([batch[0::2], batch[1::2]], axis=3)
    np.testing.assert_array_equal(gan.score(batch), gan.discriminator(by_hand, training=False))
    assert gan.score(batch).shape == (3, 1)
    with pytest.raises(ValueError, match="shown 2 images at a time: a batch of 5 cannot be"):
        gan.score(batch[:5])


@pytest.mark.parametrize("form", ["array", "dataset"])
def test_a_last_batch_that_is_no_whole_pack_is_one_sentence(images, form):
    """62 images in batches of 16: the last has 14, and its size is not known when the graph is made."""
    scaled = np.float32(images[:62]) / 127.5 - 1
    x = scaled if form == "array" else tf.data.Dataset.from_tensor_slices(scaled).batch(16)
    with pytest.raises(ValueError, match=r"^The discriminator is shown .* images at a time[^\n]*$"):
        packed_model(pack=4).fit(x, batch_size=16 if form == "array" else None, verbose=0)


def test_a_packed_model_learns_evaluates_and_is_saved(images, tmp_path):
    gan = packed_model(pack=4, r1_gamma=1.0, augment="translation")
    start = values(gan.discriminator.trainable_variables)
    gan.fit(data.make_dataset(images, batch_size=16), epochs=1, verbose=0)
    assert all(moved(start, gan.discriminator.trainable_variables))
    assert set(gan.evaluate(data.make_dataset(images, batch_size=16), verbose=0, return_dict=True)) >= {"d_real"}
    gan.save(tmp_path / "gan.keras")
    assert keras.models.load_model(tmp_path / "gan.keras").pack == 4


def test_the_penalty_of_a_pack_is_that_of_its_images_together(images):
    """Of a discriminator that adds its inputs up, the slope is 1 at each of the 2 * 784 pixels of a pack."""
    generator = models.build_generator(filters=2, latent_dim=4)
    stack = [keras.layers.Input((28, 28, 2)), keras.layers.Flatten(), keras.layers.Dense(1, kernel_initializer="ones")]
    gan = DCGAN(generator, keras.Sequential(stack), r1_gamma=1.0)
    _, penalty = gan.score_real(tf.constant(images[:8] / 127.5 - 1, tf.float32))
    assert float(penalty) == pytest.approx(0.5 * 2 * 784)


def test_a_spectral_discriminator_goes_on_after_a_load(images, tmp_path):
    networks = (
        models.build_generator(filters=2, latent_dim=4, seed=1),
        models.build_discriminator(filters=3, normalization="spectral", seed=1),
    )
    gan = DCGAN(*networks)
    gan.compile("sgd", "sgd")
    gan.fit(data.make_dataset(images, batch_size=16), epochs=1, verbose=0)
    gan.save(tmp_path / "gan.keras")
    there = keras.models.load_model(tmp_path / "gan.keras")
    np.testing.assert_array_equal(all_weights(there), all_weights(gan))


# Classes: both networks are told what an image shows

LABELS = np.array([0, 1, 2, 0, 1, 2, 2, 2])


def told_model(rate=0.1, **options):
    generator = models.build_generator(filters=2, latent_dim=4, classes=3, seed=1)
    gan = DCGAN(generator, models.build_discriminator(filters=3, classes=3, seed=1), seed=2, **options)
    gan.compile(keras.optimizers.SGD(rate), keras.optimizers.SGD(rate))
    return gan


def test_the_step_tells_both_networks_the_labels_of_the_real_images():
    """Against gradients taken by hand, with the labels written out, on clones of the networks."""
    gan, rate = told_model(r1_gamma=0.5), 0.1
    g, d = keras.models.clone_model(gan.generator), keras.models.clone_model(gan.discriminator)
    g.set_weights(gan.generator.get_weights())
    d.set_weights(gan.discriminator.get_weights())
    latents, told, pair = (
        gan.latent_vectors(8, 0),
        tf.constant(np.eye(3, dtype=np.float32)[LABELS]),
        losses.get("non_saturating"),
    )
    with tf.GradientTape() as tape:
        with tf.GradientTape() as inner:
            inner.watch(REAL)
            real_logits = d([REAL, told], training=True)
        penalty = losses.r1_penalty(inner.gradient(real_logits, REAL))
        fake_logits = d([g([latents, told], training=True), told], training=True)
        value = pair.discriminator(real_logits, fake_logits) + 0.5 * penalty
    d_after = [v - rate * s for v, s in zip(d.trainable_variables, tape.gradient(value, d.trainable_variables))]
    gan.train_step((REAL, LABELS))
    for found, wanted in zip(gan.discriminator.trainable_variables, d_after):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_networks_learn_to_draw_what_they_are_told(images):
    """Class 0 is black and class 1 white: after some steps the generator draws them so, from the same vectors."""
    gan = DCGAN(
        models.build_generator(filters=4, latent_dim=4, classes=2, seed=1),
        models.build_discriminator(filters=4, classes=2, seed=1),
        ema_decay=0.9,
    )
    # The discriminator learns more slowly: with equal rates, ten of twenty seeds were not there after 20 epochs.
    gan.compile(*(keras.optimizers.Adam(rate, beta_1=0.5) for rate in (5e-3, 1e-3)))
    labels = np.arange(80) % 2
    plain = np.broadcast_to(np.uint8(255) * labels[:, None, None, None].astype(np.uint8), images.shape).copy()
    gan.fit(data.make_dataset(plain, labels, batch_size=16).repeat(40), verbose=0)  # one epoch: each takes its time
    vectors = gan.latent_vectors(20, 0)
    black, white = (float(np.mean(gan(vectors, labels=[label] * 20))) for label in (0, 1))
    assert black < -0.5 and white > 0.5


def test_told_networks_evaluate_are_saved_and_exported(tmp_path, images):
    gan = told_model()
    stream = data.make_dataset(images, np.arange(80) % 3, batch_size=16)
    gan.fit(stream, epochs=1, verbose=0)
    assert set(gan.evaluate(stream, verbose=0, return_dict=True)) >= {"d_real"}
    vectors = gan.latent_vectors(5, 0)
    np.testing.assert_array_equal(gan(vectors), gan(vectors, labels=[0, 1, 2, 0, 1]))
    gan.save(tmp_path / "gan.keras")
    again = keras.models.load_model(tmp_path / "gan.keras")
    assert again.classes == 3
    np.testing.assert_allclose(again(vectors, labels=[2] * 5), gan(vectors, labels=[2] * 5), atol=1e-6)
    gan.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "exported"))
    np.testing.assert_allclose(
        exported.serve([vectors, tf.one_hot([2] * 5, 3)]), gan(vectors, labels=[2] * 5), atol=1e-5
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (REAL, r"pairs \(images, labels\)"),
        ((REAL, np.eye(3)[LABELS]), r"of shape \(batch,\), got the shape \(8, 3\)"),
    ],
)
def test_labels_that_are_missing_or_of_another_shape(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        told_model().train_step(given)


@pytest.mark.parametrize("label", [3, -1])
def test_labels_outside_the_classes_stop_the_training(images, label):
    labels = np.zeros(80, int)
    labels[7] = label
    with pytest.raises(ValueError, match=r"^Labels must be whole numbers from 0 to 2\.$"):
        told_model().fit(data.make_dataset(images, labels, batch_size=16), epochs=1, verbose=0)


def test_labels_that_do_not_exist_are_not_drawn():
    gan = told_model()
    vectors = gan.latent_vectors(2, 0)
    for labels in ([7, 7], [0, -1], np.array([0, 3]), tf.constant([3, 0])):
        with pytest.raises(ValueError, match="Labels must be whole numbers from 0 to 2"):
            gan(vectors, labels=labels)


def test_a_list_of_vectors_and_labels_is_two_inputs_as_in_keras():
    gan = told_model()
    vectors, labels = gan.latent_vectors(5, 0), np.array([2, 0, 1, 1, 2])
    wanted = gan(vectors, labels=labels)
    one_hot = np.eye(3, dtype=int)[labels]
    for given in ([vectors, labels], (vectors, labels), [vectors, one_hot], [vectors, np.float64(one_hot)]):
        np.testing.assert_array_equal(gan(given), wanted)
    for second in (labels, one_hot):
        drawn = told_model().predict([vectors.numpy(), second], batch_size=2, verbose=0)
        np.testing.assert_allclose(drawn, wanted, atol=1e-6)


def test_an_evaluation_judges_fakes_under_the_classes_they_were_drawn_for(monkeypatch):
    """And each of its batches draws other latent vectors."""
    gan, asked, judged, drawn = told_model(), [], [], []
    draw, score, vectors = models.draw, gan.score, gan.latent_vectors
    monkeypatch.setattr(models, "draw", lambda g, z, labels: asked.append(labels) or draw(g, z, labels))
    monkeypatch.setattr(gan, "score", lambda x, labels=None, **k: judged.append(labels) or score(x, labels, **k))
    monkeypatch.setattr(gan, "latent_vectors", lambda n, step: drawn.append(vectors(n, step)) or drawn[-1])
    gan.test_step((REAL, LABELS))
    gan.test_step((REAL, LABELS[::-1].copy()))
    for told, (real, fake) in zip(asked, (judged[:2], judged[2:])):
        np.testing.assert_array_equal(told, fake)
        np.testing.assert_array_equal(told, real)
    np.testing.assert_array_equal(asked[0], LABELS)
    assert not np.array_equal(drawn[0], drawn[1])


def test_networks_told_different_things_are_refused():
    with pytest.raises(ValueError, match="told 3 classes and the discriminator 0"):
        DCGAN(models.build_generator(filters=2, classes=3), models.build_discriminator(filters=2))


# A generator that chooses kinds itself


def choosing_model(rate=0.1, **options):
    generator = models.build_generator(filters=2, latent_dim=4, clusters=[1, 2, 1], seed=1)
    gan = DCGAN(generator, models.build_discriminator(filters=3, hidden=5, classes=3, seed=1), seed=2, **options)
    gan.compile(keras.optimizers.SGD(rate), keras.optimizers.SGD(rate))
    return gan


def test_the_discriminator_is_told_the_kinds_that_the_generator_chose():
    """Against gradients taken by hand: real images under their labels, generated ones under their latent vectors'."""
    gan, rate = choosing_model(), 0.1
    g, d = keras.models.clone_model(gan.generator), keras.models.clone_model(gan.discriminator)
    g.set_weights(gan.generator.get_weights())
    d.set_weights(gan.discriminator.get_weights())
    latents = gan.latent_vectors(8, 0)
    chosen = np.searchsorted([-0.67449, 0.67449], latents[:, 0])
    assert not np.array_equal(chosen, LABELS) and len(set(chosen)) == 3
    pair = losses.get("non_saturating")
    with tf.GradientTape(persistent=True) as tape:
        fake_images = g(latents, training=True)
        real_logits = d([REAL, tf.constant(np.eye(3, dtype=np.float32)[LABELS])], training=True)
        fake_logits = d([fake_images, tf.constant(np.eye(3, dtype=np.float32)[chosen])], training=True)
        d_loss, g_loss = pair.discriminator(real_logits, fake_logits), pair.generator(fake_logits)
    wanted = [
        [v - rate * slope for v, slope in zip(n.trainable_variables, tape.gradient(loss, n.trainable_variables))]
        for n, loss in ((d, d_loss), (g, g_loss))
    ]
    gan.train_step((REAL, LABELS))
    for network, after in zip((gan.discriminator, gan.generator), wanted):
        assert len(after) == len(network.trainable_variables)
        for found, value in zip(network.trainable_variables, after):
            np.testing.assert_allclose(found, value, atol=1e-6)


def test_an_evaluation_tells_the_discriminator_what_the_generator_chose():
    gan = choosing_model()
    lively(gan.discriminator)
    latents = gan.latent_vectors(len(REAL), -1)  # of the first batch
    chosen = models.shown(gan.generator, latents)
    fake_logits = gan.score(gan.generator(latents, training=False), chosen)
    wrong = gan.score(gan.generator(latents, training=False), LABELS)
    found = {name: float(value) for name, value in gan.test_step((REAL, LABELS)).items()}
    assert found["d_fake"] == pytest.approx(float(tf.reduce_mean(tf.sigmoid(fake_logits))), abs=1e-7)
    assert abs(found["d_fake"] - float(tf.reduce_mean(tf.sigmoid(wrong)))) > 1e-5


def test_it_is_an_ordinary_generator_to_whoever_uses_it(tmp_path, images):
    gan = choosing_model()
    stream = data.make_dataset(images, np.arange(80) % 3, batch_size=16)
    gan.fit(stream, epochs=1, verbose=0)
    assert set(gan.evaluate(stream, verbose=0, return_dict=True)) >= {"d_real"}
    vectors = gan.latent_vectors(6, 0)
    assert gan(vectors).shape == gan.predict(vectors, verbose=0).shape == (6, 28, 28, 1)
    np.testing.assert_array_equal(models.shown(gan.ema_generator, vectors), models.shown(gan.generator, vectors))
    gan.save(tmp_path / "gan.keras")
    np.testing.assert_allclose(keras.models.load_model(tmp_path / "gan.keras")(vectors), gan(vectors), atol=1e-6)
    gan.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    np.testing.assert_allclose(exported.serve(vectors), gan(vectors), atol=1e-5)


def test_the_average_keeps_the_choice_over_many_steps():
    gan = choosing_model(ema_decay=0.99)
    vectors = tf.random.stateless_normal((2_000, 4), (0, 7))

    @tf.function
    def many():
        for _ in tf.range(3_000):
            gan.update_average()
            gan.step.assign_add(1)

    many()
    kinds = models.shown(gan.ema_generator, vectors).numpy()
    assert np.abs(kinds - models.shown(gan.generator, vectors)).max() < 1e-3


def test_it_goes_with_a_discriminator_that_is_told_as_many():
    for classes in (0, 2):
        with pytest.raises(ValueError, match=f"The generator is told 3 classes and the discriminator {classes}"):
            DCGAN(
                models.build_generator(filters=2, clusters=[1, 1, 1]),
                models.build_discriminator(filters=2, classes=classes),
            )
