"""Subjects of several kinds before one policy."""

from dataclasses import replace

from detectors.alerting.alert import Candidate
from detectors.alerting.policy import AlertPolicy, PolicySpec
from flows.wire.hashing import id_hash
from state.types import DAY_US, HOUR_US

WEIGHTS = {"": {"w": 1.0, "other": 9.0}, "artist": {"w": 1.0}}


def policy() -> AlertPolicy:
    return PolicySpec(line=1e-3, candidate_line=1e-2, false_discovery=0.0).build("j", "d", WEIGHTS, own_kind="user")


def candidate(kind: str = "", p: float = 5e-4) -> Candidate:
    subject = id_hash("x", kind)
    return Candidate(subject, "x", "all", 0, "w", 0, HOUR_US, HOUR_US, 0, DAY_US, p, (), (), (), kind)


def test_one_id_is_two_subjects() -> None:
    """Each is alerted for itself, under an id of its own."""
    alerts = policy().round(HOUR_US, [candidate(p=1e-5), candidate("artist")])
    assert {(a.to_record()["kind"], a.to_record()["subject"]) for a in alerts} == {("user", "x"), ("artist", "x")}
    assert len({a.alert_id for a in alerts}) == 2


def test_evidence_is_weighed_with_the_windows_of_its_kind() -> None:
    """The same window of a user costs the silence of the others that users have."""
    (alert,) = policy().round(HOUR_US, [candidate(), candidate("artist")])
    assert (alert.candidate.kind, alert.tail_probability) == ("artist", 5e-4)


def test_a_kind_that_is_gone_is_forgotten() -> None:
    """Users go on."""
    before = policy()
    before.round(HOUR_US, [candidate(p=1e-5), candidate("artist")])
    after = before.spec.build("j", "d", {"": WEIGHTS[""]}, before.snapshot())
    after.forget_kinds()
    again = replace(candidate(p=1e-5), end_us=2 * HOUR_US)
    assert after.round(2 * HOUR_US, [again]) == []  # alerted before
    assert len(after._tracks) == 1
