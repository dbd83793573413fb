"""Trainings made sick by one cause each, and what their dashboards and samples say: the table that notebook 07 reads.

    python benchmarks/sick_runs.py [--arms healthy ...] [--seeds 0 1 2] [--epochs 8] [--csv FILE]

Each run is the `plain28` preset on the bundled images for 8 epochs (624 steps) with one value changed, and three seeds.
Those that are in the file already are not done again. About ten minutes on two cores.

Columns: run, seed; d_loss, g_loss, d_real and d_fake, means of the last epoch; certain, the share of all steps in which
D(G(z)) is below 0.01; next_step, the correlation of D(G(z)) at one step with that at the next, over the last two
epochs: near -1 it goes up and down in turn; then of the trained generator (not of its moving average): variety and
block_variety, the mean distance of two different images as a share of that of two photographs, of pixels and of means
of 4x4 pixels (500 images), and fid and recall of 5,000 images against the 5,000 bundled test images, with the extractor
`fashion`.
"""

import dcgan_keras  # noqa: F401  (first: it keeps TensorFlow's start-up lines away)
import keras
import numpy as np
import tables
from dcgan_keras import data, presets, training
from dcgan_keras.evaluation import extractors, scores

RATE = presets.get("plain28").g_learning_rate
RUNS = {
    "healthy": {},
    "slow G": {"g_learning_rate": RATE / 100},
    "slow D": {"d_learning_rate": RATE / 100},
    "less slow D": {"d_learning_rate": RATE / 30},
    "saturating": {"loss": "saturating"},
    "beta_1 0.9": {"beta_1": 0.9},
}
LAST = ("d_loss", "g_loss", "d_real", "d_fake")


class EveryStep(keras.callbacks.Callback):
    """Keeps the mean D(G(z)) of every step."""

    def on_train_begin(self, logs=None):
        self.values = []

    def on_epoch_begin(self, epoch, logs=None):
        self.before = 0.0

    def on_train_batch_end(self, batch, logs=None):
        total = (batch + 1) * logs["d_fake"]  # logs hold means since the epoch began
        self.values.append(total - self.before)
        self.before = total


def variety(images) -> float:
    """Mean distance of two different images of a set."""
    flat = np.asarray(images, np.float64).reshape(len(images), -1)
    squares = np.sum(flat**2, axis=1)
    squared = squares[:, None] + squares - 2 * flat @ flat.T
    np.fill_diagonal(squared, 0)
    return np.sqrt(np.maximum(squared, 0)).sum() / (len(flat) * (len(flat) - 1))


def block_means(images) -> np.ndarray:
    """Means of 4x4 pixels, shape (count, 7, 7)."""
    return np.asarray(images).reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4))


def train(run: tuple[str, int, int]) -> list[tuple]:
    """Trains once, for (run, seed, epochs). Returns the row of the table."""
    name, seed, epochs = run
    images, test = (data.load_bundled(split)[0] for split in ("train", "test"))
    photographs = images[::20] / 127.5 - 1
    judge = scores.Judge(extractors.load("fashion"), test, images, reference_name="bundled, split test", count=5_000)
    settings = presets.get("plain28", epochs=epochs, **RUNS[name])
    gan, steps = training.build(settings, seed), EveryStep()
    dataset = data.make_dataset(images, batch_size=settings.batch_size, seed=seed)
    history = gan.fit(dataset, epochs=epochs, callbacks=[steps], verbose=0).history
    late = np.array(steps.values[-2 * len(dataset) :])
    drawn = gan.generator(gan.latent_vectors(500, step=0), training=False)
    found = {one.metric: one.value for one in judge.scores(scores.draw(gan.generator, 5_000), name)}
    values = [
        *(history[key][-1] for key in LAST),
        np.mean(np.array(steps.values) < 0.01),
        np.corrcoef(late[:-1], late[1:])[0, 1],
        variety(drawn) / variety(photographs),
        variety(block_means(drawn)) / variety(block_means(photographs)),
        found["fid"],
        found["recall"],
    ]
    return [(name, seed, *(f"{value:.4f}" for value in values))]


HEAD = ("run", "seed", *LAST, "certain", "next_step", "variety", "block_variety", "fid", "recall")
TRAININGS = [(name, seed) for name in RUNS for seed in range(3)]
TABLE = tables.Table("sick_runs", HEAD, ("run", "seed"), (), TRAININGS, train, steps=8, unit="epochs")


if __name__ == "__main__":
    TABLE.main()
