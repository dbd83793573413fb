"""From few pixels to many, by eight ways: the table that notebook 15 reads.

    python benchmarks/super_resolution.py [--arms "7 to 28 search" ...] [--seeds 0 1 2] [--jobs 2] [--csv FILE]

Tasks: `7 to 28` are garments in grey, from 7x7 means over pixels to the 28x28 they came from; `16 to 64` are emoji in
colour. Each is restored for 256 test pictures, by

    nearest, bicubic   each pixel repeated; cubic splines, as scikit-image does it
    gaussian           the mean of all pictures that look like the one seen, as if pictures were normal: a matrix
    search             the committed generator's picture whose means are nearest (`latent.search`; `7 to 28` alone),
                       with the prior of `restoring.upscale`
    random             that generator's pictures of random latent vectors, whatever was seen
    weight W           `Restorer` with so much adversarial loss: steps of squared error alone, and from there, for each
                       weight, as many steps of both. Weight 0 is the regressor

and each again with what is wrong in its means added to its pixels (`projected` 1). Three seeds. Ten minutes on two
cores. Runs that are in the file already are not done again: of another generator, take the rows of `search` and
`random` out first, which are a run of their own. All others of a task and a seed are the run `weight 0`.

Columns: task, method, projected, seed; psnr in dB, ssim, each with its standard error over the pictures; kid of the
restorations against other pictures, by the bundled extractor: garments of the test set that are not restored, the emoji
of the training set; with its standard error (a jackknife over 16 blocks of the restorations); wrong, the root of the
mean squared error of the means (pixels in [-1, 1]); spread, the mean deviation of a pixel over four drawings of the
noise, 0 for ways without noise; kid_without, the KID without each of the 16 blocks. All ways have the same blocks, so
that the error of a difference of two KIDs follows from these numbers.
"""

import dcgan_keras  # first: it keeps TensorFlow's start-up lines away
import keras
import numpy as np
import tables
import tensorflow as tf
from dcgan_keras import data, layers, models
from dcgan_keras.applications import latent
from dcgan_keras.evaluation import extractors, scores
from inpainting import BLOCKS, kid
from skimage import transform
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

TASKS = {  # for each: the pictures, the factor, the adversarial weights, filters of both networks and steps
    "7 to 28": ("fashion", 4, (0.0, 0.001, 0.01, 0.1), (32, 16), 600),
    "16 to 64": ("emoji", 4, (0.0, 0.01), (16, 16), 200),
}
SEEDS = (0, 1, 2)
COUNT = 256  # test pictures
OTHERS = 2_000  # pictures that the restorations are compared with, at most
BATCH = 64
HEAD = ("task", "method", "projected", "seed")
HEAD += ("psnr", "psnr_se", "ssim", "ssim_se", "kid", "kid_se", "wrong", "spread", "kid_without")


def reducer(factor: int):
    """Returns the function from images (n, height, width, channels) to means over factor x factor pixels."""
    return lambda images: tf.nn.avg_pool2d(images, factor, factor, "VALID")


def repeat(small, factor: int):
    return small.repeat(factor, axis=1).repeat(factor, axis=2)


def bicubic(small, factor: int):
    count, height, width, channels = small.shape
    shape = (count, height * factor, width * factor, channels)
    return transform.resize(small, shape, order=3, mode="edge", clip=False)


def gaussian(small, images, seen):
    """The linear map from what is seen to images with the least squared error, on a part of them held out.

    Args:
        small: what is seen of the training images, (n, ...).
        images: the training images, (n, ...).
        seen: what is seen of those to restore.
    """
    x, y, new = (part.reshape(len(part), -1).astype(np.float64) for part in (images, small, seen))
    held_out = len(x) // 10

    def fit(x, y, ridge):
        centered = y - y.mean(axis=0)
        covariance = centered.T @ centered
        covariance += ridge * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        weights = np.linalg.solve(covariance, centered.T @ (x - x.mean(axis=0)))
        return lambda new: x.mean(axis=0) + (new - y.mean(axis=0)) @ weights

    def error(ridge):
        return np.mean((fit(x[held_out:], y[held_out:], ridge)(y[:held_out]) - x[:held_out]) ** 2)

    return fit(x, y, min((1e-6, 1e-4, 1e-3, 1e-2, 1e-1), key=error))(new).reshape(len(new), *images.shape[1:])


