"""Scores of generated images: features in, numbers out. Pure array mathematics in float64.

Features are the rows of an array of shape (count, dimension), one row an image. A score belongs to the network that
made the features: two scores made with different ones cannot be compared.

Where scores of one and the same pair of sets differ between implementations:

- covariances divide by n - 1, as do those of NumPy, pytorch-fid and torch-fidelity;
- FID falls as the number of images grows: never compare it across numbers (arXiv 1911.07023). KID has no such bias;
- KID takes the mean over random subsets: another seed gives another number, by about its standard error;
- distances are computed from float64 products in blocks, so that two equal rows may be 1e-7 apart, not 0;
- a manifold of precision and recall takes the k-th neighbour apart from the point itself.
"""

from collections import namedtuple
from typing import NamedTuple

import numpy as np

_Moments = namedtuple("_Moments", "count mean covariance")
_Manifolds = namedtuple("_Manifolds", "precision recall density coverage")
_Modes = namedtuple("_Modes", "captured high_quality reverse_kl")


class Estimate(NamedTuple):
    """A mean and its standard error, both in the score's own unit."""

    mean: float
    standard_error: float


def moments(features: np.ndarray) -> _Moments:
    """Computes mean and covariance of features (count, dimension): ValueError for fewer than two rows.

    Returns `count`, `mean` (dimension,) and the unbiased `covariance` (dimension, dimension).
    """
    features = _checked(features)
    if len(features) < 2:
        raise ValueError(f"A covariance needs two rows of features or more, got {len(features)}.")
    return _Moments(len(features), features.mean(axis=0), np.atleast_2d(np.cov(features, rowvar=False)))


def fid(real_features: np.ndarray, fake_features: np.ndarray) -> float:
    """Computes the Fréchet distance of two sets of features, seen as normal distributions (arXiv 1706.08500).

    |m1 - m2|^2 + trace(C1 + C2 - 2 (C1 C2)^(1/2)). With few rows it comes out too high (arXiv 1911.07023).

    Args:
        real_features, fake_features: of shape (count, dimension). The counts may differ, and be below the dimension.

    Returns a finite number of 0 or more, 0 for equal sets. Raises ValueError if the dimensions differ.
    """
    return frechet_distance(moments(real_features), moments(fake_features))


def frechet_distance(real: _Moments, fake: _Moments) -> float:
    """Computes `fid` from the `moments` of both sets."""
    if len(real.mean) != len(fake.mean):
        raise ValueError(f"Both sets need features of one length, got {len(real.mean)} and {len(fake.mean)}.")
    # The eigenvalues of C1 C2 are those of the symmetric C1^(1/2) C2 C1^(1/2): real, and 0 or more but for rounding.
    # A general matrix square root of C1 C2 may come out complex, or fail where a covariance is singular.
    values, vectors = np.linalg.eigh(real.covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ fake.covariance @ root), 0.0)).sum()
    distance = ((real.mean - fake.mean) ** 2).sum() + np.trace(real.covariance) + np.trace(fake.covariance)
    return max(0.0, float(distance - 2.0 * shared))


def kid(
    real_features: np.ndarray, fake_features: np.ndarray, *, subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> Estimate:
    """Computes the Kernel Inception Distance, the squared maximum mean discrepancy (arXiv 1801.01401).

    The kernel is (x.y / dimension + 1)^3. The estimator is unbiased, so it may be below 0 for sets that agree.

    Args:
        real_features, fake_features: of shape (count, dimension), of two counts perhaps.
        subsets: how many pairs of random subsets to average over.
        subset_size: rows of each, at most the smaller count.
        seed: of the choice of subsets.

    Returns the mean over subsets, and the standard error that their choice alone brings: 0 where each would hold all
    rows of both sets. Other images move it more.
    Raises ValueError if the features do not fit, or a subset is larger than a set or smaller than 2.
    """
    real, fake = _pair(real_features, fake_features)
    rows = min(len(real), len(fake))
    if not 2 <= subset_size <= rows or subsets < 2:
        wanted = f"subset_size must be from 2 to the smaller set's {rows} rows and subsets 2 or more"
        raise ValueError(f"{wanted}, got {subset_size} and {subsets}.")
    if subset_size == len(real) == len(fake):  # all subsets are one and the same
        return Estimate(float(_mmd(real, fake)), 0.0)
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(subsets):
        x, y = (part[rng.choice(len(part), subset_size, replace=False)] for part in (real, fake))
        values.append(_mmd(x, y))
    return Estimate(float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(subsets)))


