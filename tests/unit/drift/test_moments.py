"""A round in a few numbers, against the plain way of computing them."""

import numpy as np

from detectors.drift.moments import Moments, summarise
from state.types import F64

OPEN = 1e15


def bounds(width: int) -> tuple[F64, F64]:
    return np.full(width, -OPEN), np.full(width, OPEN)


def test_it_equals_the_plain_computation() -> None:
    """Counts, means and squared deviations are those of numpy over the rows that have a value."""
    rng = np.random.default_rng(1)
    x = rng.normal(3, 2, (200, 3))
    x[rng.random(x.shape) < 0.2] = np.nan
    x[0, 1] = np.inf
    score = rng.random(200)
    s = summarise(x, [score], 7, [True, False, False], *bounds(4), rows_max=1000)
    plain = [np.log1p(np.maximum(x[:, 0], 0)), x[:, 1], x[:, 2], score]
    known = [v[np.isfinite(v)] for v in plain]
    np.testing.assert_array_equal(s.count, [len(v) for v in known] + [200, 200, 200, 200])
    np.testing.assert_allclose(s.mean[:4], [v.mean() for v in known])
    np.testing.assert_allclose(s.m2[:4], [v.var() * len(v) for v in known])
    np.testing.assert_allclose(s.mean[4:], [7 / 200] + [1 - len(v) / 200 for v in known[:3]])


def test_the_rows_stay_untouched() -> None:
    """Features and scores belong to the caller."""
    x, score = np.array([[1.0, np.nan], [2.0, np.inf]]), np.array([0.5, np.nan])
    before = x.copy(), score.copy()
    summarise(x, [score], 0, [True, False], *bounds(3), rows_max=10)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(score, before[1])


def test_values_are_cut_at_the_bounds() -> None:
    """One absurd row moves the mean by no more than the bound allows."""
    x = np.array([[0.0], [0.0], [1e300]])
    s = summarise(x, [], 0, [False], np.array([-9.0]), np.array([9.0]), rows_max=10)
    assert s.mean[0] == 3.0


def test_a_series_without_values_counts_nothing() -> None:
    """All missing: count 0, mean 0, share of missing 1."""
    s = summarise(np.full((5, 1), np.nan), [np.full(5, np.nan)], 0, [False], *bounds(2), rows_max=10)
    np.testing.assert_array_equal(s.count, [0, 0, 5, 5])
    np.testing.assert_array_equal(s.mean, [0, 0, 0, 1])


def test_large_rounds_are_sampled_evenly() -> None:
    """Of 1,000 rows at most 100 are read, from the whole round; the alert rate is still over all rows."""
    x = np.arange(1000.0)[:, None]
    s = summarise(x, [], 10, [False], *bounds(1), rows_max=100)
    assert s.count[0] == 100
    assert s.mean[0] == 495.0
    assert (s.count[1], s.mean[1]) == (1000, 0.01)


def test_adding_rounds_up_equals_one_large_round() -> None:
    """Small rounds together say what one round of all their rows says."""
    x = np.random.default_rng(2).normal(100, 1, (90, 2))
    whole = summarise(x, [], 9, [False, False], *bounds(2), rows_max=1000)
    parts = Moments.empty(5)
    for i, n in ((0, 10), (10, 50), (60, 30)):
        parts = parts.plus(summarise(x[i : i + n], [], n // 10, [False, False], *bounds(2), rows_max=1000))
    np.testing.assert_allclose(parts.count, whole.count)
    np.testing.assert_allclose(parts.mean, whole.mean)
    np.testing.assert_allclose(parts.variance()[:2], whole.variance()[:2])
