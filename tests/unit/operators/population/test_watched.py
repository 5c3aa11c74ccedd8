"""What is told of detectors to those who watch a run."""

from dataclasses import replace

import numpy as np
import pytest

from detectors.drift.event import DriftEvent, Reaction, Watch
from flows.metrics import catalogue as c
from flows.metrics.catalogue import Numbers
from flows.operators.population.watched import Watched

WHERE = "d", "w"


def told(watched: Watched) -> Numbers:
    numbers: Numbers = {}
    watched.observe(numbers, "w")
    return numbers


def heard() -> Watched:
    watched = Watched()
    told(watched)
    return watched


def test_who_does_not_listen_does_not_pay() -> None:
    """Nothing is counted before somebody has asked."""
    watched = Watched()
    watched.take(1, {"d": np.ones(3)}, {"d": np.full(3, 0.001)})
    assert told(watched) == {}
    watched.take(1, {"d": np.ones(3)}, {"d": np.full(3, 0.001)})
    assert told(watched)[c.DETECTOR_ROWS.key(*WHERE)] == 3


def test_rows_and_odd_ones_add_up() -> None:
    """Of rows with a probability, those at or below one per cent; nan is no row."""
    watched = heard()
    for tail in ([0.5, 0.01, np.nan], [0.0099, 0.0101, np.nan]):
        watched.take(1, {"d": np.ones(3)}, {"d": np.array(tail)})
    numbers = told(watched)
    assert (numbers[c.DETECTOR_ROWS.key(*WHERE)], numbers[c.DETECTOR_ODD.key(*WHERE)]) == (4, 2)


@pytest.mark.parametrize("rows", [101, 50_000])
def test_percentiles_are_of_the_last_round(rows: int) -> None:
    """Of many rows of some that lie evenly among them; nan does not count."""
    watched = heard()
    watched.take(1, {"d": np.full(rows, 1e9)}, {"d": np.ones(rows)})
    score = np.linspace(0.0, 100.0, rows)
    watched.take(2, {"d": np.concatenate([score, [np.nan]])}, {"d": np.ones(rows + 1)})
    numbers = told(watched)
    found = [numbers[c.DETECTOR_SCORE.key(*WHERE, str(q))] for q in c.PERCENTILES]
    assert found == pytest.approx(list(c.PERCENTILES), abs=0.2)


def test_no_score_yet() -> None:
    """Says nothing about percentiles, and is no error."""
    watched = heard()
    watched.take(2, {"d": np.full(2, np.nan)}, {"d": np.full(2, np.nan)})
    assert c.DETECTOR_SCORE.key(*WHERE, "50") not in told(watched)


def test_when_scores_last_drifted() -> None:
    """Events about features are not about a detector."""
    watched = heard()
    watched.take(1, {"d": np.ones(1)}, {"d": np.ones(1)})
    event = DriftEvent(Watch.SCORE, "d", "all", "w", "adwin", 7_000_000, 0, 0.0, 1.0, 3.0, Reaction.NOTIFY)
    watched.drifted(replace(event, what=Watch.FEATURE, at_us=9_000_000))
    assert told(watched)[c.DETECTOR_DRIFT.key(*WHERE)] == 0
    watched.drifted(event)
    assert told(watched)[c.DETECTOR_DRIFT.key(*WHERE)] == 7