def score(restored, real, others, extractor, reduce, seen) -> tuple[list[float], list[float]]:
    """Takes all numbers of one row but the spread, and the KIDs without each block."""
    wrong = np.sqrt(np.mean((np.asarray(reduce(restored.astype(np.float32))) - seen) ** 2))
    restored = np.clip(restored, -1, 1).astype(np.float32)
    psnr = np.array([peak_signal_noise_ratio(a, b, data_range=2) for a, b in zip(real, restored)])
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 2}
    ssim = np.array([structural_similarity(a, b, channel_axis=2, **window) for a, b in zip(real, restored)])
    errors = [values.std(ddof=1) / len(values) ** 0.5 for values in (psnr, ssim)]
    *found, without = kid(others, extractor(restored).features, min(BLOCKS, len(restored) // 2))
    return [psnr.mean(), errors[0], ssim.mean(), errors[1], *found, wrong], without


def written(values) -> list[str]:
    return [f"{value:.4f}" for value in values]


class Restorer(dcgan_keras.DCGAN):
    """A DCGAN whose generator is given what is seen of the real images, and noise behind it.

    It makes small `mean((G(y) - x)^2) + weight * its part of the game`, where `reduce` leaves y of the images x: the
    objective of SRGAN (arXiv 1609.04802), with pixels in place of features. Weight 0 is a regressor.
    """

    def __init__(self, generator, discriminator, reduce, weight: float, **options):
        height, width, _ = generator.input_shape[1:]
        super().__init__(generator, discriminator, latent_dim=height * width, **options)
        self.reduce, self.weight = reduce, weight

    def generator_inputs(self, real_images, step):
        return self.with_noise(self.reduce(real_images), super().generator_inputs(real_images, step))

    def generator_loss(self, fake_logits, fake_images, real_images):
        wrong = tf.reduce_mean(tf.square(fake_images - real_images))
        return wrong + self.weight * super().generator_loss(fake_logits, fake_images, real_images)

    def with_noise(self, seen, noise):
        """Lays the noise (n, latent_dim) behind what is seen, as one more channel."""
        return tf.concat([seen, tf.reshape(noise, (-1, *seen.shape[1:3], 1))], axis=3)

    def restore(self, seen, step: int = 0):
        """Restores images with the averaged generator. Another step draws other noise."""
        return self(self.with_noise(seen, self.latent_vectors(len(seen), step)))


def build_restorer(small: int, channels: int, factor: int, filters: int, seed: int):
    """The upper part of the module's generator, with a convolution where the latent vector was projected.

    Args:
        small: height and width of what is seen.
        channels: of what is seen. A channel of noise comes behind them.
        factor: 2, 4, 8 and so on.
        filters: of the last hidden map. Each map below has twice as many.
        seed: of the initial weights, N(0, 0.02) as those of both networks are.
    """
    rng = np.random.default_rng([seed, 2])

    def normal(mean=0.0):
        return keras.initializers.RandomNormal(mean, models.WEIGHTS_STDDEV, seed=int(rng.integers(2**31)))

    def weights():
        return {"padding": "same", "kernel_initializer": normal()}

    *hidden, size = (small * 2**n for n in range(factor.bit_length()))
    stack = [keras.layers.Input((small, small, channels + 1), name="observed")]
    for n, at in enumerate(hidden):
        name, width = f"up_{at}" if n else "read", filters * 2 ** (len(hidden) - 1 - n)
        if n == 0:
            stack.append(layers.FastConv2D(width, 4, use_bias=False, **weights(), name=name))
        else:
            stack.append(layers.FastConv2DTranspose(width, 4, 2, use_bias=False, **weights(), name=name))
        stack += [models.batch_norm(f"{name}_norm", normal), keras.layers.ReLU(name=f"{name}_relu")]
    stack.append(layers.FastConv2DTranspose(channels, 4, 2, **weights(), name=f"up_{size}"))
    return keras.Sequential([*stack, keras.layers.Activation("tanh", name="image")], name="generator")


def restorer(generator, reduce, weight: float, filters: int, seed: int) -> Restorer:
    """Builds the model of one weight, which goes on from the generator that is given."""
    copy = keras.models.clone_model(generator)
    copy.set_weights(generator.get_weights())
    image_size, _, channels = generator.output_shape[1:]
    discriminator = models.build_discriminator(image_size, channels, filters=filters, seed=seed)
    gan = Restorer(copy, discriminator, reduce, weight, seed=seed)
    gan.compile(keras.optimizers.Adam(1e-3, beta_1=0.5), keras.optimizers.Adam(1e-3, beta_1=0.5))
    return gan


def train(run: tuple[str, str, int, tuple, int]) -> list[tuple]:
    """Restores for (task, method, seed, weights, steps): by the generator, or else by all other ways."""
    task, way, seed, weights, steps = run
    source, factor, _, (g_filters, d_filters), _ = TASKS[task]
    reduce, extractor = reducer(factor), extractors.load(source)
    images, test = (np.float32(data.load_bundled(split, source)[0]) / 127.5 - 1 for split in ("train", "test"))
    order = np.random.default_rng(0).permutation(len(test))
    real = test[order[:COUNT]]
    others = extractor((test[order[COUNT:]] if source == "fashion" else images)[:OTHERS]).features
    seen, small = np.asarray(reduce(real)), np.asarray(reduce(images))
    rows = []

    def add(method, restored, spread=0.0):
        restored = np.asarray(restored, np.float64)
        projected = restored + repeat(seen - np.asarray(reduce(restored.astype(np.float32))), factor)
        for number, pictures in enumerate((restored, projected)):
            values, without = score(pictures, real, others, extractor, reduce, seen)
            rows.append((task, method, number, seed, *written((*values, spread)), " ".join(written(without))))

    if way == "search":
        prior = models.load_generator(data.assets_folder() / "weights" / f"{source}_generator.keras")
        asked = {"restarts": 2, "steps": steps, "prior": 0.01, "seed": seed}
        add("search", latent.search(prior, reduce, seen, **asked).images[:, 0])
        add("random", np.float32(next(scores.draw(prior, COUNT, seed=seed))) / 127.5 - 1)
        return rows
    add("nearest", repeat(seen, factor))
    add("bicubic", bicubic(seen, factor))
    add("gaussian", gaussian(small, images, seen))

    size, channels = images.shape[1], images.shape[3]
    generator = build_restorer(size // factor, channels, factor, g_filters, seed)
    generator.compile(keras.optimizers.Adam(2e-3), "mse")
    first = restorer(generator, reduce, 0.0, d_filters, seed)  # for what it gives to its generator

    def pair(step, real_images):  # of no step that follows
        return first.generator_inputs(real_images, 2**30 + step), real_images

    stream = data.make_stream(np.uint8(np.rint((images + 1) * 127.5)), batch_size=BATCH, seed=seed)
    generator.fit(stream.enumerate().map(pair), steps_per_epoch=steps, shuffle=False, verbose=0)
    for weight in weights:
        gan = restorer(generator, reduce, weight, d_filters, seed)
        gan.fit(stream, steps_per_epoch=steps, verbose=0)
        drawn = np.stack([gan.restore(seen, step) for step in range(4)])
        add(f"weight {weight:g}", drawn[0], drawn.std(axis=0, ddof=1).mean())
    return rows


def order(row):
    methods = ("nearest", "bicubic", "gaussian", "search", "random", *(f"weight {w:g}" for w in TASKS[row[0]][2]))
    return [*TASKS].index(row[0]), int(row[3]), methods.index(row[1]), row[2]


RUNS = [(task, "weight 0", seed, options[2]) for task, options in TASKS.items() for seed in SEEDS]
RUNS += [("7 to 28", "search", seed, ()) for seed in SEEDS]
LENGTHS = {f"{task} weight 0": options[-1] for task, options in TASKS.items()} | {"7 to 28 search": 200}
KEY = ("task", "method", "seed")
TABLE = tables.Table("super_resolution", HEAD, KEY, ("projected",), RUNS, train, LENGTHS, jobs=2, order=order)


if __name__ == "__main__":
    TABLE.main()
