"""The losses of the game between the two networks: logits in, scalars out, nothing else.

A logit s is the discriminator's raw output. What the course's document calls a probability is sigmoid(s). Every
formula stays in logits, because log(sigmoid(s)) overflows where -softplus(-s), the same number, does not.

Not here: labels, networks, gradients. The one loss that needs a gradient, R1, takes it as an argument.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf


def discriminator_loss(real_logits, fake_logits):
    """Binary cross-entropy with real images labelled 1 and fake ones 0 (arXiv 1406.2661, equation 1).

    Args:
        real_logits, fake_logits: the discriminator's outputs on real and on generated images, shape (batch, 1).

    Returns a scalar of 0 or more, mean -log D(x) + mean -log(1 - D(G(z))). It is 2 log 2 = 1.386 when every logit is 0,
    that is when the discriminator cannot tell.
    """
    return tf.reduce_mean(tf.nn.softplus(-real_logits)) + tf.reduce_mean(tf.nn.softplus(fake_logits))


def generator_loss(fake_logits):
    """Non-saturating generator loss, mean -log D(G(z)), a scalar of 0 or more (arXiv 1406.2661, section 3)."""
    return tf.reduce_mean(tf.nn.softplus(-fake_logits))


def saturating_generator_loss(fake_logits):
    """Minimax generator loss, mean log(1 - D(G(z))), whose gradient vanishes when D wins (arXiv 1406.2661)."""
    return -tf.reduce_mean(tf.nn.softplus(fake_logits))


def least_squares_discriminator_loss(real_logits, fake_logits):
    """Half the squared distance of real outputs from 1 and of fake ones from 0 (LSGAN, arXiv 1611.04076)."""
    return 0.5 * (tf.reduce_mean(tf.square(real_logits - 1.0)) + tf.reduce_mean(tf.square(fake_logits)))


def least_squares_generator_loss(fake_logits):
    """Half the squared distance of fake outputs from 1 (LSGAN, arXiv 1611.04076)."""
    return 0.5 * tf.reduce_mean(tf.square(fake_logits - 1.0))


def hinge_discriminator_loss(real_logits, fake_logits):
    """Margin loss: real outputs above 1 and fake ones below -1 cost nothing (arXiv 1705.02894)."""
    return tf.reduce_mean(tf.nn.relu(1.0 - real_logits)) + tf.reduce_mean(tf.nn.relu(1.0 + fake_logits))


def wasserstein_discriminator_loss(real_logits, fake_logits):
    """Critic loss mean D(G(z)) - mean D(x) (arXiv 1701.07875).

    It estimates a distance only while the critic's slope is bounded: use it with a gradient penalty.
    """
    return tf.reduce_mean(fake_logits) - tf.reduce_mean(real_logits)


def wasserstein_generator_loss(fake_logits):
    """Generator loss -mean D(G(z)), shared by the Wasserstein and the hinge game (arXiv 1701.07875)."""
    return -tf.reduce_mean(fake_logits)


def r1_penalty(real_gradients):
    """R1 gradient penalty, half the mean squared norm of dD/dx at real images (arXiv 1801.04406, equation 9).

    Args:
        real_gradients: of the summed real logits, to the real images, shape (batch, height, width, channels).

    Returns a scalar of 0 or more, to be multiplied by gamma and added to the discriminator's loss.
    """
    return 0.5 * tf.reduce_mean(tf.reduce_sum(tf.square(real_gradients), axis=[1, 2, 3]))


class LossPair(NamedTuple):
    """Two losses played against each other: of real and fake logits (batch, 1), and of fake ones alone, to scalars."""

    discriminator: Callable
    generator: Callable


LOSSES = {
    "non_saturating": LossPair(discriminator_loss, generator_loss),
    "saturating": LossPair(discriminator_loss, saturating_generator_loss),
    "least_squares": LossPair(least_squares_discriminator_loss, least_squares_generator_loss),
    "hinge": LossPair(hinge_discriminator_loss, wasserstein_generator_loss),
    "wasserstein": LossPair(wasserstein_discriminator_loss, wasserstein_generator_loss),
}


def get(loss) -> LossPair:
    """Returns the pair of losses called by a name, or made of two functions (discriminator's, generator's).

    Raises ValueError if it is neither; the message lists the names there are.
    """
    if isinstance(loss, str) and loss in LOSSES:
        return LOSSES[loss]
    if isinstance(loss, (tuple, list)) and len(loss) == 2 and all(map(callable, loss)):
        return LossPair(*loss)
    raise ValueError(
        f"loss must be one of {', '.join(LOSSES)}, or two functions: the discriminator's of (real_logits, fake_logits) "
        f"and the generator's of (fake_logits). Got {loss!r}."
    )
