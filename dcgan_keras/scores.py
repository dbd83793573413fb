"""A trained generator against real images: every number with all that it takes to compare it.

The generator's images are drawn, rounded to 8 bits as a picture file would hold them, and turned into features batch
by batch, so that memory grows by the features alone (256 bytes an image with `fashion`). Beside each score stands the
floor: what real images, that the generator could have learned by heart, score in its place.
"""

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from dcgan_keras import extractors, files, metrics, models, plots, runs

# What each metric is called in tables, and which way is better. Precision and recall take k = 3, density and coverage
# k = 5, as their papers do.
METRICS = {
    "fid": "lower",
    "kid": "lower",
    "inception_score": "higher",
    "precision": "higher",
    "recall": "higher",
    "density": "higher",
    "coverage": "higher",
    "classes": "higher",
    "kl_from_uniform": "lower",
    "nearest_training_image": "as real",
}
DRAWN_AT_ONCE = 500
KID_COUNT = 5000  # images that `kid_scorer` compares, at most


@dataclasses.dataclass(frozen=True)
class Score:
    """One number, with what it was made of.

    Attributes:
        subject: what was scored.
        metric: a name in `METRICS`.
        value: the score.
        standard_error: of the value, None where the metric gives none. Not that of another training.
        extractor: name of the network that made the features, and what it resized the images from, if it did.
        extractor_sha256: of its weights.
        count: images scored, and real images that they were compared with.
        seed: of latent vectors, of the choice of real images and of KID's subsets.
        reference: the real images compared with.
    """

    subject: str
    metric: str
    value: float
    standard_error: float | None
    extractor: str
    extractor_sha256: str
    count: int
    seed: int
    reference: str


class Judge:
    """Scores images against one set of real ones, whose features it keeps.

    Args:
        extractor: from `extractors`.
        reference: real images to compare with, uint8 of shape (count, height, width, channels).
        training: real images that a generator learned from, the same: where its images are looked for, too.
        reference_name: what to call the first, for example "tfds:fashion_mnist, split test".
        count: how many images to compare, at most. Fewer where a set has fewer. It bounds the work: nearest training
            images are searched among ten times as many, chosen with the seed where there are more.
        seed: of the choice among real images and of KID's subsets.

    Attributes:
        count: how many images are compared.

    Raises:
        ValueError: if there are fewer than 10 images to compare, or they do not fit the extractor.
    """

    def __init__(
        self,
        extractor: extractors.Extractor,
        reference: np.ndarray,
        training: np.ndarray,
        *,
        reference_name: str,
        count: int = 10_000,
        seed: int = 0,
    ):
        self.count = min(count, len(reference), len(training))
        if self.count < 10:
            raise ValueError(f"A score needs at least 10 images of each kind, there are {self.count}.")
        self.extractor = extractor
        self.reference_name = reference_name
        self.seed = seed
        rng = np.random.default_rng(seed)
        self._shape = reference.shape[1:]
        self._reference = extractor(reference[_some(rng, len(reference), self.count)])
        self._moments = metrics.moments(self._reference.features)
        if len(training) > 10 * count:
            training = training[_some(rng, len(training), 10 * count)]
        self._training = extractor(training)
        self._floor_rows = _some(rng, len(training), self.count)

    def scores(self, images: np.ndarray | Iterable[np.ndarray], subject: str) -> list[Score]:
        """Computes all metrics.

        Args:
            images: in [-1, 1] or uint8, of shape (count, height, width, channels), or an iterable of such batches.
                Those beyond `count` are not looked at.
            subject: what to call them.

        Raises:
            ValueError: if there are fewer images than `count`, or they do not fit.
        """
        return self._scores(self._look_at(images), self._training.features, subject)

    def floor(self, subject: str = "real training images") -> list[Score]:
        """Computes all metrics of as many real training images: what a perfect generator would score.

        Its nearest training image is that of the reference images, which were never trained on.
        """
        rows = self._floor_rows
        real = extractors.Features(self._training.features[rows], self._training.probabilities[rows])
        scores = self._scores(real, None, subject)
        distances = metrics.nearest_neighbours(self._reference.features, self._training.features)[1]
        return [*scores, self._score(subject, "nearest_training_image", np.median(distances))]

    def _look_at(self, images) -> extractors.Features:
        found = self.extractor(images if hasattr(images, "shape") else iter(images), self.count)
        if len(found.features) < self.count:
            raise ValueError(f"{self.count} images are compared, got {len(found.features)}.")
        return found

    def _scores(self, fake: extractors.Features, training: np.ndarray | None, subject: str) -> list[Score]:
        real = self._reference.features
        narrow = metrics.precision_recall(real, fake.features, k=3)
        wide = metrics.precision_recall(real, fake.features, k=5)
        classes = metrics.class_coverage(fake.probabilities.argmax(axis=1), fake.probabilities.shape[1])
        values = {
            "fid": metrics.frechet_distance(self._moments, metrics.moments(fake.features)),
            "kid": self._kid(fake.features),
            "inception_score": metrics.inception_score(fake.probabilities, splits=10),
            "precision": narrow.precision,
            "recall": narrow.recall,
            "density": wide.density,
            "coverage": wide.coverage,
            "classes": classes.covered,
            "kl_from_uniform": classes.kl_from_uniform,
        }
        if training is not None:
            values["nearest_training_image"] = np.median(metrics.nearest_neighbours(fake.features, training)[1])
        return [self._score(subject, metric, value) for metric, value in values.items()]

    def _kid(self, features) -> metrics.Estimate:
        return metrics.kid(self._reference.features, features, subset_size=min(1000, self.count), seed=self.seed)

    def _score(self, subject: str, metric: str, value) -> Score:
        value, error = value if isinstance(value, metrics.Estimate) else (value, None)
        return Score(
            subject,
            metric,
            float(value),
            error,
            self.extractor.name_for(self._shape),
            self.extractor.sha256,
            self.count,
            self.seed,
            self.reference_name,
        )


