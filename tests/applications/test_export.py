"""What is exported draws what Keras draws, in the runtimes that are there, for any batch. It is whole or not there."""

import importlib.util
import os
import shutil
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, dcgan_here, lively
from dcgan_keras import build_generator, load_generator, models
from dcgan_keras.applications import export

HAS_ONNX = all(importlib.util.find_spec(name) for name in ("tf2onnx", "onnx"))
HAS_RUNTIME = HAS_ONNX and importlib.util.find_spec("onnxruntime")
needs_onnx = pytest.mark.skipif(not HAS_ONNX, reason="needs tf2onnx and onnx")
FORMATS = [pytest.param(name, marks=needs_onnx if name == "onnx" else ()) for name in export._FORMATS]


GENERATORS = {
    "grey": lambda: build_generator(28, latent_dim=6, filters=3),
    "colour": lambda: build_generator(40, 3, latent_dim=6, filters=2),
    "kernel 5": lambda: build_generator(28, latent_dim=6, filters=3, kernel_size=5),
    "kernel 3": lambda: build_generator(32, latent_dim=6, filters=3, kernel_size=3),
    "two classes": lambda: build_generator(28, latent_dim=6, filters=3, classes=2),
    "three clusters": lambda: build_generator(28, latent_dim=6, filters=3, clusters=[0.2, 0.5, 0.3]),
}


def run_onnx(path, inputs):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert {each.name: each.shape[0] for each in session.get_inputs()} == dict.fromkeys(inputs, "batch")
    (output,) = session.get_outputs()
    assert output.name == "image" and output.shape[0] == "batch"
    return session.run(["image"], inputs)[0]


