"""Makes `fashion_mnist_subset.npz`: the first 1,000 training and 500 test images of each class of Fashion-MNIST.

    python assets/data/make_fashion_subset.py FOLDER

FOLDER holds the four official files, `train-images-idx3-ubyte.gz` and so on, from
https://github.com/zalandoresearch/fashion-mnist or from Debian's package `dataset-fashion-mnist`
(`/usr/share/datasets/fashion-mnist`). Their contents are checked by sha256 before anything is written.
"""

import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np

OUT = Path(__file__).with_name("fashion_mnist_subset.npz")

# sha256 of the uncompressed files: gzip headers differ between distributors, the contents do not.
CONTENTS = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


def read_idx(folder: Path, name: str) -> np.ndarray:
    """Reads one gzipped IDX file: 2 zero bytes, a type byte, the number of axes, big-endian sizes, the values."""
    content = gzip.decompress((folder / f"{name}.gz").read_bytes())
    found = hashlib.sha256(content).hexdigest()
    if found != CONTENTS[name]:
        raise SystemExit(f"{name}.gz in {folder} is not the official file: its sha256 is {found}.")
    axes = content[3]
    shape = np.frombuffer(content, ">u4", count=axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def first_of_each_class(images: np.ndarray, labels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Keeps the first `count` images of each class, in the order of the official file."""
    keep = np.sort(np.concatenate([np.flatnonzero(labels == label)[:count] for label in range(10)]))
    return images[keep], labels[keep]


def main(folder: Path) -> None:
    arrays = {}
    for split, prefix, count in (("train", "train", 1000), ("test", "t10k", 500)):
        images = read_idx(folder, f"{prefix}-images-idx3-ubyte")
        labels = read_idx(folder, f"{prefix}-labels-idx1-ubyte")
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = first_of_each_class(images, labels, count)
    np.savez_compressed(OUT, **arrays)
    print(f"{OUT.name}: {OUT.stat().st_size:,} bytes, sha256 {hashlib.sha256(OUT.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
