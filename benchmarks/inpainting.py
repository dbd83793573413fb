"""Holes filled and noise removed, by a generator that never saw either and by what it must beat: notebook 14's table.

    python benchmarks/inpainting.py [--arms "center search" ...] [--seeds 0 1 2] [--jobs 2] [--csv FILE]

256 bundled test pictures of clothes, chosen once, all with the same hole or each with its own noise. The committed
generator was trained on Fashion-MNIST's training images, the other methods on the 10,000 bundled ones. In the colour
task there are 64 test emoji. The seeds 0, 1 and 2 are those of the search's starts and of the regressor's training:
there is one generator, one mask and one noise. What has a dial (ridge, weight, width) is set by PSNR on training
pictures. The search's prior is not set by anything: notebook 14 says what another one does. About twenty minutes of one
core. Runs that are in the file already are not done again: of another generator, take the rows of the
search out first. The run `truth` of a task does all that draws nothing.

Columns: task; method; seed, empty where nothing is drawn; psnr in dB for the range [-1, 1], of the pixels that were
not seen, or of all where there is noise, mean over the pictures; ssim of whole pictures; kid of the restored pictures
against all other test pictures, with the extractor `fashion` (`emoji` in colour), over all pairs instead of subsets;
psnr_se, ssim_se, kid_se, standard errors over the restored pictures, for KID by a jackknife over 16 blocks of them;
seconds of one core for all pictures, training included.

Methods: observed, as it is (a hole is grey); mean, of the training pictures; nearest, the training picture nearest in
what is seen; biharmonic, non-local means, total variation, of scikit-image; gaussian, the conditional mean of a
Gaussian with the training pictures' mean and covariance; regressor, a small convolutional network trained on the task
by the mean squared error of what is not seen; search, of the generator's latent vectors; truth, the pictures
themselves. Seen pixels are pasted back where a hole is filled. Task `everything` shows the whole picture to the search:
what it misses is off the generator's range.
"""

import time

import tables

TASKS = ("center", "half", "random 80%", "noise 0.25", "noise 0.5", "everything", "colour center")
METHODS = ("observed", "mean", "nearest", "biharmonic", "non-local means", "total variation", "gaussian", "regressor")
METHODS += ("search", "truth")
SEEDS = (0, 1, 2)
COUNT, COLOUR_COUNT = 256, 64
HEAD = ("task", "method", "seed", "psnr", "psnr_se", "ssim", "ssim_se", "kid", "kid_se", "seconds")
SEARCH = {"restarts": 4, "steps": 150, "learning_rate": 0.1, "prior": 0.001}
STEPS = 1_000  # of the regressor, 64 pictures each
BLOCKS = 16  # of the jackknife


def load(task: str):
    """Returns training pictures, those to restore, the other test pictures (all [-1, 1]), generator and extractor."""
    import dcgan_keras  # noqa: F401  (first: it keeps TensorFlow's start-up lines away)
    import numpy as np
    from dcgan_keras import data, models
    from dcgan_keras.evaluation import extractors

    name = "emoji" if task.startswith("colour") else "fashion"
    training, test = ((data.load_bundled(split, name)[0] / 127.5 - 1).astype(np.float32) for split in ("train", "test"))
    order = np.random.default_rng(0).permutation(len(test))
    chosen = order[:COUNT]
    if name == "emoji":  # pictures of one thing stay together
        groups = np.array([row["group"] for row in data.emoji_table() if row["split"] == "test"])
        _, places = np.unique(groups, return_inverse=True)
        mixed = np.random.default_rng(0).permutation(places.max() + 1)[places]
        order = np.argsort(mixed, kind="stable")
        chosen = order[: np.flatnonzero(np.diff(mixed[order], prepend=-1)[: COLOUR_COUNT + 1])[-1]]
    generator = models.load_generator(data.assets_folder() / "weights" / f"{name}_generator.keras")
    return training, test[chosen], test[np.setdiff1d(order, chosen)], generator, extractors.load(name)


