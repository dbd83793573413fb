"""A run: one recipe, one source of images, one seed, one folder that holds all that came of it.

    training.gif  samples.png  losses.png  history.csv  config.json  generator.keras  discriminator.keras
    checkpoints/  snapshots/  best.keras  scores.csv  scores.json

`generator.keras` is the averaged generator. `checkpoints/` is what a run resumes from, `snapshots/` what its film is
made from. The last three are there where the generator was scored. Used by the command line and the notebooks alike.
"""

import dataclasses
import json
import platform
import warnings
from pathlib import Path

import dcgan_keras
import keras
import numpy as np
import tensorflow as tf
from dcgan_keras import callbacks, data, devices, extractors, files, models, plots, presets, scores
from dcgan_keras.gan import DCGAN

GRID = (6, 10)  # rows and columns of the pictures and of the GIF
HELD_OUT = 10  # one image in so many is held out to score on
FORMAT = 1  # of a run folder: a version that writes another one counts up
FILM_SEED = 20151119  # of the latent vectors drawn in every picture: the day the paper appeared


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run is, and where its files are.

    Attributes:
        folder: the run folder.
        settings: the hyperparameters.
        preset: name of the preset they come from, though single values may differ.
        source: where the images come from, as in `data.load_images`.
        seed: of initial weights, order of images and latent vectors, 0 to 2**31 - 1.
        data_dir: folder of TensorFlow Datasets, None for its default.
        score_every: epochs between two scores of the generator, on a tenth of the images that is held out for that.
            0 scores nothing and holds nothing out.
        precision: what layers compute in, a name in `devices.PRECISIONS`.

    Raises:
        ValueError: if the seed or score_every is out of range, or there is no such precision.
    """

    folder: Path
    settings: presets.Preset
    preset: str = "laptop"
    source: str = "bundled"
    seed: int = 0
    data_dir: str | None = None
    score_every: int = 0
    precision: str = "float32"

    def __post_init__(self):
        object.__setattr__(self, "folder", Path(self.folder))
        if not 0 <= self.seed < 2**31:
            raise ValueError(f"seed must be a whole number from 0 to 2147483647, got {self.seed!r}.")
        if self.score_every < 0:
            raise ValueError(f"score_every must be 0 epochs or more, got {self.score_every!r}.")
        if self.precision not in devices.PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(devices.PRECISIONS)}, got {self.precision!r}.")

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def snapshots(self) -> Path:
        return self.folder / "snapshots"

    @property
    def history(self) -> Path:
        return self.folder / "history.csv"


def create(run: Run) -> Run:
    """Makes the folder of a new run and writes `config.json` in it.

    Raises:
        FileExistsError: if there is anything in the folder.
    """
    if run.folder.exists() and (not run.folder.is_dir() or any(run.folder.iterdir())):
        raise FileExistsError(f"{run.folder} already exists and is not empty: name another folder, or add --resume.")
    _write_config(run)
    return run


def open_run(folder: str | Path) -> Run:
    """Reads the run in a folder.

    Raises:
        FileNotFoundError: if there is no run in the folder.
        ValueError: if its `config.json` cannot be understood.
    """
    folder = Path(folder)
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"There is no run in {folder}: it has no config.json.")
    try:
        config = json.loads(path.read_text())
        if not isinstance(config, dict):
            raise ValueError("it holds no settings")
        if config.get("format", 1) != FORMAT:
            version = config["versions"]["dcgan_keras"]
            raise ValueError(f"it was written by dcgan_keras {version}, and this is {dcgan_keras.__version__}")
        names = ("preset", "source", "seed", "data_dir")
        rest = {name: config[name] for name in names}
        rest |= {name: config[name] for name in ("score_every", "precision") if name in config}
        return Run(folder, presets.Preset(**config["settings"]), **rest)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a config this version understands: {error!r}.") from error


def free_folder(parent: str | Path, name: str) -> Path:
    """Returns the first of `parent/name-1`, `parent/name-2`, ... that does not exist."""
    number = 1
    while (Path(parent) / f"{name}-{number}").exists():
        number += 1
    return Path(parent) / f"{name}-{number}"


def build(settings: presets.Preset, seed: int = 0, precision: str = "float32") -> DCGAN:
    """Builds and compiles the model of a run, with new weights. Under a strategy: in its `scope()`.

    Args:
        settings: the hyperparameters.
        seed: of initial weights and latent vectors.
        precision: what layers compute in, a name in `devices.PRECISIONS`.

    Raises:
        ValueError: if a hyperparameter is outside its range.
    """
    size = {"image_size": settings.image_size, "channels": settings.channels}
    rest = {"kernel_size": settings.kernel_size, "seed": seed}
    with devices.precision(precision):
        gan = DCGAN(
            models.build_generator(**size, filters=settings.g_filters, latent_dim=settings.latent_dim, **rest),
            models.build_discriminator(**size, filters=settings.d_filters, **rest),
            loss=settings.loss,
            ema_decay=settings.ema_decay,
            r1_gamma=settings.r1_gamma,
            seed=seed,
        )
    optimizers = [
        keras.optimizers.Adam(rate, beta_1=settings.beta_1)
        for rate in (settings.g_learning_rate, settings.d_learning_rate)
    ]
    if precision == "mixed_float16":
        optimizers = [keras.optimizers.LossScaleOptimizer(optimizer) for optimizer in optimizers]
    gan.compile(*optimizers)
    return gan


def train(run: Run, images: np.ndarray | None = None, strategy: tf.distribute.Strategy | None = None) -> DCGAN:
    """Trains a run to its end, from its newest checkpoint where there is one, and writes all its files.

    Args:
        run: from `create` or `open_run`.
        images: uint8 of shape (count, height, width, channels). None loads them from the run's source.
        strategy: from `devices.make_strategy`. None uses one device. Of several hosts, the first writes the files, and
            all read them: the run folder is one that they share.

    Returns:
        The trained model.

    Raises:
        FloatingPointError: if a loss stops being finite.
        ValueError: if the images or a hyperparameter do not fit, or no checkpoint of the run can be read.
    """
    settings = run.settings
    strategy = strategy or tf.distribute.get_strategy()
    chief = devices.is_chief(strategy)
    if images is None:
        images = load_images(run)
    with strategy.scope():
        gan = build(settings, run.seed, run.precision)
    if chief:
        files.remove_unfinished(run.folder)
    done = restore(run, gan)
    images, held_out = hold_out(run, images)
    dataset = data.make_dataset(images, batch_size=settings.batch_size, seed=run.seed, epochs=None, first_epoch=done)
    steps = len(images) // settings.batch_size
    if gan.steps_taken != done * steps:
        raise ValueError(
            f"{run.source} has changed since the run began: {done} epochs were {gan.steps_taken} steps, "
            f"with {len(images)} images they would be {done * steps}. Start a new run."
        )
    watch = []
    if chief:
        if run.score_every:
            scorer = scores.kid_scorer(extractors.load(extractor_for(settings)), held_out)
            watch.append(callbacks.KeepBest(run.folder, scorer, run.score_every))
        # The checkpoint is the last of these: it says that all others have done their part of an epoch.
        watch += [*run_callbacks(run, gan, steps), callbacks.Progress(done, settings.epochs, steps)]
    if done < settings.epochs:
        with devices.lost_hosts(strategy):
            gan.fit(
                devices.distribute(dataset, strategy, settings.batch_size),
                initial_epoch=done,
                epochs=settings.epochs,
                steps_per_epoch=steps,
                callbacks=watch,
                verbose=0,
                shuffle=False,
            )
    if chief:
        finish(run, gan)
    return gan


def load_images(run: Run) -> np.ndarray:
    """Loads the images of a run, uint8 of shape (count, image_size, image_size, channels)."""
    settings = run.settings
    return data.load_images(
        run.source, image_size=settings.image_size, channels=settings.channels, data_dir=run.data_dir
    )


def hold_out(run: Run, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Splits images into those to train on and those to score on, always the same ones; none without `score_every`."""
    order = np.random.default_rng(0).permutation(len(images)) if run.score_every else np.arange(len(images))
    count = len(images) // HELD_OUT if run.score_every else 0
    return images[np.sort(order[count:])] if count else images, images[order[:count]]


