"""Ring of 8 and grid of 25: how many modes a GAN of points captures, and what helps. The table that notebook 10 reads.

    python benchmarks/ring_and_grid.py [--arms "ring plain" ...] [--steps 5000] [--jobs 1] [--csv FILE]

Mixtures of Gaussians as in arXiv 1611.02163 and 1705.07761: 8 on a circle of radius 2 and 25 on a grid from -4 to 4,
all of deviation 0.05. Ten seeds train at once, as one network whose weights have a seed axis: nothing passes from one
seed to another, and Adam works on each number alone, so it is as if each trained by itself. 5,000 steps on the ring,
15,000 on the grid, where points take longer to settle. Twenty minutes on one core. Arms that are in the file
already, as long, are not done again.

The rates, 1e-4 for the generator and 1e-3 for the discriminator, were chosen in a pilot because with them a plain GAN
loses modes of the ring. Of the other pairs tried, 1e-3 for both or 5e-4 and 1e-3 lost none in any of ten seeds, and
1e-3 and 1e-4 left the generator nowhere near a mode. The latter are the rates of the first paper's own example, which
has five unrolled steps: the arms "fast G" have them, for 2,000 steps. The arms "relativistic" have the loss of R3GAN
(arXiv 2501.05441), real and generated points in pairs, without its penalties and with both.

Columns: mixture, arm, seed, step; of 2,500 points: captured, modes with a point within three deviations; captured_25,
those with 25 of them or more (even would be 312 on the ring and 100 on the grid); high_quality, the share of points
within three deviations of a mode; reverse_kl, of the nearest modes from an even spread, in nats; seconds, those of the
processor that the steps so far took, of a process with one thread, for all ten seeds together.
"""

import time

import after_dcgan  # its loss in pairs (first: it keeps TensorFlow's start-up lines away)
import keras
import numpy as np
import tables
import tensorflow as tf
from dcgan_keras import losses
from dcgan_keras.evaluation import metrics

ARMS = {
    "plain": {},
    "pack 2": {"pack": 2},
    "pack 4": {"pack": 4},
    "R1": {"r1_gamma": 0.1},
    "relativistic": {"relativistic": True},
    "relativistic R1 R2": {"relativistic": True, "r1_gamma": 0.1},
    "unrolled 5": {"unrolled": 5},
    "fast G": {"g_rate": 1e-3, "d_rate": 1e-4},
    "fast G unrolled 5": {"g_rate": 1e-3, "d_rate": 1e-4, "unrolled": 5},
}
ON_THE_GRID = ("plain", "pack 2", "pack 4", "R1", "relativistic", "relativistic R1 R2")  # unrolling costs seven times
ANGLES = np.arange(8) / 8 * 2 * np.pi
SIDE = np.arange(-4.0, 5.0, 2.0)
MIXTURES = {
    "ring": 2 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=-1),
    "grid": np.stack(np.meshgrid(SIDE, SIDE), axis=-1).reshape(-1, 2),
}
RUNS = [(mixture, arm) for mixture in MIXTURES for arm in ARMS if mixture == "ring" or arm in ON_THE_GRID]
DEVIATION = 0.05
SEEDS = 10
BATCH = 128  # points a step and seed
LATENT_DIM = 8
UNITS = 128  # of both hidden layers of both networks
G_RATE, D_RATE, BETA_1 = 1e-4, 1e-3, 0.5
FORESEEN_RATE = 0.1  # of the steps of D that an unrolled generator looks ahead
COUNT = 2_500  # points counted
STEPS = {"ring": 5_000, "grid": 15_000}
FEWER = {"fast G": 2_000, "fast G unrolled 5": 2_000}
ROWS = 5  # of a seed, at equal distances
HEAD = ("mixture", "arm", "seed", "step", "captured", "captured_25", "high_quality", "reverse_kl", "seconds")


def dense_weights(inputs: int, outputs: int, rng: np.random.Generator) -> list[keras.Variable]:
    """Makes the weights of three dense layers in turn: kernels (seeds, inputs, outputs), biases (seeds, 1, outputs)."""
    weights, sizes = [], (inputs, UNITS, UNITS, outputs)
    for before, after in zip(sizes, sizes[1:]):
        kernel = rng.normal(size=(SEEDS, before, after)) * np.sqrt(2 / (before + after))  # Glorot
        weights += [keras.Variable(kernel.astype("float32")), keras.Variable(np.zeros((SEEDS, 1, after), "float32"))]
    return weights


def dense(weights, x):
    """Sends x of shape (seeds, batch, inputs) through the layers, with ReLU between them."""
    for place in range(0, len(weights), 2):
        x = tf.nn.relu(x) if place else x
        x = tf.einsum("sbi,sio->sbo", x, weights[place]) + weights[place + 1]
    return x


