"""Few pictures, with and without augmentation: the table that notebook 13 reads.

    python benchmarks/few_pictures.py [--arms "100 translation" ...] [--seeds 0 ...] [--steps 4000] [--csv FILE]

Each run is the `laptop64` preset on so many of the bundled emoji, chosen with its seed, for an equal number of steps.
The arms are the values of `--augment`: none; translation; color,translation,cutout (arXiv 2006.10738). Three seeds. An
hour on two cores. Runs that are in the file already, as long, are not done again.

Columns: count of pictures trained on, augment, seed; step; kid of 1,911 images of the averaged generator against the
318 test pictures, with the extractor `emoji`; training and held_out, the discriminator's mean logits of at most 500
pictures that it is trained on and of the test pictures; d_real and d_fake, means over the steps since the last row.
"""

import tables

COUNTS = (100, 500, 1_911)
ARMS = ("", "translation", "color,translation,cutout")
SEEDS = (0, 1, 2)
EVERY = 1_000  # steps between two rows
HEAD = ("count", "augment", "seed", "step", "kid", "training", "held_out", "d_real", "d_fake")


def train(run: tuple[int, str, int, int]) -> list[tuple]:
    """Trains once, for (count, augment, seed, steps). Returns the rows of the table."""
    import dcgan_keras  # noqa: F401  (first: it keeps TensorFlow's start-up lines away)
    import numpy as np
    from dcgan_keras import data, presets, training
    from dcgan_keras.evaluation import extractors, metrics, scores
    from dcgan_keras.training import callbacks

    count, augment, seed, steps = run
    images, test = (data.load_bundled(split, "emoji")[0] for split in ("train", "test"))
    images = images[np.sort(np.random.default_rng(seed).permutation(len(images))[:count])]
    settings = presets.get("laptop64", augment=augment)
    extractor = extractors.load("emoji")
    real = extractor(test).features
    gan = training.build(settings, seed)
    gap = callbacks.LogitGap("", images, test)
    gap.set_model(gan)
    stream = iter(data.make_stream(images, batch_size=settings.batch_size, seed=seed))
    gan.make_train_function()  # the one that `fit` calls
    rows = []
    for step in range(1, steps + 1):
        logs = gan.train_function(stream)
        if step % EVERY == 0:
            fake = extractor(scores.draw(gan.ema_generator, 1_911), 1_911).features
            kid = metrics.kid(real, fake, subset_size=len(real), seed=0).mean
            values = (kid, *gap.mean_logits(), float(logs["d_real"]), float(logs["d_fake"]))
            rows.append((count, augment, seed, step, *(f"{value:.4f}" for value in values)))
            gan.reset_metrics()
    return rows


RUNS = [(count, augment, seed) for seed in SEEDS for count in COUNTS for augment in ARMS]
TABLE = tables.Table("few_pictures", HEAD, ("count", "augment", "seed"), ("step",), RUNS, train, steps=4_000, jobs=2)


if __name__ == "__main__":
    TABLE.main()
