"""Fréchet distance between real and generated images in the features of a small classifier of the same images.

The classifier has two convolutions and 64 features. It is trained here, on the training images, with a fixed seed, and
kept in a file. Scores made with two classifiers cannot be compared, and none with an Inception-FID (arXiv 1706.08500).
"""

from pathlib import Path

import keras
import numpy as np
from dcgan_keras import files, metrics
from keras import layers


def train_classifier(path: Path, images: np.ndarray, labels: np.ndarray) -> keras.Model:
    """Trains the classifier, or loads it where `path` exists. Images are uint8 of shape (count, 28, 28, 1)."""
    if path.is_file():
        return keras.models.load_model(path)
    keras.utils.set_random_seed(0)
    classifier = keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPool2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPool2D(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(64, activation="relu", name="features"),
            layers.Dense(10, name="logits"),
        ],
        name="classifier",
    )
    classifier.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    classifier.fit(scaled(images), labels, batch_size=128, epochs=6, verbose=0)
    with files.atomic(path) as unfinished:
        classifier.save(unfinished)
    return classifier


def scaled(images: np.ndarray) -> np.ndarray:
    """Maps uint8 images to float32 in [-1, 1]."""
    return images.astype(np.float32) / 127.5 - 1


class DomainFID:
    """Scores images in [-1, 1] against fixed real ones."""

    def __init__(self, classifier: keras.Model, real_images: np.ndarray):
        self.features = keras.Model(classifier.inputs, classifier.get_layer("features").output)
        self.real = self._moments(real_images)

    def _moments(self, images) -> metrics.Moments:
        return metrics.moments(self.features.predict(images, batch_size=500, verbose=0))

    def __call__(self, images) -> float:
        return metrics.frechet_distance(self.real, self._moments(images))