def interpreter(path):
    """LiteRT's, or the one that TensorFlow still has, which says that it will go."""
    if importlib.util.find_spec("ai_edge_litert"):
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter(str(path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return tf.lite.Interpreter(str(path))


def run_litert(path, inputs):
    found = interpreter(path).get_signature_runner("serving_default")(**inputs)
    assert list(found) == ["image"]
    return found["image"]


def run_saved_model(path, inputs):
    loaded = tf.saved_model.load(str(path))  # held: its variables go with it
    named = loaded.signatures["serving_default"](**{name: tf.constant(value) for name, value in inputs.items()})
    assert list(named) == ["image"]
    np.testing.assert_array_equal(named["image"], loaded.serve(*inputs.values())["image"])
    return named["image"].numpy()


RUN = {"onnx": run_onnx, "saved_model": run_saved_model}
RUN |= dict.fromkeys(("litert", "litert_float16", "litert_int8"), run_litert)
TOLERANCE = {"litert_float16": 2e-3, "litert_int8": 0.05}  # of float32 rounding in all others


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", GENERATORS)
def test_every_format_draws_the_same_pictures(tmp_path, kind, format):
    if format == "onnx" and not HAS_RUNTIME:
        pytest.skip("needs onnxruntime")
    generator = lively(GENERATORS[kind]())
    path = tmp_path / "generator"
    export.get(format)[0](generator, path)
    rng = np.random.default_rng(1)
    for count in (1, 5):
        inputs = {"latent": rng.normal(size=(count, 6)).astype("float32")}
        if kind == "two classes":
            inputs["label"] = np.eye(2, dtype="float32")[1 - np.arange(count) % 2]
        expected = models.draw(generator, inputs["latent"], inputs.get("label"))
        assert np.std(expected) > 0.1
        drawn = RUN[format](path, inputs)
        assert drawn.dtype == np.float32
        np.testing.assert_allclose(drawn, expected, atol=TOLERANCE.get(format, 1e-5))


@pytest.mark.parametrize("format", FORMATS)
def test_a_generator_of_half_precision_is_exported_in_float32(tmp_path, format):
    if format == "onnx" and not HAS_RUNTIME:
        pytest.skip("needs onnxruntime")
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = build_generator(28, latent_dim=6, filters=3)
    finally:
        keras.config.set_dtype_policy("float32")
    whole = lively(build_generator(28, latent_dim=6, filters=3))
    half.set_weights(whole.get_weights())
    export.get(format)[0](half, tmp_path / "generator")
    vectors = np.random.default_rng(1).normal(size=(3, 6)).astype("float32")
    np.testing.assert_allclose(
        RUN[format](tmp_path / "generator", {"latent": vectors}), whole(vectors), atol=TOLERANCE.get(format, 1e-5)
    )
    assert half.layers[0].compute_dtype == "float16"


@pytest.mark.parametrize("format", FORMATS)
def test_what_was_there_is_replaced_and_nothing_else_is_left(tmp_path, format):
    if format == "onnx" and not HAS_RUNTIME:
        pytest.skip("needs onnxruntime")
    write, ending = export.get(format)
    environment = dict(os.environ)
    first, second = (lively(build_generator(28, latent_dim=6, filters=width)) for width in (2, 3))
    path = tmp_path / f"a{ending}"
    for generator in (first, second):
        write(generator, path)
    assert list(tmp_path.iterdir()) == [path] and dict(os.environ) == environment
    latent = np.random.default_rng(1).normal(size=(2, 6)).astype("float32")
    drawn = RUN[format](str(path), {"latent": latent})
    np.testing.assert_allclose(drawn, models.draw(second, latent), atol=TOLERANCE.get(format, 1e-5))


@pytest.mark.parametrize("format", FORMATS)
def test_a_failed_export_leaves_the_old_one(tmp_path, format, monkeypatch):
    write, ending = export.get(format)
    path = tmp_path / f"a{ending}"
    write(build_generator(28, latent_dim=6, filters=2), path)
    before = {each.relative_to(path): each.read_bytes() for each in (path, *path.rglob("*")) if each.is_file()}

    def fails(*_, **__):
        raise RuntimeError("stopped in the middle")

    monkeypatch.setattr(keras.Model, "export", fails)
    monkeypatch.setattr(type(keras.export.ExportArchive()), "write_out", fails)
    with pytest.raises(RuntimeError, match="in the middle"):
        write(build_generator(28, latent_dim=6, filters=3), path)
    after = {each.relative_to(path): each.read_bytes() for each in (path, *path.rglob("*")) if each.is_file()}
    assert before == after and [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["fashion", "classes", "emoji"])
def test_smaller_files_draw_nearly_the_same(tmp_path, name):
    """Half of the size within one shade, a quarter of it within 3 of 255 shades: root mean squares."""
    generator = load_generator(ROOT / "assets" / "weights" / f"{name}_generator.keras")
    inputs = {"latent": np.random.default_rng(0).normal(size=(32, 100)).astype("float32")}
    if models.classes(generator):
        inputs["label"] = np.eye(10, dtype="float32")[np.arange(32) % 10]
    expected, sizes = models.draw(generator, inputs["latent"], inputs.get("label")), {}
    for format, most in (("litert", 0.001), ("litert_float16", 0.1), ("litert_int8", 3)):
        path = tmp_path / format
        export.get(format)[0](generator, path)
        assert 127.5 * np.sqrt(np.mean(np.square(run_litert(path, inputs) - expected))) < most
        sizes[format] = path.stat().st_size
    assert sizes["litert_float16"] < 0.52 * sizes["litert"] and sizes["litert_int8"] < 0.3 * sizes["litert"]


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("format", ["litert_float16", "litert_int8"])
def test_a_small_file_chooses_the_kinds_of_the_large_one(tmp_path, format, policy):
    """With 50 kinds. Sixteen bits do not hold so steep steps: moved to where they fit, nine of ten kinds were wrong."""
    generator = lively(build_generator(28, latent_dim=6, filters=2, clusters=[1] * 50))
    keras.config.set_dtype_policy(policy)
    try:
        trained = build_generator(28, latent_dim=6, filters=2, clusters=[1] * 50)
    finally:
        keras.config.set_dtype_policy("float32")
    trained.set_weights(generator.get_weights())
    export.get(format)[0](trained, tmp_path / "generator")
    assert all((one == other).all() for one, other in zip(trained.get_weights(), generator.get_weights()))
    latents = np.random.default_rng(0).normal(size=(400, 6)).astype("float32")
    drawn = np.concatenate([run_litert(tmp_path / "generator", {"latent": latents[n : n + 1]}) for n in range(400)])
    apart = np.abs(drawn - models.draw(generator, latents)).mean(axis=(1, 2, 3))
    others = np.abs(drawn - np.roll(drawn, 1, axis=0)).mean(axis=(1, 2, 3))
    assert np.mean(apart > 0.3 * np.median(others)) < 0.1


def test_the_folder_that_tensorflow_serving_reads(tmp_path):
    """A model's folder, which is made, and in it the version: a number."""
    export.to_saved_model(build_generator(28, latent_dim=6, filters=2), tmp_path / "models" / "clothes" / "1")
    assert (tmp_path / "models" / "clothes" / "1" / "saved_model.pb").is_file()
    assert [path.name for path in (tmp_path / "models" / "clothes").iterdir()] == ["1"]


def test_a_folder_that_is_no_saved_model_stays(tmp_path):
    generator = build_generator(28, latent_dim=6, filters=2)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("full", "file"):
        with pytest.raises(FileExistsError, match="name another folder"):
            export.to_saved_model(generator, tmp_path / name)
    (tmp_path / "empty").mkdir()
    export.to_saved_model(generator, tmp_path / "empty")
    assert (tmp_path / "empty" / "saved_model.pb").is_file() and (tmp_path / "full" / "a.txt").read_text() == "mine"


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    def fails(*_, **__):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(type(keras.export.ExportArchive()), "write_out", fails)
    with pytest.raises(OSError, match=r"Cannot write .*model: the disk is full"):
        export.to_saved_model(build_generator(28, latent_dim=6, filters=2), tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_missing_packages_are_named_before_anything_is_written(tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else find(name))
    expected = "tf2onnx" if find("onnx") else "tf2onnx onnx"
    with pytest.raises(ValueError, match=f"pip install {expected}$"):
        export.to_onnx(build_generator(28, latent_dim=6, filters=2), tmp_path / "new" / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_an_unknown_format_lists_those_there_are():
    with pytest.raises(
        ValueError, match="must be one of onnx, litert, litert_float16, litert_int8, saved_model, got 'torch'"
    ):
        export.get("torch")


def test_it_prints_nothing(tmp_path):
    """In one process, every format that can be written here."""
    formats = [name for name in export._FORMATS if name != "onnx" or HAS_ONNX]
    code = (
        "import sys\nfrom dcgan_keras import build_generator\nfrom dcgan_keras.applications import export\n"
        "for name in sys.argv[2:]:\n"
        "    export.get(name)[0](build_generator(28, latent_dim=6, filters=2), f'{sys.argv[1]}/{name}')"
    )
    result = subprocess.run([sys.executable, "-c", code, tmp_path, *formats], cwd=ROOT, capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert {path.name for path in tmp_path.iterdir()} == set(formats)


@pytest.mark.parametrize("format", FORMATS)
def test_the_command_takes_a_run_and_a_file(trained_run, tmp_path, format):
    _, ending = export.get(format)
    run = shutil.copytree(trained_run.folder, tmp_path / "run")  # the command writes there, and others read the run
    models.save(lively(build_generator(28, latent_dim=6, filters=2)), tmp_path / "own.v2.keras")
    for source, expected in (
        (run, run / f"generator{ending}"),
        (tmp_path / "own.v2.keras", tmp_path / f"own.v2{ending}"),
    ):
        result = dcgan_here("export", source, "--format", format)
        assert result.returncode == 0, result.stderr
        assert expected.exists() and f"Wrote {expected} (" in result.stdout and result.stderr == ""
    result = dcgan_here("export", run, "--format", format, "--out", "there/a", cwd=tmp_path)
    assert result.returncode == 0 and (tmp_path / "there" / "a").exists(), result.stderr
    if format != "onnx":
        generator = models.load_generator(run / "generator.keras")
        vectors = np.random.default_rng(1).normal(size=(3, 4)).astype("float32")
        drawn = RUN[format](tmp_path / "there" / "a", {"latent": vectors})
        np.testing.assert_allclose(drawn, generator(vectors, training=False), atol=TOLERANCE.get(format, 1e-5))


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["nowhere", "--format", "litert"], "There is no nowhere"),
        (["nowhere", "--format", "pickle"], "must be one of onnx, litert, litert_float16"),
        ([".", "--format", "litert"], "There is no run in ."),
    ],
)
def test_the_command_says_in_one_sentence_what_is_wrong(tmp_path, arguments, words):
    result = dcgan_here("export", *arguments, cwd=tmp_path)
    assert result.returncode == 2 and result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("Error: ") and words in result.stderr and not list(tmp_path.iterdir())
