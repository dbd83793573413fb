"""Pictures restored by a trained generator: holes filled, noise removed, small pictures enlarged.

Each looks for latent vectors whose images, damaged in the same way, would be what is known (`latent.search`, arXiv
1703.03208). So the generator was trained for none of the three, and what it cannot draw it cannot restore. From several
random starts it finds several answers, and where they differ nothing that is known decides.

Images are uint8, or float in [-1, 1]. `restore_files` restores picture files. Not here: what is said of them (the
command line).
"""

import functools
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from dcgan_keras import files, models, plots
from dcgan_keras.applications import latent
from dcgan_keras.data import pictures, sources
from PIL import Image
from scipy import ndimage

# Ten times that of `latent.search`. On training pictures a larger one lowers the error in a hole further, but it leads
# to latent vectors that are shorter than those of the generator's training. Notebook 14 shows both.
_PRIOR = 0.01
# By so many grey levels the generator's image may differ from what is known of a picture. Of clothes on black, which it
# was trained on, it was 7 to 22, of others 67 and more.
_UNLIKE = 40
_MEANS = {"resampling": Image.Resampling.BOX}


class Restored(NamedTuple):
    """What became of n pictures."""

    images: np.ndarray  # float32 (n, height, width, channels) in [-1, 1], from the start whose loss ended lowest
    # float32 (n, height, width), 0 or more: at each pixel the unbiased standard deviation over the starts, the root of
    # its mean square over the channels. 0 where a pixel is known, and for one start.
    spread: np.ndarray
    # float32 (n,), from 0 to 2: the root of the mean square by which the generator's image, damaged in the same way,
    # differs from what is known.
    errors: np.ndarray


def inpaint(
    generator: keras.Model, images: np.ndarray, hole: np.ndarray, *, prior: float = _PRIOR, **search
) -> Restored:
    """Fills a hole. All pixels around it stay exactly as they are.

    Args:
        generator: from latent vectors to images, and not told classes.
        images: of shape (n, height, width, channels), as the generator draws them. What is in the hole does not matter.
        hole: bool of shape (height, width), True where to fill.
        prior, search: `restarts`, `steps`, `learning_rate`, `prior` and `seed`, as in `latent.search`.

    Raises ValueError if an argument does not fit, or there is no hole or nothing else.
    """
    height, width, channels = image_shape(generator)
    images = _images(images, (height, width, channels), "Pictures")
    hole = np.asarray(hole)
    if hole.shape != (height, width) or hole.dtype != bool:
        raise ValueError(f"The hole must be bool of shape {(height, width)}, got {hole.dtype} of shape {hole.shape}.")
    if hole.all() or not hole.any():
        raise ValueError(f"The hole takes {'all' if hole.all() else 'none'} of the picture: it must leave some of it.")
    measure = _around(hole.tobytes(), hole.shape)
    found = latent.search(generator, measure, measure(images).numpy(), prior=prior, **search).images
    pasted = np.where(hole[..., np.newaxis], found, images[:, np.newaxis])
    return _restored(pasted, measure(found[:, 0] - images))


def denoise(generator: keras.Model, images: np.ndarray, *, prior: float = _PRIOR, **search) -> Restored:
    """Draws the generator's image that is nearest to a noisy picture. A larger `prior` trusts the picture less.

    Args and Raises: as in `inpaint`.
    """
    images = _images(images, image_shape(generator), "Pictures")
    found = latent.search(generator, _as_it_is, images, prior=prior, **search).images
    return _restored(found, found[:, 0] - images)


def upscale(generator: keras.Model, images: np.ndarray, factor: int, *, prior: float = _PRIOR, **search) -> Restored:
    """Draws an image whose means over squares of factor x factor pixels are the pixels of a small picture.

    Args and Raises: as in `inpaint`, but `images` are of shape (n, height / factor, width / factor, channels), and
    `factor`, 2 or more, divides the generator's height and width and leaves 2 pixels or more.
    """
    images = _images(images, _small_shape(generator, factor), "Small pictures")
    measure = _means(int(factor))
    found = latent.search(generator, measure, images, prior=prior, **search).images
    return _restored(found, measure(found[:, 0]) - images)


