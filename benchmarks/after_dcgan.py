"""What came after DCGAN, on the same pictures and for the same seconds of one core: the table that notebook 19 reads.

    python benchmarks/after_dcgan.py [--arms flow ...] [--seeds 0 1 2] [--seconds 160] [--jobs 2] [--csv FILE]

The arms: `plain28`, `laptop` and `clusters` (`laptop` told 50 groups of alike pictures), the course's DCGANs;
`relativistic`, the loss of R3GAN with R1 and R2 (arXiv 2501.05441) on the networks of `laptop`; `vae`, a variational
autoencoder (arXiv 1312.6114); `flow`, flow matching (arXiv 2210.02747); `drifting`, a generator without a second
network (arXiv 2602.04770). All learn from the 10,000 bundled clothes. Notebook 19 has the same classes.

A second is one of one core of a machine with nothing else to do. `--time` measures there how long a step of each arm
takes, in turns; the numbers are in STEP. A run then takes so many steps as fit, and looks at no clock. Each new arm had
six trials of 20 seconds, with a seed that no row has (`--trials [ARM ...]`). Runs that are in the file already, as
long, are not done again. Three minutes of a core a run. Four arms went on, which takes two hours of a core:
`--arms laptop clusters relativistic flow --seconds 640`. `--picture` shows some of what was drawn after 160 seconds, in
assets/tables/after_dcgan.png.

Columns: arm, seed; seconds; steps; parameters, all that are trained; evaluations, of the network that draws, for one
picture; fid, kid, precision and recall of 5,000 drawn pictures against the 5,000 test pictures, with the extractor
`fashion`; from 160 seconds on, and at the end of a run, for most evaluations, kid_outside, with the extractor `emoji`,
which has seen no clothes, and the distance to the nearest training picture, in features (nearest) and in pixels, over
that of test pictures: of medians, and of 1% quantiles (nearest_low, pixels_low).
"""

import functools
import sys
import time

import dcgan_keras  # noqa: F401  (first: it keeps TensorFlow's start-up lines away)
import keras
import numpy as np
import tables
import tensorflow as tf
from dcgan_keras import data, losses, models, plots, presets, training
from dcgan_keras import layers as fast
from dcgan_keras.evaluation import extractors, metrics, scores
from dcgan_keras.gan import DCGAN
from keras import layers, ops
from PIL import Image

ARMS = ("plain28", "laptop", "clusters", "relativistic", "vae", "flow", "drifting")
SEEDS = (0, 1, 2)
SECONDS = 160.0
HEAD = (
    "arm", "seed", "seconds", "steps", "parameters", "evaluations", "fid", "kid", "precision", "recall", "kid_outside",
    "nearest", "nearest_low", "pixels", "pixels_low",
)  # fmt: skip
COUNT = 5_000  # pictures that are scored
EVALUATIONS = (1, 2, 4, 8, 16, 32)  # of the flow, from SECONDS on; on its way the last of them alone
# Milliseconds of a step: `--time`, on a core of an AMD EPYC with AVX-512 whose other core had nothing to do.
STEP = {
    "plain28": 17.5, "laptop": 18.9, "clusters": 19.8, "relativistic": 26.6, "vae": 24.3, "flow": 14.2, "drifting": 9.0,
}  # fmt: skip
START = {"clusters": 1.1}  # seconds before the first step: k-means
BUILD = tables.FOLDER.parents[1] / "build" / "after_dcgan"  # sixty pictures of each run, to look at
PICTURE = tables.FOLDER / "after_dcgan.png"
ROWS = ("plain28-1", "laptop-1", "clusters-1", "relativistic-1", "vae-1", "drifting-1", "flow-1", "flow-32")


