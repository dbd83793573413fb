"""Folders that nobody prepared: what `dcgan train --data FOLDER` draws of them, and whether groups help everywhere.

    python benchmarks/folders.py --deb [FOLDER]
    python benchmarks/folders.py [--arms "icons laptop64" ...] [--seeds 0 ...] [--jobs 2] [--csv FILE]
    python benchmarks/folders.py --picture [FILE]

The pictures are four packages of Debian 12, as they were packed, 478 MB. `--deb` unpacks them from the .deb files in a
folder, by default this one, into `build/folders`: `apt-get download oxygen-icon-theme openclipart-png
tuxpaint-stamps-default wesnoth-1.16-data` fetches them. Each run is what the command line makes of the folder, a tenth
of the pictures held out, to the end of the preset's steps. The arms: `laptop64`, the preset; `groups, shifts`, as in
`colour.py`. Seeds 0 to 2: no folder chose a setting. Eight minutes of a core a run. Runs that are in the file already
are not done again. Each leaves sixty of its pictures in `build/folders`, `--picture` puts those of seed 0 into one.

Columns: folder, arm, seed; count, of pictures trained on; epoch, at each quarter; seconds of one core in training steps
alone, first step left out; kid, precision and recall of as many images of the averaged generator as it was trained on,
at most 2,000, against the held-out pictures, with the extractor `emoji`; the distances to training pictures, as in
`colour.py`; d_real and d_fake, means of that epoch.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import colour
import stability
import tables

BUILD = tables.FOLDER.parents[1] / "build" / "folders"
_WESNOTH = "wesnoth-1.16-data/usr/share/games/wesnoth/1.16/data/core/images"
FOLDERS = {
    "icons": "oxygen-icon-theme/usr/share/icons/oxygen/base/128x128",
    "clip art": "openclipart-png/usr/share/openclipart/png",
    "stamps": "tuxpaint-stamps-default/usr/share/tuxpaint/stamps",
    "fighters": f"{_WESNOTH}/units",
    "terrain": f"{_WESNOTH}/terrain",
}
ARMS = ("laptop64", "groups, shifts")
SEEDS = (0, 1, 2)
JUDGED = 2_000
HEAD = (
    "folder", "arm", "seed", "count", "epoch", "seconds", "kid", "precision", "recall", "nearest", "nearest_low",
    "pixels", "pixels_low", "d_real", "d_fake",
)  # fmt: skip


def unpack(folder: Path) -> None:
    """Unpacks the packages of a folder."""
    for package in dict.fromkeys(place.partition("/")[0] for place in FOLDERS.values()):
        found = sorted(folder.glob(f"{package}_*.deb"))
        if not found:
            raise SystemExit(f"There is no {package}_*.deb in {folder}: apt-get download {package}")
        (BUILD / package).mkdir(parents=True, exist_ok=True)
        subprocess.run(["dpkg", "-x", found[-1], BUILD / package], check=True)


def train(run: tuple[str, str, int]) -> list[tuple]:
    """Trains once, for (folder, arm, seed). Returns the rows of the table."""
    import dcgan_keras  # noqa: F401  (first: it keeps TensorFlow's start-up lines away)
    import numpy as np
    from dcgan_keras import data, plots, training
    from dcgan_keras.evaluation import scores
    from dcgan_keras.training import runs, starting

    name, arm, seed = run
    with tempfile.TemporaryDirectory() as empty:
        begun, images = starting.begin(
            empty, preset="laptop64", changes=colour.ARMS[arm], source=str(BUILD / FOLDERS[name]), seed=seed,
            score_every=1, say=lambda line: None,
        )  # fmt: skip
        known, test = runs.hold_out(begun, images)
    settings = begun.settings
    scored = colour.judge(known.images[:: -(-len(known) // JUDGED)], test.images)
    told, shares = None, ()
    if settings.clusters:
        told = data.cluster(known.images, settings.clusters, seed)
        shares = np.bincount(told, minlength=settings.clusters).tolist()
    gan = training.build(settings, seed, shares=shares)
    stream = iter(data.make_stream(known.images, told, batch_size=settings.batch_size, seed=seed))
    rows, steps, epochs = [], len(known) // settings.batch_size, settings.epochs
    marks = {epochs * quarter // 4 for quarter in (1, 2, 3, 4)}
    for epoch, seconds, logs in stability.epochs_of(gan, stream, steps, epochs):
        if epoch in marks:
            values = (*scored(gan.ema_generator, seed + 100), logs["d_real"], logs["d_fake"])
            rows.append((name, arm, seed, len(known), epoch, f"{seconds:.1f}", *(f"{value:.4f}" for value in values)))
            print(*rows[-1], flush=True)
    drawn = next(scores.draw(gan.ema_generator, 60))
    plots.save_grid(BUILD / f"{name}, {arm}, seed {seed}.png", drawn, columns=15, scale=1)
    return rows


def draw_picture(path: Path) -> None:
    """Puts sixty pictures of each arm on each folder, of the first seed, one above the other."""
    import numpy as np
    from dcgan_keras import plots
    from PIL import Image

    sheets = [
        np.asarray(Image.open(BUILD / f"{run[0]}, {run[1]}, seed {SEEDS[0]}.png")) for run in RUNS[: 2 * len(FOLDERS)]
    ]
    plots.save_image(path, np.concatenate(sheets))


RUNS = [(name, arm, seed) for seed in SEEDS for name in FOLDERS for arm in ARMS]
TABLE = tables.Table("folders", HEAD, ("folder", "arm", "seed"), ("epoch",), RUNS, train, jobs=2)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--deb"]:
        unpack(Path(sys.argv[2] if len(sys.argv) > 2 else "."))
    elif sys.argv[1:2] == ["--picture"]:
        draw_picture(Path(sys.argv[2] if len(sys.argv) > 2 else tables.FOLDER / "folders.png"))
    else:
        TABLE.main()
