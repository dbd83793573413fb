"""A new run and a resumed one: what the images ask for, what may change, and all that can be wrong, said first."""

import dataclasses
import warnings
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf
from dcgan_keras import data, presets
from dcgan_keras.evaluation import extractors
from dcgan_keras.training import callbacks, devices, runs, trainer

_KEPT = ("preset", "seed", "precision")  # of a run, and all hyperparameters but the epochs: a resume changes none


def begin(
    folder: str | Path | None = None, *, preset: str | None = None, conditional: bool = False,
    changes: dict | None = None, strategy: tf.distribute.Strategy | None = None, say: Callable[[str], None] = print,
    **about,
) -> tuple[runs.Run, data.Labelled]:  # fmt: skip
    """Chooses what the images ask for, checks everything that can be wrong, and only then makes the run's folder.

    Args:
        folder: the run folder, new or empty. None makes `runs/PRESET-1`, `-2` and so on.
        preset: a name in `presets.PRESETS`. None takes one of the laptop presets, by the images.
        conditional: whether the networks are told what the images show.
        changes: hyperparameters to change. What `presets.suited` chooses by the images stays where it is here.
        strategy: that it will be trained under. Of several hosts, the first makes the folder.
        say: is told what was chosen, a sentence at a time.
        **about: further attributes of `runs.Run`: source, seed, data_dir, score_every, precision, extractor.

    Returns the run, and its images with what they show where the networks are told.
    Raises FileExistsError if the folder is not empty, ValueError if a value does not fit, and as `data.load_images`.
    """
    changes, strategy = dict(changes or {}), strategy or tf.distribute.get_strategy()
    if preset is None:
        preset, changes = _following(about.get("source", "bundled"), about.get("data_dir"), changes, say)
    if conditional or changes.get("pack", 1) > 1:  # classes take the place of groups; a pack is of no one group
        changes = {"clusters": 0} | changes
    run = runs.Run(Path(folder or "runs"), presets.get(preset, **changes), preset=preset, **about)
    trainer.build(run.settings, run.seed, classes=2 if conditional else 0)
    if run.score_every:
        extractors.load(run.scored_with)
    images = runs.load(run, conditional=conditional)
    run = dataclasses.replace(run, class_names=images.names)
    count = runs.trained_on(run, images)
    suited = presets.suited(run.settings, count, changes.keys(), preset)
    if suited != run.settings:
        now, before = dataclasses.asdict(suited), dataclasses.asdict(run.settings)
        names = [name for name in now if now[name] != before[name] or name in {"batch_size", "epochs"} - changes.keys()]
        chosen = [f"--{name.replace('_', '-')} {now[name]}" for name in names]
        held_out = f" to train on, beside {len(images) - count:,} held out," if count < len(images) else ""
        say(f"{count:,} images{held_out} ask for {', '.join(chosen)}, unless you give others.")
        run = dataclasses.replace(run, settings=suited)
    if run.settings.loss == "wasserstein" and not run.settings.r1_gamma and run.settings.normalization != "spectral":
        advice = "give --r1-gamma 1, or --normalization spectral"
        warnings.warn(f"Nothing bounds the discriminator, which the loss 'wasserstein' needs: {advice}.", stacklevel=2)
    runs.check_images(run, images)
    devices.check_batch(run.settings.batch_size, strategy, run.settings.pack)
    if not folder:
        run = dataclasses.replace(run, folder=runs.new_folder("runs", preset))
    return (runs.create(run) if devices.is_chief(strategy) else run), images


def _following(source: str, data_dir, changes: dict, say: Callable[[str], None]) -> tuple[str, dict]:
    """Chooses the preset by the images, and says so. Returns its name, and the changes with what the images ask for."""
    found = data.look(source, data_dir=data_dir)
    if found is None or source == "bundled":
        return "laptop", changes
    name, suits = presets.following(*found)
    kind = f"{'grey' if found.channels == 1 else 'in colour'} and usually of {found.side} pixels or more"
    say(f"The images are {kind}: --preset {name} unless you give another.")
    return name, suits | changes


def resume(
    folder: str | Path, *, conditional: bool = False, changes: dict | None = None, **about
) -> tuple[runs.Run, data.Labelled]:
    """Opens the run to go on with, and refuses to change what it trains. Returns the same as `begin`.

    Args:
        conditional: True where the run must be one that is told what its images show.
        changes: hyperparameters. Only the epochs may differ from those of the run.
        **about: attributes of `runs.Run`. `source`, `data_dir`, `score_every` and `extractor` may be others.

    Raises FileNotFoundError if the run or its images are gone, ValueError if something would change that cannot.
    """
    run = runs.open_run(folder)
    if conditional and not run.class_names:
        raise ValueError("A resumed run keeps its settings, --conditional cannot change.")
    changes = dict(changes or {})
    epochs = changes.pop("epochs", run.settings.epochs)
    kept = dataclasses.asdict(run.settings) | {name: getattr(run, name) for name in _KEPT}
    for name, value in {**changes, **about}.items():
        if name in kept and value != kept[name]:
            raise ValueError(f"A resumed run keeps its settings, --{name.replace('_', '-')} cannot change.")
    done = max([0, *map(callbacks.epoch_of, callbacks.checkpoints(run.checkpoints))])
    if epochs < done:
        raise ValueError(f"The run has {done} epochs behind it, --epochs {epochs} is fewer.")
    moved = {name: value for name, value in about.items() if name not in kept}
    run = dataclasses.replace(run, settings=dataclasses.replace(run.settings, epochs=epochs), **moved)
    if run.score_every:
        extractors.load(run.scored_with)
        if run.scored_with != runs.open_run(folder).scored_with and (run.folder / "scores.csv").is_file():
            raise ValueError("The run has scores of another extractor, which do not compare: leave out --extractor.")
    return run, runs.load(run)


def warn_of_few_steps(steps: int) -> None:
    """Warns of a training that is over before its pictures show anything."""
    if steps < presets.FEW_STEPS:
        advice = "give more --epochs or a smaller --batch-size, or leave both out"
        warnings.warn(f"{steps} steps are few, the pictures will be noise or blobs: {advice}.", stacklevel=2)
