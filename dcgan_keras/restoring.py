"""Damaged pictures restored by a trained generator: holes filled, noise removed, small pictures enlarged.

Each looks for latent vectors whose images, damaged in the same way, would be what is known (`latent.search`, arXiv
1703.03208). So the generator was trained for none of the three, and what it cannot draw it cannot restore. From several
random starts it finds several answers, and where they differ nothing that is known decides.

Images are uint8, or float in [-1, 1].

Not here: reading and writing picture files. The command `dcgan restore` does.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from dcgan_keras import latent, models

# Ten times that of `latent.search`. On 32 test pictures of Fashion-MNIST and the committed generator the error in the
# hole fell by a tenth, and so did that of enlarged pictures; of noisy ones it rose by a hundredth.
PRIOR = 0.01


class Restored(NamedTuple):
    """What became of n pictures.

    Attributes:
        images: float32 of shape (n, height, width, channels) in [-1, 1], from the start whose loss ended lowest.
        spread: float32 of shape (n, height, width), from 0 to 1: at each pixel the standard deviation over the starts,
            the root of the mean square over the channels. 0 where a pixel is known, and for one start.
        errors: float32 of shape (n,), from 0 to 2: the root of the mean square by which the generator's image, damaged
            in the same way, differs from what is known.
    """

    images: np.ndarray
    spread: np.ndarray
    errors: np.ndarray


def inpaint(generator: keras.Model, images: np.ndarray, hole: np.ndarray, **search) -> Restored:
    """Fills a hole. All pixels around it stay exactly as they are.

    Args:
        generator: from latent vectors to images, and not told classes.
        images: of shape (n, height, width, channels), as the generator draws them. What is in the hole does not matter.
        hole: bool of shape (height, width), True where to fill.
        search: `restarts`, `steps`, `learning_rate`, `prior` and `seed`, as in `latent.search`; `prior` is `PRIOR`
            unless given.

    Raises:
        ValueError: if an argument does not fit, or there is no hole or nothing else.
    """
    height, width, channels = image_shape(generator)
    images = _images(images, (height, width, channels), "Pictures")
    hole = np.asarray(hole)
    if hole.shape != (height, width) or hole.dtype != bool:
        raise ValueError(f"The hole must be bool of shape {(height, width)}, got {hole.dtype} of shape {hole.shape}.")
    if hole.all() or not hole.any():
        raise ValueError(f"The hole takes {'all' if hole.all() else 'none'} of the picture: it must leave some of it.")
    measure = _around(hole.tobytes(), hole.shape)
    found = _search(generator, measure, measure(images).numpy(), **search)
    pasted = np.where(hole[..., np.newaxis], found, images[:, np.newaxis])
    return _restored(pasted, np.sqrt(np.square(measure(found[:, 0] - images)).mean(axis=(1, 2, 3))))


def denoise(generator: keras.Model, images: np.ndarray, **search) -> Restored:
    """Draws the generator's image that is nearest to a noisy picture. A larger `prior` trusts the picture less.

    Args:
        generator, search: as in `inpaint`.
        images: of shape (n, height, width, channels), as the generator draws them.

    Raises:
        ValueError: if an argument does not fit.
    """
    images = _images(images, image_shape(generator), "Pictures")
    found = _search(generator, _as_it_is, images, **search)
    return _restored(found, np.sqrt(np.square(found[:, 0] - images).mean(axis=(1, 2, 3))))


def upscale(generator: keras.Model, images: np.ndarray, factor: int, **search) -> Restored:
    """Draws an image whose means over squares of factor x factor pixels are the pixels of a small picture.

    Args:
        generator, search: as in `inpaint`.
        images: of shape (n, height / factor, width / factor, channels).
        factor: a whole number of 2 or more that divides the generator's height and width, and leaves 2 pixels or more.

    Raises:
        ValueError: if an argument does not fit.
    """
    small = small_shape(generator, factor)
    images = _images(images, small, "Small pictures")
    measure = _means(int(factor))
    found = _search(generator, measure, images, **search)
    return _restored(found, np.sqrt(np.square(measure(found[:, 0]) - images).mean(axis=(1, 2, 3))))


def image_shape(generator: keras.Model) -> tuple[int, int, int]:
    """Returns height, width and channels of a generator's images.

    Raises:
        ValueError: if it is told classes, or draws from something else than latent vectors: nothing here takes such.
    """
    if models.classes(generator):
        raise ValueError("This generator is told classes: only one that is not told any restores pictures.")
    if len(generator.input_shape) != 2:
        raise ValueError("This generator draws from an image: only one that draws from latent vectors is searched.")
    return generator.output_shape[1:]


def small_shape(generator: keras.Model, factor: int) -> tuple[int, int, int]:
    """Returns the shape of the pictures that `upscale` takes. Args and raises: as there."""
    height, width, channels = image_shape(generator)
    factors = [n for n in range(2, min(height, width) // 2 + 1) if height % n == width % n == 0]
    if factor not in factors:
        raise ValueError(
            f"The factor must be one of {', '.join(map(str, factors))}, which divide images of {height}x{width}, "
            f"got {factor}."
        )
    return height // factor, width // factor, channels


def center(size: int) -> np.ndarray:
    """Returns a hole in the middle, half as high and half as wide as a square image: bool of shape (size, size)."""
    inside = (np.arange(size) >= size // 4) & (np.arange(size) < size - size // 4)
    return inside[:, np.newaxis] & inside


# Each of these is made once, since a search is compiled for a function, not for what it does.


@functools.lru_cache(maxsize=8)
def _around(hole: bytes, shape: tuple[int, int]) -> Callable:
    """Makes the hole 0, and the rest so large that a mean of squares over all pixels is one over the known pixels."""
    known = ~np.frombuffer(hole, bool).reshape(*shape, 1)
    weights = (known / np.sqrt(known.mean())).astype(np.float32)
    return lambda images: images * tf.constant(weights)


def _as_it_is(images):
    return images


@functools.lru_cache(maxsize=8)
def _means(factor: int) -> Callable:
    return lambda images: tf.nn.avg_pool2d(images, factor, factor, "VALID")


def _search(generator, measure, observed, *, restarts: int = 4, prior: float = PRIOR, **options) -> np.ndarray:
    """Searches from several starts. Returns all answers, (n, restarts, height, width, channels), the best one first."""
    if not isinstance(restarts, (int, np.integer)) or restarts < 1:
        raise ValueError(f"restarts must be a whole number of 1 or more, got {restarts!r}.")
    # `search` keeps the best of its own starts. As so many observations with one start each, all come back.
    observations = np.tile(observed, (restarts, 1, 1, 1))
    found = latent.search(generator, measure, observations, restarts=1, prior=prior, **options)
    images = found.images.reshape(restarts, len(observed), *found.images.shape[1:])
    order = found.losses.reshape(restarts, len(observed)).argsort(axis=0, kind="stable")
    return np.take_along_axis(images, order[..., np.newaxis, np.newaxis, np.newaxis], axis=0).swapaxes(0, 1)


def _restored(images: np.ndarray, errors: np.ndarray) -> Restored:
    spread = np.sqrt(images.var(axis=1, dtype=np.float64).mean(axis=-1))
    return Restored(images[:, 0], spread.astype(np.float32), errors.astype(np.float32))


def _images(images, shape: tuple[int, int, int], what: str) -> np.ndarray:
    """Checks images and maps them to float32 in [-1, 1]."""
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1:] != tuple(shape) or not len(images):
        raise ValueError(f"{what} must have the shape (n, {', '.join(map(str, shape))}), got {images.shape}.")
    if images.dtype == np.uint8:
        return images.astype(np.float32) / 127.5 - 1
    if images.dtype.kind != "f" or not (np.abs(images) <= 1).all():  # a nan is not within either
        raise ValueError(f"{what} must be uint8, or float in [-1, 1].")
    return images.astype(np.float32)