class OneLoss(keras.Model):
    """Networks that make one loss small together, and a moving average of the one that draws."""

    def __init__(self, networks, artist, ema_decay=0.999):
        super().__init__()
        # All that are trained; the one of them that draws.
        self.networks, self.artist, self.ema_decay = networks, artist, ema_decay
        self.average = keras.models.clone_model(artist)
        self.average.set_weights(artist.get_weights())
        self.average.trainable = False
        self.step = self.add_weight(shape=(), initializer="zeros", trainable=False, name="step")
        self.built = True

    def train_step(self, images):
        with tf.GradientTape() as tape:
            loss = self.loss_of(images)
        variables = [each for network in self.networks for each in network.trainable_variables]
        gradients = tape.gradient(loss, [each.value for each in variables])
        self.optimizer.apply(gradients, variables)
        # It grows to ema_decay, as in notebook 06.
        decay = tf.minimum(self.ema_decay, (1.0 + self.step) / (10.0 + self.step))
        for average, trained in zip(self.average.variables, self.artist.variables):
            average.assign(decay * average + (1.0 - decay) * trained)
        self.step.assign(self.step + 1.0)
        return {"objective": loss}


class VAE(OneLoss):
    """A variational autoencoder: a picture becomes a few uncertain numbers, and these a picture."""

    def __init__(self, latent_dim=20, beta=0.5, filters=32, seed=0):
        # All but its last two layers, the dense one and the logit.
        *below, _, _ = models.build_discriminator(filters=filters, seed=seed).layers
        encoder = keras.Sequential([layers.Input((28, 28, 1)), *below, layers.Dense(2 * latent_dim)])
        decoder = models.build_generator(filters=filters, latent_dim=latent_dim, seed=seed)
        super().__init__([encoder, decoder], decoder)
        self.beta = beta

    def loss_of(self, images):
        encoder, decoder = self.networks
        mean, log_variance = tf.split(encoder(images, training=True), 2, axis=1)
        latents = mean + tf.exp(0.5 * log_variance) * tf.random.normal(tf.shape(mean))
        error = cross_entropy(images, decoder(latents, training=True))
        return tf.reduce_mean(error + self.beta * divergence(mean, log_variance))


def cross_entropy(images, drawn):
    """Of two kinds of pictures in [-1, 1], read as probabilities of white, summed over the pixels."""
    wanted, given = 0.5 + 0.5 * images, 0.5 + (0.5 - 1e-4) * drawn  # never 0 or 1: their logarithm is too far
    each = wanted * tf.math.log(given) + (1 - wanted) * tf.math.log(1 - given)
    return -tf.reduce_sum(each, axis=[1, 2, 3])


def divergence(mean, log_variance):
    """Kullback-Leibler divergence of N(mean, variance) from N(0, 1), summed over the numbers."""
    return 0.5 * tf.reduce_sum(mean**2 + tf.exp(log_variance) - 1 - log_variance, axis=1)


def flow_network(filters=16, hidden=256):
    """From (pictures, t) to pictures: D's way down, three layers that see all, G's way up."""
    image, t = layers.Input((28, 28, 1)), layers.Input((1,))
    waves = [wave(t * f) for f in (2.0, 5.0, 12.0, 30.0) for wave in (ops.sin, ops.cos)]
    time_code = layers.Dense(64, "silu")(ops.concatenate(waves, axis=1))
    he = {"kernel_initializer": "he_normal"}
    same = {"kernel_size": 4, "strides": 2, "padding": "same", **he}

    def add_time(maps):
        """Adds a number to each channel that depends on t."""
        shift = layers.Dense(maps.shape[-1])(time_code)
        return ops.silu(maps + (shift[:, None, None] if len(maps.shape) == 4 else shift))

    down_14 = add_time(fast.FastConv2D(filters, **same)(image))
    down_7 = add_time(fast.FastConv2D(2 * filters, **same)(down_14))
    seen = add_time(layers.Dense(hidden, **he)(layers.Flatten()(down_7)))
    seen = layers.Dense(hidden, "silu", **he)(seen)
    up_7 = layers.Dense(7 * 7 * 2 * filters, "silu", **he)(seen)
    up_7 = ops.concatenate([layers.Reshape((7, 7, 2 * filters))(up_7), down_7], axis=-1)
    up_14 = add_time(fast.FastConv2DTranspose(filters, **same)(up_7))
    up_14 = ops.concatenate([up_14, down_14], axis=-1)
    return keras.Model([image, t], fast.FastConv2DTranspose(1, 4, strides=2, padding="same")(up_14))


