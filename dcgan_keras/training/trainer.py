"""A run trained, resumed and finished: where all rooms come together."""

import contextlib
import math
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from dcgan_keras import data, files, models, plots, presets
from dcgan_keras.evaluation import extractors, scores
from dcgan_keras.gan import DCGAN
from dcgan_keras.training import callbacks, devices, film, runs

_BEST = "best.keras"  # of a run that scores its generator
_CHOOSING_SEED = 2**31  # of the latent vectors by which the best generator is chosen: no seed that judges it
_SAVED_EACH = 20  # steps at least between two checkpoints: of a folder of 200 pictures an epoch has 6


def build(
    settings: presets.Preset, seed: int = 0, precision: str = "float32", classes: int = 0, shares: Sequence[float] = ()
) -> DCGAN:
    """Builds and compiles the model of a run, with new weights. Under a strategy: in its `scope()`.

    Args:
        settings: the hyperparameters. ValueError if one does not fit.
        seed: of initial weights and latent vectors.
        precision: what layers compute in, a name in `devices.PRECISIONS`.
        classes: how many kinds of images the networks are told, 0 for none.
        shares: how often to draw each of `settings.clusters`. All alike unless given: weights that are loaded know.
    """
    if settings.clusters and classes:
        raise ValueError("Networks are told classes or clusters, not both: leave out --clusters, or --conditional.")
    if settings.clusters == 1:
        raise ValueError("clusters must be 0 for none, or 2 or more, got 1.")
    size: dict = {"image_size": settings.image_size, "channels": settings.channels}
    rest: dict = {"kernel_size": settings.kernel_size, "seed": seed}
    kinds: dict = {"classes": classes, "clusters": shares or [1] * settings.clusters}
    step: dict = {"loss": settings.loss, "ema_decay": settings.ema_decay, "r1_gamma": settings.r1_gamma}
    with devices.precision(precision):
        generator = models.build_generator(
            **size, filters=settings.g_filters, latent_dim=settings.latent_dim, **kinds, **rest
        )
        discriminator = models.build_discriminator(
            **size, filters=settings.d_filters, pack=settings.pack, normalization=settings.normalization,
            hidden=settings.d_hidden, classes=classes or settings.clusters, **rest,
        )  # fmt: skip
        gan = DCGAN(generator, discriminator, **step, augment=settings.augment, seed=seed)
    gan.compile(
        g_optimizer=keras.optimizers.Adam(settings.g_learning_rate, beta_1=settings.beta_1),
        d_optimizer=keras.optimizers.Adam(settings.d_learning_rate, beta_1=settings.beta_1),
    )
    return gan


