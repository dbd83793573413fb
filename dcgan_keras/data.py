"""Where images come from. Every source ends as the same `tf.data.Dataset` of float32 NHWC batches in [-1, 1].

A source is `bundled` (10,000 photographs of clothes that come with the package), `tfds:NAME` (any image dataset of
TensorFlow Datasets) or a folder of images. All images are decoded once, to one uint8 array in memory: 8 MB for
`bundled`, 2.5 GB for 200,000 colour images of 64x64.

Batch t of an epoch is a function of (seed, epoch, t) alone, so a resumed run sees the very batches it would have seen.
"""

import contextlib
import hashlib
import io
import logging
import warnings
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

BUNDLED_SHA256 = "9a27f1157a76d01842d28f45403567fdd1906877f006cf7390b2ff9e7b4c0208"
CLASS_NAMES = (
    "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
MIN_SIDE = 8  # pixels: a smaller image holds nothing to learn from
MAX_PIXELS = 100_000_000  # a larger one takes over 300 MB to decode and is most often a mistake


def load_dataset(
    source: str = "bundled",
    *,
    image_size: int = 28,
    channels: int = 1,
    batch_size: int = 64,
    seed: int = 0,
    epochs: int | None = 1,
    first_epoch: int = 0,
    split: str = "train",
    data_dir: str | Path | None = None,
) -> tf.data.Dataset:
    """Loads the images of a source and serves them as shuffled batches: `load_images`, then `make_dataset`.

    Args and Raises: as in those two.

    Returns:
        Batches of shape (batch_size, image_size, image_size, channels), float32 in [-1, 1].
    """
    images = load_images(source, image_size=image_size, channels=channels, split=split, data_dir=data_dir)
    return make_dataset(images, batch_size=batch_size, seed=seed, epochs=epochs, first_epoch=first_epoch)


def load_images(
    source: str = "bundled",
    *,
    image_size: int = 28,
    channels: int = 1,
    split: str = "train",
    data_dir: str | Path | None = None,
) -> np.ndarray:
    """Loads all images of a source as one array.

    Args:
        source: `bundled`, `tfds:NAME`, or the path of a folder of images, searched with its subfolders.
        image_size: height and width to crop (from the center) and resize to, in pixels.
        channels: 1 for grey, 3 for RGB.
        split: `train` or `test` for `bundled`; any split of the dataset for `tfds:NAME`; a folder has only `train`.
        data_dir: where TensorFlow Datasets keeps its files. None takes its default, `~/tensorflow_datasets`.

    Returns:
        uint8 of shape (count, image_size, image_size, channels).

    Raises:
        FileNotFoundError: if the folder, or the bundled file, does not exist.
        ConnectionError: if a dataset must be downloaded and cannot be.
        ValueError: if there is no such dataset or split, it has no images, or the bundled file is damaged.
    """
    if image_size < 1 or channels not in (1, 3):
        raise ValueError(f"image_size must be 1 or more and channels 1 or 3, got {image_size} and {channels}.")
    if source == "bundled":
        return _fit_all(load_bundled(split)[0], image_size, channels)
    if source.startswith("tfds:"):
        return _load_tfds(source.removeprefix("tfds:"), image_size, channels, split, data_dir)
    if split != "train":
        raise ValueError(f"A folder of images has only the split 'train', got {split!r}.")
    return _load_folder(Path(source), image_size, channels)


def load_bundled(split: str = "train") -> tuple[np.ndarray, np.ndarray]:
    """Loads the bundled part of Fashion-MNIST (arXiv 1708.07747), the same number of images of each class.

    Args:
        split: `train` (10,000 images) or `test` (5,000).

    Returns:
        Images, uint8 of shape (count, 28, 28, 1), and labels, uint8 of shape (count,) into `CLASS_NAMES`.

    Raises:
        FileNotFoundError: if the file is missing.
        ValueError: if its sha256 is not `BUNDLED_SHA256`, or there is no such split.
    """
    if split not in ("train", "test"):
        raise ValueError(f"The bundled images have the splits 'train' and 'test', got {split!r}.")
    path = assets_folder() / "data" / "fashion_mnist_subset.npz"
    if not path.is_file():
        raise FileNotFoundError(f"The bundled images are missing: {path}. Install the package again.")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != BUNDLED_SHA256:
        raise ValueError(f"The bundled images are damaged (wrong sha256): {path}. Install the package again.")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return arrays[f"{split}_images"][..., np.newaxis], arrays[f"{split}_labels"]


def assets_folder() -> Path:
    """Finds `assets/`: inside the installed package, or beside it in a checkout of the repository."""
    package = Path(__file__).parent
    return next((path for path in (package / "assets", package.parent / "assets") if path.is_dir()), package / "assets")


def make_dataset(
    images: np.ndarray, *, batch_size: int = 64, seed: int = 0, epochs: int | None = 1, first_epoch: int = 0
) -> tf.data.Dataset:
    """Serves images as shuffled batches, each image once an epoch, a last smaller batch dropped.

    Args:
        images: uint8 of shape (count, height, width, channels).
        batch_size: images a batch.
        seed: of the order. Every epoch has its own order, always the same for the same seed.
        epochs: how many epochs the dataset lasts. None never ends.
        first_epoch: number of the epoch to begin with, for a resumed run.

    Returns:
        Batches of shape (batch_size, height, width, channels), float32 in [-1, 1].

    Raises:
        ValueError: if there are fewer images than one batch, or they are not such an array.
    """
    if images.dtype != np.uint8 or images.ndim != 4:
        raise ValueError(f"images must be uint8 of shape (count, h, w, c), got {images.dtype} {images.shape}.")
    count, steps = len(images), len(images) // batch_size if batch_size >= 1 else 0
    if steps < 1:
        raise ValueError(f"A batch of {batch_size} needs at least that many images and one, there are {count}.")
    on_host = tf.constant(images)

    def batch(position):
        epoch, step = position // steps, position % steps
        # A permutation of 0..count-1 that can be asked for any part of itself: no buffer, nothing to skip on resume.
        key = tf.stack([tf.constant(seed, tf.int64), epoch])
        places = step * batch_size + tf.range(batch_size, dtype=tf.int64)
        order = tf.random.experimental.index_shuffle(places, key, count - 1)
        chosen = tf.ensure_shape(tf.gather(on_host, order), (batch_size, *images.shape[1:]))
        return tf.cast(chosen, tf.float32) / 127.5 - 1.0

    first, last = first_epoch * steps, None if epochs is None else (first_epoch + epochs) * steps
    positions = tf.data.Dataset.range(first, tf.int64.max if last is None else last)
    options = tf.data.Options()
    # Nothing here is left to tune, and the thread that tunes sleeps ever longer: `fit` would wait for it at its end.
    options.autotune.enabled = False
    return positions.map(batch, num_parallel_calls=1, deterministic=True).prefetch(2).with_options(options)


def fit_image(image: Image.Image, image_size: int, channels: int) -> np.ndarray:
    """Turns any picture into a square of the wanted size: upright, on white, cropped at the center, antialiased.

    Args:
        image: a Pillow image of any mode: grey, palette, RGBA, CMYK, 16 bit, with EXIF rotation or not. Of an
            animation, the first frame counts.
        image_size: height and width wanted, in pixels.
        channels: 1 for grey, 3 for RGB.

    Returns:
        uint8 of shape (image_size, image_size, channels).
    """
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        image = _from_high_depth(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("L" if channels == 1 else "RGB")
    if image.size != (image_size, image_size):
        image = ImageOps.fit(image, (image_size, image_size), method=Image.Resampling.LANCZOS)
    return np.asarray(image, np.uint8).reshape(image_size, image_size, channels)


def _from_high_depth(image: Image.Image) -> Image.Image:
    """Scales 16-bit grey (0..65535) and float grey (0..1, or 0..255) to 8 bits, which `convert` would clip."""
    values = np.asarray(image, np.float64)
    top = 65535.0 if image.mode.startswith("I") else (1.0 if values.max(initial=0.0) <= 1.0 else 255.0)
    return Image.fromarray(np.rint(np.clip(values / top, 0, 1) * 255).astype(np.uint8))


def _fit_all(images: np.ndarray, image_size: int, channels: int) -> np.ndarray:
    if images.shape[1:] == (image_size, image_size, channels):
        return images
    return np.stack([fit_image(_as_picture(image), image_size, channels) for image in images])


def _as_picture(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def _load_folder(folder: Path, image_size: int, channels: int) -> np.ndarray:
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}. Name a folder of images, 'bundled' or 'tfds:NAME'.")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    if not paths:
        raise ValueError(f"No image in {folder} (looked for {', '.join(IMAGE_SUFFIXES)}, in subfolders too).")
    images, skipped = [], []
    for path in paths:
        try:
            images.append(_read_image(path, image_size, channels))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            skipped.append(f"{path.relative_to(folder)} ({_reason(error)})")
    if skipped:
        named = "; ".join(skipped[:10]) + (f"; and {len(skipped) - 10} more" if len(skipped) > 10 else "")
        warnings.warn(f"Skipped {len(skipped)} of {len(paths)} images in {folder}: {named}.", stacklevel=4)
    if not images:
        raise ValueError(f"None of the {len(paths)} images in {folder} can be used: {named}.")
    return np.stack(images)


def _reason(error: Exception) -> str:
    if isinstance(error, (SyntaxError, Image.UnidentifiedImageError)):
        return "not a readable image"
    if isinstance(error, Image.DecompressionBombError):
        return f"over {MAX_PIXELS // 1_000_000} million pixels"
    return str(error)


def _read_image(path: Path, image_size: int, channels: int) -> np.ndarray:
    with warnings.catch_warnings():
        # Pillow warns of very large images; MAX_PIXELS is this module's own, lower limit.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(path) as image:
            width, height = image.size
            if min(width, height) < MIN_SIDE:
                raise ValueError(f"{width}x{height} pixels, under {MIN_SIDE}")
            if width * height > MAX_PIXELS:
                raise Image.DecompressionBombError
            return fit_image(image, image_size, channels)


def _load_tfds(name: str, image_size: int, channels: int, split: str, data_dir: str | Path | None) -> np.ndarray:
    import tensorflow_datasets as tfds  # here, because it takes long to import and only this source needs it

    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except (tfds.core.registered.DatasetNotFoundError, ValueError) as error:
        raise ValueError(f"TensorFlow Datasets has no dataset {name!r}. Other sources: 'bundled', a folder.") from error
    key = next((key for key, kind in builder.info.features.items() if isinstance(kind, tfds.features.Image)), None)
    if key is None:
        raise ValueError(f"The dataset {name!r} has no image feature, only {', '.join(builder.info.features)}.")
    try:
        with _few_quiet_retries():
            builder.download_and_prepare()
    except (OSError, tfds.core.download.DownloadError) as error:
        raise ConnectionError(
            f"Cannot download tfds:{name} ({type(error).__name__}): check the network and the free space in "
            f"{builder.data_path}, or use the source 'bundled', which needs no network."
        ) from error
    if split not in builder.info.splits:
        raise ValueError(f"The dataset {name!r} has the splits {', '.join(builder.info.splits)}, got {split!r}.")

    examples = builder.as_dataset(split=split).map(lambda example: example[key])
    images = np.empty((builder.info.splits[split].num_examples, image_size, image_size, channels), np.uint8)
    for place, image in enumerate(tfds.as_numpy(examples)):
        as_is = image.shape == images.shape[1:] and image.dtype == np.uint8
        images[place] = image if as_is else fit_image(_as_picture(image), image_size, channels)
    return images


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
