"""Images in, features and class probabilities out: the networks that `metrics` needs and does not have.

- `fashion`, for grey images of 28x28: a small classifier of Fashion-MNIST (arXiv 1708.07747) that comes with the
  package. It is frozen: its sha256 is part of every score.
- `inception`, for all others: Keras's InceptionV3 with ImageNet weights (arXiv 1512.00567), downloaded once.

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
        name: `fashion` or `inception`, or what the weights are.
        sha256: of the weights, so that a score can be traced to them.
        dimension: length of a feature vector.
    """

    def __init__(self, name: str, network: keras.Model, sha256: str, prepare: Callable, batch_size: int):
        self.name = name
        self.sha256 = sha256
        self.dimension = network.output_shape[0][-1]
        self._network = network
        self._prepare = prepare
        self._batch_size = batch_size

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
    """Loads an extractor by its name, `fashion` or `inception`.

    Raises:
        ValueError: if there is no such extractor, or the weights are damaged.
        FileNotFoundError: if the weights of `fashion` are missing.
        ConnectionError: if those of `inception` must be downloaded and cannot be.
    """
    if name == "fashion":
        return load_fashion()
    if name == "inception":
        return load_inception()
    raise ValueError(f"extractor must be 'fashion' or 'inception', got {name!r}.")


def fashion_weights() -> Path:
    """Returns the path of the bundled weights."""
    return data.assets_folder() / "weights" / "fashion_classifier.weights.h5"


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
    x = layers.Dense(64, use_bias=False, name="hidden")(x)
    # Without center and scale it is a plain standardisation, whose mean and variance are set once over all images.
    features = layers.BatchNormalization(center=False, scale=False, epsilon=1e-6, name="features")(x)
    logits = layers.Dense(10, name="logits")(layers.ReLU(name="relu")(features))
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
    # The running mean and variance of the features follow the last batches: replaced by those of all images.
    hidden = keras.Model(network.inputs, network.get_layer("hidden").output)
    of_all = metrics.moments(hidden.predict(scaled, batch_size=500, verbose=0))
    network.get_layer("features").set_weights([of_all.mean, np.diag(of_all.covariance)])
    return network


def load_fashion(path: str | Path | None = None) -> Extractor:
    """Loads the bundled classifier, or one that `assets/weights/make_fashion_classifier.py` wrote elsewhere."""
    path = Path(path) if path else fashion_weights()
    if not path.is_file():
        raise FileNotFoundError(
            f"The weights of the extractor 'fashion' are missing: {path}. Install the package again."
        )
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    if path == fashion_weights() and sha256 != FASHION_SHA256:
        raise ValueError(f"The weights of the extractor 'fashion' are damaged (wrong sha256): {path}. Install again.")
    network = build_classifier()
    try:
        network.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path} does not hold the weights of such an extractor.") from error

    def prepare(images):
        if images.shape[1:] != (28, 28, 1):
            raise ValueError(
                f"The extractor 'fashion' takes grey images of 28x28, got {images.shape[1:]}: take 'inception'."
            )
        return images

    return Extractor("fashion", network, sha256, prepare, batch_size=500)


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
            f"{INCEPTION_FOLDER}{path.name} into {path.parent} by hand, or use the extractor 'fashion', "
            "which comes with the package."
        ) from error
    network = keras.Model(backbone.inputs, [backbone.get_layer("avg_pool").output, backbone.output])
    digest = hashlib.sha256()
    for weight in network.get_weights():
        digest.update(weight.tobytes())

    def prepare(images):
        images = np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images
        return keras.ops.image.resize(
            images,
            (INCEPTION_SIDE, INCEPTION_SIDE),
            interpolation="bilinear",
            antialias=True,
            data_format="channels_last",
        )

    name = "inception" if weights else "inception-untrained"
    return Extractor(name, network, digest.hexdigest(), prepare, batch_size=50)


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
