"""Checkerboards in generated images, by the layer that grows them: kernel 5, kernel 4, or resizing and convolving.

    python benchmarks/checkerboards.py [--arms "kernel 4" ...] [--seeds 0 1 2] [--epochs 30] [--csv FILE]

Three generators, equal but for that layer, train with the `plain28` preset on the bundled images. Every 50 steps the
generator as it stands ("raw") and the moving average of its weights draw the same 500 images, and the share of their
power at the frequencies of a checkerboard is measured: "fine" has a period of 2 pixels (what a last layer of stride 2
leaves), "coarse" one of 4 (what the layer before it leaves). The FID of the average is taken at the end, over 5,000
images, with the extractor `fashion`.

Columns: kind, seed, step; the four shares in percent, of the raw and of the averaged generator; fid.

Each training is added to FILE (assets/tables/checkerboards.csv, which notebook 03 reads) when it ends, and one that is
there is not done again: stop and start it as you like.
"""

import dcgan_keras
import keras
import numpy as np
import tables
import tensorflow as tf
from dcgan_keras import data, models, plots, presets
from dcgan_keras.evaluation import extractors, metrics
from keras import layers

EVERY = 50  # steps between two measurements
HEAD = ("kind", "seed", "step", "raw_fine", "raw_coarse", "average_fine", "average_coarse", "fid")


def checkerboard(images: np.ndarray, period: int = 2) -> float:
    """Measures the share of the power at all frequencies of patterns that repeat after `period` pixels.

    Args:
        images: of shape (count, side, side), side a multiple of the period.
        period: 2 or 4. Patterns of period 2 do not count for 4.

    Returns:
        The mean over the images, in percent of the power of all frequencies but the mean grey.
    """
    images = images - images.mean(axis=(1, 2), keepdims=True)
    side = images.shape[1]
    fade = np.hanning(side)  # or the jump from the right edge to the left would count, too
    power = np.abs(np.fft.fft2(images * np.outer(fade, fade))) ** 2
    peaks = np.zeros((side, side), bool)
    peaks[:: side // period, :: side // period] = True
    if period == 2:
        peaks[0, 0] = False
    else:
        peaks[:: side // 2, :: side // 2] = False
    return float(100 * (power[:, peaks].sum(axis=1) / power.sum(axis=(1, 2))).mean())


def resize_generator(seed: int) -> keras.Sequential:
    """Builds the module's generator with each transposed convolution replaced by enlarging and convolving."""
    stack = [layers.Input((100,))]
    for layer in models.build_generator(28, seed=seed).layers:
        if isinstance(layer, layers.Conv2DTranspose):
            normal = keras.initializers.RandomNormal(0.0, models.WEIGHTS_STDDEV, seed=1000 * seed + layer.filters)
            options = {"use_bias": layer.use_bias, "kernel_initializer": normal}
            stack += [layers.UpSampling2D(), layers.Conv2D(layer.filters, 3, padding="same", **options)]
        else:
            stack.append(layer)
    return keras.Sequential(stack)


KINDS = {
    "kernel 5": lambda seed: models.build_generator(28, kernel_size=5, seed=seed),
    "kernel 4": lambda seed: models.build_generator(28, kernel_size=4, seed=seed),
    "resize": resize_generator,
}


class Measure(keras.callbacks.Callback):
    """Adds a row of shares every `EVERY` steps."""

    def __init__(self):
        super().__init__()
        self.rows = []

    def on_train_batch_end(self, batch, logs=None):
        gan = self.model
        if gan.steps_taken % EVERY == 0:
            latents = tf.random.stateless_normal((500, gan.latent_dim), (7, 7))
            drawn = [network(latents, training=False)[..., 0].numpy() for network in (gan.generator, gan.ema_generator)]
            shares = [f"{checkerboard(images, period):.4f}" for images in drawn for period in (2, 4)]
            self.rows.append([gan.steps_taken, *shares])


def train(run: tuple[str, int, int]) -> list[tuple]:
    """Trains one generator, for (kind, seed, epochs). Returns the rows of the table."""
    kind, seed, epochs = run
    images, test = (data.load_bundled(split)[0] for split in ("train", "test"))
    settings = presets.get("plain28")
    gan = dcgan_keras.DCGAN(
        KINDS[kind](seed), models.build_discriminator(28, seed=seed), ema_decay=settings.ema_decay, seed=seed
    )
    gan.compile(
        keras.optimizers.Adam(settings.g_learning_rate, settings.beta_1),
        keras.optimizers.Adam(settings.d_learning_rate, settings.beta_1),
    )
    measure = Measure()
    dataset = data.make_dataset(images, batch_size=settings.batch_size, seed=seed)
    gan.fit(dataset, epochs=epochs, verbose=0, callbacks=[measure])
    drawn = np.concatenate([plots.to_uint8(gan(gan.latent_vectors(500, step=-n))) for n in range(1, 11)])
    extractor = extractors.load("fashion")
    real, fake = (metrics.moments(extractor(some).features) for some in (test, drawn))
    rows = [(kind, seed, *row, "") for row in measure.rows]
    return [*rows[:-1], (*rows[-1][:-1], f"{metrics.frechet_distance(real, fake):.2f}")]


RUNS = [(kind, seed) for seed in (0, 1, 2) for kind in KINDS]
TABLE = tables.Table("checkerboards", HEAD, ("kind", "seed"), ("step",), RUNS, train, steps=30, unit="epochs")


if __name__ == "__main__":
    TABLE.main()
