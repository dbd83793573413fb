"""What `DCGAN` refuses, and in which words: networks that do not fit each other, images and labels that do not fit.

Not here: the step, which asks for all of this and stays the lesson that it is (`gan`).
"""

import contextlib
import itertools
import types
import warnings
from collections.abc import Iterator

import keras
import tensorflow as tf
from dcgan_keras import models

_RANGE = "Real images must be float in [-1, 1], or uint8 from 0 to 255: divide by 127.5 and subtract 1."
_HALF = (
    "The first real images hold no value below 0: if they were scaled to [0, 1], they fill half of the range [-1, 1] "
    "that the generator draws in. Multiply by 2 and subtract 1, or hand over uint8."
)
_WEIGHTS = "A GAN has no use for sample_weight or class_weight: leave the weights out."
_UNEVEN = "The discriminator is shown several images at a time, and a batch is no multiple of that."


def image_shape(generator, discriminator, latent_dim: int) -> tuple[tuple[int, int, int], int]:
    """Returns the shape of an image and how many the discriminator reads, or raises ValueError if the two do not fit.

    An input is sent through both networks, which builds those that are classes of their own.
    """
    told = [models.classes(generator) or models.clusters(generator), models.classes(discriminator)]
    if told[0] != told[1]:
        raise ValueError(f"The generator is told {told[0]} classes and the discriminator {told[1]}: build both alike.")
    images = _called(generator, one_input(generator, latent_dim), "The generator does not take latent vectors")
    if images.shape.rank != 4:
        raise ValueError(f"The generator must draw (batch, height, width, channels), it draws {tuple(images.shape)}.")
    read = getattr(discriminator, "input_shape", images.shape)
    read = read[0] if told[1] else read
    pack = read[3] // images.shape[3] if len(read) == 4 and read[3] else 1
    if tuple(read[1:]) != (*images.shape[1:3], pack * images.shape[3]):
        raise ValueError(
            f"The generator draws {tuple(images.shape[1:])} but the discriminator reads {tuple(read[1:])} (height, "
            "width, channels): build both for the same images."
        )
    logits = _called(discriminator, tf.repeat(images, pack, axis=3), "The discriminator does not read images")
    if logits.shape.rank not in (2, 4) or logits.shape[0] != 1 or logits.shape[-1] != 1:
        raise ValueError(
            "The discriminator must give one logit an image, or a map of logits (height, width, 1), for one image it "
            f"gives {tuple(logits.shape)}."
        )
    last = discriminator.layers[-1] if getattr(discriminator, "layers", None) else discriminator
    if getattr(last, "activation", None) is keras.activations.sigmoid:
        raise ValueError("The discriminator ends with a sigmoid, and the losses take logits: leave the sigmoid out.")
    return tuple(images.shape[1:]), pack


def one_input(generator, latent_dim: int) -> tf.Tensor:
    """Returns what a generator draws one image from: a latent vector of zeros, or maps for one that reads an image."""
    shape = getattr(generator, "input_shape", None) or ()
    return tf.zeros((1, *(shape[1:] if len(shape) == 4 else [latent_dim])))


def _called(network, inputs, wrong: str) -> tf.Tensor:
    try:
        return tf.convert_to_tensor(network(models.with_labels(network, inputs), training=False))
    except Exception as error:  # what a network of one's own may raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{wrong} of shape {tuple(inputs.shape)}: {reason}") from error


def real_images(data, shape: tuple[int, int, int]) -> tf.Tensor:
    """Takes images of this shape out of what `fit` hands over, as float32 in [-1, 1], or stops with a sentence."""
    parts = data if isinstance(data, (tuple, list)) else (data,)
    if len(parts) > 2:
        raise ValueError(_WEIGHTS)
    images = tf.convert_to_tensor(parts[0])
    if not images.shape.is_compatible_with((None, *shape)):
        raise ValueError(f"{_shape_wanted(shape)}, got {tuple(images.shape)}.")
    if not images.shape[1:].is_fully_defined():
        images = _only_if(tf.reduce_all(tf.shape(images)[1:] == shape), images, _shape_wanted(shape))
        images.set_shape((None, *shape))
    if images.dtype == tf.uint8:
        return tf.cast(images, tf.float32) / 127.5 - 1.0
    images = tf.cast(images, tf.float32)
    return _only_if(tf.reduce_max(tf.abs(images)) <= 1.001, images, _RANGE)  # a nan is refused too