def train(
    run: runs.Run, images: np.ndarray | data.Labelled | None = None, *,
    strategy: tf.distribute.Strategy | None = None, verbose: int = 1,
) -> DCGAN:  # fmt: skip
    """Trains a run to its end, from its newest checkpoint where there is one, and writes all its files.

    Args:
        run: from `runs.create`, `runs.open_run`, `starting.begin` or `starting.resume`.
        images: uint8 of shape (count, height, width, channels). With what they show, for a run with `class_names`. None
            loads them from the run's source.
        strategy: from `devices.make_strategy`. Several hosts share the run folder, whose files the first one writes.
        verbose: 1 shows a bar, or without a terminal a line an epoch; 0 nothing.

    Raises FloatingPointError if a loss stops being finite, FileExistsError if another process trains in the folder,
    ValueError if the images or a hyperparameter do not fit, or no checkpoint can be read.
    """
    settings, strategy = run.settings, strategy or tf.distribute.get_strategy()
    chief = devices.is_chief(strategy)
    images = runs.load(run) if images is None else data.labelled(images)
    digest = runs.digest(run, images)
    with runs.claimed(run) if chief else contextlib.nullcontext():
        if chief:
            files.remove_unfinished(run.folder)
            run = runs.change(run, images_sha256=digest)
        images = runs.told(run, images, keep=chief)
        training, held_out = runs.hold_out(run, images)
        shares: Sequence[float] = ()
        if settings.clusters and training.labels is not None:
            shares = np.bincount(training.labels, minlength=settings.clusters).tolist()
        with strategy.scope():
            gan = build(settings, run.seed, run.precision, len(run.class_names), shares)
        done = load_newest_checkpoint(run, gan)
        shown = 0 if training.labels is None else zlib.crc32(training.labels.tobytes())
        said = zlib.crc32(f"{settings} {run.seed} {run.precision}".encode())
        agreed = {"epochs done": done, "images": int(digest[:12], 16), "what images show": shown, "settings": said}
        devices.check_agreement(strategy, agreed)
        steps = len(training) // settings.batch_size
        order = {"batch_size": settings.batch_size, "seed": run.seed, "first_epoch": done}
        stream = data.make_stream(training.images, training.labels, **order)
        epochs = {"initial_epoch": done, "epochs": settings.epochs, "steps_per_epoch": steps}
        watch = _run_callbacks(run, gan, steps, training, held_out) if chief else []
        watch += [callbacks.Progress()] * (chief and verbose)
        if done < settings.epochs:
            with devices.explaining_lost_hosts(strategy):
                batches = devices.distribute(stream, strategy, settings.batch_size)
                gan.fit(batches, **epochs, callbacks=watch, verbose=0)
        if chief:
            _finish(run, gan)
    return gan


def _run_callbacks(
    run: runs.Run, gan: DCGAN, steps_per_epoch: int, training: data.Labelled, held_out: data.Labelled
) -> list[keras.callbacks.Callback]:
    """Lists the callbacks that fill a run folder while `fit` runs."""
    every = math.ceil(_SAVED_EACH / steps_per_epoch)
    watch = [
        callbacks.StopIfNotFinite(run.checkpoints),
        film.Film(run.snapshots, film.steps(run.settings.epochs * steps_per_epoch, run.settings.frames)),
        callbacks.HistoryFile(run.history, every),
        callbacks.SamplePicture(run.folder / "samples.png", *film.grid(gan.generator), every),
    ]
    if run.score_every:
        scorer = scores.kid_scorer(extractors.load(run.scored_with), held_out, seed=_CHOOSING_SEED)
        watch.append(callbacks.KeepBest(run.folder, scorer, run.score_every))
    if len(held_out) >= run.settings.pack:
        watch.append(callbacks.LogitGap(run.logit_gap, training, held_out, run.score_every or every))
    # The checkpoint comes last: it says that all others have done their part of an epoch.
    return [*watch, callbacks.Checkpoint(run.checkpoints, every)]


def load_newest_checkpoint(run: runs.Run, gan: DCGAN) -> int:
    """Loads the newest checkpoint of a run that can be read, and says so if that is not the newest one.

    Returns the epochs done, 0 if there is no checkpoint. Raises ValueError if there are some and none can be read.
    """
    problems = []
    for path in reversed(callbacks.checkpoints(run.checkpoints)):
        try:
            done = callbacks.load_checkpoint(gan, path)
        except ValueError as error:
            problems.append(str(error))
            continue
        for problem in problems:
            warnings.warn(f"{problem} Going on from {path} instead.", stacklevel=2)
        return done
    if problems:
        raise ValueError(" ".join(problems))
    return 0


def _finish(run: runs.Run, gan: DCGAN) -> None:
    """Writes what a run folder holds at the end: the networks, the samples, the dashboard and the film."""
    models.save(gan.ema_generator, run.folder / "generator.keras")
    models.save(gan.discriminator, run.folder / "discriminator.keras")
    vectors, columns = film.grid(gan.generator)
    plots.save_grid(run.folder / "samples.png", gan(vectors), columns=columns)
    history = callbacks.read_history(run.history)
    if history["epoch"]:
        gap = callbacks.read_rows(run.logit_gap, *callbacks.GAP)
        plots.save_history(run.folder / "losses.png", history, gap, loss=run.settings.loss)
    make_film(run)


