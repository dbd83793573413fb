"""What helps `laptop64`, the preset for pictures in colour, in five minutes: a slower D, groups, shifts, R1, width.

    python benchmarks/colour.py [--arms laptop64 ...] [--seeds 10 ...] [--epochs 204] [--jobs 2] [--csv FILE]

Each run trains 204 epochs of the bundled emoji, about 12,000 steps: five minutes on both of two cores. The arms are the
preset and changes of it, see ARMS. Those that have no row were tried with seed 0 alone, in a file of their own, and
chose the one that has: its seeds chose nothing. Runs that are in the file already, as long, are not done again. Twelve
minutes of a core a run.

Columns: arm, seed; epoch, at each sixth of 204; seconds of one core in training steps alone, first step left out; kid,
precision and recall of 1,911 images of the averaged generator against the 318 test pictures, with the extractor
`emoji`; d_real and d_fake, means of that epoch.
"""

import stability
import tables

GROUPS = {"clusters": 20, "d_learning_rate": 1e-3}
ARMS: dict[str, dict] = {
    "laptop64": {},
    "slow D": {"d_learning_rate": 1e-3},
    "clusters": GROUPS,
    "clusters, equal rates": {"clusters": 20},
    "clusters, shifts": {**GROUPS, "augment": "translation"},
    "shifts": {"d_learning_rate": 1e-3, "augment": "translation"},
    "clusters, R1": {**GROUPS, "r1_gamma": 1.0},
    "clusters, shifts, wide": {**GROUPS, "augment": "translation", "g_filters": 24},
}
SHOWN = ("laptop64", "clusters, shifts")
SEEDS = range(10, 15)  # none that chose a setting
MARK = 34  # epochs, 2,006 steps
HEAD = ("arm", "seed", "epoch", "seconds", "kid", "precision", "recall", "d_real", "d_fake")


def train(run: tuple[str, int, int]) -> list[tuple]:
    """Trains once, for (arm, seed, epochs). Returns the rows of the table."""
    import dcgan_keras  # noqa: F401  (first: it keeps TensorFlow's start-up lines away)
    import numpy as np
    from dcgan_keras import data, presets, training
    from dcgan_keras.evaluation import extractors, metrics, scores

    arm, seed, epochs = run
    settings = presets.get("laptop64", **ARMS[arm])
    images, extractor = data.load_bundled("train", "emoji")[0], extractors.load("emoji")
    real = extractor(data.load_bundled("test", "emoji")[0]).features
    told, shares = None, ()
    if settings.clusters:
        told = data.cluster(images, settings.clusters, seed)
        shares = np.bincount(told, minlength=settings.clusters).tolist()
    gan = training.build(settings, seed, shares=shares)
    stream = iter(data.make_stream(images, told, batch_size=settings.batch_size, seed=seed))
    rows = []
    for epoch, seconds, logs in stability.epochs_of(gan, stream, len(images) // settings.batch_size, epochs):
        if epoch % MARK == 0:
            fake = extractor(scores.draw(gan.ema_generator, len(images), seed + 100), len(images)).features
            kid = metrics.kid(real, fake, subset_size=len(real), seed=0).mean
            found = metrics.precision_recall(real, fake, k=3)
            scored = (f"{kid:.4f}", f"{found.precision:.3f}", f"{found.recall:.3f}")
            rows.append((arm, seed, epoch, f"{seconds:.1f}", *scored, f"{logs['d_real']:.3f}", f"{logs['d_fake']:.3f}"))
            print(*rows[-1], flush=True)
    return rows


RUNS = [(arm, seed) for arm in ARMS for seed in SEEDS]
TABLE = tables.Table("colour", HEAD, ("arm", "seed"), ("epoch",), RUNS, train, steps=204, unit="epochs", jobs=2)


if __name__ == "__main__":
    TABLE.main()
