"""Images from TensorFlow Datasets, and one sentence for whatever goes wrong on the way there.

The one source that may need a network, and a package that is not always installed.
"""

import contextlib
import logging
import os
from pathlib import Path

import numpy as np
import tensorflow as tf
from dcgan_keras.data.batches import Labelled, aligned
from dcgan_keras.data.pictures import fit_image


def _library():
    """Imports TensorFlow Datasets, which takes long and only this source needs."""
    try:
        import tensorflow_datasets
    except Exception as error:  # one that is missing, or of a version that does not fit: protobuf raises its own kind
        needed = f"other versions of its packages ({type(error).__name__}): in a new environment,"
        if isinstance(error, ImportError):
            needed = f"the package {error.name}, which is not installed:"
        raise ValueError(
            f"A source tfds:NAME needs {needed} pip install \"dcgan-keras[tfds]\". Other sources: 'bundled', a folder."
        ) from error
    return tensorflow_datasets


def load(name: str, image_size: int, channels: int, split: str, data_dir: str | Path | None) -> Labelled:
    """Loads the images of a dataset, and what they show where it has a class label. As `sources.load_images`."""
    tfds = _library()
    try:
        builder = tfds.builder(name, data_dir=data_dir and os.path.expanduser(data_dir))
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

    images = aligned((builder.info.splits[split].num_examples, image_size, image_size, channels))
    labels = None if label is None else np.empty(len(images), np.int32)
    try:
        examples = builder.as_dataset(split=split).map(lambda example: tuple(example[name] for name in wanted))
        for place, (image, *shows) in enumerate(tfds.as_numpy(examples)):
            if labels is not None:
                labels[place] = shows[0]
            as_is = image.shape == images.shape[1:] and image.dtype == np.uint8
            images[place] = image if as_is else fit_image(image, image_size, channels)
    except tf.errors.OpError as error:
        what = f"The files of tfds:{name} cannot be read ({type(error).__name__})"
        raise ValueError(f"{what}: delete {builder.data_path} and start again.") from error
    except TypeError as error:  # from Pillow, of colours in more than 8 bits
        raise ValueError(f"The images of tfds:{name} are of a kind that is not read: {error}.") from error
    return Labelled(images, labels, () if label is None else tuple(features[label].names))


def look(name: str, data_dir: str | Path | None) -> tuple[int, int] | None:
    """Returns the shorter side of a dataset's images, 64 where they differ, and their channels, 1 or 3. Or None."""
    try:
        tfds = _library()
        features = tfds.builder(name, data_dir=data_dir and os.path.expanduser(data_dir)).info.features or {}
    except Exception:  # of any kind, and loading says in a sentence what it was
        return None
    shape = next((kind.shape for kind in features.values() if isinstance(kind, tfds.features.Image)), None)
    if shape is None:
        return None
    height, width, channels = shape
    return min(height or 64, width or 64), 1 if channels == 1 else 3


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
        advice = f"check the network and the free space{where}, or use the source 'bundled', which needs no network"
        return ConnectionError(f"Cannot download tfds:{name} ({type(error).__name__}): {advice}.")
    if isinstance(error, ImportError) and error.name:
        return ValueError(f"tfds:{name} needs the package {error.name}, which is not installed.")
    text = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return ValueError(f"tfds:{name} cannot be prepared ({text}). Other sources: 'bundled', a folder.")


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