class Flow(OneLoss):
    """Flow matching: the network sees a mixture of noise and picture, and guesses the picture."""

    def __init__(self, filters=16, hidden=256):
        network = flow_network(filters, hidden)
        super().__init__([network], network)

    def loss_of(self, images):
        noise = tf.random.normal(tf.shape(images))
        t = tf.sigmoid(tf.random.normal((tf.shape(images)[0], 1)) - 0.4)  # often near the middle
        share = t[:, :, None, None]
        guess = self.artist([(1 - share) * noise + share * images, t], training=True)
        weight = tf.minimum((1 - share) ** -2, 400.0)  # the error of the guess to that of the velocity
        return tf.reduce_mean(weight * (guess - images) ** 2)


def flow_draws(guess, noise, evaluations):
    """Walks from noise to pictures: at each of `evaluations` times, straight to where the guess is."""
    images, times = noise, tf.linspace(0.0, 1.0, evaluations + 1)
    for start, end in zip(times, times[1:]):
        velocity = (guess(images, start) - images) / (1 - start)
        images = images + (end - start) * velocity
    return images


def distances(points, others):
    """Euclidean distances of each point (count, dimension) from each of the others."""
    squares = tf.reduce_sum(points**2, axis=1)[:, None] + tf.reduce_sum(others**2, axis=1)
    return tf.sqrt(tf.maximum(squares - 2 * points @ tf.transpose(others), 1e-6))


def drift(points, real, temperatures):
    """Where each point (count, dimension) should move: towards real ones near it, away from the others."""
    far = distances(points, real), distances(points, points)
    scale, total = tf.reduce_mean(far[0]), 0.0
    far = tf.concat([far[0], far[1] + 1e6 * tf.eye(tf.shape(points)[0])], axis=1)  # none is near itself
    for temperature in temperatures:
        near = -far / (temperature * scale)
        near = tf.sqrt(tf.nn.softmax(near, axis=1) * tf.nn.softmax(near, axis=0))
        to_real, to_others = near[:, : tf.shape(real)[0]], near[:, tf.shape(real)[0] :]
        # Each weight times the sum of the other kind's: swapping the kinds changes the sign.
        way = (to_real * tf.reduce_sum(to_others, axis=1, keepdims=True)) @ real
        way -= (to_others * tf.reduce_sum(to_real, axis=1, keepdims=True)) @ points
        total += way / (tf.sqrt(tf.reduce_mean(way**2)) + 1e-8)
    return total


class Drifting(OneLoss):
    """A generator alone: its pictures learn to be where the drift would take them."""

    def __init__(self, filters=16, latent_dim=100, temperatures=(0.02, 0.06, 0.2), length=0.3, seed=0):
        generator = models.build_generator(filters=filters, latent_dim=latent_dim, seed=seed)
        super().__init__([generator], generator)
        self.latent_dim, self.temperatures, self.length = latent_dim, temperatures, length

    def loss_of(self, images):
        latents = tf.random.normal((tf.shape(images)[0], self.latent_dim))
        drawn = tf.reshape(self.artist(latents, training=True), (-1, 28 * 28))
        here, real = tf.stop_gradient(drawn), tf.reshape(images, (-1, 28 * 28))
        there = here + self.length * drift(here, real, self.temperatures)
        return tf.reduce_mean((drawn - there) ** 2)


def relativistic(higher, lower):
    """Small where the first logits are above the second, pair by pair (arXiv 1807.00734)."""
    return tf.reduce_mean(tf.nn.softplus(lower - higher))


