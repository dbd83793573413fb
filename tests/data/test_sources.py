import gc
import gzip
import hashlib
import os
import re
import struct
import sys
import time
import warnings
import weakref
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from dcgan_keras import data
from dcgan_keras.data import batches, pictures, sources
from PIL import Image

DEBIAN_FILES = Path("/usr/share/datasets/fashion-mnist")


def numbered_images(count):
    """Images of 1x1x2 pixels whose values spell their own number."""
    numbers = np.arange(count)
    return np.stack([numbers // 256, numbers % 256], axis=-1).astype(np.uint8).reshape(-1, 1, 1, 2)


def numbers_seen(batches):
    pixels = np.concatenate([np.rint((np.asarray(batch) + 1) * 127.5).reshape(-1, 2) for batch in batches])
    return (pixels[:, 0] * 256 + pixels[:, 1]).astype(int)


def order_of(count, batch_size, seed, epoch):
    """The order as it was from the first version on: runs that were begun with it go on in it."""
    places = tf.range(count // batch_size * batch_size, dtype=tf.int64)
    return tf.random.experimental.index_shuffle(places, tf.constant([seed, epoch], tf.int64), count - 1).numpy()


def orders(count, batch_size, seed, epochs):
    return np.concatenate([order_of(count, batch_size, seed, epoch) for epoch in epochs])


# The stream


def test_bundled_images_are_balanced_real_and_complete():
    for split, count in (("train", 10_000), ("test", 5_000)):
        images, labels = data.load_bundled(split)
        assert images.shape == (count, 28, 28, 1) and images.dtype == np.uint8
        assert np.bincount(labels).tolist() == [count // 10] * 10
        assert len(np.unique(images.reshape(count, -1), axis=0)) > 0.99 * count


def test_bundled_emoji_are_in_colour_on_white_and_no_design_is_in_both_splits():
    rows = data.emoji_table()
    seen = {}
    for split, count in (("train", 1_911), ("test", 318)):
        images, labels = data.load_bundled(split, "emoji")
        assert images.shape == (count, 64, 64, 3) and images.dtype == np.uint8
        assert (images[:, 0].min(axis=(1, 2)) == 255).mean() > 0.7  # most have an empty row above them
        chosen = [row for row in rows if row["split"] == split]
        assert [data.CATEGORIES[label] for label in labels] == [row["category"] for row in chosen]
        seen[split] = {row["group"] for row in chosen}, {image.tobytes() for image in images}
        people = (labels == data.CATEGORIES.index("People & Body")).mean()
        assert 0.3 < people < 0.34  # with all skin tones it would be 0.6
    assert not seen["train"][0] & seen["test"][0]
    assert len(seen["train"][1] & seen["test"][1]) == 0


def test_each_name_of_bundled_images_is_known_or_named():
    np.testing.assert_array_equal(
        data.load_images("bundled:fashion", split="test"), data.load_images("bundled", split="test")
    )
    assert data.load_images("bundled:emoji", image_size=32, channels=1, split="test").shape == (318, 32, 32, 1)
    with pytest.raises(ValueError, match="'bundled:fashion' and 'bundled:emoji', there is no 'bundled:birds'"):
        data.load_images("bundled:birds")


def save_pictures(folder, count, size, colour, seed=0):
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    for n in range(count):
        pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        pixels = pixels if colour else np.repeat(pixels[..., :1], 3, axis=2)
        Image.fromarray(pixels).save(folder / f"{colour}{n}.png")


def test_a_look_says_size_and_colour(tmp_path):
    assert data.look("bundled") == data.look("bundled:fashion") == (28, 1)
    assert data.look("bundled:emoji") == (64, 3)
    save_pictures(tmp_path / "colour", 5, (40, 90), True)
    assert data.look(tmp_path / "colour") == (40, 3)
    save_pictures(tmp_path / "grey", 30, (70, 60), False)
    assert data.look(str(tmp_path / "grey")) == (60, 1)
    save_pictures(tmp_path / "grey", 2, (70, 60), True)  # 2 of 32 are not a tenth
    assert data.look(tmp_path / "grey") == (60, 1)
    save_pictures(tmp_path / "grey", 6, (70, 60), True)
    assert data.look(tmp_path / "grey") == (60, 3)


def test_a_look_that_says_nothing_leaves_it_to_loading(tmp_path):
    assert data.look(tmp_path) is None and data.look(tmp_path / "none") is None
    (tmp_path / "broken.png").write_text("no picture")
    assert data.look(tmp_path) is None
    assert data.look("tfds:no_such_dataset") is None


def test_batches_are_float32_nhwc_in_the_range_of_tanh():
    dataset = data.load_dataset(batch_size=100)
    batch = next(iter(dataset))
    assert dataset.element_spec == tf.TensorSpec((100, 28, 28, 1), tf.float32)
    assert len(dataset) == 100
    assert float(tf.reduce_min(batch)) == -1.0 and float(tf.reduce_max(batch)) == 1.0


def test_each_image_comes_once_a_pass_and_each_pass_has_an_order_of_its_own():
    dataset = data.make_dataset(numbered_images(1000), batch_size=100)
    first, second = numbers_seen(dataset), numbers_seen(dataset)
    assert sorted(first) == sorted(second) == list(range(1000))
    assert np.mean(first == np.arange(1000)) < 0.02 and np.mean(first == second) < 0.02


def test_order_is_a_function_of_seed_and_epoch():
    for seed in (0, 3, 2**31 - 1):
        dataset = data.make_dataset(numbered_images(300), batch_size=64, seed=seed)
        passes = np.concatenate([numbers_seen(dataset) for _ in range(3)])
        np.testing.assert_array_equal(passes, orders(300, 64, seed, range(3)))
        again = data.make_dataset(numbered_images(300), batch_size=64, seed=seed, first_epoch=2)
        np.testing.assert_array_equal(numbers_seen(again), order_of(300, 64, seed, 2))
        np.testing.assert_array_equal(numbers_seen(again), order_of(300, 64, seed, 3))


def test_a_look_at_some_batches_changes_nothing():
    dataset = data.make_dataset(numbered_images(300), batch_size=64)
    for epoch in range(3):
        next(iter(dataset))
        assert len(list(dataset.take(3))) == 3
        half_way = iter(dataset)
        next(half_way)
        np.testing.assert_array_equal(numbers_seen(dataset), order_of(300, 64, 0, epoch))
        # A pass that was begun before goes on in its own order, and its end does not count again.
        np.testing.assert_array_equal(numbers_seen(half_way), order_of(300, 64, 0, epoch)[64:])


def test_a_stream_without_end_is_one_epoch_after_another():
    dataset = data.make_dataset(numbered_images(150), batch_size=64)
    assert len(dataset) == 2 and dataset.repeat().cardinality() == tf.data.INFINITE_CARDINALITY
    np.testing.assert_array_equal(numbers_seen(dataset.repeat().take(8)), orders(150, 64, 0, range(4)))


class Recorder(keras.Model):
    """Trains nothing, and records the batches."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def train_step(self, batch):
        tf.numpy_function(self.batches.append, [batch], [])
        return {"loss": tf.constant(0.0)}


@pytest.mark.parametrize("steps_per_execution", [1, 2])
@pytest.mark.parametrize("endless", [False, True])
def test_fit_sees_each_image_once_an_epoch_in_another_order_each(endless, steps_per_execution):
    dataset = data.make_dataset(numbered_images(300), batch_size=64, seed=5)
    model = Recorder()
    model.compile(jit_compile=False, steps_per_execution=steps_per_execution)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras says that it does not shuffle a dataset
        if endless:
            model.fit(dataset.repeat(), steps_per_epoch=len(dataset), epochs=3, verbose=0)
        else:
            model.fit(dataset, epochs=3, verbose=0)
    np.testing.assert_array_equal(numbers_seen(model.batches), orders(300, 64, 5, range(3)))


def test_the_images_of_a_source_are_not_copied():
    """What is changed in the array afterwards shows: there is no other."""
    lent = batches.aligned((100, 2, 2, 3))
    lent[...] = 0
    dataset = data.make_dataset(lent, batch_size=10)
    assert np.all(next(iter(dataset)) == -1)
    lent[...] = 255
    assert np.all(next(iter(dataset)) == 1)


def memory_used(what):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="reads Linux's own account of memory")
def test_training_on_images_takes_no_memory_for_them(tmp_path):
    list(data.make_dataset(numbered_images(300)))  # what TensorFlow takes once
    images = batches.aligned((20_000, 64, 64, 3))
    images[...] = 9
    Path("/proc/self/clear_refs").write_text("5")
    before = memory_used("VmRSS")
    for _ in data.make_dataset(images).repeat().take(50):
        pass
    assert memory_used("VmHWM") - before < 0.4 * images.nbytes


@pytest.mark.parametrize("start", [0, 1, 17])
def test_images_anywhere_in_memory_are_served(start):
    whole = np.zeros((12, 3, 5, 1), np.uint8).ravel()
    images = whole[start * 15 :].reshape(-1, 3, 5, 1) if start < 12 else whole.reshape(-1, 3, 5, 1)[::2]
    images[...] = np.arange(len(images), dtype=np.uint8)[:, None, None, None]
    images.flags.writeable = False
    batch = next(iter(data.make_dataset(images, batch_size=len(images))))
    assert sorted(np.rint((batch.numpy() + 1) * 127.5)[:, 2, 4, 0]) == list(range(len(images)))


def test_the_images_are_freed_with_the_dataset():
    images = batches.aligned((100, 2, 2, 3))
    alive = weakref.ref(images.base)
    stream = iter(data.make_dataset(images, batch_size=10).repeat())
    del images
    gc.collect()
    assert next(stream).shape == (10, 2, 2, 3) and alive() is not None
    del stream
    gc.collect()
    assert alive() is None


def test_a_program_ends_while_batches_are_prepared(tmp_path):
    """Callbacks into Python from tf.data's threads would wait for the interpreter for ever."""
    import subprocess

    code = (
        "import numpy as np; from dcgan_keras import data; images = np.ones((4000, 64, 64, 3), np.uint8); "
        "stream = iter(data.make_dataset(images, batch_size=1000).repeat()); next(stream)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, capture_output=True)


def test_a_batch_larger_than_the_folder_names_what_to_do():
    message = "There are 10 images and a batch takes 64: give a smaller batch size (--batch-size on the command line)."
    with pytest.raises(ValueError, match=re.escape(message)):
        data.make_dataset(numbered_images(10))
    assert len(data.make_dataset(numbered_images(10), batch_size=10)) == 1


@pytest.mark.parametrize("batch_size", [0, -3])
def test_no_images_a_batch_is_an_error(batch_size):
    with pytest.raises(ValueError, match=f"batch_size must be 1 or more, got {batch_size}"):
        data.make_dataset(numbered_images(10), batch_size=batch_size)


@pytest.mark.parametrize("images", [np.zeros((10, 28, 28, 1), np.float32), np.zeros((10, 28, 28), np.uint8), [1, 2]])
def test_what_is_no_array_of_uint8_images_is_refused_instead_of_scaled_wrongly(images):
    with pytest.raises(ValueError, match="images must be a NumPy array, uint8"):
        data.make_dataset(images, batch_size=2)


def test_digest_of_images():
    images = numbered_images(20)
    digest = data.images_digest(images)
    assert digest == hashlib.sha256(b"uint8 (20, 1, 1, 2)" + images.tobytes()).hexdigest()
    assert digest == data.images_digest(np.repeat(images, 2, axis=0)[::2])  # however it lies in memory
    others = [images[::-1], images[:-1], images.reshape(20, 1, 2, 1), images.reshape(10, 2, 1, 2)]
    assert len({digest, *map(data.images_digest, others)}) == 5


@pytest.mark.parametrize("first_epoch", [0, 3])
def test_the_stream_is_the_epochs_one_after_the_other_from_every_iterator(first_epoch):
    images = numbered_images(40)
    passes = data.make_dataset(images, batch_size=12, seed=5, first_epoch=first_epoch)
    expected = np.concatenate([numbers_seen(passes) for _ in range(3)])
    stream = data.make_stream(images, batch_size=12, seed=5, first_epoch=first_epoch)
    for _ in range(2):
        np.testing.assert_array_equal(numbers_seen(stream.take(9)), expected)


# The bundled file


def test_a_damaged_bundled_file_is_named(tmp_path, monkeypatch):
    damaged = tmp_path / "data" / "fashion_mnist_subset.npz"
    damaged.parent.mkdir()
    content = bytearray((data.assets_folder() / "data" / damaged.name).read_bytes())
    content[1_000_000] ^= 1
    damaged.write_bytes(content)
    monkeypatch.setattr(sources, "assets_folder", lambda: tmp_path)
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


def save(path, value=100):
    """Saves a picture that begins at a value and grows lighter: neither flat nor nearly black."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.tile(np.arange(40, dtype=np.uint8) + np.uint8(value), (40, 1))).save(path)


def values(folder, **options):
    """Where each picture read from a folder begins."""
    return data.load_images(folder, **{"image_size": 40, **options})[:, 20, 0, 0].tolist()


@pytest.fixture
def said():
    """The warnings given so far, as one text. Whoever expects none asks for them at the end."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield lambda: "\n".join(str(each.message) for each in caught)


def test_subfolders_are_searched_in_the_order_of_the_names(tmp_path, said):
    names = ["a.png", "C.png", "b-1.png", "b/a.png", "b/Z/x.png", "b/z.png", "b.png", "c/1.png", "ä.png"]
    order = ["C.png", "a.png", "b/Z/x.png", "b/a.png", "b/z.png", "b-1.png", "b.png", "c/1.png", "ä.png"]
    for value, name in enumerate(names):
        save(tmp_path / name, 20 + value)
    assert values(tmp_path) == [20 + names.index(name) for name in order]
    assert not said()


def test_what_is_not_the_users_is_not_read(tmp_path, said):
    for name in (
        ".hidden.png", "._a.png", ".ipynb_checkpoints/a-checkpoint.png", "__MACOSX/._a.png", "__MACOSX/a.png",
        "sub/@eaDir/a.png/SYNOPHOTO_THUMB_S.jpg", ".thumbnails/normal/1.png", "runs/laptop-1/samples.png",
        "runs/laptop-1/pictures/x.png", "$RECYCLE.BIN/a.png",
    ):  # fmt: skip
        save(tmp_path / name, 1)
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "runs/laptop-1/config.json"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "runs" / "laptop-1" / "snapshots").mkdir()
    save(tmp_path / "a.png", 20)
    save(tmp_path / "runs" / "mine.png", 21)
    save(tmp_path / "snapshots" / "mine.png", 22)  # a folder of that name alone is no run
    assert values(tmp_path) == [20, 21, 22]
    assert not said()


def test_a_hidden_folder_that_is_named_is_read(tmp_path, said):
    save(tmp_path / ".cache" / "a.png", 20)
    assert values(tmp_path / ".cache") == [20]


def test_the_folder_of_a_run_is_no_source(tmp_path):
    save(tmp_path / "samples.png")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(ValueError, match="is the folder of a run"):
        data.load_images(tmp_path)


def link(place, target, is_folder=False):
    try:
        place.symlink_to(target, target_is_directory=is_folder)
    except OSError:
        pytest.skip("this system lets users make no links")


def test_links_are_followed_without_looping(tmp_path, said):
    elsewhere = tmp_path / "elsewhere"
    save(elsewhere / "deep" / "x.png", 23)
    save(tmp_path / "one.png", 22)
    source = tmp_path / "source"
    save(source / "a.png", 20)
    link(source / "b.png", tmp_path / "one.png")
    link(source / "c", elsewhere, is_folder=True)
    link(source / "d", elsewhere, is_folder=True)  # a second way to the same folder
    link(source / "e", source, is_folder=True)
    link(elsewhere / "deep" / "up", tmp_path / "source", is_folder=True)
    assert values(source) == [20, 22, 23]
    assert not said()
    link(source / "f.png", tmp_path / "nowhere.png")
    assert values(source) == [20, 22, 23]
    assert "Skipped 1 of 4" in said() and "f.png (a broken link, or no file)" in said()


def test_home_is_understood(tmp_path, monkeypatch):
    save(tmp_path / "pictures" / "a.png", 20)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert values("~/pictures") == [20]
    with pytest.raises(FileNotFoundError, match="no folder"):
        data.load_images("~nobody-of-this-name/pictures")


def test_no_such_folder(tmp_path):
    for name in ("nowhere", "nul\0character", "x" * 5000):
        with pytest.raises(FileNotFoundError, match=r"no folder .*'bundled'"):
            data.load_images(str(tmp_path / name))


@pytest.mark.parametrize("name", ["photos.zip", "photos.tar.gz", "photo.png"])
def test_a_file_is_no_source(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(ValueError, match=f"{name} is a file: unpack it if .*name the folder"):
        data.load_images(str(tmp_path / name))


def test_no_image_in_the_folder(tmp_path):
    with pytest.raises(ValueError, match=r"No image in .*looked for \.png, .*\)\.$"):
        data.load_images(str(tmp_path))
    for name in ("notes.txt", "1.heic", "2.HEIC", "README"):
        (tmp_path / name).write_text("no image")
    with pytest.raises(
        ValueError,
        match=r"No image in .*\.heic \(2 files, export .*\), \.txt \(1 file\), without an ending \(1 file\)\.$",
    ):
        data.load_images(str(tmp_path))


def test_files_of_other_kinds_are_counted_and_said(tmp_path, said):
    save(tmp_path / "a.png", 20)
    for name in ("1.heic", "2.HEIC", "sub/3.heic", "labels.json", "4.psd", "5.eps", "6", "7.a", "8.b", "9.c"):
        (tmp_path / "sub").mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert values(tmp_path) == [20]
    assert f"Not read in {tmp_path}: .heic (3 files, export them as JPEG), " in said()
    assert ".json (1 file)" in said() and said().endswith("and 2 more endings.")


def test_bad_images_among_good_ones_are_skipped_counted_and_named(tmp_path, said):
    save(tmp_path / "good.png")
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "truncated.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "fake.jpg").write_text("this is not a picture")
    (tmp_path / "empty.png").write_bytes(b"")
    Image.new("L", (1, 1)).save(tmp_path / "dot.png")
    assert len(data.load_images(str(tmp_path))) == 1
    assert f"Skipped 4 of 5 images in {tmp_path}: " in said()
    for name, reason in (
        ("truncated.png", ""),
        (os.path.join("sub", "fake.jpg"), "not a readable image)"),
        ("empty.png", "not a readable image)"),
        ("dot.png", "1x1 pixels, under 8)"),
    ):
        assert f"{name} ({reason}" in said()


def test_many_bad_images_are_not_all_named(tmp_path, said):
    save(tmp_path / "good.png")
    for n in range(13):
        (tmp_path / f"bad{n:02}.png").write_bytes(b"")
    assert len(data.load_images(tmp_path)) == 1
    assert "bad09.png" in said() and "bad10.png" not in said() and said().endswith("; and 3 more.")


def test_only_bad_images_is_an_error_that_names_them(tmp_path, said):
    (tmp_path / "fake.png").write_text("this is not a picture")
    with pytest.raises(ValueError, match="None of the 1 images.*fake.png"):
        data.load_images(str(tmp_path))


ERRORS = [
    PermissionError(13, "Permission denied"), MemoryError(), RecursionError(), struct.error("unpack requires 4 bytes"),
    ZeroDivisionError(), KeyError("x"), AttributeError("x"), AssertionError(), EOFError(),
    UnicodeDecodeError("ascii", b"", 0, 1, "x"),
]  # fmt: skip


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_one_picture_never_costs_the_others(tmp_path, monkeypatch, said, error):
    for number, name in enumerate("abc"):
        save(tmp_path / f"{name}.png", 20 + number)
    opened = Image.open

    def refuse(path, *rest, **options):
        if Path(path).name == "b.png":
            raise error
        return opened(path, *rest, **options)

    monkeypatch.setattr(Image, "open", refuse)
    assert values(tmp_path) == [20, 22]
    assert re.search(r"Skipped 1 of 3 images in .*: b.png \(.+\)\.$", said())


def test_whoever_interrupts_is_heard(tmp_path, monkeypatch):
    save(tmp_path / "a.png")

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Image, "open", interrupt)
    with pytest.raises(KeyboardInterrupt):
        data.load_images(tmp_path)


def test_a_folder_that_cannot_be_opened_is_named(tmp_path, monkeypatch, said):
    save(tmp_path / "a.png", 20)
    save(tmp_path / "locked" / "b.png", 21)
    scan = os.scandir

    def refuse(path):
        if Path(path).name == "locked":  # permissions do not stop root, who runs many a CI
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert values(tmp_path) == [20]
    assert "Skipped 1 of 2" in said() and "locked (Permission denied)" in said()
    with pytest.raises(ValueError, match="No image in .*Permission denied"):
        data.load_images(tmp_path / "locked")


def test_what_its_owner_should_know_of_a_picture_is_said(tmp_path, said):
    save(tmp_path / "a.png")
    for n in range(7):
        Image.fromarray(np.tile(np.arange(40, dtype=np.uint16) * 100, (40, 1))).save(tmp_path / f"deep{n}.png")
    Image.fromarray(np.tile(np.append(np.nan, np.linspace(0, 1, 39, dtype=np.float32)), (40, 1))).save(
        tmp_path / "n.tif"
    )
    assert len(data.load_images(tmp_path)) == 9
    deep = ", ".join(f"deep{n}.png" for n in range(5))
    assert f"Look at 7 pictures (values of 0 to 4095 in 16 or 32 bits): {deep}, and 2 more." in said()
    assert "Look at 1 picture (NaN or infinite values, NaN is black): n.tif." in said()


def test_pictures_of_one_colour_are_said(tmp_path, said):
    for n in range(19):
        Image.new("L", (40, 40), 100 + n).save(tmp_path / f"{n}.png")
    save(tmp_path / "a.png")
    data.load_images(tmp_path)
    assert said() == f"19 of 20 images in {tmp_path} have one colour each: there is nothing to learn from them."
    for name in "bcd":
        save(tmp_path / f"{name}.png")
    data.load_images(tmp_path)
    assert said().count("one colour") == 1  # 19 of 23 are not nearly all


def test_progress_is_shown_on_a_terminal_alone(tmp_path, monkeypatch, capsys):
    for n in range(5):
        save(tmp_path / f"{n}.png")
    read = pictures.read
    monkeypatch.setattr(pictures, "read", lambda *rest: time.sleep(0.25) or read(*rest))
    data.load_images(tmp_path)
    assert capsys.readouterr().err == ""
    with monkeypatch.context() as terminal:
        terminal.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        data.load_images(tmp_path)
    assert "Reading 5 files" in capsys.readouterr().err
    monkeypatch.setattr(pictures, "read", read)
    monkeypatch.setattr(sys, "stderr", None)  # as under pythonw
    assert len(data.load_images(tmp_path)) == 5


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
    for name, written in (
        ("train-images-idx3-ubyte", 1504176606),
        ("train-labels-idx1-ubyte", 1504176606),
        ("t10k-images-idx3-ubyte", 1504176627),
        ("t10k-labels-idx1-ubyte", 1504176627),
    ):
        content = (DEBIAN_FILES / f"{name}.gz").read_bytes()
        assert content[:4] == b"\x1f\x8b\x08\x00", "expected a gzip header without a name"
        head = content[:3] + b"\x08" + struct.pack("<I", written) + content[8:10] + name.encode() + b"\0"
        (manual / f"{name}.gz").write_bytes(head + content[10:])
    return data_dir


def test_the_real_tfds_load_of_fashion_mnist(official_files, monkeypatch):
    """Of the official files, the first pictures: TFDS takes half a millisecond to prepare one."""
    mnist = pytest.importorskip("tensorflow_datasets.image_classification.mnist")
    monkeypatch.setattr(mnist, "_TRAIN_EXAMPLES", 2_000)
    monkeypatch.setattr(mnist, "_TEST_EXAMPLES", 100)
    images = data.load_images("tfds:fashion_mnist", data_dir=official_files)
    assert images.shape == (2_000, 28, 28, 1)
    raw = gzip.decompress((DEBIAN_FILES / "train-images-idx3-ubyte.gz").read_bytes())
    original = np.frombuffer(raw, np.uint8, offset=16).reshape(60_000, -1)[:2_000]
    # TFDS shuffles when it prepares: compare as sets of rows.
    assert {row.tobytes() for row in images.reshape(2_000, -1)} == {row.tobytes() for row in original}
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


def tiny_builder(problem=None, instructions=None):
    """A dataset as TFDS defines them, of RGB images of 21x30 to 24x30 pixels under a key of its own.

    Args:
        problem: what is raised when it is prepared; a function is called with the download manager.
        instructions: what a person has to do first.
    """
    import tensorflow_datasets as tfds

    class TinyColours(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")
        MANUAL_DOWNLOAD_INSTRUCTIONS = instructions

        def _info(self):
            features = {
                "label": tfds.features.ClassLabel(num_classes=2),
                "photo": tfds.features.Image(shape=(None, None, 3)),
            }
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            if isinstance(problem, Exception):
                raise problem
            if problem is not None:
                problem(dl_manager)
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for n in range(4):
                yield n, {"label": n // 2, "photo": np.full((21 + n, 30, 3), (10 * n, 0, 200), np.uint8)}

    return TinyColours


@pytest.fixture(autouse=True)
def _forget_builders():
    """Lets each test define the tiny dataset anew."""
    yield
    if "tensorflow_datasets" in sys.modules:
        from tensorflow_datasets.core import registered

        registered._DATASET_REGISTRY.pop("tiny_colours", None)


def test_colour_datasets_of_any_size_are_cropped_and_resized(tmp_path):
    tiny_builder()
    images = data.load_images("tfds:tiny_colours", image_size=28, channels=3, data_dir=tmp_path)
    assert images.shape == (4, 28, 28, 3)
    assert sorted(images[:, 14, 14].tolist()) == [[10 * n, 0, 200] for n in range(4)]
    told = data.load_labelled("tfds:tiny_colours", image_size=28, channels=3, data_dir=tmp_path)
    assert told.names == ("0", "1") and told.labels.dtype == np.int32
    np.testing.assert_array_equal(told.images[:, 14, 14, 0] // 20, told.labels)
    with pytest.raises(ValueError, match="tfds:tiny_colours:9.9.9 cannot be prepared .*only: 1.0.0"):
        data.load_images("tfds:tiny_colours:9.9.9", data_dir=tmp_path)
    for path in tmp_path.rglob("*.tfrecord*"):
        path.write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"cannot be read .\w+.: delete .*tiny_colours.*start again"):
        data.load_images("tfds:tiny_colours", data_dir=tmp_path)


BY_HAND = "Log in at https://example.org,\n    then put photos.zip there."


def test_a_dataset_to_be_fetched_by_hand_says_how(tmp_path):
    tiny_builder(lambda manager: (manager.manual_dir / "photos.zip").read_bytes(), BY_HAND)
    place = re.escape(str(tmp_path / "downloads" / "manual"))
    for expected in (f"{place} does not exist or is empty", "photos.zip"):
        with pytest.raises(ValueError, match=f"tfds:tiny_colours must be downloaded by hand.*{expected}") as caught:
            data.load_images("tfds:tiny_colours", data_dir=tmp_path)
        assert "Log in at https://example.org, then put photos.zip there." in str(caught.value)
        manual = tmp_path / "downloads" / "manual"
        manual.mkdir(parents=True, exist_ok=True)
        (manual / "something else").write_text("")


@pytest.mark.parametrize(
    ("problem", "kind", "words"),
    [
        (OSError("Not enough disk space"), ConnectionError, "the network and the free space in .*'bundled'"),
        (tf.errors.PermissionDeniedError(None, None, "no"), ConnectionError, "PermissionDeniedError.*free space"),
        (ModuleNotFoundError("No module named 'cv9'", name="cv9"), ValueError, "needs the package cv9, which is not"),
        (RuntimeError("of its\nown"), ValueError, "cannot be prepared .RuntimeError: of its own"),
        (KeyError("x"), ValueError, "cannot be prepared .KeyError"),
        (AssertionError("x"), ValueError, "cannot be prepared .AssertionError: x"),
    ],
)
def test_whatever_tfds_raises_is_one_sentence(tmp_path, problem, kind, words):
    tiny_builder(problem)
    with pytest.raises(kind, match=f"tfds:tiny_colours.*{words}"):
        data.load_images("tfds:tiny_colours", data_dir=tmp_path)


def test_home_is_understood_in_data_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    tiny_builder()
    data.load_images("tfds:tiny_colours", data_dir="~/sets")
    assert (tmp_path / "sets" / "tiny_colours").is_dir()


# Labels


@pytest.mark.parametrize("make", [data.make_dataset, data.make_stream])
def test_labels_stay_with_their_images(make):
    images = numbered_images(40)
    labels = (np.arange(40) * 7 + 3) % 11
    seen = 0
    for batch, told in make(images, labels, batch_size=8, seed=3).take(5):
        np.testing.assert_array_equal(told, labels[numbers_seen([batch])])
        seen += len(told)
    assert seen == 40 and told.dtype == tf.int32


@pytest.mark.parametrize("labels", [np.zeros(39, int), np.zeros((40, 1), int)])
def test_labels_that_are_not_one_an_image(labels):
    with pytest.raises(ValueError, match="There are 40 images, and the labels have the shape"):
        data.make_dataset(numbered_images(40), labels, batch_size=8)


@pytest.mark.parametrize(("source", "names"), [("bundled", data.CLASS_NAMES), ("bundled:emoji", data.CATEGORIES)])
def test_what_the_bundled_images_show(source, names):
    found = data.load_labelled(source, image_size=28, channels=1)
    assert found.names == names and len(found.labels) == len(found.images)
    np.testing.assert_array_equal(found.labels, data.load_bundled("train", source.partition(":")[2] or "fashion")[1])


def picture(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (28, 28), value).save(path)


def test_the_classes_of_a_folder_are_its_subfolders(tmp_path):
    """Deeper ones belong to the first, pictures that cannot be read take no label along."""
    for place, value in (("cat/1.png", 1), ("cat/young/2.png", 2), ("dog/3.png", 3), ("ape/4.png", 4)):
        picture(tmp_path / place, value)
    (tmp_path / "cat" / "broken.png").write_bytes(b"no picture")
    with pytest.warns(UserWarning, match="Skipped 1 of 5") as caught:
        found = data.load_labelled(tmp_path)
    assert caught[0].filename == __file__
    assert found.names == ("ape", "cat", "dog")
    assert [(int(image.max()), found.names[label]) for image, label in zip(found.images, found.labels)] == [
        (4, "ape"), (1, "cat"), (2, "cat"), (3, "dog"),
    ]  # fmt: skip


@pytest.mark.parametrize("places", [["1.png", "2.png"], ["a/1.png", "2.png"], ["a/1.png", "a/2.png"]])
def test_a_folder_that_does_not_say_what_its_pictures_show(tmp_path, places):
    for place in places:
        picture(tmp_path / place, 1)
    assert len(data.load_images(tmp_path)) == 2
    with pytest.raises(ValueError, match="does not say what its images show: a folder must have all its pictures"):
        data.load_labelled(tmp_path)


def test_what_keeps_a_folder_from_saying_what_it_shows_is_named(tmp_path):
    for number, place in enumerate(("loose/a/1.png", "loose/b/2.png", "loose/stray.png", "high/data/a/1.png")):
        picture(tmp_path / place, number + 1)
    picture(tmp_path / "high/data/b/2.png", 9)
    for folder, words in (("loose", "and stray.png is in none"), ("high", "and here all are in data")):
        with pytest.raises(ValueError, match=f"does not say what its images show: .*, {words}"):
            data.load_labelled(tmp_path / folder)
    assert data.load_labelled(tmp_path / "high" / "data").names == ("a", "b")


@pytest.mark.parametrize("names", [("train", "test"), ("Train", "Valid"), ("training", "val", "testing")])
def test_the_parts_of_a_data_set_are_no_classes(tmp_path, names):
    for name in names:
        for kind in "ab":
            picture(tmp_path / name / kind / "1.png", 5)
    with pytest.raises(ValueError, match="parts of a data set and no classes: name one of them"):
        data.load_labelled(tmp_path)
    assert data.load_labelled(tmp_path / names[0]).names == ("a", "b")


def test_a_subfolder_without_a_picture_is_named(tmp_path):
    for name in "ab":
        picture(tmp_path / name / "1.png", 5)
    (tmp_path / "empty").mkdir()
    (tmp_path / ".hidden").mkdir()
    with pytest.warns(UserWarning, match="No class, since there is no picture in it: empty[.]$") as caught:
        assert data.load_labelled(tmp_path).names == ("a", "b")
    assert caught[0].filename == __file__


def test_copies_are_counted(tmp_path, said):
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 256, (5, 9, 9), dtype=np.uint8)
    for number in range(20):
        Image.fromarray(drawn[number % 5]).save(tmp_path / f"{number}.png")
    data.load_images(tmp_path)
    assert f"20 images in {tmp_path} are 5 different ones and copies of them." in said()


def test_a_link_to_a_parent_leads_nowhere(tmp_path):
    picture(tmp_path / "other" / "1.png", 5)
    picture(tmp_path / "mine" / "deep" / "2.png", 6)
    for place in (tmp_path / "mine" / "up", tmp_path / "mine" / "deep" / "top"):
        place.symlink_to(tmp_path, target_is_directory=True)
    assert [path.name for path in sources.find_pictures(tmp_path / "mine")[0]] == ["2.png"]


def test_pictures_of_telephones_are_named_with_a_way(tmp_path, said):
    picture(tmp_path / "1.png", 5)
    (tmp_path / "IMG_1.HEIC").write_bytes(b"heic")
    data.load_images(tmp_path)
    assert ".heic (1 file, export them as JPEG)" in said()
