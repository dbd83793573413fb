"""Images in, features and class probabilities out: the networks that `metrics` needs and does not have.

- `fashion`, for grey images of 28x28: a small classifier of Fashion-MNIST (arXiv 1708.07747).
- `emoji`, for all others: a small classifier of the bundled emoji at 64x64 in colour. Other images are resized to that,
  and the score's name says so. It tells colours, outlines and layouts apart: good enough to compare trainings on the
  same images, above all drawn ones. It has never seen a photograph.
- `inception`, for photographs: Keras's InceptionV3 with ImageNet weights (arXiv 1512.00567), downloaded once.

The first two come with the package and need no network. Each is frozen: its sha256 is part of every score.

Scores made with two extractors cannot be compared, whatever they are called.
"""

import contextlib
import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from dcgan_keras import data, metrics
from keras import layers
from tqdm import tqdm

FASHION_SHA256 = "fa02806b2ccd30eb440da287a0725e5f8ba383fcbb58308b792359c14f156394"
EMOJI_SHA256 = "1733fa289af1aa2e6197d269703dd0170477cb7cfbe83db5b2162c97ae674a0a"
NAMES = ("fashion", "emoji", "inception")
INCEPTION_SIDE = 299  # pixels, what the weights were trained on
INCEPTION_FOLDER = "https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/"
OVERSHOOT = 1.5  # floats up to here are clipped to 1, as resampling and noise need it; beyond, they mean something else


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
        name: `fashion`, `emoji` or `inception`, or what the weights are.
        sha256: of the weights, so that a score can be traced to them.
        dimension: length of a feature vector.
    """

    def __init__(
        self, name: str, network: keras.Model, sha256: str, prepare: Callable, batch_size: int, own_shape=None
    ):
        self.name = name
        self._own_shape = own_shape
        self.sha256 = sha256
        self.dimension = network.output_shape[0][-1]
        self._network = network
        self._prepare = prepare
        self._batch_size = batch_size

    def name_for(self, shape: tuple[int, int, int]) -> str:
        """Returns its name, with what it resizes images (height, width, channels) from, if it does to its own size."""
        if self._own_shape in (None, tuple(shape)):
            return self.name
        height, width, channels = shape
        return f"{self.name}, resized from {height}x{width}x{channels}"

    def __call__(self, images: np.ndarray | Iterator[np.ndarray], count: int | None = None) -> Features:
        """Computes the `Features` of the images.

        Args:
            images: an array, or an iterator of such arrays.
            count: how many to look at, the first ones. None takes all.

        Raises:
            ValueError: if there are no images or they do not fit.
        """
        arrays = images if isinstance(images, Iterator) else iter([images])
        parts, done = [], 0
        with _bar(f"Features ({self.name})", count) as bar:
            while count is None or done < count:
                array = next(arrays, None)
                if array is None:
                    break
                array = np.asarray(array)
                if array.ndim != 4 or array.shape[-1] not in (1, 3) or not len(array):
                    raise ValueError(f"Images must have the shape (count, height, width, 1 or 3), got {array.shape}.")
                array = array if count is None else array[: count - done]
                bar.total = bar.total or len(array)
                for start in range(0, len(array), self._batch_size):
                    batch = _scaled(array[start : start + self._batch_size])
                    features, logits = self._network(self._prepare(batch), training=False)
                    parts.append((np.asarray(features), np.asarray(keras.ops.softmax(logits))))
                    bar.update(len(batch))
                done += len(array)
        if not parts:
            raise ValueError("There are no images.")
        return Features(*(np.concatenate(part) for part in zip(*parts)))


def load(name: str) -> Extractor:
    """Loads an extractor by its name, `fashion`, `emoji` or `inception`.

    Raises:
        ValueError: if there is no such extractor, or the weights are damaged.
        FileNotFoundError: if the weights that come with the package are missing.
        ConnectionError: if those of `inception` must be downloaded and cannot be.
    """
    if name == "fashion":
        return load_fashion()
    if name == "emoji":
        return load_emoji()
    if name == "inception":
        return load_inception()
    raise ValueError(f"extractor must be one of {', '.join(NAMES)}, got {name!r}.")


def fashion_weights() -> Path:
    """Returns the path of the bundled weights of `fashion`."""
    return data.assets_folder() / "weights" / "fashion_classifier.weights.h5"


def emoji_weights() -> Path:
    """Returns the path of the bundled weights of `emoji`."""
    return data.assets_folder() / "weights" / "emoji_classifier.weights.h5"


def inception_weights() -> Path:
    """Returns where Keras keeps the weights of `inception`, whether they are there yet or not."""
    home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    return home / "models" / "inception_v3_weights_tf_dim_ordering_tf_kernels.h5"


@_usual_settings()
def build_classifier() -> keras.Model:
    """Builds the network of `fashion`, untrained: a classifier of grey images of 28x28 in 10 classes.

    Its features are the outputs of the last hidden layer before its ReLU, each with mean 0 and variance 1 over the
    training images. So a generator that draws one and the same image, with average features, has an FID of 64, their
    number.

    Returns:
        A model from images (batch, 28, 28, 1) in [-1, 1] to features (batch, 64) and logits (batch, 10).
    """
    conv = {"padding": "same", "activation": "relu", "kernel_initializer": "he_normal"}
    images = layers.Input((28, 28, 1), name="images")
    x = layers.Conv2D(32, 3, name="conv_28", **conv)(images)
    x = layers.MaxPool2D(name="pool_14")(x)
    x = layers.Conv2D(64, 3, name="conv_14a", **conv)(x)
    x = layers.Conv2D(64, 3, name="conv_14b", **conv)(x)
    x = layers.MaxPool2D(name="pool_7")(x)
    x = layers.Dropout(0.3, name="dropout_7")(x)
    x = layers.Conv2D(128, 3, name="conv_7", **conv)(x)
    x = layers.MaxPool2D(name="pool_3")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(0.5, name="dropout")(x)
    return _with_head(images, x, classes=10)


@_usual_settings()
def build_emoji_classifier() -> keras.Model:
    """Builds the network of `emoji`, untrained: a classifier of colour images of 64x64 in 9 categories.

    Its features are as those of `build_classifier`.

    Returns:
        A model from images (batch, 64, 64, 3) in [-1, 1] to features (batch, 64) and logits (batch, 9).
    """
    x = images = layers.Input(data.EMOJI_SHAPE, name="images")
    for side, width in (32, 32), (16, 64), (8, 96), (4, 128):
        kernels = {"padding": "same", "use_bias": False, "kernel_initializer": "he_normal"}
        x = layers.Conv2D(width, 3, name=f"conv_{2 * side}", **kernels)(x)
        x = layers.BatchNormalization(name=f"conv_{2 * side}_norm")(x)
        x = layers.ReLU(name=f"conv_{2 * side}_relu")(x)
        x = layers.MaxPool2D(name=f"pool_{side}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(0.5, name="dropout")(x)
    return _with_head(images, x, classes=len(data.CATEGORIES))


def _with_head(images, x, classes: int) -> keras.Model:
    x = layers.Dense(64, use_bias=False, name="hidden")(x)
    # Without center and scale it is a plain standardisation, whose mean and variance are set once over all images.
    features = layers.BatchNormalization(center=False, scale=False, epsilon=1e-6, name="features")(x)
    logits = layers.Dense(classes, name="logits")(layers.ReLU(name="relu")(features))
    return keras.Model(images, [features, logits], name="classifier")


@_usual_settings()
def train_classifier(images: np.ndarray, labels: np.ndarray, *, epochs: int = 10, seed: int = 0) -> keras.Model:
    """Trains the network of `fashion` on images of any kind, for an extractor of their own domain.

    Args:
        images: uint8 of shape (count, 28, 28, 1).
        labels: whole numbers from 0 to 9, shape (count,).
        epochs: passes over the images, with a rate that falls to 0 like a cosine.
        seed: of everything random; it is set for the whole process.

    Returns:
        The network of `build_classifier`. Save it with `save_weights`, load it with `load_fashion(path)`.
    """
    keras.utils.set_random_seed(seed)
    network = build_classifier()
    classifier = keras.Model(network.inputs, network.outputs[1])
    classifier.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, epochs * (len(images) // 128))),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    scaled = _scaled(images)
    classifier.fit(scaled, labels, batch_size=128, epochs=epochs, verbose=2)
    standardise(network, scaled)
    return network


def standardise(network: keras.Model, images: np.ndarray) -> None:
    """Gives the features of a classifier mean 0 and variance 1 over images in [-1, 1].

    In training their running mean and variance have followed the last batches.
    """
    hidden = keras.Model(network.inputs, network.get_layer("hidden").output)
    of_all = metrics.moments(hidden.predict(images, batch_size=500, verbose=0))
    network.get_layer("features").set_weights([of_all.mean, np.diag(of_all.covariance)])


def load_fashion(path: str | Path | None = None) -> Extractor:
    """Loads the bundled classifier, or one that `assets/weights/make_fashion_classifier.py` wrote elsewhere."""
    network, sha256 = _load_classifier("fashion", build_classifier(), path, fashion_weights(), FASHION_SHA256)

    def prepare(images):
        if images.shape[1:] != (28, 28, 1):
            raise ValueError(
                f"The extractor 'fashion' takes grey images of 28x28, got {images.shape[1:]}: take 'emoji' or "
                "'inception'."
            )
        return images

    return Extractor("fashion", network, sha256, prepare, batch_size=500)


def load_emoji(path: str | Path | None = None) -> Extractor:
    """Loads the bundled classifier, or one that `assets/weights/make_emoji_classifier.py` wrote elsewhere."""
    network, sha256 = _load_classifier("emoji", build_emoji_classifier(), path, emoji_weights(), EMOJI_SHA256)
    return Extractor("emoji", network, sha256, _resizing_to(data.EMOJI_SHAPE[0]), 250, data.EMOJI_SHAPE)


def _load_classifier(name, network, path, bundled, bundled_sha256) -> tuple[keras.Model, str]:
    """Loads a network's weights from a file, or its bundled ones. Returns it and their sha256."""
    path = Path(path) if path else bundled
    if not path.is_file():
        raise FileNotFoundError(
            f"The weights of the extractor {name!r} are missing: {path}. Install the package again."
        )
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    if path == bundled and sha256 != bundled_sha256:
        raise ValueError(f"The weights of the extractor {name!r} are damaged (wrong sha256): {path}. Install again.")
    try:
        network.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path} does not hold the weights of such an extractor.") from error
    return network, sha256


