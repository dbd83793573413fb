"""A run folder: one recipe, one source of images, one seed, and all that came of it.

    training.gif  samples.png  losses.png  history.csv  config.json  generator.keras  discriminator.keras
    checkpoints/  snapshots/  best.keras  scores.csv  scores.json  logit_gap.csv

`generator.keras` is the averaged generator. `checkpoints/` is what a run resumes from, `snapshots/` what its film is
made from. The last four are there where images were held out and the generator was scored.

Not here: training. A run is made, opened, claimed and extended here.
"""

import contextlib
import dataclasses
import json
import platform
from collections.abc import Iterator
from pathlib import Path

import dcgan_keras
import filelock
import keras
import numpy as np
import tensorflow as tf
from dcgan_keras import data, devices, extractors, files, presets

HELD_OUT = 10  # one image in so many is held out to score on
FORMAT = 1  # of a run folder: a version that writes another one counts up


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run is, and where its files are.

    Attributes:
        folder: the run folder.
        settings: the hyperparameters.
        preset: name of the preset they come from, though single values may differ.
        source: where the images come from, as in `data.load_images`; the path of a folder is made absolute.
        seed: of initial weights, order of images and latent vectors, 0 to 2**31 - 1.
        data_dir: folder of TensorFlow Datasets, None for its default.
        score_every: epochs between two scores of the generator, 0 for none.
        precision: what layers compute in, a name in `devices.PRECISIONS`.
        extractor: name of the one that scores. None: the one that `scores.extractor_for` says.
        holds_out: whether a tenth of the images is held out to score on. None: if there is something to score.
        images_sha256: of the images it began to train on, None before it has.
        class_names: of the classes that its networks are told, in the order of the labels. Empty: they are told none.

    Raises:
        ValueError: if a value is of another type, out of range, or there is no such precision.
    """

    folder: Path
    settings: presets.Preset
    preset: str = "laptop"
    source: str = "bundled"
    seed: int = 0
    data_dir: str | None = None
    score_every: int = 0
    precision: str = "float32"
    extractor: str | None = None
    holds_out: bool | None = None
    images_sha256: str | None = None
    class_names: tuple[str, ...] = ()

    def __post_init__(self):
        for name, least, most in (("seed", 0, 2**31 - 1), ("score_every", 0, 10**9)):
            value = getattr(self, name)
            if not isinstance(value, int) or not least <= value <= most:
                raise ValueError(f"{name} must be a whole number from {least} to {most}, got {value!r}.")
        if self.precision not in devices.PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(devices.PRECISIONS)}, got {self.precision!r}.")
        if self.extractor not in (None, *extractors.NAMES):
            raise ValueError(f"extractor must be one of {', '.join(extractors.NAMES)}, got {self.extractor!r}.")
        if not isinstance(self.source, str) or not self.source:
            raise ValueError(f"source must be 'bundled', 'tfds:NAME' or a folder of images, got {self.source!r}.")
        set_field = object.__setattr__  # the way of a frozen dataclass
        set_field(self, "class_names", tuple(map(str, self.class_names)))  # JSON has lists
        set_field(self, "folder", Path(self.folder).expanduser())
        if not data.is_bundled(self.source) and not self.source.startswith("tfds:"):
            set_field(self, "source", str(Path(self.source).expanduser().absolute()))
        if self.holds_out is None:
            set_field(self, "holds_out", self.score_every > 0)
        if self.score_every and not self.holds_out:
            raise ValueError("This run trains on all images and held none out: score_every must stay 0.")

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def snapshots(self) -> Path:
        return self.folder / "snapshots"

    @property
    def history(self) -> Path:
        return self.folder / "history.csv"

    @property
    def logit_gap(self) -> Path:
        return self.folder / "logit_gap.csv"


def new_folder(parent: str | Path, name: str) -> Path:
    """Makes the first of `parent/name-1`, `parent/name-2`, ... that does not exist, for nobody else to take."""
    number = 1
    while True:
        folder = Path(parent).expanduser() / f"{name}-{number}"
        try:
            folder.mkdir(parents=True, exist_ok=False)
            return folder
        except FileExistsError:
            number += 1


def create(run: Run) -> Run:
    """Makes the folder of a new run and writes `config.json` in it.

    Raises:
        FileExistsError: if there is anything in the folder.
    """
    if run.folder.exists() and (not run.folder.is_dir() or any(run.folder.iterdir())):
        raise FileExistsError(f"{run.folder} already exists and is not empty: name another folder, or add --resume.")
    return change(run)


def change(run: Run, **values) -> Run:
    """Writes a run to its `config.json`, with some attributes of `Run` changed.

    Raises:
        ValueError: if a value is out of range.
    """
    run = dataclasses.replace(run, **values)
    config = {
        "format": FORMAT,
        **{field.name: getattr(run, field.name) for field in dataclasses.fields(run) if field.name != "folder"},
        "settings": dataclasses.asdict(run.settings),
        "versions": {
            "dcgan_keras": dcgan_keras.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
    with files.atomic(run.folder / "config.json") as unfinished:
        unfinished.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return run


def extend(run: Run, epochs: int) -> Run:
    """Gives a run another number of epochs, for it to be resumed with, and writes it to its `config.json`."""
    return change(run, settings=dataclasses.replace(run.settings, epochs=epochs))


def open_run(folder: str | Path) -> Run:
    """Reads the run in a folder.

    Raises:
        FileNotFoundError: if there is no run in the folder.
        ValueError: if its `config.json` cannot be understood.
    """
    folder = Path(folder).expanduser()
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"There is no run in {folder}: it has no config.json.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError("it holds no settings")
        if config.get("format", 1) != FORMAT:
            version = config["versions"]["dcgan_keras"]
            raise ValueError(f"it was written by dcgan_keras {version}, and this is {dcgan_keras.__version__}")
        names = {field.name for field in dataclasses.fields(Run)} - {"folder", "settings"}
        rest = {name: config[name] for name in names & config.keys()}
        return Run(folder, presets.Preset(**config["settings"]), **rest)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a config this version understands: {error}.") from error


@contextlib.contextmanager
def claimed(run: Run) -> Iterator[None]:
    """Keeps a run folder for this process as long as the block lasts. A process that dies gives it back.

    Raises:
        FileExistsError: if another process trains in the folder.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(run.folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise FileExistsError(f"Another process is training in {run.folder}: wait for it, or stop it first.") from error
    try:
        yield
    finally:
        lock.release()


def load_images(run: Run) -> np.ndarray:
    """Loads the images of a run, uint8 of shape (count, image_size, image_size, channels)."""
    settings = run.settings
    return data.load_images(
        run.source, image_size=settings.image_size, channels=settings.channels, data_dir=run.data_dir
    )


def load_labelled(run: Run) -> data.Labelled:
    """Loads the images of a run's source in its size, and what they show."""
    size = {"image_size": run.settings.image_size, "channels": run.settings.channels}
    return data.load_labelled(run.source, data_dir=run.data_dir, **size)


def load(run: Run) -> data.Labelled:
    """Loads the images of a run, and what they show where its networks are told.

    Raises:
        ValueError: if the source has other classes than the run began with.
    """
    if not run.class_names:
        return data.Labelled(load_images(run), None, ())
    found = load_labelled(run)
    if found.names != run.class_names:
        was, now = (", ".join(names) for names in (run.class_names, found.names))
        raise ValueError(f"The run began with the classes {was}, and {run.source} has {now}.")
    return found


def trained_on(run: Run, count: int) -> int:
    """Says how many of so many images a run trains on: all but those it holds out."""
    return count - count // HELD_OUT if run.holds_out else count


def hold_out(run: Run, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Splits images into those to train on and those to score on, always the same ones; none if none are held out.

    What the images show, of shape (count,), is split in the same way.
    """
    count = len(images) - trained_on(run, len(images))
    if not count:
        return images, images[:0]
    order = np.random.default_rng(0).permutation(len(images))
    return images[np.sort(order[count:])], images[order[:count]]


def check_images(run: Run, images: np.ndarray) -> None:
    """Raises ValueError if there are too few images to train or to score on: better said before a run folder exists."""
    training, held_out = hold_out(run, images)
    data.make_dataset(training, batch_size=run.settings.batch_size)
    if run.score_every and len(held_out) < 10:
        raise ValueError(f"One image in {HELD_OUT} is held out to score on: that takes 100 images, there are fewer.")


def real_images(run: Run, seed: int = 0) -> tuple[np.ndarray, np.ndarray, str]:
    """Loads the images a run trained on, other real ones to compare with, and what to call the second.

    The others are the test images of the source. Where it has none: those held out if the run held some out, else a
    random half of the training images.
    """
    training, held_out = hold_out(run, load_images(run))
    if data.is_bundled(run.source) or run.source.startswith("tfds:"):
        size = {"image_size": run.settings.image_size, "channels": run.settings.channels}
        try:
            test = data.load_images(run.source, split="test", data_dir=run.data_dir, **size)
            return training, test, f"{run.source}, split test"
        except ValueError:
            pass  # a dataset without test images: as for a folder
    if len(held_out):
        return training, held_out, f"{run.source}, held out"
    order = np.random.default_rng(seed).permutation(len(training))
    half = len(training) // 2
    return training[order[half:]], training[order[:half]], f"{run.source}, half of the training images"
