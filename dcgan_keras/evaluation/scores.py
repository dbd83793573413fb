"""A trained generator against real images: every number with all that it takes to compare it.

Images are drawn, rounded to 8 bits as a picture file would hold them, and turned into features batch by batch, so that
memory grows by the features alone (256 bytes an image with `fashion`). Beside each score stands the floor: what real
images, that the generator could have learned by heart, score in its place.
"""

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from dcgan_keras import data, files, models, plots
from dcgan_keras.evaluation import extractors, metrics

# What each metric is called in tables, and which way is better. Precision and recall take k = 3, density and coverage
# k = 5, as their papers do.
_METRICS = {
    "fid": "lower", "kid": "lower", "inception_score": "higher", "precision": "higher", "recall": "higher",
    "density": "higher", "coverage": "higher", "classes": "higher", "kl_from_uniform": "lower",
    "nearest_training_image": "as real",
}  # fmt: skip
_DRAWN_AT_ONCE = 500
_KID_COUNT = 5000  # images that `kid_scorer` compares, at most


@dataclasses.dataclass(frozen=True)
class Score:
    """One number, with what it was made of."""

    subject: str  # what was scored
    metric: str  # its name, the first word of a row of `table`
    value: float
    standard_error: float | None  # of the value, None where the metric gives none. Not that of another training
    extractor: str  # name of the network that made the features, and what it resized the images from, if it did
    extractor_sha256: str  # of its weights
    count: int  # images scored, and real images that they were compared with
    seed: int  # of latent vectors, of the choice of real images and of KID's subsets
    reference: str  # the real images compared with


class Judge:
    """Scores images against one set of real ones, whose features it keeps.

    Args:
        extractor: from `extractors`.
        reference: real images to compare with, uint8 of shape (count, height, width, channels), or `data.Labelled`.
        training: real images that a generator learned from, the same: where its images are looked for, too.
        reference_name: what to call the first, for example "tfds:fashion_mnist, split test".
        count: how many images to compare, at most. It bounds the work: nearest training images are searched among ten
            times as many, chosen with the seed where there are more.
        seed: of the choice among real images and of KID's subsets.

    Attributes:
        extractor: as given.
        count: how many images are compared.
        labels: what the real images show that are compared with, (count,), for `draw`. None if nothing says so.

    Raises ValueError if there are fewer than 10 images to compare, or they do not fit the extractor.
    """

    def __init__(
        self, extractor: extractors.Extractor, reference: np.ndarray | data.Labelled,
        training: np.ndarray | data.Labelled, *, reference_name: str, count: int = 10_000, seed: int = 0,
    ):  # fmt: skip
        known, trained_on = data.labelled(reference), data.labelled(training).images
        self.count = min(count, len(known), len(trained_on))
        if self.count < 10:
            raise ValueError(f"A score needs at least 10 images of each kind, there are {self.count}.")
        self.extractor, self.reference_name, self.seed = extractor, reference_name, seed
        rng = np.random.default_rng(seed)
        self._shape: tuple = known.images.shape[1:]
        compared = known[_some(rng, len(known), self.count)]
        self.labels, self._reference = compared.labels, extractor(compared.images)
        self._moments = metrics.moments(self._reference.features)
        if len(trained_on) > 10 * count:
            trained_on = trained_on[_some(rng, len(trained_on), 10 * count)]
        self._training = extractor(trained_on)
        self._floor_rows = _some(rng, len(trained_on), self.count)

    def scores(self, images: np.ndarray | Iterable[np.ndarray], subject: str) -> list[Score]:
        """Computes all metrics.

        Args:
            images: in [-1, 1] or uint8, of shape (count, height, width, channels), or an iterable of such batches.
                Those beyond `count` are not looked at. ValueError if there are fewer, or they do not fit.
            subject: what to call them.
        """
        given: Any = images if hasattr(images, "shape") else iter(images)
        found = self.extractor(given, self.count)
        if len(found.features) < self.count:
            raise ValueError(f"{self.count} images are compared, got {len(found.features)}.")
        return self._scores(found, found.features, subject)

    def floor(self, subject: str = "real training images") -> list[Score]:
        """Computes all metrics of as many real training images: what a perfect generator would score.

        Its nearest training image is that of the reference images, which were never trained on.
        """
        real = extractors.Features(*(part[self._floor_rows] for part in self._training))
        return self._scores(real, self._reference.features, subject)

    def _scores(self, fake: extractors.Features, looked_for: np.ndarray, subject: str) -> list[Score]:
        """All metrics of `fake`, but for the nearest training images of other features, `looked_for`."""
        real = self._reference.features
        narrow = metrics.precision_recall(real, fake.features, k=3)
        wide = metrics.precision_recall(real, fake.features, k=5)
        drawn = np.bincount(fake.probabilities.argmax(axis=1), minlength=fake.probabilities.shape[1])
        size = min(1000, self.count)
        values = {
            "fid": metrics.frechet_distance(self._moments, metrics.moments(fake.features)),
            "kid": metrics.kid(real, fake.features, subset_size=size, seed=self.seed),
            "inception_score": metrics.inception_score(fake.probabilities, splits=10),
            "precision": narrow.precision,
            "recall": narrow.recall,
            "density": wide.density,
            "coverage": wide.coverage,
            "classes": np.count_nonzero(drawn),
            "kl_from_uniform": metrics.reverse_kl(drawn),
            "nearest_training_image": np.median(metrics.nearest_neighbours(looked_for, self._training.features)[1]),
        }
        return [self._score(subject, metric, value) for metric, value in values.items()]

    def _score(self, subject: str, metric: str, value) -> Score:
        value, error = value if isinstance(value, metrics.Estimate) else (value, None)
        network = self.extractor.name_for(self._shape), self.extractor.sha256
        return Score(subject, metric, float(value), error, *network, self.count, self.seed, self.reference_name)


