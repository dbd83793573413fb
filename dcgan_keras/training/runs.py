"""A run folder: one recipe, one source of images, one seed, and all that came of it.

    training.gif  samples.png  losses.png  history.csv  config.json  generator.keras  discriminator.keras
    checkpoints/  snapshots/  best.keras  scores.csv  scores.json  logit_gap.csv  clusters.npy

`generator.keras` is the averaged generator. `checkpoints/` is what a run resumes from, `snapshots/` what its film is
made from. `best.keras` and what follows it are there where images were held out and the generator was scored, and
`clusters.npy` where the networks are told clusters.
"""

import contextlib
import dataclasses
import errno
import json
import platform
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import dcgan_keras
import filelock
import keras
import numpy as np
import tensorflow as tf
from dcgan_keras import data, files, presets
from dcgan_keras.evaluation import extractors
from dcgan_keras.training import devices

_HELD_OUT = 10  # one image in so many is held out to score on
HELD_OUT_NAME = "held out"
_FORMAT = 1  # of a run folder: a version that writes another one counts up


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run is, and where its files are. Raises ValueError if a value is of another type or out of range."""

    folder: Path  # the run folder
    settings: presets.Preset  # the hyperparameters
    preset: str = "laptop"  # that they come from, though single values may differ
    source: str = "bundled"  # of the images, as in `data.load_images`; the path of a folder is made absolute
    seed: int = 0  # of initial weights, order of images and latent vectors, 0 to 2**31 - 1
    data_dir: str | None = None  # folder of TensorFlow Datasets, None for its default
    score_every: int = 0  # epochs between two scores of the generator, 0 for none
    precision: str = "float32"  # what layers compute in, a name in `devices.PRECISIONS`
    extractor: str | None = None  # that scores. None: `fashion` for grey images of 28x28, `emoji` for others
    holds_out: bool | None = None  # a tenth of the images, to score on. None: if there is something to score
    images_sha256: str | None = None  # of the images it began to train on, None before it has
    class_names: tuple[str, ...] = ()  # that its networks are told, in the order of the labels; none if empty

    def __post_init__(self):
        for name, most in (("seed", 2**31 - 1), ("score_every", 10**9)):
            value = getattr(self, name)
            if not isinstance(value, int) or not 0 <= value <= most:
                raise ValueError(f"{name} must be a whole number from 0 to {most}, got {value!r}.")
        if self.precision not in devices.PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(devices.PRECISIONS)}, got {self.precision!r}.")
        if self.extractor not in (None, *extractors.NAMES):
            raise ValueError(f"extractor must be one of {', '.join(extractors.NAMES)}, got {self.extractor!r}.")
        if not isinstance(self.source, str) or not self.source:
            raise ValueError(f"source must be 'bundled', 'tfds:NAME' or a folder of images, got {self.source!r}.")
        set_field = object.__setattr__  # the way of a frozen dataclass
        set_field(self, "class_names", tuple(map(str, self.class_names)))  # JSON has lists
        set_field(self, "folder", files.at_home(self.folder))
        if not data.is_bundled(self.source) and not self.source.startswith("tfds:"):
            set_field(self, "source", str(files.at_home(self.source).absolute()))
        if self.holds_out is None:
            set_field(self, "holds_out", self.score_every > 0)
        if self.score_every and not self.holds_out:
            raise ValueError("This run trains on all images and held none out: score_every must stay 0.")

    @property
    def scored_with(self) -> str:
        """Name of the extractor that scores: the one asked for, else one that needs no network, by the images."""
        grey = (self.settings.image_size, self.settings.channels) == (28, 1)
        return self.extractor or ("fashion" if grey else "emoji")

    checkpoints = property(lambda self: self.folder / "checkpoints")
    snapshots = property(lambda self: self.folder / "snapshots")
    history = property(lambda self: self.folder / "history.csv")
    logit_gap = property(lambda self: self.folder / "logit_gap.csv")


def new_folder(parent: str | Path, name: str) -> Path:
    """Makes the first of `parent/name-1`, `parent/name-2`, ... that does not exist, for nobody else to take."""
    number = 1
    while True:
        folder = files.at_home(parent) / f"{name}-{number}"
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder
        number += 1


def create(run: Run) -> Run:
    """Makes the folder of a new run and writes `config.json` in it. Raises FileExistsError if it holds anything."""
    if run.folder.exists() and (not run.folder.is_dir() or any(run.folder.iterdir())):
        raise FileExistsError(f"{run.folder} already exists and is not empty: name another folder, or add --resume.")
    return change(run)


def change(run: Run, **values) -> Run:
    """Writes a run to its `config.json`, with some attributes of `Run` changed: ValueError if one is out of range."""
    run = dataclasses.replace(run, **values)
    about = {field.name: getattr(run, field.name) for field in dataclasses.fields(run) if field.name != "folder"}
    about |= {"settings": dataclasses.asdict(run.settings), "versions": versions()}
    with files.atomic(run.folder / "config.json") as unfinished:
        unfinished.write_text(json.dumps({"format": _FORMAT, **about}, indent=2) + "\n", encoding="utf-8")
    return run


def versions() -> dict[str, str]:
    """Returns the versions that a run's numbers depend on, by name."""
    packages = {"dcgan_keras": dcgan_keras, "tensorflow": tf, "keras": keras, "numpy": np}
    return {name: package.__version__ for name, package in packages.items()} | {"python": platform.python_version()}


