"""Calibration and combination: raw scores to tail probabilities, several of them to one."""

import math
from functools import cache

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.cases.layers import Size, fingerprint, fresh, tell
from detectors.calibrate import CalibrationSpec, Calibrator
from detectors.combine import combine
from state.types import F64

_SPEC = CalibrationSpec(ready_hours=0.0)


@cache
def _trained() -> bytes:
    """The state after 64 rounds of 1,024 exponential scores."""
    rng = np.random.default_rng(2)
    calibrator = _SPEC.build()
    for end in range(64):
        calibrator.learn(rng.integers(0, 2**63, 1024).astype(np.uint64), rng.exponential(size=1024), end)
    return calibrator.snapshot()


@pytest.mark.benchmark(group="calibration")
@pytest.mark.parametrize("batch", [1, 32, 1024, 8192])
def test_tail(benchmark: BenchmarkFixture, size: Size, batch: int) -> None:
    """Scores to tail probabilities in a calibrator that learns nothing meanwhile, so that its fit is kept."""
    scores = np.random.default_rng(3).exponential(size=size(128, 8192))
    calls = _cut(scores, batch)
    calibrator = _SPEC.build(resume=_trained())

    def tail() -> list[F64]:
        return [calibrator.tail(part) for part in calls]

    p = np.concatenate(benchmark(tail))
    assert np.array_equal(p, calibrator.tail(scores)), "a probability depends on the rows beside it"
    _is_exponential(calibrator)
    tell(benchmark, per="score", n=len(scores), result=fingerprint(p), batch=batch, work="tail")


@pytest.mark.benchmark(group="calibration")
@pytest.mark.parametrize("batch", [1, 32, 1024, 8192])
def test_tail_and_learn(benchmark: BenchmarkFixture, size: Size, batch: int) -> None:
    """What a round does: probabilities, then learning, and a new fit whenever enough has been learned."""
    rng = np.random.default_rng(4)
    scores = rng.exponential(size=size(128, 8192))
    calls = _cut(scores, batch)
    subjects = [rng.integers(0, 2**63, len(part)).astype(np.uint64) for part in calls]

    def rounds(calibrator: Calibrator) -> tuple[Calibrator, list[F64]]:
        told = []
        for end, (part, who) in enumerate(zip(calls, subjects, strict=True), start=64):
            told.append(calibrator.tail(part))
            calibrator.learn(who, part, end)
        return calibrator, told

    calibrator, told = fresh(benchmark, lambda: _SPEC.build(resume=_trained()), rounds)
    assert calibrator.snapshot() != _trained()
    _is_exponential(calibrator)
    p = np.concatenate(told)
    tell(benchmark, per="score", n=len(scores), result=fingerprint(p), batch=batch, work="tail and learn")


def _cut(scores: F64, batch: int) -> list[F64]:
    return [scores[start : start + batch] for start in range(0, len(scores), batch)]


def _is_exponential(calibrator: Calibrator) -> None:
    """The probabilities are about those of the distribution that was learned, and fall with the score."""
    levels = np.array([0.5, 0.1, 0.01, 1e-3])
    p = calibrator.tail(-np.log(levels))
    assert np.all((p > levels / 2) & (p < 2 * levels)), f"{p} for {levels}"
    assert np.all(np.diff(calibrator.tail(np.linspace(0, 20, 200))) <= 0)


@pytest.mark.benchmark(group="combine")
@pytest.mark.parametrize("batch", [1, 32, 1024, 8192])
def test_combine(benchmark: BenchmarkFixture, size: Size, batch: int) -> None:
    """Four detectors' tail probabilities, one in sixteen missing, to one each."""
    rng = np.random.default_rng(5)
    p = 1.0 - rng.random((4, size(128, 8192)))
    p[rng.random(p.shape) < 1 / 16] = np.nan
    weights = np.array([1.0, 0.05, 1.0, 0.1])
    calls = [np.ascontiguousarray(p[:, start : start + batch]) for start in range(0, p.shape[1], batch)]

    def combined() -> list[F64]:
        return [combine(part, weights) for part in calls]

    found = np.concatenate(benchmark(combined))
    expected = [_harmonic(column, weights.tolist()) for column in p.T.tolist()]
    assert np.allclose(found, expected, rtol=1e-12, equal_nan=True)
    tell(benchmark, per="row", n=p.shape[1], result=fingerprint(found), batch=batch, detectors=4)


def _harmonic(column: list[float], weights: list[float]) -> float:
    """The weighted harmonic mean of those that have an opinion."""
    told = [(p, w) for p, w in zip(column, weights, strict=True) if not math.isnan(p)]
    return sum(w for _, w in told) / sum(w / p for p, w in told) if told else math.nan