def draw(generator: keras.Model, count: int, seed: int = 0, labels=None) -> Iterator[np.ndarray]:
    """Draws images batch by batch. The first n of a larger count are those of a smaller one, but for rounding.

    Args:
        generator: from latent vectors (batch, latent_dim) to images in [-1, 1].
        count: how many.
        seed: of the latent vectors.
        labels: of a generator that is told classes, the class of each image, (count,); or one number, for all. None
            draws the classes in turn. To be compared with real images it must draw each class as often as they have it.

    Yields uint8 of shape (at most 500, height, width, channels). Raises ValueError if the labels do not fit.
    """
    told = np.arange(count) % max(1, models.classes(generator)) if labels is None else np.asarray(labels)
    if told.ndim and len(told) != count:
        raise ValueError(f"There are {len(told)} labels for {count} images: give one each.")
    told = np.broadcast_to(told, count)
    shape = [_DRAWN_AT_ONCE, models.latent_dim(generator)]
    for number, start in enumerate(range(0, count, _DRAWN_AT_ONCE)):
        latents = tf.random.stateless_normal(shape, [seed, number], alg="philox")[: count - start]
        yield plots.to_uint8(models.draw(generator, latents, told[start : start + _DRAWN_AT_ONCE]))


def table(columns: list[list[Score]]) -> str:
    """Lays scores out as text: a row a metric, a column a subject, which way is better at the end."""
    widths = [max(12, len(column[0].subject)) for column in columns]
    heads = "".join(f"  {column[0].subject:>{width}s}" for column, width in zip(columns, widths))
    lines = [f"{'metric':24s}{heads}  better"]
    for metric, better in _METRICS.items():
        form, cells = {"classes": ".0f", "kid": ".5f"}.get(metric, ".3f"), ""
        for column, width in zip(columns, widths):
            found = next((format(score.value, form) for score in column if score.metric == metric), "-")
            cells += f"  {found:>{width}s}"
        lines.append(f"{metric:24s}{cells}  {better}")
    return "\n".join(lines)


def write(path: str | Path, columns: list[list[Score]]) -> None:
    """Writes scores to a JSON file, a list of objects with the attributes of `Score`."""
    records = [dataclasses.asdict(score) for column in columns for score in column]
    with files.atomic(path) as unfinished:
        unfinished.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")


def kid_scorer(
    extractor: extractors.Extractor, held_out: np.ndarray | data.Labelled, seed: int = 0
) -> Callable[[keras.Model], float]:
    """Returns a function from a generator to its KID, for `callbacks.KeepBest`. It draws the same vectors each time,
    and each class as often as the held-out images have it.

    Args:
        extractor: from `extractors`.
        held_out: 10 or more real images that are not trained on, uint8 of shape (count, height, width, channels), or
            `data.Labelled`. Of more than 5,000, so many are chosen.
        seed: of latent vectors, of this choice and of KID's subsets.

    Raises ValueError if the images are fewer, or do not fit the extractor.
    """
    if len(held_out) < 10:
        raise ValueError(f"A score needs at least 10 images of each kind, there are {len(held_out)} held out.")
    count = min(_KID_COUNT, len(held_out))
    compared = data.labelled(held_out)[_some(np.random.default_rng(seed), len(held_out), count)]
    real = extractor(compared.images).features

    def score(generator: keras.Model) -> float:
        fake = extractor(draw(generator, count, seed, compared.labels), count).features
        return metrics.kid(real, fake, subset_size=min(1000, count), seed=seed).mean

    return score


def _some(rng, available: int, count: int) -> np.ndarray:
    return np.sort(rng.choice(available, count, replace=False))
