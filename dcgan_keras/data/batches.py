"""An array of images in, shuffled batches out: float32, channels last, in [-1, 1].

Batch t of an epoch is a function of (seed, epoch, t) alone, so a resumed run sees the very batches it would have seen.
Training on an array makes no copy of it: 8 MB for the bundled clothes, 2.5 GB for 200,000 colour images of 64x64. Not
here: where images come from (`sources`).
"""

import dataclasses
import math

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Labelled:
    """Images and what they show, which stay together from the source to `fit`."""

    images: np.ndarray  # uint8 of shape (count, height, width, channels)
    labels: np.ndarray | None = None  # int32 of shape (count,), into `names`; None where nothing says so or nobody asks
    names: tuple[str, ...] = ()  # of the classes

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows) -> "Labelled":
        """Returns some of them: a slice, or an array of places."""
        labels = None if self.labels is None else self.labels[rows]
        return dataclasses.replace(self, images=self.images[rows], labels=labels)


def labelled(images: "np.ndarray | Labelled") -> Labelled:
    """Takes an array of images for images of which nothing says what they show; leaves `Labelled` as it is."""
    return images if isinstance(images, Labelled) else Labelled(images)


def make_dataset(
    images: np.ndarray, labels: np.ndarray | None = None, *, batch_size: int = 64, seed: int = 0, first_epoch: int = 0
) -> tf.data.Dataset:
    """Serves images as shuffled batches. One pass is one epoch: each image once, a last smaller batch dropped.

    Every further pass is the next epoch, in an order of its own, always the same for the same seed. A pass counts when
    its last batch is delivered: a look at the first ones changes nothing. `len` is the steps of an epoch, `.repeat()`
    makes epochs without end. Under a distribution strategy, which reads ahead, take `make_stream`.

    Args:
        images: uint8 of shape (count, height, width, channels). Those of `load_images` are not copied: leave them.
        labels: whole numbers of shape (count,), what the images show, for networks that are told classes.
        batch_size: images a batch.
        seed, first_epoch: of the order, and the number of the first pass, for a resumed run.

    Returns batches (batch_size, height, width, channels), float32 in [-1, 1]. With labels, pairs of those and
    (batch_size,) labels, int32.

    Raises:
        ValueError: if there are fewer images than one batch, they are not such an array, or the labels do not fit them.
    """
    steps, batch = _batches(images, labels, batch_size, seed)
    # The epoch of the next pass. No variable, since a distribution strategy would copy it to each replica, and nothing
    # in Python: tf.data's threads would wait for the interpreter for ever when the program ends.
    state = tf.lookup.experimental.MutableHashTable(tf.int64, tf.int64, first_epoch, experimental_is_anonymous=True)
    next_epoch = tf.constant(0, tf.int64)  # the table's only key

    def one_pass(_):
        epoch = state.lookup(next_epoch)
        return tf.data.Dataset.range(epoch * steps, (epoch + 1) * steps)

    def deliver(position, served):
        epoch, step = position // steps, position % steps
        if step == steps - 1:
            state.insert(next_epoch, tf.maximum(state.lookup(next_epoch), epoch + 1))
        return served

    positions = tf.data.Dataset.from_tensors(0).flat_map(one_pass)
    batches = positions.map(lambda position: (position, batch(position)), num_parallel_calls=1, deterministic=True)
    batches = batches.prefetch(2).map(deliver).apply(tf.data.experimental.assert_cardinality(steps))
    return batches.with_options(_options())


def make_stream(
    images: np.ndarray, labels: np.ndarray | None = None, *, batch_size: int = 64, seed: int = 0, first_epoch: int = 0
) -> tf.data.Dataset:
    """Serves the epochs of `make_dataset` one after the other, without end, the same from each iterator.

    For trainings that count their steps themselves: nothing that reads ahead or anew, as distribution strategies do,
    changes what comes. Args, Returns and Raises: as in `make_dataset`.
    """
    steps, batch = _batches(images, labels, batch_size, seed)
    positions = tf.data.Dataset.range(first_epoch * steps, tf.int64.max)
    batches = positions.map(batch, num_parallel_calls=1, deterministic=True).prefetch(2)
    return batches.with_options(_options())


def _batches(images, labels, batch_size: int, seed: int):
    """Returns the steps of an epoch, and a function from a position (steps since epoch 0) to a batch."""
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 4:
        got = f"{images.dtype} {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        raise ValueError(f"images must be a NumPy array, uint8 of shape (count, height, width, channels), got {got}.")
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more, got {batch_size}.")
    count, steps = len(images), len(images) // batch_size
    if not steps:
        smaller = "give a smaller batch size (--batch-size on the command line)"
        raise ValueError(f"There are {count} images and a batch takes {batch_size}: {smaller}.")
    if labels is not None and np.shape(labels) != (count,):
        raise ValueError(f"There are {count} images, and the labels have the shape {np.shape(labels)}: give one each.")
    on_host, shown = _lend(images), None if labels is None else tf.constant(labels, tf.int32)

    def batch(position):
        epoch, step = position // steps, position % steps
        # A permutation of 0..count-1 that can be asked for any part of itself: no buffer, nothing to skip on resume.
        key = tf.stack([tf.constant(seed, tf.int64), epoch])
        places = step * batch_size + tf.range(batch_size, dtype=tf.int64)
        order = tf.random.experimental.index_shuffle(places, key, count - 1)
        chosen = tf.ensure_shape(tf.gather(on_host, order), (batch_size, *images.shape[1:]))
        real_images = tf.cast(chosen, tf.float32) / 127.5 - 1.0
        return real_images if shown is None else (real_images, tf.gather(shown, order))

    return steps, batch


def _options() -> tf.data.Options:
    options = tf.data.Options()
    # Nothing here is left to tune, and the thread that tunes sleeps ever longer: `fit` would wait for it at its end.
    options.autotune.enabled = False
    # Nor to rewrite: for that TensorFlow would copy all images into the graph of each iterator.
    options.experimental_optimization.apply_default_optimizations = False
    return options


def _lend(images: np.ndarray) -> tf.Tensor:
    """Makes a tensor of an array, without a copy where it lies as those of `aligned`. `tf.constant` copies any."""
    if images.ctypes.data % 64 or not (images.flags.c_contiguous and images.flags.writeable):
        images, original = aligned(images.shape), images
        images[...] = original
    return tf.experimental.dlpack.from_dlpack(images.__dlpack__())


def aligned(shape: tuple[int, ...]) -> np.ndarray:
    """Makes an uint8 array that TensorFlow can use where it is: it begins at a multiple of 64 bytes."""
    memory = np.empty(math.prod(shape) + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + math.prod(shape)].reshape(shape)
