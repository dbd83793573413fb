"""TensorFlow Datasets is an extra: without it one sentence says what to install. What it loads is in test_sources."""

import sys

import pytest
from dcgan_keras import data


@pytest.mark.parametrize("missing", ["tensorflow_datasets", "importlib_resources"])
def test_without_the_extra_a_sentence_says_how_to_get_it(tmp_path, monkeypatch, missing):
    """The second is what TensorFlow Datasets imports without asking for it."""
    if missing == "importlib_resources":
        (tmp_path / "tensorflow_datasets.py").write_text("import importlib_resources\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "tensorflow_datasets", raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ValueError) as caught:
        data.load_images("tfds:fashion_mnist", data_dir=tmp_path)
    assert str(caught.value) == (
        f"A source tfds:NAME needs the package {missing}, which is not installed: "
        "pip install \"dcgan-keras[tfds]\". Other sources: 'bundled', a folder."
    )
    assert data.look("tfds:fashion_mnist") is None


def test_versions_that_do_not_go_together_are_one_sentence(tmp_path, monkeypatch):
    """As of protobuf, beside an older TensorFlow: it is no ImportError."""
    (tmp_path / "tensorflow_datasets.py").write_text(
        "raise type('VersionError', (Exception,), {})('gencode 6, runtime 5')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorflow_datasets", raising=False)
    with pytest.raises(ValueError) as caught:
        data.load_images("tfds:fashion_mnist", data_dir=tmp_path)
    assert str(caught.value) == (
        "A source tfds:NAME needs other versions of its packages (VersionError): in a new environment, "
        "pip install \"dcgan-keras[tfds]\". Other sources: 'bundled', a folder."
    )
