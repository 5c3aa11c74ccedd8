"""Standings: what is known of each subject now, told again whenever it changes."""

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

from detectors.alerting.alert import Alert, Candidate
from detectors.alerting.policy import AlertPolicy
from state.ids import stable_id
from state.times import iso

_OPEN_MAX: Final = 20
"""Alerts of one subject that are listed: the newest."""


class Verdict(Protocol):
    """A label, as far as standings go by it: end_us is the round after which it counts."""

    @property
    def end_us(self) -> int: ...
    @property
    def subject(self) -> int: ...
    @property
    def fraud(self) -> float: ...
    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def by(self) -> str: ...
    @property
    def reason(self) -> str: ...


class _Open(NamedTuple):
    """An alert that no label has answered."""

    alert_id: str
    severity: str
    raised_us: int


@dataclass(slots=True)
class _Known:
    """What is remembered of one subject, beside its evidence, which the policy has.

    kind: "" for those that the stream is keyed by.  label: (fraud, end of the round, by, reason) of the last one.
    lapses_us: when the first of the evidence that was told stops counting, None for no evidence.  judged_us: the last
    round in which it was looked at.  told: a hash of what was told last.
    """

    kind: str
    name: str
    cohort: str = ""
    open: list[_Open] = field(default_factory=list)
    label: tuple[float, int, str, str] | None = None
    lapses_us: int | None = None
    judged_us: int = 0
    told: str = ""


