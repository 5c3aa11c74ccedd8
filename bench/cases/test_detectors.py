"""Each detector and the calibrator on one round: score, then learn."""

from collections.abc import Callable

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from detectors.base import DetectorSpec, Rows, Scope
from detectors.baseline import HistoryBaselineSpec
from detectors.calibrate import CalibrationSpec
from detectors.checks import FEATURES
from detectors.ecod import EcodSpec
from detectors.half_space_trees import HalfSpaceTreesSpec

Size = Callable[[int, int], int]


def rounds(rows: int, spec: DetectorSpec) -> list[Rows]:
    """A few rounds of random rows."""
    rng = np.random.default_rng(1)
    subject = np.sort(rng.integers(1, 2**63, rows).astype(np.uint64))
    zero = np.zeros(rows, np.int64)
    slot = np.arange(rows, dtype=np.int32) if spec.scope is Scope.SUBJECT else None
    return [Rows("w", k, rng.random((rows, len(FEATURES))), subject, zero, zero, slot) for k in range(16)]


@pytest.mark.benchmark(group="detectors")
@pytest.mark.parametrize("rows", [32, 1024, 8192])
@pytest.mark.parametrize("spec", [HalfSpaceTreesSpec(), EcodSpec(), HistoryBaselineSpec()], ids=lambda s: s.type)
def test_score_and_learn(benchmark: BenchmarkFixture, size: Size, spec: DetectorSpec, rows: int) -> None:
    """One round of `rows` rows, in a detector that has seen 15."""
    feed = rounds(size(min(rows, 256), rows), spec)
    detector = spec.build(FEATURES)
    for k in range(15):
        detector.learn(feed[k])

    def one_round() -> None:
        detector.score(feed[15])
        detector.learn(feed[15])

    benchmark(one_round)
    assert np.isfinite(detector.score(feed[15])).all()


@pytest.mark.benchmark(group="detectors")
@pytest.mark.parametrize("rows", [32, 1024, 8192])
def test_calibration(benchmark: BenchmarkFixture, size: Size, rows: int) -> None:
    """Scores of one round to tail probabilities, then into the sample."""
    score = np.random.default_rng(2).exponential(size=size(min(rows, 1024), rows))
    calibrator = CalibrationSpec().build()
    for _ in range(64):
        calibrator.learn(score)

    def one_round() -> None:
        calibrator.tail(score)
        calibrator.learn(score)

    benchmark(one_round)
    assert calibrator.tail(score).min() > 0