def labels(data, classes: int) -> tf.Tensor | None:
    """Takes the labels out of what `fit` hands over, whole numbers (batch,); None where no network is told any."""
    if not classes:
        return None
    if not isinstance(data, (tuple, list)) or len(data) < 2:
        raise ValueError("These networks are told classes: train them on pairs (images, labels).")
    found = tf.cast(data[1], tf.int32)
    if found.shape.rank != 1:
        raise ValueError(f"Labels must be whole numbers of shape (batch,), got the shape {tuple(found.shape)}.")
    return _only_if(tf.reduce_all((found >= 0) & (found < classes)), found, models.labels_wanted(classes))


def whole_packs(images, pack: int):
    """Hands images on if they are a multiple of `pack`, or stops with a sentence."""
    count = images.shape[0]
    if count is None:
        return _only_if(tf.shape(images)[0] % pack == 0, images, _UNEVEN)
    if count % pack:
        raise ValueError(f"The discriminator is shown {pack} images at a time: a batch of {count} cannot be.")
    return images


def fit_arguments(callbacks, class_weight, sample_weight) -> None:
    """Raises ValueError for what Keras's `fit` takes and a GAN has no use for."""
    if class_weight is not None or sample_weight is not None:
        raise ValueError(_WEIGHTS)
    for callback in callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]:
        if isinstance(callback, (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)):
            raise ValueError(
                f"{type(callback).__name__} sets the rate of one optimizer, and a GAN has two: give each optimizer "
                "a keras.optimizers.schedules.LearningRateSchedule, or set gan.g_optimizer.learning_rate and "
                "gan.d_optimizer.learning_rate in a callback of your own."
            )


def first_batch(x, y, batch_size: int | None, shape: tuple[int, int, int], classes: int):
    """Looks at the first batch that `fit` or `evaluate` is given: under XLA, which drops a graph's, the only check.

    It raises ValueError if images or labels do not fit, and warns if all values of float images are 0 or more. It
    returns what to go on with in place of `x`: a generator has given its first batch away.
    """
    first = None
    if isinstance(x, tf.data.Dataset):
        first = next(iter(x.take(1)), None)
    elif isinstance(x, keras.utils.PyDataset):
        first = x[0]
    elif isinstance(x, types.GeneratorType):
        first = next(x, None)
        if first is not None:
            x = (batch for batch in itertools.chain([first], x))  # Keras takes a generator, not any iterator
    elif hasattr(x, "shape") and hasattr(x, "__getitem__"):
        rows = slice(batch_size or 32)
        first = x[rows] if y is None else (x[rows], y[rows])
    if first is not None:
        images = real_images(first, shape)
        labels(first, classes)
        given = first[0] if isinstance(first, (tuple, list)) else first
        if not tf.as_dtype(given.dtype).is_integer and len(images) and float(tf.reduce_min(images)) >= 0:
            warnings.warn(_HALF, stacklevel=3)
    return x


@contextlib.contextmanager
def explained(shape: tuple[int, int, int], classes: int) -> Iterator[None]:
    """Turns TensorFlow's report of what does not fit, from the midst of a step, into a ValueError of one sentence."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        for sentence in (_RANGE, f"{_shape_wanted(shape)}.", models.labels_wanted(classes), _UNEVEN):
            if sentence.rstrip(".") in str(error):
                raise ValueError(sentence) from None
        raise


def _shape_wanted(shape) -> str:
    return f"Real images must have the shape (batch, {', '.join(map(str, shape))})"


def _only_if(condition, images, sentence: str):
    """Hands the images on if they fit. Whatever is computed from them waits for that."""
    with tf.control_dependencies([tf.debugging.Assert(condition, [sentence])]):
        return tf.identity(images)
