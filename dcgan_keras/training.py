"""A run trained, resumed and finished: where all rooms come together. Used by the command line and the notebooks alike.

Not here: the step (`gan`), what happens between epochs (`callbacks`, `film`), and the folder itself (`runs`).
"""

import contextlib
import math
import warnings
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from dcgan_keras import callbacks, data, devices, extractors, files, film, models, plots, presets, runs, scores
from dcgan_keras.gan import DCGAN

SAVED_EACH = 20  # steps at least between two checkpoints: of a folder of 200 pictures an epoch has 6


def build(settings: presets.Preset, seed: int = 0, precision: str = "float32", classes: int = 0) -> DCGAN:
    """Builds and compiles the model of a run, with new weights. Under a strategy: in its `scope()`.

    Args:
        settings: the hyperparameters.
        seed: of initial weights and latent vectors.
        precision: what layers compute in, a name in `devices.PRECISIONS`.
        classes: how many kinds of images the networks are told, 0 for none.

    Raises:
        ValueError: if a hyperparameter is outside its range.
    """
    size = {"image_size": settings.image_size, "channels": settings.channels}
    rest = {"kernel_size": settings.kernel_size, "classes": classes, "seed": seed}
    with devices.precision(precision):
        gan = DCGAN(
            models.build_generator(**size, filters=settings.g_filters, latent_dim=settings.latent_dim, **rest),
            models.build_discriminator(
                **size, filters=settings.d_filters, pack=settings.pack, normalization=settings.normalization, **rest
            ),
            loss=settings.loss,
            ema_decay=settings.ema_decay,
            r1_gamma=settings.r1_gamma,
            augment=settings.augment,
            seed=seed,
        )
    gan.compile(
        g_optimizer=keras.optimizers.Adam(settings.g_learning_rate, beta_1=settings.beta_1),
        d_optimizer=keras.optimizers.Adam(settings.d_learning_rate, beta_1=settings.beta_1),
    )
    return gan


def train(
    run: runs.Run,
    images: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    *,
    strategy: tf.distribute.Strategy | None = None,
    verbose: int = 1,
) -> DCGAN:
    """Trains a run to its end, from its newest checkpoint where there is one, and writes all its files.

    Args:
        run: from `runs.create` or `runs.open_run`.
        images: uint8 of shape (count, height, width, channels). None loads them from the run's source.
        labels: what they show, whole numbers of shape (count,), for a run with `class_names`. Given with the images.
        strategy: from `devices.make_strategy`. None uses one device. Of several hosts, the first writes the files, and
            all read them: the run folder is one that they share.
        verbose: 1 shows a bar, or without a terminal a line an epoch; 0 nothing.

    Returns:
        The trained model.

    Raises:
        FloatingPointError: if a loss stops being finite.
        FileExistsError: if another process trains in the run's folder.
        ValueError: if the images or a hyperparameter do not fit, or no checkpoint of the run can be read.
    """
    settings = run.settings
    strategy = strategy or tf.distribute.get_strategy()
    chief = devices.is_chief(strategy)
    if images is None:
        images, labels, _ = runs.load(run)
    digest = data.images_digest(images)
    if run.images_sha256 not in (None, digest):
        raise ValueError(
            f"The images of {run.source} are not those that the run in {run.folder} began with: name the folder that "
            "holds them (--source), or start a new run."
        )
    with strategy.scope():
        gan = build(settings, run.seed, run.precision, len(run.class_names))
    with runs.claimed(run) if chief else contextlib.nullcontext():
        if chief:
            files.remove_unfinished(run.folder)
            run = runs.change(run, images_sha256=digest)
        done = restore(run, gan)
        devices.check_agreement(strategy, {"epochs done": done, "images": int(digest[:12], 16)})
        training_images, held_out = runs.hold_out(run, images)
        told = (None, None) if labels is None else runs.hold_out(run, labels)
        order = {"batch_size": settings.batch_size, "seed": run.seed, "first_epoch": done}
        stream = data.make_stream(training_images, told[0], **order)
        steps = len(training_images) // settings.batch_size
        if gan.steps_taken != done * steps:
            raise ValueError(
                f"{run.source} has changed since the run began: {done} epochs were {gan.steps_taken} steps, "
                f"with {len(training_images)} images they would be {done * steps}. Start a new run."
            )
        watch = run_callbacks(run, gan, steps, training_images, held_out, *told) if chief else []
        if done < settings.epochs:
            with devices.explaining_lost_hosts(strategy):
                gan.fit(
                    devices.distribute(stream, strategy, settings.batch_size),
                    initial_epoch=done,
                    epochs=settings.epochs,
                    steps_per_epoch=steps,
                    callbacks=[*watch, *[callbacks.Progress()] * (chief and verbose)],
                    verbose=0,
                )
        if chief:
            finish(run, gan)
    return gan