class Points:
    """Ten GANs of points at once.

    Args:
        centers: of the mixture, shape (modes, 2).
        pack: points that the discriminator reads at a time (arXiv 1712.04086).
        r1_gamma: weight of the R1 penalty (arXiv 1801.04406).
        relativistic: real and generated points in pairs (arXiv 1807.00734); the penalty is on both, as in R3GAN (arXiv
            2501.05441).
        unrolled: steps of the discriminator that the generator looks ahead (arXiv 1611.02163), here of plain descent.
        g_rate, d_rate: of Adam.
        seed: of the first weights and of all that is drawn.
    """

    def __init__(
        self, centers, *, pack: int = 1, r1_gamma: float = 0.0, relativistic: bool = False, unrolled: int = 0,
        g_rate: float = G_RATE, d_rate: float = D_RATE, seed: int = 0,
    ):  # fmt: skip
        self.centers = tf.constant(centers, tf.float32)
        self.pack, self.r1_gamma, self.relativistic, self.unrolled = pack, r1_gamma, relativistic, unrolled
        rng = np.random.default_rng(seed)
        self.g_weights, self.d_weights = dense_weights(LATENT_DIM, 2, rng), dense_weights(2 * pack, 1, rng)
        self.g_optimizer, self.d_optimizer = (keras.optimizers.Adam(rate, beta_1=BETA_1) for rate in (g_rate, d_rate))
        self.g_optimizer.build(self.g_weights)
        self.d_optimizer.build(self.d_weights)
        self.random = tf.random.Generator.from_seed(seed)
        self.step = tf.function(self._step)

    def draw(self, count: int):
        """Draws fakes of shape (seeds, count, 2)."""
        return dense(self.g_weights, self.random.normal((SEEDS, count, LATENT_DIM)))

    def real(self, count: int):
        """Draws real points of shape (seeds, count, 2)."""
        which = self.random.uniform((SEEDS, count), 0, len(self.centers), tf.int32)
        return tf.gather(self.centers, which) + DEVIATION * self.random.normal((SEEDS, count, 2))

    def score(self, d_weights, points):
        """Gives the logits of shape (seeds, batch / pack, 1)."""
        return dense(d_weights, tf.reshape(points, (SEEDS, -1, 2 * self.pack)))

    def d_loss(self, d_weights, real, fake):
        """Sums the losses of the discriminators over the seeds."""
        real_logits, fake_logits = self.score(d_weights, real), self.score(d_weights, fake)
        if self.relativistic:
            loss = after_dcgan.relativistic(real_logits, fake_logits)
        else:
            loss = losses.discriminator_loss(real_logits, fake_logits)
        if self.r1_gamma:
            for points in (real, fake)[: 1 + self.relativistic]:
                loss += self.r1_gamma * self.penalty(d_weights, points)
        return SEEDS * loss

    def penalty(self, d_weights, points):
        """R1 at real points; the same at generated ones is R2."""
        with tf.GradientTape() as tape:
            tape.watch(points)
            total = tf.reduce_sum(self.score(d_weights, points))
        return losses.r1_penalty(tf.reshape(tape.gradient(total, points), (-1, 2 * self.pack, 1, 1)))

    def g_loss(self, d_weights, real, fake):
        """Sums the losses of the generators over the seeds."""
        logits = self.score(d_weights, fake)
        if self.relativistic:
            return SEEDS * after_dcgan.relativistic(logits, self.score(d_weights, real))
        return SEEDS * losses.generator_loss(logits)

    def foreseen(self, d_weights, real, fake):
        """Lets the discriminators run ahead: their weights after `unrolled` steps, which depend on the fakes."""
        for _ in range(self.unrolled):
            with tf.GradientTape() as tape:
                tape.watch(d_weights)
                loss = self.d_loss(d_weights, real, fake)
            slopes = tape.gradient(loss, d_weights)
            d_weights = [weight - FORESEEN_RATE * slope for weight, slope in zip(d_weights, slopes)]
        return d_weights

    def _step(self):
        real, latents = self.real(BATCH), self.random.normal((SEEDS, BATCH, LATENT_DIM))
        g_weights, d_weights = ([tf.convert_to_tensor(v) for v in group] for group in (self.g_weights, self.d_weights))
        with tf.GradientTape() as g_tape, tf.GradientTape() as d_tape:
            g_tape.watch(g_weights)
            d_tape.watch(d_weights)
            fake = dense(g_weights, latents)
            d_loss = self.d_loss(d_weights, real, fake)
            g_loss = self.g_loss(self.foreseen(d_weights, real, fake), real, fake)
        self.d_optimizer.apply(d_tape.gradient(d_loss, d_weights), self.d_weights)
        self.g_optimizer.apply(g_tape.gradient(g_loss, g_weights), self.g_weights)


def train(run: tuple[str, str, int]) -> list[tuple]:
    """Trains ten seeds of an arm, for (mixture, arm, steps). Returns the rows of the table."""
    mixture, arm, steps = run
    centers, every = MIXTURES[mixture], STEPS[mixture] // ROWS
    points, rows, seconds = Points(centers, **ARMS[arm]), [], 0.0
    for number in range(1, steps + 1):
        start = time.process_time()
        points.step()
        seconds += time.process_time() - start if number > 1 else 0.0  # the first builds the graph
        if number % every:
            continue
        for seed, drawn in enumerate(points.draw(COUNT).numpy()):
            captured, high_quality, divergence = metrics.modes(drawn, centers, DEVIATION)
            many = metrics.modes(drawn, centers, DEVIATION, least=25).captured
            shown = f"{high_quality:.4f}", f"{divergence:.4f}", f"{seconds:.1f}"
            rows.append((mixture, arm, seed, number, captured, many, *shown))
    return sorted(rows, key=lambda row: row[2])  # by seed


LENGTHS = {f"{mixture} {arm}": FEWER.get(arm, STEPS[mixture]) for mixture, arm in RUNS}
TABLE = tables.Table("ring_and_grid", HEAD, ("mixture", "arm"), ("seed", "step"), RUNS, train, steps=LENGTHS)


if __name__ == "__main__":
    TABLE.main()