def seen(task: str, shape):
    """The mask (height, width, 1): 1 where a pixel is seen, 0 in the hole."""
    import numpy as np

    height, width, _ = shape
    mask = np.ones((height, width, 1), np.float32)
    if task.endswith("center"):
        mask[height // 4 : -height // 4, width // 4 : -width // 4] = 0
    elif task == "half":
        mask[:, width // 2 :] = 0
    elif task == "random 80%":
        hidden = np.random.default_rng(0).permutation(height * width)[: round(0.8 * height * width)]
        mask.reshape(-1)[hidden] = 0
    return mask


def gaussian(training, observed, mask, ridge: float):
    """The conditional mean of whole pictures, for white noise of variance `ridge` on what is seen."""
    import numpy as np

    flat, given = training.reshape(len(training), -1).astype(np.float64), np.flatnonzero(mask)
    mean = flat.mean(axis=0)
    flat = (flat - mean) / np.sqrt(len(flat) - 1)
    some, wrong = flat[:, given], observed.reshape(len(observed), -1)[:, given] - mean[given]
    if len(some) > len(given):
        weights = np.linalg.solve(some.T @ some + ridge * np.eye(len(given)), some.T @ flat)
        found = mean + wrong @ weights
    else:  # the same, by a matrix with a row for each picture instead of each pixel
        found = mean + wrong @ some.T @ np.linalg.solve(some @ some.T + ridge * np.eye(len(some)), flat)
    return found.reshape(observed.shape)


def nearest(training, observed, mask):
    """The training picture nearest to each observation, over what is seen."""
    import numpy as np
    from dcgan_keras.evaluation import metrics

    given = np.flatnonzero(np.broadcast_to(mask, observed.shape[1:]))
    rows = [part.reshape(len(part), -1)[:, given] for part in (observed, training)]
    return training[metrics.nearest_neighbours(*rows)[0]]


def build_regressor(shape):
    """A small network from what is seen and the mask to the picture: down twice, dense, up twice, with short cuts."""
    import keras
    from keras import layers

    height, width, channels = shape
    conv = {"strides": 2, "padding": "same", "activation": "relu", "kernel_initializer": "he_normal"}
    inputs = layers.Input((height, width, channels + 1))
    half = layers.Conv2D(16, 4, **conv)(inputs)
    quarter = layers.Conv2D(32, 4, **conv)(half)
    x = layers.Dense(256, activation="relu")(layers.Flatten()(quarter))
    x = layers.Dense(height * width * 2, activation="relu")(x)
    x = layers.Reshape((height // 4, width // 4, 32))(x)
    x = layers.Conv2DTranspose(32, 4, **conv)(layers.Concatenate()([x, quarter]))
    x = layers.Conv2DTranspose(16, 4, **conv)(layers.Concatenate()([x, half]))
    x = layers.Conv2D(channels, 3, padding="same")(layers.Concatenate()([x, inputs]))
    return keras.Model(inputs, x)


def regress(training, observed, mask, noise: float, seed: int, steps: int):
    """Trains a regressor on what the task does to the training pictures, with fresh noise, and applies it."""
    import keras
    import numpy as np
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    network = build_regressor(observed.shape[1:])
    network.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)), "mse")
    counts = unseen(mask)[..., 0].astype(np.float32)

    def batch_of(pictures):
        return tf.concat([pictures * mask, tf.ones_like(pictures[..., :1]) * mask], axis=-1)

    def pair(pictures):
        noisy = pictures + noise * tf.random.normal(tf.shape(pictures))
        return batch_of(noisy), pictures, tf.ones_like(pictures[..., 0]) * counts

    stream = tf.data.Dataset.from_tensor_slices(training).shuffle(len(training), seed=seed).repeat()
    network.fit(stream.batch(64).map(pair).take(steps), shuffle=False, verbose=0)
    return np.concatenate([network(batch_of(part), training=False) for part in np.array_split(observed, 8)])


def tuned(method, dials, pictures, observed):
    """Returns the dial with which a method restores these pictures best."""
    import numpy as np

    return min(dials, key=lambda dial: np.mean((np.clip(method(observed, dial), -1, 1) - pictures) ** 2))


def quick_methods(task: str, training, observed, mask, noise: float):
    """Yields names and restored pictures of all that needs no generator and no training by gradient."""
    import numpy as np
    from skimage import restoration

    rng = np.random.default_rng(1)
    place = rng.permutation(len(training))
    kept, tried = training[place[COUNT:]], training[place[:COUNT]]
    tried_observed = observe(tried, mask, noise, rng)
    colour = None if observed.shape[-1] == 1 else -1

    def one_by_one(method, *arguments, **options):
        squeezed = [(image if colour else image[..., 0]) for image in arguments[0]]
        found = np.stack([method(image, *arguments[1:], **options) for image in squeezed])
        return found.reshape(arguments[0].shape)

    yield "observed", observed
    yield "mean", np.broadcast_to(training.mean(axis=0), observed.shape)
    yield "nearest", nearest(training, observed, mask)
    if noise:
        ridge = noise**2
        methods = {
            "non-local means": lambda noisy, h: one_by_one(
                restoration.denoise_nl_means, noisy, 5, 9, h * noise, fast_mode=False, sigma=noise
            ),
            "total variation": lambda noisy, weight: one_by_one(
                restoration.denoise_tv_chambolle, noisy, weight * noise
            ),
        }
        for name, method in methods.items():
            dial = tuned(method, (0.2, 0.4, 0.6, 0.8, 1.0, 1.3, 1.6, 2.0), tried[:64], tried_observed[:64])
            yield name, method(observed, dial)
    else:
        yield "biharmonic", one_by_one(restoration.inpaint_biharmonic, observed, mask[..., 0] == 0, channel_axis=colour)
        ridge = tuned(
            lambda some, dial: paste(gaussian(kept, some, wide(mask, some), dial), some, mask),
            (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0),
            tried,
            tried_observed,
        )
    yield "gaussian", gaussian(training, observed, wide(mask, observed), ridge)


def paste(restored, truth, mask):
    """Puts what is seen back, where there is a hole."""
    import numpy as np

    return restored if mask.all() else np.where(mask, truth, restored)


def wide(mask, images):
    """The mask of all channels."""
    import numpy as np

    return np.broadcast_to(mask, images.shape[1:])


def observe(images, mask, noise: float, rng):
    """What is seen: the pictures with a grey hole, or with noise."""
    import numpy as np

    return ((images + noise * rng.normal(size=images.shape)) * mask).astype(np.float32)


def unseen(mask):
    """Where the restored pictures count: in the hole, or everywhere if there is none."""
    hole = mask == 0
    return hole if hole.any() else ~hole


def kid(real, restored, blocks: int) -> tuple[float, float, list[float]]:
    """The unbiased KID of all features against all others, its standard error, and the KIDs that give it.

    Those leave out one block of the restored pictures each (a jackknife). `metrics.kid` averages random subsets of both
    sides. With a small set on one side all pairs vary less.
    """
    import numpy as np

    def kernel(a, b):
        return (a.astype(np.float64) @ b.T.astype(np.float64) / a.shape[1] + 1) ** 3

    def mean_of_pairs(products):
        return (products.sum() - np.trace(products)) / (len(products) * (len(products) - 1))

    apart, across, own = mean_of_pairs(kernel(real, real)), kernel(restored, real).mean(axis=1), kernel(*[restored] * 2)

    def value(rows):
        return apart + mean_of_pairs(own[np.ix_(rows, rows)]) - 2 * across[rows].mean()

    rows = np.arange(len(restored))
    without = [value(np.setdiff1d(rows, block)) for block in np.array_split(rows, blocks)]
    return value(rows), np.sqrt((blocks - 1) * np.var(without)), without


def measures(restored, truth, mask, real, extractor) -> list[float]:
    """PSNR, SSIM and KID of restored pictures, each followed by its standard error."""
    import numpy as np
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    counts = np.broadcast_to(unseen(mask), truth.shape[1:])
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": -1}
    psnr, ssim = (
        np.array([function(a, b) for a, b in zip(truth, restored)])
        for function in (
            lambda a, b: peak_signal_noise_ratio(a[counts], b[counts], data_range=2) if (a != b).any() else np.inf,
            lambda a, b: structural_similarity(a, b, data_range=2, **options),
        )
    )
    errors = [
        np.std(values, ddof=1) / np.sqrt(len(values)) if np.isfinite(values).all() else 0 for values in (psnr, ssim)
    ]
    features = extractor(restored).features
    *closeness, _ = kid(real, features, min(BLOCKS, len(features) // 2))
    return [psnr.mean(), errors[0], ssim.mean(), errors[1], *closeness]


def restore(run: tuple) -> list[list[str]]:
    """Does one task for (task, method, seed): by the search, by the regressor, or by all that draws nothing."""
    task, method, seed = run
    training, truth, others, generator, extractor = load(task)  # first: it keeps TensorFlow's start-up lines away
    import numpy as np
    import tensorflow as tf
    from dcgan_keras.applications import latent

    mask, noise = seen(task, truth.shape[1:]), float(task.split()[1]) if task.startswith("noise") else 0.0
    observed = observe(truth, mask, noise, np.random.default_rng(0))
    real = extractor(others).features
    shown = tf.constant(mask)
    rows, before = [], time.process_time()

    def score(method, restored):
        nonlocal before
        seconds = time.process_time() - before
        restored = np.clip(paste(restored, truth, mask), -1, 1).astype(np.float32)
        found = measures(restored, truth, mask, real, extractor)
        rows.append([task, method, str(seed), *(f"{value:.4f}" for value in found), f"{seconds:.1f}"])
        before = time.process_time()

    if method == "search":
        found = latent.search(generator, lambda images: images * shown, observed, **SEARCH, seed=seed)
        score("search", found.images[:, 0])
    elif method == "regressor":
        score("regressor", regress(training, observed, mask, noise, seed, STEPS))
    else:
        score("truth", truth)
        if task != "everything":
            for name, restored in quick_methods(task, training, observed, mask, noise):
                score(name, restored)
    return rows


def order(row):
    return TASKS.index(row[0]), METHODS.index(row[1]), row[2]


RUNS = [(task, "truth", "") for task in TASKS]
RUNS += [(task, "regressor", seed) for seed in SEEDS for task in TASKS if task != "everything"]
RUNS += [(task, "search", seed) for seed in SEEDS for task in TASKS]
TABLE = tables.Table("inpainting", HEAD, ("task", "method", "seed"), (), RUNS, restore, order=order, jobs=2)


if __name__ == "__main__":
    TABLE.main()
