"""Drift monitors: rounds of one window of one cohort, and the change that is hidden in them."""

from functools import cache

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.cases.layers import Size, fingerprint, fresh, tell
from detectors.base import FeatureInfo
from detectors.drift.event import DriftEvent
from detectors.drift.monitors import DriftMonitors
from detectors.drift.spec import DriftSpec
from state.types import F64, MINUTE_US
from state.windows import WindowKind, WindowSpec

_WINDOW = WindowSpec("w5m", WindowKind.TUMBLING, 5 * MINUTE_US)
_WARM_ROUNDS = 320
"""More than a day, so that every series is compared with its own hour."""
_SPEC = DriftSpec()

Round = tuple[int, F64, F64, int]
"""End in microseconds, feature matrix, scores, candidates."""


@cache
def _rounds(first: int, count: int, rows: int, features: int, shifted: bool) -> list[Round]:
    """Normal rows; shifted: the first feature is two standard deviations higher from the middle on."""
    rng = np.random.default_rng(first)
    out: list[Round] = []
    for i in range(count):
        x = rng.normal(10.0, 1.0, (rows, features))
        x[rng.random(x.shape) < 1 / 16] = np.nan
        if shifted and i >= count // 2:
            x[:, 0] += 2.0
        out.append(((first + i) * _WINDOW.size_us, x, rng.exponential(size=rows), rows // 100))
    return out


def _infos(features: int) -> tuple[FeatureInfo, ...]:
    return tuple(FeatureInfo(f"f{i}", log=i % 2 == 1) for i in range(features))


def _update(monitors: DriftMonitors, rounds: list[Round]) -> list[DriftEvent]:
    found: list[DriftEvent] = []
    for end_us, x, score, candidates in rounds:
        found += monitors.update(end_us, x, {"trees": score}, candidates)
    return found


@cache
def _warm(rows: int, features: int) -> bytes:
    """The state after more than a day without a change."""
    monitors = DriftMonitors(_SPEC, "all", _WINDOW, _infos(features), ("trees",))
    assert not _update(monitors, _rounds(1, _WARM_ROUNDS, rows, features, False))
    return monitors.snapshot()


@pytest.mark.benchmark(group="drift")
@pytest.mark.parametrize("shifted", [False, True], ids=["steady", "shifted"])
@pytest.mark.parametrize(("rows", "features"), [(32, 12), (1024, 12), (1024, 40)])
def test_update(benchmark: BenchmarkFixture, size: Size, rows: int, features: int, shifted: bool) -> None:
    """48 rounds; all features, their missing shares, a detector's score and the alert rate are watched."""
    rows = size(32, rows)
    blob = _warm(rows, features)
    rounds = _rounds(_WARM_ROUNDS + 1, 48, rows, features, shifted)

    def build() -> DriftMonitors:
        return DriftMonitors(_SPEC, "all", _WINDOW, _infos(features), ("trees",), resume=blob)

    events = fresh(benchmark, build, lambda monitors: _update(monitors, rounds))
    assert [(e.what, e.name) for e in events[:1]] == ([("feature", "f0")] if shifted else [])
    if shifted:
        assert abs(events[0].since_us - rounds[24][0]) <= 2 * _WINDOW.size_us
        assert events[0].size == pytest.approx(2.0, abs=0.5)
    tell(
        benchmark,
        per="round",
        n=len(rounds),
        result=fingerprint([e.event_id for e in events]),
        rows=rows,
        features=features,
        series=2 * features + 2,
        shifted=shifted,
    )
