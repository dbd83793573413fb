"""From few pixels to many, by eight ways: the table that notebook 15 reads.

    python benchmarks/super_resolution.py [--jobs 2] [--csv FILE]

Tasks: `7 to 28` are garments in grey, from 7x7 means over pixels to the 28x28 they came from; `16 to 64` are emoji in
colour. Each is restored for 256 test pictures, by

    nearest, bicubic   each pixel repeated; cubic splines, as scikit-image does it
    gaussian           the mean of all pictures that look like the one seen, as if pictures were normal: a matrix
    search             the committed generator's picture whose means are nearest (`latent.search`; `7 to 28` alone)
    random             that generator's pictures of random latent vectors, whatever was seen
    weight W           `gan.Restorer` with so much adversarial loss: steps of squared error alone, and from there, for
                       each weight, as many steps of both. Weight 0 is the regressor

and each again with what is wrong in its means added to its pixels (`projected` 1). Three seeds. Ten minutes on two
cores. Tasks and seeds that are in the file already are not done again.

Columns: task, method, projected, seed; psnr in dB, ssim, each with its standard error over the pictures; kid of the
restorations against other pictures, by the bundled extractor: garments of the test set that are not restored, the emoji
of the training set; with its standard error (each restoration left out in turn); wrong, the root of the mean squared
error of the means (pixels in [-1, 1]); spread, the mean deviation of a pixel over four drawings of the noise, 0 for
ways without noise.
"""

import itertools
from pathlib import Path

import resumable
from inpainting import kid

TASKS = {  # for each: the pictures, the factor, the adversarial weights, filters of both networks and steps
    "7 to 28": ("fashion", 4, (0.0, 0.001, 0.01, 0.1), (32, 16), 600),
    "16 to 64": ("emoji", 4, (0.0, 0.01), (16, 16), 200),
}
SEEDS = (0, 1, 2)
COUNT = 256  # test pictures
OTHERS = 2_000  # pictures that the restorations are compared with, at most
BATCH = 64
TABLE = Path(__file__).parents[1] / "assets" / "tables" / "super_resolution.csv"
HEAD = ("task", "method", "projected", "seed")
HEAD += ("psnr", "psnr_se", "ssim", "ssim_se", "kid", "kid_se", "wrong", "spread")


def reducer(factor: int):
    """Returns the function from images (n, height, width, channels) to means over factor x factor pixels."""
    import tensorflow as tf

    return lambda images: tf.nn.avg_pool2d(images, factor, factor, "VALID")


def repeat(small, factor: int):
    return small.repeat(factor, axis=1).repeat(factor, axis=2)


def bicubic(small, factor: int):
    from skimage import transform

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
    import numpy as np

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


def score(restored, real, others, extractor, reduce, seen) -> list[float]:
    """Takes all numbers of one row but the spread."""
    import numpy as np
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    wrong = np.sqrt(np.mean((np.asarray(reduce(restored.astype(np.float32))) - seen) ** 2))
    restored = np.clip(restored, -1, 1).astype(np.float32)
    psnr = np.array([peak_signal_noise_ratio(a, b, data_range=2) for a, b in zip(real, restored)])
    window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 2}
    ssim = np.array([structural_similarity(a, b, channel_axis=2, **window) for a, b in zip(real, restored)])
    errors = [values.std(ddof=1) / len(values) ** 0.5 for values in (psnr, ssim)]
    found = kid(others, extractor(restored).features, blocks=len(restored))  # the jackknife leaves out one at a time
    return [psnr.mean(), errors[0], ssim.mean(), errors[1], *found, wrong]


def restorer(generator, reduce, weight: float, filters: int, seed: int):
    """Builds the model of one weight, which goes on from the generator that is given."""
    import keras
    from dcgan_keras import models
    from dcgan_keras.gan import Restorer

    copy = keras.models.clone_model(generator)
    copy.set_weights(generator.get_weights())
    image_size, _, channels = generator.output_shape[1:]
    discriminator = models.build_discriminator(image_size, channels, filters=filters, seed=seed)
    gan = Restorer(copy, discriminator, reduce, adversarial_weight=weight, seed=seed)
    gan.compile(keras.optimizers.Adam(1e-3, beta_1=0.5), keras.optimizers.Adam(1e-3, beta_1=0.5))
    return gan


def train(run: tuple[str, int, int]) -> list[tuple]:
    """Restores by every way, for (task, seed, steps). Returns the rows of the table."""
    import dcgan_keras  # noqa: F401  (first: it keeps TensorFlow's start-up lines away)
    import keras
    import numpy as np
    import tensorflow as tf
    from dcgan_keras import data, extractors, latent, models, scores

    task, seed, steps = run
    source, factor, weights, (g_filters, d_filters), _ = TASKS[task]
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
            values = score(pictures, real, others, extractor, reduce, seen)
            rows.append((task, method, number, seed, *(f"{value:.4f}" for value in (*values, spread))))

    add("nearest", repeat(seen, factor))
    add("bicubic", bicubic(seen, factor))
    add("gaussian", gaussian(small, images, seen))
    if task == "7 to 28":
        prior = models.load_generator(data.assets_folder() / "weights" / "fashion_generator.keras")
        add("search", latent.search(prior, reduce, seen, restarts=2, steps=200, seed=seed).images)
        add("random", np.float32(next(scores.draw(prior, COUNT, seed=seed))) / 127.5 - 1)

    size, channels = images.shape[1], images.shape[3]
    generator = models.build_restorer(
        size, channels, input_size=size // factor, input_channels=channels + 1, filters=g_filters, seed=seed
    )
    generator.compile(keras.optimizers.Adam(2e-3), "mse")
    first = restorer(generator, reduce, 0.0, d_filters, seed)  # for what it gives to its generator

    def pair(real_images):
        return first.generator_inputs(real_images, tf.random.uniform((), maxval=2**30, dtype=tf.int64)), real_images

    stream = data.make_stream(np.uint8(np.rint((images + 1) * 127.5)), batch_size=BATCH, seed=seed)
    generator.fit(stream.map(pair), steps_per_epoch=steps, shuffle=False, verbose=0)
    for weight in weights:
        gan = restorer(generator, reduce, weight, d_filters, seed)
        gan.fit(stream, steps_per_epoch=steps, verbose=0)
        drawn = np.stack([gan.restore(seen, step) for step in range(4)])
        add(f"weight {weight:g}", drawn[0], drawn.std(axis=0, ddof=1).mean())
    return rows


def main() -> None:
    arguments = resumable.parser(__doc__, TABLE, jobs=2).parse_args()
    rows = resumable.read(arguments.csv)
    done = {(row[0], row[3]) for row in rows}
    wanted = [(task, seed) for task, seed in itertools.product(TASKS, SEEDS) if (task, str(seed)) not in done]
    wanted = [(*run, TASKS[run[0]][-1]) for run in wanted]

    def order(row):  # the ways stay as they are
        return list(TASKS).index(row[0]), int(row[3])

    resumable.add(arguments.csv, HEAD, rows, train, wanted, arguments.jobs, order)


if __name__ == "__main__":
    main()
