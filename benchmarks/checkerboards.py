"""Checkerboards in generated images, by the layer that grows them: kernel 5, kernel 4, or resizing and convolving.

    python benchmarks/checkerboards.py [--kinds "kernel 4" ...] [--seeds 0 1 2] [--epochs 30] [--csv FILE]

Three generators, equal but for that layer, train with the `laptop` preset on the bundled images. Every 50 steps the
generator as it stands ("raw") and the moving average of its weights draw the same 500 images, and the share of their
power at the frequencies of a checkerboard is measured: "fine" has a period of 2 pixels (what a last layer of stride 2
leaves), "coarse" one of 4 (what the layer before it leaves). The FID of the average is taken at the end, over 5,000
images, with the extractor `fashion`.

Each training is added to FILE (assets/tables/checkerboards.csv, which notebook 03 reads) when it ends, and one that is
there is not done again: stop and start it as you like.
"""

import argparse
import csv
import datetime
import platform
from pathlib import Path

import dcgan_keras
import keras
import numpy as np
import tensorflow as tf
from dcgan_keras import data, files, models, plots, presets
from dcgan_keras.evaluation import extractors, metrics
from keras import layers

EVERY = 50  # steps between two measurements
COLUMNS = ("kind", "seed", "step", "raw_fine", "raw_coarse", "average_fine", "average_coarse", "fid")


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


def train(kind: str, seed: int, epochs: int, images: np.ndarray) -> tuple[list, dcgan_keras.DCGAN]:
    """Trains one generator and returns its rows and the model."""
    settings = presets.get("laptop")
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
    return measure.rows, gan


def read(path: Path) -> list[list[str]]:
    """Returns the rows of a table, without its comments and header."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return list(csv.reader(line for line in lines if not line.startswith("#")))[1:]


def write(path: Path, rows: list[list[str]], epochs: int) -> None:
    """Writes the table in the order of kinds, seeds and steps, with a comment that says how it was made."""
    order = list(KINDS)
    rows = sorted(rows, key=lambda row: (order.index(row[0]), int(row[1]), int(row[2])))
    seeds = sorted({row[1] for row in rows}, key=int)
    made = f"# python benchmarks/checkerboards.py --seeds {' '.join(seeds)} --epochs {epochs}"
    where = f"TensorFlow {tf.__version__}, Keras {keras.__version__}, {_processor()}, {datetime.date.today()}"
    lines = [made, f"# {where}. Shares in percent of the power.", ",".join(COLUMNS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.atomic(path) as unfinished:
        unfinished.write_text("\n".join([*lines, *(",".join(row) for row in rows)]) + "\n", encoding="utf-8")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--csv", type=Path, default=data.assets_folder() / "tables" / "checkerboards.csv")
    arguments = parser.parse_args()

    images, test = (data.load_bundled(split)[0] for split in ("train", "test"))
    extractor = extractors.load("fashion")
    real = metrics.moments(extractor(test).features)
    for seed in arguments.seeds:
        for kind in arguments.kinds:
            if any(row[:2] == [kind, str(seed)] for row in read(arguments.csv)):
                continue
            rows, gan = train(kind, seed, arguments.epochs, images)
            drawn = np.concatenate([plots.to_uint8(gan(gan.latent_vectors(500, step=-n))) for n in range(1, 11)])
            fid = metrics.frechet_distance(real, metrics.moments(extractor(drawn).features))
            rows = [[kind, str(seed), str(step), *shares, ""] for step, *shares in rows]
            rows[-1][-1] = f"{fid:.2f}"
            write(arguments.csv, read(arguments.csv) + rows, arguments.epochs)
            late = np.mean([[float(value) for value in row[3:7]] for row in rows[len(rows) // 2 :]], axis=0)
            print(
                f"{kind}, seed {seed}: " + ", ".join(f"{share:.3f}%" for share in late) + f", FID {fid:.2f}", flush=True
            )


if __name__ == "__main__":
    main()
