"""The alert stage: all cohorts' candidates, round by round, through the one alert policy."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from detectors.alerting.alert import Alert, Candidate
from detectors.alerting.campaigns import Campaign, CampaignAlert
from detectors.alerting.exempt import Exemption
from detectors.alerting.standing import Standings
from flows.counters import Counts
from flows.evolution.changes import LayoutNote
from flows.evolution.layout import StateForm
from flows.judgement import Judgement
from flows.metrics import catalogue as c
from flows.metrics.catalogue import Numbers, seconds
from flows.operators.alerts import exempt
from flows.operators.alerts.exempt import in_order
from flows.operators.messages import CAMPAIGNS_SENDER, Leaving, Output, PolicyInput
from flows.operators.rounds import Rounds
from flows.steps import Step
from flows.streams import Stream
from flows.wire.told import Command, Label, told_from, told_state
from state.chunks import Chunks, Latest, Saved, table_of
from state.snapshot import pack, unpack
from state.times import iso

_VERSION: Final = 2
_OF_NO_STREAM: Final = StateForm()
_Item = Candidate | Campaign | Label | Command
"""What waits for its round."""


@dataclass(frozen=True, slots=True)
class Teller:
    """A kind of subjects that candidates are of.  windows: theirs.  form: of their state."""

    judgement: Judgement
    windows: tuple[str, ...]
    form: StateForm = _OF_NO_STREAM

    def weights(self) -> dict[str, float]:
        """Window -> how much what its detectors learn weighs, for all that have any."""
        found = dict.fromkeys(self.windows, 0.0)
        for use in self.judgement.detectors:
            for window in use.windows if not use.spec.declared else ():
                found[window] += use.weight
        return found


_NO_OTHERS: Final[Mapping[str, Teller]] = MappingProxyType({})


class AlertOperator:
    """Candidates, campaigns, what people said of subjects, and watermarks in; alert records, the audit of exemptions,
    and the standings that changed out.
    """

    def __init__(
        self,
        judgement: Judgement,
        windows: Iterable[str],
        resume: Saved | None = None,
        form: StateForm = _OF_NO_STREAM,
        stage: str = Step.ALERTS,
        others: Mapping[str, Teller] = _NO_OTHERS,
        *,
        campaigns: bool = False,
    ) -> None:
        """judgement, windows, form: of the stream's own subjects, see Teller.  stage: the name under which it counts.
        others: further kinds of subjects that are alerted, by name.  campaigns: whether it hears of any.
        """
        self._labels = judgement.labels
        self._own_kind = judgement.own_kind
        self._stage = stage
        tellers = {"": Teller(judgement, tuple(windows), form), **others}
        cohorts = [name for teller in tellers.values() for name in teller.judgement.cohorts.names]
        senders = [*cohorts, *([CAMPAIGNS_SENDER] if campaigns else [])]
        self._rounds: Rounds[_Item] = Rounds(senders)
        self._subjects: dict[str, list[tuple[int, int]]] = {name: [] for name in cohorts}
        """Cohort -> (end of a round, its subjects of the 24 hours before): the last one heard, and those to come."""
        self._saved = Latest()
        self._layouts = {kind: LayoutNote(teller.form) for kind, teller in tellers.items()}
        gone: dict[str, frozenset[str]] = {}
        renamed = {kind: dict(teller.form.renamed.windows) for kind, teller in tellers.items()}
        policy: bytes | None = None
        standings: list[Any] = []
        if resume is not None:
            version, meta, arrays = unpack(resume.root, "alerts", (1, _VERSION))
            self._rounds.watermarks.restore(meta["watermarks"])
            self._rounds.watermark_us = meta["watermark_us"]
            told_of = meta.get("subjects", {})
            for name in self._subjects.keys() & told_of.keys():
                self._subjects[name] = [(end, n) for end, n in told_of[name]]
            for kind, note in self._layouts.items():
                layout = note.changed(resume, {"layout": meta.get("layouts", {}).get(kind)} if kind else meta)
                if layout is not None:
                    kept = layout.kept_windows(tellers[kind].form.layout)
                    gone[kind] = frozenset(layout.windows.keys() - kept.keys())
            # Probabilities of version 1 meant something else: its evidence is not evidence here.
            for candidate in map(Candidate.from_json, meta["waiting"] if version > 1 else ()):
                window = renamed.get(candidate.kind, {}).get(candidate.window, candidate.window)
                if candidate.kind in tellers and window not in gone.get(candidate.kind, ()):
                    self._rounds.add(candidate.end_us, replace(candidate, window=window))
            for campaign in map(Campaign.from_json, meta.get("campaigns", ()) if campaigns else ()):
                self._rounds.add(campaign.end_us, campaign)
            for item in told_from(meta):
                self._rounds.add(item.end_us, item)
            standings = meta.get("standings", [])  # nobody may have asked for any
            refs = resume.chunks.refs(arrays["policy"])
            policy = self._saved.get(resume.chunks, ["policy"], refs)["policy"]
        weights = {kind: teller.weights() for kind, teller in tellers.items()}
        self._policy = judgement.policy.build(judgement.name, judgement.digest, weights, policy, self._own_kind)
        self._policy.forget_kinds()
        if not campaigns:
            self._policy.forget_campaigns()
        for kind, names in renamed.items():
            self._policy.rename_windows(kind, names)
            self._policy.forget_windows(kind, gone.get(kind, frozenset()))
        self._standings: Standings | None = None
        if Stream.STANDINGS in judgement.asked:
            self._standings = Standings(self._policy, judgement.name, judgement.digest, self._own_kind)
            self._standings.restore(standings)
        self._listed: Sequence[Exemption] | None = judgement.exempt
        """The list of who is exempt, until it is taken: what is only looked into stays as it was saved."""

    def process(self, message: PolicyInput) -> list[Leaving]:
        """Collects the candidates; judges the rounds that every cohort has finished."""
        for item in (*message.candidates, *message.campaigns, *message.told):
            self._rounds.add(item.end_us, item)
        if message.subjects:
            self._subjects[message.sender] += message.subjects
        out: list[Leaving] = []
        for end_us, items in self._rounds.advance(message.sender, message.watermark_us) or []:
            before = dict(self._policy.counts)
            candidates = [item for item in items if isinstance(item, Candidate)]
            campaigns = [item for item in items if isinstance(item, Campaign)]
            audit = self._exempt(end_us)
            alerts: list[Alert | CampaignAlert] = []
            if candidates or campaigns:
                subjects = sum(self._heard(c, end_us) for c in self._subjects)
                alerts = self._policy.round(end_us, candidates, subjects, campaigns)
                told = [a.to_record() for a in alerts if a.spared_by is None]
                out += [Output(Stream.ALERTS, told)] * bool(told)
                audit += [exempt.spared(a) for a in alerts if a.spared_by is not None]
            audit += exempt.heed(
                self._policy,
                (item for item in items if isinstance(item, Label | Command)),
                self._labels.trust_us if self._labels is not None else 0,
            )
            audit = [record | {"kind": record["kind"] or self._own_kind} for record in audit]
            out += [Output(Stream.AUDIT, audit)] * bool(audit)
            if self._standings is not None:
                raised = [a for a in alerts if a.spared_by is None and isinstance(a, Alert)]
                labels = in_order(item for item in items if isinstance(item, Label))
                moved = self._policy.campaigns.moved if campaigns else {}
                standings = self._standings.round(end_us, candidates, raised, labels, moved)
                out += [Output(Stream.STANDINGS, standings)] * bool(standings)
            counts = Counts(Step.ALERTS, self._stage)
            now = self._policy.counts
            counts.add_named({key: n - before.get(key, 0) for key, n in now.items() if n != before.get(key)})
            out += [counts] * bool(counts)
        for cohort in self._subjects:
            self._heard(cohort, self._rounds.watermark_us)
        return out

    def _exempt(self, end_us: int) -> list[dict[str, Any]]:
        """Takes the list if this is the first round of a run, and lets exemptions go that are over; the audit."""
        exemptions = self._policy.exemptions
        changes = exemptions.expire(end_us)
        if self._listed is not None:
            changes += exemptions.settle(self._listed, end_us)
            self._listed = None
        return [exempt.changed(change, end_us) for change in changes]

    def _heard(self, cohort: str, end_us: int) -> int:
        """How many subjects the cohort had by then."""
        told = self._subjects[cohort]
        while len(told) > 1 and told[1][0] <= end_us:
            told.pop(0)
        return told[0][1] if told and told[0][0] <= end_us else 0

    def observe(self, numbers: Numbers) -> None:
        """Its part of what a run tells of itself."""
        c.add(numbers, c.STAGE_BOUNDARY, seconds(self._rounds.watermark_us), self._stage)

    def forget(self, subject: int) -> int:
        """Drops all that is known of one subject; how many of its candidates waited."""
        before = sum(map(len, self._rounds.waiting.values()))
        self._rounds.filter(lambda item: _without(item, subject))
        self._policy.forget(subject)
        if self._standings is not None:
            self._standings.forget(subject)
        return before - sum(map(len, self._rounds.waiting.values()))

    def describe(self) -> dict[str, Any]:
        """What there is, as JSON values."""
        held = self._policy.exemptions
        return {
            "watermark_us": self._rounds.watermark_us,
            "policy_bytes": len(self._policy.snapshot()),
            "exempt": exempt.describe(held, held.all()),
        }

    def exempt(self, subject: int) -> list[dict[str, Any]]:
        """Why a subject is not alerted, as JSON values.  subject: the hash of its id."""
        held = self._policy.exemptions
        return exempt.describe(held, held.of_subject(subject))

    def alerted(self, campaign: str) -> dict[str, Any]:
        """Of a campaign that was alerted, when and with how many members it was told last, as JSON values."""
        case = next((c for c in self._policy.campaigns if c.campaign.id == campaign), None)
        if case is None or case.alerted_us is None:
            return {}
        return {"alerted": iso(case.alerted_us), "told": len(case.told)}

    def snapshot(self, chunks: Chunks) -> bytes:
        """The root frame of the state."""
        items = [item for end in sorted(self._rounds.waiting) for item in self._rounds.waiting[end]]
        campaigns = [item.to_json() for item in items if isinstance(item, Campaign)]
        meta = {
            "watermarks": self._rounds.watermarks.state(),
            "watermark_us": self._rounds.watermark_us,
            "waiting": [item.to_json() for item in items if isinstance(item, Candidate)],
            **({"campaigns": campaigns} if campaigns else {}),
            "subjects": self._subjects,
            "layout": self._layouts[""].put(chunks),
            "layouts": {kind: note.put(chunks) for kind, note in self._layouts.items() if kind},
            **({"standings": self._standings.state()} if self._standings is not None else {}),
            **told_state(item for item in items if isinstance(item, Label | Command)),
        }
        refs = self._saved.put(chunks, {"policy": self._policy.snapshot()})
        return pack("alerts", _VERSION, meta, {"policy": table_of(refs)})


def _without(item: _Item, subject: int) -> _Item | None:
    """What stays of something that waits when one subject is forgotten."""
    if isinstance(item, Campaign):
        return item.without(subject)
    return None if item.subject == subject else item
