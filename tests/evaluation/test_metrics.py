"""Scores against closed forms, limits and bad input."""

import json
from pathlib import Path

import numpy as np
import pytest
from dcgan_keras.evaluation import metrics

REFERENCE = Path(__file__).parents[1] / "reference"


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_moments_are_those_of_the_definition(rng):
    """Far from zero, where sums of squares cancel, and divided by n - 1."""
    features = 1e4 + rng.normal(size=(101, 5))
    found, centered = metrics.moments(features), features - features.mean(axis=0)
    assert found.count == 101 and metrics.moments(features[:, :1]).covariance.shape == (1, 1)
    np.testing.assert_allclose(found.mean, features.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, centered.T @ centered / 100, rtol=1e-8, atol=1e-10)


def test_fid_of_normal_distributions_is_the_closed_form():
    """With diagonal covariances the distance is |m1 - m2|^2 + sum of (s1 - s2)^2."""
    rng = np.random.default_rng(1)
    basis = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    m1, m2, s1, s2 = rng.normal(size=4), rng.normal(size=4), np.array([1, 2, 3, 0.0]), np.array([2, 2, 0.0, 0.5])
    one, two = (metrics._Moments(9, basis @ m, (basis * s**2) @ basis.T) for m, s in ((m1, s1), (m2, s2)))
    expected = ((m1 - m2) ** 2).sum() + ((s1 - s2) ** 2).sum()
    assert metrics.frechet_distance(one, two) == pytest.approx(expected, rel=1e-6)
    assert metrics.frechet_distance(two, one) == pytest.approx(expected, rel=1e-6)


def test_fid_from_samples(rng):
    a, b = rng.normal(size=(200_000, 2)), 2 * rng.normal(size=(200_000, 2)) + 3
    assert metrics.fid(a, a) == pytest.approx(0, abs=1e-9)
    assert metrics.fid(a, b) == pytest.approx(2 * 3**2 + 2 * (2 - 1) ** 2, rel=0.01)


@pytest.mark.parametrize("count", [2, 5, 63, 64, 300])
def test_fid_is_finite_and_not_negative_below_the_dimension(rng, count):
    a, b = rng.normal(size=(count, 64)), rng.normal(size=(count, 64))
    assert 0 <= metrics.fid(a, b) < np.inf
    assert 0 <= metrics.fid(a, a) < 1e-6
    assert metrics.fid(np.zeros((count, 64)), np.zeros((count, 64))) == 0


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.zeros((1, 3)), "two rows"),
        (np.zeros(3), "shape"),
        (np.full((4, 3), np.nan), "finite"),
        (np.zeros((4, 2)), "one length"),
        (np.zeros((0, 3)), "two rows"),
    ],
)
def test_bad_features_get_one_sentence(bad, words):
    with pytest.raises(ValueError, match=words):
        metrics.fid(np.eye(3), bad)


def test_kid_is_the_double_sum_over_pairs(rng):
    """Brute force, pair by pair, on the one subset that holds all rows."""
    x, y = rng.normal(size=(7, 3)), 1 + rng.normal(size=(7, 3))

    def kernel(a, b):
        return (a @ b / 3 + 1) ** 3

    pairs = [(i, j) for i in range(7) for j in range(7) if i != j]
    within = sum(kernel(part[i], part[j]) for part in (x, y) for i, j in pairs) / (7 * 6)
    between = sum(kernel(a, b) for a in x for b in y) / 49
    found = metrics.kid(x, y, subsets=3, subset_size=7)
    assert found.mean == pytest.approx(within - 2 * between, rel=1e-9)
    assert found.standard_error == 0  # the choice of subsets is none


