"""What helps `laptop64`, the preset for pictures in colour, in the same minutes: groups, a slower D and shifts.

    python benchmarks/colour.py [--arms laptop64 ...] [--seeds 10 ...] [--epochs N] [--jobs 2] [--csv FILE]
    python benchmarks/colour.py --picture [FILE]
    python benchmarks/colour.py --pilots FILE

The arms: `laptop64`, the preset, 136 epochs of the bundled emoji, 8,024 steps; `groups, shifts`, the same with both
networks told 20 groups of alike pictures, D's rate half of G's, and all that D sees shifted at random, 204 epochs,
12,036 steps: five minutes on two quiet cores. Runs that are in the file already, as long, are not done again. Eight
and thirteen minutes of a core a run. Each leaves sixty of its pictures after 136 epochs in `build/colour/`, `--picture`
puts those of both arms into one. `--pilots` makes a table of what else was tried, all with seed 0, which chose the arm
that is shown.

Columns: arm, seed; epoch, every 34; seconds of one core in training steps alone, first step left out;
kid, precision and recall of 1,911 images of the averaged generator against the 318 test pictures, with the extractor
`emoji`; the distance to the nearest training picture, in features (nearest) and in pixels, over that of test pictures:
of medians, and of 1% quantiles (nearest_low, pixels_low); d_real and d_fake, means of that epoch.
"""

import dataclasses
import sys
from pathlib import Path

import stability
import tables

GROUPS = {"clusters": 20, "d_learning_rate": 1e-3}
SHIFTS = {"augment": "translation"}
ARMS: dict[str, dict] = {"laptop64": {}, "groups, shifts": {**GROUPS, **SHIFTS}}
PILOTS: dict[str, dict] = {
    "slow D": {"d_learning_rate": 1e-3},
    "slow D, shifts": {"d_learning_rate": 1e-3, **SHIFTS},
    "groups": GROUPS,
    "groups, R1": {**GROUPS, "r1_gamma": 1.0},
    "groups, shifts, wide": {**GROUPS, **SHIFTS, "g_filters": 24},
}
SEEDS = range(10, 15)  # none that chose a setting
EPOCHS, MARK = {"laptop64": 136, "groups, shifts": 204}, 34
SHOWN = min(EPOCHS.values())  # the epoch that both arms reach
BUILD = tables.FOLDER.parents[1] / "build" / "colour"
HEAD = (
    "arm", "seed", "epoch", "seconds", "kid", "precision", "recall", "nearest", "nearest_low", "pixels", "pixels_low",
    "d_real", "d_fake",
)  # fmt: skip


def trained(arm: str, seed: int, epochs: int):
    """Trains a run. Yields the model, the epoch, seconds and logs, at each epoch's end."""
    import dcgan_keras  # noqa: F401  (first: it keeps TensorFlow's start-up lines away)
    from dcgan_keras import data, presets, training

    settings = presets.get("laptop64", **(ARMS | PILOTS)[arm])
    images = data.load_bundled("train", "emoji")[0]
    told, shares = stability.grouped(images, settings, seed)
    gan = training.build(settings, seed, shares=shares)
    stream = iter(data.make_stream(images, told, batch_size=settings.batch_size, seed=seed))
    for found in stability.epochs_of(gan, stream, len(images) // settings.batch_size, epochs):
        yield gan, *found


def judge(images, test):
    """Gets ready to score generators that learned from images, against others that they never saw.

    Returns a function of a generator and a seed: kid, precision and recall, and the four distances, as in HEAD.
    """
    import numpy as np
    from dcgan_keras.evaluation import extractors, metrics, scores

    extractor = extractors.load("emoji")

    def spaces(images):
        return extractor(images).features, images.reshape(len(images), -1).astype(np.float32) / 255

    known, others = spaces(images), spaces(test)
    usual = [metrics.nearest_neighbours(*pair)[1] for pair in zip(others, known)]

    def scored(generator, seed: int) -> list[float]:
        drawn = spaces(np.concatenate(list(scores.draw(generator, len(images), seed))))
        kid = metrics.kid(others[0], drawn[0], subset_size=len(test), seed=0).mean
        found = metrics.precision_recall(others[0], drawn[0], k=3)
        far = [metrics.nearest_neighbours(*pair)[1] for pair in zip(drawn, known)]
        near = [
            np.quantile(its, part) / np.quantile(tests, part) for its, tests in zip(far, usual) for part in (0.5, 0.01)
        ]
        return [kid, found.precision, found.recall, *near]

    return scored


def train(run: tuple[str, int, int]) -> list[tuple]:
    """Trains once, for (arm, seed, epochs). Returns the rows of the table."""
    import dcgan_keras  # noqa: F401
    from dcgan_keras import data, plots
    from dcgan_keras.evaluation import scores

    arm, seed, epochs = run
    scored = judge(*(data.load_bundled(split, "emoji")[0] for split in ("train", "test")))
    rows = []
    for gan, epoch, seconds, logs in trained(arm, seed, epochs):
        if epoch % MARK:
            continue
        values = (*scored(gan.ema_generator, seed + 100), logs["d_real"], logs["d_fake"])
        rows.append((arm, seed, epoch, f"{seconds:.1f}", *(f"{value:.4f}" for value in values)))
        print(*rows[-1], flush=True)
        if epoch == min(SHOWN, epochs):
            drawn = next(scores.draw(gan.ema_generator, 60))
            plots.save_grid(BUILD / f"{arm}, seed {seed}.png", drawn, columns=15, scale=1)
    return rows


def draw_picture(path: Path) -> None:
    """Puts the sixty pictures of each arm that runs of the first seed left behind one above the other."""
    import numpy as np
    from dcgan_keras import plots
    from PIL import Image

    sheets = [np.asarray(Image.open(BUILD / f"{arm}, seed {SEEDS[0]}.png")) for arm in ARMS]
    plots.save_image(path, np.concatenate(sheets))


RUNS = [(arm, seed) for arm in ARMS for seed in SEEDS]
TABLE = tables.Table("colour", HEAD, ("arm", "seed"), ("epoch",), RUNS, train, steps=EPOCHS, unit="epochs", jobs=2)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--picture"]:
        draw_picture(Path(sys.argv[2] if len(sys.argv) > 2 else tables.FOLDER / "colour.png"))
    elif sys.argv[1:2] == ["--pilots"]:
        pilots = dataclasses.replace(TABLE, runs=[(arm, 0) for arm in ARMS | PILOTS], steps=SHOWN)
        pilots.make(Path(sys.argv[2]), jobs=TABLE.jobs)
    else:
        TABLE.main()
