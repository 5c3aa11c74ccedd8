"""The alert policy: evidence of all windows per subject, one budget, no repeats.  See PolicySpec."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from typing import Final, NamedTuple

import numpy as np

from detectors.alerting.alert import Alert, Candidate, Evidence
from detectors.alerting.campaigns import Campaign, CampaignAlert, Case, Cases, Suspect, together
from detectors.alerting.discovery import line_among
from detectors.alerting.exempt import Exemption, Exemptions, Origin
from detectors.campaigns.lives import Change
from detectors.limits import require
from state.errors import DriftnetError
from state.plain import LATER
from state.snapshot import pack, unpack
from state.types import DAY_US, END_OF_TIME_US, HOUR_US

_VERSION: Final = 2
_SEVERAL: Final = 5
"""Subjects who are odd together, below which the line does not rise: among thirteen people one is soon the oddest."""


Weights = Mapping[str, Mapping[str, float]]
"""Kind of subjects -> window -> how much what its detectors learned weighs, for all that have any."""


class Counted:
    """What the policy counts: rows at or below `candidate_line`; alerts, by severity; candidates that were folded;
    subjects for whom the budget had no room, by severity, and those of them that were alerted after all; alerts that an
    exemption kept back, by origin; subjects that left at capacity.
    """

    CANDIDATES: Final = "candidates"
    ALERTS: Final = "alerts"
    SUPPRESSED: Final = "suppressed"
    WITHHELD: Final = "withheld"
    RELEASED: Final = "released"
    SPARED: Final = "spared"
    CAMPAIGN_ALERTS: Final = "campaign_alerts"
    CAMPAIGN_UPDATES: Final = "campaign_updates"
    FORGOTTEN: Final = "forgotten"


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """When evidence becomes an alert.

    false_discovery: the share of false ones among a day's alerts that is accepted.  The line is drawn in each round by
    Benjamini & Hochberg 1995 over all subjects of the last 24 hours, between `line` and `candidate_line`: it rises when
    several are odd, because then few of the odd are people.  0: the line is `line`, always.
    false_discovery_last: the same share among the last alone whom the line takes in as it rises, the most doubtful
    ones (detectors.alerting.discovery): many attackers who are sure are no reason to accuse people.
    line: a subject whose tail probability of all evidence together is at most this is alerted whoever else is odd:
    without any attack about this share of subjects is alerted on a day.
    candidate_line: the population stage passes on rows at most this improbable; weaker ones are no evidence.
    suppress_us: how long an alert silences repeats.  Only the worst severity is said again of a subject that was
    alerted at a lower one.
    budget_per_day: in any 24 hours at most so many subjects are alerted; what is said again costs nothing.
    critical_reserve: share of the budget that only the worst severity may spend.
    severities: (name, largest tail probability), worst first; the last bound is 1.
    capacity: subjects remembered; beyond it the longest-silent leave.
    """

    budget_per_day: int = 100
    line: float = 2e-4
    false_discovery: float = 0.05
    candidate_line: float = 1e-2
    suppress_us: int = DAY_US
    severities: tuple[tuple[str, float], ...] = field(
        default=(("critical", 1e-6), ("high", 2e-4), ("medium", 1e-2), ("low", 1.0))
    )
    critical_reserve: float = 0.1
    capacity: int = 100_000
    false_discovery_last: float = field(default=0.2, metadata=LATER)

    def __post_init__(self) -> None:
        bounds = [p for _, p in self.severities]
        require(
            self,
            "alerts",
            budget_per_day=(self.budget_per_day >= 1, "at least 1"),
            line=(0 < self.line <= 1, "above 0 and at most 1"),
            false_discovery=(0 <= self.false_discovery < 1, "at least 0 and below 1"),
            false_discovery_last=(0 < self.false_discovery_last <= 1, "above 0 and at most 1"),
            candidate_line=(
                self.line <= self.candidate_line <= 1 or not 0 < self.line <= 1,
                f"between line ({self.line:g}) and 1",
            ),
            suppress_us=(self.suppress_us >= 0, "at least 0"),
            severities=(
                bool(bounds) and bounds == sorted(set(bounds)) and bounds[-1] == 1.0,
                "(name, bound) pairs with rising bounds that end with 1.0",
            ),
            critical_reserve=(0 <= self.critical_reserve <= 1, "between 0 and 1"),
            capacity=(self.capacity >= 1, "at least 1"),
        )

    def rank(self, tail_probability: float) -> int:
        """Index into severities, 0 is the worst."""
        return next(i for i, (_, bound) in enumerate(self.severities) if tail_probability <= bound)

    def build(
        self, job_name: str, digest: str, weights: Weights, resume: bytes | None = None, own_kind: str = "subject"
    ) -> "AlertPolicy":
        """A policy at work.  own_kind: what subjects of the kind "" are called.

        Raises SnapshotError for bytes that do not fit.
        """
        policy = AlertPolicy(self, job_name, digest, weights, own_kind)
        if resume is not None:
            policy._restore(resume)
        return policy


def combine_windows(tail_probabilities: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """One tail probability for a subject's day from those of several windows of it, in (0, 1].

    The weighted harmonic mean (Wilson 2019, PNAS 116(4), 1195-1200), valid however much the windows' events overlap: a
    window without evidence counts as a probability of 1, and costs its weight.  Windows of weight 0 have nothing but
    declared rules: all but impossible, they come on top.
    """
    learned = {window: p for window, p in tail_probabilities.items() if weights.get(window, 0.0)}
    declared = min((p for window, p in tail_probabilities.items() if window not in learned), default=1.0)
    odds = math.fsum(weights[window] / max(p, 1e-300) for window, p in learned.items())
    return min(declared, math.fsum(weights.values()) / odds) if odds else declared


@dataclass(slots=True)
class _Track:
    """What is remembered of one subject. Times are round ends.

    evidence: strongest candidate per window kind, (tail probability, end, until when it counts).  fresh: candidates
    since the last decision.  repeats: candidates folded since the latest alert, which was alerted_us, alerted_rank;
    spared_us, spared_rank: of the latest alert that an exemption kept back.
    first_us, last_us: from when to when it was suspicious without a pause.  withheld: waits for room in the budget.
    seen_us: latest candidate.  kind: as of Candidate.
    """

    evidence: dict[str, tuple[float, int, int]] = field(default_factory=dict)
    fresh: int = 0
    repeats: int = 0
    first_us: int | None = None
    last_us: int | None = None
    seen_us: int = 0
    alerted_us: int | None = None
    alerted_rank: int = 0
    withheld: bool = False
    spared_us: int | None = None
    spared_rank: int = 0
    kind: str = ""

    def live(self, now_us: int) -> dict[str, tuple[float, int, int]]:
        """The evidence that counts now."""
        return {window: seen for window, seen in self.evidence.items() if seen[2] > now_us}

    def alerts_since(self, since_us: int, *, spared: bool) -> list[int]:
        """Ranks of the alerts later than that.  spared: those that were kept back count too."""
        alerts = [(self.alerted_us, self.alerted_rank), *[(self.spared_us, self.spared_rank)] * spared]
        return [rank for at_us, rank in alerts if at_us is not None and at_us > since_us]


_FIELDS: Final = tuple(f.name for f in fields(_Track))


def _told(live: Mapping[str, tuple[float, int, int]]) -> tuple[Evidence, ...]:
    return tuple(Evidence(window, p, end_us) for window, (p, end_us, _) in sorted(live.items()))


class Standing(NamedTuple):
    """The evidence against a subject that counts now.  tail_probability: of all of it together.  windows: the strongest
    of each kind, by name.  until_us: when the first of it stops counting.
    """

    tail_probability: float
    windows: tuple[Evidence, ...]
    until_us: int


class AlertPolicy:
    """Evidence in, alerts out, round by round in event time.

    1. A candidate is evidence until its `until_us`. Per subject, the strongest of each window kind counts; together
       they give one tail probability (`combine_windows`) and so a severity.
    2. A subject at or below the line contends. It is folded (counted as a repeat) when it was alerted less than
       `suppress_us` ago, unless it has reached the worst severity since.
    3. Who is exempt (`exemptions`) is spared: its alert comes marked as such, takes nothing of the budget, and does not
       silence what follows once the exemption is over. In the line it does not count: who is known to be no fraud says
       nothing about how many of the others are.
    4. Contenders take what the budget has left, those who were never alerted first, then the most improbable; the last
       `critical_reserve` of it is for the
       worst severity. Who finds no room is withheld: as long as its evidence lasts it contends in every round.
    5. A campaign at or below the line contends like a subject, and comes before these: one alert stands for all its
       members (detectors.alerting.campaigns). From then on they are spared alerts of their own, and it is told again,
       for nothing, where there is more to say. Of one most of whose members are exempt nobody is told.

    The result depends on the sequence of rounds, not on the order of the candidates in one. Rounds without candidates
    may be left out; called, they let those who wait take what has become free meanwhile.
    """

    def __init__(self, spec: PolicySpec, job_name: str, digest: str, weights: Weights, own_kind: str) -> None:
        self.spec = spec
        self._job = job_name
        self._digest = digest
        self._weights = dict(weights)
        self._own_kind = own_kind
        self.exemptions = Exemptions(spec.capacity)
        self.campaigns = Cases(spec.suppress_us)
        self._now_us: int | None = None
        self._spent: dict[int, int] = {}
        """End of a round -> budget that it spent, of the last 24 hours."""
        self._tracks: dict[int, _Track] = {}
        self._waiting: dict[int, Candidate] = {}
        self._together: dict[int, tuple[float | None, int]] = {}
        """Subject -> what its evidence comes to, None for none, and until when, as far as that was asked for since it
        last changed.
        """
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> dict[str, int]:
        """Totals since the start, by the names of `Counted`; of those with a label as in "alerts.high"."""
        return dict(self._counts)

    @property
    def waiting(self) -> int:
        """Subjects that wait for room in the budget now."""
        return len(self._waiting)

    def round(
        self, end_us: int, candidates: Iterable[Candidate], subjects: int = 0, campaigns: Iterable[Campaign] = ()
    ) -> list[Alert | CampaignAlert]:
        """The alerts of one round end: campaigns first, then subjects who were never alerted, the most improbable
        first, then campaigns that are told again.

        end_us: later than that of the round before, or equal.  candidates: of all cohorts and windows, in any order.
        subjects: how many were seen in the last 24 hours, candidates or not (for false_discovery).  campaigns: how they
        stand after a review that ends there.
        """
        self._advance(end_us)
        self.campaigns.review(end_us, campaigns)
        strongest = self._absorb(end_us, candidates)
        told = self._evidence(end_us)
        line = self._line(told, end_us, subjects)
        alerts: list[Alert | CampaignAlert] = []
        refused: dict[int, Candidate] = {}
        left = self.spec.budget_per_day - sum(self._spent.values())
        reserve = int(self.spec.critical_reserve * self.spec.budget_per_day)
        for alert, case in self._campaigns_contending(told, line, end_us):
            if alert.spared_by is not None:
                self._count_spared(alert.spared_by.origin)
                case.spared = True
                alerts.append(alert)
            elif left > (reserve if self.spec.rank(alert.tail_probability) else 0):
                left -= 1
                self._counts[f"{Counted.ALERTS}.{alert.severity}"] += 1
                self._counts[Counted.CAMPAIGN_ALERTS] += 1
                self._counts[Counted.RELEASED] += case.withheld
                self.campaigns.tell(case, self.spec.rank(alert.tail_probability), end_us)
                alerts.append(alert)
            else:
                self._counts[f"{Counted.WITHHELD}.{alert.severity}"] += not case.withheld
                case.withheld = True
        for p, subject, candidate in self._contenders(end_us, strongest, told, line):
            track = self._tracks[subject]
            rank = self.spec.rank(p)
            severity = self.spec.severities[rank][0]
            exemption = self.exemptions.of(subject, end_us, worst=not rank) or self.campaigns.hold(candidate, end_us)
            lately = track.alerts_since(end_us - self.spec.suppress_us, spared=exemption is not None)
            known = bool(lately)
            if known and (rank or not min(lately)):
                self._counts[Counted.SUPPRESSED] += track.fresh
                track.repeats += track.fresh
                track.fresh = 0
            elif exemption is not None:
                self._count_spared(exemption.origin)
                if exemption.origin is not Origin.CAMPAIGN:
                    self.exemptions.spare(subject)
                alerts.append(replace(self._alert_of(track, candidate, p, rank, end_us), spared_by=exemption))
                track.fresh, track.withheld = 0, False
                track.spared_us, track.spared_rank = end_us, rank
            elif known or left > (reserve if rank else 0):
                left -= not known
                self._counts[f"{Counted.ALERTS}.{severity}"] += 1
                self._counts[Counted.RELEASED] += track.withheld
                alerts.append(self._alert_of(track, candidate, p, rank, end_us))
                track.fresh, track.repeats, track.withheld = 0, 0, False
                track.alerted_us = track.alerted_us if known else end_us
                track.alerted_rank = rank
            else:
                self._counts[f"{Counted.WITHHELD}.{severity}"] += not track.withheld
                track.withheld = True
                refused[subject] = candidate
        spent = self.spec.budget_per_day - sum(self._spent.values()) - left
        if spent:
            self._spent[end_us] = self._spent.get(end_us, 0) + spent
        self._waiting = dict(islice(refused.items(), self.spec.capacity))
        return alerts + self._campaigns_again(told, line, end_us)

    def _count_spared(self, origin: Origin) -> None:
        self._counts[f"{Counted.SPARED}.{origin}"] += 1

    def _campaigns_contending(
        self, told: Mapping[int, float], line: float, end_us: int
    ) -> list[tuple[CampaignAlert, Case]]:
        """Those that were not told yet, the most improbable first, the older of equal ones.  told: of all subjects."""
        found = []
        for case in self.campaigns:
            if case.alerted_us is not None or case.is_over or case.campaign.tail_probability is None:
                continue
            alert = self._campaign_alert(case, told, line, end_us, Change.FOUND)
            exempt = [e for m in case.members if (e := self.exemptions.of(m.subject, end_us)) is not None]
            if 2 * len(exempt) > len(case.members):
                if not case.spared:
                    found.append((replace(alert, spared_by=exempt[0]), case))
                continue
            case.spared = False
            if alert.tail_probability <= line:
                found.append((alert, case))
        return sorted(found, key=lambda f: (f[0].tail_probability, f[1].campaign.since_us, f[1].campaign.id))

    def _campaigns_again(self, told: Mapping[int, float], line: float, end_us: int) -> list[Alert | CampaignAlert]:
        """Those that were told and have changed since; what is over is let go of."""
        alerts: list[Alert | CampaignAlert] = []
        for case in self.campaigns:
            if case.alerted_us is None:
                continue
            rank = min(case.rank, self.spec.rank(self._together_with(case, told)))
            change = case.change(rank)
            if change:
                self._counts[Counted.CAMPAIGN_UPDATES] += 1
                severity = self.spec.severities[rank][0]  # it never falls
                alert = self._campaign_alert(case, told, line, end_us, change)
                alerts.append(replace(alert, severity=severity))
                self.campaigns.tell(case, rank, end_us)
        self.campaigns.close()
        return alerts

    def _together_with(self, case: Case, told: Mapping[int, float]) -> float:
        return together(case.campaign, (told.get(m.subject, 1.0) for m in case.members))

    def _campaign_alert(
        self, case: Case, told: Mapping[int, float], line: float, end_us: int, change: str
    ) -> CampaignAlert:
        p = self._together_with(case, told)
        suspects = [
            Suspect(m.name, m.joined_us, told.get(m.subject, 1.0), case.rules.get(m.subject, ()))
            for m in case.members
        ]  # fmt: skip
        joined, gone = case.moved()
        return CampaignAlert(
            job=self._job,
            digest=self._digest,
            campaign=case.campaign,
            change=change,
            severity=self.severity(p),
            tail_probability=p,
            told_us=end_us,
            alerted_us=end_us if case.alerted_us is None else case.alerted_us,
            members=tuple(sorted(suspects, key=lambda s: (s.joined_us, s.name))),
            suspicious=sum(s.tail_probability <= line for s in suspects),
            joined=joined,
            left=gone,
            absorbed=case.absorbed,
            held=case.held,
        )

    def _advance(self, end_us: int) -> None:
        before_us = end_us if self._now_us is None else self._now_us
        if end_us < before_us:
            raise DriftnetError(f"alert policy: rounds must not go back in time: {end_us} us after {before_us} us")
        self._now_us = end_us
        self._spent = {at_us: n for at_us, n in self._spent.items() if at_us > end_us - DAY_US}
        if end_us // HOUR_US != before_us // HOUR_US:
            old_us = end_us - max(DAY_US, self.spec.suppress_us)
            latest = ((s, max(t.seen_us, t.alerted_us or 0, t.spared_us or 0)) for s, t in self._tracks.items())
            self._forget([s for s, at_us in latest if at_us <= old_us])

    def _absorb(self, end_us: int, candidates: Iterable[Candidate]) -> dict[int, Candidate]:
        """Takes the candidates as evidence; returns each subject's strongest."""
        strongest: dict[int, Candidate] = {}
        for c in sorted(candidates, key=lambda c: (c.tail_probability, c.subject, c.window, c.start_us)):
            if c.tail_probability > self.spec.candidate_line:
                continue
            self.campaigns.note(c)
            strongest.setdefault(c.subject, c)
            track = self._tracks.setdefault(c.subject, _Track(kind=c.kind))
            if not track.live(end_us - 1) or track.first_us is None or track.last_us is None:
                track.first_us, track.last_us = c.since_us, c.stop_us
            live = track.live(end_us)
            if c.window not in live or c.tail_probability <= live[c.window][0]:
                live[c.window] = (c.tail_probability, end_us, c.until_us)
            track.evidence = live
            self._together.pop(c.subject, None)
            track.first_us, track.last_us = min(track.first_us, c.since_us), max(track.last_us, c.stop_us)
            track.seen_us = end_us
            track.fresh += 1
            self._counts[Counted.CANDIDATES] += 1
        if len(self._tracks) > self.spec.capacity:
            # A tenth at once: the sort is paid once per many rounds, not in every round at the limit.
            by_silence = sorted(self._tracks, key=lambda s: (self._tracks[s].seen_us, s))
            leaving = by_silence[: len(self._tracks) - self.spec.capacity + self.spec.capacity // 10]
            self._counts[Counted.FORGOTTEN] += len(leaving)
            self._forget(leaving)
        return strongest

    def _contenders(
        self, end_us: int, strongest: dict[int, Candidate], told: dict[int, float], line: float
    ) -> list[tuple[float, int, Candidate]]:
        """(tail probability of all evidence, subject, strongest window since it contends): those who were never alerted
        first, the most improbable first.
        """
        found = []
        for subject in (strongest.keys() | self._waiting.keys()) & told.keys():
            p = told[subject]
            if p <= line:
                both = self._waiting.get(subject), strongest.get(subject)
                mine = [c for c in both if c is not None and c.until_us > end_us]
                if mine:
                    found.append((p, subject, min(mine, key=lambda c: c.tail_probability)))
        return sorted(found, key=lambda f: (self._tracks[f[1]].alerted_us is not None, *f[:2]))

    def _evidence(self, end_us: int) -> dict[int, float]:
        """Subject -> tail probability of all evidence that counts now, of those who have any."""
        told: dict[int, float] = {}
        for subject, track in self._tracks.items():
            known = self._together.get(subject)
            if known is None or known[1] <= end_us:
                known = self._add_up(subject, track, end_us)
            if known[0] is not None:
                told[subject] = known[0]
        return told

    def _add_up(self, subject: int, track: _Track, end_us: int) -> tuple[float | None, int]:
        """What one subject's evidence comes to, None for none, and until when."""
        live = track.live(end_us)
        ps = {window: p for window, (p, _, _) in live.items()}
        p = combine_windows(ps, self._weights[track.kind]) if live else None
        found = p, min((until_us for _, _, until_us in live.values()), default=END_OF_TIME_US)
        self._together[subject] = found
        return found

    def evidence(self, subject: int, end_us: int) -> Standing | None:
        """What speaks against a subject after the round that ends there; None where nothing does."""
        track = self._tracks.get(subject)
        if track is None:
            return None
        p, until_us = self._add_up(subject, track, end_us)
        return None if p is None else Standing(p, _told(track.live(end_us)), until_us)

    def severity(self, tail_probability: float) -> str:
        """The name of the severity of so much evidence."""
        return self.spec.severities[self.spec.rank(tail_probability)][0]

    def _line(self, told: dict[int, float], end_us: int, subjects: int) -> float:
        """The largest tail probability that is alerted now.  told: of all subjects with evidence."""
        share, exempt = self.spec.false_discovery, self.exemptions
        if not share or len(told) < _SEVERAL:
            return self.spec.line
        known = (p for subject, p in told.items() if not exempt.of(subject, end_us)) if exempt else told.values()
        ps = np.array(sorted(known))
        line = line_among(ps, max(subjects, len(ps), 1), share, self.spec.false_discovery_last, _SEVERAL)
        return max(self.spec.line, min(self.spec.candidate_line, line))

    def _alert_of(self, track: _Track, candidate: Candidate, p: float, rank: int, end_us: int) -> Alert:
        return Alert(
            job=self._job,
            digest=self._digest,
            candidate=candidate,
            severity=self.spec.severities[rank][0],
            tail_probability=p,
            evidence=_told(track.live(end_us)),
            raised_us=end_us,
            suppressed_repeats=track.repeats,
            first_us=candidate.since_us if track.first_us is None else track.first_us,
            last_us=candidate.stop_us if track.last_us is None else track.last_us,
            own_kind=self._own_kind,
        )

    def vouch(self, subject: int, name: str, until_us: int, reason: str, by: str, kind: str = "") -> None:
        """A label says that a subject is genuine: it is exempt, until then.

        The worst severity is spared only if the subject was alerted at it before, so that a label which said that a
        model was wrong does not hide that the account has been taken over since.
        """
        track, held = self._tracks.get(subject), self.exemptions.get(subject, Origin.LABEL)
        worst = track is not None and track.alerted_us is not None and not track.alerted_rank
        worst = worst or (held is not None and held.worst)
        self.exemptions.put(Exemption(subject, name, Origin.LABEL, until_us, reason, by, worst=worst, kind=kind))

    def _forget(self, subjects: Iterable[int]) -> None:
        for subject in subjects:
            del self._tracks[subject]
            self._waiting.pop(subject, None)
            self._together.pop(subject, None)

    def forget(self, subject: int) -> None:
        """Drops all that is known of one subject, if anything is."""
        self._forget([subject] if subject in self._tracks else [])
        self.exemptions.forget(subject)
        self.campaigns.forget(subject)

    def rename_windows(self, kind: str, names: Mapping[str, str]) -> None:
        """Evidence of a kind's windows goes on under their names of now.  names: name before -> name now."""
        if not names:
            return
        self._together = {}
        for track in self._of_kind(kind):
            track.evidence = {names.get(w, w): seen for w, seen in track.evidence.items()}
        self._waiting = {
            s: replace(c, window=names.get(c.window, c.window)) if c.kind == kind else c
            for s, c in self._waiting.items()
        }

    def forget_windows(self, kind: str, windows: AbstractSet[str]) -> None:
        """Drops the evidence of a kind's windows that are gone, or are others now.  Who was alerted stays known."""
        if not windows:
            return
        self._together = {}
        for track in self._of_kind(kind):
            track.evidence = {w: seen for w, seen in track.evidence.items() if w not in windows}
        self._waiting = {s: c for s, c in self._waiting.items() if c.kind != kind or c.window not in windows}

    def _of_kind(self, kind: str) -> list[_Track]:
        return [track for track in self._tracks.values() if track.kind == kind]

    def forget_kinds(self) -> None:
        """Drops all that is known of subjects of kinds that there are not any more."""
        self._forget([s for s, track in self._tracks.items() if track.kind not in self._weights])

    def forget_campaigns(self) -> None:
        """Drops all that is known of campaigns, where nobody looks for any now."""
        self.campaigns = Cases(self.spec.suppress_us)

    def snapshot(self) -> bytes:
        """The whole state; `PolicySpec.build(..., resume=...)` takes it back."""
        meta = {
            "now_us": self._now_us,
            "spent": sorted(self._spent.items()),
            "fields": _FIELDS,
            "tracks": [[s, *(getattr(t, name) for name in _FIELDS)] for s, t in sorted(self._tracks.items())],
            "waiting": [c.to_json() for _, c in sorted(self._waiting.items())],
            "counts": self._counts,
            "exempt": self.exemptions.state(),
            **({"campaigns": self.campaigns.state()} if self.campaigns else {}),
        }
        return pack("policy", _VERSION, meta, {})

    def _restore(self, blob: bytes) -> None:
        version, meta, _ = unpack(blob, "policy", reads=(1, _VERSION))
        self._now_us = meta["now_us"]
        self._counts = Counter(meta["counts"])
        if "exempt" in meta:  # not in states from before there were any
            self.exemptions.restore(meta["exempt"])
        if "campaigns" in meta:  # nobody may have looked for any
            self.campaigns.restore(meta["campaigns"])
        for subject, *values in meta["tracks"]:
            known = dict(zip(meta["fields"], values, strict=True))
            if version == 1:  # its probabilities meant something else; who was alerted stays known
                known |= {"evidence": {}, "fresh": 0, "first_us": None, "last_us": None, "withheld": False}
            track = _Track(**known)
            track.evidence = {window: (p, end, until) for window, (p, end, until) in track.evidence.items()}
            self._tracks[subject] = track
        if version > 1:
            self._spent = {int(at_us): int(n) for at_us, n in meta["spent"]}
            self._waiting = {c.subject: c for c in map(Candidate.from_json, meta["waiting"])}
