"""The saturating and the non-saturating loss, on photographs and on the ring of notebook 01, for notebook 04.

    python benchmarks/saturating.py [--arms "ring saturating 0.001 0.999" ...] [--seeds 0 1 2] [--csv FILE]

"clothes" is the `plain28` preset on the bundled images, 20 epochs, with two learning rates of the discriminator: the
preset's and a third of it. Beside the two losses stand two that trade sizes: each is one of the losses, times a number
that no gradient flows through, so that its push, averaged over the batch, is that of the other one. The direction stays
its own. The last two trainings have a beta_2 of 0.9: Adam then divides a gradient by its size of some 10 steps, not of
some 1,000. "ring" is the game of notebook 01: eight heaps of points in the plane.

Columns: game, loss, d_rate (Adam's, for the discriminator), beta_2 (Adam's, for both), seed, steps; low (share of the
steps at whose start the mean D(G(z)) of the batch was below 0.1) and late (mean D(G(z)) of the last 300 steps); fid and
recall of 5,000 images of the averaged generator against the 5,000 bundled test images, with the extractor `fashion`;
heaps (that hold at least 2% of 4,000 points) and on_heap (share of the points within three deviations of a center).

Each training is added to FILE (assets/tables/saturating.csv) when it ends, and one that is there is not done again.
"""

import dcgan_keras  # noqa: F401  (first: it keeps TensorFlow's start-up lines away)
import keras
import numpy as np
import tables
import tensorflow as tf
from dcgan_keras import data, losses, presets, training
from dcgan_keras.evaluation import extractors, metrics, scores
from keras import layers

HEAD = tuple("game loss d_rate beta_2 seed steps low late fid recall heaps on_heap".split())
EPOCHS, MOVES, COUNT = 20, 6000, 5000
CENTERS = np.stack([[np.cos(angle), np.sin(angle)] for angle in np.arange(8) * np.pi / 4]).astype("float32")


def traded(push, own_push, loss):
    """Makes a loss of the size of another one, both given by their pushes on a fake that D(G(z)) is known of."""

    def generator_loss(fake_logits):
        real = tf.sigmoid(fake_logits)
        size = tf.reduce_mean(push(real)) / tf.maximum(tf.reduce_mean(own_push(real)), 1e-30)
        return loss(fake_logits) * tf.stop_gradient(size)

    return generator_loss


def pushes(real):
    return real  # of the saturating loss: D(G(z))


def pushes_fully(real):
    return 1 - real  # of the non-saturating one


LOSSES = {
    "non-saturating": losses.generator_loss,
    "saturating": losses.saturating_generator_loss,
    "saturating, size of the other": traded(pushes_fully, pushes, losses.saturating_generator_loss),
    "non-saturating, size of the other": traded(pushes, pushes_fully, losses.generator_loss),
}


def train_on_clothes(loss: str, d_rate: float, beta_2: float, seed: int) -> dict:
    settings = presets.get("plain28", d_learning_rate=d_rate)
    gan = training.build(settings, seed)
    for optimizer in (gan.g_optimizer, gan.d_optimizer):
        optimizer.beta_2 = beta_2
    gan.loss_pair = losses.get((losses.discriminator_loss, LOSSES[loss]))
    step = tf.function(gan.train_step)
    dataset = data.make_dataset(data.load_bundled("train")[0], batch_size=settings.batch_size, seed=seed)
    d_fake = []
    for _ in range(EPOCHS):
        for images in dataset:
            gan.reset_metrics()  # or it would be the mean of all steps so far
            d_fake.append(step(images)["d_fake"])
    extractor = extractors.load("fashion")
    real = extractor(data.load_bundled("test")[0][:COUNT]).features
    fake = np.concatenate([extractor(batch).features for batch in scores.draw(gan.ema_generator, COUNT, seed)])
    result = {"fid": metrics.fid(real, fake), "recall": metrics.precision_recall(real, fake).recall}
    return summary(d_fake) | result


def train_on_ring(loss: str, d_rate: float, beta_2: float, seed: int) -> dict:
    keras.utils.set_random_seed(seed)
    generator, discriminator = (
        keras.Sequential(
            [
                layers.Input((inputs,)),
                layers.Dense(128, activation="relu"),
                layers.Dense(128, activation="relu"),
                layers.Dense(outputs),
            ]
        )
        for inputs, outputs in ((8, 2), (2, 1))
    )
    optimizers = [keras.optimizers.Adam(rate, beta_1=0.5, beta_2=beta_2) for rate in (5e-4, d_rate)]
    for optimizer, network in zip(optimizers, (generator, discriminator)):
        optimizer.build(network.trainable_variables)

    @tf.function
    def move(real, z):
        with tf.GradientTape() as g_tape, tf.GradientTape() as d_tape:
            fake_logits = discriminator(generator(z))
            d_loss = losses.discriminator_loss(discriminator(real), fake_logits)
            g_loss = LOSSES[loss](fake_logits)
        for tape, value, network, optimizer in (
            (g_tape, g_loss, generator, optimizers[0]),
            (d_tape, d_loss, discriminator, optimizers[1]),
        ):
            variables = network.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(value, variables), variables))
        return tf.reduce_mean(tf.sigmoid(fake_logits))

    rng = np.random.default_rng(seed)
    d_fake = []
    for _ in range(MOVES):
        real = CENTERS[rng.integers(8, size=256)] + 0.08 * rng.normal(size=(256, 2))
        d_fake.append(move(*(tf.constant(batch, tf.float32) for batch in (real, rng.normal(size=(256, 8))))))
    drawn = generator(np.random.default_rng(2).normal(size=(4000, 8)).astype("float32")).numpy()
    distance = np.linalg.norm(drawn[:, None] - CENTERS, axis=-1)
    near = distance.min(axis=1) < 3 * 0.08
    share = np.bincount(distance.argmin(axis=1)[near], minlength=8) / len(drawn)
    return summary(d_fake) | {"heaps": int((share >= 0.02).sum()), "on_heap": float(near.mean())}


def summary(d_fake) -> dict:
    d_fake = np.array([float(value) for value in d_fake])
    return {"steps": len(d_fake), "low": float((d_fake < 0.1).mean()), "late": float(d_fake[-300:].mean())}


PAIR = list(LOSSES)[:2]
GAMES = {
    "clothes": (
        train_on_clothes,
        [(loss, 1.5e-3, 0.999) for loss in LOSSES]
        + [(loss, 5e-4, 0.999) for loss in PAIR]
        + [(loss, 1.5e-3, 0.9) for loss in PAIR],
    ),
    "ring": (train_on_ring, [(loss, 1e-3, 0.999) for loss in PAIR]),
}


def train(run: tuple[str, str, float, float, int]) -> list[tuple]:
    """Trains once, for (game, loss, d_rate, beta_2, seed). Returns the row of the table."""
    game, *variant = run
    found = GAMES[game][0](*variant)
    found = {name: f"{value:.4g}" if isinstance(value, float) else value for name, value in found.items()}
    return [(*run, *(found.get(name, "") for name in HEAD[len(run) :]))]


RUNS = [(game, *variant, seed) for seed in (0, 1, 2) for game in GAMES for variant in GAMES[game][1]]
TABLE = tables.Table("saturating", HEAD, HEAD[:5], (), RUNS, train)


if __name__ == "__main__":
    TABLE.main()