def make_film(run: runs.Run, path: str | Path | None = None, **options) -> Path:
    """Makes the film of a run, finished or not, from its snapshots, and returns the path of the file.

    A film that had to leave something out for its size says so in a warning.

    Args:
        path: the file to write, `.gif`, `.webp` or `.mp4`. None takes `training.gif` in the run folder.
        **options: as in `film.make`: rows, columns, scale, seconds, seed, max_bytes.
    """
    path = files.at_home(path) if path else run.folder / "training.gif"
    generator = build(run.settings, classes=len(run.class_names)).ema_generator
    left_out = film.make(run.snapshots, generator, path, **options)
    if left_out:
        warnings.warn(f"{path}: {left_out}.", stacklevel=2)
    return path


def generators(run: runs.Run) -> dict[str, keras.Model]:
    """Loads the averaged generators of a run by what to call them: the newest, and the best where one was kept.

    Of a run that was stopped before its end, the newest is that of its last checkpoint. Raises FileNotFoundError if it
    has neither a generator nor a checkpoint, ValueError if a file cannot be read.
    """
    saved, checkpoints = run.folder / "generator.keras", callbacks.checkpoints(run.checkpoints)
    stopped = checkpoints and callbacks.epoch_of(checkpoints[-1]) < run.settings.epochs
    if not checkpoints and not saved.is_file():
        raise FileNotFoundError(f"{run.folder} has no generator and no checkpoint: train it first.")
    # A generator that is older than the last checkpoint is of a shorter training: a kill came before it was replaced.
    old = checkpoints and saved.is_file() and saved.stat().st_mtime < checkpoints[-1].stat().st_mtime
    if stopped or old or not saved.is_file():
        gan = build(run.settings, run.seed, run.precision, len(run.class_names))
        found = {f"after {load_newest_checkpoint(run, gan)} epochs": gan.ema_generator}
    else:
        found = {saved.name: models.load_generator(saved)}
    best = run.folder / _BEST
    return found | ({best.name: models.load_generator(best)} if best.is_file() else {})


def newest_generator(path: str | Path) -> keras.Model:
    """Loads the generator of a run folder, of one that holds only a generator, or in a file. Raises: `generators`."""
    path = Path(path)
    if path.is_dir() and ((path / "config.json").is_file() or not (path / "generator.keras").is_file()):
        return next(iter(generators(runs.open_run(path)).values()))
    return models.load_generator(path / "generator.keras" if path.is_dir() else path)


def evaluate(
    run: runs.Run, extractor: str | None = None, *, count: int = 10_000, seed: int = 0
) -> list[list[scores.Score]]:
    """Scores the generators of a run, then real training images in their place, and writes the run's `scores.json`.

    Images are compared with those that `runs.real_images` chooses: test images where the source has some. Where it has
    none, the best generator was chosen by its score on the very images that it is now compared with, and says so.

    Args:
        extractor: `fashion`, `emoji` or `inception`. None takes one of the first two, by the size of the images.
        count: how many images to compare, at most.
        seed: of latent vectors, of the choice of real images and of KID's subsets.

    Raises ConnectionError if something cannot be downloaded, FileNotFoundError if the run has no generator yet,
    ValueError if there are too few images, or they do not fit the extractor.
    """
    found = generators(run)
    network = extractors.load(extractor or run.scored_with)
    training, reference, name = runs.real_images(run, seed)
    judge = scores.Judge(network, reference, training, reference_name=name, count=count, seed=seed)
    if name.endswith(runs.HELD_OUT_NAME) and _BEST in found:
        found[f"{_BEST}, chosen on these images"] = found.pop(_BEST)
    with files.atomic(run.folder / "scores.json") as unfinished:  # one that cannot be is found now
        drawn = {name: scores.draw(each, judge.count, seed, judge.labels) for name, each in found.items()}
        columns = [*(judge.scores(images, name) for name, images in drawn.items()), judge.floor()]
        scores.write(unfinished, columns)
    return columns