def extractor_for(settings: presets.Preset) -> str:
    """Names the extractor for images of a size: `fashion` for grey images of 28x28, else `inception`."""
    return "fashion" if (settings.image_size, settings.channels) == (28, 1) else "inception"


def check_images(run: Run, images: np.ndarray) -> None:
    """Raises ValueError if there are too few images to train or to score on: better said before a run folder exists."""
    images, held_out = hold_out(run, images)
    data.make_dataset(images, batch_size=run.settings.batch_size)
    if run.score_every and len(held_out) < 10:
        raise ValueError(f"One image in {HELD_OUT} is held out to score on: that takes 100 images, there are fewer.")


def run_callbacks(run: Run, gan: DCGAN, steps_per_epoch: int) -> list[keras.callbacks.Callback]:
    """Lists the callbacks that fill a run folder while `fit` runs. Not the progress bar, which fills no folder."""
    film = callbacks.film_steps(run.settings.epochs * steps_per_epoch, run.settings.frames)
    return [
        callbacks.StopIfNotFinite(run.checkpoints),
        callbacks.Film(run.snapshots, film),
        callbacks.HistoryFile(run.history),
        callbacks.SamplePicture(run.folder / "samples.png", film_latents(gan.latent_dim), columns=GRID[1]),
        callbacks.Checkpoint(run.checkpoints),
    ]


