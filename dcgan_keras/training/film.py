"""The film of a training: which moments are kept, and the moving picture that is made of them.

Kept are the averaged generator's weights rather than pictures: the film can be made again with other images and sizes.
Not here: runs. A folder of snapshots and a generator are enough.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from dcgan_keras import files, models, plots
from dcgan_keras.training import callbacks
from PIL import Image

_SEED = 20151119  # of the latent vectors drawn in every picture: the day the paper appeared
_ROWS, _COLUMNS = 6, 10  # of the pictures and the film of a run
_SECONDS, _MAX_BYTES = 10.0, 5_000_000  # of a film that nobody wants otherwise
_SUFFIXES = (".gif", ".webp", ".mp4")
_LONGEST = 655_350  # milliseconds: hundredths of a second, in 16 bits
_REST = 2.0  # seconds that a film stays on its last frame


def steps(total_steps: int, frames: int) -> list[int]:
    """Spaces the frames of a film over a training of so many steps: dense at the start, where pictures change fast.

    Returns increasing step numbers, the first 0 and the last `total_steps`, fewer than `frames` in a short training.
    """
    places = np.linspace(0, 1, max(2, frames)) ** 2
    return [int(step) for step in np.unique(np.rint(places * total_steps))]


def latents(latent_dim: int, count: int = _ROWS * _COLUMNS, seed: int = _SEED) -> tf.Tensor:
    """Draws the latent vectors of the pictures, the same for every run: float32 of shape (count, latent_dim)."""
    return tf.random.stateless_normal([count, latent_dim], seed=[seed, 0], alg="philox")


def grid(
    generator: keras.Model, rows: int = _ROWS, columns: int | None = None, seed: int = _SEED
) -> tuple[tf.Tensor, int]:
    """Chooses a picture's latent vectors, `latents`, and its columns: ten, or as many as let a class keep its own."""
    told = models.classes(generator)
    columns = columns or (_COLUMNS - _COLUMNS % told if 0 < told <= _COLUMNS else _COLUMNS)
    return latents(models.latent_dim(generator), rows * columns, seed), columns


class Film(keras.callbacks.Callback):
    """Saves the averaged generator's weights in a folder at given steps, as `step-0000123.weights.h5`.

    The steps are such as `steps` gives. Step 0 is the untrained generator.
    """

    def __init__(self, folder: str | Path, steps: Sequence[int]):
        super().__init__()
        self.folder, self.steps = Path(folder), sorted(steps)

    def on_train_begin(self, logs=None):
        self.done = self.model.steps_taken - 1
        self.on_train_batch_end(None)

    def on_train_batch_end(self, batch, logs=None):
        step = self.model.steps_taken
        # A range, because several steps may have run in one call.
        if any(self.done < wanted <= step for wanted in self.steps):
            generator = self.model.ema_generator
            with files.atomic(self.folder / f"step-{step:07d}.weights.h5", callbacks.bytes_of(generator)) as unfinished:
                generator.save_weights(unfinished)
        self.done = step


def snapshots(folder: str | Path) -> list[tuple[int, Path]]:
    """Lists what `Film` saved in a folder as pairs of step and path, in the order of the steps."""
    found = Path(folder).glob("step-*.weights.h5")
    return sorted((int(path.name.split("-")[1].split(".")[0]), path) for path in found)


