"""Combinations by learned weights in the models of the flow: what they change, and that state goes with them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flows.judgement import LabelSpec
from flows.operators.messages import CohortInput
from flows.operators.population.operator import PopulationOperator
from flows.operators.population.verdict import Verdict
from flows.operators.population.window_models import WindowModels
from flows.operators.rows import FeatureRows
from flows.scoring.judgement import table_judgement
from flows.scoring.prequential import score_table
from flows.scoring.table import Table
from flows.wire.told import Label
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
RULE = """
[detectors.impossible]
type = "rules"
params = { rules = [{ name = "far", feature = "a", above = 3.5, p = 1e-7 }] }
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "c.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def ruled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ruled") / "c.toml"
    path.write_text(CONFIG + RULE)
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
        found.append(verdict.p)

    operator.observer = note
    for rows in feed:
        operator.process(CohortInput(0, rows.end_us, [rows]))
    return np.concatenate(found)


@pytest.mark.parametrize("rule", ["agreement", "labels"])
def test_weights_survive_a_restart(config: Path, rule: str) -> None:
    """What comes after it is equal to the bit."""
    parts, feed = table_judgement(NAMES, config, [f"job.combination={rule}"], environ={}), rounds(40, 1)
    whole, first = PopulationOperator(*parts, "all"), PopulationOperator(*parts, "all")
    expected = run(whole, feed)[32 * 30 :]
    run(first, feed[:30])
    again = PopulationOperator(*parts, "all", Bundle.open(Bundle.of(first)))
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
        (rule, table is labelled): score_table(
            *table_judgement(NAMES, config, [f"job.combination={rule}"], environ={}), table
        )
        for rule in ("agreement", "labels")
        for table in (bare, labelled)
    }
    same = found["agreement", False].tail_probability
    for case in (("agreement", True), ("labels", False)):
        assert np.array_equal(found[case].tail_probability, same, equal_nan=True)
    assert not np.array_equal(found["labels", True].tail_probability, same, equal_nan=True)
    for name, score in found["labels", True].score.items():
        assert np.array_equal(score, found["agreement", False].score[name], equal_nan=True)


@pytest.mark.parametrize("rule", ["agreement", "labels"])
def test_what_is_declared_comes_on_top_of_the_weights(config: Path, ruled: Path, rule: str) -> None:
    """A hard rule has no part in them: where it is not broken, everything is as without it, once the others know."""
    feed, settings = rounds(40, 1), [f"job.combination={rule}"]
    without, given = (
        run(PopulationOperator(*table_judgement(NAMES, c, settings, {}), "all"), feed) for c in (config, ruled)
    )
    broken = np.concatenate([rows.x[:, 0] for rows in feed]) > 3.5
    assert broken.sum() > 10
    known = ~broken & ~np.isnan(without)
    assert known.sum() > 900
    assert np.array_equal(given[known], without[known])
    assert np.allclose(given[broken], 1e-7)


def test_labels_that_come_later_count_too(ruled: Path) -> None:
    """In a flow with a source of labels rows wait for theirs with what all learned detectors said of them."""
    feed = [replace(rows, label=None) for rows in rounds(40, 1)]
    found = {}
    for rule in ("agreement", "labels"):
        judgement, rows = table_judgement(NAMES, ruled, [f"job.combination={rule}"], {})
        judgement = replace(judgement, labels=LabelSpec())
        for told in (False, True):
            operator, end_us = PopulationOperator(judgement, rows, "all"), feed[29].end_us
            run(operator, feed[:30])
            labels = [Label(end_us + 1, s, float(s % 2), end_us - 1, end_us + 1) for s in range(32)] if told else []
            operator.process(CohortInput(0, end_us + 1, [], labels))
            again = PopulationOperator(judgement, rows, "all", Bundle.open(Bundle.of(operator)))
            found[rule, told] = run(again, feed[30:])
    assert np.array_equal(found["agreement", True], found["agreement", False])
    assert not np.array_equal(found["labels", True], found["labels", False])
