"""Candidate, Reason and Alert: what the population stage passes on, and what an analyst reads."""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from detectors.alerting.exempt import Exemption
from state.ids import stable_id
from state.times import iso


@dataclass(frozen=True, slots=True)
class Reason:
    """One feature that speaks against a subject.

    seen: its value in the window.  typical_own, typical_cohort: the usual value of this subject and of its cohort,
    in the feature's unit, None where unknown.  share: its part of the detector's score, 0 to 1.  detector: who says so.
    """

    feature: str
    seen: float
    typical_own: float | None
    typical_cohort: float | None
    share: float
    detector: str


class Part(NamedTuple):
    """One detector's verdict: its name, version, raw score (higher is odder) and tail probability."""

    detector: str
    version: int
    score: float
    tail_probability: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """One window of one subject that looks unusual enough to be evidence. All numbers are plain Python, none is nan.

    subject: 64-bit hash; name: its id as text.  group: key group.  [start_us, stop_us): the rows' window (a session's
    own bounds).  end_us: the round it closed in.  since_us: where that which is new in it begins: a sliding window's
    last slide.  until_us: how long it is evidence.  tail_probability: of all detectors together, above 0 and at most 1.
    parts: each detector's verdict.  reasons: most telling first.  rules: names of the hard rules that it broke.
    kind: of the subject; "" for those that the stream is keyed by.
    """

    subject: int
    name: str
    cohort: str
    group: int
    window: str
    start_us: int
    stop_us: int
    end_us: int
    since_us: int
    until_us: int
    tail_probability: float
    parts: tuple[Part, ...] = ()
    reasons: tuple[Reason, ...] = ()
    rules: tuple[str, ...] = ()
    kind: str = ""

    def to_json(self) -> dict[str, Any]:
        """JSON values that `from_json` turns back into an equal candidate."""
        return asdict(self)

    @staticmethod
    def from_json(values: dict[str, Any]) -> "Candidate":
        """The inverse of `to_json`, also after a trip through JSON text."""
        return Candidate(
            **{
                **values,
                "parts": tuple(Part(*p) for p in values["parts"]),
                "reasons": tuple(Reason(**r) for r in values["reasons"]),
                "rules": tuple(values["rules"]),
            }
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """The strongest candidate of one window kind: its tail probability and the round end it comes from."""

    window: str
    tail_probability: float
    end_us: int


@dataclass(frozen=True, slots=True)
class Alert:
    """What an analyst is asked to look at.

    candidate: the strongest window since the subject contends.  evidence: the strongest window of each kind.
    tail_probability: of all evidence together; it decides the severity.  raised_us: the round end at which it found a
    token.  suppressed_repeats: candidates folded away since the subject's previous alert.
    first_us, last_us: from when to when the subject was suspicious without a pause.
    spared_by: why nobody is told; None for an alert that somebody is to look at.  own_kind: what subjects are called
    that the stream is keyed by.
    """

    job: str
    digest: str
    candidate: Candidate
    severity: str
    tail_probability: float
    evidence: tuple[Evidence, ...]
    raised_us: int
    suppressed_repeats: int
    first_us: int
    last_us: int
    spared_by: Exemption | None = None
    own_kind: str = "subject"

    @property
    def alert_id(self) -> str:
        """Hash of what the alert is about: job, subject, window kind and bounds. Not of when it was raised."""
        c = self.candidate
        kind = (c.kind,) if c.kind else ()
        return stable_id(self.job, *kind, c.name, c.window, c.start_us, c.end_us)

    def to_record(self) -> dict[str, Any]:
        """The alert as JSON values; times are ISO 8601 UTC text of fixed width.

        alert_id            16 hexadecimal digits
        severity            a name of the configured severities
        kind, subject       what the subject is, and its id, as in the events
        cohort, window      the population it was compared with, the window kind
        start, stop         the window's bounds; for a session, of its rows
        end, raised         the round in which the window closed; the round in which the alert found room in the budget
        tail_probability    of all evidence of the last 24 hours (PolicySpec.evidence_us) together
        window_tail_probability  of this window alone
        evidence            [{window, tail_probability, end}], the strongest window of each kind
        reasons             [{feature, seen, typical_own, typical_cohort, share, detector}], most telling first
        rules               names of hard rules broken
        detectors           [{detector, version, score, tail_probability}]
        suppressed_repeats  candidates folded away since the subject's previous alert
        first, last         from when to when the subject was suspicious without a pause
        group               key group of the subject, for `explain`
        job, config_digest  the configuration that raised it
        """
        c = self.candidate
        return {
            "alert_id": self.alert_id,
            "severity": self.severity,
            "kind": c.kind or self.own_kind,
            "subject": c.name,
            "cohort": c.cohort,
            "window": c.window,
            "start": iso(c.start_us),
            "stop": iso(c.stop_us),
            "end": iso(c.end_us),
            "raised": iso(self.raised_us),
            "tail_probability": self.tail_probability,
            "window_tail_probability": c.tail_probability,
            "evidence": [
                {"window": e.window, "tail_probability": e.tail_probability, "end": iso(e.end_us)}
                for e in self.evidence
            ],
            "reasons": [asdict(r) for r in c.reasons],
            "rules": list(c.rules),
            "detectors": [Part(*p)._asdict() for p in c.parts],
            "suppressed_repeats": self.suppressed_repeats,
            "first": iso(self.first_us),
            "last": iso(self.last_us),
            "group": c.group,
            "job": self.job,
            "config_digest": self.digest,
        }
