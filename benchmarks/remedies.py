"""One bad setting and what is said to help: the table that notebook 11b reads.

    python benchmarks/remedies.py [--arms bad R1 ...] [--seeds 0 1 ...] [--steps 800] [--jobs 1] [--csv FILE]

The bad setting is the `plain28` preset with both rates at 3e-3 and beta_1 at 0.9, on the bundled images. The other arms
change what they are called by, for an equal number of steps; the last is the preset as it is. Five seeds. Half an hour
on one core.
Runs that are in the file already, as long, are not done again. Seconds are those of the processor, of a process with
one thread, and of training steps alone, after the first ten: what else runs on the machine counts little, but some.

Columns: arm, seed, step; kid_raw and kid_averaged, of 2,000 images of the generator as it is trained and of its moving
average, against the 5,000 bundled test images, with the extractor `fashion`; images_per_second of one core since the
run began; d_real and d_fake, means over the steps since the last row.
"""

import time

import dcgan_keras  # noqa: F401  (first: it keeps TensorFlow's start-up lines away)
import keras
import tables
import tensorflow as tf
from after_dcgan import relativistic
from dcgan_keras import data, models, presets, replicas, training
from dcgan_keras.evaluation import extractors, metrics, scores
from dcgan_keras.gan import DCGAN

BAD = {"g_learning_rate": 3e-3, "d_learning_rate": 3e-3, "beta_1": 0.9}
ARMS = {
    "bad": {},
    "beta_1 0.5": {"beta_1": 0.5},
    "slow G": {"g_learning_rate": 7.5e-4},  # two rates, four to one
    "slow both": {"g_learning_rate": 7.5e-4, "d_learning_rate": 7.5e-4},  # is it the ratio, or that G is slower?
    "R1": {"r1_gamma": 1.0},
    "no norm": {"normalization": "none"},
    "R1 no norm": {"r1_gamma": 1.0, "normalization": "none"},  # R1 is a penalty per image, BatchNorm mixes images
    "relativistic": {"r1_gamma": 1.0, "normalization": "none"},  # the loss in pairs, R1 and R2: its control is above
    "spectral": {"normalization": "spectral"},
    "noise": {"augment": "noise"},
    "alternating": {},
    "preset": {"g_learning_rate": 1.5e-3, "d_learning_rate": 1.5e-3, "beta_1": 0.5},
}
SEEDS = (0, 1, 2, 3, 4)
EVERY = 200  # steps between two rows
WARM_UP = 10  # steps that are not timed
COUNT = 2_000  # images scored
HEAD = ("arm", "seed", "step", "kid_raw", "kid_averaged", "images_per_second", "d_real", "d_fake")


class Alternating(DCGAN):
    """A DCGAN in which the discriminator moves first, and the generator answers the one that has moved.

    All else is as in the module's step: labels, augmentation, R1, scaled losses, several devices. notebooks/python.md
    shows it.
    """

    def train_step(self, data):
        real_images, labels = self.real_images(data), self.labels(data)
        latents = models.with_labels(self.generator, self.generator_inputs(real_images, self.step), labels)
        g_variables, d_variables = self.generator.trainable_variables, self.discriminator.trainable_variables

        with tf.GradientTape() as g_tape:
            fake_images = self.generator(latents, training=True)
            shown = self.augmented(fake_images, salt=2)
            with tf.GradientTape() as d_tape:
                real_logits, penalty = self.score_real(self.augmented(real_images, salt=1), labels)
                fake_logits = self.score(shown, labels, training=True)
                d_loss = self.loss_pair.discriminator(real_logits, fake_logits)
                d_objective = self.d_optimizer.scale_loss(replicas.share(d_loss + self.r1_gamma * penalty))
            self.d_optimizer.apply(d_tape.gradient(d_objective, d_variables), d_variables)
            # The one pass more that the answer costs: through the discriminator as it is now.
            g_loss = self.generator_loss(self.score(shown, labels, training=True), fake_images, real_images)
            g_objective = self.g_optimizer.scale_loss(replicas.share(g_loss))

        self.g_optimizer.apply(g_tape.gradient(g_objective, g_variables), g_variables)
        self.update_average()
        self.step.assign(self.step + 1)
        return self.logs(g_loss, d_loss, real_logits, fake_logits)


