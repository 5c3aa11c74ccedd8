"""Seasonal deviation: the time of the day and of the week explain a value, or do not."""

import math

import numpy as np
import pytest

from detectors.base import Direction, FeatureInfo, Rows
from detectors.checks import rows_of
from detectors.seasonal import SeasonalDeviation, SeasonalDeviationSpec
from state.errors import ConfigError
from state.types import DAY_US, HOUR_US

BOTH = (FeatureInfo("v", Direction.BOTH),)
DAILY = SeasonalDeviationSpec(period_hours=24, part_minutes=60, visits=2, short_rows=1.0, warmup=10)


def one(hour: int, value: float) -> Rows:
    return rows_of(np.array([[value]]), hour * HOUR_US)


def usual(hour: int) -> float:
    return 10.0 + 5.0 * math.sin(2 * math.pi * (hour % 24) / 24)


def trained(days: int, spec: SeasonalDeviationSpec = DAILY) -> SeasonalDeviation:
    detector, rng = spec.build(BOTH), np.random.default_rng(1)
    for hour in range(24 * days):
        detector.learn(one(hour, usual(hour) + 0.1 * rng.normal()))
    return detector


def test_the_night_at_noon_is_odd() -> None:
    """A value of every day, at the wrong time of it; the same value at its own time is not."""
    detector = trained(8)
    morning, evening = 24 * 8 + 6, 24 * 8 + 18
    assert detector.score(one(morning, usual(morning)))[0] < 3.0
    assert detector.score(one(morning, usual(evening)))[0] > 20.0
    assert detector.typical(one(morning, 0.0))[0, 0] == pytest.approx(usual(morning), abs=0.2)


def test_a_part_is_known_after_its_visits() -> None:
    """Two days are needed, and then some rows to compare with."""
    assert np.isnan(trained(2).score(one(48, 10.0)))[0]
    assert trained(2).typical(one(71, 10.0))[0, 0] == pytest.approx(usual(71), abs=0.3)
    assert not np.isnan(trained(3).score(one(72, 10.0)))[0]
    assert np.isnan(trained(1).typical(one(24, 10.0)))[0, 0]


def test_rows_of_one_visit_are_one_visit() -> None:
    """Sixty rows in an hour make the hour known no sooner, and weigh as one visit later: an average of visits."""
    spec = SeasonalDeviationSpec(period_hours=24, part_minutes=60, visits=1, remember=2, short_rows=1.0, warmup=2)
    detector = spec.build(BOTH)
    for _ in range(60):
        detector.learn(one(0, 1.0))
        assert np.isnan(detector.typical(one(0, 1.0)))[0, 0]
    for day, value in ((1, 1.0), (2, 1.0), (3, 1.0), (4, 5.0)):
        for minute in range(60):
            rows = one(0, value)
            rows.stop_us[:] = day * DAY_US + minute
            detector.learn(rows)
        detector.learn(one(24 * day + 5, value))
    # Of 60 rows each weighs 2.5 / 300 or so: together about as much as one of two visits.
    assert 2.0 < detector.typical(one(24 * 5, 0.0))[0, 0] < 4.0


def test_weeks() -> None:
    """Sundays are not like other days, by default."""
    spec = SeasonalDeviationSpec(part_minutes=60, short_rows=1.0)
    detector, rng = spec.build(BOTH), np.random.default_rng(2)
    for hour in range(24 * 7 * 5):
        detector.learn(one(hour, 50.0 * (hour // 24 % 7 == 3) + rng.normal()))
    monday, sunday = 24 * 35 + 12, 24 * 38 + 12
    assert detector.score(one(sunday, 50.0))[0] < 4.0
    assert detector.score(one(monday, 50.0))[0] > 10.0


def test_a_missing_value_changes_nothing() -> None:
    """It has no score; the part's average stays."""
    detector = trained(5)
    before = detector.score(one(120, 30.0))
    assert np.isnan(detector.score(one(120, math.nan)))[0]
    detector.learn(one(120, math.nan))
    assert detector.score(one(120, 30.0)) == before


def test_parameters() -> None:
    """Parts must fill the period."""
    with pytest.raises(ConfigError, match=r"part_minutes: seen 7, allowed: minutes that divide the period"):
        SeasonalDeviationSpec(part_minutes=7, period_hours=24)