def penalised(discriminator, images):
    """The logits of images, and half the mean squared norm of their slope there."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = discriminator(images, training=True)
    return logits, losses.r1_penalty(tape.gradient(logits, images))


class Relativistic(DCGAN):
    """A DCGAN with the loss of R3GAN: relativistic, R1 and R2, both of weight `r1_gamma`."""

    def train_step(self, data):
        real_images = self.real_images(data)
        with tf.GradientTape() as g_tape:
            latents = self.generator_inputs(real_images, self.step)
            fake_images = self.generator(latents, training=True)
            with tf.GradientTape() as d_tape:
                real_logits, r1 = penalised(self.discriminator, real_images)
                fake_logits, r2 = penalised(self.discriminator, fake_images)
                d_loss = relativistic(real_logits, fake_logits)
                d_objective = d_loss + self.r1_gamma * (r1 + r2)
            g_loss = relativistic(fake_logits, real_logits)
        sides = (
            (d_tape, d_objective, self.discriminator, self.d_optimizer),
            (g_tape, g_loss, self.generator, self.g_optimizer),
        )
        for tape, objective, network, optimizer in sides:
            variables = network.trainable_variables
            gradients = tape.gradient(objective, [each.value for each in variables])
            optimizer.apply(gradients, variables)
        self.update_average()
        self.step.assign(self.step + 1)
        return self.logs(g_loss, d_loss, real_logits, fake_logits)


def bare_discriminator(filters=16, hidden=64):
    """The discriminator of `laptop` without BatchNorm: R3GAN has none, and its weights start as large as He's."""
    he, slope = {"kernel_initializer": "he_normal"}, models.LEAKY_SLOPE
    down = {"kernel_size": 4, "strides": 2, "padding": "same", **he}
    stack = [layers.Input((28, 28, 1))]
    for count in (filters, 2 * filters):
        stack += [fast.FastConv2D(count, **down), layers.LeakyReLU(slope)]
    stack += [layers.Flatten(), layers.Dense(hidden, **he), layers.LeakyReLU(slope)]
    return keras.Sequential([*stack, layers.Dense(1)])


# What each new arm was tried with, 20 seconds each. The best became the default: r1_gamma 1, beta 0.5, a rate of 2e-3,
# and the flow as it was (32 filters draw as well, at twice the price).
TRIAL_SEED, TRIAL_SECONDS = 20, 20.0
TRIALS = {
    "relativistic": (
        {"r1_gamma": 0.1}, {"r1_gamma": 1.0}, {"r1_gamma": 0.02}, {"r1_gamma": 0.1, "rates": (1e-3, 1e-3)},
        {"r1_gamma": 0.1, "rates": (2e-3, 2e-3)}, {"r1_gamma": 0.05, "batch": 32, "rates": (5e-4, 1e-3)},
    ),
    "vae": (
        {"beta": 1.0}, {"beta": 0.5}, {"beta": 2.0}, {"beta": 1.0, "latent_dim": 10}, {"beta": 1.0, "latent_dim": 40},
        {"beta": 1.0, "rate": 3e-3},
    ),
    "flow": ({}, {"filters": 32}, {"hidden": 512}, {"rate": 1e-3}, {"rate": 4e-3}, {"batch": 128}),
    "drifting": (
        {"rate": 1e-3}, {"rate": 1e-3, "batch": 256}, {"rate": 2e-3}, {"rate": 1e-3, "filters": 32},
        {"rate": 1e-3, "temperatures": (0.02, 0.05, 0.2)}, {"rate": 1e-3, "temperatures": (0.01, 0.03, 0.1)},
    ),
}  # fmt: skip
BATCH = {"flow": 64}
RATES = {"vae": 1.5e-3, "flow": 2e-3, "drifting": 2e-3}