def _resizing_to(side: int) -> Callable:
    """Returns a function that makes colour images of this height and width of any, in float."""

    def prepare(images):
        images = np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images
        if images.shape[1:3] == (side, side):
            return images
        how = {"interpolation": "bilinear", "antialias": True, "data_format": "channels_last"}
        return keras.ops.image.resize(images, (side, side), **how)

    return prepare


@_usual_settings()
def load_inception(weights: str | None = "imagenet") -> Extractor:
    """Loads InceptionV3: 2,048 pooled features and 1,000 class probabilities.

    Grey images are repeated over three channels. Images are resized to 299x299 by bilinear interpolation with
    antialiasing, in float. This is Keras's Inception, not comparable with TF-GAN's Inception-FID to the decimal:
    weights and resizing differ.

    Args:
        weights: `imagenet`, or None for random ones, which score nothing and test the way there.

    Raises:
        ConnectionError: if the weights must be downloaded (92 MB) and cannot be.
    """
    try:
        backbone = keras.applications.InceptionV3(weights=weights, classifier_activation=None)
    except Exception as error:  # a failed download is a bare Exception in Keras
        if not isinstance(error, OSError) and "URL fetch failure" not in str(error):
            raise
        path = inception_weights()
        raise ConnectionError(
            "Cannot download the InceptionV3 weights (92 MB): check the network, or put "
            f"{INCEPTION_FOLDER}{path.name} into {path.parent} by hand, or use the extractor 'emoji', "
            "which comes with the package."
        ) from error
    network = keras.Model(backbone.inputs, [backbone.get_layer("avg_pool").output, backbone.output])
    digest = hashlib.sha256()
    for weight in network.get_weights():
        digest.update(weight.tobytes())

    name = "inception" if weights else "inception-untrained"
    return Extractor(name, network, digest.hexdigest(), _resizing_to(INCEPTION_SIDE), batch_size=50)


def _bar(title: str, total: int | None) -> tqdm:
    """Returns a progress bar, seen in a terminal if it takes longer than a second."""
    # tqdm fails where there is no stderr at all, as in IDLE.
    return tqdm(total=total, desc=title, unit=" images", leave=False, delay=1, disable=None if sys.stderr else True)


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
    if max(-low, high) > OVERSHOOT:
        raise ValueError(f"Images of floats must be from -1 to 1, got {low:g} to {high:g}: scale them, or give uint8.")
    return np.clip(images.astype(np.float32), -1.0, 1.0)