def extend(run: Run, epochs: int) -> Run:
    """Gives a run another number of epochs, for it to be resumed with, and writes it to its `config.json`."""
    return change(run, settings=dataclasses.replace(run.settings, epochs=epochs))


def open_run(folder: str | Path) -> Run:
    """Reads the run in a folder: FileNotFoundError if there is none, ValueError if it cannot be understood."""
    folder = files.at_home(folder)
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"There is no run in {folder}: it has no config.json.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError("it holds no settings")
        if config["format"] != _FORMAT:
            version = config["versions"]["dcgan_keras"]
            raise ValueError(f"it was written by dcgan_keras {version}, and this is {dcgan_keras.__version__}")
        names = {field.name for field in dataclasses.fields(Run)} - {"folder", "settings"}
        return Run(folder, presets.Preset(**config["settings"]), **{name: config[name] for name in names})
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a config this version understands: {error}.") from error


@contextlib.contextmanager
def claimed(run: Run) -> Iterator[None]:
    """Keeps a run folder for this process while the block lasts: FileExistsError if another one trains in it."""
    run.folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(run.folder / ".lock", timeout=0)  # a process that dies gives it back
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise FileExistsError(f"Another process is training in {run.folder}: wait for it, or stop it first.") from error
    except (RuntimeError, OSError) as error:  # of a kind that says it is not implemented, or ENOLCK
        if getattr(error, "errno", errno.ENOSYS) not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise
        warnings.warn(f"Files in {run.folder} cannot be locked: see that no other process trains there.", stacklevel=4)
    try:
        yield
    finally:
        lock.release()


def load(run: Run, split: str = "train", conditional: bool = False) -> data.Labelled:
    """Loads the images of a run, and what they show where its networks are told, or will be (`conditional`).

    Raises what `data.load_images` does, and ValueError if the source has other classes than the run began with.
    """
    read = data.load_labelled if conditional or run.class_names else data.load_images
    size: dict = {"image_size": run.settings.image_size, "channels": run.settings.channels}
    found = data.labelled(read(run.source, split=split, data_dir=run.data_dir, **size))
    if run.class_names and found.names != run.class_names:
        was, now = (", ".join(names) for names in (run.class_names, found.names))
        raise ValueError(f"The run began with the classes {was}, and {run.source} has {now}.")
    return found


def told(run: Run, images: data.Labelled, keep: bool = True) -> data.Labelled:
    """Returns a run's images with what its networks are told of each: its class, its cluster, or nothing.

    The clusters are those in the run folder. Where it has none, they are computed, and kept in it if `keep`: another
    processor, which rounds otherwise, may find others. Raises ValueError if the file does not fit the images.
    """
    if not run.settings.clusters:
        return images if run.class_names else dataclasses.replace(images, labels=None)
    path = run.folder / "clusters.npy"
    if path.is_file():
        try:
            labels = np.load(path, allow_pickle=False)
        except (ValueError, OSError):
            labels = np.full(len(images), -1)
        if labels.shape != (len(images),) or not 0 <= labels.min() <= labels.max() < run.settings.clusters:
            raise ValueError(f"{path} does not hold the clusters of the run's images: start a new run.")
    else:
        labels = data.cluster(images.images, run.settings.clusters, run.seed)
        if keep:
            with files.atomic(path) as unfinished:
                np.save(unfinished, labels, allow_pickle=False)
    return dataclasses.replace(images, labels=labels)


