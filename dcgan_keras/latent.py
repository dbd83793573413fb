"""What a trained generator is used for: walks between latent vectors, the search for one, directions, single units.

Latent vectors are drawn from N(0, I): `latent_dim` numbers, each with mean 0 and variance 1. The generator is only
read. BatchNorm is in inference mode throughout, so that no image depends on the others of its batch.

Not here: training a network. This room opens a tape on latent vectors, never on weights.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

BATCH = 256  # latent vectors that go through the generator at a time
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8  # Adam's own settings (arXiv 1412.6980)
OPPOSITE = 1e-5  # the sum of two unit vectors shorter than this leaves open on which side to go round

_OTHER = "This generator is of another architecture than those of models.build_generator: {}."


class Found(NamedTuple):
    """The best restart for each of n observations.

    latents (n, latent_dim), images (n, height, width, channels) in [-1, 1] and losses (n,), all float32.
    """

    latents: np.ndarray
    images: np.ndarray
    losses: np.ndarray


class Direction(NamedTuple):
    """A direction along which a value rises: value ≈ intercept + slope * (latent @ vector).

    `vector` (latent_dim,) has length 1 and `slope` is positive: the rise for a step of length 1. `r2` is the share of
    the values' variance that the fit explains, on the latents that it was fitted to.
    """

    vector: np.ndarray
    r2: float
    slope: float
    intercept: float


class WeightDirections(NamedTuple):
    """Orthonormal latent directions (count, latent_dim), and for each by how much the first layer stretches it."""

    vectors: np.ndarray
    stretches: np.ndarray


def lerp(start: np.ndarray, end: np.ndarray, count: int) -> np.ndarray:
    """Walks from one latent vector to another in a straight line.

    In many dimensions the middle of the way is nearer to 0 than any latent vector that the generator was trained on.

    Args:
        start: float of shape (latent_dim,).
        end: the same.
        count: points of the walk, both ends among them, 2 or more.

    Returns:
        float32 of shape (count, latent_dim).

    Raises:
        ValueError: if an argument is outside its range.
    """
    start, end, shares = _walk(start, end, count)
    return ((1 - shares) * start + shares * end).astype(np.float32)


def slerp(start: np.ndarray, end: np.ndarray, count: int) -> np.ndarray:
    """Walks from one latent vector to another on an arc around 0, in equal angles (arXiv 1609.04468).

    Each point is as long as it should be: lengths go evenly from that of the start to that of the end.

    Args, returns and raises: as `lerp`, and a ValueError where no arc is the shortest, for opposite vectors, or where a
    vector is 0.
    """
    start, end, shares = _walk(start, end, count)
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    if not all(lengths):
        raise ValueError("There is no arc to or from a vector of zeros: it has no direction.")
    start, end = start / lengths[0], end / lengths[1]
    if np.linalg.norm(start + end) < OPPOSITE:
        raise ValueError("There is no shortest arc between opposite vectors: all half circles are equally long.")
    angle = 2 * np.arctan2(np.linalg.norm(start - end), np.linalg.norm(start + end))
    # sin(t x) / sin(x), which is t where x is 0.
    first, last = (t * np.sinc(t * angle / np.pi) / np.sinc(angle / np.pi) for t in (1 - shares, shares))
    points = (first * start + last * end) * ((1 - shares) * lengths[0] + shares * lengths[1])
    return points.astype(np.float32)


def search(
    generator: keras.Model,
    measure: Callable,
    observed: np.ndarray,
    *,
    restarts: int = 4,
    steps: int = 300,
    learning_rate: float = 0.05,
    prior: float = 1e-3,
    seed: int = 0,
) -> Found:
    """Searches the latent vectors whose images would give what was observed (arXiv 1703.03208).

    For each observation y it makes `mean((measure(G(z)) - y)^2) + prior * mean(z^2)` small by Adam on z, from several
    random starts, and keeps the start that ends lowest. Both means are over the numbers of one observation and of one
    latent vector. All observations and starts go through the generator together, `BATCH` at a time.

    The same arguments give the same result, and a larger `restarts` only adds starts. The search is compiled once for a
    generator and a measure: hand it the same function again, not a new one that does the same.

    Args:
        generator: from (batch, latent_dim) to images (batch, height, width, channels) in [-1, 1].
        measure: from images to measurements (batch, ...), in operations of TensorFlow that a gradient passes. It takes
            batches of any size and treats each image by itself: all observations share one measurement.
        observed: float of shape (n, ...), what `measure` should give.
        restarts: random starts from N(0, I) for each observation, 1 or more.
        steps: of Adam, 1 or more.
        learning_rate: of Adam, above 0.
        prior: weight of the penalty on long latent vectors, 0 or more.
        seed: of the random starts.

    Raises:
        ValueError: if an argument is outside its range, the measurements have another shape than what was observed, no
            gradient passes, or the search leaves the finite numbers.
    """
    for name, value in (("restarts", restarts), ("steps", steps)):
        if not isinstance(value, (int, np.integer)) or value < 1:
            raise ValueError(f"{name} must be a whole number of 1 or more, got {value!r}.")
    if not (np.isfinite(learning_rate) and learning_rate > 0):
        raise ValueError(f"learning_rate must be a number above 0, got {learning_rate!r}.")
    if not (np.isfinite(prior) and prior >= 0):
        raise ValueError(f"prior must be a number of 0 or more, got {prior!r}.")
    observed = _finite(observed, "What was observed", np.float32)
    latent_dim = generator.input_shape[-1]
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
    draws = [
        tf.random.stateless_normal((count, latent_dim), seed=[seed, restart], alg="philox")
        for restart in range(restarts)
    ]
    latents = np.concatenate(draws)
    losses = np.empty(len(latents), np.float32)
    descend = _descent(generator, measure, latent_dim, observed.shape[1:])
    for start in range(0, len(latents), BATCH):
        rows = np.arange(start, min(start + BATCH, len(latents)))
        found = descend(latents[rows], observed[rows % count], *map(np.float32, (steps, learning_rate, prior)))
        latents[rows], losses[rows] = (part.numpy() for part in found)
    if not np.isfinite(losses).all():
        raise ValueError("The search left the finite numbers: take a smaller learning_rate, or look at the measure.")
    best = losses.reshape(restarts, count).argmin(axis=0) * count + np.arange(count)
    return Found(latents[best], _in_batches(functools.partial(generator, training=False), latents[best]), losses[best])


@functools.lru_cache(maxsize=8)  # compiled for the last few pairs, which it keeps in memory
def _descent(generator, measure, latent_dim: int, shape: tuple) -> Callable:
    """Compiles Adam on latent vectors. Rows of the batch do not see each other, as their losses are added."""
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
            mean = BETA_1 * mean + (1 - BETA_1) * gradient
            square = BETA_2 * square + (1 - BETA_2) * tf.square(gradient)
            rate = learning_rate * tf.sqrt(1 - BETA_2**number) / (1 - BETA_1**number)
            return number + 1, latents - rate * mean / (tf.sqrt(square) + EPSILON), mean, square

        zeros = tf.zeros_like(latents)
        _, latents, *_ = tf.while_loop(lambda number, *_: number <= steps, step, (1.0, latents, zeros, zeros))
        return latents, errors(latents, observed) + prior * tf.reduce_mean(tf.square(latents), axis=1)

    return descend


def fit_direction(latents: np.ndarray, values: np.ndarray) -> Direction:
    """Finds the direction along which a measured value rises, by least squares with an intercept.

    Args:
        latents: float of shape (n, latent_dim), more rows than `latent_dim + 1`. With few rows beyond that, `r2`
            flatters: of values that have nothing to do with the latents it is about `latent_dim / n`.
        values: float of shape (n,), measured on the image of each, not all the same.

    Raises:
        ValueError: if the arrays do not fit or no direction follows from them.
    """
    latents, values = _finite(latents, "Latent vectors"), _finite(values, "Values")
    if latents.ndim != 2 or values.shape != latents.shape[:1]:
        raise ValueError(
            f"It takes latents (n, latent_dim) and values (n,), got shapes {latents.shape} and {values.shape}."
        )
    count, latent_dim = latents.shape
    if count <= latent_dim + 1:
        raise ValueError(f"It takes more than {latent_dim + 1} latent vectors of {latent_dim} numbers, got {count}.")
    if np.ptp(values) == 0:
        raise ValueError("All values are the same: there is no direction along which they rise.")
    center, mean = latents.mean(axis=0), values.mean()
    weights, *_ = np.linalg.lstsq(latents - center, values - mean, rcond=None)
    slope = float(np.linalg.norm(weights))
    if slope == 0:
        raise ValueError("The values do not depend on the latent vectors: there is no direction along which they rise.")
    wrong = values - mean - (latents - center) @ weights
    r2 = 1 - float(np.sum(wrong**2) / np.sum((values - mean) ** 2))
    return Direction(weights / slope, r2, slope, float(mean - center @ weights))


def weight_directions(generator: keras.Model, count: int) -> WeightDirections:
    """Reads from the weights the latent directions that the first layer stretches most (arXiv 2007.06600).

    They are the singular vectors of the matrix of `project`, each column times what BatchNorm multiplies it by in
    inference mode. So they belong to the numbers that go into the first ReLU. Where z is drawn from N(0, I) the
    covariance of these numbers comes from the same matrix, and the directions are those of a principal component
    analysis of them (arXiv 2004.02546), with the squared stretches as variances.

    Args:
        generator: one of `models.build_generator`, or loaded.
        count: directions, from 1 to `latent_dim`.

    Returns:
        The directions, most stretched first. Of the two signs each has the one that makes its largest entry positive.

    Raises:
        ValueError: if `count` is outside its range or the generator of another architecture.
    """
    project, norm = (_layer(generator, name, kind) for name, kind in _FIRST)
    matrix = _array(project.kernel)
    if not isinstance(count, (int, np.integer)) or not 1 <= count <= len(matrix):
        raise ValueError(f"count must be a whole number from 1 to {len(matrix)}, got {count!r}.")
    gain = _array(norm.gamma) / np.sqrt(_array(norm.moving_variance) + norm.epsilon)
    # Each channel has one gain for all places of the map. The columns are places, then channels.
    matrix = matrix * np.tile(gain, matrix.shape[1] // len(gain))
    vectors, stretches, _ = np.linalg.svd(matrix, full_matrices=False)
    vectors = vectors.T
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, None], axis=1)
    return WeightDirections((vectors * np.sign(largest))[:count], stretches[:count])


def unit_images(generator: keras.Model, latents: np.ndarray) -> np.ndarray:
    """Draws what each unit (channel) of the last hidden map adds to the image before its tanh.

    The last layer is linear: its bias plus the sum of these pictures over all units is the image before tanh.

    Args:
        generator: one of `models.build_generator`, or loaded.
        latents: float of shape (n, latent_dim).

    Returns:
        float32 of shape (n, units, height, width, channels), of any range: 1.5 MB for an image of 64x64 in colour.

    Raises:
        ValueError: if the latents do not fit or the generator is of another architecture.
    """
    *hidden, draw, _ = _sequence(generator)
    latents = _latents(generator, latents)
    kernel = _array(draw.kernel).astype(np.float32)  # (height, width, channels, units)
    height, width, channels, units = kernel.shape
    # Each unit by itself, in one convolution: its picture is made of its own map, all other weights are 0.
    apart = np.einsum("hwcv,uv->hwucv", kernel, np.eye(units, dtype=np.float32))
    apart = apart.reshape(height, width, units * channels, units)

    def pictures(batch):
        maps = tf.cast(_through(hidden, batch), tf.float32)
        drawn = keras.ops.conv_transpose(maps, apart, draw.strides, draw.padding, data_format="channels_last")
        return tf.transpose(tf.reshape(drawn, (-1, *drawn.shape[1:3], units, channels)), (0, 3, 1, 2, 4))

    return _in_batches(pictures, latents, size=BATCH // 8)  # they are many to an image


def ablate(generator: keras.Model, latents: np.ndarray, layer: str, units: Sequence[int]) -> np.ndarray:
    """Draws images with some units (channels) of a hidden map switched off: they are 0 after their ReLU.

    Args:
        generator: one of `models.build_generator`, or loaded.
        latents: float of shape (n, latent_dim).
        layer: name of the map's ReLU, such as `up_14_relu` or `project_relu`.
        units: numbers of the channels, from 0. None of them leaves the images as they are.

    Returns:
        float32 of shape (n, height, width, channels) in [-1, 1].

    Raises:
        ValueError: if there is no such ReLU or unit, the latents do not fit or it is another architecture's generator.
    """
    layers = _sequence(generator)
    latents = _latents(generator, latents)
    names = [each.name for each in layers if isinstance(each, keras.layers.ReLU)]
    if layer not in names:
        raise ValueError(f"layer must be one of {', '.join(names)}, got {layer!r}.")
    place = [each.name for each in layers].index(layer) + 1
    width = layers[place - 1].output.shape[-1]
    units = np.asarray(units)
    if units.ndim != 1 or units.size and (units.dtype.kind not in "iu" or units.min() < 0 or units.max() >= width):
        raise ValueError(f"units must be whole numbers from 0 to {width - 1}, got {units.tolist()}.")
    on = np.ones(width, np.float32)
    on[units.astype(int)] = 0

    def images(batch):
        maps = _through(layers[:place], batch)
        return _through(layers[place:], maps * tf.cast(on, maps.dtype))

    return _in_batches(images, latents)


_FIRST = (("project", keras.layers.Dense), ("project_norm", keras.layers.BatchNormalization))


def _layer(generator, name: str, kind: type):
    layer = next((each for each in generator.layers if each.name == name), None)
    if not isinstance(layer, kind):
        raise ValueError(_OTHER.format(f"it has no {kind.__name__} called {name!r}"))
    return layer


def _sequence(generator) -> list:
    """Returns the generator's layers, the last two of which draw the image: a transposed convolution and its tanh."""
    layers = generator.layers if isinstance(generator, keras.Sequential) else []
    if len(layers) < 3 or not isinstance(layers[-2], keras.layers.Conv2DTranspose) or layers[-1].name != "image":
        raise ValueError(_OTHER.format("it is no sequence that ends in a transposed convolution and 'image'"))
    return layers


def _through(layers, inputs):
    """Sends inputs through layers one by one, BatchNorm in inference mode."""
    for layer in layers:
        norm = isinstance(layer, keras.layers.BatchNormalization)
        inputs = layer(inputs, training=False) if norm else layer(inputs)
    return inputs


def _in_batches(function, latents, size: int | None = None) -> np.ndarray:
    size = size or BATCH
    parts = [function(latents[start : start + size]) for start in range(0, len(latents), size)]
    return np.concatenate([np.asarray(part, np.float32) for part in parts])


def _latents(generator, latents) -> np.ndarray:
    latents = _finite(latents, "Latent vectors", np.float32)
    latent_dim = generator.input_shape[-1]
    if latents.ndim != 2 or latents.shape[1] != latent_dim or not len(latents):
        raise ValueError(f"Latent vectors must have the shape (n, {latent_dim}), got {latents.shape}.")
    return latents


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


def _array(variable) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable), np.float64)
