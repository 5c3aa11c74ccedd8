"""Alerts: identity, record, round trip."""

import dataclasses
import json

import orjson
import pytest

from detectors.alerting.alert import Alert, Candidate, Evidence, Part, Reason
from state.ids import stable_id
from state.times import iso
from state.types import HOUR_US

NOON_US = 1_767_268_800_000_000

CANDIDATE = Candidate(
    subject=2**64 - 1,
    name="user-17",
    cohort="free",
    group=3,
    window="w1h",
    start_us=NOON_US - HOUR_US,
    stop_us=NOON_US,
    end_us=NOON_US,
    since_us=NOON_US - HOUR_US // 12,
    until_us=NOON_US + HOUR_US,
    tail_probability=3e-9,
    parts=(Part("population", 1, 0.97, 3e-9),),
    reasons=(Reason("plays", 310.0, 12.0, None, 0.8, "population"),),
    rules=("faster_than_time",),
)
ALERT = Alert(
    job="user-fraud",
    digest="d1",
    candidate=CANDIDATE,
    severity="high",
    tail_probability=2e-9,
    evidence=(Evidence("w1h", 3e-9, NOON_US), Evidence("w5m", 6e-9, NOON_US - HOUR_US)),
    raised_us=NOON_US + HOUR_US,
    suppressed_repeats=4,
    first_us=NOON_US - 2 * HOUR_US,
    last_us=NOON_US,
)


def test_iso_is_fixed_width_and_sorts_as_time_does() -> None:
    """Text order of the times is time order, whether or not they fall on a second."""
    times = [NOON_US - 1, NOON_US, NOON_US + 1, NOON_US + 1_000_000]
    texts = [iso(t) for t in times]
    assert texts[1] == "2026-01-01T12:00:00.000000Z"
    assert texts == sorted(texts)
    assert len({len(t) for t in texts}) == 1


def test_stable_id_keeps_its_parts_apart_and_its_value_for_good() -> None:
    """Ids are stored for years: the value of one is pinned, and parts that run together differ."""
    assert stable_id("a", "b", 1) == "282c9d8990069ce9"
    assert stable_id("ab", "c") != stable_id("a", "bc")


@pytest.mark.parametrize(
    "change",
    [{"raised_us": 0}, {"severity": "low"}, {"digest": "d2"}, {"tail_probability": 0.5}, {"suppressed_repeats": 0}],
)
def test_the_id_does_not_depend_on_when_or_how_the_alert_was_raised(change: dict[str, object]) -> None:
    """The id is that of the subject's window, so emitting it again overwrites the same row."""
    assert dataclasses.replace(ALERT, **change).alert_id == ALERT.alert_id


@pytest.mark.parametrize("change", [{"name": "user-18"}, {"window": "w5m"}, {"start_us": 0}, {"end_us": NOON_US + 1}])
def test_the_id_depends_on_subject_and_window(change: dict[str, object]) -> None:
    """Two subjects, or two windows of one, never share an id."""
    other = dataclasses.replace(ALERT, candidate=dataclasses.replace(CANDIDATE, **change))
    assert other.alert_id != ALERT.alert_id
    assert dataclasses.replace(ALERT, job="other").alert_id != ALERT.alert_id


def test_the_record_is_json_ready_and_complete() -> None:
    """A JSON library writes the record, and every documented field is in it."""
    record = orjson.loads(orjson.dumps(ALERT.to_record()))
    assert record == ALERT.to_record()
    documented = {
        name
        for line in (Alert.to_record.__doc__ or "").splitlines()[2:]
        if line.strip()
        for name in line.strip().split("  ")[0].replace(",", "").split()
    }
    assert set(record) == documented
    assert record["reasons"][0]["feature"] == "plays"
    assert record["reasons"][0]["typical_cohort"] is None
    assert record["detectors"][0]["detector"] == "population"
    assert record["end"] == "2026-01-01T12:00:00.000000Z"


def test_a_candidate_survives_json() -> None:
    """A candidate read back from JSON text equals the one written, 64-bit subject included."""
    assert Candidate.from_json(json.loads(json.dumps(CANDIDATE.to_json()))) == CANDIDATE