def _held_out(run: Run, images: data.Labelled) -> list[int]:
    """Chooses the places of the images that a run holds out: a tenth, or as many as can be without parting copies."""
    copies: dict[int, list[int]] = {}
    for place in np.random.default_rng(0).permutation(len(images)) if run.holds_out else ():
        copies.setdefault(hash(images.images[place].tobytes()), []).append(place)
    held_out: list[int] = []
    for those in copies.values():
        held_out += those if len(held_out) + len(those) <= len(images) // _HELD_OUT else []
    return held_out


def trained_on(run: Run, images: data.Labelled) -> int:
    """Counts the images that a run trains on: all but those it holds out."""
    return len(images) - len(_held_out(run, images))


def hold_out(run: Run, images: data.Labelled) -> tuple[data.Labelled, data.Labelled]:
    """Splits images into those to train on and those to score on, always the same, equal ones on one side."""
    held_out = _held_out(run, images)
    if not held_out:
        return images, images[:0]
    return images[np.setdiff1d(np.arange(len(images)), held_out)], images[np.array(held_out)]


def check_images(run: Run, images: data.Labelled) -> None:
    """Raises ValueError if the images are too few, or a batch cannot be: better said before a run folder exists."""
    training, held_out = hold_out(run, images)
    pack, batch_size = run.settings.pack, run.settings.batch_size
    data.make_dataset(training.images, batch_size=batch_size)
    if run.settings.clusters > len(images):
        raise ValueError(f"There are {len(images)} images for {run.settings.clusters} clusters: give fewer --clusters.")
    if batch_size % pack:
        raise ValueError(f"The discriminator is shown {pack} images at a time: a batch of {batch_size} cannot be.")
    if run.score_every and len(held_out) < 10:
        wanted = f"that takes {10 * _HELD_OUT} images that differ, there are fewer"
        raise ValueError(f"One image in {_HELD_OUT} is held out to score on: {wanted}.")


def digest(run: Run, images: data.Labelled) -> str:
    """Returns the sha256 of the images. Raises ValueError if a run began with others."""
    found = data.images_digest(images.images)
    if run.images_sha256 not in (None, found):
        raise ValueError(
            f"The images of {run.source} are not those that the run in {run.folder} began with: name the folder that "
            "holds them (--source), or start a new run."
        )
    return found


def real_images(run: Run, seed: int = 0) -> tuple[data.Labelled, data.Labelled, str]:
    """Loads the images a run trained on, other real ones to compare with, and what to call the second.

    The others are the source's test images; where it has none, those held out, or else half of the training images.
    """
    images = load(run)
    digest(run, images)
    training, held_out = hold_out(run, images)
    if data.is_bundled(run.source) or run.source.startswith("tfds:"):
        with contextlib.suppress(ValueError):  # a dataset without test images: as for a folder
            return training, load(run, "test"), f"{run.source}, split test"
    if len(held_out):
        return training, held_out, f"{run.source}, {HELD_OUT_NAME}"
    order, half = np.random.default_rng(seed).permutation(len(training)), len(training) // 2
    return training[order[half:]], training[order[:half]], f"{run.source}, half of the training images"


def class_number(name: str, count: int, known: tuple[str, ...] = ()) -> int:
    """Finds a class by its name, by a word that only one of the `known` names has, or by its number below `count`.

    Raises ValueError if there is no such class, or the generator is told none.
    """
    if not count:
        raise ValueError("This generator draws what chance gives: only one trained with --conditional takes --class.")
    numbers = [str(number) for number in range(count)]
    asked, folded = name.casefold(), [each.casefold() for each in known]
    for wanted, names in ((name, known), (asked, folded)):  # two folders may differ in capitals alone
        if wanted in names:
            return names.index(wanted)
    with_word = [number for number, each in enumerate(folded) if asked in re.split(r"\W+", each)]
    if len(with_word) == 1:
        return with_word[0]
    if name not in numbers:
        raise ValueError(f"--class must be one of {', '.join([*known, *numbers])}, got {name!r}.")
    return int(name)
