"""DriftEvent: what changed, where, when, how much, and what follows."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from state.ids import stable_id
from state.times import iso


class Reaction(StrEnum):
    """What the population stage does when a monitor fires."""

    NOTIFY = "notify"
    """Emit the drift event, nothing else."""
    FREEZE = "freeze"
    """Stop learning for `DriftSpec.freeze_us`, so that an attack or a broken field is not learned as normal."""
    RETRAIN = "retrain"
    """Train a successor beside each model for `DriftSpec.retrain_rounds` rounds, and promote it where it is better."""
    MUTE = "mute"
    """Detectors do not see the feature, until its monitor tells that it is back, at most for `DriftSpec.mute_us`."""


class Watch(StrEnum):
    """What a monitor watches, once per round."""

    FEATURE = "feature"
    """The mean of each feature over the rows that have a value (of log(1 + x) for features declared with log)."""
    SCORE = "score"
    """The mean raw score of each detector."""
    ALERT_RATE = "alert_rate"
    """The share of rows that became candidates."""
    MISSING = "missing"
    """The share of rows without a value, per feature."""
    ERROR = "error"
    """The share of labelled rows on which a detector that uses labels was wrong (River's models of the classifier
    kind)."""
    WAVE = "wave"
    """The share of subjects that a detector finds odd in the same way, and of those who are suspicious at all, where it
    rises within hours (detectors.drift.waves)."""


@dataclass(frozen=True, slots=True)
class DriftEvent:
    """A change that a monitor is sure of.

    what, name: the family and the series (a feature, a detector, or "alert_rate").  monitor: the test that fired.
    at_us: the round that gave it away.  since_us: the round in which the change most likely began (at most 32 samples
    back).  before: the value expected since then, after: the value seen, both in the series' unit (the geometric kind
    of mean, expm1(mean(log1p(x))), for log features).  size: after - before in standard deviations of the
    population, which for shares count as 0.05 to 0.15.  cause, evidence: what it is put down to, and why
    (detectors.drift.cause).
    """

    what: Watch
    name: str
    cohort: str
    window: str
    monitor: str
    at_us: int
    since_us: int
    before: float
    after: float
    size: float
    reaction: Reaction
    cause: str = ""
    evidence: str = ""

    @property
    def event_id(self) -> str:
        """Hash of what changed, where and when it was seen: the same in every replay."""
        return stable_id(self.what, self.name, self.cohort, self.window, self.at_us)

    def to_record(self) -> dict[str, Any]:
        """The event as JSON values, named as the fields; `at` and `since` are ISO 8601 UTC text."""
        return {
            "event_id": self.event_id,
            "what": str(self.what),
            "name": self.name,
            "cohort": self.cohort,
            "window": self.window,
            "monitor": self.monitor,
            "at": iso(self.at_us),
            "since": iso(self.since_us),
            "before": self.before,
            "after": self.after,
            "size": self.size,
            "reaction": str(self.reaction),
            "cause": self.cause,
            "evidence": self.evidence,
        }
