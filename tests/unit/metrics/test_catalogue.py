"""The catalogue of metrics: conventions of names, what is in it, how many series there are."""

import re

import pytest

from flows.counters import CATALOGUE as COUNTERS
from flows.counters import Kind
from flows.metrics import catalogue as c
from flows.metrics.catalogue import CATALOGUE, Merge, Metric, Numbers, add, merged, seconds
from state.types import END_OF_TIME_US, START_OF_TIME_US
from tests.unit.metrics.seen import Clock, begun, shipped

IDS = {"subject", "event", "alert", "run", "user", "campaign", "id"}


@pytest.mark.parametrize("metric", CATALOGUE.values(), ids=str)
def test_names_are_prometheuss(metric: Metric) -> None:
    """Lower case, base units, `_total` for counters alone, timestamps in seconds; no unit of other sizes, no age."""
    assert re.fullmatch(r"driftnet_[a-z0-9_]+", metric.exposed)
    assert metric.exposed.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert not re.search(r"_(ms|us|ns|minutes|hours|kb|mb|percent|age)(_|$)", metric.name)
    assert "timestamp" not in metric.name or metric.name.endswith("_timestamp_seconds")
    assert metric.help


@pytest.mark.parametrize("metric", CATALOGUE.values(), ids=str)
def test_no_label_is_an_id(metric: Metric) -> None:
    """Nor is one that Prometheus keeps for itself."""
    assert not IDS & set(metric.labels)
    assert not {"quantile", "le", "job", "instance"} & set(metric.labels)


def test_every_counter_is_a_metric() -> None:
    """Of the same kind and with the same labels, but for those that are ids; what kinds of subjects have, by kind."""
    for counter in COUNTERS.values():
        metric = CATALOGUE[c.OF_COUNTERS[counter.name].name]
        assert metric.kind is counter.kind
        of_kind = ("kind",) if counter.by_kind else ()
        assert metric.labels == (*of_kind, *(() if counter.ids else counter.labels))
    assert len({m.exposed for m in CATALOGUE.values()}) == len(CATALOGUE) > len(COUNTERS)


def test_the_shipped_job_has_less_than_500_series() -> None:
    """All of them from the start; several processes and windows included."""
    numbers = begun(Clock()).numbers()
    assert 300 < len(numbers) < 500
    assert {key[0] for key in numbers} == set(CATALOGUE)


def test_every_value_of_a_label_is_there_at_once() -> None:
    """Also of what has never happened."""
    numbers = begun(Clock()).numbers()
    for key in (
        ("lines_rejected", "not_json"),
        ("alerts", "critical"),
        ("subjects_withheld", "low"),
        ("rows_labelled", "fraud_missed"),
        ("detector_state", "extremes", "w24h", "off"),
        ("detector_score", "history", "session", "99"),
        ("stage_seconds", "1", "population", "held_back"),
        ("source_up", "labels/labels/0", "labels"),
        ("records_drift", "missing"),
        ("alerts_spared", "file"),
    ):
        assert numbers[key] == 0.0, key
    assert ("detector_rows", "extremes", "w1h") not in numbers, "it does not judge that window"


def test_pairs_of_labels_go_together() -> None:
    """A partition has one use, a sink one stream: no product of all with all."""
    facts = shipped()
    assert len(list(facts.series(c.SOURCE_RECORDS))) == len(facts.partitions)
    assert len(list(facts.series(c.SINK_RECORDS))) == len(facts.sinks)


def test_numbers_of_several_come_together() -> None:
    """As each metric says: sums, the largest, the smallest."""
    assert (c.SUBJECTS.merge, c.DETECTOR_SCORE.merge, c.STAGE_BOUNDARY.merge) == (Merge.SUM, Merge.MAX, Merge.MIN)
    one: Numbers = {}
    add(one, c.SUBJECTS, 2, "subject")
    add(one, c.SUBJECTS, 3, "subject")
    other: Numbers = {c.SUBJECTS.key("subject"): 5.0, c.STAGE_BOUNDARY.key("subject"): 7.0}
    add(one, c.STAGE_BOUNDARY, 9, "subject")
    where = "x", "w", "50"
    add(one, c.DETECTOR_SCORE, 1.0, *where)
    add(one, c.DETECTOR_SCORE, 4.0, *where)
    assert merged([one, other]) == {
        c.SUBJECTS.key("subject"): 10.0,
        c.STAGE_BOUNDARY.key("subject"): 7.0,
        c.DETECTOR_SCORE.key(*where): 4.0,
    }


def test_event_time_before_and_after_everything_is_none() -> None:
    """What has not begun, and what has ended, has no time."""
    assert seconds(1_500_000) == 1.5
    assert seconds(START_OF_TIME_US) == seconds(END_OF_TIME_US) == 0.0
