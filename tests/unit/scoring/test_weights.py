"""Combinations by learned weights in the models of the flow: what they change, and that state goes with them."""

from pathlib import Path

import numpy as np
import pytest

from flows.operators.messages import CohortInput, FeatureRows
from flows.operators.models import Verdict, WindowModels
from flows.operators.population import PopulationOperator
from flows.scoring.job import table_job
from flows.scoring.prequential import score_table
from flows.scoring.table import Table
from state.chunks import Bundle
from state.types import F64

NAMES = ("a", "b")
CONFIG = """
[detectors.extremes]
params = { ready = 64 }
[detectors.isolation]
params = { ready = 64, rows = 32 }
[detectors.population]
params = { window_size = 64, n_trees = 20 }
[calibration]
ready = 64
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "c.toml"
    path.write_text(CONFIG)
    return path


def rounds(n: int, seed: int) -> list[FeatureRows]:
    rng = np.random.default_rng(seed)
    out = []
    for turn in range(n):
        x, label = rng.normal(size=(32, 2)), (rng.random(32) < 0.1).astype(np.float64)
        x[label == 1.0] *= 4.0
        label[rng.random(32) < 0.3] = np.nan
        end, who = (turn + 1) * 1_000_000, np.arange(32, dtype=np.uint64)
        times = np.full(32, end)
        out.append(FeatureRows("rows", end, 0, who, who.astype(str).astype(object), times, times, x, label=label))
    return out


def run(operator: PopulationOperator, feed: list[FeatureRows]) -> F64:
    """The combined probabilities."""
    found: list[F64] = []

    def note(rows: FeatureRows, verdict: Verdict, models: WindowModels) -> None:
        found.append(verdict.combined)

    operator.observer = note
    for rows in feed:
        operator.process(CohortInput(0, rows.end_us, [rows]))
    return np.concatenate(found)


@pytest.mark.parametrize("rule", ["agreement", "labels"])
def test_weights_survive_a_restart(config: Path, rule: str) -> None:
    """What comes after it is equal to the bit."""
    job, feed = table_job(NAMES, config, [f"job.combination={rule}"], environ={}), rounds(40, 1)
    whole, first = PopulationOperator(job, "all"), PopulationOperator(job, "all")
    expected = run(whole, feed)[32 * 30 :]
    run(first, feed[:30])
    again = PopulationOperator(job, "all", Bundle.open(Bundle.of(first)))
    assert np.array_equal(run(again, feed[30:]), expected)
    assert Bundle.of(again) == Bundle.of(whole)


def test_labels_change_the_combination_only_where_they_are_asked_for(config: Path) -> None:
    """By agreement a table with labels is judged as it is without; detectors' own scores never depend on them."""
    rng = np.random.default_rng(2)
    x, label = rng.normal(size=(2000, 2)), np.zeros(2000)
    x[::20, 0] += 5.0
    label[::20] = 1.0
    bare, labelled = Table(x, NAMES), Table(x, NAMES, label)
    found = {
        (rule, table is labelled): score_table(table_job(NAMES, config, [f"job.combination={rule}"], environ={}), table)
        for rule in ("agreement", "labels")
        for table in (bare, labelled)
    }
    same = found["agreement", False].tail_probability
    for case in (("agreement", True), ("labels", False)):
        assert np.array_equal(found[case].tail_probability, same, equal_nan=True)
    assert not np.array_equal(found["labels", True].tail_probability, same, equal_nan=True)
    for name, score in found["labels", True].score.items():
        assert np.array_equal(score, found["agreement", False].score[name], equal_nan=True)
