"""Resonance: against the same worked out by hand; what comes again, and what does not."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.base import Direction, FeatureInfo, Rows
from detectors.checks import rows_of
from detectors.resonance import Resonance, ResonanceSpec
from state.errors import ConfigError, DetectorError

BOTH = (FeatureInfo("v", Direction.BOTH),)


def one(value: float) -> Rows:
    return rows_of(np.array([[value]]))


def trained(values: list[float], spec: ResonanceSpec) -> Resonance:
    detector = spec.build(BOTH)
    for value in values:
        detector.learn(one(value))
    return detector


class ByHand:
    """Numbers and lists, one value after the other."""

    def __init__(self, length: int, remember: int, warmup: int) -> None:
        self.length, self.remember, self.warmup = length, remember, warmup
        self.first: list[float] = []
        self.levels: list[float] = []
        self.memory: list[tuple[int, list[float]]] = []
        self.at = 0

    def hear(self, value: float) -> float:
        """How new the pattern that ends here is, nan for not yet; learned afterwards."""
        self.at += 1
        if len(self.first) < self.warmup:
            self.first.append(value)
            return math.nan
        low, high = min(self.first), max(self.first)
        low, width = low - (high - low) / 2, 2 * (high - low)
        place = (value - low) / width if width else 0.5 + (value > low) - (value < low)
        level = round(min(max(place, 0.0), 1.0) * 80) / 80
        ordered = sorted(self.levels)
        median = ordered[len(ordered) // 2] if ordered else 0.5
        self.levels.append(level)
        if len(self.levels) < self.length:
            return math.nan
        recent = [median if abs(round(80 * (v - median))) <= 5 else v for v in self.levels[-self.length :]]
        pattern = self.pattern(recent)
        likes = [self.like(box, pattern) for _, box in self.memory]
        best = max(likes, default=0.0)
        if best >= 0.8:
            k = likes.index(best)
            self.memory[k] = self.at, [min(a, b) for a, b in zip(self.memory[k][1], pattern, strict=True)]
        else:
            if len(self.memory) == self.remember:
                k = min(range(self.remember), key=lambda i: self.memory[i][0])
                self.memory[k] = self.at, pattern
            else:
                self.memory.append((self.at, pattern))
        return 1.0 - best if likes else math.nan

    def pattern(self, recent: list[float]) -> list[float]:
        both = [*self.unit(self.haar(self.unit(recent))), *recent]
        return both + [1.0 - v for v in both]

    @staticmethod
    def unit(values: list[float]) -> list[float]:
        least = min(values)
        most = max(values) - least
        return [(v - least) / most if most > 0 else 0.0 for v in values]

    @staticmethod
    def haar(values: list[float]) -> list[float]:
        found: list[float] = []
        while len(values) > 1:
            pairs = list(zip(values[::2], values[1::2], strict=True))
            found = [(a - b) / math.sqrt(2) for a, b in pairs] + found
            values = [(a + b) / math.sqrt(2) for a, b in pairs]
        return values + found

    @staticmethod
    def like(box: list[float], pattern: list[float]) -> float:
        shared = [min(a, b) for a, b in zip(box, pattern, strict=True)]
        half = len(box) // 2
        last = (shared[half - 1] + shared[-1]) / max(box[half - 1] + box[-1], 1e-6)
        return float((sum(shared) / max(sum(box), 1e-6)) ** 3 * last**2)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 4, 8]), st.integers(2, 5))
def test_it_is_what_hands_make_of_it(seed: int, length: int, remember: int) -> None:
    """A series that jumps between a few places and wanders in between, also when more came than is remembered."""
    rng = np.random.default_rng(seed)
    values = np.where(rng.random(90) < 0.7, rng.integers(0, 4, 90), 5 * rng.random(90)).tolist()
    spec = ResonanceSpec(length=length, remember=remember, warmup=12)
    detector, hand = spec.build(BOTH), ByHand(length, remember, 12)
    for value in values:
        rows = one(value)
        found = detector.score(rows)[0]
        assert found == pytest.approx(hand.hear(value), abs=1e-4, nan_ok=True)
        detector.learn(rows)


def test_what_recurs_is_usual_and_another_order_is_not() -> None:
    """A heartbeat with noise: every value and every step of it is ordinary, one beat too early is not."""
    beat, rng = [0.0, 0.0, 0.0, 0.0, 0.0, 9.0, -4.0, 0.0], np.random.default_rng(1)
    values = [value + 0.1 * rng.normal() for value in 100 * beat]
    spec = ResonanceSpec(length=8, warmup=100)
    in_time = trained([*values, *beat[:5]], spec).score(one(9.0))[0]
    too_early = trained([*values, *beat[:2]], spec).score(one(9.0))[0]
    assert in_time < 0.1
    assert too_early > 0.2  # where a pattern is no longer the same
    assert trained(values, spec).typical(one(0.0))[0, 0] == pytest.approx(0.0, abs=0.3)


def test_a_series_that_has_left_its_scale_begins_anew() -> None:
    """For good, and not for some values: then the first values tell the scale again."""
    spec = ResonanceSpec(length=4, warmup=20)
    rng = np.random.default_rng(2)
    before = rng.normal(size=200).tolist()
    detector = trained([*before, *([50.0] * 5), *before], spec)
    assert detector.columns["rows"][0, 0] > spec.warmup
    assert detector.typical(one(0.0))[0, 0] == pytest.approx(0.0, abs=0.5)
    for value in (1000.0 + rng.normal(size=100)).tolist():
        detector.learn(one(value))
    assert detector.typical(one(1000.0))[0, 0] == pytest.approx(1000.0, abs=1.0)
    assert not np.isnan(detector.score(one(1000.0)))[0]


def test_a_missing_value_is_passed_over() -> None:
    """It has no score, and leaves no gap in the pattern."""
    detector = trained([0.0, 1.0] * 80, ResonanceSpec(length=4, warmup=20))
    before = detector.score(one(1.0))
    assert np.isnan(detector.score(one(math.nan)))[0]
    detector.learn(one(math.nan))
    assert detector.score(one(1.0)) == before


def test_a_constant_series_has_nothing_new_until_it_moves() -> None:
    """Its scale has no width; any other value is off it."""
    detector = trained([3.0] * 60, ResonanceSpec(length=4, warmup=10))
    assert detector.score(one(3.0))[0] == pytest.approx(0.0, abs=1e-6)
    assert detector.score(one(3.5))[0] > 0.3


def test_parameters_and_rows() -> None:
    """What cannot be is told, and rows that are nobody's."""
    with pytest.raises(ConfigError, match=r"resonance\.length: seen 10, allowed: a power of 2 from 2 to 64"):
        ResonanceSpec(length=10)
    rows = one(1.0)
    rows.slot = None
    with pytest.raises(DetectorError, match="rows without slots"):
        ResonanceSpec().build(BOTH).score(rows)
