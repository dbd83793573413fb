"""Images in, features and class probabilities out: the networks that `metrics` needs and does not have.

- `fashion`, for grey images of 28x28: a small classifier of Fashion-MNIST (arXiv 1708.07747).
- `emoji`, for all others: a small classifier of the bundled emoji at 64x64 in colour. Other images are resized to that,
  and the score's name says so. It tells colours, outlines and layouts apart: good enough to compare trainings on the
  same images, above all drawn ones. It has never seen a photograph.
- `inception`, for photographs: Keras's InceptionV3 with ImageNet weights (arXiv 1512.00567), downloaded once.

The first two come with the package, nothing is downloaded. Each is frozen: the sha256 of its weights is part of every
score. Scores made with two extractors cannot be compared, whatever they are called.

Not here: how the first two were built and trained (`assets/weights/classifiers.py`).
"""

import contextlib
import functools
import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from dcgan_keras import data
from tqdm import tqdm

NAMES = ("fashion", "emoji", "inception")
_SHA256 = {  # of the weights that come with the package
    "fashion": "e17418d1b773b9caced19b654b4d5796ec6e53b6042b3127d92647223359fdd3",
    "emoji": "73eaa61bbdb5a6d27e9ce8258194a545d0672c30f35b44d042b33a6c7a3626ea",
}
_FASHION_SHAPE = (28, 28, 1)
_INCEPTION_SIDE = 299  # pixels, what the weights were trained on
_INCEPTION_FOLDER = "https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/"
_OVERSHOOT = 1.5  # floats up to here are clipped to 1, as resampling and noise need; beyond, they mean something else


@contextlib.contextmanager
def _usual_settings():
    """Float32 and channels last within the block or the function, whatever the process has set for its own networks."""
    policy, floatx, order = keras.config.dtype_policy(), keras.config.floatx(), keras.config.image_data_format()
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    keras.config.set_image_data_format("channels_last")
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
        keras.config.set_image_data_format(order)


class Features(NamedTuple):
    """Features (count, dimension) and class probabilities (count, classes) of images, both float32."""

    features: np.ndarray
    probabilities: np.ndarray


class Extractor:
    """A frozen network that turns images into features.

    It is called with images of shape (count, height, width, 1 or 3), floats in [-1, 1] or whole numbers from 0 to 255.
    They go through the network in batches, so memory grows only with what comes out. It computes in float32, whatever
    the process has set for its own networks, and shows a bar where it takes longer than a second in a terminal.

    Attributes:
        name: `fashion`, `emoji` or `inception`.
        network: from images, as it wants them, to features and logits. Its layers may be read; leave it as it is.
        sha256: of its weights, so that a score can be traced to them.
        dimension: length of a feature vector.
    """

    def __init__(self, name: str, network: keras.Model, prepare: Callable, batch_size: int, own_shape=None):
        self.name = name
        self.network = network
        self.sha256 = _digest(network)
        self.dimension = network.output_shape[0][-1]
        self._prepare = prepare
        self._batch_size = batch_size
        self._own_shape = own_shape

    def name_for(self, shape: tuple[int, int, int]) -> str:
        """Returns its name, with what it resizes images (height, width, channels) from, if it does to its own size."""
        if self._own_shape in (None, tuple(shape)):
            return self.name
        height, width, channels = shape
        return f"{self.name}, resized from {height}x{width}x{channels}"

    def __call__(self, images: np.ndarray | Iterator[np.ndarray], count: int | None = None) -> Features:
        """Computes the `Features` of the first `count` images, None for all, of an array or an iterator of arrays.

        Raises ValueError if there are no images or they do not fit.
        """
        parts, done = [], 0
        shown = {"unit": " images", "leave": False, "delay": 1}  # in a terminal, if it takes longer than a second
        hidden = None if sys.stderr else True  # tqdm fails where there is no stderr at all, as in IDLE
        with tqdm(total=count, desc=f"Features ({self.name})", **shown, disable=hidden) as bar:
            for array in images if isinstance(images, Iterator) else [images]:
                array = np.asarray(array)
                if array.ndim != 4 or array.shape[-1] not in (1, 3) or not len(array):
                    raise ValueError(f"Images must have the shape (count, height, width, 1 or 3), got {array.shape}.")
                array = array if count is None else array[: count - done]
                bar.total = bar.total or len(array)
                for start in range(0, len(array), self._batch_size):
                    batch = _scaled(array[start : start + self._batch_size])
                    features, logits = self.network(self._prepare(batch), training=False)
                    parts.append((np.asarray(features), np.asarray(keras.ops.softmax(logits))))
                    bar.update(len(batch))
                done += len(array)
                if done == count:
                    break
        if not parts:
            raise ValueError("There are no images.")
        return Features(*(np.concatenate(part) for part in zip(*parts)))


