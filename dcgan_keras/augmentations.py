"""Differentiable augmentation: what keeps a discriminator from knowing few images by heart (arXiv 2006.10738).

Real and generated images alike are changed at random before the discriminator sees them, and the generator's gradient
goes through the change. So the generator still learns the images as they are: it draws what looks real *after* any such
change, and a change that happened to fakes alone, or to real images alone, would give itself away.

Each augmentation is a pure function of images, float (batch, height, width, channels), and of random numbers, uniform
in [0, 1), a row an image. It returns images of the same shape.

Not here: who draws the numbers (`gan`).
"""

import math
from collections.abc import Callable

import tensorflow as tf


def color(images, numbers):
    """Changes brightness by up to 0.5, saturation by a factor of 0 to 2, contrast by one of 0.5 to 1.5.

    By numbers of shape (batch, 3). Images may leave [-1, 1].
    """
    brightness, saturation, contrast = tf.split(numbers[:, tf.newaxis, tf.newaxis], 3, axis=-1)
    images += brightness - 0.5
    grey = tf.reduce_mean(images, axis=3, keepdims=True)
    images = grey + (images - grey) * 2.0 * saturation
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    return mean + (images - mean) * (contrast + 0.5)


def translation(images, numbers):
    """Shifts each image by up to an eighth of its size, whole pixels, both ways, by numbers of shape (batch, 2).

    What comes in from outside is grey.
    """
    for axis in (1, 2):
        size = images.shape[axis]
        most = size // 8
        shift = tf.cast(tf.floor(numbers[:, axis - 1 : axis] * (2 * most + 1)), tf.int32)
        padded = tf.pad(images, [[0, 0] if each != axis else [most, most] for each in range(4)])
        images = tf.gather(padded, tf.range(size)[tf.newaxis] + shift, batch_dims=1, axis=axis)
    return images


def cutout(images, numbers):
    """Makes a square of half the height and width grey, partly outside too, by numbers of shape (batch, 2)."""
    inside = 1.0
    for axis in (1, 2):
        size = images.shape[axis]
        center = tf.floor(numbers[:, axis - 1, tf.newaxis] * (size + 1))
        away = tf.range(size, dtype=tf.float32) + 0.5 - center
        shape = (-1, size, 1, 1) if axis == 1 else (-1, 1, size, 1)
        inside *= tf.reshape(tf.cast(tf.abs(away) < size // 4, images.dtype), shape)
    return images * (1.0 - inside)


def flip(images, numbers):
    """Mirrors every second image, left to right, by numbers of shape (batch, 1).

    Not for images in which left and right differ, as in writing or flags.
    """
    return tf.where(numbers[:, :, tf.newaxis, tf.newaxis] < 0.5, images, images[:, :, ::-1])


def noise(images, numbers):
    """Adds normal noise of deviation 0.1 to each value: instance noise (arXiv 1610.04490, 1701.04862).

    It is no remedy for few images, but makes real and generated ones overlap where they would not. By numbers of shape
    (batch, height * width * channels).
    """
    normal = tf.math.ndtri(tf.clip_by_value(numbers, 1e-6, 1.0 - 1e-6))
    return images + 0.1 * tf.cast(tf.reshape(normal, tf.shape(images)), images.dtype)


# In the order in which they are done, with how many numbers an image takes; 0 for as many as it has values.
_AUGMENTATIONS: dict[str, tuple[Callable, int]] = {
    "flip": (flip, 1),
    "color": (color, 3),
    "translation": (translation, 2),
    "cutout": (cutout, 2),
    "noise": (noise, 0),
}


class Policy:
    """Some augmentations, one after the other.

    Args:
        names: some of color, translation, cutout (the paper's), flip and noise, with commas between them, or "".
            The attribute has them in the order in which they are done.

    Raises ValueError if there is no such augmentation.
    """

    def __init__(self, names: str):
        asked = [name.strip() for name in names.split(",")] if isinstance(names, str) and names.strip() else []
        unknown = sorted(set(asked) - _AUGMENTATIONS.keys())
        if not isinstance(names, str) or unknown:
            known = ", ".join(_AUGMENTATIONS)
            raise ValueError(f"augment must be some of {known} with commas between them, or nothing, got {names!r}.")
        self.names = ",".join(name for name in _AUGMENTATIONS if name in asked)
        self._parts = [_AUGMENTATIONS[name] for name in _AUGMENTATIONS if name in asked]

    def numbers(self, shape: tuple[int, int, int]) -> int:
        """Returns how many random numbers an image (height, width, channels) takes."""
        return sum(count or math.prod(shape) for _, count in self._parts)

    def __call__(self, images, numbers):
        """Changes images, float of shape (batch, height, width, channels), by numbers of shape (batch, `numbers`)."""
        for function, count in self._parts:
            count = count or math.prod(images.shape[1:])
            images, numbers = function(images, numbers[:, :count]), numbers[:, count:]
        return images
