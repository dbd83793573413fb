"""What happens between steps and epochs. Plain `keras.callbacks.Callback`s for any `DCGAN`, each of use alone.

`every` is a number of epochs: what is due after each so many is due after the last one of a training too. Those that
replace one of Keras's say why. The one that keeps the moments of the film is in `film`.
"""

import contextlib
import csv
import hashlib
import math
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
from dcgan_keras import data, files, models, plots
from dcgan_keras.gan import METRICS

_LOSSES = ["d_loss", "g_loss"]
GAP = ("training", "held_out")  # columns of `LogitGap`


class Checkpoint(keras.callbacks.Callback):
    """Saves all that a run needs to go on, before the first epoch and then after each so many; the newest `keep` stay.

    A file `epoch-0012.weights.h5` holds both networks, the moving average, both optimizers and the step; as attributes
    the epoch, the step and a sha256 of all of it. A weight that is not a number is a FloatingPointError, and nothing is
    written. Keras's `BackupAndRestore` resumes to the same bits too; it keeps one file, and misses damage.
    """

    def __init__(self, folder: str | Path, every: int = 1, keep: int = 2):
        super().__init__()
        self.folder, self.every, self.keep = Path(folder), every, keep

    def on_train_begin(self, logs=None):
        if not checkpoints(self.folder):
            self._save(epoch=0)

    def on_epoch_end(self, epoch, logs=None):
        if _due(self, epoch):
            self._save(epoch + 1)

    def _save(self, epoch: int):
        # A loss may be finite in the very step that breaks the weights: it is taken before the update.
        if not all(np.isfinite(keras.ops.convert_to_numpy(weight)).all() for weight in self.model.weights):
            raise FloatingPointError(_stopped(f"A weight is not a number after epoch {epoch}.", self.folder))
        # The weights, and at most two moments of each that are the optimizers'.
        with files.atomic(self.folder / f"epoch-{epoch:04d}.weights.h5", 3 * bytes_of(self.model)) as unfinished:
            self.model.save_weights(unfinished)
            with h5py.File(unfinished, "a") as file:
                file.attrs.update(epoch=epoch, step=self.model.steps_taken, sha256=_digest(file))
        for old in checkpoints(self.folder)[: -self.keep]:
            with contextlib.suppress(PermissionError):  # on Windows, while a program has it open: deleted later
                old.unlink()


def bytes_of(model: keras.Model) -> int:
    """Says how many bytes of a disk the weights of a model take, or fewer, with what HDF5 needs to sort them."""
    return 2**20 + sum(weight.value.dtype.size * math.prod(weight.shape) for weight in model.weights)


def checkpoints(folder: str | Path) -> list[Path]:
    """Lists the checkpoints in a folder, oldest first."""
    return sorted(Path(folder).glob("epoch-*.weights.h5"), key=epoch_of)


def epoch_of(checkpoint: Path) -> int:
    """Returns how many epochs had been done, by the name of a checkpoint."""
    digits = checkpoint.name.removeprefix("epoch-").removesuffix(".weights.h5")
    return int(digits) if digits.isdecimal() else -1


def _due(callback, epoch: int) -> bool:
    """Whether something is due after this epoch, counted from 0: after each so many, and after the last."""
    return (epoch + 1) % callback.every == 0 or epoch + 1 == callback.params["epochs"]


def load_checkpoint(gan: keras.Model, path: str | Path) -> int:
    """Restores a compiled `DCGAN` from a checkpoint, and returns the number of epochs done.

    Raises ValueError if a single bit of a weight is damaged, or the networks or optimizers are others.
    """
    try:
        with h5py.File(path) as file:
            epoch = int(file.attrs["epoch"])
            if file.attrs["sha256"] != _digest(file):
                raise ValueError("its content has changed since it was written")
        with warnings.catch_warnings():
            # Keras goes on with fresh moments where a file is of another optimizer, and warns.
            warnings.filterwarnings("error", "Skipping variable loading for optimizer")
            gan.load_weights(path)
    except (OSError, KeyError, ValueError, TypeError, UserWarning, MemoryError) as error:  # the last: a size that lies
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"Checkpoint {path} cannot be loaded into these networks: {reason}") from error
    return epoch


