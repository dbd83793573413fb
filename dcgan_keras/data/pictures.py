"""One picture file in, one small array out: decoded safely, upright, on white, cropped at the center, resized.

A file may hold anything. Only formats that Pillow decodes by itself are tried, and only up to sizes that take less than
a gigabyte. Not here: which files are read, and what becomes of those that cannot be.
"""

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

# Pillow's formats and the endings of their files. Left out on purpose: EPS, which Pillow hands to Ghostscript; WMF and
# others that it hands to the system; PSD, FITS, DDS and more that are rare, and whose decoders are slow or had holes.
_FORMATS = {
    "PNG": (".png", ".apng"), "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), "WEBP": (".webp",), "GIF": (".gif",),
    "BMP": (".bmp",), "TIFF": (".tif", ".tiff"), "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"), "AVIF": (".avif",),
    "JPEG2000": (".jp2", ".j2k", ".jpx", ".jpc"), "QOI": (".qoi",), "ICO": (".ico",), "ICNS": (".icns",),
    "SGI": (".sgi", ".rgb", ".bw"), "DIB": (".dib",), "PCX": (".pcx",), "TGA": (".tga",),
}  # fmt: skip
_NAMED_ONLY = ("DIB", "PCX", "TGA")  # any file may begin as these do: they are tried where the name says so
_MIN_SIDE = 8  # pixels: a smaller image holds nothing to learn from
_MAX_PIXELS = 100_000_000  # a larger one is most often a mistake; decoding takes up to 8 bytes a pixel
_HUNGRY = {"TIFF": 66_000_000, "WEBP": 50_000_000, "AVIF": 50_000_000, "JPEG2000": 33_000_000}  # 12 to 25 bytes a pixel
_BAND = 1_000_000  # pixels that are converted at a time
# EXIF's orientation: what turns the picture upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip


class _PictureWarning(UserWarning):
    """A picture was read, and may not look as its owner expects."""


def endings() -> tuple[str, ...]:
    """Lists the endings of the files that are read, with the formats that this version of Pillow has."""
    Image.init()
    return tuple(ending for name, those in _FORMATS.items() if name in Image.OPEN for ending in those)


def read(
    path: str | os.PathLike, image_size: int, channels: int, *, smallest: int = _MIN_SIDE,
    resampling: Image.Resampling = Image.Resampling.LANCZOS, ground: str = "white",
) -> tuple[np.ndarray, list[str]]:  # fmt: skip
    """Reads a picture file, whatever its size and depth. Its format is what it holds, not what its name says.

    Args:
        path: of the file.
        image_size: as in `fit_image`, or 0 for the shorter side as it is.
        channels, resampling, ground: as in `fit_image`.
        smallest: pixels that both sides must have.

    Returns uint8 of shape (image_size, image_size, channels), and what its owner should know, a few words each.
    Raises Exception of any kind, where it cannot be read: `reason` puts it in words.
    """
    if not os.path.isfile(path):
        raise ValueError("a broken link, or no file")  # opening a pipe would wait for ever
    with _own_limits() as caught, Image.open(path, formats=_formats(path)) as image:
        width, height = image.size
        if min(width, height) < smallest:
            raise ValueError(f"{width}x{height} pixels, under {smallest}")
        limit = _HUNGRY.get(image.format or "", _MAX_PIXELS)
        if width * height > limit:
            raise ValueError(f"over {limit // 1_000_000} million pixels")
        image_size = image_size or min(width, height)
        # JPEG alone has this: it is decoded at a half, a quarter or an eighth, and several times as fast.
        image.draft("L" if channels == 1 else None, (2 * image_size, 2 * image_size))
        array = fit_image(image, image_size, channels, resampling, ground)
        return array, [str(each.message) for each in caught if issubclass(each.category, _PictureWarning)]


def look(path: str | os.PathLike, smallest: int = _MIN_SIDE) -> tuple[int, int, bool]:
    """Looks at a picture file, decoded as small as its format allows: width, height, and if it has colour.

    Red, green and blue must differ by more than a thirtieth of their range in the mean: scans of grey pictures differ a
    little. Args and Raises: as `read`.
    """
    small, _ = read(path, 32, 3, smallest=smallest)
    with _own_limits(), Image.open(path, formats=_formats(path)) as image:
        width, height = image.size if _orientation(image) < 5 else image.size[::-1]
    return width, height, float(np.ptp(small.astype(int), axis=2).mean()) > 255 / 30


def reason(error: Exception) -> str:
    """Says in a few words why `read` could not read a file."""
    if isinstance(error, Image.DecompressionBombError):
        return f"over {_MAX_PIXELS // 1_000_000} million pixels"
    if isinstance(error, MemoryError):
        return "needs more memory than there is"
    if isinstance(error, (SyntaxError, Image.UnidentifiedImageError)):
        return "not a readable image"
    if isinstance(error, (OSError, ValueError)):
        text = getattr(error, "strerror", None) or str(error)
        return (text.splitlines() or [type(error).__name__])[0][:100]
    return f"not a readable image: {type(error).__name__}"


