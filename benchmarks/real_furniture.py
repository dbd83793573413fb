"""Real tables and chairs, searched by generators that were trained on made-up ones: a table that notebook 17b reads.

    apt-get download sweethome3d-furniture
    python benchmarks/real_furniture.py --deb sweethome3d-furniture_1.8-1_all.deb [--arms voxels ...] [--seeds 0 1 2]
        [--steps 3500] [--jobs 1] [--csv FILE]

Debian's package (120 MB) holds the catalogues of Sweet Home 3D: OBJ files, and what is known of each. It is read where
it lies, nothing is installed. Taken is what the English name calls chair, stool, table or desk (`is_wanted`): 114
pieces, of which 58 are chairs of all kinds, 43 tables, 7 desks and 6 stools; sofas, benches and lamps for desks are
none. All could be read, none was left out. `voxelise` says how they become shares of 16x16x16 voxels. `--pieces FILE`
writes those in the public domain to a file instead, as they are in `assets/data/furniture.npz`.

Two arms, three seeds each: `voxels` and `mirrored`, the generators of `beyond_images.py`, trained on 4,000 made-up
shapes. For each piece the latent space is searched by the mean squared error of its shares. A quarter of an hour of one
core. Runs that are in the file already, as long, are not done again.

Columns: id, name, creator and licence as the package gives them; arm, seed; steps; seconds of one core, training alone;
then the overlap of the piece, above one half, with four answers, as intersection over union of voxels: search, the best
of 4 starts of 200 steps; random, the best of as many drawn shapes as the search drew, 800; nearest, of the 4,000
training shapes; mean, where their mean is above the level that overlaps most with themselves. length, of the latent
vector found (of those drawn about 5.6). fails, which of the four tests of `beyond_images.report` the piece itself does
not pass; valid, 1 if what the search found passes all. One row an arm and seed is of `furniture(200, 1)`, made-up
furniture that no training saw: the medians of the 200, and the share valid.
"""

import dataclasses
import io
import lzma
import re
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import tables
from beyond_images import SHAPES as ARMS
from beyond_images import SIDE, build, draw, fit, furniture, overlap, report
from dcgan_keras import files
from dcgan_keras.applications import latent
from scipy import ndimage

SEEDS = (0, 1, 2)
HEAD = ("id", "name", "creator", "licence", "arm", "seed", "steps", "seconds", "search", "random", "nearest", "mean")
HEAD += ("length", "fails", "valid")
KINDS = ("chair", "stool", "table", "desk")
MADE_UP = {"id": "furniture(200, 1)", "name": "made-up furniture", "creator": "", "licence": ""}
FINE = 6  # cells to the side of a voxel
LONGEST = 15  # voxels of the longest side of a piece: those of `furniture` reach 15.5
THIN = 1.5  # voxels that no part is thinner than: the thinnest leg or board of `furniture`
STARTS, SEARCH = 4, {"steps": 200, "learning_rate": 0.1, "prior": 3e-3}


# From the package to triangles.


def unpack(path):
    """Yields name and bytes of each file in a Debian package: an `ar` archive with a tar file inside."""
    with open(path, "rb") as file:
        if file.read(8) != b"!<arch>\n":
            raise SystemExit(f"{path} is no Debian package.")
        while header := file.read(60):
            size = int(header[48:58])
            if header.startswith(b"data.tar.xz"):
                with tarfile.open(fileobj=lzma.open(io.BytesIO(file.read(size)))) as tar:
                    yield from ((member.name, tar.extractfile(member).read()) for member in tar if member.isfile())
                return
            file.seek(size + size % 2, io.SEEK_CUR)
    raise SystemExit(f"{path} has no data.tar.xz.")


def catalogue(text):
    """Reads the pieces of a catalogue's properties: a dictionary for each number after the #."""
    found = {}
    for key, number, value in re.findall(r"^(\w+)#(\d+)=(.*?)\s*$", text, re.MULTILINE):
        found.setdefault(int(number), {})[key] = value
    return list(found.values())


def is_wanted(name):
    """Whether the noun of an English name says chair, stool, table or desk: of "Table with cloth" it is "Table"."""
    return re.split(" with | on ", name.lower())[0].endswith(KINDS)


def read_obj(text):
    """Reads the triangles (count, 3, 3) of an OBJ file, in x, y (up) and z (to the front)."""
    points, triangles = [], []
    for kind, *rest in filter(None, map(str.split, text.splitlines())):
        if kind == "v":
            points.append([float(value) for value in rest[:3]])
        elif kind == "f":  # numbers from 1, or from the end if negative
            numbers = [int(each.split("/")[0]) for each in rest]
            numbers = [number - 1 if number > 0 else len(points) + number for number in numbers]
            triangles += [[numbers[0], *pair] for pair in zip(numbers[1:-1], numbers[2:])]
    return np.array(points)[np.array(triangles)]


