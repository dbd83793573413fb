import io
import os
import struct
import subprocess
import sys
import warnings
import zlib

import numpy as np
import PIL
import pytest
from conftest import ROOT
from dcgan_keras.data import pictures
from PIL import Image


def gradient(width, height):
    return np.tile(np.linspace(0, 255, width).astype(np.uint8), (height, 1))


def shown(path, image_size=32, channels=3, remarks=()):
    """What is read from a file, as int, having said nothing but the remarks."""
    image, said = pictures.read(path, image_size, channels)
    assert image.shape == (image_size, image_size, channels) and image.dtype == np.uint8
    assert said == list(remarks)
    return image.astype(int)


# Formats


def save_as(path):
    """Writes a gradient from black to white, 64x64, in the format that the ending says."""
    pixels, ending = gradient(64, 64), path.suffix
    if ending == ".pfm":
        path.write_bytes(b"Pf\n64 64\n-1.0\n" + (pixels[::-1] / 255).astype("<f4").tobytes())
    elif ending == ".qoi":
        dots = b"".join(b"\xfe" + bytes([value] * 3) for value in pixels.ravel())
        path.write_bytes(b"qoif" + struct.pack(">IIBB", 64, 64, 3, 0) + dots + bytes(7) + b"\x01")
    elif ending == ".pbm":
        Image.fromarray(pixels).convert("1").save(path)
    else:
        name = next(name for name, those in pictures._FORMATS.items() if ending in those)
        mode = "RGBA" if name == "ICNS" else "RGB"
        Image.fromarray(pixels).convert(mode).save(path, format="MPO" if ending == ".mpo" else name)


@pytest.mark.parametrize("ending", sorted(ending for those in pictures._FORMATS.values() for ending in those))
def test_formats(tmp_path, ending):
    if ending not in pictures.endings() or (ending == ".pfm" and PIL.__version__ < "10.3"):
        pytest.skip("not in this version of Pillow")
    path = tmp_path / f"a{ending}"
    save_as(path)
    image = shown(path.rename(tmp_path / f"a{ending.upper()}"))
    if ending == ".pbm":  # black and white dots
        assert image[:, :6].mean() < 40 < 215 < image[:, -6:].mean()
        return
    expected = np.asarray(Image.fromarray(gradient(64, 64)).resize((32, 32), Image.Resampling.LANCZOS))
    assert np.abs(image[..., 0] - expected).max() <= 8
    assert np.abs(image - image[..., :1]).max() <= 2


def test_the_content_says_the_format_not_the_name(tmp_path):
    Image.fromarray(gradient(64, 64)).save(tmp_path / "a.png", format="JPEG")
    assert shown(tmp_path / "a.png")[:, -1].min() > 240


def test_no_file_reaches_another_program(tmp_path, monkeypatch):
    """Ghostscript draws EPS: a file that is one is not handed to it, whatever its name."""
    from PIL import EpsImagePlugin

    Image.init()
    buffer = io.BytesIO()
    Image.new("RGB", (40, 40)).save(buffer, format="EPS")
    with Image.open(io.BytesIO(buffer.getvalue())) as image:
        assert image.format == "EPS"  # Pillow would, if it were let
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_, **__: pytest.fail("Ghostscript was called"))
    for name in ("cat.png", "cat.tga", "cat.eps"):
        (tmp_path / name).write_bytes(buffer.getvalue())
        with pytest.raises(Image.UnidentifiedImageError):
            pictures.read(tmp_path / name, 32, 3)
    assert not {".eps", ".ps", ".wmf", ".emf", ".pdf"} & set(pictures.endings())


def test_a_format_that_any_file_may_look_like_needs_its_ending(tmp_path):
    save_as(tmp_path / "a.tga")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.tga").read_bytes())
    with pytest.raises(Image.UnidentifiedImageError):
        pictures.read(tmp_path / "a.jpg", 32, 3)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names on this system")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(ValueError, match="no file"):
        pictures.read(tmp_path / "a.png", 32, 3)