def run_callbacks(
    run: runs.Run,
    gan: DCGAN,
    steps_per_epoch: int,
    training_images=(),
    held_out=(),
    training_labels=None,
    held_out_labels=None,
) -> list[keras.callbacks.Callback]:
    """Lists the callbacks that fill a run folder while `fit` runs.

    Args:
        run: the run.
        gan: its model.
        steps_per_epoch: batches an epoch.
        training_images: real images that it is trained on.
        held_out: real images that it is not, to score on, for a run with `score_every`.
        training_labels, held_out_labels: what they show, for networks that are told.
    """
    every = math.ceil(SAVED_EACH / steps_per_epoch)
    moments = film.steps(run.settings.epochs * steps_per_epoch, run.settings.frames)
    vectors = film.latents(gan.latent_dim)
    watch = [
        callbacks.StopIfNotFinite(run.checkpoints),
        film.Film(run.snapshots, moments),
        callbacks.HistoryFile(run.history, every),
        callbacks.SamplePicture(run.folder / "samples.png", vectors, film.COLUMNS, every),
    ]
    if run.score_every:
        scorer = scores.kid_scorer(extractors.load(scores.extractor_for(run)), held_out)
        watch.append(callbacks.KeepBest(run.folder, scorer, run.score_every))
    if len(held_out):
        known, others = (training_images, training_labels), (held_out, held_out_labels)
        watch.append(callbacks.LogitGap(run.logit_gap, known, others, run.score_every or every))
    # The checkpoint comes last: it says that all others have done their part of an epoch.
    return [*watch, callbacks.Checkpoint(run.checkpoints, every)]


def restore(run: runs.Run, gan: DCGAN) -> int:
    """Loads the newest checkpoint of a run that can be read, and says so if that is not the newest one.

    Returns:
        The number of epochs done, 0 if there is no checkpoint.

    Raises:
        ValueError: if there are checkpoints and none can be read.
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


def finish(run: runs.Run, gan: DCGAN) -> None:
    """Writes what a run folder holds at the end: the networks, the samples, the dashboard and the film."""
    models.save(gan.ema_generator, run.folder / "generator.keras")
    models.save(gan.discriminator, run.folder / "discriminator.keras")
    plots.save_grid(run.folder / "samples.png", gan(film.latents(gan.latent_dim)), columns=film.COLUMNS)
    history = callbacks.read_history(run.history)
    if history["epoch"]:
        plots.save_history(run.folder / "losses.png", history, callbacks.read_logit_gap(run.logit_gap))
    make_film(run)


def make_film(run: runs.Run, path: str | Path | None = None, **options) -> Path:
    """Makes the film of a run from its snapshots, without training.

    Args:
        run: the run, finished or not.
        path: the file to write, `.gif`, `.webp` or `.mp4`. None takes `training.gif` in the run folder.
        **options: as in `film.make`: rows, columns, scale, seconds, seed, max_bytes.

    Returns:
        The path of the file. A film that had to leave something out for its size says so in a warning.
    """
    path = Path(path).expanduser() if path else run.folder / "training.gif"
    generator = build(run.settings, classes=len(run.class_names)).ema_generator
    left_out = film.make(run.snapshots, generator, path, **options)
    if left_out:
        warnings.warn(f"{path}: {left_out}.", stacklevel=2)
    return path


def generators(run: runs.Run) -> dict[str, keras.Model]:
    """Loads the averaged generators of a run by what to call them: the newest, and the best where one was kept.

    Of a run that was stopped before its end, the newest is that of its last checkpoint.

    Raises:
        FileNotFoundError: if it has neither a generator nor a checkpoint.
        ValueError: if a file cannot be read.
    """
    saved, checkpoints = run.folder / "generator.keras", callbacks.checkpoints(run.checkpoints)
    stopped = checkpoints and callbacks.epoch_of(checkpoints[-1]) < run.settings.epochs
    if stopped or not saved.is_file():
        if not checkpoints:
            raise FileNotFoundError(f"{run.folder} has no generator and no checkpoint: train it first.")
        gan = build(run.settings, run.seed, classes=len(run.class_names))
        found = {f"after {restore(run, gan)} epochs": gan.ema_generator}
    else:
        found = {saved.name: models.load_generator(saved)}
    best = run.folder / "best.keras"
    return found | ({best.name: models.load_generator(best)} if best.is_file() else {})
