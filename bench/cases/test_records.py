"""Records of scored rows, for the streams `scores` and `features`: what each row costs on its way out."""

import numpy as np
import orjson
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.cases.layers import Size, fingerprint, tell
from detectors.base import FeatureInfo
from flows.operators.population.verdict import Verdict, feature_records, score_records
from flows.operators.rows import FeatureRows
from flows.simulate.config import MONDAY_US
from state.times import iso
from state.types import F64, HOUR_US

_FEATURES = tuple(FeatureInfo(f"f{i}") for i in range(28))
_DETECTORS = ("history", "impossible", "known_attacks")


def _round(n: int) -> tuple[FeatureRows, Verdict]:
    """Rows of an hour that begin and end when they like; one answer in eight is missing."""
    rng = np.random.default_rng(n)

    def answers() -> F64:
        return np.where(rng.random(n) < 1 / 8, np.nan, rng.random(n))

    start_us = MONDAY_US + rng.integers(0, HOUR_US, n)
    names = np.array([f"u{i:09x}" for i in range(n)], object)
    x = rng.normal(size=(n, len(_FEATURES)))
    rows = FeatureRows(
        "w1h", MONDAY_US + HOUR_US, -1, np.arange(n, dtype=np.uint64), names, start_us, start_us + 1_000_001, x
    )
    scores, tails = ({name: answers() for name in _DETECTORS} for _ in range(2))
    p = answers()
    return rows, Verdict(p, p, scores, tails)


@pytest.mark.benchmark(group="records")
@pytest.mark.parametrize("stream", ["scores", "features"])
@pytest.mark.parametrize("rows", [1, 32, 1024])
def test_records(benchmark: BenchmarkFixture, size: Size, rows: int, stream: str) -> None:
    """A round's rows as records, not yet written."""
    n = size(min(rows, 32), rows)
    told, verdict = _round(n)
    if stream == "scores":
        found = benchmark(score_records, told, verdict, ("user", "all"))
    else:
        found = benchmark(feature_records, told, verdict, ("user", "all"), _FEATURES)
    assert [record["start"] for record in found] == [iso(us) for us in told.start_us.tolist()]
    assert sum(record["tail_probability"] is None for record in found) == int(np.isnan(verdict.p).sum())
    written = orjson.dumps(found).decode()
    tell(benchmark, per="record", n=n, result=fingerprint(written), stream=stream, rows=rows)
