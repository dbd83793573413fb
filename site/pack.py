"""Packs what the explorer's pages need: the course's generators, and photographs to train one on.

A generator is a `.keras` file in, `NAME.f16` and `NAME.json` out.

    python site/pack.py build/site/explorer

`NAME.f16` holds the weights as they are committed, one float16 after another. They stay apart from BatchNorm's four
vectors: multiplying those into the kernels and rounding again would change images by up to 0.005. `NAME.json` says
what lies where, and holds what the page needs beside the weights: the main directions of the first layer, and the
four latent vectors in the corners of the map.

`clothes.z` holds photographs for the DCGAN that trains in a browser: a byte a pixel, compressed by zlib.

It needs h5py and NumPy, not TensorFlow.
"""

import io
import json
import sys
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).parents[1]
DIRECTIONS = 8
PHOTOS = 2_000  # of the 10,000 to train on, in their order, which is a random one: 0.9 MB
CLASSES = (
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot",
)  # fmt: skip
# Each name of the explorer: its file, the seeds of the map's corners (top left, top right, bottom left, bottom right),
# chosen by hand among the first 80: clear pictures of four kinds; and the classes that it is told, if it is.
GENERATORS = {
    "fashion": ("fashion_generator.keras", (76, 52, 3, 65), ()),
    "classes": ("classes_generator.keras", (1, 24, 47, 40), CLASSES),
    "emoji": ("emoji_generator.keras", (12, 43, 59, 65), ()),
}
# Each kind of layer with weights: its folder in the file, where Keras numbers the layers of a kind (conv2d_transpose,
# conv2d_transpose_1, ...), and its weights in their order.
_WEIGHTS = {
    "Dense": ("dense", ("kernel",)),
    "BatchNormalization": ("batch_normalization", ("gamma", "beta", "moving_mean", "moving_variance")),
    "Conv2DTranspose": ("conv2d_transpose", ("kernel", "bias")),
}


def read(path: Path) -> tuple[list[dict], dict[str, np.ndarray]]:
    """Reads a generator of `models.build_generator`: the layers' settings, and the weights by name.

    Raises:
        ValueError: if it has a layer or a setting that the explorer's generator.js does not know.
    """
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))["config"]["layers"]
        stored = h5py.File(io.BytesIO(archive.read("model.weights.h5")))
    layers = [{"class": layer["class_name"], **layer["config"]} for layer in config]
    for layer in layers:
        kind = layer["class"]
        if kind not in _WEIGHTS and kind not in ("InputLayer", "Concatenate", "Reshape", "ReLU", "Activation"):
            raise ValueError(f"{path.name}: generator.js has no layer {kind}.")
        if kind == "Conv2DTranspose" and (layer["kernel_size"], layer["strides"]) != ([4, 4], [2, 2]):
            raise ValueError(f"{path.name}: generator.js stamps kernels of 4 at stride 2 only.")
        if kind == "Dense" and layer["use_bias"]:
            raise ValueError(f"{path.name}: generator.js has a dense layer without bias only.")

    counts = dict.fromkeys(_WEIGHTS, 0)
    weights = {}
    for layer in layers:
        if layer["class"] not in _WEIGHTS:
            continue
        folder, names = _WEIGHTS[layer["class"]]
        number = f"_{counts[layer['class']]}" if counts[layer["class"]] else ""
        counts[layer["class"]] += 1
        values = stored[f"layers/{folder}{number}/vars"]
        for n in range(len(values)):
            weights[f"{layer['name']}/{names[n]}"] = values[str(n)][()]
    return layers, weights


def main_directions(
    weights: dict[str, np.ndarray], latent_dim: int, count: int = DIRECTIONS
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the latent directions that the first layer enlarges most, as SeFa does (arXiv 2007.06600).

    They are the first singular vectors of the dense layer times its BatchNorm's scale.

    Args:
        weights: by name, as `read` returns them.
        latent_dim: length of a latent vector. Further rows of the dense layer are those of the classes.

    Returns:
        Unit vectors of shape (count, latent_dim), and the share of the squared weights that each carries.
    """
    norm = {name.split("/")[1]: value for name, value in weights.items() if name.startswith("project_norm/")}
    scale = norm["gamma"].astype(float) / np.sqrt(norm["moving_variance"].astype(float) + 1e-5)
    kernel = weights["project/kernel"][:latent_dim].astype(float)
    kernel = kernel * np.tile(scale, kernel.shape[1] // len(scale))  # a scale for each channel, the last axis
    vectors, values, _ = np.linalg.svd(kernel, full_matrices=False)
    vectors *= np.sign(vectors[np.abs(vectors).argmax(axis=0), range(len(values))])  # a singular vector has no sign
    return vectors.T[:count], (values**2 / np.sum(values**2))[:count]


def pack(path: Path, folder: Path, name: str, corner_seeds=(0, 1, 2, 3), classes: tuple[str, ...] = ()) -> None:
    """Writes `NAME.f16` and `NAME.json` to a folder.

    Raises:
        ValueError: if a weight is no float16: then packing would not be exact. If it is told other classes than these.
    """
    layers, weights = read(path)
    inputs = [layer["batch_shape"][1] for layer in layers if layer["class"] == "InputLayer"]
    if inputs[1:] != [len(classes)] * bool(classes):
        raise ValueError(f"{path.name}: it is told {sum(inputs[1:])} classes, and {len(classes)} have a name.")
    tensors, offset = {}, 0
    for key, value in weights.items():
        if not np.array_equal(value.astype("<f2").astype(value.dtype), value):
            raise ValueError(f"{path.name}: {key} is not stored as float16.")
        tensors[key] = {"shape": value.shape, "offset": offset}
        offset += value.size
    latent_dim = inputs[0]
    directions, shares = main_directions(weights, latent_dim)
    corners = [np.random.default_rng(seed).normal(size=latent_dim) for seed in corner_seeds]
    start = next(layer["target_shape"] for layer in layers if layer["class"] == "Reshape")
    about = {
        "latent_dim": latent_dim,
        "classes": classes,
        "start": start[0],
        "ups": [layer["name"] for layer in layers if layer["class"] == "Conv2DTranspose"],
        "epsilon": next(layer["epsilon"] for layer in layers if layer["class"] == "BatchNormalization"),
        "tensors": tensors,
        "directions": np.round(directions, 5).tolist(),
        "shares": np.round(shares, 4).tolist(),
        "corners": np.round(corners, 4).tolist(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.f16").write_bytes(b"".join(value.astype("<f2").tobytes() for value in weights.values()))
    (folder / f"{name}.json").write_text(json.dumps(about, separators=(",", ":")), encoding="utf-8")


def pack_photos(folder: Path, count: int = PHOTOS) -> None:
    """Writes the first `count` of the bundled clothes, uint8 of shape (count, 28, 28), to `clothes.z`."""
    with np.load(ROOT / "assets" / "data" / "fashion_mnist_subset.npz") as arrays:
        photos = arrays["train_images"][:count]
    (folder / "clothes.z").write_bytes(zlib.compress(photos.tobytes(), 9))


def main(folder: str | Path) -> None:
    """Packs all generators, and the photographs."""
    for name, (file, seeds, classes) in GENERATORS.items():
        pack(ROOT / "assets" / "weights" / file, Path(folder), name, seeds, classes)
    pack_photos(Path(folder))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python site/pack.py FOLDER")
    main(sys.argv[1])
