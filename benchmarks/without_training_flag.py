"""What it costs to leave out `training=True`: the table that notebook 06 reads.

    python benchmarks/without_training_flag.py [--csv FILE]

Each of five seeds trains two pairs of networks of the `laptop` preset on the same batches of 64 bundled images: one
pair is called with `training=True`, the other without the argument, so that its BatchNorm stays in inference mode.
After some steps 5,000 images of the trained generator (not of its moving average) are compared with the 5,000 bundled
test images, with the extractor `fashion`. About five minutes on two cores.

Columns: seed, training (given or left out), step, fid, precision, recall.
"""

import argparse
import csv
from pathlib import Path

import dcgan_keras  # noqa: F401  (first: it keeps TensorFlow's start-up lines away)
import keras
import tensorflow as tf
from dcgan_keras import data, losses, models, presets
from dcgan_keras.evaluation import extractors, scores

SEEDS = range(5)
STEPS = (600, 1200)
BATCH_SIZE = 64
SETTINGS = presets.get("laptop")


def train(images, seed: int, mode: dict):
    """Trains a new pair as notebook 06 does. Yields the generator and the step's number at each of `STEPS`."""
    g = models.build_generator(28, filters=SETTINGS.g_filters, seed=seed)
    d = models.build_discriminator(28, filters=SETTINGS.d_filters, seed=seed)
    g_adam, d_adam = (keras.optimizers.Adam(SETTINGS.g_learning_rate, SETTINGS.beta_1) for _ in range(2))

    @tf.function
    def step(real_images, number):
        z = tf.random.stateless_normal((BATCH_SIZE, 100), seed=tf.stack([seed, number]))
        with tf.GradientTape() as g_tape, tf.GradientTape() as d_tape:
            real_output, fake_output = d(real_images, **mode), d(g(z, **mode), **mode)
            d_loss = losses.discriminator_loss(real_output, fake_output)
            g_loss = losses.generator_loss(fake_output)
        for tape, loss, network, adam in ((g_tape, g_loss, g, g_adam), (d_tape, d_loss, d, d_adam)):
            adam.apply(tape.gradient(loss, network.trainable_variables), network.trainable_variables)

    dataset = data.make_dataset(images, batch_size=BATCH_SIZE, seed=seed).repeat()
    for number, real_images in enumerate(dataset.take(max(STEPS))):
        step(real_images, tf.constant(number))
        if number + 1 in STEPS:
            yield g, number + 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", type=Path, default=data.assets_folder() / "tables" / "without_training_flag.csv")
    arguments = parser.parse_args()

    images, test = (data.load_bundled(split)[0] for split in ("train", "test"))
    judge = scores.Judge(extractors.load("fashion"), test, images, reference_name="bundled, split test", count=5_000)
    rows = []
    for seed in SEEDS:
        for name, mode in (("given", {"training": True}), ("left out", {})):
            for generator, step in train(images, seed, mode):
                found = {score.metric: score.value for score in judge.scores(scores.draw(generator, 5_000), name)}
                rows.append([seed, name, step, *(f"{found[metric]:.3f}" for metric in ("fid", "precision", "recall"))])
                print(*rows[-1], flush=True)
    with open(arguments.csv, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("seed", "training", "step", "fid", "precision", "recall"), *rows])


if __name__ == "__main__":
    main()
