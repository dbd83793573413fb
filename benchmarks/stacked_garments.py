"""Stacked garments: how many of 1,000 modes a generator draws. The table that notebook 10 reads.

    python benchmarks/stacked_garments.py [--arms "1 none 0.0 non_saturating" ...] [--seeds 0 ...] [--csv FILE]

Three bundled photographs, drawn at random for each image of each step, are the three channels of one: 10 x 10 x 10
combinations of kinds, all equally likely. It is the protocol of the stacked digits (arXiv 1611.02163, 1705.07761,
1712.04086) with clothes. The generator is the `plain28` preset's, the discriminator has a quarter of its filters.
An arm is a number of images that the discriminator reads at a time (packing), its normalization, the weight of the R1
penalty, and the loss: the usual one, or that of R3GAN in pairs (arXiv 2501.05441), which has the penalty on generated
images too. Equal steps, equal images a step, three seeds. An hour on one core. Runs that are in the file already, as
long, are not done again.

Columns: pack, normalization, r1_gamma, loss, seed, step; modes, the combinations among 26,000 images of the generator
as it is trained (the moving average would hide that it moves from kind to kind), by the bundled classifier, a channel
at a time; modes_5, those of them drawn five times or more (26 would be even); kinds, how many of the ten kinds have a
share of 1% or more in a channel, summed over the three; reverse_kl, from an even spread over 1,000, in nats; seconds,
those of the processor that the steps so far took, of a process with one thread; d_real and d_fake, means over the steps
since the last row.
"""

import time

import dcgan_keras  # noqa: F401  (first: it keeps TensorFlow's start-up lines away)
import numpy as np
import remedies
import tables
import tensorflow as tf
from dcgan_keras import data, presets, training
from dcgan_keras.evaluation import extractors, metrics, scores

ARMS = (  # pack, normalization, r1_gamma, loss
    (1, "none", 0.0, "non_saturating"),
    (2, "none", 0.0, "non_saturating"),
    (4, "none", 0.0, "non_saturating"),
    (1, "none", 1.0, "non_saturating"),
    (1, "none", 0.0, "relativistic"),
    (1, "none", 1.0, "relativistic"),
    (1, "batch", 0.0, "non_saturating"),
    (2, "batch", 0.0, "non_saturating"),
    (4, "batch", 0.0, "non_saturating"),
)
SEEDS = (0, 1, 2)
SETTINGS = {"channels": 3, "d_filters": 4}  # of the `plain28` preset, changed
COUNT = 26_000  # images counted: 26 a mode, as the papers take
EVERY = 2_000  # steps between two rows
HEAD = (
    "pack",
    "normalization",
    "r1_gamma",
    "loss",
    "seed",
    "step",
    "modes",
    "modes_5",
    "kinds",
    "reverse_kl",
    "seconds",
    "d_real",
    "d_fake",
)


def stack(images: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draws grey images (n, 28, 28, 1) at random, three at a time, as the channels of (count, 28, 28, 3)."""
    return np.moveaxis(images[rng.integers(len(images), size=(count, 3)), ..., 0], 1, -1)


def count_modes(stacks: np.ndarray, extractor: extractors.Extractor) -> np.ndarray:
    """Counts how often each combination of kinds was drawn, shape (10, 10, 10), by the bundled classifier."""
    kinds = [extractor(stacks[..., channel : channel + 1]).probabilities.argmax(axis=1) for channel in range(3)]
    counts = np.zeros((10, 10, 10), int)
    np.add.at(counts, tuple(kinds), 1)
    return counts


def summary(counts: np.ndarray) -> tuple[int, int, int, float]:
    """Returns modes, modes_5, kinds and reverse_kl of counts (10, 10, 10)."""
    shares = [counts.sum(axis=tuple({0, 1, 2} - {channel})) / counts.sum() for channel in range(3)]
    kinds = sum(int((share >= 0.01).sum()) for share in shares)
    return int((counts > 0).sum()), int((counts >= 5).sum()), kinds, metrics.reverse_kl(counts.ravel())


def train(run: tuple[int, str, float, str, int, int]) -> list[tuple]:
    """Trains once, for (pack, normalization, r1_gamma, loss, seed, steps). Returns the rows of the table."""
    *arm, steps = run
    pack, normalization, r1_gamma, loss, seed = arm
    images, _ = data.load_bundled("train")
    extractor = extractors.load("fashion")
    changes = {**SETTINGS, "pack": pack, "normalization": normalization, "r1_gamma": r1_gamma}
    settings = presets.get("plain28", **changes)
    gan = training.build(settings, seed)
    if loss == "relativistic":
        gan = remedies.rebuilt(remedies.Relativistic, gan, settings, seed)
    step, rng = tf.function(gan.train_step), np.random.default_rng(seed)
    rows, seconds = [], 0.0
    for number in range(1, steps + 1):
        batch = tf.constant(stack(images, settings.batch_size, rng))
        start = time.process_time()
        logs = step(batch)
        seconds += time.process_time() - start if number > 1 else 0.0  # the first builds the graph
        if number % EVERY == 0:
            counts = count_modes(np.concatenate(list(scores.draw(gan.generator, COUNT))), extractor)
            *found, divergence = summary(counts)
            means = (f"{float(logs[name]):.4f}" for name in ("d_real", "d_fake"))
            rows.append((*arm, number, *found, f"{divergence:.4f}", f"{seconds:.1f}", *means))
            gan.reset_metrics()
    return rows


RUNS = [(*arm, seed) for seed in SEEDS for arm in ARMS]
TABLE = tables.Table("stacked_garments", HEAD, HEAD[:5], ("step",), RUNS, train, steps=4_000)


if __name__ == "__main__":
    TABLE.main()