class Relativistic(DCGAN):
    """A DCGAN with the loss of R3GAN (arXiv 2501.05441): logits in pairs, and the R1 penalty on fakes too, called R2.

    Labels and augmentation are as in the module's step; one device, and no scaled losses.
    """

    def train_step(self, data):
        real_images, labels = self.real_images(data), self.labels(data)
        latents = models.with_labels(self.generator, self.generator_inputs(real_images, self.step), labels)
        with tf.GradientTape() as g_tape:
            shown = self.augmented(self.generator(latents, training=True), salt=2)
            with tf.GradientTape() as d_tape:
                real_logits, r1 = self.score_real(self.augmented(real_images, salt=1), labels)
                fake_logits, r2 = self.score_real(shown, labels)
                d_loss = relativistic(real_logits, fake_logits)
                d_objective = d_loss + self.r1_gamma * (r1 + r2)
            g_loss = relativistic(fake_logits, real_logits)
        for tape, objective, network, optimizer in (
            (d_tape, d_objective, self.discriminator, self.d_optimizer),
            (g_tape, g_loss, self.generator, self.g_optimizer),
        ):
            optimizer.apply(tape.gradient(objective, network.trainable_variables), network.trainable_variables)
        self.update_average()
        self.step.assign(self.step + 1)
        return self.logs(g_loss, d_loss, real_logits, fake_logits)


STEPS: dict[str, type[DCGAN]] = {"alternating": Alternating, "relativistic": Relativistic}  # of a step of their own


def rebuilt(kind: type[DCGAN], gan: DCGAN, settings: presets.Preset, seed: int) -> DCGAN:
    """Gives the networks of a model, and new optimizers, to one of another step."""
    made = kind(gan.generator, gan.discriminator, r1_gamma=settings.r1_gamma, ema_decay=settings.ema_decay, seed=seed)
    rates = settings.g_learning_rate, settings.d_learning_rate
    made.compile(*(keras.optimizers.Adam(rate, beta_1=settings.beta_1) for rate in rates))
    return made


def build(arm: str, seed: int) -> DCGAN:
    """Builds the model of an arm, with new weights."""
    settings = presets.get("plain28", **{**BAD, **ARMS[arm]})
    gan = training.build(settings, seed)
    if arm in STEPS:
        gan = rebuilt(STEPS[arm], gan, settings, seed)
    return gan


def train(run: tuple[str, int, int]) -> list[tuple]:
    """Trains once, for (arm, seed, steps). Returns the rows of the table."""
    arm, seed, steps = run
    images, test = (data.load_bundled(split)[0] for split in ("train", "test"))
    extractor = extractors.load("fashion")
    real = extractor(test).features
    gan = build(arm, seed)
    batch_size = presets.get("plain28").batch_size
    stream = iter(data.make_stream(images, batch_size=batch_size, seed=seed))
    gan.make_train_function()  # the one that `fit` calls
    rows, seconds, timed = [], 0.0, 0
    for step in range(1, steps + 1):
        start = time.process_time()
        logs = gan.train_function(stream)
        if step > WARM_UP:
            seconds, timed = seconds + time.process_time() - start, timed + 1
        if step % EVERY == 0:
            kids = []
            for generator in (gan.generator, gan.ema_generator):
                fake = extractor(scores.draw(generator, COUNT), COUNT).features
                kids.append(metrics.kid(real, fake, subsets=20, subset_size=1_000, seed=0).mean)
            speed = timed * batch_size / seconds if timed else 0.0
            values = (*(f"{kid:.4f}" for kid in kids), f"{speed:.0f}")
            values += tuple(f"{float(logs[name]):.4f}" for name in ("d_real", "d_fake"))
            rows.append((arm, seed, step, *values))
            gan.reset_metrics()
    return rows


# Seeds outside: the arms of a seed run one after the other, on the machine as it is that quarter of an hour.
RUNS = [(arm, seed) for seed in SEEDS for arm in ARMS]
TABLE = tables.Table("remedies", HEAD, ("arm", "seed"), ("step",), RUNS, train, steps=800)


if __name__ == "__main__":
    TABLE.main()
