"""Standings: what is known of each subject, told when it changes."""

import json
import random
from typing import Any

import pytest

from detectors.alerting.alert import Candidate
from detectors.alerting.standing import Standings
from flows.operators.alerts.exempt import in_order
from flows.wire.told import Label
from state.times import iso
from state.types import DAY_US, HOUR_US, MINUTE_US
from tests.unit.alerting.test_policy import T0, candidate, policy


class Stage:
    """A policy and its standings, as the alert stage drives them."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.policy = policy(**settings)
        self.standings = Standings(self.policy, "job", "0" * 16, "subject")

    def round(self, end_us: int, *items: Candidate | Label) -> list[dict[str, Any]]:
        candidates = [item for item in items if isinstance(item, Candidate)]
        alerts = self.policy.round(end_us, candidates) if candidates else []
        labels = in_order(item for item in items if isinstance(item, Label))
        return self.standings.round(end_us, candidates, alerts, labels)

    def restarted(self) -> "Stage":
        other = Stage(**self.settings)
        other.policy._restore(self.policy.snapshot())
        other.standings.restore(json.loads(json.dumps(self.standings.state())))
        return other


def label(subject: int, end_us: int, fraud: float = 1.0) -> Label:
    return Label(end_us, subject, fraud, end_us - DAY_US, end_us, f"u{subject}", "ann", "asked")


def test_it_says_what_counts_now() -> None:
    """Severity and probability of all evidence, the strongest window, the alert that it made."""
    (told,) = Stage().round(T0, candidate(1, 1e-6))
    (opened,) = told.pop("open_alerts")
    assert told == {
        "standing_id": "subject:u1",
        "kind": "subject",
        "subject": "u1",
        "cohort": "all",
        "severity": "medium",
        "tail_probability": 1e-6,
        "window": "w1h",
        "window_tail_probability": 1e-6,
        "evidence": [{"window": "w1h", "tail_probability": 1e-6, "end": iso(T0)}],
        "until": iso(T0 + DAY_US),
        "judged": iso(T0),
        "job": "job",
        "config_digest": "0" * 16,
    }
    assert (opened["severity"], opened["raised"]) == ("medium", iso(T0))


def test_only_what_changed_is_told() -> None:
    """A weaker window adds nothing, neither does one that is no evidence; others' rounds are not this one's."""
    stage = Stage()
    assert len(stage.round(T0, candidate(1, 1e-6), candidate(2, 1e-6), candidate(3, 0.5))) == 2
    assert stage.round(T0 + MINUTE_US, candidate(1, 1e-5)) == []
    assert [r["subject"] for r in stage.round(T0 + 2 * MINUTE_US, candidate(2, 1e-7))] == ["u2"]


def test_evidence_that_lapses_is_told_with_the_next_round() -> None:
    """What remains, then that nothing does; the alert stays open."""
    stage = Stage(weights={"w1h": 1.0, "w24h": 1.0})
    stage.round(T0, candidate(1, 1e-6, lasts_us=HOUR_US), candidate(1, 1e-5, window="w24h", lasts_us=2 * HOUR_US))
    assert stage.round(T0 + HOUR_US - 1, candidate(9, 1e-4))[0]["subject"] == "u9"
    (one, _) = stage.round(T0 + HOUR_US, candidate(1, 0.5), candidate(8, 1e-4))
    assert (one["subject"], one["window"], one["until"]) == ("u1", "w24h", iso(T0 + 2 * HOUR_US))
    (one,) = [r for r in stage.round(T0 + 3 * HOUR_US, candidate(9, 1e-4)) if r["subject"] == "u1"]
    assert (one["severity"], one["window"], one["tail_probability"], one["evidence"]) == ("", "", 1.0, [])
    assert "until" not in one
    assert len(one["open_alerts"]) == 1


@pytest.mark.parametrize("fraud", [0.0, 1.0])
def test_a_label_closes_alerts_and_stays(fraud: float) -> None:
    """Also where nothing else is known of the subject; of two that contradict each other, fraud counts."""
    stage = Stage()
    stage.round(T0, candidate(1, 1e-6))
    one, two = stage.round(T0 + MINUTE_US, label(1, T0 + MINUTE_US, fraud), label(2, T0 + MINUTE_US, fraud))
    assert one["open_alerts"] == two["open_alerts"] == []
    assert one["severity"] == "medium"
    assert two["severity"] == ""
    expected = {"outcome": "fraud" if fraud else "genuine", "at": iso(T0 + MINUTE_US), "by": "ann", "reason": "asked"}
    assert one["label"] == two["label"] == expected
    at_us = T0 + 2 * MINUTE_US
    (last,) = stage.round(at_us, label(2, at_us, 1.0), label(2, at_us, 0.0))
    assert last["label"]["outcome"] == "fraud"


def test_who_has_nothing_left_is_told_once_and_not_remembered() -> None:
    """A subject that was withheld, or merely suspicious, and is not any more."""
    stage = Stage(budget_per_day=1, critical_reserve=0.0)
    stage.round(T0, candidate(1, 1e-8, lasts_us=HOUR_US), candidate(2, 1e-7, lasts_us=HOUR_US))
    assert len(stage.standings.state()) == 2
    told = stage.round(T0 + HOUR_US, candidate(3, 1e-4))
    assert {r["subject"]: (r["severity"], len(r["open_alerts"])) for r in told} == {
        "u1": ("", 1),
        "u2": ("", 0),
        "u3": ("low", 0),
    }
    assert [row[2] for row in stage.standings.state()] == ["u1", "u3"]


def test_capacity_holds() -> None:
    """Those that were judged longest ago leave."""
    stage = Stage(capacity=20)
    for n in range(100):
        stage.round(T0 + n * MINUTE_US, label(n, T0 + n * MINUTE_US))
        assert len(stage.standings.state()) <= 20
    assert max(row[0] for row in stage.standings.state()) == 99


def test_forgotten_subjects_are_unknown() -> None:
    """To the standings too."""
    stage = Stage()
    stage.round(T0, candidate(1, 1e-6))
    stage.standings.forget(1)
    stage.policy.forget(1)
    assert stage.standings.state() == []
    assert stage.round(T0 + 2 * DAY_US, candidate(2, 1e-4, T0 + 2 * DAY_US))[0]["subject"] == "u2"


@pytest.mark.parametrize("seed", range(3))
def test_restarts_and_orders_change_nothing(seed: int) -> None:
    """Any rounds: the same records whether it is restarted in each, and whatever order the items of a round are in;
    and who keeps the last record of each subject has what the policy knows.
    """
    rng = random.Random(seed)
    one, other = Stage(capacity=30), Stage(capacity=30)
    kept: dict[str, dict[str, Any]] = {}
    for n in range(150):
        end_us = T0 + n * 20 * MINUTE_US
        items: list[Candidate | Label] = [
            candidate(rng.randrange(25), 10 ** -rng.uniform(2.5, 10), end_us, rng.choice(("w1h", "w24h")), HOUR_US * 3)
            for _ in range(rng.randrange(1, 5))
        ]
        items += [label(rng.randrange(25), end_us, rng.choice((0.0, 1.0))) for _ in range(rng.randrange(2))]
        told = one.round(end_us, *items)
        assert other.round(end_us, *rng.sample(items, len(items))) == told
        other = other.restarted()
        kept |= {r["subject"]: r for r in told}
        for name, record in kept.items():
            evidence = one.policy.evidence(int(name[1:]), end_us)
            assert record["tail_probability"] == (evidence.tail_probability if evidence else 1.0)
            assert record.get("until") == (iso(evidence.until_us) if evidence else None)
    assert len(kept) > 20
