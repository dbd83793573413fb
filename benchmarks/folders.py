"""Folders that nobody prepared: what `dcgan train --source FOLDER` draws of them, with groups and without.

    python benchmarks/folders.py --deb [FOLDER]
    python benchmarks/folders.py [--arms "icons plain" ...] [--seeds 1 ...] [--share 1.0] [--jobs 2] [--csv FILE]
    python benchmarks/folders.py --picture [FILE]
    python benchmarks/folders.py --pilots FILE

The pictures are packages of Debian 12, as they were packed. `--deb` unpacks them from the .deb files in a folder, by
default this one, into `build/folders`. `apt-get download oxygen-icon-theme tuxpaint-stamps-default endless-sky-data
hedgewars-data supertuxkart-data` fetches them, 1 GB. Each run is what the command line makes of the folder, a tenth of
the pictures held out, to the end of the preset's steps. The arms: `plain`, the preset `laptop64` as it is for many
pictures; `groups, shifts`, as in `colour.py`; `grey` and `grey, shifts`, the preset `laptop`, which makes grey pictures
of 28x28 of them, as it is for many and with shifts. Seeds 1 to 3: what seed 0 drew of some of these folders, and of
larger ones, chose for how few pictures the second is, and of shifts, groups and both the fourth. Five minutes of a core
a run in colour, one or two in grey. Runs that are in the file already are not
done again. Each leaves sixty of its pictures in `build/folders`, `--picture` puts half of those of icons, of the first
seed, into one. `--pilots` makes a table of larger folders, of the packages openclipart-png and wesnoth-1.16-data, with
seed 0.

Columns: folder, arm, seed; count, of pictures trained on; epoch, at each quarter; seconds of one core in training steps
alone, first step left out; kid, precision and recall of as many images of the averaged generator as it was trained on,
at most 2,000, against the held-out pictures, with the extractor `emoji`; the distances to training pictures, as in
`colour.py`; d_real and d_fake, means of that epoch.
"""

import dataclasses
import subprocess
import sys
import tempfile
from pathlib import Path

import colour
import stability
import tables

BUILD = tables.FOLDER.parents[1] / "build" / "folders"
FOLDERS = {
    "icons": "oxygen-icon-theme/usr/share/icons/oxygen/base/128x128",
    "stamps": "tuxpaint-stamps-default/usr/share/tuxpaint/stamps",
    "space": "endless-sky-data/usr/share/games/endless-sky/images",
    "hedgehogs": "hedgewars-data/usr/share/games/hedgewars/Data/Graphics",
    "karts": "supertuxkart-data/usr/share/games/supertuxkart/data",
}
PILOTS = {  # larger ones, of openclipart-png and wesnoth-1.16-data
    "clip art": "openclipart-png/usr/share/openclipart/png",
    "fighters": "wesnoth-1.16-data/usr/share/games/wesnoth/1.16/data/core/images/units",
    "terrain": "wesnoth-1.16-data/usr/share/games/wesnoth/1.16/data/core/images/terrain",
}
ARMS: dict[str, dict] = {
    "plain": {"clusters": 0, "d_learning_rate": 2e-3, "augment": ""},
    "groups, shifts": colour.ARMS["groups, shifts"],
    "grey": {"augment": ""},
    "grey, shifts": {"augment": "translation"},
}
SEEDS = (1, 2, 3)
JUDGED = 2_000
HEAD = (
    "folder", "arm", "seed", "count", "epoch", "seconds", "kid", "precision", "recall", "nearest", "nearest_low",
    "pixels", "pixels_low", "d_real", "d_fake",
)  # fmt: skip


def unpack(folder: Path) -> None:
    """Unpacks the packages of a folder."""
    for name, place in (FOLDERS | PILOTS).items():
        package = place.partition("/")[0]
        found = sorted(folder.glob(f"{package}_*.deb"))
        if found:
            (BUILD / package).mkdir(parents=True, exist_ok=True)
            subprocess.run(["dpkg", "-x", found[-1], BUILD / package], check=True)
        elif name in FOLDERS:
            raise SystemExit(f"There is no {package}_*.deb in {folder}: apt-get download {package}")


def train(run: tuple[str, str, int, float]) -> list[tuple]:
    """Trains once, for (folder, arm, seed, share of the steps). Returns the rows of the table."""
    import dcgan_keras  # noqa: F401  (first: it keeps TensorFlow's start-up lines away)
    from dcgan_keras import data, plots, training
    from dcgan_keras.evaluation import scores
    from dcgan_keras.training import runs, starting

    name, arm, seed, share = run
    with tempfile.TemporaryDirectory() as empty:
        begun, images = starting.begin(
            empty, preset="laptop" if arm.startswith("grey") else None, changes=ARMS[arm],
            source=str(BUILD / (FOLDERS | PILOTS)[name]), seed=seed, score_every=1, say=lambda line: None,
        )  # fmt: skip
        known, test = runs.hold_out(begun, images)
    settings = begun.settings
    scored = colour.judge(known.images[:: -(-len(known) // JUDGED)], test.images)
    told, shares = stability.grouped(known.images, settings, seed)
    gan = training.build(settings, seed, shares=shares)
    stream = iter(data.make_stream(known.images, told, batch_size=settings.batch_size, seed=seed))
    rows, steps = [], len(known) // settings.batch_size
    marks = [settings.epochs * quarter // 4 for quarter in range(1, 1 + int(4 * share))]
    for epoch, seconds, logs in stability.epochs_of(gan, stream, steps, marks[-1]):
        if epoch in marks:
            values = (*scored(gan.ema_generator, seed + 100), logs["d_real"], logs["d_fake"])
            rows.append((name, arm, seed, len(known), epoch, f"{seconds:.1f}", *(f"{value:.4f}" for value in values)))
            print(*rows[-1], flush=True)
    drawn = next(scores.draw(gan.ema_generator, 60))
    plots.save_grid(BUILD / f"{name}, {arm}, seed {seed}.png", drawn, columns=15, scale=1)
    return rows


def draw_picture(path: Path, name: str = "icons") -> None:
    """Puts thirty pictures of each arm on a folder, of the first seed, one above the other."""
    import numpy as np
    from dcgan_keras import plots
    from PIL import Image

    arms = ("plain", "groups, shifts")
    sheets = [np.asarray(Image.open(BUILD / f"{name}, {arm}, seed {SEEDS[0]}.png")) for arm in arms]
    plots.save_image(path, np.concatenate([sheet[: len(sheet) // 2 + 1] for sheet in sheets]))


RUNS = [(name, arm, seed) for seed in SEEDS for name in FOLDERS for arm in ARMS]
KEY = ("folder", "arm", "seed")
TABLE = tables.Table("folders", HEAD, KEY, ("epoch",), RUNS, train, steps=1.0, unit="share", jobs=2)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--deb"]:
        unpack(Path(sys.argv[2] if len(sys.argv) > 2 else "."))
    elif sys.argv[1:2] == ["--pilots"]:
        runs = [(name, arm, 0) for name in PILOTS for arm in ARMS]
        dataclasses.replace(TABLE, runs=runs).make(Path(sys.argv[2]), steps=1.0, jobs=TABLE.jobs)
    elif sys.argv[1:2] == ["--picture"]:
        draw_picture(Path(sys.argv[2] if len(sys.argv) > 2 else tables.FOLDER / "folders.png"))
    else:
        TABLE.main()
