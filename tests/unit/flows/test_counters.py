"""The catalogue of counters: what is refused, how totals are told, and totals that older builds saved."""

import ast
from pathlib import Path
from typing import Any

import pytest

from detectors.alerting.policy import Counted
from flows import counters
from flows.counters import CATALOGUE, CounterError, Counts, Kind, parse, restored, unaccounted
from flows.drive.local import LocalDriver
from flows.steps import Step
from flows.summary import Summary
from tests.engine.scenarios import SCENARIOS, write_files


@pytest.mark.parametrize(
    ("step", "counter", "n", "values", "message"),
    [
        (Step.POPULATION, counters.CANDIDATES, 1, (), "candidates: added to by step population, expected: by alerts"),
        (Step.SINKS, counters.LATE, 1, (), "late: added to by step sinks, expected: by ingest or subject alone"),
        (Step.INGEST, counters.Counter("read", "lines", "", (Step.INGEST,)), 1, (), "read: seen one that is not in"),
        (Step.INGEST, counters.Counter("odd", "lines", "", (Step.INGEST,)), 1, (), "odd: seen one that is not in"),
        (Step.INGEST, "read", 1, (), "counter read: seen one that is not in the catalogue"),
        (Step.INGEST, counters.READ, -1, (), "read: seen -1 to add, expected at least 0"),
        (Step.INGEST, counters.READ, 1, ("a",), r"read: seen the label values \('a',\)"),
        (
            Step.SUBJECT,
            counters.ROWS,
            1,
            (),
            r"rows: seen the label values \(\), expected one of each of \('window',\)",
        ),
    ],
)
def test_what_the_catalogue_does_not_allow(
    step: Step, counter: Any, n: int, values: tuple[str, ...], message: str
) -> None:
    """It is refused where it arises, with the counter's name; nothing was added."""
    counts = Counts(step)
    with pytest.raises(CounterError, match=message):
        counts.add(counter, n, *values)
    assert not counts


@pytest.mark.parametrize("key", ["odd", "odd.one", "read.one", "rows"])
def test_keys_that_there_are_not(key: str) -> None:
    """Who keeps totals by key is held to the catalogue too."""
    with pytest.raises(CounterError, match=key.split(".", maxsplit=1)[0]):
        Counts(Step.ALERTS).add_named({key: 1})


def test_what_was_not_counted_leaves_no_trace() -> None:
    """But a gauge of nothing is known."""
    counts = Counts(Step.INGEST)
    counts.add(counters.READ, 0)
    counts.add(counters.FILLED, 0, "a.b")
    counts.add(counters.FILLED, 1, "a.b")
    counts.add(counters.FILLED, -1, "c")
    assert counts.added == {"filled.a.b": 1, "filled.c": -1}
    assert parse("filled.a.b") == (counters.FILLED, ("a.b",))


def test_a_further_stage_keeps_totals_of_its_own() -> None:
    """Rows of a second subject stage are no lines, and not those of the first."""
    first, further = Counts(Step.SUBJECT, "subject"), Counts(Step.SUBJECT, "device")
    for counts in (first, further):
        counts.add(counters.ACCEPTED, 2)
        counts.add(counters.ROWS, 3, "w1h")
    totals = first.added | further.added
    assert totals == {"accepted": 2, "rows.w1h": 3, "device/accepted": 2, "device/rows.w1h": 3}
    assert unaccounted(totals | {"read": 2}) == 0
    assert counters.ROWS.by_label(totals) == {"w1h": 3}


def test_totals_by_label() -> None:
    """The largest first, after those that have a place."""
    totals = {"rows.b": 1, "rows.a": 1, "rows.c": 2, "alerts.low": 9, "alerts.mine": 3, "alerts.high": 1, "rows_x.d": 7}
    assert list(counters.ROWS.by_label(totals).items()) == [("c", 2), ("a", 1), ("b", 1)]
    assert list(counters.ALERTS.by_label(totals)) == ["high", "low", "mine"]
    assert (counters.ROWS.total(totals), counters.ROWS.of(totals, "c"), counters.ROWS.of(totals, "none")) == (4, 2, 0)


def test_the_catalogue_is_whole() -> None:
    """Each name once, also in the JSON; it says who counts, but of `open`, which follows; the policy's are there."""
    told = [name for counter in CATALOGUE.values() for name in counter.names]
    assert len(told) == len(set(told))
    assert [counter.name for counter in CATALOGUE.values() if not (counter.help and counter.unit)] == []
    assert [counter.name for counter in CATALOGUE.values() if not counter.steps] == ["open"]
    assert [counter.name for counter in CATALOGUE.values() if counter.kind is Kind.GAUGE] == ["open", "filled"]
    of_policy = {name for key, name in vars(Counted).items() if key.isupper()}
    assert of_policy == {counter.name for counter in CATALOGUE.values() if counter.steps == (Step.ALERTS,)}
    assert set(told) <= Summary().to_json().keys()


def test_somebody_adds_to_each() -> None:
    """A counter that no operator uses would be told as zero for ever."""
    names = {name: counter for name, counter in vars(counters).items() if isinstance(counter, counters.Counter)}
    assert sorted(counter.name for counter in names.values()) == sorted(CATALOGUE)
    files = [
        *Path("flows/operators").rglob("*.py"),
        Path("flows/sinks/outputs.py"),
        Path("detectors/alerting/policy.py"),
    ]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    of_policy = {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)}
    used |= {name for name in names if f"Counted.{name}" in of_policy}
    assert names.keys() - used == {"OPEN"}


def test_a_run_counts_each_thing_once(tmp_path: Path) -> None:
    """Candidates are what the policy took as evidence, alerts of the policy those that went out, and rows that were
    scored those that closed.  Once 5,908 candidates were told as 11,816: two stages added to one name.
    """
    spec = write_files("hot_card", 1, tmp_path)
    driver = LocalDriver(SCENARIOS["hot_card"].job(), [spec.open(n) for n in spec.partition_names()], {})
    summary = driver.run()
    assert summary.balanced
    assert summary.total(counters.CANDIDATES) == 1001
    assert summary.total(counters.ALERTS) == summary.alerts == 203
    assert summary.total(counters.SCORED) == summary.total(counters.ROWS) == 2243
    assert {parse(key)[0].name for key in summary.totals} > {"read", "rows", "out", "alerts", "suppressed"}


def test_totals_that_version_1_saved() -> None:
    """They go on; what was counted twice is once; what this build does not know is kept for the one that does."""
    saved = {
        "read": 10, "accepted": 7, "late": 0, "rejected": 3, "rejected.nan": 2, "rejected.ahead": 1, "rows": 5,
        "rows.w": 5, "candidates": 4, "drift_events": 1, "drift.feature": 1, "severity.high": 2, "alerts.high": 2,
        "labels.read": 3, "labels.rows": 2, "labelled.fraud_missed": 2, "of_tomorrow": 8,
    }  # fmt: skip
    totals = restored(saved, 1)
    assert totals == {
        "read": 10, "accepted": 7, "late": 0, "rejected.nan": 2, "rejected.ahead": 1, "scored": 5, "rows.w": 5,
        "candidates": 2, "drift.feature": 1, "alerts.high": 2, "labels.read": 3, "labelled.fraud_missed": 2,
        "of_tomorrow": 8,
    }  # fmt: skip
    assert restored(totals, counters.VERSION) == totals
    assert Summary(totals).balanced
