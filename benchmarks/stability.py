"""Whether the `laptop` preset falls apart: fresh seeds to the end of the budget, beside what it is compared with.

    python benchmarks/stability.py --blind
    python benchmarks/stability.py [--arms laptop ...] [--seeds 10 ...] [--epochs 60] [--jobs 2] [--csv FILE]

Each run trains 60 epochs of the bundled clothes. The arms: `plain28` and `laptop`, the presets; `clusters`, `laptop`
told 50 groups of alike pictures; `labels`, told the ten classes; `batch 64`, batches of half the size, and so twice as
many steps. Runs that are in the file already, as long, are not done again. Two and a half minutes of a core a run. Each
leaves sixty of its pictures in `build/stability`; `--blind` puts those of `plain28`, `laptop` and `clusters` there on
sheets without a name, A.png and so on, in an order that `sheets.csv` tells, for whoever counts the torn garments.

Columns: arm, seed; epoch, at each quarter; seconds of one core in training steps alone, first step left out; fid, kid,
precision and recall of 5,000 images of the averaged generator against the 5,000 test images, with the extractor
`fashion`; d_real and d_fake, means of that epoch.
"""

import random
import shutil
import sys
import time

import tables

ARMS: dict[str, dict] = {  # changes to `laptop`, or another preset
    "plain28": {"name": "plain28"},
    "laptop": {},
    "clusters": {"clusters": 50},
    "labels": {},
    "batch 64": {"batch_size": 64},
}
SEEDS = range(10, 20)  # none that chose a setting
BUILD = tables.FOLDER.parents[1] / "build" / "stability"
HEAD = ("arm", "seed", "epoch", "seconds", "fid", "kid", "precision", "recall", "d_real", "d_fake")


def grouped(images, settings, seed: int):
    """Finds the groups of images that networks are told, and their sizes. Of none: None, and nothing."""
    import numpy as np
    from dcgan_keras import data

    if not settings.clusters:
        return None, ()
    told = data.cluster(images, settings.clusters, seed)
    return told, np.bincount(told, minlength=settings.clusters).tolist()


def epochs_of(gan, stream, steps: int, epochs: int):
    """Trains a compiled model. Yields each epoch's number, the seconds of the processor up to its end, and its logs.

    Seconds are those of the steps alone, the first one left out.
    """
    gan.make_train_function()  # the one that `fit` calls
    seconds, first, logs = 0.0, True, {}
    for epoch in range(1, epochs + 1):
        gan.reset_metrics()
        for _ in range(steps):
            start = time.process_time()
            logs = gan.train_function(stream)
            seconds += (time.process_time() - start) * (not first)
            first = False
        yield epoch, seconds, {name: float(value) for name, value in logs.items()}


def quarters(gan, settings, told, epochs: int, seed: int):
    """Trains a compiled model on the bundled clothes. Yields what rows say of each quarter of the preset's epochs.

    That is the epoch, and all that follows it in HEAD.
    """
    from dcgan_keras import data
    from dcgan_keras.evaluation import extractors, metrics, scores

    images, extractor = data.load_bundled("train")[0], extractors.load("fashion")
    real = extractor(data.load_bundled("test")[0]).features
    stream = iter(data.make_stream(images, told, batch_size=settings.batch_size, seed=seed))
    for epoch, seconds, logs in epochs_of(gan, stream, len(images) // settings.batch_size, epochs):
        if epoch % (settings.epochs // 4) == 0:
            fake = extractor(scores.draw(gan.ema_generator, len(real), seed + 100), len(real)).features
            fid = metrics.frechet_distance(metrics.moments(real), metrics.moments(fake))
            kid = metrics.kid(real, fake, subset_size=1_000, seed=0).mean
            found = metrics.precision_recall(real, fake, k=3)
            scored = (f"{fid:.3f}", f"{kid:.4f}", f"{found.precision:.3f}", f"{found.recall:.3f}")
            yield epoch, f"{seconds:.1f}", *scored, f"{logs['d_real']:.3f}", f"{logs['d_fake']:.3f}"


def train(run: tuple[str, int, int]) -> list[tuple]:
    """Trains once, for (arm, seed, epochs). Returns the rows of the table."""
    import dcgan_keras  # noqa: F401  (first: it keeps TensorFlow's start-up lines away)
    from dcgan_keras import data, plots, presets, training
    from dcgan_keras.evaluation import scores

    arm, seed, epochs = run
    settings = presets.get(**{"name": "laptop", **ARMS[arm]})
    images, labels = data.load_bundled("train")
    (told, shares), classes = grouped(images, settings, seed), 0
    if arm == "labels":
        told, classes = labels, len(data.CLASS_NAMES)
    gan = training.build(settings, seed, classes=classes, shares=shares)
    rows = [(arm, seed, *row) for row in quarters(gan, settings, told, epochs, seed)]
    if not classes:
        drawn = next(scores.draw(gan.ema_generator, 60))
        plots.save_grid(BUILD / f"{arm}, seed {seed}.png", drawn, columns=10, scale=2)
    return rows


def hide_names(arms=("plain28", "laptop", "clusters"), seed: int = 0) -> None:
    """Copies the sheets of arms to files that do not say which arm or seed they are of."""
    sheets = [path for path in sorted(BUILD.glob("*, seed *.png")) if path.name.partition(",")[0] in arms]
    random.Random(seed).shuffle(sheets)
    names = [f"{chr(ord('A') + place)}.png" for place in range(len(sheets))]
    for name, sheet in zip(names, sheets):
        shutil.copy(sheet, BUILD / name)
    told = "\n".join(f"{name},{sheet.stem}" for name, sheet in zip(names, sheets))
    (BUILD / "sheets.csv").write_text(f"sheet,run\n{told}\n", encoding="utf-8")


RUNS = [(arm, seed) for arm in ARMS for seed in SEEDS]
TABLE = tables.Table("stability", HEAD, ("arm", "seed"), ("epoch",), RUNS, train, steps=60, unit="epochs", jobs=2)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--blind"]:
        hide_names()
    else:
        TABLE.main()
