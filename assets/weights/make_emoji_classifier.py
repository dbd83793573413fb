"""Trains the extractor `emoji`: a classifier of the bundled emoji, and writes `emoji_classifier.keras`.

    python assets/weights/make_emoji_classifier.py [--epochs 100] [--seed 0] [--out FILE]

It learns from the training split alone, shifted, turned, scaled, mirrored and recoloured at random, and names both
category and subcategory: the second keeps the features from forgetting all but nine kinds. Only the first is kept.
Prints the accuracy on the test split, and the sha256 of the weights, by which `extractors.load` knows them.
"""

import argparse
from pathlib import Path

import classifiers
import keras
import numpy as np
from dcgan_keras import data
from dcgan_keras.evaluation import extractors


def subcategories() -> tuple[np.ndarray, int]:
    """Returns the subcategory of each training picture, as a number, and how many there are."""
    names = np.array([row["subcategory"] for row in data.emoji_table() if row["split"] == "train"])
    kinds, numbers = np.unique(names, return_inverse=True)
    return numbers, len(kinds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("emoji_classifier.keras"))
    arguments = parser.parse_args()
    images, labels = data.load_bundled("train", "emoji")
    test_images, test_labels = data.load_bundled("test", "emoji")
    images, test_images = (array.astype(np.float32) / 127.5 - 1 for array in (images, test_images))
    kinds, count = subcategories()

    keras.utils.set_random_seed(arguments.seed)
    network = classifiers.build_emoji_classifier()
    fill = {"fill_mode": "constant", "fill_value": 1.0}  # white
    varied = keras.Sequential(
        [
            keras.layers.RandomFlip("horizontal"),
            keras.layers.RandomRotation(0.06, **fill),
            keras.layers.RandomZoom((-0.2, 0.2), (-0.2, 0.2), **fill),
            keras.layers.RandomTranslation(0.12, 0.12, **fill),
            keras.layers.RandomContrast(0.3, value_range=(-1, 1)),
            keras.layers.RandomBrightness(0.15, value_range=(-1, 1)),
        ]
    )
    inputs = keras.Input(data.EMOJI_SHAPE)
    features, logits = network(varied(inputs))
    fine = keras.layers.Dense(count, name="fine")(keras.layers.ReLU()(features))
    classifier = keras.Model(inputs, {"coarse": logits, "fine": fine})
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    steps = arguments.epochs * (len(images) // 64)
    classifier.compile(
        keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(2e-3, steps), weight_decay=1e-2),
        {"coarse": loss, "fine": loss},
        metrics={"coarse": "accuracy", "fine": "accuracy"},
        jit_compile=False,
    )
    classifier.fit(
        images,
        {"coarse": labels, "fine": kinds},
        batch_size=64,
        epochs=arguments.epochs,
        verbose=2,
    )
    classifiers.standardise(network, images)

    _, logits = network.predict(test_images, batch_size=250, verbose=0)
    classifiers.save(network, arguments.out)
    sha256 = extractors.load_classifier("emoji", arguments.out).sha256
    print(f"accuracy on the {len(test_labels)} test pictures: {np.mean(logits.argmax(axis=1) == test_labels):.2%}")
    print(f"{arguments.out.name}: {arguments.out.stat().st_size:,} bytes, weights {sha256}")


if __name__ == "__main__":
    main()
