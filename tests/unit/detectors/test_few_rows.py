"""Few rows go one by one, many as arrays: what comes out is the same, to the bit."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.base import Direction, FeatureInfo, Rows
from detectors.calibrate import CalibrationSpec
from detectors.combine import Combination, combine
from detectors.features.hashing import mix, mix_one
from detectors.rolling import RollingDeviationSpec
from detectors.rolling_base import Rolling
from detectors.seasonal import SeasonalDeviationSpec
from detectors.subject_sample import SubjectSample
from state.types import DAY_US, F64, HOUR_US

FEATURES = (FeatureInfo("both", Direction.BOTH), FeatureInfo("high", log=True), FeatureInfo("low", Direction.LOW))
SPECS = (
    RollingDeviationSpec(long_rows=50, warmup=5),
    RollingDeviationSpec(short_rows=4, long_rows=30, warmup=5, winsor=1.5),
    RollingDeviationSpec(difference=True, warmup=5),
    RollingDeviationSpec(difference=True, absolute=True, short_rows=3, warmup=5),
    SeasonalDeviationSpec(period_hours=24, part_minutes=360, visits=1, remember=2, short_rows=2, warmup=3),
)


def rounds() -> Iterator[tuple[F64, int, np.ndarray]]:
    """Values, with some missing or absurd, when, and the slots of one to three subjects of five."""
    rng = np.random.default_rng(3)
    for hour in range(150):
        slot = np.sort(rng.choice(5, rng.integers(1, 4), replace=False)).astype(np.int32)
        x = rng.lognormal(2.0, 1.0, (len(slot), 3))
        x[rng.random(x.shape) < 0.1] = rng.choice([np.nan, np.inf, -1.0, 0.0, 1e150])
        yield x, hour * HOUR_US, slot


def told(detector: Rolling) -> list[F64]:
    """Everything that it says, and then knows."""
    out = []
    for x, end_us, slot in rounds():
        time_us = np.full(len(x), end_us)
        rows = Rows("w", end_us, x, slot.astype(np.uint64), time_us, time_us, slot)
        out += [detector.score(rows), detector.typical(rows), detector.explain(rows)]
        detector.learn(rows)
    return out + [detector.columns[name][:5] for name in detector.columns.row(0)]


@pytest.mark.parametrize("spec", SPECS)
def test_series_cell_by_cell(spec: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores, usual values, parts, and the state of each."""
    monkeypatch.setattr(Rolling, "FEW", 0)
    many = told(spec.build(FEATURES))
    monkeypatch.setattr(Rolling, "FEW", 6)
    few = told(spec.build(FEATURES))
    assert any(np.isfinite(found).any() for found in many[:-8])
    for one, other in zip(few, many, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("per", ["row", "subject", "stretch"])
@pytest.mark.parametrize("fitted", [True, False])
def test_tails_score_by_score(per: str, fitted: bool) -> None:
    """Of the sample's own scores, between them, far beyond, and of what is no number in 32 bits."""
    rng = np.random.default_rng(1)
    learned = np.round(rng.exponential(size=3000), 2)
    calibrator = CalibrationSpec(per=per, floor=1e-6, stretch_rows=5, ready_hours=0.0).build(fitted=fitted)
    calibrator.learn(np.arange(3000, dtype=np.uint64) % (600 if per == "stretch" else 3000), learned, 1)
    odd = [np.nan, -1.0, 0.0, 7.7, 30.0, 300.0, 1e38, 3.4028235e38, 3.4028236e38, 1e300, -1e300]
    score = np.concatenate([learned[:200], rng.exponential(size=200) * 5, odd])
    whole = calibrator.tail(score)
    assert len(np.unique(whole)) > 100
    np.testing.assert_array_equal(np.concatenate([calibrator.tail(score[i : i + 1]) for i in range(len(score))]), whole)


@pytest.mark.parametrize("rule", list(Combination))
@pytest.mark.parametrize("detectors", [1, 3, 7, 8, 9])
def test_opinions_row_by_row(rule: Combination, detectors: int) -> None:
    """Also where some, or all, have none.  Numpy adds more than seven of one row in another order."""
    rng = np.random.default_rng(detectors)
    p, weights = 10 ** -(rng.random((detectors, 500)) * 9), rng.random(detectors) + 0.01
    p[rng.random(p.shape) < 0.3] = np.nan
    p[:, 7] = np.nan
    one_by_one = np.concatenate([combine(p[:, i : i + 1], weights, rule) for i in range(500)])
    if detectors < 8:
        np.testing.assert_array_equal(one_by_one, combine(p, weights, rule))
    else:
        np.testing.assert_allclose(one_by_one, combine(p, weights, rule), rtol=1e-14)


def test_subjects_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A subject that comes again takes its own place, as it does among others, on the same day and on the next."""
    rng = np.random.default_rng(2)
    feed = [(rng.integers(0, 9, 1).astype(np.uint64), rng.exponential(size=(1, 2)), k * HOUR_US) for k in range(1, 120)]
    feed[50][1][0, 0] = np.inf

    def fed() -> SubjectSample:
        sample = SubjectSample(2, 6)
        for subject, x, end_us in feed:
            sample.add(subject, x, end_us)
        return sample

    short = fed()
    monkeypatch.setattr(SubjectSample, "_renew", lambda *_: False)
    long = fed()
    assert feed[-1][2] > 4 * DAY_US
    assert short.state()[0] == long.state()[0]
    for name, array in short.state()[1].items():
        np.testing.assert_array_equal(array, long.state()[1][name])


@given(st.integers(0, 2**64 - 1))
def test_a_hash_of_one(value: int) -> None:
    """Is that of an array of one."""
    assert mix_one(value) == int(mix(np.array([value], np.uint64))[0])