def test_kid_is_unbiased_and_seeded(rng):
    x, y = rng.normal(size=(4000, 8)), rng.normal(size=(4000, 8))
    small, large = (metrics.kid(x, y, subsets=200, subset_size=size) for size in (20, 500))
    assert abs(small.mean) < 4 * small.standard_error and abs(large.mean) < 0.01
    assert metrics.kid(x, y + 1, subset_size=100).mean > 0.5
    assert metrics.kid(x, y, subset_size=50) == metrics.kid(x, y, subset_size=50)
    assert metrics.kid(x, y, subset_size=50) != metrics.kid(x, y, subset_size=50, seed=1)


def test_inception_score_at_its_limits(rng):
    certain = np.eye(10)[np.arange(200) % 10]
    assert metrics.inception_score(certain, splits=4).mean == pytest.approx(10)
    assert metrics.inception_score(np.eye(10)[np.zeros(50, int)], splits=1) == (pytest.approx(1), 0)
    assert metrics.inception_score(np.full((50, 10), 0.1)).mean == pytest.approx(1)
    p = rng.dirichlet(np.ones(4), size=6)
    by_hand = np.exp(np.mean([np.sum(row * np.log(row / p.mean(axis=0))) for row in p]))
    assert metrics.inception_score(p, splits=1).mean == pytest.approx(by_hand)


def test_precision_and_recall_of_sets_made_by_hand():
    real = np.array([[0.0], [1], [2], [10], [11], [12]])
    fake = np.array([[0.5], [1.5], [1.6], [50]])
    # k = 1: real balls reach 1, so 0.5, 1.5 and 1.6 are inside and 50 is not. Fake balls reach 1, 0.1, 0.1 and 48.4,
    # which holds 1 (from 0.5), 0 (from 0.5), and 2, 10, 11, 12 (from 50: 48, 40, 39, 38).
    found = metrics.precision_recall(real, fake, k=1)
    assert found.precision == 3 / 4 and found.recall == 1
    # Real balls around 0.5: those of 0 and 1; around 1.5: of 1 and 2; around 1.6: of 1 and 2. Covered: 0, 1, 2.
    assert found.density == 6 / 4 and found.coverage == 3 / 6


def test_precision_and_recall_tell_the_two_failures_apart(rng):
    real = rng.normal(size=(1000, 4))
    same = metrics.precision_recall(real, rng.normal(size=(1000, 4)))
    narrow = metrics.precision_recall(real, 0.1 * rng.normal(size=(1000, 4)))
    wide = metrics.precision_recall(real, 4 * rng.normal(size=(1000, 4)))
    assert narrow.precision > 0.99 and narrow.recall < 0.05 < same.recall
    assert wide.precision < same.precision - 0.3 and wide.recall > 0.9


