"""Trains the extractor `fashion`: a classifier of the full Fashion-MNIST, and writes `fashion_classifier.keras`.

    python assets/weights/make_fashion_classifier.py [--data-dir DIR] [--out FILE]

The data set comes from TensorFlow Datasets (DIR is its folder) and is downloaded where it is not there yet. Prints the
accuracy on the official test images, and the sha256 of the weights, by which `extractors.load` knows them.
"""

import argparse
from pathlib import Path

import classifiers
import numpy as np
from dcgan_keras import data
from dcgan_keras.evaluation import extractors


def load(split: str, data_dir: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Loads images, uint8, and labels in the same order."""
    import tensorflow_datasets as tfds

    images = data.load_images("tfds:fashion_mnist", split=split, data_dir=data_dir)
    labels = tfds.load("fashion_mnist", split=split, data_dir=data_dir).map(lambda example: example["label"])
    return images, np.array(list(tfds.as_numpy(labels)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("fashion_classifier.keras"))
    arguments = parser.parse_args()
    images, labels = load("train", arguments.data_dir)
    test_images, test_labels = load("test", arguments.data_dir)

    network = classifiers.train_classifier(images, labels)
    _, logits = network.predict(test_images.astype(np.float32) / 127.5 - 1, batch_size=500, verbose=0)
    accuracy = np.mean(logits.argmax(axis=1) == test_labels)
    classifiers.save(network, arguments.out)
    sha256 = extractors.load_classifier("fashion", arguments.out).sha256
    print(f"accuracy on the {len(test_labels):,} official test images: {accuracy:.2%}")
    print(f"{arguments.out.name}: {arguments.out.stat().st_size:,} bytes, weights {sha256}")


if __name__ == "__main__":
    main()