def make(
    folder: str | Path, generator: keras.Model, path: str | Path, *, rows: int = _ROWS, columns: int | None = None,
    scale: int | None = None, seconds: float = _SECONDS, seed: int = _SEED, max_bytes: int = _MAX_BYTES,
) -> str:  # fmt: skip
    """Makes the film of a folder of snapshots, without training.

    To stay within `max_bytes` it draws fewer rows, at most down to half of them. What is still too large loses shades,
    then frames.

    Args:
        folder: what a `Film` filled.
        generator: a generator of the same shape. Its weights are replaced.
        path, seconds, max_bytes: as in `save`.
        rows, columns: of images in a frame. None: as many columns as `grid` takes.
        scale: enlargement, a whole number. None chooses one that makes a picture about 560 pixels wide.
        seed: of the latent vectors drawn.

    Returns what was left out for its size, in words, empty for nothing. Raises FileNotFoundError if there are no
    snapshots, ValueError if one does not fit, the ending is another, or the film cannot be made that small.
    """
    _check_suffix(path)
    kept = snapshots(folder)
    if not kept:
        raise FileNotFoundError(f"{folder} has no snapshots to make a film from: train first.")
    if rows < 1 or columns is not None and columns < 1:
        raise ValueError(f"rows and columns must be 1 or more, got {rows} and {columns}.")
    vectors, columns = grid(generator, rows, columns, seed)
    drawn = []
    for step, snapshot in kept:
        try:
            generator.load_weights(snapshot)
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"Snapshot {snapshot} cannot be read: {str(error).splitlines()[0]}") from error
        drawn.append((step, plots.to_uint8(models.draw(generator, vectors))))
    scale = scale or max(1, 560 // (columns * drawn[0][1].shape[2]))
    for shown in range(rows, (rows + 1) // 2 - 1, -1):
        grids = [plots.image_grid(images[: shown * columns], columns=columns, scale=scale) for _, images in drawn]
        frames = [plots.with_caption(grid, f"step {step:,}") for grid, (step, _) in zip(grids, drawn)]
        if _written(path, frames, seconds, max_bytes):
            count = len(frames)
            break
    else:
        count = save(path, frames, seconds=seconds, max_bytes=max_bytes)
    cut = [f"{shown} of {rows} rows"] * (shown < rows) + [f"{count} of {len(kept)} frames"] * (count < len(kept))
    return f"to stay within {max_bytes:,} bytes it shows {' and '.join(cut)}" if cut else ""


def save(
    path: str | Path, frames: Sequence[np.ndarray], *, seconds: float = _SECONDS, max_bytes: int = _MAX_BYTES
) -> int:
    """Writes an endless film that rests two seconds on its last frame, and returns the number of frames written.

    To stay within `max_bytes` it first uses fewer shades, then drops every second frame, the last one kept. A single
    frame is a still picture.

    Args:
        path: the file to write, `.gif`, `.webp` or `.mp4`. The last needs imageio's ffmpeg plugin.
        frames: pictures of one size, uint8 of shape (height, width) or (height, width, 3).
        seconds: how long one round takes, without the rest on the last frame.
        max_bytes: of the file.

    Raises ValueError if there is no frame, the ending is another, or the smallest version is larger than `max_bytes`.
    """
    _check_suffix(path)
    frames = list(frames)
    if not frames:
        raise ValueError("A film needs at least one frame.")
    while True:
        for shades in (256, 64, 16):
            if _written(path, frames, seconds, max_bytes, shades):
                return len(frames)
        if len(frames) <= 2:
            raise ValueError(f"{path} cannot be made in {max_bytes:,} bytes: use fewer images or a smaller scale.")
        frames = frames[::-2][::-1]


def _written(path, frames: list[np.ndarray], seconds: float, max_bytes: int, shades: int = 256) -> bool:
    """Writes a film if it is small enough, and says whether it was."""
    content = _encode(frames, path, seconds, shades)
    if len(content) > max_bytes:
        return False
    with files.atomic(path) as unfinished:
        unfinished.write_bytes(content)
    return True


def _check_suffix(path) -> None:
    if Path(path).suffix.lower() not in _SUFFIXES:
        raise ValueError(f"A film is written to a file that ends in {', '.join(_SUFFIXES)}, got {path}.")


def _encode(frames: list[np.ndarray], path: str | Path, seconds: float, shades: int) -> bytes:
    suffix, pause = Path(path).suffix.lower(), max(20, round(1000 * seconds / len(frames)))
    if suffix == ".gif" and pause > _LONGEST:
        raise ValueError(
            f"A frame of a .gif stays for 655 seconds at most, {pause / 1000:.0f} are asked: fewer seconds."
        )
    if suffix == ".mp4":
        return _encode_mp4(frames, 1000 / pause)
    shown = _fewer_colours(frames, shades) if suffix == ".gif" or shades < 256 else frames
    options: dict = {"lossless": True}  # of no meaning to a .gif
    if len(frames) > 1:
        options |= {"loop": 0, "duration": [pause] * (len(frames) - 1) + [round(1000 * _REST)]}
    content, (first, *others) = io.BytesIO(), map(Image.fromarray, shown)
    first.save(content, format=suffix[1:], save_all=True, append_images=others, **options)
    return content.getvalue()


def _fewer_colours(frames: list[np.ndarray], shades: int) -> list[np.ndarray]:
    """Rounds grey to equal steps, and colours to one palette of all frames, so that no colour flickers."""
    if frames[0].ndim == 2:
        step = 255 / (shades - 1)
        return [np.rint(np.rint(frame / step) * step).astype(np.uint8) for frame in frames]
    sample = np.concatenate([frame[::4, ::4].reshape(-1, 3) for frame in frames])[np.newaxis]
    palette = Image.fromarray(sample).quantize(shades, method=Image.Quantize.MEDIANCUT)
    options: dict = {"palette": palette, "dither": Image.Dither.NONE}
    return [np.asarray(Image.fromarray(frame).quantize(**options).convert("RGB")) for frame in frames]


def _encode_mp4(frames: list[np.ndarray], rate: float) -> bytes:
    try:
        import imageio.v3 as imageio
        import imageio_ffmpeg  # noqa: F401  (the extra)
    except ImportError as error:
        raise ValueError('An .mp4 needs a plugin: pip install "imageio[ffmpeg]". A .gif needs none.') from error
    height, width = (side + side % 2 for side in frames[0].shape[:2])  # the codec wants even sides
    padded = np.full((len(frames), height, width, 3), 255, np.uint8)
    for place, frame in zip(padded, frames):
        place[: frame.shape[0], : frame.shape[1]] = frame[..., np.newaxis] if frame.ndim == 2 else frame
    padded = np.concatenate([padded, np.repeat(padded[-1:], round(_REST * rate), axis=0)])
    return imageio.imwrite("<bytes>", padded, extension=".mp4", plugin="FFMPEG", fps=rate, macro_block_size=2)
