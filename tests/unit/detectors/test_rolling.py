"""Rolling deviation against the slow obvious way, one series and one row at a time."""

import math

import numpy as np
import pytest

from detectors.base import Direction, FeatureInfo, Rows
from detectors.checks import rows_of
from detectors.rolling import RollingDeviationSpec
from state.errors import ConfigError, DetectorError

BOTH = (FeatureInfo("v", Direction.BOTH),)


def one(value: float) -> Rows:
    return rows_of(np.array([[value]]))


def slow(values: list[float], short_rows: float, long_rows: float, warmup: int) -> list[float]:
    """Plain averages until they hold so many rows, then exponential ones."""
    out, short, mean, var = [], 0.0, 0.0, 0.0
    for n, v in enumerate(values):
        now = short + max(1 / (n + 1), 1 / short_rows) * (v - short)
        out.append(abs(now - mean) / math.sqrt(var) if n >= warmup else math.nan)
        weight, delta = max(1 / (n + 1), 1 / long_rows), v - mean
        var = (1 - weight) * (var + weight * delta * delta)
        mean += weight * delta
        short = now
    return out


@pytest.mark.parametrize(("short_rows", "long_rows"), [(1.0, 50.0), (5.0, 40.0)])
def test_it_is_the_distance_of_the_short_from_the_long_average(short_rows: float, long_rows: float) -> None:
    """In standard deviations of the long past."""
    values = np.random.default_rng(1).normal(3.0, 2.0, 200).tolist()
    detector = RollingDeviationSpec(short_rows, long_rows, warmup=10).build(BOTH)
    found = []
    for value in values:
        found.append(detector.score(one(value))[0])
        detector.learn(one(value))
    assert np.allclose(found, slow(values, short_rows, long_rows, 10), equal_nan=True)


def test_differences_are_a_series_too() -> None:
    """A ramp has constant steps: only the jump is odd, however high the ramp has come."""
    detector = RollingDeviationSpec(difference=True, warmup=10).build(BOTH)
    rng = np.random.default_rng(2)
    values = np.cumsum(1 + 0.1 * rng.normal(size=100))
    for value in values:
        detector.learn(one(value))
    last = values[-1]
    steady, jump = detector.score(one(last + 1.0))[0], detector.score(one(last + 3.0))[0]
    assert steady < 1.0
    assert jump > 15.0
    assert detector.typical(one(last))[0, 0] == pytest.approx(1.0, abs=0.05)  # type: ignore[attr-defined]


def test_the_size_of_changes_says_how_rough_a_series_is() -> None:
    """A series that goes on at its level is odd when it turns rough, and when it turns calm; also where only high
    values are suspicious.
    """
    rng = np.random.default_rng(4)
    for infos in (BOTH, (FeatureInfo("v", Direction.HIGH),)):
        found = {}
        for scale in (1.0, 6.0, 0.05):
            spec = RollingDeviationSpec(short_rows=10, long_rows=1000, difference=True, absolute=True)
            detector, score = spec.build(infos), []
            for value in 50 + np.concatenate([rng.normal(size=400), scale * rng.normal(size=40)]):
                score.append(detector.score(one(value))[0])
                detector.learn(one(value))
            found[scale] = max(score[415:]) / max(score[50:400])
            assert detector.typical(one(0.0))[0, 0] > 0  # type: ignore[attr-defined]
        assert found[6.0] > 2.0
        assert found[0.05] > 1.0
        assert found[1.0] < 1.0


def test_a_missing_value_changes_nothing() -> None:
    """It has no score, and the past stays as it was; differences bridge it."""
    for difference in (False, True):
        detector = RollingDeviationSpec(difference=difference, warmup=5).build(BOTH)
        for value in (1.0, 2.0, 4.0, 3.0, 5.0, 4.0, 6.0):
            detector.learn(one(value))
        before = detector.score(one(9.0))
        assert np.isnan(detector.score(one(math.nan)))[0]
        detector.learn(one(math.nan))
        assert detector.score(one(9.0)) == before


def test_only_the_suspicious_side_counts() -> None:
    """A series that may fall is odd when it rises."""
    detector = RollingDeviationSpec(warmup=5).build((FeatureInfo("v", Direction.HIGH),))
    for value in (1.0, 2.0, 1.5, 1.2, 1.8, 1.4):
        detector.learn(one(value))
    assert detector.score(one(-50.0))[0] == 0.0
    assert detector.score(one(50.0))[0] > 50.0


def test_what_it_is_not_made_for_is_told() -> None:
    """Parameters out of range, and rows that are nobody's."""
    with pytest.raises(ConfigError, match=r"rolling_deviation\.long_rows: seen 5\.0, allowed: above short_rows"):
        RollingDeviationSpec(short_rows=10.0, long_rows=5.0)
    with pytest.raises(ConfigError, match=r"absolute: seen True, allowed: false without difference"):
        RollingDeviationSpec(absolute=True)
    rows = one(1.0)
    rows.slot = None
    with pytest.raises(DetectorError, match="rows without slots"):
        RollingDeviationSpec().build(BOTH).score(rows)