def build(arm: str, seed: int, rate=None, rates=(2e-3, 1e-3), batch=None, r1_gamma=1.0, **settings):
    """Builds the model of an arm, compiled, and the stream of its batches."""
    keras.utils.set_random_seed(seed)
    images, told, batch = data.load_bundled("train")[0], None, batch or BATCH.get(arm, 128)
    if arm in ("plain28", "laptop", "clusters"):
        chosen, shares = presets.get("laptop", clusters=50) if arm == "clusters" else presets.get(arm), ()
        if chosen.clusters:
            told = data.cluster(images, chosen.clusters, seed)
            shares = np.bincount(told, minlength=chosen.clusters).tolist()
        model = training.build(chosen, seed, shares=shares)
    elif arm == "relativistic":
        model = Relativistic(models.build_generator(seed=seed), bare_discriminator(), r1_gamma=r1_gamma, seed=seed)
        model.compile(*(keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.99) for rate in rates))
    else:
        kind = {"vae": VAE, "flow": Flow, "drifting": Drifting}[arm]
        model = kind(**settings) if arm == "flow" else kind(**settings, seed=seed)
        model.compile(keras.optimizers.Adam(rate or RATES[arm], beta_2=0.99), jit_compile=False)
    model.make_train_function()  # the one that `fit` calls
    return model, iter(data.make_stream(images, told, batch_size=batch, seed=seed))


def parameters(model) -> int:
    networks = (model.generator, model.discriminator) if isinstance(model, DCGAN) else model.networks
    return sum(int(np.prod(each.shape)) for network in networks for each in network.trainable_variables)