def image_shape(generator: keras.Model) -> tuple[int, int, int]:
    """Returns height, width and channels of a generator's images.

    Raises ValueError if it is told classes, or draws from something else than latent vectors: nothing here takes such.
    """
    if models.classes(generator):
        raise ValueError("This generator is told classes: only one that is not told any restores pictures.")
    if len(generator.input_shape) != 2:
        raise ValueError("This generator draws from an image: only one that draws from latent vectors is searched.")
    return generator.output_shape[1:]


def center(size: int) -> np.ndarray:
    """Returns a hole in the middle, half as high and half as wide as a square image: bool of shape (size, size)."""
    inside = (np.arange(size) >= size // 4) & (np.arange(size) < size - size // 4)
    return inside[:, np.newaxis] & inside


def _small_shape(generator, factor: int) -> tuple[int, int, int]:
    height, width, channels = image_shape(generator)
    factors = [n for n in range(2, min(height, width) // 2 + 1) if height % n == width % n == 0]
    if factor not in factors:
        allowed = ", ".join(map(str, factors))
        raise ValueError(f"The factor must be one of {allowed}, which divide images of {height}x{width}, got {factor}.")
    return height // factor, width // factor, channels


# A search is compiled for a function, not for what it does: each of these is made once.
@functools.lru_cache(maxsize=8)
def _around(hole: bytes, shape: tuple[int, int]) -> Callable:
    """Makes the hole 0, and the rest so large that a mean of squares over all pixels is one over the known pixels."""
    known = ~np.frombuffer(hole, bool).reshape(*shape, 1)
    weights = (known / np.sqrt(known.mean())).astype(np.float32)
    return lambda images: images * tf.constant(weights)


def _as_it_is(images):
    return images


@functools.lru_cache(maxsize=8)
def _means(factor: int) -> Callable:
    return lambda images: tf.nn.avg_pool2d(images, factor, factor, "VALID")


def _restored(images: np.ndarray, wrong) -> Restored:
    """Takes the images (n, restarts, ...), the best start first, and how its measurements differ from what is known."""
    unbiased = min(1, images.shape[1] - 1)
    spread = np.sqrt(images.var(axis=1, dtype=np.float64, ddof=unbiased).mean(axis=-1))
    errors = np.sqrt(np.square(wrong).mean(axis=(1, 2, 3)))
    return Restored(images[:, 0], spread.astype(np.float32), errors.astype(np.float32))


def _images(images, shape: tuple[int, int, int], what: str) -> np.ndarray:
    """Checks images and maps them to float32 in [-1, 1]."""
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1:] != tuple(shape) or not len(images):
        raise ValueError(f"{what} must have the shape (n, {', '.join(map(str, shape))}), got {images.shape}.")
    if images.dtype == np.uint8:
        return images.astype(np.float32) / 127.5 - 1
    if images.dtype.kind != "f" or not (np.abs(images) <= 1).all():  # a nan is not within either
        raise ValueError(f"{what} must be uint8, or float in [-1, 1].")
    return images.astype(np.float32)


class Job(NamedTuple):
    """What is to be done with each picture file."""

    size: int  # in pixels, to which pictures are fitted when they are read
    reading: dict  # further options of `pictures.read`
    restore: Callable  # from uint8 images (n, size, size, channels) to `Restored`
    before: Callable  # from a uint8 image of `size` to what is shown beside the restored one
    unknown: np.ndarray  # bool (height, width) of the generator's images, True where they decide
    done: str  # in words
    mask: tuple[int, int] | None = None  # its width and height, where pictures should have the same shape
    unlike: float = _UNLIKE  # grey levels


def to_inpaint(generator: keras.Model, mask: str | Path, **search) -> Job | Callable[[Path], Job]:
    """Says how to fill a hole of picture files: where the picture file `mask` is white, "center", or "erased".

    With the last each picture has a job of its own: the hole is where it is transparent. Whatever pixel the hole
    touches is filled, and of what is larger than the generator's images those around it too, since it is resized over
    several. Raises ValueError if the mask cannot be read, or is all or nowhere white.
    """
    size = _square(generator)
    if str(mask) == "center":
        return _to_fill(generator, center(size), search)
    if str(mask) == "erased":

        def of(path: Path) -> Job:
            white, black = (pictures.read(path, 0, 1, ground=ground)[0][..., 0] for ground in ("white", "black"))
            hole = _touched(white - black > 127, size)
            if hole.all() or not hole.any():
                raise ValueError(f"{'all' if hole.all() else 'nothing'} of it is erased, which makes it transparent")
            return _to_fill(generator, hole, search)

        return of
    path = files.at_home(mask)
    try:
        width, height, _ = pictures.look(path, smallest=1)
        grey = pictures.read(path, 0, 1, smallest=1, ground="black")[0][..., 0]
    except Exception as error:  # of any kind, as a file may hold anything
        raise ValueError(f"The mask {path.absolute()}: {pictures.reason(error)}.") from error
    white = grey > 127
    if white.all():
        raise ValueError(f"The mask {mask} is all white: white is the hole.")
    if not white.any():
        raise ValueError(f"The mask {mask} is nowhere white, at most {grey.max()} of 255: white is the hole.")
    return _to_fill(generator, _touched(white, size), search)._replace(mask=(width, height))


def _touched(places: np.ndarray, size: int) -> np.ndarray:
    """Finds which of size x size pixels any of the places, bool (side, side), touches; see `to_inpaint`."""
    edges = np.arange(size + 1) * len(places)
    start, end = edges[:-1] // size, -(-edges[1:] // size)
    sums = np.pad(places.cumsum(axis=0, dtype=np.int32).cumsum(axis=1), ((1, 0), (1, 0)))
    hole = sums[end][:, end] - sums[start][:, end] - sums[end][:, start] + sums[start][:, start] > 0
    return ndimage.binary_dilation(hole, np.ones((3, 3))) if len(places) > size else hole


def _to_fill(generator, hole: np.ndarray, search: dict) -> Job:
    def grey_in_the_hole(image):
        return np.where(hole[..., np.newaxis], np.uint8(128), image)

    restore = functools.partial(inpaint, generator, hole=hole, **search)
    return Job(len(hole), {}, restore, grey_in_the_hole, hole, f"{hole.sum()} of {hole.size} pixels filled")


def to_denoise(generator: keras.Model, **search) -> Job:
    """Says how to remove noise from picture files. Args: as in `denoise`."""
    size = _square(generator)
    restore = functools.partial(denoise, generator, **search)
    # What is known is the noise too: how far it is from the generator's image says nothing of the picture.
    return Job(size, {}, restore, _as_it_is, np.ones((size, size), bool), "noise removed", unlike=np.inf)


def to_upscale(generator: keras.Model, factor: int, **search) -> Job:
    """Says how to enlarge picture files; larger ones are first reduced. Args and Raises: as in `upscale`."""
    size, small = _square(generator), _small_shape(generator, factor)[0]

    def enlarged(image):
        return image.repeat(factor, axis=0).repeat(factor, axis=1)

    restore = functools.partial(upscale, generator, factor=factor, **search)
    done = f"{small}x{small} enlarged to {size}x{size}"
    return Job(small, {"smallest": small, **_MEANS}, restore, enlarged, np.ones((size, size), bool), done)


def _square(generator) -> int:
    height, width, channels = image_shape(generator)
    if height != width or channels not in (1, 3):
        raise ValueError(f"Pictures are fitted to squares, grey or colour; it draws {height}x{width}x{channels}.")
    return height


class _Report(NamedTuple):
    """What became of one path."""

    path: Path  # the picture file, or the folder that could not be read
    failed: str = ""  # why nothing was written, empty where it was
    done: str = ""  # what was done, in words
    error: float = 0.0  # of the restored image: as in `Restored`, in grey levels of 0 to 255
    spread: float = 0.0  # between the starts, the root of its mean square over the unknown pixels, in grey levels
    remarks: Sequence[str] = ()  # what its owner should know, a few words each
    written: Path | None = None  # the row of pictures


def restore_files(
    job: Job | Callable[[Path], Job], channels: int, paths: Sequence[Path], out: Path
) -> Iterator[_Report]:
    """Restores picture files, and those of folders, one after the other. What cannot be read does not end the rest.

    The job is one for all, or made for each path.

    For each it writes NAME.png, a row of before, after and where the starts differ (black where `spread` is 0, white
    where it is 0.5 or more, a quarter of the range), and NAME_restored.png, into the folder `out`. There is a report on
    each picture, and on each folder that holds none. Raises ValueError if the results would go where the pictures are,
    and OSError if they cannot be written.
    """
    found, failed = _pictures(paths, out)
    yield from failed
    for path, name in found:
        try:
            this = job if isinstance(job, Job) else job(path)
            image, remarks = pictures.read(path, this.size, channels, **this.reading)
            remarks += _changed(path, this, channels)
        except Exception as error:  # of any kind: one picture must not cost the others
            yield _Report(path, pictures.reason(error))
            continue
        (after,), (spread,), (wrong,) = this.restore(image[np.newaxis])
        apart = np.repeat(4 * spread[..., np.newaxis] - 1, channels, axis=-1)
        row = np.stack([this.before(image), *map(plots.to_uint8, (after, apart))])
        plots.save_grid(out / f"{name}.png", row, columns=3, scale=max(1, 180 // len(after)))
        plots.save_image(out / f"{name}_restored.png", after)
        between = np.sqrt(np.mean(np.square(spread[this.unknown])))
        if 127.5 * wrong > this.unlike:
            remarks.append("the generator cannot draw such a picture: it learned from others")
        yield _Report(path, "", this.done, 127.5 * wrong, 127.5 * between, remarks, out / f"{name}.png")


def _changed(path: Path, job: Job, channels: int) -> list[str]:
    """Says what becomes of a picture before it is restored, a few words each."""
    width, height, colour = pictures.look(path, smallest=1)
    side = min(width, height)
    said = [f"cropped to {side}x{side}"] * (width != height)
    said += [f"resized to {job.size}x{job.size}"] * (side != job.size)
    said += ["made grey"] * (colour and channels == 1)
    if job.mask and abs(width * job.mask[1] - height * job.mask[0]) > 0.02 * width * job.mask[1]:
        said.append(f"of {width}x{height} pixels, where the mask has {job.mask[0]}x{job.mask[1]}: the hole may be off")
    return said


def _pictures(paths: Sequence[Path], out: Path) -> tuple[list[tuple[Path, str]], list[_Report]]:
    """Lists pictures, each with a name of its own for what is made of it, and what cannot be opened."""
    found, failed, target = [], [], out.resolve()
    for path in paths:
        if target in (path.resolve(), path.resolve().parent):
            raise ValueError(f"--out {out} is where the pictures are: name another folder, so that none is lost.")
        if not path.is_dir():
            found.append((path, path.stem))
            continue
        inside, others, closed = sources.find_pictures(path)
        inside = [each for each in inside if target not in each.resolve().parents]
        if others:
            warnings.warn(f"Not read in {path}: {others}.", stacklevel=3)
        failed += [_Report(path, reason) for reason in [*closed, *["no picture in it"] * (not inside)]]
        found += [(each, "-".join(each.relative_to(path).with_suffix("").parts)) for each in inside]
    taken: set[str] = set()
    for place, (path, name) in enumerate(found):
        first = name = name[:50]  # a name in any script stays within 255 bytes
        number = 1
        while not taken.isdisjoint(both := {name.casefold(), f"{name}_restored".casefold()}):
            number += 1
            name = f"{first}-{number}"
        taken |= both
        found[place] = path, name
    return found, failed