def licence(library, texts):
    """Licence of a piece: what the file in its folder says, or else what the package says of its library."""
    for text in texts:
        for words, name in (("Creative Commons Zero", "CC0"), ("Creative Commons Attribution 3", "CC-BY-3.0")):
            if words in text:
                return name, True
    return library, False


# From triangles to voxels.


def halved(triangles, longest):
    """Cuts triangles in two at their longest side until no side is longer."""
    done = []
    while len(triangles):
        sides = np.linalg.norm(triangles - np.roll(triangles, -1, axis=1), axis=2)
        large = sides.max(axis=1) > longest
        done.append(triangles[~large])
        order = (sides[large].argmax(axis=1)[:, None] + np.arange(3)) % 3  # the longest side comes first
        a, b, c = np.moveaxis(np.take_along_axis(triangles[large], order[..., None], axis=1), 1, 0)
        middle = (a + b) / 2
        triangles = np.concatenate([np.stack([a, middle, c], axis=1), np.stack([middle, b, c], axis=1)])
    return np.concatenate(done)


def thickened(solid, axis, least, low, high):
    """Makes each run of filled cells along an axis at least so long, on both sides alike, from low to high at most."""
    cells = np.moveaxis(solid, axis, -1)
    edges = np.diff(np.pad(cells.astype(np.int8), ((0, 0), (0, 0), (1, 1))))
    (*lines, start), (*_, end) = np.nonzero(edges == 1), np.nonzero(edges == -1)  # a start for each end
    more = np.maximum(least - (end - start) + 1, 0) // 2
    shift = np.maximum(low - (start - more), 0) - np.maximum(end + more - high, 0)  # at a side it grows inwards
    marks = np.zeros(edges.shape, int)
    np.add.at(marks, (*lines, np.clip(start - more + shift, low, high)), 1)
    np.add.at(marks, (*lines, np.clip(end + more + shift, low, high)), -1)
    return np.moveaxis(np.cumsum(marks, axis=-1)[..., :-1] > 0, -1, axis)


def voxelise(triangles, sizes, thin=THIN):
    """Shares in [0, 1] of shape (height, depth, width), as `furniture` has them, with the back at small depth.

    The piece stands on the floor, in the middle, and its longest side has `LONGEST` voxels. What its surface encloses
    is filled. Parts thinner than `thin` are made so thick, in the space that the whole piece takes.

    Args:
        triangles: (count, 3, 3) in x, y (up) and z (to the front).
        sizes: height, depth and width of the piece, in any unit: the triangles are stretched to them.
        thin: voxels.
    """
    corners = triangles[..., [1, 2, 0]]
    first, last = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    sizes = np.array(sizes) * FINE * LONGEST / max(sizes)
    middle = np.array([sizes[0], SIDE * FINE, SIDE * FINE]) / 2
    inwards = 1 - 1e-6  # a side that lies between two cells belongs to the inner one, on the left as on the right
    corners = middle + inwards * sizes * ((corners - first) / np.maximum(last - first, 1e-9) - 0.5)

    small = halved(corners, 0.6)
    points = np.concatenate([*np.moveaxis(small, 1, 0), small.mean(axis=1)])
    surface = np.zeros((SIDE * FINE + 2,) * 3, bool)  # with an empty cell all around
    surface[tuple(points.astype(int).T + 1)] = True
    regions, _ = ndimage.label(~surface)
    solid = (regions != regions[0, 0, 0])[1:-1, 1:-1, 1:-1]
    for axis in range(3):
        low, high = np.floor(middle[axis] - sizes[axis] / 2), np.ceil(middle[axis] + sizes[axis] / 2)
        solid = thickened(solid, axis, round(thin * FINE), int(low), int(high))
    return solid.reshape(SIDE, FINE, SIDE, FINE, SIDE, FINE).mean(axis=(1, 3, 5)).astype(np.float32)


def load(path):
    """Reads the tables and chairs of the package: a list of what its files say of each, and their shares."""
    files = dict(unpack(path))
    copyright_text = next(text for name, text in files.items() if name.endswith("/copyright")).decode()
    licences = dict(re.findall(r"^Files: ([\w-]+)/\*\n(?:.+\n)*?License: (\S+)", copyright_text, re.MULTILINE))
    pieces, shapes = [], []
    for name, content in sorted(files.items()):
        if not name.endswith(".sh3f"):
            continue
        with zipfile.ZipFile(io.BytesIO(content)) as library:
            names = library.namelist()
            for row in catalogue(library.read("PluginFurnitureCatalog.properties").decode("latin-1")):
                if not is_wanted(row["name"]):
                    continue
                model = row["model"].lstrip("/")
                folder = model.rpartition("/")[0] + "/"
                texts = [each for each in names if each.startswith(folder) and "licen" in each[len(folder) :].lower()]
                texts = [library.read(each).decode("latin-1") for each in texts]
                its, own = licence(licences[Path(name).stem], texts)
                pieces.append({"id": row["id"], "name": row["name"], "creator": row["creator"]})
                pieces[-1] |= {"licence": its, "own file": own}
                triangles = read_obj(library.read(model).decode("latin-1"))
                if "modelRotation" in row:  # rows of a matrix
                    triangles = triangles @ np.array(row["modelRotation"].split(), float).reshape(3, 3).T
                shapes.append(voxelise(triangles, [float(row[side]) for side in ("height", "depth", "width")]))
    return pieces, np.array(shapes)


