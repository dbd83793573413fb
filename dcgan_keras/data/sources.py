"""Where images come from. Every source ends as one uint8 array in memory, and what the images show where it says so.

A source is `bundled` (10,000 grey photographs of clothes that come with the package, also called `bundled:fashion`),
`bundled:emoji` (1,911 drawings in colour that come with it too), `tfds:NAME` (any image dataset of TensorFlow Datasets)
or a folder of images. All images are decoded once. Not here: how a picture file is read (`pictures`), and how images
are served in batches (`batches`).
"""

import collections
import contextlib
import csv
import hashlib
import io
import os
import sys
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from dcgan_keras.data import pictures, tfds
from dcgan_keras.data.batches import Labelled, aligned, make_dataset
from PIL import Image
from tqdm import tqdm

_BUNDLED_SHA256 = {
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
_PARTS = {"train", "training", "test", "testing", "val", "valid", "validation"}  # folders of data sets as unpacked
_LOOKED_AT = 100  # pictures of a folder, before all are read
_APPLES = (".heic", ".heif")  # of telephones: Pillow reads them with a plugin alone
_NOT_THE_USERS = ("__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "Thumbs.db", "desktop.ini")  # systems make them


def load_dataset(
    source: str | Path = "bundled", *, image_size: int = 28, channels: int = 1, batch_size: int = 64, seed: int = 0,
    first_epoch: int = 0, split: str = "train", data_dir: str | Path | None = None,
) -> tf.data.Dataset:  # fmt: skip
    """Loads the images of a source and serves them as shuffled batches: `load_images`, then `make_dataset`.

    Batches are float32 of shape (batch_size, image_size, image_size, channels) in [-1, 1], and one pass is one epoch.
    Args and Raises: as in those two.
    """
    images = load_images(source, image_size=image_size, channels=channels, split=split, data_dir=data_dir)
    return make_dataset(images, batch_size=batch_size, seed=seed, first_epoch=first_epoch)


def load_images(
    source: str | Path = "bundled", *, image_size: int = 28, channels: int = 1, split: str = "train",
    data_dir: str | Path | None = None,
) -> np.ndarray:  # fmt: skip
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

    Returns uint8 of shape (count, image_size, image_size, channels).
    Raises FileNotFoundError if the folder, or the bundled file, does not exist, and ConnectionError if a dataset must
    be downloaded and cannot be, and ValueError if there is no such dataset or split, or no image, or the source must be
    prepared by hand, is a file, or is damaged.
    """
    return _load(os.fspath(source), image_size, channels, split, data_dir).images


def _load(source: str, image_size: int, channels: int, split: str, data_dir: str | Path | None) -> Labelled:
    if image_size < 1 or channels not in (1, 3):
        raise ValueError(f"image_size must be 1 or more and channels 1 or 3, got {image_size} and {channels}.")
    if is_bundled(source):
        name = source.partition(":")[2] or "fashion"
        images, labels = load_bundled(split, name)
        if images.shape[1:] != (image_size, image_size, channels):
            images = np.stack([pictures.fit_image(image, image_size, channels) for image in images])
        return Labelled(images, labels.astype(np.int32), CLASS_NAMES if name == "fashion" else CATEGORIES)
    if source.startswith("tfds:"):
        return tfds.load(source.removeprefix("tfds:"), image_size, channels, split, data_dir)
    if split != "train":
        raise ValueError(f"A folder of images has only the split 'train', got {split!r}.")
    return _load_folder(Path(os.path.expanduser(source)), image_size, channels)


def load_labelled(
    source: str | Path = "bundled", *, image_size: int = 28, channels: int = 1, split: str = "train",
    data_dir: str | Path | None = None,
) -> Labelled:  # fmt: skip
    """Loads all images of a source, and what each of them shows, for networks that are told classes.

    The classes of a folder are its subfolders, in the order of their names. Args and Raises: as in `load_images`, and
    ValueError if the source does not say what its images show.
    """
    source = os.fspath(source)
    found = _load(source, image_size, channels, split, data_dir)
    folder = Path(os.path.expanduser(source))
    is_folder = not is_bundled(source) and not source.startswith("tfds:")
    if is_folder and found.names and _PARTS.issuperset(map(str.casefold, found.names)):
        names = ", ".join(found.names)
        raise ValueError(f"{source} has {names}, which are parts of a data set and no classes: name one of them.")
    if found.labels is None or len(found.names) < 2:
        wanted = "a folder must have all its pictures in subfolders, one a class and two or more of them"
        if is_folder and found.names:
            loose = [path.name for path in find_pictures(folder)[0] if path.parent == folder]
            wanted += f", and {_some(loose, 3, ', ')} {'is' if len(loose) == 1 else 'are'} in none" if loose else ""
            wanted += f", and here all are in {found.names[0]}" if not loose else ""
        raise ValueError(
            f"{source} does not say what its images show: {wanted}, and a dataset of TensorFlow Datasets a class label."
        )
    if is_folder:
        inside = sorted(path.name for path in folder.iterdir() if path.is_dir() and _is_the_users(path.name))
        empty = [name for name in inside if name not in found.names]
        if empty:
            warnings.warn(f"No class, since there is no picture in it: {_some(empty, 5, ', ')}.", stacklevel=3)
    return found


class Look(NamedTuple):
    """What the images of a source are like."""

    side: int  # the usual shorter one, in pixels
    channels: int  # 1 for grey, 3 for colour


def look(source: str | Path = "bundled", *, data_dir: str | Path | None = None) -> Look | None:
    """Looks at some images of a source, as `load_images` takes it, to choose how to train on it before all are loaded.

    Of a folder up to a hundred pictures are opened. They are in colour if one in ten is. Returns None where nothing can
    be said: `load_images` says why.
    """
    source = os.fspath(source)
    if is_bundled(source):
        return Look(64, 3) if source == "bundled:emoji" else Look(28, 1)
    if source.startswith("tfds:"):
        found = tfds.look(source.removeprefix("tfds:"), data_dir)
        return found and Look(*found)
    folder = Path(os.path.expanduser(source))
    if not folder.is_dir() or _is_run(folder):
        return None
    paths, looks = find_pictures(folder)[0], []
    for path in paths[:: max(1, len(paths) // _LOOKED_AT)][:_LOOKED_AT]:
        with contextlib.suppress(Exception):  # of any kind: one that cannot be read says nothing
            looks.append(pictures.look(path))
    if not looks:
        return None
    colourful = sum(colour for *_, colour in looks)
    side = int(np.median([min(width, height) for width, height, _ in looks]))
    return Look(side, 3 if 10 * colourful >= len(looks) else 1)


def images_digest(images: np.ndarray) -> str:
    """Identifies an array of images by its content: the sha256 of its type, shape and pixels, 64 hexadecimal digits."""
    digest = hashlib.sha256(f"{images.dtype} {images.shape}".encode())
    for image in images:
        digest.update(np.ascontiguousarray(image).data)
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

    Returns images, uint8 of shape (count, 28, 28, 1) or (count, 64, 64, 3), and labels, uint8 of shape (count,) into
    `CLASS_NAMES` or `CATEGORIES`. Raises FileNotFoundError or ValueError if a file is missing or has changed, or there
    is no such split or name.
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

    Each has its `code_points`, `name`, `category`, `subcategory`, `group` (of pictures that show the same thing) and
    `split`. Raises: as `load_bundled`.
    """
    return list(csv.DictReader(io.StringIO(_bundled_file("emoji.csv").decode("utf-8"))))


def _bundled_file(name: str) -> bytes:
    path = assets_folder() / "data" / name
    if not path.is_file():
        raise FileNotFoundError(f"The bundled images are missing: {path}. Install the package again.")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != _BUNDLED_SHA256[name]:
        raise ValueError(f"The bundled images are damaged (wrong sha256): {path}. Install the package again.")
    return content


def assets_folder() -> Path:
    """Finds `assets/`: inside the installed package, or beside it in a checkout of the repository."""
    package = Path(__file__).parents[1]
    return next((path for path in (package / "assets", package.parent / "assets") if path.is_dir()), package / "assets")


def _load_folder(folder: Path, image_size: int, channels: int) -> Labelled:
    if os.path.isfile(folder):
        raise ValueError(f"{folder} is a file: unpack it if it is an archive, and name the folder of the images.")
    if not os.path.isdir(folder):
        sources = "a folder of images, 'bundled', 'bundled:emoji' or 'tfds:NAME'"
        raise FileNotFoundError(f"There is no folder {folder}. Name {sources}.")
    if _is_run(folder):
        raise ValueError(f"{folder} is the folder of a run: name the folder of its images.")
    paths, others, skipped = find_pictures(folder)
    tried = len(paths) + len(skipped)
    if not paths:
        there = f", only {others}" * bool(others) + f", not opened: {_some(skipped, 10, '; ')}" * bool(skipped)
        looked_for = ", ".join(pictures.endings())
        raise ValueError(f"No image in {folder} (looked for {looked_for}, in subfolders too){there}.")
    images = aligned((len(paths), image_size, image_size, channels))  # takes memory as it is filled
    count, flat, remarks, classes = 0, 0, collections.defaultdict(list), []
    hidden = None if sys.stderr else True  # tqdm shows nothing where stderr is no terminal, and fails where none is
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

    said = [f"Skipped {len(skipped)} of {tried} images in {folder}: {_some(skipped, 10, '; ')}."] * bool(skipped)
    said += [f"Not read in {folder}: {others}."] * bool(count and others)
    for remark, names in remarks.items():
        said.append(f"Look at {len(names)} picture{'s' * (len(names) > 1)} ({remark}): {_some(names, 5, ', ')}.")
    different = len({hash(image.tobytes()) for image in images[:count]})
    if different < 0.9 * count and flat < 0.9 * count:
        said.append(f"{count} images in {folder} are {different} different ones and copies of them.")
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
    """Lists the picture files of a folder and its subfolders, as `load_images` reads them, in the order of their names.

    Also says in words how many other files of which endings there are, and which folders cannot be opened and why.
    """
    paths, entered, wanted, root = [], set(), pictures.endings(), os.path.realpath(folder)
    closed: list[OSError] = []
    others: collections.Counter[str] = collections.Counter()
    for place, folders, names in os.walk(folder, onerror=closed.append, followlinks=True):
        real = os.path.realpath(place)
        if real in entered or _is_run(place) or Path(real) in Path(root).parents:  # a link may lead to where it lies
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(name for name in folders if _is_the_users(name))
        for name in filter(_is_the_users, names):
            path = Path(place, name)
            if path.suffix.lower() in wanted:
                paths.append(path)
            else:
                others[path.suffix.lower() or "without an ending"] += 1
    # By the parts of the names, not as this system compares paths: the same order everywhere.
    paths.sort(key=lambda path: path.relative_to(folder).parts)
    most_first = sorted(others.items(), key=lambda item: (-item[1], item[0]))
    counted = [
        f"{ending} ({count} file{'s' * (count > 1)}{', export them as JPEG' * (ending in _APPLES)})"
        for ending, count in most_first
    ]
    skipped = [f"{os.path.relpath(error.filename, folder)} ({pictures.reason(error)})" for error in closed]
    return paths, _some(counted, 6, ", ", " endings"), skipped


def _is_run(folder: str | Path) -> bool:
    folders = (os.path.join(folder, name) for name in ("checkpoints", "snapshots"))
    return os.path.isfile(os.path.join(folder, "config.json")) and any(map(os.path.isdir, folders))


def _is_the_users(name: str) -> bool:
    return not name.startswith(".") and name not in _NOT_THE_USERS


def _some(names: list[str], limit: int, between: str, of_what: str = "") -> str:
    rest = f"{between}and {len(names) - limit} more{of_what}" if len(names) > limit else ""
    return between.join(names[:limit]) + rest
