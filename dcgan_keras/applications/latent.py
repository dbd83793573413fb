"""Walks between latent vectors of a trained generator, and the search for the one whose image is wanted.

Latent vectors are drawn from N(0, I): `latent_dim` numbers, each with mean 0 and variance 1. The generator is only
read: this room opens a tape on latent vectors, never on weights. BatchNorm is in inference mode throughout, so that no
image depends on the others of its batch. Not here: training a network.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from dcgan_keras import models

_BATCH = 256  # latent vectors that go through the generator at a time
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8  # Adam's own settings (arXiv 1412.6980)
_OPPOSITE = 1e-5  # the sum of two unit vectors shorter than this leaves open on which side to go round


class Found(NamedTuple):
    """All starts for each of n observations, float32, the one that ended lowest first."""

    latents: np.ndarray  # (n, restarts, latent_dim)
    images: np.ndarray  # (n, restarts, height, width, channels), in [-1, 1]
    losses: np.ndarray  # (n, restarts)


def lerp(start: np.ndarray, end: np.ndarray, count: int) -> np.ndarray:
    """Walks from one latent vector to another in a straight line.

    In many dimensions the middle of the way is nearer to 0 than any latent vector of the training.

    Args:
        start, end: float of shape (latent_dim,).
        count: points of the walk, both ends among them, 2 or more.

    Returns float32 of shape (count, latent_dim). Raises ValueError if an argument is outside its range.
    """
    start, end, shares = _walk(start, end, count)
    return ((1 - shares) * start + shares * end).astype(np.float32)


def slerp(start: np.ndarray, end: np.ndarray, count: int) -> np.ndarray:
    """Walks from one latent vector to another on an arc around 0, in equal angles (arXiv 1609.04468).

    Each point is as long as it should be: lengths go evenly from that of the start to that of the end.

    Args, Returns and Raises: as in `lerp`. Also raises ValueError for opposite vectors, and for one of zeros.
    """
    start, end, shares = _walk(start, end, count)
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    if not all(lengths):
        raise ValueError("There is no arc to or from a vector of zeros: it has no direction.")
    start, end = start / lengths[0], end / lengths[1]
    if np.linalg.norm(start + end) < _OPPOSITE:
        raise ValueError("There is no shortest arc between opposite vectors: all half circles are equally long.")
    angle = 2 * np.arctan2(np.linalg.norm(start - end), np.linalg.norm(start + end))
    # sin(t x) / sin(x), which is t where x is 0.
    first, last = (t * np.sinc(t * angle / np.pi) / np.sinc(angle / np.pi) for t in (1 - shares, shares))
    return ((first * start + last * end) * ((1 - shares) * lengths[0] + shares * lengths[1])).astype(np.float32)


def search(
    generator: keras.Model, measure: Callable, observed: np.ndarray, *,
    restarts: int = 4, steps: int = 300, learning_rate: float = 0.05, prior: float = 1e-3, seed: int = 0,
) -> Found:  # fmt: skip
    """Searches the latent vectors whose images would give what was observed (arXiv 1703.03208).

    For each observation y it makes `mean((measure(G(z)) - y)^2) + prior * mean(z^2)` small by Adam on z, from several
    random starts. The means are over the numbers of one observation and of one latent vector. Observations and starts
    go through the generator together, 256 at a time. The same arguments give the same result, and a larger `restarts`
    only adds starts. The search is compiled once for a generator and a measure: hand it the same function again, not a
    new one that does the same.

    Args:
        generator: from (batch, latent_dim) to images (batch, height, width, channels) in [-1, 1], not told classes.
        measure: from images to measurements (batch, ...), in operations of TensorFlow that a gradient passes. It takes
            batches of any size and treats each image by itself: all observations share one measurement.
        observed: float of shape (n, ...), what `measure` should give.
        restarts: random starts from N(0, I) for each observation, 1 or more; `seed` is theirs.
        steps, learning_rate: of Adam, 1 or more and above 0.
        prior: weight of the penalty on long latent vectors, 0 or more.

    Raises ValueError if an argument is outside its range, the measurements have another shape than what was observed,
    no gradient passes, or the search leaves the finite numbers.
    """
    for name, value in (("restarts", restarts), ("steps", steps)):
        if not isinstance(value, (int, np.integer)) or value < 1:
            raise ValueError(f"{name} must be a whole number of 1 or more, got {value!r}.")
    if not (np.isfinite(learning_rate) and learning_rate > 0):
        raise ValueError(f"learning_rate must be a number above 0, got {learning_rate!r}.")
    if not (np.isfinite(prior) and prior >= 0):
        raise ValueError(f"prior must be a number of 0 or more, got {prior!r}.")
    if models.classes(generator):
        raise ValueError("This generator is told classes: only one that draws from latent vectors alone is searched.")
    observed, latent_dim = _finite(observed, "What was observed", np.float32), models.latent_dim(generator)
    if not observed.ndim or not len(observed):
        raise ValueError("There is nothing observed: it must have the shape (n, ...).")
    measured = tuple(np.shape(measure(generator(tf.zeros((2, latent_dim)), training=False))))
    if measured != (2, *observed.shape[1:]):
        raise ValueError(
            f"Two images are measured to the shape {measured}: what was observed must have the same behind its first "
            f"number, got {observed.shape}."
        )

    count = len(observed)
    # Each round of starts has a seed of its own, so that a further round leaves the others as they are.
    seeds = [[seed, restart] for restart in range(restarts)]
    latents = np.concatenate([tf.random.stateless_normal((count, latent_dim), each, alg="philox") for each in seeds])
    losses = np.empty(len(latents), np.float32)
    descend = _descent(generator, measure, latent_dim, observed.shape[1:])
    for start in range(0, len(latents), _BATCH):
        rows = np.arange(start, min(start + _BATCH, len(latents)))
        found = descend(latents[rows], observed[rows % count], *map(np.float32, (steps, learning_rate, prior)))
        latents[rows], losses[rows] = (part.numpy() for part in found)
    if not np.isfinite(losses).all():
        raise ValueError("The search left the finite numbers: take a smaller learning_rate, or look at the measure.")
    parts = [generator(latents[start : start + _BATCH], training=False) for start in range(0, len(latents), _BATCH)]
    images = np.concatenate([np.asarray(part, np.float32) for part in parts])
    order = losses.reshape(restarts, count).T.argsort(axis=1, kind="stable")
    rows = order * count + np.arange(count)[:, np.newaxis]
    return Found(latents[rows], images[rows], losses[rows])


@functools.lru_cache(maxsize=8)  # compiled for the last few pairs, which it keeps in memory
def _descent(generator, measure, latent_dim: int, shape: tuple) -> Callable:
    """Compiles Adam on latent vectors. Rows of a batch do not see each other: their losses are added."""
    rows = [tf.TensorSpec((None, latent_dim)), tf.TensorSpec((None, *shape))]

    def errors(latents, observed):
        wrong = tf.square(measure(generator(latents, training=False)) - observed)
        return tf.reduce_mean(tf.reshape(wrong, (tf.shape(latents)[0], -1)), axis=1)

    @tf.function(autograph=False, input_signature=[*rows, *[tf.TensorSpec(())] * 3])
    def descend(latents, observed, steps, learning_rate, prior):
        def step(number, latents, mean, square):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(latents)
                error = tf.reduce_sum(errors(latents, observed))
            gradient = tape.gradient(error, latents)
            if gradient is None:
                raise ValueError("No gradient passes the measure: keep to TensorFlow's operations on its images.")
            gradient += 2 * prior / latents.shape[1] * latents
            mean = _BETA_1 * mean + (1 - _BETA_1) * gradient
            square = _BETA_2 * square + (1 - _BETA_2) * tf.square(gradient)
            rate = learning_rate * tf.sqrt(1 - _BETA_2**number) / (1 - _BETA_1**number)
            return number + 1, latents - rate * mean / (tf.sqrt(square) + _EPSILON), mean, square

        zeros = tf.zeros_like(latents)
        _, latents, *_ = tf.while_loop(lambda number, *_: number <= steps, step, (1.0, latents, zeros, zeros))
        return latents, errors(latents, observed) + prior * tf.reduce_mean(tf.square(latents), axis=1)

    return descend


def _walk(start, end, count):
    """Checks the ends of a walk. Returns them in float64, and how far each of its points is, from 0 to 1."""
    start, end = _finite(start, "Latent vectors"), _finite(end, "Latent vectors")
    if start.ndim != 1 or start.shape != end.shape:
        raise ValueError(f"Both ends must have the shape (latent_dim,), got {start.shape} and {end.shape}.")
    if not isinstance(count, (int, np.integer)) or count < 2:
        raise ValueError(f"count must be a whole number of 2 or more, got {count!r}.")
    return start, end, np.linspace(0, 1, count)[:, None]


def _finite(array, what: str, dtype=np.float64) -> np.ndarray:
    array = np.asarray(array, dtype)
    if not np.isfinite(array).all():
        raise ValueError(f"{what} must be finite: there is an infinity or a nan among them.")
    return array
