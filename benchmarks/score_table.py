"""Scores of the course's generators, of others' code and of damaged real images, in one table.

    python benchmarks/time_to_quality.py --contestants laptop plain28 dense --seconds 300
    python benchmarks/time_to_quality.py --contestants document tutorial --seconds 3600 --seeds 0
    python benchmarks/score_table.py [--data-dir DIR] [--keep FOLDER] [--count 10000] [--json FILE]

The first two commands leave their generators in FOLDER (runs/time_to_quality); this one scores those that are there,
the generator in `assets/weights/`, real training images and blurred ones, against the 10,000 official test images of
Fashion-MNIST (from TensorFlow Datasets in DIR, or downloaded; without either, the bundled 5,000). It also says how long
scoring takes. What the JSON file has of generators that are gone stays, if it was scored against the same images.
"""

import argparse
import itertools
import json
import time
from pathlib import Path

import dcgan_keras  # noqa: F401  (first: it keeps TensorFlow's start-up lines away)
import keras
from dcgan_keras import data, models, plots
from dcgan_keras.evaluation import extractors, scores


def stored(path: Path, like: scores.Score) -> list[list[scores.Score]]:
    """Reads the columns of a file. There are none if they were not scored as `like` was, or there is no file."""
    if not path.is_file():
        return []
    found = [scores.Score(**record) for record in json.loads(path.read_text(encoding="utf-8"))]
    same = ("extractor_sha256", "count", "seed", "reference")
    if any(getattr(score, name) != getattr(like, name) for score in found for name in same):
        return []
    return [list(column) for _, column in itertools.groupby(found, key=lambda score: score.subject)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir")
    parser.add_argument("--keep", type=Path, default=Path("runs") / "time_to_quality")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / "scores.json")
    arguments = parser.parse_args()

    try:
        source, where = "tfds:fashion_mnist", {"data_dir": arguments.data_dir}
        training, test = (data.load_images(source, split=split, **where) for split in ("train", "test"))
    except ConnectionError:
        source, training, test = "bundled", *(data.load_images("bundled", split=split) for split in ("train", "test"))
    name = f"{source}, split test"
    judge = scores.Judge(extractors.load("fashion"), test, training, reference_name=name, count=arguments.count)
    columns = [judge.floor()]

    committed = data.assets_folder() / "weights" / "fashion_generator.keras"
    for path in [committed, *sorted(arguments.keep.glob("*.keras"))]:
        generator = models.load_generator(path)
        start = time.perf_counter()
        columns.append(judge.scores(scores.draw(generator, judge.count), path.stem))
        print(f"{path.stem}: drawn and scored in {time.perf_counter() - start:.0f} s", flush=True)
    for width in (2, 3):
        some = training[: judge.count].astype("float32") / 127.5 - 1
        blurred = keras.ops.average_pool(some, width, strides=1, padding="same")
        columns.append(judge.scores(plots.to_uint8(blurred), f"real, blurred {width}x{width}"))

    known = {column[0].subject for column in columns}
    columns[2:2] = [column for column in stored(arguments.json, columns[0][0]) if column[0].subject not in known]
    scores.write(arguments.json, columns)
    print(f"{judge.count:,} images against {name}, extractor fashion {judge.extractor.sha256[:12]}, seed 0")
    for start in range(0, len(columns), 5):
        print(scores.table(columns[start : start + 5]), "\n")


if __name__ == "__main__":
    main()
