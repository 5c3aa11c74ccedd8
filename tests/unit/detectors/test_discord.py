"""Discord: against looking through the whole past by hand; what recurs, and what does not."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.base import Direction, FeatureInfo, Rows
from detectors.checks import rows_of
from detectors.discord import Discord, DiscordSpec
from state.errors import ConfigError, DetectorError

BOTH = (FeatureInfo("v", Direction.BOTH),)


def one(value: float) -> Rows:
    return rows_of(np.array([[value]]))


def by_hand(values: list[float], spec: DiscordSpec) -> float:
    """The distance that the last value gives, nan while there are too few sequences."""
    m, now = spec.length, values[-spec.length :]
    starts = range(max(0, len(values) - 2 * m + 1 - spec.remember), len(values) - 2 * m + 1)
    found = sorted(math.dist(values[s : s + m], now) for s in starts)
    return found[spec.neighbours - 1] if len(found) >= spec.ready else math.nan


@given(st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=60), st.integers(2, 4), st.integers(1, 3))
def test_it_is_the_distance_to_the_nearest_past(values: list[float], length: int, neighbours: int) -> None:
    """What is watched, for any series, also when more came than is remembered."""
    spec = DiscordSpec(length=length, remember=16, ready=4, neighbours=neighbours, warmup=2)
    detector = spec.build(BOTH)
    for n, value in enumerate(values, 1):
        rows = one(value)
        detector.score(rows)
        (cell,) = detector.cells(rows)
        assert cell.watched == pytest.approx(by_hand(values[:n], spec), nan_ok=True)
        detector.learn(rows)


def trained(values: list[float], spec: DiscordSpec) -> Discord:
    detector = spec.build(BOTH)
    for value in values:
        detector.learn(one(value))
    return detector


def test_what_recurs_is_usual_and_another_order_is_not() -> None:
    """A heartbeat with noise: every value and every step of it is ordinary, one beat too early is not."""
    beat, rng = [0.0, 0.0, 0.0, 0.0, 0.0, 9.0, -4.0, 0.0], np.random.default_rng(1)
    values = [value + 0.1 * rng.normal() for value in 60 * beat]
    spec = DiscordSpec(length=6, neighbours=3, short_rows=1.0)
    detector = trained(values, spec)
    for value in beat[:5]:
        detector.learn(one(value))
    assert detector.score(one(9.0))[0] < 3.0
    detector = trained(values, spec)
    for value in beat[:2]:
        detector.learn(one(value))
    assert detector.score(one(9.0))[0] > 20.0
    assert detector.typical(one(9.0))[0, 0] == pytest.approx(0.0, abs=0.5)


def test_a_missing_value_is_passed_over() -> None:
    """It has no score, and leaves no gap in the sequence."""
    detector = trained([0.0, 1.0] * 80, DiscordSpec(length=4))
    before = detector.score(one(5.0))
    assert np.isnan(detector.score(one(math.nan)))[0]
    detector.learn(one(math.nan))
    assert detector.score(one(5.0)) == before


def test_parameters_and_rows() -> None:
    """What cannot be is told, and rows that are nobody's."""
    with pytest.raises(ConfigError, match=r"discord\.neighbours: seen 200, allowed: 1 to ready \(100\)"):
        DiscordSpec(neighbours=200)
    rows = one(1.0)
    rows.slot = None
    with pytest.raises(DetectorError, match="rows without slots"):
        DiscordSpec().build(BOTH).score(rows)
