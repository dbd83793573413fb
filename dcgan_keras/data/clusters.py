"""Images in, groups of alike ones out: labels that nobody gave.

Told to both networks as classes are, they make a GAN of many small tasks of a large one (arXiv 1712.04407, 2006.10728;
there by features and anew while it trains, here once and by pixels).
"""

import warnings

import numpy as np

_SIDE = 16  # pixels that images are shrunk to at least: what is finer tells few groups apart
_ROUNDS = 25  # of k-means
_AT_ONCE = 1_000  # images in float32


def _shrunk(images: np.ndarray) -> np.ndarray:
    small = images.astype(np.float32) / 255
    while min(small.shape[1:3]) > _SIDE:
        even = small[:, : small.shape[1] // 2 * 2, : small.shape[2] // 2 * 2]
        small = np.mean([even[:, row::2, column::2] for row in (0, 1) for column in (0, 1)], axis=0)
    return small


def cluster(images: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Groups images by k-means of their pixels, shrunk by means of 2x2 until a side has 16 or less.

    Args:
        images: uint8 of shape (number, height, width, channels).
        count: how many groups, 2 or more. Where images repeat, some groups may stay empty.
        seed: of the first centres (k-means++).

    Returns the group of each image, int32 of shape (number,), from 0 to below `count`.
    Raises ValueError if there are fewer images than groups.
    """
    from scipy.cluster import vq  # here: few need it, and all would wait for it

    if count > len(images):
        raise ValueError(f"{len(images)} images cannot be put into {count} clusters: ask for fewer.")
    parts = [_shrunk(images[start : start + _AT_ONCE]) for start in range(0, len(images), _AT_ONCE)]
    small = np.concatenate(parts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SciPy says when a group stays empty, and divides by 0 where images repeat
        found = vq.kmeans2(small.reshape(len(small), -1), count, iter=_ROUNDS, minit="++", seed=seed)[1]
    return found.astype(np.int32)
