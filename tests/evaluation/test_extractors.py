"""Extractors: what comes out has the right shape, scale and origin, and what does not fit is refused in a sentence."""

import contextlib
import functools
import hashlib
import importlib.util
import io
import re
import shutil
import sys
import time
from pathlib import Path

import keras
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT
from dcgan_keras import data
from dcgan_keras.evaluation import extractors, metrics


@pytest.fixture(scope="module")
def fashion():
    return extractors.load("fashion")


@functools.cache
def clothes():
    return data.load_bundled("test")[0]


@pytest.fixture(scope="module")
def untrained_inception():
    return extractors._load_inception(weights=None)


@pytest.fixture(scope="module")
def classifiers():
    """The script that builds and writes the two networks, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("classifiers", ROOT / "assets" / "weights" / "classifiers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_fashion_names_the_clothes_it_has_not_seen(fashion):
    images, labels = data.load_bundled("test")  # 5,000 of the 10,000 official test images
    found = fashion(images)
    assert found.features.shape == (5000, 64) and found.features.dtype == np.float32
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)
    assert np.mean(found.probabilities.argmax(axis=1) == labels) > 0.91  # 91.96%; of all 10,000 it is 92.18%


def test_features_are_standardised(fashion):
    """Over all training images exactly, so over the bundled sixth of them nearly."""
    features = fashion(data.load_bundled("train")[0]).features
    assert np.abs(features.mean(axis=0)).max() < 0.1
    assert np.abs(features.var(axis=0) - 1).max() < 0.15


def test_bytes_and_floats_and_batches_agree(fashion):
    images = clothes()[:700]  # over one batch, and no whole number of them
    scaled = images.astype(np.float64) / 127.5 - 1
    np.testing.assert_allclose(fashion(images).features, fashion(scaled).features, atol=1e-5)
    np.testing.assert_allclose(fashion(images).features[600:], fashion(images[600:]).features, atol=1e-5)


def test_dropout_and_batch_statistics_are_off(fashion):
    images = clothes()[:64]
    np.testing.assert_array_equal(fashion(images).features, fashion(images).features)
    np.testing.assert_allclose(fashion(images[:1]).features, fashion(images).features[:1], atol=1e-5)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64, np.uint16, np.uint64])
def test_whole_numbers_of_any_type_are_the_same_images(fashion, dtype):
    images = clothes()[:8]
    np.testing.assert_array_equal(fashion(images.astype(dtype)).features, fashion(images).features)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ml_dtypes.bfloat16])
def test_floats_of_any_type_are_close(fashion, dtype):
    images = clothes()[:8].astype(np.float32) / 127.5 - 1
    assert np.abs(fashion(images.astype(dtype)).features - fashion(images).features).max() < 0.1


def test_a_small_overshoot_is_clipped(fashion):
    images = clothes()[:8].astype(np.float32) / 127.5 - 1
    over = np.where(np.abs(images) == 1, images * 1.4, images)
    np.testing.assert_array_equal(fashion(over).features, fashion(images).features)


def test_batches_and_a_count_are_the_first_images(fashion):
    images = clothes()[:700]
    everything = fashion(images)

    def endless():
        while True:
            yield images[:300]
            yield tf.constant(images[300:])

    np.testing.assert_allclose(fashion(iter([images[:9], images[9:]])).features, everything.features, atol=1e-5)
    np.testing.assert_allclose(fashion(endless(), 450).features, everything.features[:450], atol=1e-5)
    assert len(fashion(images, 5).features) == 5 and len(fashion(images, 900).features) == 700
    with pytest.raises(ValueError, match="no images"):
        fashion(iter([]))


SETTINGS = ["dtype_policy", "floatx", "image_data_format"]


@pytest.fixture
def other_settings():
    """Mixed precision, another default type, channels first: as keras.json or an earlier cell may have set them."""
    before = [getattr(keras.config, name)() for name in SETTINGS]
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("mixed_float16")
    keras.config.set_image_data_format("channels_first")
    yield
    for name, value in zip(SETTINGS, before):
        getattr(keras.config, f"set_{name}")(value)


def test_the_settings_of_the_process_change_no_feature(fashion, other_settings):
    images = clothes()[:32]
    there = extractors.load("fashion")
    np.testing.assert_array_equal(there(images).features, fashion(images).features)
    np.testing.assert_array_equal(there(images).probabilities, fashion(images).probabilities)
    assert there.sha256 == fashion.sha256 and there(images).probabilities.dtype == np.float32
    assert [keras.config.dtype_policy().name, keras.config.floatx(), keras.config.image_data_format()] == [
        "mixed_float16",
        "float64",
        "channels_first",
    ]


def test_nor_of_inception(untrained_inception, other_settings):
    found = extractors._load_inception(weights=None)
    assert {weight.dtype for weight in found.network.weights} == {"float32"} and found.dimension == 2048
    assert found.network.input_shape == (None, 299, 299, 3)
    found.network.set_weights(untrained_inception.network.get_weights())
    images = np.random.default_rng(0).integers(0, 256, (1, 28, 28, 1), dtype=np.uint8)
    np.testing.assert_array_equal(found(images).features, untrained_inception(images).features)


def test_settings_come_back_after_a_failure(tmp_path, other_settings):
    with pytest.raises(ValueError, match="does not hold"):
        extractors.load_classifier("fashion", tmp_path / "nothing.keras")
    assert keras.config.dtype_policy().name == "mixed_float16" and keras.config.floatx() == "float64"
    assert keras.config.image_data_format() == "channels_first"


class Terminal(io.StringIO):
    isatty = staticmethod(lambda: True)


@pytest.mark.parametrize(("stderr", "seen"), [(Terminal(), True), (io.StringIO(), False), (None, False)])
def test_long_work_shows_a_bar_in_a_terminal(monkeypatch, fashion, stderr, seen):
    def slow():
        for _ in range(4):
            time.sleep(0.35)
            yield np.zeros((10, 28, 28, 1), np.uint8)

    monkeypatch.setattr(sys, "stderr", stderr)
    assert len(fashion(slow(), 40).features) == 40
    if stderr is not None:
        assert ("Features (fashion)" in stderr.getvalue() and "/40" in stderr.getvalue()) == seen


def test_short_work_shows_none(fashion):
    with contextlib.redirect_stderr(Terminal()) as stderr:
        fashion(np.zeros((2, 28, 28, 1), np.uint8))
    assert stderr.getvalue() == ""


def bundled(name):
    return data.assets_folder() / "weights" / f"{name}_classifier.keras"


def test_the_weights_are_small_and_known(fashion):
    assert bundled("fashion").stat().st_size <= 2_000_000
    assert fashion.dimension == 64 and fashion.name == "fashion"
    arrays = b"".join(array.tobytes() for array in fashion.network.get_weights())
    assert fashion.sha256 == extractors._SHA256["fashion"] == hashlib.sha256(arrays).hexdigest()


@pytest.fixture(scope="module")
def emoji():
    return extractors.load("emoji")


def test_the_weights_of_emoji_are_small_and_known(emoji):
    assert bundled("emoji").stat().st_size <= 2_000_000
    assert emoji.sha256 == extractors._SHA256["emoji"] and emoji.dimension == 64 and emoji.name == "emoji"


def test_emoji_names_categories_it_has_not_seen(emoji):
    images, labels = data.load_bundled("test", "emoji")
    found = emoji(images)
    assert np.mean(found.probabilities.argmax(axis=1) == labels) > 0.7
    training = emoji(data.load_bundled("train", "emoji")[0]).features
    np.testing.assert_allclose(training.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(training.var(axis=0, ddof=1), 1, atol=1e-3)


def test_emoji_tells_damage_by_its_size(emoji):
    """What a score must do: more noise, more blur, other colours or fewer kinds score worse."""
    training, test = (data.load_bundled(split, "emoji") for split in ("train", "test"))
    real = emoji(training[0]).features

    def kid(images):
        return metrics.kid(real, emoji(images).features, subset_size=len(images)).mean

    whole = test[0].astype(np.float32) / 127.5 - 1
    noise = np.random.default_rng(0).normal(0, 1, whole.shape)
    floor = kid(whole)
    few, many = (kid(np.clip(whole + amount * noise, -1, 1)) for amount in (0.1, 0.4))
    assert floor < few < many
    blurred = keras.ops.image.resize(keras.ops.image.resize(whole, (16, 16), antialias=True), (64, 64))
    assert kid(np.clip(blurred, -1, 1)) > 3 * abs(floor)
    assert kid(whole[..., ::-1]) > 3 * abs(floor)  # red for blue
    faces = test[0][test[1] == data.CATEGORIES.index("People & Body")]
    assert kid(faces) > 3 * abs(floor)


def test_emoji_resizes_others_and_says_so(emoji):
    grey = data.load_bundled("test")[0][:3]
    assert emoji(grey).features.shape == (3, 64)
    assert emoji.name_for((28, 28, 1)) == "emoji, resized from 28x28x1"
    assert emoji.name_for((64, 64, 3)) == "emoji"
    assert extractors.load("fashion").name_for((28, 28, 1)) == "fashion"


def test_a_score_is_traced_to_the_weights_whatever_the_file(classifiers, fashion, emoji, tmp_path):
    """The same ones in another file have the same sha256, and one number that differs gives another."""
    path = tmp_path / "mine.keras"
    for mine in (fashion, emoji):
        classifiers.save(mine.network, path)
        assert path.read_bytes() != bundled(mine.name).read_bytes()
        assert extractors.load_classifier(mine.name, path).sha256 == mine.sha256
    network = keras.models.clone_model(fashion.network)
    weights = fashion.network.get_weights()
    weights[-1][0] += 1e-3
    network.set_weights(weights)
    classifiers.save(network, path)
    assert extractors.load_classifier("fashion", path).sha256 != fashion.sha256


def test_what_built_the_networks_builds_the_bundled_ones(classifiers, fashion, emoji):
    for built, kept in ((classifiers.build_classifier(), fashion), (classifiers.build_emoji_classifier(), emoji)):
        built.set_weights(kept.network.get_weights())
        images = np.random.default_rng(0).uniform(-1, 1, (5, *built.input_shape[1:])).astype(np.float32)
        np.testing.assert_array_equal(built(images, training=False)[0], kept(images).features)


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """The bundled network of `fashion`, where a test may damage it."""
    (tmp_path / "weights").mkdir()
    path = tmp_path / "weights" / "fashion_classifier.keras"
    shutil.copy(bundled("fashion"), path)
    monkeypatch.setattr(data, "assets_folder", lambda: tmp_path)
    return path


def overwrite(path, place):
    with open(path, "r+b") as file:
        file.seek(place)
        file.write(b"\x00\x01\x02\x03")


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: overwrite(path, path.stat().st_size // 2),
        lambda path: overwrite(path, path.stat().st_size - 22),
        lambda path: path.write_bytes(path.read_bytes()[:500_000]),
        lambda path: path.write_text("no network"),
        lambda path: shutil.copy(ROOT / "assets" / "weights" / "emoji_classifier.keras", path),
    ],
    ids=["in the middle", "at the end", "cut", "text", "the other one"],
)
def test_a_damaged_network_is_refused(copied, damage):
    assert extractors.load("fashion").sha256 == extractors._SHA256["fashion"]
    damage(copied)
    with pytest.raises(ValueError, match="'fashion' is damaged: .*fashion_classifier.keras. Install the package again"):
        extractors.load("fashion")


def test_other_weights_in_the_place_of_the_bundled_ones_are_refused(classifiers, copied):
    keras.utils.set_random_seed(1)
    classifiers.save(classifiers.build_classifier(), copied)
    assert extractors.load_classifier("fashion", copied).dimension == 64  # nothing else is wrong with it
    with pytest.raises(ValueError, match="is damaged"):
        extractors.load("fashion")


def test_a_missing_network_is_named(copied):
    copied.unlink()
    with pytest.raises(FileNotFoundError, match="is missing: .*fashion_classifier.keras. Install the package again"):
        extractors.load("fashion")


def test_a_file_that_is_no_such_network_is_refused(classifiers, emoji, tmp_path):
    text, h5, other = tmp_path / "text.keras", tmp_path / "old.h5", tmp_path / "other.keras"
    text.write_text("no network")
    classifiers.build_classifier().save(h5)
    classifiers.save(emoji.network, other)
    for path in (text, h5, other, tmp_path / "none.keras"):
        with pytest.raises(ValueError, match=f"{path.name} does not hold a network for an extractor like 'fashion'"):
            extractors.load_classifier("fashion", path)


def test_code_in_a_file_is_not_run(tmp_path):
    images = keras.Input((28, 28, 1))
    features = keras.layers.Lambda(lambda x: x[:, :, 0, 0])(images)
    keras.Model(images, [features, keras.layers.Dense(10)(features)]).save(tmp_path / "mine.keras")
    with pytest.raises(ValueError, match="does not hold a network") as error:
        extractors.load_classifier("fashion", tmp_path / "mine.keras")
    assert "lambda" in str(error.value.__cause__).lower()


def test_an_own_classifier_is_trained_standardised_and_kept(classifiers, tmp_path):
    images, labels = data.load_bundled("train")
    images, labels = images[:512], labels[:512]
    network = classifiers.train_classifier(images, labels, epochs=1)
    classifiers.save(network, tmp_path / "mine.keras")
    mine = extractors.load_classifier("fashion", str(tmp_path / "mine.keras"))
    found = mine(images)
    np.testing.assert_allclose(found.features.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(found.features.var(axis=0, ddof=1), 1, atol=1e-3)
    assert found.probabilities.shape == (512, 10) and mine.sha256 != extractors._SHA256["fashion"]
    np.testing.assert_array_equal(network(images[:9] / np.float32(127.5) - 1)[0], mine(images[:9]).features)


def test_inception_takes_grey_and_colour_of_any_size(untrained_inception):
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (2, 28, 28, 1), dtype=np.uint8)
    found = untrained_inception(grey)
    assert found.features.shape == (2, 2048) and found.probabilities.shape == (2, 1000)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)
    # Grey is repeated, not averaged or padded: the same picture in three equal channels has the same features.
    np.testing.assert_array_equal(untrained_inception(np.repeat(grey, 3, axis=-1)).features, found.features)
    colour = untrained_inception(rng.integers(0, 256, (1, 64, 80, 3), dtype=np.uint8))
    assert colour.features.shape == (1, 2048)


def test_untrained_inception_does_not_pass_for_the_trained(untrained_inception):
    assert untrained_inception.name == "inception-untrained" and len(untrained_inception.sha256) == 64


def test_no_network_is_one_sentence_that_says_where_to_put_the_file(monkeypatch, tmp_path):
    def offline(**_):
        raise Exception("URL fetch failure on https://example.org: None -- [Errno -2] Name or service not known")

    monkeypatch.setattr(keras.applications, "InceptionV3", offline)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "cache"))
    with pytest.raises(ConnectionError, match="Cannot download.*'emoji', which comes with the package") as error:
        extractors.load("inception")
    assert "inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels.h5 into" in str(error.value)
    assert f"into {tmp_path / 'cache' / 'models'} by hand" in str(error.value)
    monkeypatch.delenv("KERAS_HOME")
    with pytest.raises(ConnectionError, match=re.escape(f"into {Path.home() / '.keras' / 'models'} by hand")):
        extractors.load("inception")


def test_keras_asks_for_the_file_that_the_sentence_names(monkeypatch):
    asked = []

    def get_file(name, origin, **options):
        asked.append((name, origin, options["cache_subdir"]))
        raise OSError("no network")

    from keras.src.applications import inception_v3

    monkeypatch.setattr(inception_v3.file_utils, "get_file", get_file)
    with pytest.raises(ConnectionError, match="by hand") as error:
        extractors.load("inception")
    [(name, address, folder)] = asked
    assert folder == "models" and address.endswith(f"/{name}") and f"put {address} into" in str(error.value)


def test_another_fault_is_not_called_a_download(monkeypatch):
    def broken(**_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(keras.applications, "InceptionV3", broken)
    with pytest.raises(RuntimeError, match="out of memory"):
        extractors.load("inception")


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((2, 28, 28)), "shape"),
        (np.zeros((0, 28, 28, 1)), "shape"),
        (np.zeros((2, 28, 28, 2)), "shape"),
        (np.zeros((2, 32, 32, 1)), "28x28"),
        (np.zeros((2, 28, 28, 3)), "28x28"),
        (np.full((2, 28, 28, 1), np.nan), "finite"),
        (np.full((2, 28, 28, 1), -np.inf), "finite"),
        (np.full((2, 28, 28, 1), -2.0), "from -1 to 1, got -2 to -2"),
        (np.full((2, 28, 28, 1), 255.0), "from -1 to 1, got 255 to 255"),
        (np.linspace(-2, 2, 1568).reshape(2, 28, 28, 1), "from -1 to 1, got -2 to 2"),
        (np.full((2, 28, 28, 1), 300, np.int32), "from 0 to 255, got 300 to 300"),
        (np.full((2, 28, 28, 1), -1, np.int64), "from 0 to 255, got -1"),
        (np.zeros((2, 28, 28, 1), bool), "whole numbers or floats, got bool"),
        (np.zeros((2, 28, 28, 1), complex), "whole numbers or floats, got complex"),
        (np.full((2, 28, 28, 1), "1"), "whole numbers or floats"),
        (5, "shape"),
    ],
)
def test_images_that_do_not_fit_get_one_sentence(fashion, images, words):
    with pytest.raises(ValueError, match=words):
        fashion(images)


def test_unknown_extractor():
    with pytest.raises(ValueError, match="one of fashion, emoji, inception, got 'vgg'"):
        extractors.load("vgg")