def _digest(file: h5py.File) -> str:
    """The sha256 of all arrays in a file, with their names."""
    digest = hashlib.sha256()

    def add(name, item):
        if isinstance(item, h5py.Dataset):
            digest.update(name.encode() + np.ascontiguousarray(item[()]).tobytes())

    file.visititems(add)
    return digest.hexdigest()


def _stopped(reason: str, folder: str | Path) -> str:
    good = checkpoints(folder)
    last = f"The last good checkpoint is {good[-1]}." if good else "There is no checkpoint yet."
    return f"{reason} {last} Lower the learning rates and train again."


def read_rows(path: str | Path, *columns: str) -> list[tuple]:
    """Reads rows (epoch from 0, number, ...) that a callback wrote; ValueError if the file holds something else.

    Where there is no file, there are no rows.
    """
    if not Path(path).is_file():
        return []
    try:
        with open(path, newline="", encoding="utf-8", errors="replace") as file:
            return [(int(row["epoch"]), *(float(row[name]) for name in columns)) for row in csv.DictReader(file)]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a table of epoch, {', '.join(columns)}.") from error


def read_history(path: str | Path) -> dict[str, list[float]]:
    """Reads a `history.csv` as columns, `epoch` and `METRICS`, all empty where there is no file."""
    rows = read_rows(path, *METRICS)
    return {name: [row[place] for row in rows] for place, name in enumerate(("epoch", *METRICS))}


def _write_rows(path: str | Path, columns, rows) -> None:
    with files.atomic(path) as unfinished, open(unfinished, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("epoch", *columns), *rows])


class HistoryFile(keras.callbacks.Callback):
    """Writes each epoch's means to a CSV file. Keras's `CSVLogger` appends: after a resume it holds an epoch twice."""

    def __init__(self, path: str | Path, every: int = 1):
        super().__init__()
        self.path, self.every = path, every

    def on_train_begin(self, logs=None):
        self.rows = read_rows(self.path, *METRICS)

    def on_epoch_end(self, epoch, logs=None):
        self.rows = [row for row in self.rows if row[0] < epoch]
        self.rows.append((epoch, *(logs[name] for name in METRICS)))
        if _due(self, epoch):
            _write_rows(self.path, METRICS, self.rows)


class KeepBest(keras.callbacks.Callback):
    """Scores the averaged generator after some epochs, and keeps the best one: a GAN's last is often not its best.

    The least of many scores flatters: judge what was kept on other images than those that chose it.

    Args:
        folder: gets `best.keras` and `scores.csv`, with the columns epoch and score. The rows of earlier epochs stay.
        score: a function from a generator to a number, lower is better, such as `scores.kid_scorer` gives.
        every: epochs between two scores, 1 or more.
    """

    def __init__(self, folder: str | Path, score: Callable[[keras.Model], float], every: int = 1):
        super().__init__()
        if every < 1:
            raise ValueError(f"every must be 1 epoch or more, got {every!r}.")
        self.folder, self.score, self.every = Path(folder), score, every

    def on_epoch_end(self, epoch, logs=None):
        if not _due(self, epoch):
            return
        rows = [row for row in read_rows(self.folder / "scores.csv", "score") if row[0] < epoch]
        score = float(self.score(self.model.ema_generator))
        # The generator first: after a kill between the two files the epoch is scored again, to the same number.
        if not rows or score < min(row[1] for row in rows):
            models.save(self.model.ema_generator, self.folder / "best.keras")
        _write_rows(self.folder / "scores.csv", ("score",), [*rows, (epoch, score)])


