"""Malformed input to the public functions, made up by Hypothesis: it works, or one sentence says what was wrong.

Never a TensorFlow message, never a half-written file. What good input does is tested elsewhere.
"""

import json
import os
import warnings

import numpy as np
import pytest
from conftest import TINY
from dcgan_keras import __main__ as command_line
from dcgan_keras import data, losses, models, plots, presets, training
from dcgan_keras.evaluation import extractors, metrics
from dcgan_keras.training import callbacks, devices, runs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from typer.testing import CliRunner

# Short by default; `make fuzz` sets DCGAN_FUZZ=50 for fifty times as many examples.
LONGER = int(os.environ.get("DCGAN_FUZZ", 1))
few = settings(max_examples=8 * LONGER, deadline=None, suppress_health_check=list(HealthCheck))
many = settings(max_examples=30 * LONGER, deadline=None, suppress_health_check=list(HealthCheck))

numbers = st.one_of(st.integers(-5, 70), st.floats(-5, 70), st.sampled_from([float("nan"), float("inf"), 10**9]))
small = st.one_of(st.integers(-3, 8), st.floats(-3, 8), st.just(float("nan")))
features = arrays.arrays(
    np.float64,
    arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=12),
    elements=st.floats(-1e6, 1e6) | st.sampled_from([float("nan"), float("inf")]),
)
pictures = arrays.arrays(
    st.sampled_from([np.uint8, np.float32, np.int64, np.bool_]),
    arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=6),
)
words = st.text(max_size=30)


def works_or_says_why(call, *arguments, **options):
    """Calls, and checks what is raised. Returns the result, None if something was raised."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return call(*arguments, **options)
    except (ValueError, FileNotFoundError) as error:
        text = str(error)
        assert 10 < len(text) < 600, text
        for word in ("{{node", "Traceback", "InvalidArgument", "Op:", "tensorflow/"):
            assert word not in text, text
    return None


@many
@given(st.sampled_from(sorted(presets.PRESETS)) | words, st.dictionaries(words, numbers, max_size=2))
def test_preset_names(name, changes):
    works_or_says_why(lambda: presets.get(name, **changes))


@many
@given(
    st.sampled_from(["batch_size", "epochs", "frames", "g_learning_rate", "d_learning_rate", "beta_1"]),
    numbers,
)
def test_preset_values(name, value):
    found = works_or_says_why(presets.get, "laptop", **{name: value})
    assert found is None or value > 0 or (name == "beta_1" and value == 0)


@few
@given(st.integers(-2, 200) | small, small, small, small, small)
def test_networks(image_size, channels, filters, latent_dim, kernel_size):
    options = {"filters": filters, "kernel_size": kernel_size}
    works_or_says_why(models.build_generator, image_size, channels, latent_dim=latent_dim, **options)
    works_or_says_why(models.build_discriminator, image_size, channels, **options)


@many
@given(pictures, st.integers(-3, 9))
def test_datasets(images, batch_size):
    dataset = works_or_says_why(data.make_dataset, images, batch_size=batch_size)
    if dataset is not None:
        for batch in dataset.take(1):
            assert batch.shape == (batch_size, *images.shape[1:])


@few
@given(st.one_of(words, words.map("tfds:{}".format)), st.integers(-2, 64), st.integers(-1, 5), words)
def test_sources(source, image_size, channels, split):
    options = {"image_size": image_size, "channels": channels, "split": split}
    works_or_says_why(data.load_images, f"no/such/folder/{source}" if ":" not in source else source, **options)


@many
@given(features, features, st.integers(-2, 14), st.integers(-2, 14))
def test_metrics(first, second, k, size):
    for call in (
        lambda: metrics.fid(first, second),
        lambda: metrics.kid(first, second, subsets=k, subset_size=size),
        lambda: metrics.inception_score(first, splits=k),
        lambda: metrics.precision_recall(first, second, k=k),
        lambda: metrics.nearest_neighbours(first, second)[1].sum(),
    ):
        found = works_or_says_why(call)
        assert found is None or np.isfinite(found).all()


@many
@given(pictures, st.integers(-2, 6), st.integers(-2, 4))
def test_grids(images, columns, scale):
    works_or_says_why(plots.image_grid, images, columns=columns, scale=scale)


@pytest.fixture(scope="module")
def fashion():
    return extractors.load("fashion")


@few
@given(pictures)
def test_extractors(fashion, images):
    works_or_says_why(fashion, images)


@many
@given(words)
def test_names_of_losses_and_extractors(name):
    works_or_says_why(losses.get, name)
    works_or_says_why(extractors.load, name)


@many
@given(st.integers(-(2**40), 2**40), st.integers(-5, 5), words)
def test_runs(tmp_path_factory, seed, score_every, precision):
    works_or_says_why(runs.Run, "r", TINY, seed=seed, score_every=score_every, precision=precision)


@many
@given(words | st.integers() | st.none() | st.lists(words, max_size=2))
def test_losses(loss):
    works_or_says_why(losses.get, loss)


@few
@given(st.binary(max_size=200))
def test_files_that_hold_something_else(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("files")
    gan = test_files_that_hold_something_else.__dict__.setdefault("gan", training.build(TINY))
    for name, read in {
        "config.json": lambda path: runs.open_run(path.parent),
        "scores.csv": lambda path: callbacks.read_rows(path, "score"),
        "history.csv": callbacks.read_history,
        "generator.keras": models.load_generator,
        "epoch-0001.weights.h5": lambda path: callbacks.load_checkpoint(gan, path),
        "mine.keras": lambda path: extractors.load_classifier("fashion", path),
    }.items():
        (folder / name).write_bytes(content)
        works_or_says_why(read, folder / name)
        assert (folder / name).read_bytes() == content and not list(folder.glob(".unfinished*"))


json_values = st.recursive(
    st.none() | st.integers(-2, 3) | words, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner)
)


@many
@given(
    words.filter(lambda text: "\0" not in text)
    | json_values.map(json.dumps)
    | st.fixed_dictionaries({"cluster": st.fixed_dictionaries({"worker": json_values}), "task": json_values}).map(
        json.dumps
    )
)
def test_tf_config(text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_CONFIG", text.encode("utf-8", "replace").decode())
        works_or_says_why(devices._read_tf_config)


OPTIONS = (
    "--preset --image-size --channels --batch-size --latent-dim --g-filters --d-filters --kernel-size --epochs --seed "
    "--g-learning-rate --d-learning-rate --beta-1 --loss --r1-gamma --ema-decay --frames --score-every --precision "
    "--strategy --replicas --source --run"
).split()
WRONG = st.sampled_from(["", "-1", "1.5", "x", "nan", "1e99", "no/such/folder", "\u00e9\u4e2d", "tfds:none"])


@many
@given(st.lists(st.tuples(st.sampled_from(OPTIONS), WRONG), min_size=1, max_size=3), st.booleans())
def test_the_command_line(tmp_path_factory, options, resume):
    """In the folder of nothing: a wrong value never leaves a file, and never trains, since the preset is no preset."""
    folder = tmp_path_factory.mktemp("cli")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("TF_CONFIG", raising=False)
        arguments = ["train", *[word for option in options for word in option], *["--resume"] * resume]
        if not resume and not any(name == "--preset" for name, _ in options):
            arguments += ["--preset", "none"]
        result = CliRunner().invoke(command_line.app, arguments)
    assert result.exit_code == 2, (arguments, result.output, result.exception)
    assert "Traceback" not in result.output
    assert not list(folder.iterdir())
