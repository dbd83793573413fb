"""A generator handed to other runtimes: TensorFlow Serving, ONNX, LiteRT. Opens without this package, draws the same.

Every file takes latent vectors, float32 of shape (batch, latent_dim), for any batch; of a generator that is told
classes also labels (batch, classes), a 1 for the class that is asked for and 0 for the others. It gives images, float32
of shape (batch, height, width, channels) in [-1, 1], BatchNorm in inference mode. It computes in float32, whatever
precision the generator was trained in.

Not here: running what was exported. Notebook 18 does, and writes the same generator in NumPy and in PyTorch.
"""

import contextlib
import functools
import importlib.util
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import tensorflow as tf
from dcgan_keras import files, models, startup

_FOR_ONNX = ("tf2onnx", "onnx")  # one walks TensorFlow's graph, the other writes the file


def to_saved_model(generator: keras.Model, path: str | Path) -> None:
    """Writes a folder for `tf.saved_model.load`, whose endpoint is `serve`, and for TensorFlow Serving.

    Args:
        generator: a model from latent vectors to images, as `models.build_generator` makes it or your own.
        path: the folder. A SavedModel that is there already is replaced. For TensorFlow Serving its name is a number,
            the version, in a folder of the model's name: "models/clothes/1".

    Raises FileExistsError if there is something else of this name, and OSError if it cannot be written.
    """
    path = Path(path)
    if path.exists() and not (path / "saved_model.pb").is_file() and not (path.is_dir() and not any(path.iterdir())):
        raise FileExistsError(f"{path} already exists and is no SavedModel: name another folder.")
    with files.atomic_folder(path) as unfinished:
        _as_saved_model(generator, unfinished)


def to_onnx(generator: keras.Model, path: str | Path) -> None:
    """Writes an ONNX file at `path`, whole or not at all: inputs `latent` and, with classes, `label`; output `image`.

    Raises ValueError if a package that this needs is not installed; the message says which, and OSError if it cannot be
    written.
    """
    missing = [name for name in _FOR_ONNX if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"An ONNX file needs packages that are not here: pip install {' '.join(missing)}")
    with files.atomic(path) as unfinished, warnings.catch_warnings(), startup.held_stderr(), _environment_kept():
        warnings.simplefilter("ignore", FutureWarning)  # tf2onnx asks NumPy for names of old
        _ready(generator).export(unfinished, format="onnx", verbose=False)
        _name_parts(unfinished)


def to_litert(generator: keras.Model, path: str | Path, weights: str = "float32") -> None:
    """Writes a LiteRT (once TensorFlow Lite) file at `path`, whole or not at all.

    Args:
        generator, path: as in `to_saved_model`, a file.
        weights: what the file holds them in. `float16` halves it, and `int8` quarters it and moves shades. Of a
            generator that chooses a kind itself, in both about one picture in a hundred is between two kinds.

    Raises ValueError if there is no such kind, and OSError if the file cannot be written.
    """
    if weights not in ("float32", "float16", "int8"):
        raise ValueError(f"weights must be float32, float16 or int8, got {weights!r}.")
    with files.atomic(path) as unfinished, tempfile.TemporaryDirectory() as folder, startup.held_stderr():
        _as_saved_model(generator, Path(folder), 1e-2 if weights != "float32" else 1)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if weights != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if weights == "float16":
            converter.target_spec.supported_types = [tf.float16]
        unfinished.write_bytes(converter.convert())


# For each what writes it, a function of (generator, path), and what the name ends with.
_FORMATS: dict[str, tuple[Callable, str]] = {
    "onnx": (to_onnx, ".onnx"),
    "litert": (to_litert, ".tflite"),
    "litert_float16": (functools.partial(to_litert, weights="float16"), "_float16.tflite"),
    "litert_int8": (functools.partial(to_litert, weights="int8"), "_int8.tflite"),
    "saved_model": (to_saved_model, "_saved_model"),
}


def get(name: str) -> tuple[Callable, str]:
    """Returns what writes a format, and what its name ends with; ValueError with a list of those there are."""
    if name not in _FORMATS:
        raise ValueError(f"format must be one of {', '.join(_FORMATS)}, got {name!r}.")
    return _FORMATS[name]


@contextlib.contextmanager
def _environment_kept() -> Iterator[None]:
    """Takes back what tf2onnx does to the environment: a log level, with which later processes would print lines."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


def _ready(generator: keras.Model, slope: float = 1) -> keras.Model:
    """Copies a generator into Keras's own layers in float32, and calls it once: Keras exports what has been called.

    `slope` flattens the steps by which it chooses a kind: as they are, they are beyond what 16 bits hold.
    """
    network = models.plain(generator, dtype="float32")
    for layer in [each for each in network.layers if each.name == models.PASSED and slope != 1]:
        layer.set_weights([slope * weight for weight in layer.get_weights()])
    models.draw(network, keras.ops.zeros((1, models.latent_dim(network))))
    return network


def _as_saved_model(generator: keras.Model, folder: Path, slope: float = 1) -> None:
    network, logger = _ready(generator, slope), tf.get_logger()
    level = logger.level
    logger.setLevel("WARNING")  # it says where it writes to, which is a temporary place
    signature = [
        tf.TensorSpec((None, *each.shape[1:]), name=name) for name, each in zip(("latent", "label"), network.inputs)
    ]
    archive = keras.export.ExportArchive()
    archive.track(network)
    archive.add_endpoint("serve", lambda *given: {"image": network(given if len(given) > 1 else given[0])}, signature)
    try:
        archive.write_out(folder, verbose=False)
    except tf.errors.OpError as error:  # TensorFlow's own writer, which may find the disk full
        raise OSError(error.message) from error
    finally:
        logger.setLevel(level)


def _name_parts(path: Path) -> None:
    """Names the output of an ONNX file `image` and the free dimension of all `batch`; the converter numbers them."""
    import onnx

    model = onnx.load(path)
    graph, old = model.graph, model.graph.output[0].name
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = ["image" if name == old else name for name in names]
    graph.output[0].name = "image"
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.checker.check_model(model)
    onnx.save(model, path)