def test_blocks_change_nothing(rng):
    a, b = rng.normal(size=(1300, 3)), rng.normal(size=(700, 3))
    brute = np.linalg.norm(a[:, None] - b, axis=-1)
    places, distances = metrics.nearest_neighbours(a, b)
    np.testing.assert_allclose(distances, brute.min(axis=1), atol=1e-6)
    assert (places == brute.argmin(axis=1)).all()
    assert metrics.nearest_neighbours(b[:5], b)[1] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: metrics.kid(np.eye(5), np.eye(5), subset_size=6), "subset_size"),
        (lambda: metrics.kid(np.eye(5), np.eye(4), subset_size=2), "one length"),
        (lambda: metrics.inception_score(np.full((4, 3), 0.5)), "sum to 1"),
        (lambda: metrics.inception_score(np.eye(3), splits=4), "splits"),
        (lambda: metrics.precision_recall(np.eye(3), np.eye(3), k=3), "k must be"),
        (lambda: metrics.nearest_neighbours(np.eye(3), np.zeros((0, 3))), "no features"),
    ],
)
def test_bad_arguments_get_one_sentence(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.fixture(scope="module")
def stored():
    with np.load(REFERENCE / "features.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.mark.parametrize(("size", "count"), [("below the dimension", 40), ("above the dimension", 400)])
def test_scores_are_those_of_established_libraries(stored, size, count):
    """Their versions, and the script that ran them, are named in `tests/reference/`."""
    expected = json.loads((REFERENCE / "metrics.json").read_text())[size]
    real, fake = stored["real"][:count], stored["fake"][:count]
    assert metrics.fid(real, fake) == pytest.approx(expected["fid"], rel=1e-6)
    found = metrics.kid(real, fake, subsets=20, subset_size=30, seed=3)
    assert found.mean == pytest.approx(expected["kid"], abs=1e-9)
    narrow, wide = metrics.precision_recall(real, fake, k=3), metrics.precision_recall(real, fake, k=5)
    # The library averages its ones and zeros in float32.
    assert (narrow.precision, narrow.recall) == pytest.approx((expected["precision"], expected["recall"]), abs=1e-6)
    assert (wide.density, wide.coverage) == pytest.approx((expected["density"], expected["coverage"]), abs=1e-9)


def test_inception_score_is_that_of_an_established_library(stored):
    expected = json.loads((REFERENCE / "metrics.json").read_text())["inception_score"]
    found = metrics.inception_score(stored["probabilities"], splits=10)
    assert found.mean == pytest.approx(expected["mean"], rel=1e-6)
    # The library gives the standard deviation over splits, over n; here it is the standard error, over n - 1.
    assert found.standard_error * 3 == pytest.approx(expected["std"], rel=1e-6)


# Modes


def test_reverse_kl_of_some_modes_drawn_equally_often():
    for kept in (1, 5, 10):
        assert metrics.reverse_kl([1] * kept + [0] * (10 - kept)) == pytest.approx(np.log(10 / kept))
    assert metrics.reverse_kl([3, 1]) == pytest.approx(0.75 * np.log(0.75 / 0.5) + 0.25 * np.log(0.25 / 0.5))


@pytest.mark.parametrize("counts", [[], [[1, 2]], [-1, 2], [0, 0], [1, float("nan")]])
def test_counts_that_have_no_divergence_are_refused(counts):
    with pytest.raises(ValueError, match="of shape .modes,., 0 or more, and some of them more than 0"):
        metrics.reverse_kl(counts)


def test_modes_of_points_made_by_hand():
    centers = np.array([[0, 0], [10, 0], [0, 10], [10, 10]])
    # Two at the first center, one of them just inside three deviations; one near the second, outside; none elsewhere.
    points = [[0, 0], [0, 2.99], [10, 3.01], [0, 0.5]]
    found = metrics.modes(points, centers, deviation=1.0)
    assert (found.captured, found.high_quality) == (1, 0.75)
    assert found.reverse_kl == pytest.approx(metrics.reverse_kl([3, 1, 0, 0]))
    assert metrics.modes(points, centers, deviation=1.1).captured == 2
    assert metrics.modes(points, centers, deviation=1.1, least=2).captured == 1


def test_real_samples_capture_every_mode(rng):
    centers = np.stack([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)], axis=1)
    points = centers[rng.integers(0, 8, 2500)] + rng.normal(0, 0.01, (2500, 2))
    found = metrics.modes(points, centers, 0.01)
    # In two dimensions exp(-9 / 2) of a Gaussian lies beyond three deviations.
    assert found.captured == 8 and found.high_quality == pytest.approx(1 - np.exp(-4.5), abs=0.01)
    assert found.reverse_kl < 0.01


def test_modes_that_cannot_be_counted_are_named():
    centers = np.zeros((2, 2))
    for arguments, message in (
        ((np.zeros((0, 2)), centers, 1.0), "one of each at least"),
        ((centers, np.zeros((0, 2)), 1.0), "one of each at least"),
        ((centers, centers, 0.0), "more than 0"),
        ((centers, np.zeros((2, 3)), 1.0), "one length"),
    ):
        with pytest.raises(ValueError, match=message):
            metrics.modes(*arguments)