def inception_score(probabilities: np.ndarray, *, splits: int = 10) -> Estimate:
    """Computes exp of the mean KL divergence of each image's classes from all images' (arXiv 1606.03498).

    The best score is the number of classes, the worst 1. It never looks at a real image, and has its name from the
    network that made the probabilities in that paper: say which one made yours.

    Args:
        probabilities: of shape (count, classes), rows that sum to 1.
        splits: parts to score apart, taken in order, whose sizes differ by at most one.

    Returns the mean over splits and its standard error, 0 for a single one. The paper's standard deviation over splits
    is sqrt(splits) times as much.
    Raises ValueError if the rows are no probabilities, or there are fewer than splits.
    """
    probabilities = _checked(probabilities)
    if (probabilities < 0).any() or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-4):
        raise ValueError("Probabilities must be 0 or more, and each row must sum to 1.")
    if not 1 <= splits <= len(probabilities):
        raise ValueError(f"splits must be from 1 to the {len(probabilities)} rows, got {splits}.")
    parts = np.array_split(probabilities, splits)
    scores = [np.exp(np.mean([_kl(row, part.mean(axis=0)) for row in part])) for part in parts]
    spread = np.std(scores, ddof=1) / np.sqrt(splits) if splits > 1 else 0.0
    return Estimate(float(np.mean(scores)), float(spread))


def precision_recall(real_features: np.ndarray, fake_features: np.ndarray, *, k: int = 3) -> _Manifolds:
    """Computes improved precision and recall (arXiv 1904.06991), density and coverage (arXiv 2002.09797).

    Each point of a set owns the ball that reaches to its k-th nearest neighbour in the set. Precision is the share of
    fake points in any real ball, recall that of real points in any fake ball. Density counts the real balls around a
    fake point, over k; coverage is the share of real balls with a fake point inside.

    Args:
        real_features, fake_features: of shape (count, dimension). Take equal counts: recall and precision depend on it.
        k: which neighbour. The papers take 3 for precision and recall and 5 for density and coverage.

    Returns `precision`, `recall`, `density` and `coverage`, each 0 or more. Density may be over 1, the others may not.
    Raises ValueError if the features do not fit, or a set has k rows or fewer.
    """
    real, fake = _pair(real_features, fake_features)
    if not 1 <= k < min(len(real), len(fake)):
        raise ValueError(f"k must be from 1 to one less than the smaller set's {min(len(real), len(fake))}, got {k}.")
    real_radii, fake_radii = _kth_distances(real, k), _kth_distances(fake, k)
    in_real, in_fake, covered = np.zeros(len(fake), int), np.zeros(len(real), bool), np.zeros(len(real), bool)
    for rows, distances in _distance_blocks(fake, real):
        inside = distances <= real_radii
        in_real[rows] = inside.sum(axis=1)
        covered |= inside.any(axis=0)
        in_fake |= (distances <= fake_radii[rows, None]).any(axis=0)
    shares = (in_real > 0).mean(), in_fake.mean(), in_real.mean() / k, covered.mean()
    return _Manifolds(*map(float, shares))


