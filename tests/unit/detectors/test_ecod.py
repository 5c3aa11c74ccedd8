"""ECOD: against a brute-force count, its directions, its missing values, its robustness."""

import numpy as np
import pytest

from detectors.base import Direction, FeatureInfo
from detectors.checks import ranking, rows_of
from detectors.ecod import EcodSpec, surprise
from state.errors import ConfigError, SnapshotError

FEATURES = (FeatureInfo("high"), FeatureInfo("low", Direction.LOW), FeatureInfo("both", Direction.BOTH))


@pytest.mark.parametrize("direction", Direction)
def test_surprise_counts_rows_as_far_out(direction: Direction) -> None:
    """-log (1 + rows as far out) / (1 + rows), ties included, twice the smaller tail for two sides."""
    rng = np.random.default_rng(1)
    known = np.sort(rng.integers(0, 20, 150)).astype(np.float32)
    values = np.sort(rng.integers(-2, 23, 60)).astype(np.float32)
    for value, found in zip(values, surprise(known, values, direction), strict=True):
        high, low = (1 + (known >= value).sum()) / 151, (1 + (known <= value).sum()) / 151
        p = {Direction.HIGH: high, Direction.LOW: low, Direction.BOTH: min(1.0, 2 * min(high, low))}[direction]
        assert found == pytest.approx(-np.log(p), abs=1e-12)


def test_the_score_is_the_sum_of_the_parts() -> None:
    """Parts are on the suspicious side only."""
    rng = np.random.default_rng(2)
    detector = EcodSpec(ready=50).build(FEATURES)
    detector.learn(rows_of(rng.normal(size=(200, 3))))
    rows = rows_of(np.array([[5.0, 0.0, 0.0], [-5.0, -5.0, 0.0], [-5.0, 5.0, -5.0]]))
    parts = detector.explain(rows)
    np.testing.assert_allclose(detector.score(rows), parts.sum(axis=1))
    assert (parts > 3).tolist() == [[True, False, False], [False, True, False], [False, False, True]]


def test_a_missing_value_counts_as_an_average_one() -> None:
    """Genuine rows with and without a feature have about the same mean score; no value at all is nan."""
    rng = np.random.default_rng(3)
    detector = EcodSpec().build(FEATURES)
    detector.learn(rows_of(rng.normal(size=(2000, 3))))
    x = rng.normal(size=(4000, 3))
    full = detector.score(rows_of(x)).mean()
    x[:, 1] = np.nan
    assert detector.score(rows_of(x)).mean() == pytest.approx(full, rel=0.05)
    assert np.isnan(detector.score(rows_of(np.full((2, 3), np.nan)))).all()


def test_attackers_in_the_sample_stay_visible() -> None:
    """With 3 % attackers in everything that was learned, they still rank above nearly all people."""
    rng = np.random.default_rng(4)
    features = tuple(FeatureInfo(f"f{i}") for i in range(12))
    detector = EcodSpec().build(features)
    for _ in range(5):
        x = rng.normal(size=(1000, 12))
        truth = np.arange(1000) % 33 == 0
        x[truth, :6] += 4
        rows = rows_of(x)
        score = detector.score(rows)
        detector.learn(rows)
    assert ranking(score, truth.astype(float)) > 0.995


def test_a_feature_nobody_had_says_nothing() -> None:
    """An empty column contributes 0, not a crash."""
    detector = EcodSpec(ready=10).build(FEATURES[:2])
    detector.learn(rows_of(np.stack([np.arange(50.0), np.full(50, np.nan)], axis=1)))
    assert detector.explain(rows_of(np.array([[10.0, 3.0]])))[0, 1] == 0.0


def test_another_configuration_is_refused() -> None:
    """Saved rows of other features or another size do not fit; impossible settings are named."""
    blob = EcodSpec().build(FEATURES).snapshot()
    with pytest.raises(SnapshotError, match="both"):
        EcodSpec().build(FEATURES[:1], blob)
    with pytest.raises(SnapshotError, match="1024"):
        EcodSpec(remember=1024).build(FEATURES, blob)
    with pytest.raises(ConfigError, match="ready"):
        EcodSpec(ready=9999)
