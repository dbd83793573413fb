import numpy as np
import pytest
import tensorflow as tf
from dcgan_keras import losses

REAL = np.array([[0.3], [-1.2], [2.5]])
FAKE = np.array([[-0.7], [0.1], [1.9]])


def sigmoid(s):
    return 1 / (1 + np.exp(-s))


# The formulas as the papers write them, on probabilities and in float64: another route to the same numbers.
BCE = -np.log(sigmoid(REAL)).mean() - np.log(1 - sigmoid(FAKE)).mean()
EXPECTED = {
    "non_saturating": (BCE, -np.log(sigmoid(FAKE)).mean()),
    "saturating": (BCE, np.log(1 - sigmoid(FAKE)).mean()),
    "least_squares": (0.5 * ((REAL - 1) ** 2).mean() + 0.5 * (FAKE**2).mean(), 0.5 * ((FAKE - 1) ** 2).mean()),
    "hinge": (np.maximum(0, 1 - REAL).mean() + np.maximum(0, 1 + FAKE).mean(), -FAKE.mean()),
    "wasserstein": (FAKE.mean() - REAL.mean(), -FAKE.mean()),
}


@pytest.mark.parametrize("name", losses.LOSSES)
def test_losses_are_the_papers_formulas(name):
    pair = losses.get(name)
    got = (pair.discriminator(tf.constant(REAL), tf.constant(FAKE)), pair.generator(tf.constant(FAKE)))
    np.testing.assert_allclose(got, EXPECTED[name], rtol=1e-12)


def test_bce_pair_stays_finite_and_exact_where_probabilities_overflow():
    far = tf.constant([[1000.0], [-1000.0]])
    assert float(losses.discriminator_loss(far, -far)) == 1000.0
    assert float(losses.generator_loss(far)) == 500.0
    assert float(losses.saturating_generator_loss(far)) == -500.0


def test_discriminator_loss_is_2_log_2_when_it_cannot_tell():
    zeros = tf.zeros((4, 1))
    np.testing.assert_allclose(losses.discriminator_loss(zeros, zeros), 2 * np.log(2), rtol=1e-6)


def test_saturating_gradient_vanishes_where_non_saturating_does_not():
    lost = tf.constant([[-20.0]])  # the discriminator is sure the image is fake
    slopes = []
    for loss in (losses.generator_loss, losses.saturating_generator_loss):
        with tf.GradientTape() as tape:
            tape.watch(lost)
            value = loss(lost)
        slopes.append(tape.gradient(value, lost).numpy().item())
    assert slopes[0] == pytest.approx(-1, abs=1e-6)
    assert -1e-8 < slopes[1] < 0


def test_r1_is_half_the_mean_squared_norm():
    gradients = np.random.default_rng(0).normal(size=(5, 4, 4, 3))
    expected = 0.5 * np.mean([np.linalg.norm(gradient) ** 2 for gradient in gradients])
    np.testing.assert_allclose(losses.r1_penalty(tf.constant(gradients)), expected, rtol=1e-12)


def test_unknown_loss_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match="non_saturating, saturating.*Got 'bce'"):
        losses.get("bce")
