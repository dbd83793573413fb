"""Extractors: what comes out has the right shape, scale and origin, and what does not fit is refused in a sentence."""

import shutil

import keras
import numpy as np
import pytest
from dcgan_keras import data, extractors


@pytest.fixture(scope="module")
def fashion():
    return extractors.load("fashion")


@pytest.fixture(scope="module")
def untrained_inception():
    return extractors.load_inception(weights=None)


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
    images = data.load_bundled("test")[0][:700]  # over one batch, and no whole number of them
    scaled = images.astype(np.float64) / 127.5 - 1
    np.testing.assert_allclose(fashion(images).features, fashion(scaled).features, atol=1e-5)
    np.testing.assert_allclose(fashion(images).features[600:], fashion(images[600:]).features, atol=1e-5)


def test_dropout_and_batch_statistics_are_off(fashion):
    images = data.load_bundled("test")[0][:64]
    np.testing.assert_array_equal(fashion(images).features, fashion(images).features)
    np.testing.assert_allclose(fashion(images[:1]).features, fashion(images).features[:1], atol=1e-5)


def test_the_weights_are_small_and_known(fashion):
    path = extractors.fashion_weights()
    assert path.stat().st_size <= 2_000_000
    assert fashion.sha256 == extractors.FASHION_SHA256 and fashion.dimension == 64 and fashion.name == "fashion"


def test_other_weights_have_another_name_in_every_score(tmp_path):
    keras.utils.set_random_seed(1)
    path = tmp_path / "mine.weights.h5"
    extractors.build_classifier().save_weights(path)
    assert extractors.load_fashion(path).sha256 != extractors.FASHION_SHA256


def test_damaged_weights_are_refused(tmp_path, monkeypatch):
    copy = tmp_path / "copy.weights.h5"
    shutil.copy(extractors.fashion_weights(), copy)
    with open(copy, "r+b") as file:
        file.seek(copy.stat().st_size // 2)
        file.write(b"\x00\x01\x02\x03")
    monkeypatch.setattr(extractors, "fashion_weights", lambda: copy)
    with pytest.raises(ValueError, match="damaged"):
        extractors.load("fashion")
    copy.unlink()
    with pytest.raises(FileNotFoundError, match="Install the package again"):
        extractors.load("fashion")
    copy.write_text("no weights")
    with pytest.raises(ValueError, match="does not hold the weights"):
        extractors.load_fashion(tmp_path / ".." / tmp_path.name / copy.name)


def test_an_own_classifier_is_trained_and_standardised():
    images, labels = data.load_bundled("train")
    images, labels = images[:512], labels[:512]
    network = extractors.train_classifier(images, labels, epochs=1)
    features, logits = network.predict(images.astype(np.float32) / 127.5 - 1, verbose=0)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(features.var(axis=0, ddof=1), 1, atol=1e-3)
    assert logits.shape == (512, 10)


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


def test_no_network_is_one_sentence_that_names_the_bundled_extractor(monkeypatch):
    def offline(**_):
        raise Exception("URL fetch failure on https://example.org: None -- [Errno -2] Name or service not known")

    monkeypatch.setattr(keras.applications, "InceptionV3", offline)
    with pytest.raises(ConnectionError, match="Cannot download.*'fashion', which comes with the package"):
        extractors.load("inception")


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
    ],
)
def test_images_that_do_not_fit_get_one_sentence(fashion, images, words):
    with pytest.raises(ValueError, match=words):
        fashion(images)


def test_unknown_extractor():
    with pytest.raises(ValueError, match="'fashion' or 'inception', got 'vgg'"):
        extractors.load("vgg")