def draw(generator: keras.Model, count: int, seed: int = 0, label: int | None = None) -> Iterator[np.ndarray]:
    """Draws images batch by batch. The first n of a larger count are those of a smaller one, but for rounding.

    A generator that is told classes draws them in turn, as many of each.

    Args:
        generator: from latent vectors (batch, latent_dim) to images in [-1, 1].
        count: how many.
        seed: of the latent vectors.
        label: of a generator that is told classes, the only one to draw.

    Yields:
        uint8 of shape (at most 500, height, width, channels).
    """
    shape = [DRAWN_AT_ONCE, models.latent_dim(generator)]
    for number, start in enumerate(range(0, count, DRAWN_AT_ONCE)):
        latents = tf.random.stateless_normal(shape, [seed, number], alg="philox")
        latents = latents[: count - start]
        yield plots.to_uint8(models.draw(generator, latents, None if label is None else [label] * len(latents)))


def table(columns: list[list[Score]]) -> str:
    """Lays scores out as text: a row a metric, a column a subject, which way is better at the end."""
    widths = [max(12, len(column[0].subject)) for column in columns]
    heads = "".join(f"  {column[0].subject:>{width}s}" for column, width in zip(columns, widths))
    lines = [f"{'metric':24s}{heads}  better"]
    for metric, better in METRICS.items():
        cells = ""
        for column, width in zip(columns, widths):
            found = next((score.value for score in column if score.metric == metric), None)
            form = ".0f" if metric == "classes" else ".5f" if metric == "kid" else ".3f"
            cells += f"  {'-' if found is None else format(found, form):>{width}s}"
        lines.append(f"{metric:24s}{cells}  {better}")
    return "\n".join(lines)


def write(path: str | Path, columns: list[list[Score]]) -> None:
    """Writes scores to a JSON file, a list of objects with the attributes of `Score`."""
    records = [dataclasses.asdict(score) for column in columns for score in column]
    with files.atomic(path) as unfinished:
        unfinished.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


def kid_scorer(extractor: extractors.Extractor, held_out: np.ndarray, seed: int = 0) -> Callable[[keras.Model], float]:
    """Returns a function from a generator to its KID, for `callbacks.KeepBest`. It draws the same vectors each time.

    Args:
        extractor: from `extractors`.
        held_out: real images that are not trained on, uint8 of shape (count, height, width, channels). Of more than
            5,000, so many are chosen.
        seed: of latent vectors, of this choice and of KID's subsets.

    Raises:
        ValueError: if there are fewer than 10 images, or they do not fit the extractor.
    """
    if len(held_out) < 10:
        raise ValueError(f"A score needs at least 10 images of each kind, there are {len(held_out)} held out.")
    count = min(KID_COUNT, len(held_out))
    real = extractor(held_out[_some(np.random.default_rng(seed), len(held_out), count)]).features

    def score(generator: keras.Model) -> float:
        fake = extractor(draw(generator, count, seed), count).features
        return metrics.kid(real, fake, subset_size=min(1000, count), seed=seed).mean

    return score


def _some(rng, available: int, count: int) -> np.ndarray:
    return np.sort(rng.choice(available, count, replace=False))


def extractor_for(run: runs.Run) -> str:
    """Names the extractor of a run: the one it asks for, else `fashion` for grey images of 28x28, `emoji` for others.

    These two need no network. `inception`, for photographs, has to be asked for.
    """
    grey = (run.settings.image_size, run.settings.channels) == (28, 1)
    return run.extractor or ("fashion" if grey else "emoji")


def evaluate(
    run: runs.Run,
    generators: Mapping[str, keras.Model],
    extractor: str | None = None,
    *,
    count: int = 10_000,
    seed: int = 0,
) -> list[list[Score]]:
    """Scores generators of a run, and real images in their place, and writes the run's `scores.json`.

    Images are compared with those that `runs.real_images` chooses: test images where the source has some.

    Args:
        run: the run.
        generators: by what to call them, as `training.generators` gives.
        extractor: `fashion`, `emoji` or `inception`. None takes one of the first two, by the size of the images.
        count: how many images to compare, at most.
        seed: of latent vectors, of the choice of real images and of KID's subsets.

    Returns:
        The scores of each generator, and of real training images.

    Raises:
        ConnectionError: if something must be downloaded and cannot be.
        ValueError: if there are too few images, or they do not fit the extractor.
    """
    network = extractors.load(extractor or extractor_for(run))
    training, reference, reference_name = runs.real_images(run, seed)
    judge = Judge(network, reference, training, reference_name=reference_name, count=count, seed=seed)
    columns = [judge.scores(draw(generator, judge.count, seed), name) for name, generator in generators.items()]
    columns.append(judge.floor())
    write(run.folder / "scores.json", columns)
    return columns