def load(name: str) -> Extractor:
    """Loads an extractor by its name, `fashion`, `emoji` or `inception`.

    Raises ValueError if there is no such extractor, or the file that comes with the package is damaged, and
    FileNotFoundError if that file is missing, and ConnectionError if the weights of `inception` must be downloaded and
    cannot be.
    """
    if name not in NAMES:
        raise ValueError(f"extractor must be one of {', '.join(NAMES)}, got {name!r}.")
    if name == "inception":
        return _load_inception()
    path = data.assets_folder() / "weights" / f"{name}_classifier.keras"
    if not path.is_file():
        raise FileNotFoundError(f"The network of the extractor {name!r} is missing: {path}. Install the package again.")
    damaged = f"The network of the extractor {name!r} is damaged: {path}. Install the package again."
    try:
        extractor = load_classifier(name, path)
    except ValueError as error:
        raise ValueError(damaged) from error
    if extractor.sha256 != _SHA256[name]:
        raise ValueError(damaged)
    return extractor


@_usual_settings()
def load_classifier(name: str, path: str | Path) -> Extractor:
    """Loads an extractor like `fashion` or `emoji` with a network of its own.

    Args:
        name: which of the two it is like: it says what images the network takes.
        path: of a `.keras` file, as `assets/weights/classifiers.py` writes it.

    Raises ValueError if there is no such file, or it holds no such network.
    """
    path, fashion = Path(path), name == "fashion"
    try:
        if path.suffix != ".keras":
            raise ValueError("other formats that Keras knows may hold code, which loading would run")
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
        shapes = network.input_shape[1:], *map(len, network.output_shape)
        if shapes != (_FASHION_SHAPE if fashion else data.EMOJI_SHAPE, 2, 2):
            raise ValueError("its images, features or logits have another shape")
    except Exception as error:  # Keras raises many kinds for a file that is no network
        raise ValueError(f"{path} does not hold a network for an extractor like {name!r}.") from error
    if fashion:
        return Extractor(name, network, _only_fashion, batch_size=500)
    return Extractor(name, network, functools.partial(_resized, side=data.EMOJI_SHAPE[0]), 250, data.EMOJI_SHAPE)


def _digest(network: keras.Model) -> str:
    """The sha256 of all weights, in their order: it stays the same in a file of another format or version."""
    return hashlib.sha256(b"".join(weight.tobytes() for weight in network.get_weights())).hexdigest()


def _only_fashion(images: np.ndarray) -> np.ndarray:
    if images.shape[1:] != _FASHION_SHAPE:
        raise ValueError(
            f"The extractor 'fashion' takes grey images of 28x28, got {images.shape[1:]}: take 'emoji' or 'inception'."
        )
    return images


def _resized(images, side: int):
    """Makes colour images of this height and width of any, in float."""
    images = np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images
    if images.shape[1:3] == (side, side):
        return images
    how = {"interpolation": "bilinear", "antialias": True, "data_format": "channels_last"}
    return keras.ops.image.resize(images, (side, side), **how)


@_usual_settings()
def _load_inception(weights: str | None = "imagenet") -> Extractor:
    """Loads InceptionV3: 2,048 pooled features and 1,000 class probabilities.

    Grey images are repeated over three channels. Images are resized to 299x299 by bilinear interpolation with
    antialiasing, in float. This is Keras's Inception, not comparable with TF-GAN's Inception-FID to the decimal:
    weights and resizing differ. Random weights (None) score nothing and test the way there.
    """
    try:
        backbone = keras.applications.InceptionV3(weights=weights, classifier_activation=None)
    except Exception as error:  # a failed download is a bare Exception in Keras
        if not isinstance(error, OSError) and "URL fetch failure" not in str(error):
            raise
        home = Path(os.path.expanduser(os.environ.get("KERAS_HOME") or "~/.keras"))
        path = home / "models" / "inception_v3_weights_tf_dim_ordering_tf_kernels.h5"
        raise ConnectionError(
            "Cannot download the InceptionV3 weights (92 MB): check the network, or put "
            f"{_INCEPTION_FOLDER}{path.name} into {path.parent} by hand, or use the extractor 'emoji', "
            "which comes with the package."
        ) from error
    network = keras.Model(backbone.inputs, [backbone.get_layer("avg_pool").output, backbone.output])
    name = "inception" if weights else "inception-untrained"
    return Extractor(name, network, functools.partial(_resized, side=_INCEPTION_SIDE), batch_size=50)


def _scaled(images: np.ndarray) -> np.ndarray:
    """Maps whole numbers from 0 to 255 to [-1, 1]; clips floats that overshoot a little, as a picture file would."""
    whole = images.dtype.kind in "iu"
    if not whole and images.dtype.kind != "f" and images.dtype.name != "bfloat16":
        raise ValueError(f"Images must be whole numbers or floats, got {images.dtype}.")
    low, high = float(images.min()), float(images.max())
    if whole:
        if low < 0 or high > 255:
            raise ValueError(f"Images of whole numbers must be from 0 to 255, got {low:g} to {high:g}.")
        return images.astype(np.float32) / 127.5 - 1.0
    if not np.isfinite([low, high]).all():
        raise ValueError("Images must be finite: there is an infinity or a nan among them.")
    if max(-low, high) > _OVERSHOOT:
        raise ValueError(f"Images of floats must be from -1 to 1, got {low:g} to {high:g}: scale them, or give uint8.")
    return np.clip(images.astype(np.float32), -1.0, 1.0)