class LogitGap(keras.callbacks.Callback):
    """Measures whether the discriminator knows its training images by heart: its mean logit of them and of others.

    One that judges by what images are like gives both the same. One that has seen few images many times gives those it
    knows more, and what the generator learns from it is worth less (arXiv 2006.06676, figure 1).

    Args:
        path: a CSV file with the columns epoch, training and held_out. The rows of earlier epochs stay.
        training: images it is trained on, uint8 of shape (count, height, width, channels), or `data.Labelled`, for a
            discriminator that is told classes. At most 500 are looked at.
        held_out: images it is not, the same.
        every: epochs between two measurements.
    """

    def __init__(self, path: str | Path, training, held_out, every: int = 1):
        super().__init__()
        self.path, self.every = path, every
        given = map(data.labelled, (training, held_out))
        self.training, self.held_out = (part[:: -(-len(part) // 500)] for part in given)

    def on_epoch_end(self, epoch, logs=None):
        if _due(self, epoch):
            rows = [row for row in read_rows(self.path, *GAP) if row[0] < epoch]
            _write_rows(self.path, GAP, [*rows, (epoch, *self.mean_logits())])

    def mean_logits(self) -> tuple[float, float]:
        """Computes the discriminator's mean logits of the training images and of the held-out ones."""
        return self._mean_logit(self.training), self._mean_logit(self.held_out)

    def _mean_logit(self, shown: data.Labelled) -> float:
        size, whole = 100 * self.model.pack, shown[: len(shown) // self.model.pack * self.model.pack]
        parts = [whole[start : start + size] for start in range(0, len(whole), size)]
        logits = [self.model.score(np.asarray(part.images, np.float32) / 127.5 - 1, part.labels) for part in parts]
        return float(np.concatenate(list(map(keras.ops.convert_to_numpy, logits))).mean())


class StopIfNotFinite(keras.callbacks.Callback):
    """Stops a run whose loss is infinite or not a number: FloatingPointError, from within `fit`, right after the step.

    The sentence names the last good checkpoint. Keras's `TerminateOnNaN` stops such a run as if it had ended well.
    """

    def __init__(self, checkpoint_folder: str | Path):
        super().__init__()
        self.checkpoint_folder = checkpoint_folder

    def on_train_batch_end(self, batch, logs=None):
        broken = [name for name in _LOSSES if not math.isfinite(logs[name])]
        if broken:
            reason = f"{' and '.join(broken)} stopped being finite by step {self.model.steps_taken}."
            raise FloatingPointError(_stopped(reason, self.checkpoint_folder))


class SamplePicture(keras.callbacks.Callback):
    """Draws the same latent vectors, (count, latent_dim), to one PNG file that is replaced, `columns` images a row."""

    def __init__(self, path: str | Path, latents, columns: int = 10, every: int = 1):
        super().__init__()
        self.path, self.latents, self.columns, self.every = path, latents, columns, every

    def on_epoch_end(self, epoch, logs=None):
        if _due(self, epoch):
            plots.save_grid(self.path, self.model(self.latents), columns=self.columns)


class Progress(keras.callbacks.Callback):
    """Shows one bar for the whole training, with losses and time left; Keras's own begins anew each epoch.

    Without a terminal it prints a line an epoch, about a hundred at most.
    """

    def on_train_begin(self, logs=None):
        out = sys.stdout  # None in a process without a console
        self.live = out is not None and (out.isatty() or type(out).__module__.startswith("ipykernel"))
        self.bar, self.seen = None, 0

    def on_epoch_begin(self, epoch, logs=None):
        if self.bar is None:
            total = self.params["steps"] and (self.params["epochs"] - epoch) * self.params["steps"]
            self.bar = keras.utils.Progbar(total, stateful_metrics=_LOSSES, verbose=int(self.live), interval=0.5)
        self.before = self.seen

    def on_train_batch_end(self, batch, logs=None):
        self.seen = self.before + batch + 1
        if self.live:
            losses = [(name, logs[name]) for name in _LOSSES]
            self.bar.update(self.seen, losses, finalize=self.seen == self.bar.target)

    def on_epoch_end(self, epoch, logs=None):
        epochs = self.params["epochs"]
        if not self.live and ((epoch + 1) % -(-epochs // 100) == 0 or epoch + 1 == epochs):
            numbers = "  ".join(f"{name} {value:.3f}" for name, value in (logs or {}).items())
            print(f"epoch {epoch + 1:3d}/{epochs}  {numbers}", flush=True)
