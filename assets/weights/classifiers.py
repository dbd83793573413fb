"""The two classifiers behind the extractors `fashion` and `emoji`: what they are made of, and how they are kept.

`make_fashion_classifier.py` and `make_emoji_classifier.py` train and write them. `dcgan_keras.evaluation.extractors`
loads them as they are, and needs none of this.
"""

import io
import json
import tempfile
import zipfile
from pathlib import Path

import keras
import numpy as np
from dcgan_keras import data, files
from dcgan_keras.evaluation import metrics
from keras import layers


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


def train_classifier(images: np.ndarray, labels: np.ndarray, *, epochs: int = 10, seed: int = 0) -> keras.Model:
    """Trains the network of `fashion` on images of any kind, for an extractor of their own domain.

    Args:
        images: uint8 of shape (count, 28, 28, 1).
        labels: whole numbers from 0 to 9, shape (count,).
        epochs: passes over the images, with a rate that falls to 0 like a cosine.
        seed: of everything random; it is set for the whole process.

    Returns:
        The network of `build_classifier`. Write it with `save`, load it with `extractors.load_classifier`.
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
    scaled = images.astype(np.float32) / 127.5 - 1.0
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


def save(network: keras.Model, path: Path) -> None:
    """Writes a network to a `.keras` file that older versions of Keras open too, whole or not at all."""
    with tempfile.TemporaryDirectory() as folder:
        network.save(Path(folder) / "network.keras")
        content = (Path(folder) / "network.keras").read_bytes()
    with files.atomic(path) as unfinished:
        rewrite(io.BytesIO(content), unfinished, {"config.json": portable})


def rewrite(source, target, changes: dict) -> None:
    """Copies a `.keras` file, some of its parts changed on the way.

    Args:
        source: the file, or its path.
        target: the path of the copy.
        changes: functions from bytes to bytes, by the name of the part.
    """
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            new.writestr(info, changes.get(info.filename, bytes)(old.read(info)))


def portable(content: bytes) -> bytes:
    """Rewrites a Keras configuration without the settings that older versions refuse even where they are not used."""

    newer = ("quantization_", "renorm", "input_axes", "output_axes")

    def clean(item: dict) -> dict:
        return {key: value for key, value in item.items() if not key.startswith(newer)}

    return json.dumps(json.loads(content, object_hook=clean)).encode()