class Standings:
    """Rounds of the alert policy in, the standings that changed in them out: a function of the sequence of rounds.

    A subject has one from its first candidate, alert or label on, and as a member of a campaign.  It changes with
    evidence that comes, grows or stops counting, with alerts, with labels, and with the campaign that it is in; a label
    closes the subject's alerts.  Who has neither evidence nor open alerts nor a label, and is in no campaign, is told
    so once, and is not remembered any more.  Beyond `capacity` subjects those leave that
    were judged longest ago; what was told of them last stays told.
    """

    def __init__(self, policy: AlertPolicy, job_name: str, digest: str, own_kind: str) -> None:
        """own_kind: what subjects of the kind "" are called."""
        self._policy = policy
        self._capacity = policy.spec.capacity
        self._job = job_name
        self._digest = digest
        self._own_kind = own_kind
        self._known: dict[int, _Known] = {}
        self._lapses: list[tuple[int, int]] = []
        """(when evidence stops counting, subject), a heap; entries that another one has followed count for nothing."""

    def round(
        self,
        end_us: int,
        candidates: Iterable[Candidate],
        alerts: Iterable[Alert],
        labels: Iterable[Verdict],
        moved: Mapping[int, str] = MappingProxyType({}),
    ) -> list[dict[str, Any]]:
        """Records of the subjects whose standing changed, by kind and subject.

        candidates: that the policy was given in this round.  alerts: that it raised, without those that were spared.
        labels: of this round; of several of one subject the last one counts.  moved: hash -> id of those who have
        joined or left a campaign.
        """
        touched = self._lapsed(end_us)
        for candidate in candidates:
            if candidate.tail_probability <= self._policy.spec.candidate_line:
                touched.add(candidate.subject)
                self._of(candidate).cohort = candidate.cohort
        for alert in alerts:
            touched.add(alert.candidate.subject)
            known = self._of(alert.candidate)
            known.cohort = alert.candidate.cohort
            told = _Open(alert.alert_id, alert.severity, alert.raised_us)
            known.open = [*(a for a in known.open if a.alert_id != told.alert_id), told][-_OPEN_MAX:]
        for label in labels:
            touched.add(label.subject)
            known = self._of(label)
            known.open, known.label = [], (label.fraud, label.end_us, label.by, label.reason)
        for subject, name in moved.items():
            touched.add(subject)
            self._known.setdefault(subject, _Known("", name))
        records = [record for subject in touched if (record := self._judge(subject, end_us)) is not None]
        self._leave()
        return sorted(records, key=lambda record: (record["kind"], record["subject"]))

    def _of(self, about: Candidate | Verdict) -> _Known:
        return self._known.setdefault(about.subject, _Known(about.kind, about.name))

    def _lapsed(self, end_us: int) -> set[int]:
        """Whose evidence is not all of what was told any more."""
        found = set()
        while self._lapses and self._lapses[0][0] <= end_us:
            at_us, subject = heapq.heappop(self._lapses)
            if subject in self._known and self._known[subject].lapses_us == at_us:
                found.add(subject)
        return found

    def _judge(self, subject: int, end_us: int) -> dict[str, Any] | None:
        """The record, if it says something new."""
        known = self._known[subject]
        campaign = self._policy.campaigns.of(subject)
        evidence = self._policy.evidence(subject, end_us)
        known.judged_us, known.lapses_us = end_us, evidence.until_us if evidence is not None else None
        if known.lapses_us is not None:
            heapq.heappush(self._lapses, (known.lapses_us, subject))
        elif not known.open and known.label is None and not campaign:
            del self._known[subject]
            if not known.told:
                return None
        kind = known.kind or self._own_kind
        strongest = min(evidence.windows, key=lambda e: (e.tail_probability, e.window)) if evidence else None
        said: dict[str, Any] = {
            "standing_id": f"{kind}:{known.name}",
            "kind": kind,
            "subject": known.name,
            "cohort": known.cohort,
            "severity": self._policy.severity(evidence.tail_probability) if evidence else "",
            "tail_probability": evidence.tail_probability if evidence else 1.0,
            "window": strongest.window if strongest else "",
            "window_tail_probability": strongest.tail_probability if strongest else 1.0,
            "evidence": [
                {"window": e.window, "tail_probability": e.tail_probability, "end": iso(e.end_us)}
                for e in (evidence.windows if evidence else ())
            ],
            **({"until": iso(evidence.until_us)} if evidence else {}),
            "open_alerts": [
                {"alert_id": a.alert_id, "severity": a.severity, "raised": iso(a.raised_us)} for a in known.open
            ],
            **({"label": _label(known.label)} if known.label is not None else {}),
            **({"campaign": campaign} if campaign else {}),
        }
        told = stable_id(repr(said), self._digest)
        if told == known.told:
            return None
        known.told = told
        return {**said, "judged": iso(end_us), "job": self._job, "config_digest": self._digest}

    def _leave(self) -> None:
        if len(self._known) > self._capacity:
            by_age = sorted(self._known, key=lambda s: (self._known[s].judged_us, s))
            for subject in by_age[: len(self._known) - self._capacity + self._capacity // 10]:
                del self._known[subject]

    def forget(self, subject: int) -> None:
        """Drops all that is known of one subject, if anything is."""
        self._known.pop(subject, None)

    def state(self) -> list[list[Any]]:
        """JSON values that `restore` takes back."""
        return [
            [subject, k.kind, k.name, k.cohort, k.open, k.label, k.lapses_us, k.judged_us, k.told]
            for subject, k in sorted(self._known.items())
        ]

    def restore(self, state: Iterable[Iterable[Any]]) -> None:
        """What `state` gave, also after a trip through JSON text."""
        for subject, kind, name, cohort, opened, label, lapses_us, judged_us, told in state:
            alerts = [_Open(*alert) for alert in opened]
            last = tuple(label) if label is not None else None
            self._known[subject] = _Known(kind, name, cohort, alerts, last, lapses_us, judged_us, told)
            if lapses_us is not None:
                heapq.heappush(self._lapses, (lapses_us, subject))


def _label(label: tuple[float, int, str, str]) -> Mapping[str, str]:
    fraud, end_us, by, reason = label
    return {"outcome": "fraud" if fraud else "genuine", "at": iso(end_us), "by": by, "reason": reason}