def restore(run: Run, gan: DCGAN) -> int:
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


def extend(run: Run, epochs: int) -> Run:
    """Gives a run another number of epochs, for it to be resumed with, and writes it to its `config.json`."""
    run = dataclasses.replace(run, settings=dataclasses.replace(run.settings, epochs=epochs))
    _write_config(run)
    return run


def finish(run: Run, gan: DCGAN) -> None:
    """Writes what a run folder holds at the end: the networks, the samples, the dashboard and the film."""
    for name, network in (("generator", gan.ema_generator), ("discriminator", gan.discriminator)):
        with files.atomic(run.folder / f"{name}.keras") as unfinished:
            network.save(unfinished)
    plots.save_grid(run.folder / "samples.png", gan(film_latents(gan.latent_dim)), columns=GRID[1])
    history = callbacks.read_history(run.history)
    if history["epoch"]:
        plots.save_history(run.folder / "losses.png", history)
    make_gif(run)


def load_generator(path: str | Path) -> keras.Model:
    """Loads a saved generator.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is not a saved generator.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no {path}: train a run to its end first.")
    try:
        generator = keras.models.load_model(path, compile=False)
    except Exception as error:  # Keras raises many kinds for a file that is not a model
        raise ValueError(f"{path} is not a saved generator: {str(error).splitlines()[0]}") from error
    if len(generator.input_shape) != 2 or len(generator.output_shape) != 4:
        raise ValueError(f"{path} is not a saved generator: it does not turn vectors into images.")
    return generator


def evaluate(run: Run, extractor: str | None = None, *, count: int = 10_000, seed: int = 0) -> list[list[scores.Score]]:
    """Scores the generators of a run, and real images in their place, and writes `scores.json`.

    Images are compared with the test images of the run's source. Where it has none, they are compared with images of
    the training split: with those held out if the run held some out, else with a random half.

    Args:
        run: a finished run.
        extractor: `fashion` or `inception`. None takes the one for the size of the images.
        count: how many images to compare, at most.
        seed: of latent vectors, of the choice of real images and of KID's subsets.

    Returns:
        The scores of the last generator, of the best one where the run kept it, and of real training images.

    Raises:
        FileNotFoundError: if the run has no generator yet.
        ConnectionError: if something must be downloaded and cannot be.
        ValueError: if there are too few images, or they do not fit the extractor.
    """
    found = [file for file in ("generator.keras", "best.keras") if (run.folder / file).is_file()]
    generators = {file: load_generator(run.folder / file) for file in found or ["generator.keras"]}
    network = extractors.load(extractor or extractor_for(run.settings))
    training, reference, name = real_images(run, seed)
    judge = scores.Judge(network, reference, training, reference_name=name, count=count, seed=seed)
    columns = [judge.scores(scores.draw(generators[file], judge.count, seed), file) for file in generators]
    columns.append(judge.floor())
    scores.write(run.folder / "scores.json", columns)
    return columns


def real_images(run: Run, seed: int = 0) -> tuple[np.ndarray, np.ndarray, str]:
    """Loads the images a run trained on, other real ones to compare with, and what to call the second."""
    training, held_out = hold_out(run, load_images(run))
    if run.source == "bundled" or run.source.startswith("tfds:"):
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


def make_gif(
    run: Run,
    path: str | Path | None = None,
    *,
    rows: int = GRID[0],
    columns: int = GRID[1],
    scale: int | None = None,
    seconds: float = 10.0,
    seed: int = FILM_SEED,
    max_bytes: int = 3_000_000,
) -> Path:
    """Makes the film of a run from its snapshots, without training.

    Args:
        run: the run.
        path: the file to write. None takes `training.gif` in the run folder.
        rows: of images in a frame.
        columns: of images in a frame.
        scale: enlargement, a whole number. None chooses one that makes a picture about 560 pixels wide.
        seconds: how long one round takes, without the rest on the last frame.
        seed: of the latent vectors drawn.
        max_bytes: of the file. Fewer shades, then fewer frames, make it smaller.

    Returns:
        The path of the file.

    Raises:
        FileNotFoundError: if the run has no snapshots.
        ValueError: if a snapshot does not fit, or the film cannot be made that small.
    """
    path = Path(path) if path else run.folder / "training.gif"
    snapshots = sorted(run.snapshots.glob("step-*.weights.h5"))
    if not snapshots:
        raise FileNotFoundError(f"{run.folder} has no snapshots to make a film from: train it first.")
    if rows < 1 or columns < 1:
        raise ValueError(f"rows and columns must be 1 or more, got {rows} and {columns}.")
    scale = scale or max(1, 560 // (columns * run.settings.image_size))
    generator = build(run.settings).ema_generator
    latents = film_latents(generator.input_shape[-1], rows * columns, seed)
    frames = []
    for snapshot in snapshots:
        try:
            generator.load_weights(snapshot)
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"Snapshot {snapshot} cannot be read: {str(error).splitlines()[0]}") from error
        step = int(snapshot.name.split("-")[1].split(".")[0])
        grid = plots.image_grid(generator(latents, training=False), columns=columns, scale=scale)
        frames.append(plots.with_caption(grid, f"step {step:,}"))
    plots.save_gif(path, frames, seconds=seconds, max_bytes=max_bytes)
    return path


def film_latents(latent_dim: int, count: int = GRID[0] * GRID[1], seed: int = FILM_SEED) -> tf.Tensor:
    """Draws the latent vectors of the pictures, the same for every run: float32 of shape (count, latent_dim)."""
    return tf.random.stateless_normal([count, latent_dim], seed=[seed, 0])


def _write_config(run: Run) -> None:
    config = {
        "format": FORMAT,
        "preset": run.preset,
        "source": run.source,
        "seed": run.seed,
        "data_dir": run.data_dir,
        "score_every": run.score_every,
        "precision": run.precision,
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
        unfinished.write_text(json.dumps(config, indent=2) + "\n")
