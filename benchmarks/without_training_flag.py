"""What it costs to leave out `training=True`: the table that notebook 06 reads.

    python benchmarks/without_training_flag.py [--arms given ...] [--seeds 0 1 ...] [--steps 1200] [--csv FILE]

Each of five seeds trains two pairs of networks of the `plain28` preset on the same batches of 64 bundled images: one
pair is called with `training=True`, the other without the argument, so that its BatchNorm stays in inference mode.
After some steps 5,000 images of the trained generator (not of its moving average) are compared with the 5,000 bundled
test images, with the extractor `fashion`. Runs that are in the file already, as long, are not
done again. About five minutes on two cores.

Columns: seed, training (given or left out), step, fid, precision, recall.
"""

import dcgan_keras  # noqa: F401  (first: it keeps TensorFlow's start-up lines away)
import keras
import tables
import tensorflow as tf
from dcgan_keras import data, losses, models, presets
from dcgan_keras.evaluation import extractors, scores

HEAD = ("seed", "training", "step", "fid", "precision", "recall")
MODES = {"given": {"training": True}, "left out": {}}
STEPS = (600, 1200)
BATCH_SIZE = 64
SETTINGS = presets.get("plain28")


def train(run: tuple[int, str, int]) -> list[tuple]:
    """Trains a new pair as notebook 06 does, for (seed, training, steps). Returns the rows of the table."""
    seed, name, steps = run
    mode = MODES[name]
    images, test = (data.load_bundled(split)[0] for split in ("train", "test"))
    judge = scores.Judge(extractors.load("fashion"), test, images, reference_name="bundled, split test", count=5_000)
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
    rows = []
    for number, real_images in enumerate(dataset.take(steps)):
        step(real_images, tf.constant(number))
        if number + 1 in STEPS:
            found = {score.metric: score.value for score in judge.scores(scores.draw(g, 5_000), name)}
            rows.append((seed, name, number + 1, *(f"{found[metric]:.3f}" for metric in HEAD[3:])))
    return rows


def order(row):
    return int(row[0]), row[1]


RUNS = [(seed, name) for seed in range(5) for name in MODES]
TABLE = tables.Table(
    "without_training_flag", HEAD, ("seed", "training"), ("step",), RUNS, train, steps=max(STEPS), order=order
)


if __name__ == "__main__":
    TABLE.main()
