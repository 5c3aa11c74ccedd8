"""Series through the operators: what a row costs in rounds of one, and in rounds of many subjects."""

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.cases.layers import Size, fingerprint, tell
from flows.scoring.judgement import table_judgement
from flows.scoring.prequential import score_table
from flows.scoring.table import Table
from state.types import MINUTE_US


@pytest.mark.benchmark(group="series")
@pytest.mark.parametrize("subjects", [1, 32])
def test_score(benchmark: BenchmarkFixture, size: Size, subjects: int) -> None:
    """A row of each series every five minutes, with the detectors that `driftnet score --series` has."""
    steps = size(400, 3_000)
    at, who = np.divmod(np.arange(steps * subjects), subjects)
    value = 50.0 + 10.0 * np.sin(at * 2 * np.pi / 288) + np.random.default_rng(1).normal(size=len(at))
    value[at == steps - 1] = 120.0
    table = Table(value[:, None], ("value",), subject=who, time_us=(at + 1) * 5 * MINUTE_US)
    judgement, rows = table_judgement(table.features, environ={}, series=True)
    scores = benchmark(score_table, judgement, rows, table, subjects)
    odd = np.nan_to_num(scores.score["value"]).reshape(steps, subjects)
    assert (odd.argmax(axis=0) == steps - 1).all(), "the spike at the end is not what is furthest out"
    told = fingerprint(scores.tail_probability, *scores.score.values())
    tell(benchmark, per="row", n=len(table), result=told, subjects=subjects)
