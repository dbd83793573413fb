"""Each augmentation against what it says it does, and against a step that must stay as it was without it."""

import numpy as np
import pytest
import tensorflow as tf
from conftest import TINY, all_weights
from dcgan_keras import DCGAN, augmentations, training

ALL = "color,translation,cutout,flip,noise"


def uniform(shape, seed=0, low=0.0, high=1.0):
    return tf.random.stateless_uniform(shape, (seed, 0), low, high)


def test_color_changes_brightness_saturation_and_contrast():
    images = uniform((2, 8, 8, 3), low=-1, high=1)
    np.testing.assert_allclose(augmentations.color(images, tf.fill((2, 3), 0.5)), images, atol=1e-6)
    brighter = augmentations.color(images, tf.constant([[0.9, 0.5, 0.5]] * 2))
    np.testing.assert_allclose(brighter, images + 0.4, atol=1e-6)
    grey = augmentations.color(images, tf.constant([[0.5, 0.0, 0.5]] * 2)).numpy()
    np.testing.assert_allclose(grey, np.repeat(np.mean(images, axis=3, keepdims=True), 3, axis=3), atol=1e-6)
    flat = augmentations.color(images, tf.constant([[0.5, 0.5, 0.0]] * 2)).numpy()
    mean = np.mean(images, axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(flat, mean + 0.5 * (images - mean), atol=1e-6)


@pytest.mark.parametrize(("number", "shift"), [(0.0, -2), (0.5, 0), (0.99, 2)])
def test_translation_moves_whole_pixels(number, shift):
    images = uniform((1, 16, 16, 1), low=0.1).numpy()
    for axis in (1, 2):
        numbers = [[0.5, 0.5]]
        numbers[0][axis - 1] = number
        moved = augmentations.translation(tf.constant(images), tf.constant(numbers)).numpy()
        expected = np.roll(images, -shift, axis)
        lost = np.arange(16) >= 16 - shift if shift > 0 else np.arange(16) < -shift
        expected[(slice(None),) * axis + (lost,)] = 0
        np.testing.assert_array_equal(moved, expected)


def test_every_shift_comes_equally_often():
    """In 28 pixels there are 7 shifts. A bright column shows where it went."""
    images = np.full((2000, 28, 28, 1), -1, np.float32)
    images[:, :, 14] = 1
    moved = augmentations.translation(tf.constant(images), uniform((2000, 2))).numpy()
    places, counts = np.unique(moved[:, 14, :, 0].argmax(axis=1), return_counts=True)
    assert list(places) == list(range(11, 18)) and counts.min() > 2000 / 7 * 0.75


def test_each_augmentation_of_a_policy_has_numbers_of_its_own():
    policy, images = augmentations.Policy("translation,flip"), uniform((40, 16, 16, 1))
    numbers = uniform((40, policy.numbers((16, 16, 1))), seed=1)
    by_hand = augmentations.translation(augmentations.flip(images, numbers[:, :1]), numbers[:, 1:])
    np.testing.assert_array_equal(policy(images, numbers), by_hand)


def test_cutout_makes_a_square_of_half_the_side_grey():
    images = tf.ones((1, 64, 64, 3))
    hole = augmentations.cutout(images, tf.constant([[0.5, 0.5]])).numpy()[0, :, :, 0]
    expected = np.ones((64, 64))
    expected[16:48, 16:48] = 0
    np.testing.assert_array_equal(hole, expected)
    corner = augmentations.cutout(images, tf.constant([[0.0, 0.999]])).numpy()[0, :, :, 0]
    assert (corner[:16, 48:] == 0).all() and corner.sum() == 64 * 64 - 16 * 16


def test_flip_mirrors_half_of_the_images():
    images = uniform((200, 4, 4, 1))
    flipped = augmentations.flip(images, uniform((200, 1), seed=1)).numpy()
    as_is = (flipped == images.numpy()).all(axis=(1, 2, 3))
    assert 70 < as_is.sum() < 130
    evenly = tf.constant(np.arange(200)[:, None] / 200, tf.float32)
    assert (augmentations.flip(images, evenly).numpy() == images.numpy()).all(axis=(1, 2, 3)).sum() == 100
    np.testing.assert_array_equal(flipped[~as_is], images.numpy()[~as_is][:, :, ::-1])


def test_noise_is_normal_and_each_value_has_its_own():
    policy = augmentations.Policy("noise")
    images = tf.zeros((50, 16, 16, 3))
    numbers = uniform((50, policy.numbers((16, 16, 3))))
    changed = policy(images, numbers).numpy()
    assert abs(changed.mean()) < 0.002 and abs(changed.std() - 0.1) < 0.002
    assert len(np.unique(changed)) > 0.9 * changed.size
    assert abs((np.abs(changed) > 0.196).mean() - 0.05) < 0.005  # 1.96 deviations
    rare = augmentations.noise(tf.zeros((1, 1, 2, 1)), tf.constant([[1e-5, 1 - 1e-5]])).numpy().ravel()
    np.testing.assert_allclose(rare, [-0.4265, 0.4265], atol=1e-3)  # one in 100,000 is beyond 4.26 deviations


@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_pass_through_each(channels):
    policy = augmentations.Policy(ALL)
    images = uniform((3, 28, 28, channels), low=-1, high=1)
    numbers = uniform((3, policy.numbers((28, 28, channels))), seed=2)
    change = uniform(images.shape, seed=3, low=-1, high=1)
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(policy(images, numbers) ** 2)
    slope = tf.reduce_sum(tape.gradient(total, images) * change)
    step = 1e-3
    above, below = (tf.reduce_sum(policy(images + sign * step * change, numbers) ** 2) for sign in (1, -1))
    np.testing.assert_allclose(slope, (above - below) / (2 * step), rtol=0.02, atol=0.05)


def test_a_policy_names_what_it_does():
    policy = augmentations.Policy(" cutout, color ")
    assert policy.names == "color,cutout" and policy.numbers((8, 8, 3)) == 5
    assert augmentations.Policy("").names == "" and augmentations.Policy("").numbers((8, 8, 3)) == 0
    for wrong in ("colour", "color;cutout", None, ["color"]):
        with pytest.raises(ValueError, match="augment must be some of flip, color, translation, cutout, noise"):
            augmentations.Policy(wrong)


def model(images, augment):
    gan = training.build(TINY)
    gan = DCGAN(gan.generator, gan.discriminator, augment=augment, seed=3)
    gan.compile("sgd", "sgd")
    return gan


def test_real_and_fake_images_get_numbers_of_their_own_and_each_step_others(images):
    gan = model(images, ALL)
    batch = tf.constant(images[:8] / 127.5 - 1, tf.float32)
    real, again, fake = (gan.augmented(batch, salt).numpy() for salt in (1, 1, 2))
    np.testing.assert_array_equal(real, again)
    assert np.abs(real - fake).max() > 0.1
    gan.train_step(batch)
    assert np.abs(real - gan.augmented(batch, 1).numpy()).max() > 0.1


class Blank:
    """Stands in for a policy: it makes every image grey."""

    def numbers(self, shape):
        return 1

    def __call__(self, images, numbers):
        return images * 0.0


def test_the_discriminator_sees_real_and_fake_images_augmented(images):
    gan = model(images, ALL)
    gan.augmentation = Blank()
    logits = gan.discriminator(tf.zeros((8, 28, 28, 1)), training=True)
    logs = gan.train_step(tf.constant(images[:8] / 127.5 - 1, tf.float32))
    for name in ("d_real", "d_fake"):
        np.testing.assert_allclose(logs[name], tf.reduce_mean(tf.sigmoid(logits)), rtol=1e-5)


def test_both_networks_learn_through_it_and_a_step_can_be_repeated(images):
    batch = tf.constant(images[:8] / 127.5 - 1, tf.float32)
    weights = []
    for augment in (ALL, ALL, ""):
        gan = model(images, augment)
        before = [np.array(value) for value in gan.generator.get_weights()]
        gan.train_step(batch)
        assert any((a != b).any() for a, b in zip(before, gan.generator.get_weights()))
        weights.append(all_weights(gan))
    np.testing.assert_array_equal(weights[0], weights[1])
    assert (weights[0] != weights[2]).any()


def test_it_is_saved_with_the_model(images, tmp_path):
    gan = model(images, "translation,color")
    assert DCGAN.from_config(gan.get_config()).augment == "color,translation"
