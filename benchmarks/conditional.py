"""Networks that are told classes beside those that are not: the table that notebook 16 reads.

    python benchmarks/conditional.py [--arms none ...] [--seeds 0 1 2] [--steps 4000] [--jobs 2] [--csv FILE]

Each run is the `plain28` preset on the bundled clothes, three seeds. The arms: `none`, told nothing; `projection`, the
module's networks, whose discriminator has a vector for each class (arXiv 1802.05637); `maps`, the same generator with a
discriminator that is given the label as ten more channels of the image, each all 0 or all 1 (arXiv 1411.1784, whose
networks are dense, joins image and label in a hidden layer instead); `laptop`, `projection` with that preset.
Runs that are in the file already, as long, are not done again. Ten minutes on two cores.

Columns: arm, seed, step; seconds of one core in training steps alone, first step left out; fid and kid of 5,000 images
of the averaged generator, as many of each class, against the 5,000 test images, with the extractor `fashion`; accuracy,
the share of images in which its classifier sees the class that was asked for, and the same class by class.
"""

import time

import tables

ARMS = ("none", "projection", "maps", "laptop")
SEEDS = (0, 1, 2)
EVERY = 1_000  # steps between two rows
CLASSES = 10
HEAD = ("arm", "seed", "step", "seconds", "fid", "kid", "accuracy", *(f"class_{number}" for number in range(CLASSES)))


def with_maps(filters: int, kernel_size: int, seed: int):
    """Builds a discriminator like the module's that is given the label as channels of the image."""
    import keras
    from dcgan_keras import models

    image, label = keras.layers.Input((28, 28, 1), name="image"), keras.layers.Input((CLASSES,), name="label")
    maps = keras.layers.UpSampling2D(28)(keras.layers.Reshape((1, 1, CLASSES))(label))
    logits = keras.layers.Concatenate()([image, maps])
    for layer in models.build_discriminator(28, filters=filters, kernel_size=kernel_size, seed=seed).layers:
        logits = type(layer).from_config(layer.get_config())(logits)  # built anew, for eleven channels
    return keras.Model([image, label], logits, name="discriminator")


def train(run: tuple[str, int, int]) -> list[tuple]:
    """Trains once, for (arm, seed, steps). Returns the rows of the table."""
    import dcgan_keras  # noqa: F401  (first: it keeps TensorFlow's start-up lines away)
    import keras
    import numpy as np
    from dcgan_keras import data, models, presets, training
    from dcgan_keras.evaluation import extractors, metrics, scores
    from dcgan_keras.gan import DCGAN

    arm, seed, steps = run
    settings = presets.get("laptop" if arm == "laptop" else "plain28")
    gan = training.build(settings, seed, classes=0 if arm == "none" else CLASSES)
    if arm == "maps":
        discriminator = with_maps(settings.d_filters, settings.kernel_size, seed)
        gan = DCGAN(gan.generator, discriminator, ema_decay=settings.ema_decay, seed=seed)
        rates = (settings.g_learning_rate, settings.d_learning_rate)
        gan.compile(*(keras.optimizers.Adam(rate, beta_1=settings.beta_1) for rate in rates))
    images, labels = data.load_bundled("train")
    told = labels if models.classes(gan.generator) else None
    extractor = extractors.load("fashion")
    real = extractor(data.load_bundled("test")[0]).features
    asked = np.arange(len(real)) % CLASSES
    stream = iter(data.make_stream(images, told, batch_size=settings.batch_size, seed=seed))
    gan.make_train_function()  # the one that `fit` calls
    rows, seconds = [], 0.0
    for step in range(1, steps + 1):
        start = time.process_time()
        gan.train_function(stream)
        seconds += (time.process_time() - start) * (step > 1)
        if step % EVERY == 0:
            fake = extractor(scores.draw(gan.ema_generator, len(real)), len(real))
            fid = metrics.frechet_distance(metrics.moments(real), metrics.moments(fake.features))
            kid = metrics.kid(real, fake.features, subset_size=1_000, seed=0).mean
            right = fake.probabilities.argmax(axis=1) == asked
            shares = [right.mean(), *(right[asked == number].mean() for number in range(CLASSES))]
            shares = ["" if told is None else f"{share:.4f}" for share in shares]
            rows.append((arm, seed, step, f"{seconds:.1f}", f"{fid:.3f}", f"{kid:.4f}", *shares))
    return rows


RUNS = [(arm, seed) for seed in SEEDS for arm in ARMS]
TABLE = tables.Table("conditional", HEAD, ("arm", "seed"), ("step",), RUNS, train, steps=4_000, jobs=2)


if __name__ == "__main__":
    TABLE.main()
