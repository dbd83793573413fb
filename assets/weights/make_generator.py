"""Takes the best generator, the scores and the film of a finished run into `assets/`.

    dcgan train --source tfds:fashion_mnist --g-filters 32 --d-hidden 256 --g-learning-rate 1e-3 \\
        --d-learning-rate 5e-4 --ema-decay 0.999 --epochs 60 --score-every 2 --run runs/fashion
    python assets/weights/make_generator.py fashion runs/fashion

    dcgan train --source bundled:emoji --g-filters 32 --d-filters 32 --g-learning-rate 1e-3 --d-learning-rate 1e-3 \\
        --clusters 0 --augment translation --ema-decay 0.998 --epochs 300 --score-every 10 --run runs/emoji
    python assets/weights/make_generator.py emoji runs/emoji

    dcgan train --source bundled --preset plain28 --conditional --epochs 200 --score-every 10 --run runs/classes
    python assets/weights/make_generator.py classes runs/classes

Writes `NAME_generator.keras`, its weights stored as float16 (Keras turns them back to float32 when it loads them) and
without settings that older versions of Keras refuse, `NAME_generator_scores.csv` and, but of the last, `../NAME.gif`.
Prints what the rounding does to the score, and of the last how many images of each class the extractor sees as that.
"""

import io
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
from classifiers import portable, rewrite
from dcgan_keras import data, files, models
from dcgan_keras.evaluation import extractors, scores

FOLDER = Path(__file__).parent
IMAGES = {"fashion": "fashion", "emoji": "emoji", "classes": "fashion"}  # each name's bundled images, and extractor


def halved(content: bytes) -> bytes:
    """Rewrites a Keras weights file with every float32 array as float16, compressed."""
    out = io.BytesIO()
    with h5py.File(io.BytesIO(content)) as source, h5py.File(out, "w", track_order=False) as target:

        def copy(name, item):
            if isinstance(item, h5py.Group):
                made = target.require_group(name)
            else:
                values = item[()]
                kind = np.float16 if values.dtype == np.float32 else values.dtype
                options = {"compression": "gzip"} if values.ndim else {}
                made = target.create_dataset(name, data=values.astype(kind), **options)
            for key, value in item.attrs.items():
                made.attrs[key] = value

        source.visititems(copy)
        for key, value in source.attrs.items():
            target.attrs[key] = value
    return out.getvalue()


def main(name: str, folder: Path) -> None:
    best, out = folder / "best.keras", FOLDER / f"{name}_generator.keras"
    with files.atomic(out) as unfinished:
        rewrite(best, unfinished, {"model.weights.h5": halved, "config.json": portable})
    shutil.copy(folder / "scores.csv", FOLDER / f"{name}_generator_scores.csv")
    if name != "classes":
        shutil.copy(folder / "training.gif", FOLDER.parent / f"{name}.gif")

    images = IMAGES[name]
    test, training = (data.load_bundled(split, images)[0] for split in ("test", "train"))
    extractor, generator = extractors.load(images), models.load_generator(out)
    judge = scores.Judge(extractor, test, training, reference_name=f"bundled:{images}, split test")
    drawn = {path.name: scores.draw(models.load_generator(path), judge.count) for path in (best, out)}
    print(scores.table([judge.scores(batches, subject) for subject, batches in drawn.items()]))
    for label in range(models.classes(generator)):
        seen = extractor(scores.draw(generator, 1_000, labels=label), 1_000).probabilities.argmax(axis=1)
        print(f"{data.CLASS_NAMES[label]:12s} {np.mean(seen == label):.1%}")
    print(f"{out.name}: {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in IMAGES:
        raise SystemExit(__doc__)
    main(sys.argv[1], Path(sys.argv[2]))
