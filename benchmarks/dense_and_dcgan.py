"""A dense GAN and a DCGAN of equal size and equal training time: the table that notebook 01b reads.

    python benchmarks/dense_and_dcgan.py [--arms "dense photographs" ...] [--seeds 0 1 2] [--steps 580] [--csv FILE]

Both have 176,000 parameters and learn from the bundled images. The numbers of steps are what each took in one minute
on a 2-core CPU, so they are fixed here and the result depends on no clock. Each network is trained with three seeds on
photographs, and for half of the steps on the same photographs with all pixels shuffled in one fixed way. Runs that
are in the file already, as long, are not done again. All 12 are nine minutes of training on such a machine, and the
scoring.

Columns: network, pixels (photographs or shuffled), seed, steps, share (of the whole training), then of 5,000 images
against the 5,000 bundled test images: fid, precision and recall by the extractor `fashion`; quick_fid and quick_recall
by a classifier that was trained for a few seconds; pixel_recall, in the space of all pixels, where no network judges;
neighbours, the mean difference of two neighbouring pixels as a share of that of any two (0.27 in photographs).
"""

import dcgan_keras
import keras
import numpy as np
import tables
import tensorflow as tf
from dcgan_keras import data, models, plots, presets
from dcgan_keras.evaluation import extractors, metrics
from keras import layers

STEPS = {"dense": 37_148, "convolutional": 5_973}  # what one minute held, on two cores of an AMD EPYC
SHARES = [1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1]
PIXELS = {"photographs": 1, "shuffled": 0.5}  # share of the steps
ORDER = np.random.default_rng(0).permutation(28 * 28)  # of the shuffled pixels, and of "any two pixels"
COUNT = 5_000
SCORES = ("fid", "precision", "recall", "quick_fid", "quick_recall", "pixel_recall", "neighbours")
HEAD = ("network", "pixels", "seed", "steps", "share", *SCORES)


def dense_networks() -> tuple[keras.Sequential, keras.Sequential]:
    """Builds a GAN without convolutions, of as many parameters as the preset `plain28` has (notebook 01b)."""
    generator = [layers.Input((100,))]
    for _ in range(2):
        generator += [layers.Dense(110), layers.BatchNormalization(momentum=0.9), layers.ReLU()]
    generator += [layers.Dense(28 * 28, activation="tanh"), layers.Reshape((28, 28, 1))]
    discriminator = [layers.Input((28, 28, 1)), layers.Flatten()]
    for _ in range(2):
        discriminator += [layers.Dense(75), layers.LeakyReLU(0.2)]
    return keras.Sequential(generator), keras.Sequential([*discriminator, layers.Dense(1)])


def shuffled(images: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Puts the pixels of all images into another order, the same for all."""
    return images.reshape(len(images), -1)[:, order].reshape(images.shape)


def quick_classifier() -> keras.Model:
    """Trains a small classifier for a few seconds and returns its last hidden layer as features."""
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.Conv2D(64, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(64, activation="relu"),
            layers.Dense(10),
        ]
    )
    images, labels = data.load_bundled("train")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile("adam", loss, jit_compile=False)
    network.fit(images / 127.5 - 1, labels, batch_size=64, epochs=8, verbose=0)
    return keras.Model(network.inputs, network.layers[-2].output)


class Judge:
    """Scores images, uint8 of shape (COUNT, 28, 28, 1), against the bundled test images."""

    def __init__(self):
        self.fashion, self.quick = extractors.load("fashion"), quick_classifier()
        self.real = self.describe(data.load_bundled("test")[0][:COUNT])

    def describe(self, images: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "fashion": self.fashion(images).features,
            "quick": self.quick.predict(images / 127.5 - 1, batch_size=500, verbose=0),
            "pixel": images.reshape(len(images), -1) / 127.5 - 1,
        }

    def scores(self, images: np.ndarray) -> dict[str, float]:
        fake = self.describe(images)
        manifolds = {name: metrics.precision_recall(self.real[name], fake[name]) for name in fake}
        return {
            "fid": metrics.fid(self.real["fashion"], fake["fashion"]),
            "precision": manifolds["fashion"].precision,
            "recall": manifolds["fashion"].recall,
            "quick_fid": metrics.fid(self.real["quick"], fake["quick"]),
            "quick_recall": manifolds["quick"].recall,
            "pixel_recall": manifolds["pixel"].recall,
            "neighbours": neighbours(images),
        }


def neighbours(images: np.ndarray) -> float:
    """Divides the mean difference of two neighbouring pixels by that of any two."""
    images = images[..., 0].astype("float32")
    flat = images.reshape(len(images), -1)
    return float(np.abs(np.diff(images, axis=2)).mean() / np.abs(flat - flat[:, ORDER]).mean())


def train(run: tuple[str, str, int, int]) -> list[tuple]:
    """Trains one GAN, for (network, pixels, seed, steps), and scores it on its way.

    With shuffled pixels it takes half of the steps, and is scored at the end alone.
    """
    network, pixels, seed, steps = run
    judge = Judge()
    keras.utils.set_random_seed(seed)
    settings = presets.get("plain28")
    if network == "dense":
        networks = dense_networks()
    else:
        networks = (
            models.build_generator(28, filters=settings.g_filters, seed=seed),
            models.build_discriminator(28, filters=settings.d_filters, seed=seed),
        )
    gan = dcgan_keras.DCGAN(*networks, ema_decay=settings.ema_decay, seed=seed)
    rates = settings.g_learning_rate, settings.d_learning_rate
    gan.compile(*(keras.optimizers.Adam(rate, beta_1=settings.beta_1) for rate in rates))
    images = data.load_bundled("train")[0]
    images = shuffled(images, ORDER) if pixels == "shuffled" else images
    batches = iter(data.make_dataset(images, batch_size=settings.batch_size, seed=seed).repeat())
    step = tf.function(gan.train_step)

    shares = SHARES if pixels == "photographs" else [PIXELS[pixels]]
    moments = {round(share * STEPS[network]): share for share in shares}
    if network == "dense" and pixels == "photographs":
        moments[STEPS["convolutional"]] = STEPS["convolutional"] / STEPS["dense"]  # as many steps as the other one
    moments = {number: share for number, share in moments.items() if number <= steps}
    rows = []
    for number in range(1, max(moments, default=0) + 1):
        step(next(batches))
        if number in moments:
            fakes = plots.to_uint8(gan(gan.latent_vectors(COUNT, step=0)))
            fakes = shuffled(fakes, np.argsort(ORDER)) if pixels == "shuffled" else fakes
            values = moments[number], *judge.scores(fakes).values()
            rows.append((network, pixels, seed, number, *(f"{value:.4g}" for value in values)))
    return rows


RUNS = [(network, pixels, seed) for seed in range(3) for pixels in PIXELS for network in STEPS]
LENGTHS = {f"{network} {pixels}": round(PIXELS[pixels] * STEPS[network]) for pixels in PIXELS for network in STEPS}
TABLE = tables.Table("dense_and_dcgan", HEAD, HEAD[:3], ("steps",), RUNS, train, steps=LENGTHS)


if __name__ == "__main__":
    TABLE.main()