def test_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("L", (40, 40), value) for value in (50, 250)]
    for name in ("a.gif", "a.png", "a.tiff"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        assert np.all(shown(tmp_path / name) == 50)


# Colours


def test_grey_from_colour_and_colour_from_grey(tmp_path):
    Image.new("RGB", (40, 40), (255, 0, 0)).save(tmp_path / "a.png")
    assert shown(tmp_path / "a.png", channels=1).mean() == pytest.approx(76, abs=1)  # ITU-R 601: 0.299 * 255
    Image.new("RGB", (400, 400), (255, 0, 0)).save(tmp_path / "a.jpg", quality=95)
    assert shown(tmp_path / "a.jpg", channels=1).mean() == pytest.approx(76, abs=1)
    Image.new("L", (40, 40), 77).save(tmp_path / "a.png")
    assert np.all(shown(tmp_path / "a.png") == 77)


def test_palette(tmp_path):
    Image.new("RGB", (40, 40), (10, 200, 30)).quantize(4).save(tmp_path / "a.png")
    assert np.all(np.abs(shown(tmp_path / "a.png") - (10, 200, 30)) <= 1)


@pytest.mark.parametrize("side", [40, 400])
def test_transparent_pixels_become_white(tmp_path, side):
    half = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    half.paste((0, 0, 255, 255), (0, 0, side // 2, side))
    for name in ("a.png", "a.webp", "a.tif"):
        half.save(tmp_path / name, lossless=True)
        image = shown(tmp_path / name)
        assert image[16, 4].tolist() == [0, 0, 255] and image[16, 28].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["P", "L", "1"])
def test_a_transparent_colour_becomes_white(tmp_path, mode):
    Image.new(mode, (40, 40), 0).save(tmp_path / "a.png", transparency=0)
    assert np.all(shown(tmp_path / "a.png") == 255)


def test_cmyk(tmp_path):
    Image.new("CMYK", (40, 40), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    red, green, blue = shown(tmp_path / "a.jpg")[16, 16]
    assert red > 200 and green < 60 and blue < 60


# More than 8 bits


def deep(path, values, kind):
    """Saves values that grow from left to right, one row 64 times."""
    rows = np.tile(np.asarray(values, kind), (64, 1))
    if path.suffix == ".pgm":  # not every version of Pillow writes it
        path.write_bytes(b"P5\n64 64\n65535\n" + rows.astype(">u2").tobytes())
    else:
        Image.fromarray(rows).save(path)


LINE = np.linspace(0, 1, 64)
BITS_8, BITS_12 = (f"values of 0 to {top} in 16 or 32 bits" for top in (255, 4095))
NAN = "NaN or infinite values, NaN is black"
STRETCHED = "values of no usual range, shown from their lowest to their highest"


@pytest.mark.parametrize(
    ("name", "kind", "values", "remarks"),
    [
        ("a.png", np.uint16, LINE * 65535, []),
        ("a.png", np.uint16, LINE * 4095, [BITS_12]),
        ("a.png", np.uint16, LINE * 255, [BITS_8]),
        ("a.tif", np.uint16, LINE * 65535, []),
        ("a.tif", ">u2", LINE * 65535, []),
        ("a.pgm", np.uint16, LINE * 65535, []),
        ("a.tif", np.int32, LINE * 65535, []),
        ("a.tif", np.int32, LINE * 255, [BITS_8]),
        ("a.tif", np.int32, LINE * 4000 - 1000, [STRETCHED]),
        ("a.tif", np.int32, LINE * 2_000_000_000, [STRETCHED]),
        ("a.tif", np.float32, LINE, []),
        ("a.tif", np.float32, LINE * 1.08 - 0.04, []),  # a little over: resizing does that
        ("a.tif", np.float32, LINE * 2 - 1, []),
        ("a.tif", np.float32, LINE * 255, []),
        ("a.tif", np.float32, LINE * 65535, []),
        ("a.tif", np.float32, LINE * 3000 - 1000, [STRETCHED]),
    ],
)
def test_depths(tmp_path, name, kind, values, remarks):
    deep(tmp_path / name, values, kind)
    expected = np.asarray(Image.fromarray(gradient(64, 64)).resize((32, 32), Image.Resampling.LANCZOS))
    for channels in (1, 3):
        image = shown(tmp_path / name, channels=channels, remarks=remarks)
        assert np.abs(image[..., 0] - expected).max() <= 12


def test_16_bit_grey_keeps_its_middle(tmp_path):
    deep(tmp_path / "a.png", np.full(64, 32768), np.uint16)
    assert np.all(np.abs(shown(tmp_path / "a.png") - 128) <= 1)


def test_nan_is_black_and_infinity_white(tmp_path):
    values = LINE.copy()
    values[:16], values[48:56], values[56:] = np.nan, np.inf, -np.inf
    deep(tmp_path / "a.tif", values, np.float32)
    row = shown(tmp_path / "a.tif", image_size=64, remarks=[NAN])[32, :, 0]
    assert row[:16].tolist() == [0] * 16 and row[48:56].tolist() == [255] * 8 and row[56:].tolist() == [0] * 8
    np.testing.assert_allclose(row[16:48], 255 * LINE[16:48], atol=1)


def test_nothing_but_nan_is_an_error(tmp_path):
    deep(tmp_path / "a.tif", np.full(64, np.nan), np.float32)
    with pytest.raises(ValueError, match="NaN and infinity alone"):
        pictures.read(tmp_path / "a.tif", 32, 3)


def test_labels_in_8_bits_are_said_to_be_nearly_black(tmp_path):
    Image.fromarray(np.tile(np.arange(8, dtype=np.uint8), (40, 5))).save(tmp_path / "a.png")
    shown(tmp_path / "a.png", remarks=["nearly black"])


def test_a_picture_in_memory_warns_by_itself():
    with pytest.warns(pictures._PictureWarning, match="0 to 4095"):
        pictures.fit_image(Image.fromarray(np.full((20, 20), 3000, np.uint16)), 8, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pictures.fit_image(Image.fromarray(np.full((20, 20), 40000, np.uint16)), 8, 1)


# Orientation


def exif(orientation, *more):
    """EXIF by hand, big-endian, one directory: each tag is (number, type, count, 4 bytes), and data after them."""
    tags = [(0x0112, 3, 1, struct.pack(">HH", orientation, 0)), *more]
    body = b"".join(struct.pack(">HHI", *tag[:3]) + tag[3] for tag in sorted(tags))
    return b"Exif\0\0MM\0\x2a\0\0\0\x08" + struct.pack(">H", len(tags)) + body + bytes(4)


NEGATIVE = struct.pack(">ii", -72, 1)


def resolution_of_minus_72():
    """The same with tag 282 as a signed rational that is negative, which Pillow reads and cannot write."""
    offset = 8 + 2 + 2 * 12 + 4
    return exif(6, (282, 10, 1, struct.pack(">I", offset))) + NEGATIVE


def turned(path, content=None, **options):
    """Saves a gradient that grows to the right, to be shown turned to the right: its dark side goes on top."""
    Image.fromarray(gradient(64, 64)).save(path, exif=exif(6) if content is None else content, **options)
    image = shown(path, channels=1)[..., 0]
    return bool(image[2, 16] < 40 and image[29, 16] > 200)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.mpo"])
def test_orientation_is_applied_once(tmp_path, name):
    assert turned(tmp_path / name)


@pytest.mark.parametrize("size", [(64, 64), (90, 64), (64, 90), (300, 200)])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations(tmp_path, orientation, size):
    """The same as a picture that was turned by hand."""
    spots = np.random.default_rng(1).integers(0, 256, (8, 8), dtype=np.uint8)
    image = Image.fromarray(spots).resize(size, Image.Resampling.BICUBIC)
    image.save(tmp_path / "a.png", exif=exif(orientation))
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)
    upright = image if turn is None else image.transpose(turn)
    np.testing.assert_array_equal(shown(tmp_path / "a.png", 16, 1), pictures.fit_image(upright, 16, 1))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
def test_exif_that_cannot_be_written_back_does_not_cost_the_picture(tmp_path, name):
    assert turned(tmp_path / name, resolution_of_minus_72())


def test_a_tiff_with_such_a_resolution_is_turned_too(tmp_path):
    path = tmp_path / "a.tif"
    Image.fromarray(gradient(64, 64)).save(path, tiffinfo={274: 6}, dpi=(72, 72))
    content = path.read_bytes()
    place = content.index(struct.pack("<HHI", 282, 5, 1))
    (offset,) = struct.unpack_from("<I", content, place + 8)
    content = content[: place + 2] + struct.pack("<H", 10) + content[place + 4 :]
    path.write_bytes(content[:offset] + struct.pack("<ii", -72, 1) + content[offset + 8 :])
    image = shown(path, channels=1)[..., 0]
    assert image[2, 16] < 40 < 200 < image[29, 16]


def test_damaged_exif_does_not_cost_the_picture(tmp_path):
    whole = resolution_of_minus_72()
    rng = np.random.default_rng(0)
    for case in range(200):
        content = bytearray(whole)
        for place in rng.integers(6, len(whole), rng.integers(1, 8)):
            content[place] = rng.integers(256)
        if case % 3 == 0:
            del content[rng.integers(6, len(whole)) :]
        turned(tmp_path / "a.jpg", bytes(content))


# Sizes


def test_center_crop_keeps_proportions(tmp_path):
    for factor in (1, 10):
        wide = np.zeros((40 * factor, 120 * factor), np.uint8)
        wide[:, 40 * factor : 80 * factor] = 255
        for name, picture in (("a.png", wide), ("b.png", wide.T)):
            Image.fromarray(picture).save(tmp_path / name)
            assert shown(tmp_path / name)[3:-3, 3:-3].min() > 240


def test_a_line_of_pixels_is_cropped_before_anything_else(tmp_path):
    Image.new("RGBA", (20, 100_000), (9, 99, 199, 255)).save(tmp_path / "a.png")
    assert np.all(shown(tmp_path / "a.png") == (9, 99, 199))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA", "I;16"])
@pytest.mark.parametrize("side", [37, 64, 200, 403, 2_100])
def test_sizes_between(tmp_path, monkeypatch, mode, side):
    """Blocks and bands leave no seam, no shift and no dark border: a disc stays one, in the middle."""
    monkeypatch.setattr(pictures, "_BAND", 5_000)
    x = np.arange(side) - (side - 1) / 2
    disc = (np.hypot(x, x[:, None]) < 0.35 * side) * 255
    image = Image.fromarray(disc.astype(np.uint8))
    image = Image.fromarray((disc * 257).astype(np.uint16)) if mode == "I;16" else image.convert(mode)
    small = pictures.fit_image(image, 32, 1)[..., 0].astype(float)
    x = np.arange(32) - 15.5
    distance = np.hypot(x, x[:, None]) - 0.35 * 32
    assert small[distance < -1.5].min() > 225 and small[distance > 1.5].max() < 30
    places = (small * x).sum() / small.sum(), (small * x[:, None]).sum() / small.sum()
    assert np.abs(places).max() <= 0.5 * 32 / side + 0.02  # half a pixel of the picture at most


def test_downscaling_is_antialiased(tmp_path):
    checkers = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    Image.fromarray(checkers).save(tmp_path / "a.png")
    assert np.all(np.abs(shown(tmp_path / "a.png")[4:-4, 4:-4] - 127) <= 3)


@pytest.mark.parametrize("channels", [1, 3])
def test_large_jpegs_are_decoded_at_reduced_size_without_visible_harm(tmp_path, monkeypatch, channels):
    rng = np.random.default_rng(2)
    spots = Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)).resize(
        (1600, 1200), Image.Resampling.BICUBIC
    )
    spots.save(tmp_path / "a.jpg", quality=90)
    decoded = []
    whole = pictures.fit_image
    monkeypatch.setattr(pictures, "fit_image", lambda image, *rest: decoded.append(image.size) or whole(image, *rest))
    reduced = shown(tmp_path / "a.jpg", 64, channels)
    assert decoded == [(200, 150)]  # an eighth, and at least twice 64
    shown(tmp_path / "a.jpg", 80, channels)
    assert decoded[1:] == [(400, 300)]
    full = Image.open(tmp_path / "a.jpg").crop((200, 0, 1400, 1200)).resize((64, 64), Image.Resampling.LANCZOS)
    full = np.asarray(full.convert("L") if channels == 1 else full, int).reshape(reduced.shape)
    assert np.abs(reduced - full).mean() < 2 and np.abs(reduced - full).max() < 25


def png(width, height, kind=(8, 0), pixels=b""):
    """A PNG file by hand: its size, (bits, colour type) and raw rows, which may be none."""
    head = struct.pack(">IIBBBBB", width, height, *kind, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in ((b"IHDR", head), (b"IDAT", zlib.compress(pixels)), (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


def icon(content):
    """An ICO file that says it is of 16x16 pixels and holds any PNG."""
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(content), 22) + content


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("large.png", png(12_000, 12_000)),
        ("huge.png", png(30_000, 30_000)),
        ("icon.ico", icon(png(12_000, 12_000))),
        ("icon.png", icon(png(30_000, 30_000))),
    ],
)
def test_too_many_pixels_are_refused_unseen(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    limit = Image.MAX_IMAGE_PIXELS
    with pytest.raises((ValueError, Image.DecompressionBombError)) as caught:
        pictures.read(tmp_path / name, 32, 3)
    assert pictures.reason(caught.value) == "over 100 million pixels"
    assert limit == Image.MAX_IMAGE_PIXELS


def test_formats_that_take_more_memory_have_lower_limits(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "_HUNGRY", {name: 1_000_000 for name in pictures._HUNGRY})
    picture = Image.new("RGB", (1001, 1000), "red")
    for name in ("a.webp", "a.tif", "a.jp2"):
        picture.save(tmp_path / name)
        with pytest.raises(ValueError, match="over 1 million pixels"):
            pictures.read(tmp_path / name, 32, 3)
    picture.save(tmp_path / "a.png")
    shown(tmp_path / "a.png")


MEMORY = """
import sys, zlib, struct, warnings
sys.path.insert(0, sys.argv[1])
import pictures
def used(name):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
pictures.read(sys.argv[2], 64, 3)
for path in sys.argv[3:]:
    open("/proc/self/clear_refs", "w").write("5")
    before = used("VmRSS")
    pictures.read(path, 64, 3)
    print((used("VmHWM") - before) / 10e6)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="reads Linux's own account of memory")
def test_memory_of_large_pictures(tmp_path):
    """Pictures of 10 million pixels, some kilobytes long: at most 8 bytes a pixel, and 100 million are the limit."""
    Image.new("RGB", (64, 64), "red").save(tmp_path / "first.png")
    width, height = 4000, 2500
    for name, kind, size in (("grey16", (16, 0), 2), ("rgba", (8, 6), 4), ("rgba16", (16, 6), 8), ("grey", (8, 0), 1)):
        (tmp_path / f"{name}.png").write_bytes(png(width, height, kind, bytes(height * (1 + width * size))))
    picture = Image.new("RGB", (width, height), "red")
    picture.quantize(4).save(tmp_path / "palette.png", transparency=0)
    picture.save(tmp_path / "progressive.jpg", progressive=True, subsampling=0)
    picture.save(tmp_path / "a.jpg")
    Image.new("F", (width, height), 0.5).save(tmp_path / "float.tif", compression="tiff_lzw")
    Image.new("CMYK", (width, height)).save(tmp_path / "cmyk.jpg")
    paths = sorted(path for path in tmp_path.iterdir() if path.name != "first.png")
    command = [sys.executable, "-c", MEMORY, ROOT / "dcgan_keras" / "data", tmp_path / "first.png", *paths]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    bytes_a_pixel = dict(zip([path.name for path in paths], map(float, result.stdout.split())))
    assert max(bytes_a_pixel.values()) < 8, bytes_a_pixel
    assert bytes_a_pixel["a.jpg"] < 1 and bytes_a_pixel["grey16.png"] < 5 and bytes_a_pixel["rgba.png"] < 6


# Errors


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied", "/secret/path"), "Permission denied"),
        (OSError("image file is truncated (3 bytes not processed)"), "image file is truncated (3 bytes not processed)"),
        (ValueError("first line\nsecond line"), "first line"),
        (ValueError(), "ValueError"),
        (Image.UnidentifiedImageError("cannot identify image file '/secret/path'"), "not a readable image"),
        (SyntaxError("not a PNG file"), "not a readable image"),
        (MemoryError(), "needs more memory than there is"),
        (struct.error("unpack requires 4 bytes"), "not a readable image: error"),
        (ZeroDivisionError("division by zero"), "not a readable image: ZeroDivisionError"),
    ],
)
def test_reasons(error, words):
    assert pictures.reason(error) == words


def test_pillows_own_warnings_are_kept_and_no_setting_is_left_changed(tmp_path):
    Image.new("L", (40, 40), 200).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x05\x01")
    (tmp_path / "b.png").write_bytes(b"nothing")
    before = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shown(tmp_path / "a.jpg")
        with pytest.raises(Image.UnidentifiedImageError):
            pictures.read(tmp_path / "b.png", 32, 3)
    assert before == (Image.MAX_IMAGE_PIXELS, list(warnings.filters))


def test_deep_pictures_that_use_little_of_their_range_are_called_dark(tmp_path):
    for highest, said in ((20_000, ["dark, with no value over half of 65535"]), (50_000, [])):
        values = np.linspace(0, highest, 400).astype(np.uint16).reshape(20, 20)
        Image.fromarray(values).save(tmp_path / "deep.png")
        assert pictures.read(tmp_path / "deep.png", 10, 1)[1] == said