def fit_image(
    image: Image.Image | np.ndarray, image_size: int, channels: int, resampling=Image.Resampling.LANCZOS,
    ground: str = "white",
) -> np.ndarray:  # fmt: skip
    """Turns any picture into a square of the wanted size: upright, on white, cropped at the center, antialiased.

    To save memory, large pictures are first averaged over blocks, band by band, to two to four times the wanted size.

    Args:
        image: a Pillow image of any mode: grey, palette, RGBA, CMYK, 16 or 32 bits, float, with EXIF rotation or not.
            Of an animation, the first frame counts. Or an array of shape (height, width, 1 or 3).
        image_size: height and width wanted, in pixels.
        channels: 1 for grey, 3 for RGB.
        resampling: how pixels are made of others. BOX takes the mean over the area that each covers, to one grey level.
        ground: the colour behind transparent parts.

    Returns uint8 of shape (image_size, image_size, channels). A warning says if the range of the picture's values was
    guessed, it holds NaN, or it is nearly black.
    """
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    image.load()
    side = min(image.size)
    block = max(1, side // (2 * image_size))
    side -= side % block
    left, top = (image.width - side) // 2, (image.height - side) // 2
    rows = block * max(1, _BAND // (side * block))

    def bands() -> Iterator[tuple[int, Image.Image]]:
        for row in range(0, side, rows):
            yield row, image.crop((left, top + row, left + side, top + min(row + rows, side)))

    deep = image.mode.startswith("I") or image.mode == "F"
    low, high = _range(image.mode, (np.asarray(band) for _, band in bands())) if deep else (0, 255)
    square = Image.new("L" if channels == 1 else "RGB", (side // block, side // block))
    for row, band in bands():
        if deep:
            band = _to_8_bits(np.asarray(band), low, high)
        if band.has_transparency_data:
            band = band.convert("RGBA")
            band = Image.alpha_composite(Image.new("RGBA", band.size, ground), band)
        band = band.convert(square.mode)
        square.paste(band.reduce(block) if block > 1 else band, (0, row // block))

    turn = _TURNS.get(_orientation(image))
    square = (square if turn is None else square.transpose(turn)).resize((image_size, image_size), resampling)
    array = np.asarray(square, np.uint8).reshape(image_size, image_size, channels)
    if array.max() < 16:
        warnings.warn("nearly black", _PictureWarning, stacklevel=2)
    return array


def _range(mode: str, arrays: Iterator[np.ndarray]) -> tuple[float, float]:
    """Finds which values of a picture of more than 8 bits are black and white: no file says so, only the values do."""
    lowest, highest, finite = np.inf, -np.inf, True
    for values in arrays:
        usable = values[np.isfinite(values)]
        finite = finite and usable.size == values.size
        if usable.size:
            lowest, highest = min(lowest, float(usable.min())), max(highest, float(usable.max()))
    if lowest > highest:
        raise ValueError("holds NaN and infinity alone")
    if not finite:
        warnings.warn("NaN or infinite values, NaN is black", _PictureWarning, stacklevel=3)
    usual, over = [(0, 255), (0, 4095), (0, 65535)], 0
    if mode == "F":
        usual, over = [(0, 1), (-1, 1), (0, 255), (0, 65535)], 25  # resizing overshoots a little
    for low, high in usual:
        slack = min(over, 0.1 * (high - low))
        if low - slack <= lowest and highest <= high + slack:
            if mode != "F" and high < 65535:
                warnings.warn(f"values of 0 to {high} in 16 or 32 bits", _PictureWarning, stacklevel=3)
            elif highest < (low + high) / 2:
                warnings.warn(f"dark, with no value over half of {high}", _PictureWarning, stacklevel=3)
            return low, high
    warnings.warn("values of no usual range, shown from their lowest to their highest", _PictureWarning, stacklevel=3)
    return lowest, highest


def _to_8_bits(values: np.ndarray, low: float, high: float) -> Image.Image:
    scaled = np.subtract(values, low, dtype=np.float32) * np.float32(255 / max(high - low, 1e-30))
    np.nan_to_num(scaled, copy=False, nan=0.0, posinf=255.0, neginf=0.0)
    return Image.fromarray(np.rint(np.clip(scaled, 0, 255, out=scaled), out=scaled).astype(np.uint8))


def _orientation(image: Image.Image) -> int:
    """Reads EXIF's orientation alone. Pillow's own `exif_transpose` writes all EXIF anew, and fails where it cannot."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # any, since anything may stand there, and the picture is fine without it
        return 1


def _formats(path: str | os.PathLike) -> list[str]:
    Image.init()
    ending = Path(path).suffix.lower()
    tried = [name for name, those in _FORMATS.items() if name not in _NAMED_ONLY or ending in those]
    return [name for name in tried if name in Image.OPEN]


@contextlib.contextmanager
def _own_limits() -> Iterator[list[warnings.WarningMessage]]:
    """Lets Pillow refuse what is over `_MAX_PIXELS`, inside icons too, and keeps its warnings, which name no file."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = _MAX_PIXELS // 2  # from here Pillow warns, and at twice as much it raises
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield caught
    finally:
        Image.MAX_IMAGE_PIXELS = before
