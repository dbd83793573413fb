import gzip
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from dcgan_keras import data
from PIL import Image

DEBIAN_FILES = Path("/usr/share/datasets/fashion-mnist")


def numbered_images(count):
    """Images of 1x1x2 pixels whose values spell their own number."""
    numbers = np.arange(count)
    return np.stack([numbers // 256, numbers % 256], axis=-1).astype(np.uint8).reshape(-1, 1, 1, 2)


def numbers_seen(dataset):
    pixels = np.concatenate([np.rint((batch.numpy() + 1) * 127.5).reshape(-1, 2) for batch in dataset])
    return (pixels[:, 0] * 256 + pixels[:, 1]).astype(int)


# The stream


def test_bundled_images_are_balanced_real_and_complete():
    for split, count in (("train", 10_000), ("test", 5_000)):
        images, labels = data.load_bundled(split)
        assert images.shape == (count, 28, 28, 1) and images.dtype == np.uint8
        assert np.bincount(labels).tolist() == [count // 10] * 10
        assert len(np.unique(images.reshape(count, -1), axis=0)) > 0.99 * count


def test_batches_are_float32_nhwc_in_the_range_of_tanh():
    dataset = data.load_dataset(batch_size=100)
    batch = next(iter(dataset))
    assert dataset.element_spec == tf.TensorSpec((100, 28, 28, 1), tf.float32)
    assert dataset.cardinality() == 100
    assert float(tf.reduce_min(batch)) == -1.0 and float(tf.reduce_max(batch)) == 1.0


def test_each_image_comes_once_an_epoch_in_an_order_of_its_own():
    first, second = numbers_seen(data.make_dataset(numbered_images(1000), batch_size=100, epochs=2)).reshape(2, -1)
    assert sorted(first) == sorted(second) == list(range(1000))
    assert np.mean(first == np.arange(1000)) < 0.02 and np.mean(first == second) < 0.02


def test_order_is_a_function_of_the_seed():
    def order(seed):
        return numbers_seen(data.make_dataset(numbered_images(500), batch_size=50, seed=seed)).tolist()

    assert order(3) == order(3) != order(4)


def test_a_later_epoch_can_be_entered_directly():
    whole = numbers_seen(data.make_dataset(numbered_images(300), batch_size=64, epochs=5))
    entered = numbers_seen(data.make_dataset(numbered_images(300), batch_size=64, first_epoch=3, epochs=2))
    np.testing.assert_array_equal(whole[3 * 256 :], entered)


def test_remainder_is_dropped_and_a_stream_without_end_goes_on():
    assert len(numbers_seen(data.make_dataset(numbered_images(150), batch_size=64))) == 128
    endless = data.make_dataset(numbered_images(150), batch_size=64, epochs=None)
    assert len(list(endless.take(7))) == 7


@pytest.mark.parametrize("batch_size", [11, 0, -3])
def test_fewer_images_than_a_batch_is_an_error(batch_size):
    with pytest.raises(ValueError, match=f"batch of {batch_size} .*there are 10"):
        data.make_dataset(numbered_images(10), batch_size=batch_size)


def test_float_images_are_refused_instead_of_scaled_wrongly():
    with pytest.raises(ValueError, match="uint8"):
        data.make_dataset(np.zeros((10, 28, 28, 1), np.float32), batch_size=2)


# The bundled file


def test_a_damaged_bundled_file_is_named(tmp_path, monkeypatch):
    damaged = tmp_path / "data" / "fashion_mnist_subset.npz"
    damaged.parent.mkdir()
    content = bytearray((data.assets_folder() / "data" / damaged.name).read_bytes())
    content[1_000_000] ^= 1
    damaged.write_bytes(content)
    monkeypatch.setattr(data, "assets_folder", lambda: tmp_path)
    with pytest.raises(ValueError, match="damaged.*fashion_mnist_subset.npz"):
        data.load_bundled()
    damaged.unlink()
    with pytest.raises(FileNotFoundError, match="missing.*fashion_mnist_subset.npz"):
        data.load_bundled()


def test_a_split_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="'train' and 'test', got 'valid'"):
        data.load_images("bundled", split="valid")


def test_bundled_images_at_another_size_and_in_colour():
    images = data.load_images("bundled", image_size=32, channels=3, split="test")
    assert images.shape == (5000, 32, 32, 3)
    assert np.all(images[..., 0] == images[..., 1])


# Folders of images


def gradient(width, height):
    return np.tile(np.linspace(0, 255, width).astype(np.uint8), (height, 1))


def only_image(folder, **size):
    images = data.load_images(str(folder), **{"image_size": 32, "channels": 3, **size})
    assert len(images) == 1
    return images[0].astype(int)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp", "tiff"])
def test_formats(tmp_path, suffix):
    Image.fromarray(gradient(64, 64)).save(tmp_path / f"a.{suffix.upper()}")
    image = only_image(tmp_path)
    expected = np.asarray(Image.fromarray(gradient(64, 64)).resize((32, 32), Image.Resampling.LANCZOS))
    assert np.abs(image[..., 0] - expected).max() <= 6


def test_grey_from_colour_and_colour_from_grey(tmp_path):
    Image.new("RGB", (40, 40), (255, 0, 0)).save(tmp_path / "red.png")
    assert only_image(tmp_path, channels=1).mean() == pytest.approx(76, abs=1)  # ITU-R 601: 0.299 * 255
    Image.new("L", (40, 40), 77).save(tmp_path / "red.png")
    assert np.all(only_image(tmp_path) == 77)


def test_palette(tmp_path):
    Image.new("RGB", (40, 40), (10, 200, 30)).quantize(4).save(tmp_path / "a.png")
    assert np.all(np.abs(only_image(tmp_path) - (10, 200, 30)) <= 1)


def test_transparent_pixels_become_white(tmp_path):
    half = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    half.paste((0, 0, 255, 255), (0, 0, 20, 40))
    half.save(tmp_path / "a.png")
    image = only_image(tmp_path)
    assert image[16, 4].tolist() == [0, 0, 255] and image[16, 28].tolist() == [255, 255, 255]


def test_transparent_palette_colour_becomes_white(tmp_path):
    Image.new("P", (40, 40), 0).save(tmp_path / "a.gif", transparency=0)
    assert np.all(only_image(tmp_path) == 255)


def test_cmyk(tmp_path):
    Image.new("CMYK", (40, 40), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    red, green, blue = only_image(tmp_path)[16, 16]
    assert red > 200 and green < 60 and blue < 60


def test_16_bit_grey_keeps_its_middle(tmp_path):
    Image.fromarray(np.full((40, 40), 32768, np.uint16)).save(tmp_path / "a.png")
    assert np.all(np.abs(only_image(tmp_path) - 128) <= 1)


def test_exif_rotation_is_applied(tmp_path):
    image = Image.fromarray(gradient(64, 64))
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned to the left: show it turned to the right
    image.save(tmp_path / "a.jpg", exif=exif, quality=95)
    shown = only_image(tmp_path, channels=1)[..., 0]
    assert shown[2, 16] < 40 < 200 < shown[29, 16]  # dark left became dark top


def test_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("L", (40, 40), value) for value in (50, 250)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert np.all(only_image(tmp_path) == 50)


def test_center_crop_keeps_proportions(tmp_path):
    wide = np.zeros((40, 120), np.uint8)
    wide[:, 40:80] = 255
    Image.fromarray(wide).save(tmp_path / "a.png")
    assert only_image(tmp_path)[:, 3:-3].min() > 240


def test_downscaling_is_antialiased(tmp_path):
    checkers = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    Image.fromarray(checkers).save(tmp_path / "a.png")
    assert np.all(np.abs(only_image(tmp_path)[4:-4, 4:-4] - 127) <= 3)


def test_subfolders_are_searched_in_a_fixed_order(tmp_path):
    (tmp_path / "b").mkdir()
    Image.new("L", (40, 40), 2).save(tmp_path / "b" / "x.png")
    Image.new("L", (40, 40), 1).save(tmp_path / "a.png")
    assert data.load_images(str(tmp_path)).mean(axis=(1, 2, 3)).tolist() == [1, 2]


def test_no_such_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere.*'bundled'"):
        data.load_images(str(tmp_path / "nowhere"))


def test_no_image_in_the_folder(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(ValueError, match="No image in"):
        data.load_images(str(tmp_path))


def png_header_alone(width, height):
    """A PNG file that claims a size and holds no pixels."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_bad_images_among_good_ones_are_skipped_counted_and_named(tmp_path):
    Image.fromarray(gradient(64, 64)).save(tmp_path / "good.png")
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "truncated.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "fake.jpg").write_text("this is not a picture")
    (tmp_path / "empty.png").write_bytes(b"")
    Image.new("L", (1, 1)).save(tmp_path / "dot.png")
    (tmp_path / "huge.png").write_bytes(png_header_alone(30_000, 30_000))
    (tmp_path / "large.png").write_bytes(png_header_alone(12_000, 12_000))
    with pytest.warns(UserWarning) as caught:
        images = data.load_images(str(tmp_path))
    assert len(images) == 1
    message = str(caught[0].message)
    assert "Skipped 6 of 7" in message
    for name, reason in (
        ("truncated.png", ""),
        ("fake.jpg", "not a readable image"),
        ("empty.png", "not a readable image"),
        ("dot.png", "1x1 pixels, under 8"),
        ("huge.png", "over 100 million pixels"),
        ("large.png", "over 100 million pixels"),
    ):
        assert f"{name} ({reason}" in message


def test_only_bad_images_is_an_error_that_names_them(tmp_path):
    (tmp_path / "fake.png").write_text("this is not a picture")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match="None of the 1 images.*fake.png"):
            data.load_images(str(tmp_path))


def test_an_unreadable_file_is_skipped(tmp_path, monkeypatch):
    for name in ("a.png", "locked.png"):
        Image.new("L", (40, 40)).save(tmp_path / name)
    opened = Image.open

    def refuse(path, *rest):
        if Path(path).name == "locked.png":  # file permissions do not stop root, who runs many a CI
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *rest)

    monkeypatch.setattr(data.Image, "open", refuse)
    with pytest.warns(UserWarning, match=r"Skipped 1 of 2 .*locked.png .*Permission denied"):
        assert len(data.load_images(str(tmp_path))) == 1


def test_a_folder_has_no_test_split(tmp_path):
    with pytest.raises(ValueError, match="only the split 'train'"):
        data.load_images(str(tmp_path), split="test")


# TensorFlow Datasets


@pytest.fixture(scope="module")
def official_files(tmp_path_factory):
    """A data_dir in which TFDS finds the official Fashion-MNIST files as if a person had put them there.

    Debian's copies differ from the originals in the gzip header alone (no name, another time). TFDS checks sha256, so
    the headers are written again.
    """
    if not DEBIAN_FILES.is_dir():
        pytest.skip("needs Debian's package dataset-fashion-mnist")
    data_dir = tmp_path_factory.mktemp("tfds")
    manual = data_dir / "downloads" / "manual"
    manual.mkdir(parents=True)
    for name, time in (
        ("train-images-idx3-ubyte", 1504176606),
        ("train-labels-idx1-ubyte", 1504176606),
        ("t10k-images-idx3-ubyte", 1504176627),
        ("t10k-labels-idx1-ubyte", 1504176627),
    ):
        content = (DEBIAN_FILES / f"{name}.gz").read_bytes()
        assert content[:4] == b"\x1f\x8b\x08\x00", "expected a gzip header without a name"
        head = content[:3] + b"\x08" + struct.pack("<I", time) + content[8:10] + name.encode() + b"\0"
        (manual / f"{name}.gz").write_bytes(head + content[10:])
    return data_dir


def test_the_real_tfds_load_of_fashion_mnist(official_files):
    images = data.load_images("tfds:fashion_mnist", data_dir=official_files)
    assert images.shape == (60_000, 28, 28, 1)
    raw = gzip.decompress((DEBIAN_FILES / "train-images-idx3-ubyte.gz").read_bytes())
    original = np.frombuffer(raw, np.uint8, offset=16).reshape(60_000, -1)
    # TFDS shuffles when it prepares: compare as sets of rows.
    assert {row.tobytes() for row in images.reshape(60_000, -1)} == {row.tobytes() for row in original}
    batch = next(iter(data.load_dataset("tfds:fashion_mnist", split="test", data_dir=official_files, batch_size=10)))
    assert batch.shape == (10, 28, 28, 1)
    with pytest.raises(ValueError, match="splits test, train|splits train, test"):
        data.load_images("tfds:fashion_mnist", split="valid", data_dir=official_files)


@pytest.fixture
def no_network(monkeypatch):
    import socket

    def refuse(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_no_network_is_one_sentence_that_names_the_bundled_images(tmp_path, no_network):
    with pytest.raises(ConnectionError, match="Cannot download tfds:fashion_mnist.*'bundled', which needs no network"):
        data.load_images("tfds:fashion_mnist", data_dir=tmp_path)


def test_an_unknown_dataset_is_named(tmp_path, no_network):
    with pytest.raises(ValueError, match="no dataset 'clothes_of_mars'"):
        data.load_images("tfds:clothes_of_mars", data_dir=tmp_path)


def test_a_dataset_without_images_is_named(tmp_path, no_network):
    with pytest.raises(ValueError, match="'ag_news_subset' has no image feature"):
        data.load_images("tfds:ag_news_subset", data_dir=tmp_path)


def test_colour_datasets_of_any_size_are_cropped_and_resized(tmp_path):
    """A dataset as TFDS defines them, prepared for real: RGB images of 21x30 to 24x30 pixels under a key of its own."""
    import tensorflow_datasets as tfds

    class TinyColours(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {
                "label": tfds.features.ClassLabel(num_classes=2),
                "photo": tfds.features.Image(shape=(None, None, 3)),
            }
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for n in range(4):
                yield n, {"label": 0, "photo": np.full((21 + n, 30, 3), (10 * n, 0, 200), np.uint8)}

    images = data.load_images("tfds:tiny_colours", image_size=28, channels=3, data_dir=tmp_path)
    assert images.shape == (4, 28, 28, 3)
    assert sorted(images[:, 14, 14].tolist()) == [[10 * n, 0, 200] for n in range(4)]