def nearest_neighbours(queries: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Finds for each query the nearest row of `features`: how a memorised training image is found.

    Args:
        queries: of shape (count, dimension).
        features: of shape (another count, dimension). Raises ValueError if they do not fit or there are none.

    Returns places in `features` and Euclidean distances, both of shape (count,).
    """
    queries, features = _pair(queries, features)
    if not len(features):
        raise ValueError("There are no features to search for neighbours.")
    places, distances = np.empty(len(queries), int), np.empty(len(queries))
    for rows, block in _distance_blocks(queries, features):
        places[rows], distances[rows] = block.argmin(axis=1), block.min(axis=1)
    return places, distances


def reverse_kl(counts: np.ndarray) -> float:
    """Takes the KL divergence of what was drawn from an even spread, in nats.

    Of k modes out of n, drawn equally often, it is log(n / k). Counts say how often each mode was drawn, (modes,).
    Raises ValueError if one is below 0, or none above.
    """
    counts = np.asarray(counts, np.float64)
    if counts.ndim != 1 or not counts.size or counts.min() < 0 or not counts.sum() > 0:
        raise ValueError("Counts must be of shape (modes,), 0 or more, and some of them more than 0.")
    return _kl(counts / counts.sum(), np.full(len(counts), 1 / len(counts)))


def modes(points: np.ndarray, centers: np.ndarray, deviation: float, least: int = 1) -> _Modes:
    """Counts the modes of a mixture of equal, round Gaussians that generated points reach, as arXiv 1712.04086 does.

    A point within three deviations of its nearest center is of high quality. A mode is captured if `least` such points
    are nearest to it. The divergence is of how often each center is the nearest, of all points.

    Args:
        points: generated, shape (count, dimension), 1 or more.
        centers: of the mixture, shape (modes, dimension), 1 or more.
        deviation: of each Gaussian, the same in all directions, above 0. ValueError if something does not fit.
        least: points that it takes to capture a mode.

    Returns how many modes were `captured`, the share of points of `high_quality`, and the `reverse_kl` in nats.
    """
    points, centers = _pair(points, centers)
    if not len(points) or not len(centers):
        raise ValueError("It takes points and centers, one of each at least.")
    if not deviation > 0 or not least > 0:
        raise ValueError(f"deviation and least must be more than 0, got {deviation!r} and {least!r}.")
    nearest, distances = nearest_neighbours(points, centers)
    good = distances <= 3 * deviation
    captured = np.bincount(nearest[good], minlength=len(centers)) >= least
    counts = np.bincount(nearest, minlength=len(centers))
    return _Modes(int(captured.sum()), float(good.mean()), reverse_kl(counts))


def _mmd(x, y) -> float:
    """Unbiased squared maximum mean discrepancy of two sets of equal size, cubic kernel."""
    n, dimension = x.shape
    within = [((part @ part.T) / dimension + 1) ** 3 for part in (x, y)]
    between = ((x @ y.T) / dimension + 1) ** 3
    return sum((k.sum() - np.trace(k)) / (n * (n - 1)) for k in within) - 2 * between.mean()


def _kl(p, q) -> float:
    """KL divergence of p from q in nats, with 0 log 0 = 0."""
    some = p > 0
    return float(np.sum(p[some] * np.log(p[some] / q[some])))


def _distance_blocks(queries, features, rows: int = 512):
    """Yields slices of the queries and their distances to all features, so that no full matrix is ever held."""
    squares = (features**2).sum(axis=1)
    for start in range(0, len(queries), rows):
        block = queries[start : start + rows]
        squared = (block**2).sum(axis=1)[:, None] + squares - 2 * block @ features.T
        yield slice(start, start + len(block)), np.sqrt(np.maximum(squared, 0.0))


def _kth_distances(features, k: int) -> np.ndarray:
    """Distance of each row to its k-th nearest other row."""
    found = np.empty(len(features))
    for rows, distances in _distance_blocks(features, features):
        distances[np.arange(len(distances)), np.arange(rows.start, rows.stop)] = np.inf
        found[rows] = np.partition(distances, k - 1, axis=1)[:, k - 1]
    return found


def _pair(first, second) -> tuple[np.ndarray, np.ndarray]:
    first, second = _checked(first), _checked(second)
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"Both sets need features of one length, got {first.shape[1]} and {second.shape[1]}.")
    return first, second


def _checked(features) -> np.ndarray:
    features = np.asarray(features, np.float64)
    if features.ndim != 2:
        raise ValueError(f"Features must have the shape (count, dimension), got {features.shape}.")
    if not np.isfinite(features).all():
        raise ValueError("Features must be finite: there is an infinity or a nan among them.")
    return features
