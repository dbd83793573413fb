"""Where images come from. Every source ends as the same `tf.data.Dataset` of float32 NHWC batches in [-1, 1].

A source is `bundled` (10,000 grey photographs of clothes that come with the package, also called `bundled:fashion`),
`bundled:emoji` (1,911 drawings in colour that come with it too), `tfds:NAME` (any image dataset of TensorFlow Datasets)
or a folder of images. All images are decoded once, to one uint8 array in memory, and training on
it makes no copy: 8 MB for `bundled`, 2.5 GB for 200,000 colour images of 64x64.

Batch t of an epoch is a function of (seed, epoch, t) alone, so a resumed run sees the very batches it would have seen.

Not here: how a picture file is read.
"""

import collections
import contextlib
import csv
import hashlib
import io
import logging
import math
import os
import sys
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from dcgan_keras import pictures
from dcgan_keras.pictures import fit_image
from PIL import Image
from tqdm import tqdm

BUNDLED_SHA256 = {
    "fashion_mnist_subset.npz": "9a27f1157a76d01842d28f45403567fdd1906877f006cf7390b2ff9e7b4c0208",
    "emoji.webp": "96d9e1a830c5c38c6640f46292633fa8019a46f67025c431208bd140b4dc9c52",
    "emoji.csv": "14dc01df25b5f39ca8bfac2ded6a405452d2685b9e7b07f96ee5bc480c0c7734",
}
CLASS_NAMES = (
    "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
CATEGORIES = (
    "Activities", "Animals & Nature", "Flags", "Food & Drink", "Objects", "People & Body", "Smileys & Emotion",
    "Symbols", "Travel & Places",
)  # fmt: skip
EMOJI_SHAPE = (64, 64, 3)
LOOKED_AT = 100  # pictures of a folder, before all are read
NOT_THE_USERS = ("__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "Thumbs.db", "desktop.ini")  # systems make them


class Labelled(NamedTuple):
    """Images with what they show.

    Attributes:
        images: uint8 of shape (count, height, width, channels).
        labels: int32 of shape (count,), into `names`. None where nothing says what they show.
        names: of the classes.
    """

    images: np.ndarray
    labels: np.ndarray | None
    names: tuple[str, ...]


def load_dataset(
    source: str | Path = "bundled",
    *,
    image_size: int = 28,
    channels: int = 1,
    batch_size: int = 64,
    seed: int = 0,
    first_epoch: int = 0,
    split: str = "train",
    data_dir: str | Path | None = None,
) -> tf.data.Dataset:
    """Loads the images of a source and serves them as shuffled batches: `load_images`, then `make_dataset`.

    Args and Raises: as in those two.

    Returns:
        Batches of shape (batch_size, image_size, image_size, channels), float32 in [-1, 1]. One pass is one epoch.
    """
    images = load_images(source, image_size=image_size, channels=channels, split=split, data_dir=data_dir)
    return make_dataset(images, batch_size=batch_size, seed=seed, first_epoch=first_epoch)


def load_images(
    source: str | Path = "bundled",
    *,
    image_size: int = 28,
    channels: int = 1,
    split: str = "train",
    data_dir: str | Path | None = None,
) -> np.ndarray:
    """Loads all images of a source as one array.

    A folder is searched with its subfolders, in the order of the names. Links to files and folders are followed, and a
    folder that is reached twice is read once. Not read: hidden files and folders, thumbnails that systems make, and the
    folders of runs. A picture that cannot be read is left out, and a warning names it.

    Args:
        source: `bundled`, `bundled:emoji`, `tfds:NAME`, or the path of a folder of images; `~` is the home folder.
        image_size: height and width to crop (from the center) and resize to, in pixels.
        channels: 1 for grey, 3 for RGB.
        split: `train` or `test` for `bundled`; any split of the dataset for `tfds:NAME`; a folder has only `train`.
        data_dir: where TensorFlow Datasets keeps its files. None takes its default, `~/tensorflow_datasets`.

    Returns:
        uint8 of shape (count, image_size, image_size, channels).

    Raises:
        FileNotFoundError: if the folder, or the bundled file, does not exist.
        ConnectionError: if a dataset must be downloaded and cannot be.
        ValueError: if there is no such dataset or split, it must be downloaded by hand or prepared otherwise, there are
            no images, the source is a file, or the bundled file is damaged.
    """
    return _load(os.fspath(source), image_size, channels, split, data_dir).images


def _load(source: str, image_size: int, channels: int, split: str, data_dir: str | Path | None) -> Labelled:
    if image_size < 1 or channels not in (1, 3):
        raise ValueError(f"image_size must be 1 or more and channels 1 or 3, got {image_size} and {channels}.")
    if is_bundled(source):
        name = source.partition(":")[2] or "fashion"
        images, labels = load_bundled(split, name)
        names = CLASS_NAMES if name == "fashion" else CATEGORIES
        return Labelled(_fit_all(images, image_size, channels), labels.astype(np.int32), names)
    if source.startswith("tfds:"):
        return _load_tfds(source.removeprefix("tfds:"), image_size, channels, split, data_dir)
    if split != "train":
        raise ValueError(f"A folder of images has only the split 'train', got {split!r}.")
    return _load_folder(Path(os.path.expanduser(source)), image_size, channels)


def load_labelled(
    source: str | Path = "bundled",
    *,
    image_size: int = 28,
    channels: int = 1,
    split: str = "train",
    data_dir: str | Path | None = None,
) -> Labelled:
    """Loads all images of a source, and what each of them shows, for networks that are told classes.

    The classes of a folder are its subfolders, in the order of their names.

    Args, Raises: as in `load_images`. And ValueError if the source does not say what its images show.
    """
    found = _load(os.fspath(source), image_size, channels, split, data_dir)
    if found.labels is None or len(found.names) < 2:
        raise ValueError(
            f"{source} does not say what its images show: a folder must have all its pictures in subfolders, one a "
            "class and two or more of them, and a dataset of TensorFlow Datasets a class label."
        )
    return found


class Look(NamedTuple):
    """What the images of a source are like: their usual shorter side in pixels, and 1 channel (grey) or 3 (colour)."""

    side: int
    channels: int


def look(source: str | Path = "bundled", *, data_dir: str | Path | None = None) -> Look | None:
    """Looks at some images of a source, to choose how to train on it before all are loaded.

    Of a folder up to a hundred pictures are opened. They are in colour if one in ten is.

    Args:
        source, data_dir: as in `load_images`.

    Returns:
        None where nothing can be said: `load_images` says why.
    """
    source = os.fspath(source)
    if is_bundled(source):
        return Look(64, 3) if source == "bundled:emoji" else Look(28, 1)
    if source.startswith("tfds:"):
        return _look_at_tfds(source.removeprefix("tfds:"), data_dir)
    folder = Path(os.path.expanduser(source))
    if not folder.is_dir() or _is_run(folder):
        return None
    paths = find_pictures(folder)[0]
    found = []
    for path in paths[:: max(1, len(paths) // LOOKED_AT)][:LOOKED_AT]:
        with contextlib.suppress(Exception):  # of any kind: one that cannot be read says nothing
            found.append(pictures.look(path))
    if not found:
        return None
    colourful = sum(colour for _, colour in found)
    return Look(int(np.median([side for side, _ in found])), 3 if 10 * colourful >= len(found) else 1)


def images_digest(images: np.ndarray) -> str:
    """Identifies an array of images by its content: the sha256 of its type, shape and pixels, 64 hexadecimal digits."""
    digest = hashlib.sha256(f"{images.dtype} {images.shape}".encode())
    for image in images:
        digest.update(np.ascontiguousarray(image))
    return digest.hexdigest()


def is_bundled(source: str) -> bool:
    """Whether a source is one that comes with the package (or would be, if there were such a one)."""
    return source == "bundled" or source.startswith("bundled:")


def load_bundled(split: str = "train", name: str = "fashion") -> tuple[np.ndarray, np.ndarray]:
    """Loads images that come with the package, and what they show.

    Args:
        split: `train` or `test`.
        name: `fashion`, a part of Fashion-MNIST (arXiv 1708.07747) with the same number of images of each class: 10,000
            to train on and 5,000 to test. Or `emoji`, Google's emoji on white: 1,911 and 318, and no design in both.

    Returns:
        Images, uint8 of shape (count, 28, 28, 1) or (count, 64, 64, 3), and labels, uint8 of shape (count,) into
        `CLASS_NAMES` or `CATEGORIES`.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if its sha256 is not that in `BUNDLED_SHA256`, or there is no such split or name.
    """
    if split not in ("train", "test"):
        raise ValueError(f"The bundled images have the splits 'train' and 'test', got {split!r}.")
    if name == "fashion":
        with np.load(io.BytesIO(_bundled_file("fashion_mnist_subset.npz")), allow_pickle=False) as arrays:
            return arrays[f"{split}_images"][..., np.newaxis], arrays[f"{split}_labels"]
    if name == "emoji":
        rows = emoji_table()
        chosen = [place for place, row in enumerate(rows) if row["split"] == split]
        sheet = np.asarray(Image.open(io.BytesIO(_bundled_file("emoji.webp"))).convert("RGB"))
        height, width, _ = EMOJI_SHAPE
        images = sheet.reshape(-1, height, sheet.shape[1] // width, width, 3).swapaxes(1, 2).reshape(-1, *EMOJI_SHAPE)
        return images[chosen], np.array([CATEGORIES.index(rows[place]["category"]) for place in chosen], np.uint8)
    raise ValueError(f"Bundled are 'bundled:fashion' and 'bundled:emoji', there is no 'bundled:{name}'.")


def emoji_table() -> list[dict[str, str]]:
    """Reads what the bundled emoji show, in the order of their pictures on the sheet.

    Returns:
        For each picture its `code_points`, `name`, `category`, `subcategory`, `group` (of pictures that show the same
        thing) and `split`.

    Raises:
        FileNotFoundError, ValueError: as in `load_bundled`.
    """
    return list(csv.DictReader(io.StringIO(_bundled_file("emoji.csv").decode("utf-8"))))


def _bundled_file(name: str) -> bytes:
    path = assets_folder() / "data" / name
    if not path.is_file():
        raise FileNotFoundError(f"The bundled images are missing: {path}. Install the package again.")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != BUNDLED_SHA256[name]:
        raise ValueError(f"The bundled images are damaged (wrong sha256): {path}. Install the package again.")
    return content


def assets_folder() -> Path:
    """Finds `assets/`: inside the installed package, or beside it in a checkout of the repository."""
    package = Path(__file__).parent
    return next((path for path in (package / "assets", package.parent / "assets") if path.is_dir()), package / "assets")


def make_dataset(
    images: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    batch_size: int = 64,
    seed: int = 0,
    first_epoch: int = 0,
) -> tf.data.Dataset:
    """Serves images as shuffled batches. One pass is one epoch: each image once, a last smaller batch dropped.

    Every further pass over the dataset is the next epoch, in an order of its own, always the same for the same seed. A
    pass counts when its last batch is delivered: a look at the first ones changes nothing. `len` is the steps of an
    epoch, `.repeat()` makes epochs without end. Under a distribution strategy, which reads ahead, take `make_stream`.

    Args:
        images: uint8 of shape (count, height, width, channels). Those of `load_images` are not copied: leave them as
            they are.
        labels: whole numbers of shape (count,), what the images show, for networks that are told classes.
        batch_size: images a batch.
        seed: of the order.
        first_epoch: number of the first pass, for a resumed run.

    Returns:
        Batches of shape (batch_size, height, width, channels), float32 in [-1, 1]. With labels, pairs of such a batch
        and its labels, int32 of shape (batch_size,).

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
    images: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    batch_size: int = 64,
    seed: int = 0,
    first_epoch: int = 0,
) -> tf.data.Dataset:
    """Serves the epochs of `make_dataset` one after the other, without end, the same from each iterator.

    For trainings that count their steps themselves: nothing that reads ahead or anew, as distribution strategies do,
    changes what comes.

    Args, Returns and Raises: as in `make_dataset`.
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
        raise ValueError(
            f"There are {count} images and a batch takes {batch_size}: give a smaller batch size (--batch-size on the "
            "command line)."
        )
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
    """Makes a tensor of an array, without a copy where it lies as those of `_empty`. `tf.constant` copies any."""
    if images.ctypes.data % 64 or not (images.flags.c_contiguous and images.flags.writeable):
        images, original = _empty(images.shape), images
        images[...] = original
    return tf.experimental.dlpack.from_dlpack(images.__dlpack__())


def _empty(shape: tuple[int, ...]) -> np.ndarray:
    """Makes an uint8 array that TensorFlow can use where it is: it begins at a multiple of 64 bytes."""
    memory = np.empty(math.prod(shape) + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + math.prod(shape)].reshape(shape)


def _fit_all(images: np.ndarray, image_size: int, channels: int) -> np.ndarray:
    if images.shape[1:] == (image_size, image_size, channels):
        return images
    return np.stack([fit_image(_as_picture(image), image_size, channels) for image in images])


def _as_picture(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def _load_folder(folder: Path, image_size: int, channels: int) -> Labelled:
    if os.path.isfile(folder):
        raise ValueError(f"{folder} is a file: unpack it if it is an archive, and name the folder of the images.")
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            f"There is no folder {folder}. Name a folder of images, 'bundled', 'bundled:emoji' or 'tfds:NAME'."
        )
    if _is_run(folder):
        raise ValueError(f"{folder} is the folder of a run: name the folder of its images.")
    paths, others, skipped = find_pictures(folder)
    tried = len(paths) + len(skipped)
    if not paths:
        raise ValueError(
            f"No image in {folder} (looked for {', '.join(pictures.endings())}, in subfolders too)"
            + f", only {others}" * bool(others)
            + f", not opened: {_some(skipped, 10, '; ')}" * bool(skipped)
            + "."
        )
    images = _empty((len(paths), image_size, image_size, channels))  # takes memory as it is filled
    count, flat, remarks, classes = 0, 0, collections.defaultdict(list), []
    # tqdm shows nothing where stderr is no terminal, and fails where there is none.
    hidden = None if sys.stderr else True
    for path in tqdm(paths, f"Reading {len(paths):,} files", unit=" files", leave=False, delay=1, disable=hidden):
        name = str(path.relative_to(folder))
        try:
            images[count], found = pictures.read(path, image_size, channels)
        except Exception as error:  # of any kind: one picture must not cost the others
            skipped.append(f"{name} ({pictures.reason(error)})")
            continue
        for remark in found:
            remarks[remark].append(name)
        flat += int(images[count].max()) - int(images[count].min()) <= 2
        count += 1
        classes.append(path.relative_to(folder).parts[:-1][:1])  # the first subfolder on the way, where there is one

    said = []
    if skipped:
        said.append(f"Skipped {len(skipped)} of {tried} images in {folder}: {_some(skipped, 10, '; ')}.")
    if count and others:
        said.append(f"Not read in {folder}: {others}.")
    for remark, names in remarks.items():
        said.append(f"Look at {len(names)} picture{'s' * (len(names) > 1)} ({remark}): {_some(names, 5, ', ')}.")
    if count and flat >= 0.9 * count:
        said.append(f"{flat} of {count} images in {folder} have one colour each: there is nothing to learn from them.")
    if said:
        warnings.warn(" ".join(said), stacklevel=4)
    if not count:
        raise ValueError(f"None of the {len(paths)} images in {folder} can be used: {_some(skipped, 10, '; ')}.")
    names = sorted({name for each in classes for name in each})
    labels = np.array([names.index(*each) for each in classes], np.int32) if all(classes) else None
    return Labelled(images[:count], labels, tuple(names))


def find_pictures(folder: Path) -> tuple[list[Path], str, list[str]]:
    """Lists the picture files of a folder and its subfolders, as `load_images` reads them.

    Returns:
        Their paths in the order of their names, the other files counted by their ending in words, and the folders that
        cannot be opened, each with why.
    """
    paths, others, skipped, entered = [], collections.Counter(), [], set()
    wanted = pictures.endings()

    def closed(error):
        skipped.append(f"{os.path.relpath(error.filename, folder)} ({pictures.reason(error)})")

    for place, folders, names in os.walk(folder, onerror=closed, followlinks=True):
        real = os.path.realpath(place)
        if real in entered or _is_run(place):
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(name for name in folders if _is_the_users(name))
        for name in filter(_is_the_users, names):
            ending = Path(name).suffix.lower()
            if ending in wanted:
                paths.append(Path(place, name))
            else:
                others[ending or "without an ending"] += 1
    # By the parts of the names, not as this system compares paths: the same order everywhere.
    paths.sort(key=lambda path: path.relative_to(folder).parts)
    counted = sorted(others.items(), key=lambda item: (-item[1], item[0]))
    counted = [f"{ending} ({count} file{'s' * (count > 1)})" for ending, count in counted]
    return paths, _some(counted, 6, ", ", " endings"), skipped


def _is_run(folder: str | Path) -> bool:
    folders = (os.path.join(folder, name) for name in ("checkpoints", "snapshots"))
    return os.path.isfile(os.path.join(folder, "config.json")) and any(map(os.path.isdir, folders))


def _is_the_users(name: str) -> bool:
    return not name.startswith(".") and name not in NOT_THE_USERS


def _some(names: list[str], limit: int, between: str, of_what: str = "") -> str:
    rest = f"{between}and {len(names) - limit} more{of_what}" if len(names) > limit else ""
    return between.join(names[:limit]) + rest


def _load_tfds(name: str, image_size: int, channels: int, split: str, data_dir: str | Path | None) -> Labelled:
    import tensorflow_datasets as tfds  # here, because it takes long to import and only this source needs it

    data_dir = data_dir and os.path.expanduser(data_dir)
    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except ValueError as error:  # DatasetNotFoundError is one
        raise ValueError(f"TensorFlow Datasets has no dataset {name!r}. Other sources: 'bundled', a folder.") from error
    except Exception as error:
        raise _why_not(name, error) from error
    features = builder.info.features or {}
    key = next((key for key, kind in features.items() if isinstance(kind, tfds.features.Image)), None)
    if key is None:
        raise ValueError(f"The dataset {name!r} has no image feature, only {', '.join(features)}.")
    label = next((key for key, kind in features.items() if isinstance(kind, tfds.features.ClassLabel)), None)
    wanted = [key] if label is None else [key, label]
    try:
        with _few_quiet_retries():
            builder.download_and_prepare()
    except Exception as error:
        raise _why_not(name, error, builder) from error
    if split not in builder.info.splits:
        raise ValueError(f"The dataset {name!r} has the splits {', '.join(builder.info.splits)}, got {split!r}.")

    images = _empty((builder.info.splits[split].num_examples, image_size, image_size, channels))
    labels = None if label is None else np.empty(len(images), np.int32)
    try:
        examples = builder.as_dataset(split=split).map(lambda example: tuple(example[name] for name in wanted))
        for place, (image, *shows) in enumerate(tfds.as_numpy(examples)):
            if shows:
                labels[place] = shows[0]
            as_is = image.shape == images.shape[1:] and image.dtype == np.uint8
            images[place] = image if as_is else fit_image(_as_picture(image), image_size, channels)
    except tf.errors.OpError as error:
        raise ValueError(
            f"The files of tfds:{name} cannot be read ({type(error).__name__}): delete {builder.data_path} and start "
            "again."
        ) from error
    except TypeError as error:  # from Pillow, of colours in more than 8 bits
        raise ValueError(f"The images of tfds:{name} are of a kind that is not read: {error}.") from error
    return Labelled(images, labels, () if label is None else tuple(features[label].names))


def _look_at_tfds(name: str, data_dir: str | Path | None) -> Look | None:
    import tensorflow_datasets as tfds

    try:
        features = tfds.builder(name, data_dir=data_dir and os.path.expanduser(data_dir)).info.features or {}
    except Exception:  # of any kind, and loading says in a sentence what it was
        return None
    shape = next((kind.shape for kind in features.values() if isinstance(kind, tfds.features.Image)), None)
    if shape is None:
        return None
    height, width, channels = shape
    return Look(min(height or 64, width or 64), 1 if channels == 1 else 3)


def _why_not(name: str, error: Exception, builder=None) -> Exception:
    """Puts into one sentence what TensorFlow Datasets raised when it found or prepared a dataset."""
    from tensorflow_datasets.core import download

    by_hand = getattr(builder, "MANUAL_DOWNLOAD_INSTRUCTIONS", None)
    not_there = isinstance(error, (OSError, download.DownloadError, tf.errors.OpError))
    if by_hand and (not_there or isinstance(error, AssertionError)):
        says = str(error) if isinstance(error, AssertionError) else f"{error} {by_hand}"
        return ValueError(f"tfds:{name} must be downloaded by hand. TensorFlow Datasets says: {' '.join(says.split())}")
    if not_there:
        where = f" in {builder.data_path}" if builder else ""
        return ConnectionError(
            f"Cannot download tfds:{name} ({type(error).__name__}): check the network and the free space{where}, "
            "or use the source 'bundled', which needs no network."
        )
    if isinstance(error, ImportError) and error.name:
        return ValueError(f"tfds:{name} needs the package {error.name}, which is not installed.")
    text = " ".join(str(error).split())[:300]
    return ValueError(
        f"tfds:{name} cannot be prepared ({type(error).__name__}: {text}). Other sources: 'bundled', a folder."
    )


@contextlib.contextmanager
def _few_quiet_retries():
    """Lets a download without network fail in seconds: TFDS tries 11 times, over minutes, logging each."""
    from tensorflow_datasets.core.download import downloader

    log = logging.getLogger("urllib3")
    level, retries = log.level, getattr(downloader, "MAX_RETRIES", None)
    log.setLevel(logging.ERROR)
    downloader.MAX_RETRIES = 3
    try:
        yield
    finally:
        log.setLevel(level)
        downloader.MAX_RETRIES = retries