def draw(model, evaluations: int, seed: int) -> np.ndarray:
    """COUNT pictures, uint8 (COUNT, 28, 28, 1)."""
    if not isinstance(model, Flow):
        generator = model.ema_generator if isinstance(model, DCGAN) else model.average
        return np.concatenate(list(scores.draw(generator, COUNT, seed)))

    @tf.function
    def guess(images, t):
        return model.average([images, tf.fill((tf.shape(images)[0], 1), t)], training=False)

    parts = []
    for number in range(COUNT // 500):
        noise = tf.random.stateless_normal((500, 28, 28, 1), (seed, number))
        parts.append(plots.to_uint8(flow_draws(guess, noise, evaluations)))
    return np.concatenate(parts)


def marks(seconds: float) -> list[float]:
    """5, 10, 20, ... seconds up to the end of a run."""
    found = [5.0]
    while 2 * found[-1] < seconds:
        found.append(2 * found[-1])
    return [*(mark for mark in found if mark < seconds), seconds]


SPACES = {  # where distances to the nearest training picture are taken
    "features": lambda images: extractors.load("fashion")(images).features,
    "pixels": lambda images: images.reshape(len(images), -1).astype(np.float32) / 255,
}


@functools.cache
def looked_at(name: str) -> np.ndarray:
    """Features of the test pictures."""
    return extractors.load(name)(data.load_bundled("test")[0]).features


def nearest(space: str, images: np.ndarray) -> np.ndarray:
    """Distances to the nearest training picture, in one of SPACES."""
    there = SPACES[space](data.load_bundled("train")[0])
    return metrics.nearest_neighbours(SPACES[space](images), there)[1]


@functools.cache
def of_test_pictures(space: str) -> np.ndarray:
    return nearest(space, data.load_bundled("test")[0])


def judged(drawn: np.ndarray, whole: bool) -> tuple:
    """The columns from `fid` on."""
    real, fake = looked_at("fashion"), extractors.load("fashion")(drawn).features
    found = metrics.precision_recall(real, fake, k=3)
    row = (
        f"{metrics.frechet_distance(metrics.moments(real), metrics.moments(fake)):.3f}",
        f"{metrics.kid(real, fake, subset_size=1_000, seed=0).mean:.4f}",
        f"{found.precision:.3f}",
        f"{found.recall:.3f}",
    )
    if not whole:
        return *row, *[""] * 5
    outside = metrics.kid(looked_at("emoji"), extractors.load("emoji")(drawn).features, subset_size=1_000, seed=0)
    far = [(nearest(space, drawn), of_test_pictures(space)) for space in SPACES]
    near = [np.quantile(its, part) / np.quantile(tests, part) for its, tests in far for part in (0.5, 0.01)]
    return *row, f"{outside.mean:.4f}", *(f"{each:.3f}" for each in near)


def train(run: tuple[str, int, float], times: float = 1.0, **settings) -> list[tuple]:
    """Trains once, for (arm, seed, seconds). Returns the rows of the table.

    With other settings than the arm's, a step takes so many `times` as long.
    """
    arm, seed, seconds = run
    on_its_way = EVALUATIONS[-1:] if arm == "flow" else (1,)
    BUILD.mkdir(parents=True, exist_ok=True)
    model, stream = build(arm, seed, **settings)
    rows, taken = [], 0
    for mark in marks(seconds):
        steps = round(1000 * (mark - START.get(arm, 0.0)) / STEP[arm] / times)
        for _ in range(steps - taken):
            model.train_function(stream)
        taken, whole = steps, mark >= min(seconds, SECONDS)
        for evaluations in EVALUATIONS if whole and arm == "flow" else on_its_way:
            drawn = draw(model, evaluations, seed + 100)
            found = judged(drawn, whole and seed in SEEDS and evaluations in on_its_way)
            if whole:
                later = f"-{mark:g}" if mark > SECONDS else ""
                plots.save_grid(BUILD / f"{arm}-{evaluations}-{seed}{later}.png", drawn[:60], columns=12)
            rows.append((arm, seed, f"{mark:g}", steps, parameters(model), evaluations, *found))
    return rows


def step_milliseconds(built: dict, rounds: int = 12, steps: int = 20) -> dict:
    """Of a step of each of some models with their streams: medians of rounds in which they take turns."""
    found: dict = {name: [] for name in built}
    for _ in range(rounds + 1):
        for name, (model, stream) in built.items():
            start = time.process_time()
            for _ in range(steps):
                model.train_function(stream)
            found[name].append(1000 * (time.process_time() - start) / steps)
    return {name: round(float(np.median(each[1:])), 2) for name, each in found.items()}


def time_all(arms: tuple[str, ...]) -> dict:
    return step_milliseconds({arm: build(arm, 0) for arm in arms})


def try_out(trial: tuple[str, int]) -> tuple:
    """Trains an arm with some of TRIALS, for as many seconds. Returns what was changed, and the last row."""
    arm, number = trial
    changed = TRIALS[arm][number]
    took = step_milliseconds({"as it is": build(arm, 0), "changed": build(arm, 0, **changed)}, 6, 10)
    times = took["changed"] / took["as it is"]
    return arm, changed, round(times, 2), train((arm, TRIAL_SEED, TRIAL_SECONDS), times, **changed)[-1]


def draw_picture() -> None:
    """Puts twelve test pictures and twelve of each of ROWS, of seed 0, below each other: the first rows in BUILD."""
    real = plots.image_grid(data.load_bundled("test")[0][:12], columns=12)
    rows = [real, *(np.asarray(Image.open(BUILD / f"{name}-0.png").convert("L"))[: len(real)] for name in ROWS)]
    plots.save_image(PICTURE, np.concatenate(rows))


TABLE = tables.Table(
    "after_dcgan", HEAD, ("arm", "seed"), ("seconds", "evaluations"), [(a, s) for a in ARMS for s in SEEDS], train,
    steps=SECONDS, unit="seconds", jobs=2,
)  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:] == ["--time"]:
        print(*tables.train_all(time_all, [ARMS], 1))
    elif sys.argv[1:] == ["--picture"]:
        draw_picture()
    elif sys.argv[1:2] == ["--trials"]:
        trials = [(arm, number) for arm in sys.argv[2:] or TRIALS for number in range(len(TRIALS[arm]))]
        for found in tables.train_all(try_out, trials, 2):
            print(*found, flush=True)
    else:
        TABLE.main()