def write_pieces(path, pieces, shapes):
    """Writes the pieces whose own file says that they are in the public domain, as shares from 0 to 255."""
    free = np.array([piece["licence"] == "CC0" and piece["own file"] for piece in pieces])
    texts = {key: np.array([piece[key] for piece in pieces])[free] for key in ("id", "name", "creator")}
    with files.atomic(path) as unfinished:
        np.savez_compressed(unfinished, shares=np.rint(255 * shapes[free]).astype(np.uint8), **texts)


# The table.


def mean_shape(training):
    """Where the mean of shares is above a level: that which overlaps most with the shapes themselves."""
    solids = [(training.mean(axis=0) > level)[None] for level in np.arange(0.05, 0.5, 0.05)]
    return max(solids, key=lambda solid: overlap(training > 0.5, solid).mean())


def as_drawn(shapes):
    """What the search measures: every share."""
    return shapes


def search(generator, shapes, seed):
    """Searches shares (count, 16, 16, 16). Returns what overlaps most of the starts, in [-1, 1], and its length."""
    # Each shape as so many observations with one start: `restarts=STARTS` would start elsewhere than the table did.
    found = latent.search(generator, as_drawn, 2 * shapes.repeat(STARTS, axis=0) - 1, restarts=1, seed=seed, **SEARCH)
    images, latents = (part.reshape(len(shapes), STARTS, *part.shape[2:]) for part in (found.images, found.latents))
    best = [overlap(shape[None] > 0.5, drawn > 0).argmax() for shape, drawn in zip(shapes, images)]
    each = np.arange(len(shapes))
    return images[each, best], np.linalg.norm(latents[each, best], axis=1)


def answers(generator, shapes, training, seed):
    """Numbers of each shape: its overlap with the four answers, the length of the search's, and if that is valid."""
    solid = shapes > 0.5
    found, lengths = search(generator, shapes, seed)
    drawn = draw(generator, STARTS * SEARCH["steps"], seed=100 + seed)
    columns = [
        np.array([overlap(solid[[n]], found[[n]] > 0)[0, 0] for n in range(len(shapes))]),
        overlap(solid, drawn > 0).max(axis=1),
        overlap(solid, training > 0.5).max(axis=1),
        overlap(solid, mean_shape(training))[:, 0],
        lengths,
        np.all(list(report(found > 0).values()), axis=0),
    ]
    return np.stack(columns, axis=1).astype(float)


def train(run):
    """Trains once and searches all, for (arm, seed, pieces, shapes, steps). Returns the rows of the table."""
    arm, seed, pieces, shapes, steps = run
    training = furniture(4_000, 0)
    gan = build(arm, seed)
    seconds = fit(gan, np.rint(255 * training).astype(np.uint8), steps, batch_size=32, seed=seed)
    generator = gan.ema_generator
    flags = report(shapes > 0.5)
    fails = [", ".join(name for name, passed in flags.items() if not passed[n]) for n in range(len(shapes))]
    numbers = answers(generator, shapes, training, seed)
    made_up = answers(generator, furniture(200, 1), training, seed)
    summary = [*np.median(made_up[:, :-1], axis=0), made_up[:, -1].mean()]
    rows = []
    for piece, failed, values in zip([*pieces, MADE_UP], [*fails, ""], [*numbers, summary]):
        *overlaps, length, valid = values
        texts = [piece[key] for key in HEAD[:4]]
        row = [*texts, arm, seed, steps, f"{seconds:.0f}", *(f"{value:.3f}" for value in overlaps)]
        rows.append((*row, f"{length:.1f}", failed, f"{valid:g}"))
    return rows


RUNS = [(arm, seed) for arm in ARMS for seed in SEEDS]
TABLE = tables.Table("real_furniture", HEAD, ("arm", "seed"), ("id",), RUNS, train, steps=3_500)


def main() -> None:
    parser = TABLE.parser()
    parser.add_argument("--deb", type=Path, help="Debian's package sweethome3d-furniture")
    parser.add_argument("--pieces", type=Path, help="write the pieces in the public domain to this file, train nothing")
    arguments = vars(parser.parse_args())
    deb, path = arguments.pop("deb"), arguments.pop("pieces")
    if deb is None or not deb.is_file():
        raise SystemExit("Name Debian's package with --deb: `apt-get download sweethome3d-furniture` gets it (120 MB).")
    pieces, shapes = load(deb)
    if path:
        return write_pieces(path, pieces, shapes)
    dataclasses.replace(TABLE, runs=[(*run, pieces, shapes) for run in RUNS]).make(**arguments)


if __name__ == "__main__":
    main()
