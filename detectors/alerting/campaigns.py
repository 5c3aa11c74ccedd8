"""Campaigns in the alert policy: one alert for all members, told again where there is more to say."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, NamedTuple

from detectors.alerting.alert import Candidate
from detectors.alerting.exempt import Exemption, Origin
from detectors.campaigns.lives import Change
from state.times import iso
from state.types import HOUR_US

KIND: Final = "campaign"
"""What a campaign is called as the subject of an alert."""
EVIDENCE: Final = "evidence"
"""Why an alert is told again whose members are the same: they have broken a rule, or it is of a worse severity."""
_MOVED: Final = 5
"""Told again when one in so many of the members that were told has joined or left."""
_WAITS_US: Final = 6 * HOUR_US
"""Told again, too, when somebody has been a member for so long and was not told."""


class Account(NamedTuple):
    """A member of a campaign.  subject: 64-bit hash; name: its id as text.  joined_us: the review that saw it first."""

    subject: int
    name: str
    joined_us: int


@dataclass(frozen=True, slots=True)
class Campaign:
    """How a campaign stands after a review.

    end_us: the review.  since_us: the one that found it.  until_us: how long that holds if no other review follows.
    members: none for one that is over.  kind: what they are.  tail_probability: of what they have in common under
    independence, above 0 and at most 1; None where this review did not see them together: what one before it saw goes
    on, and a campaign of which none did is not told.  absorbed: campaigns that are
    part of it from now on.  into: of one that has become part of another, which.  evidence: what is told of what they
    have in common, as JSON values.
    """

    id: str
    end_us: int
    since_us: int
    until_us: int
    members: tuple[Account, ...]
    kind: str
    tail_probability: float | None = None
    absorbed: tuple[str, ...] = ()
    into: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def without(self, subject: int) -> "Campaign":
        """The same without an account."""
        return replace(self, members=tuple(m for m in self.members if m.subject != subject))

    def to_json(self) -> dict[str, Any]:
        """JSON values that `from_json` turns back into an equal campaign."""
        return asdict(self)

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> "Campaign":
        """The inverse of `to_json`, also after a trip through JSON text."""
        members = tuple(Account(*m) for m in values["members"])
        return Campaign(**{**values, "members": members, "absorbed": tuple(values["absorbed"])})


class Suspect(NamedTuple):
    """A member as an alert tells of it.  tail_probability: of all evidence against it alone; 1 for none.  rules: that
    it broke while it was one.
    """

    name: str
    joined_us: int
    tail_probability: float
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CampaignAlert:
    """What an analyst is asked to look at: a campaign, with all its members.

    change: why it is told now.  told_us: the round in which it is; alerted_us: in which it was for the first time.
    tail_probability: of the campaign and of its members' own evidence together; it decides the severity.  members:
    those of now; of a campaign that is over, those that were told last.  suspicious: how many of them would be alerted
    alone.  joined, left: ids of accounts since it was told before.  held: candidates of members since then, for which
    nobody was alerted alone.  spared_by: why nobody is told; None for one that somebody is to look at.
    """

    job: str
    digest: str
    campaign: Campaign
    change: str
    severity: str
    tail_probability: float
    told_us: int
    alerted_us: int
    members: tuple[Suspect, ...]
    suspicious: int
    joined: tuple[str, ...]
    left: tuple[str, ...]
    absorbed: tuple[str, ...]
    held: int
    spared_by: Exemption | None = None

    @property
    def alert_id(self) -> str:
        """The campaign's id: it stays."""
        return self.campaign.id

    def to_record(self) -> dict[str, Any]:
        """A record of the alerts stream, as of `Alert.to_record`, with the campaign beside.

        Its window is from the review that found the campaign to the one that it is told of.
        """
        c = self.campaign
        own = c.tail_probability if c.tail_probability is not None else 1.0
        return {
            "alert_id": c.id,
            "severity": self.severity,
            "kind": KIND,
            "subject": c.id,
            "cohort": "",
            "window": KIND,
            "start": iso(c.since_us),
            "stop": iso(c.end_us),
            "end": iso(c.end_us),
            "raised": iso(self.told_us),
            "tail_probability": self.tail_probability,
            "window_tail_probability": own,
            "evidence": [],
            "reasons": [],
            "rules": sorted({rule for member in self.members for rule in member.rules}),
            "detectors": [],
            "suppressed_repeats": self.held,
            "first": iso(c.since_us),
            "last": iso(c.end_us),
            "group": 0,
            "job": self.job,
            "config_digest": self.digest,
            "campaign": {
                "change": self.change,
                "alerted": iso(self.alerted_us),
                "kind": c.kind,
                "size": len(self.members),
                "suspicious": self.suspicious,
                "members": [
                    {
                        "subject": m.name,
                        "joined": iso(m.joined_us),
                        "tail_probability": m.tail_probability,
                        "rules": list(m.rules),
                    }
                    for m in self.members
                ],
                "joined": list(self.joined),
                "left": list(self.left),
                "absorbed": list(self.absorbed),
                "into": c.into,
                **c.evidence,
            },
        }


@dataclass(slots=True)
class Case:
    """A campaign that the policy knows.

    campaign: as of its last review, with the evidence of the last one that saw its members together.  alerted_us: the
    round in which it was told first, None for not yet; rank: the severity then or when told again.  told: the members
    that were told.  rules: member -> the rules that it broke as one; rules_told: those that were told, of all.  held:
    candidates of members since it was told.  absorbed: since then.  withheld: it waits for room in the budget.  spared:
    most of its members are exempt.  due: it is to be told again.
    """

    campaign: Campaign
    alerted_us: int | None = None
    rank: int = 0
    told: dict[int, Account] = field(default_factory=dict)
    rules: dict[int, tuple[str, ...]] = field(default_factory=dict)
    rules_told: tuple[str, ...] = ()
    held: int = 0
    absorbed: tuple[str, ...] = ()
    withheld: bool = False
    spared: bool = False
    due: bool = False

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or is part of another."""
        return not self.campaign.members

    @property
    def members(self) -> tuple[Account, ...]:
        """Those of now; of a campaign that is over, those that were told last."""
        return self.campaign.members or tuple(self.told.values())

    @property
    def rules_broken(self) -> tuple[str, ...]:
        """By members, as such."""
        return tuple(sorted({rule for broken in self.rules.values() for rule in broken}))

    def moved(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Ids of members that nobody was told of, and of those who were told and have left."""
        now = {m.subject: m for m in self.members}
        joined = sorted(m.name for who, m in now.items() if who not in self.told)
        return tuple(joined), tuple(sorted(m.name for who, m in self.told.items() if who not in now))

    @property
    def waits(self) -> bool:
        """Whether somebody who was not told has been a member for long enough."""
        since_us = self.campaign.end_us - _WAITS_US
        return any(m.joined_us <= since_us and m.subject not in self.told for m in self.campaign.members)

    def change(self, rank: int) -> str:
        """Why it is to be told again; empty for no reason.  rank: the severity that it has now."""
        if self.is_over:
            return Change.MERGED if self.campaign.into else Change.ENDED
        joined, left = self.moved()
        many = _MOVED * (len(joined) + len(left)) >= max(len(self.told), _MOVED)
        if (joined or left) and (many or self.due or self.absorbed or self.waits):
            return Change.CHANGED if joined and left else Change.SHRANK if left else Change.GREW
        return EVIDENCE if rank < self.rank or set(self.rules_broken) - set(self.rules_told) else ""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        told = {name: getattr(self, name) for name in ("alerted_us", "rank", "rules_told", "held", "absorbed")}
        return {
            **told,
            "campaign": self.campaign.to_json(),
            "told": sorted(self.told.values()),
            "rules": sorted(self.rules.items()),
            "withheld": self.withheld,
            "spared": self.spared,
        }

    @staticmethod
    def from_json(saved: Mapping[str, Any]) -> "Case":
        """Takes what `to_json` gave."""
        known = dict(saved) | {name: tuple(saved[name]) for name in ("rules_told", "absorbed")}
        known["campaign"] = Campaign.from_json(saved["campaign"])
        known["told"] = {who: Account(who, *rest) for who, *rest in saved["told"]}
        known["rules"] = {who: tuple(rules) for who, rules in saved["rules"]}
        return Case(**known)


class Cases:
    """The campaigns that the policy knows, and the accounts that are held for what these say.

    An account is held, that is not alerted alone, while it is a member of a campaign that was told, and for suppress_us
    after it was one for the last time.  Who is a member and was not told yet is held too, and the campaign is told
    again as soon as it would have been alerted.
    """

    def __init__(self, suppress_us: int) -> None:
        self._suppress_us = suppress_us
        self._cases: dict[str, Case] = {}
        self._of: dict[int, str] = {}
        """Member -> its campaign."""
        self._held: dict[int, tuple[int, str]] = {}
        """Account -> until when it is held, and for which campaign, as of the last time that it was told as a member or
        seen as one that was.
        """
        self.moved: dict[int, str] = {}
        """Hash -> id of the accounts that have joined or left in the last round that had reviews."""

    def __bool__(self) -> bool:
        return bool(self._cases or self._held)

    def __iter__(self) -> Iterator[Case]:
        """The oldest first."""
        return iter(sorted(self._cases.values(), key=lambda c: (c.campaign.since_us, c.campaign.id)))

    def of(self, subject: int) -> str:
        """The campaign that an account is a member of; empty for none."""
        return self._of.get(subject, "")

    def review(self, end_us: int, seen: Iterable[Campaign]) -> None:
        """Takes how campaigns stand in the round that ends there; lets go of who was held long enough."""
        self.moved = {}
        for campaign in sorted(seen, key=lambda c: (c.since_us, c.id)):
            self._take(campaign)
        if self._held:
            self._held = {who: held for who, held in self._held.items() if held[0] > end_us}

    def _take(self, campaign: Campaign) -> None:
        case = self._cases.setdefault(campaign.id, Case(campaign))
        before = case.campaign
        if campaign.tail_probability is None:
            campaign = replace(campaign, tail_probability=before.tail_probability, evidence=before.evidence)
        case.campaign = campaign
        case.absorbed += campaign.absorbed
        now = {m.subject: m.name for m in campaign.members}
        for m in before.members:
            if m.subject not in now and self._of.get(m.subject) == campaign.id:
                del self._of[m.subject]
                self.moved[m.subject] = m.name
        for who, name in now.items():
            if self._of.get(who) != campaign.id:
                self._of[who] = campaign.id
                self.moved[who] = name
            if who in case.told:
                self._hold(who, case)
        case.rules = {who: rules for who, rules in case.rules.items() if who in now}

    def _hold(self, subject: int, case: Case) -> None:
        c = case.campaign
        self._held[subject] = (max(c.until_us, c.end_us + self._suppress_us), c.id)

    def note(self, candidate: Candidate) -> None:
        """Takes what a member is suspected of."""
        case = self._cases.get(self._of.get(candidate.subject, ""))
        if case is not None:
            case.held += 1
            if candidate.rules:
                broken = {*case.rules.get(candidate.subject, ()), *candidate.rules}
                case.rules[candidate.subject] = tuple(sorted(broken))

    def hold(self, candidate: Candidate, end_us: int) -> Exemption | None:
        """Why an account is not alerted alone in the round that ends there; None where it is."""
        subject = candidate.subject
        case = self._cases.get(self._of.get(subject, ""))
        until_us, campaign = self._held.get(subject, (end_us, ""))
        if case is not None and case.alerted_us is not None and subject not in case.told:
            case.due = True
            until_us, campaign = max(case.campaign.until_us, end_us + 1), case.campaign.id
        if until_us <= end_us:
            return None
        return Exemption(subject, candidate.name, Origin.CAMPAIGN, until_us, f"member of campaign {campaign}")

    def tell(self, case: Case, rank: int, end_us: int) -> None:
        """Its alert is told in the round that ends there, at a severity."""
        case.alerted_us = end_us if case.alerted_us is None else case.alerted_us
        case.rank, case.held, case.absorbed, case.withheld, case.due = rank, 0, (), False, False
        case.told = {m.subject: m for m in case.members}
        case.rules_told = case.rules_broken
        if not case.is_over:
            for subject in case.told:
                self._hold(subject, case)

    def close(self) -> None:
        """Lets go of what is over, after it was told."""
        self._cases = {name: case for name, case in self._cases.items() if not case.is_over}

    def forget(self, subject: int) -> None:
        """Drops all that is known of one account."""
        self._of.pop(subject, None)
        self._held.pop(subject, None)
        for case in self._cases.values():
            case.campaign = case.campaign.without(subject)
            case.told.pop(subject, None)
            case.rules.pop(subject, None)
        self.close()

    def state(self) -> dict[str, Any]:
        """JSON values that `restore` takes back."""
        return {
            "cases": [case.to_json() for case in self],
            "held": sorted([who, *held] for who, held in self._held.items()),
        }

    def restore(self, saved: Mapping[str, Sequence[Any]]) -> None:
        """What `state` gave, also after a trip through JSON text."""
        cases = [Case.from_json(case) for case in saved["cases"]]
        self._cases = {case.campaign.id: case for case in cases}
        self._of = {m.subject: case.campaign.id for case in cases for m in case.campaign.members}
        self._held = {who: (until_us, campaign) for who, until_us, campaign in saved["held"]}


def together(campaign: Campaign, members: Iterable[float]) -> float:
    """One tail probability of a campaign and of its members' own evidence, in (0, 1].

    The weighted harmonic mean, as of several windows of one subject: half of the weight is what they have in common,
    half what each does.  members: the tail probability of each, 1 for no evidence.
    """
    own = campaign.tail_probability if campaign.tail_probability is not None else 1.0
    odds = [1 / max(p, 1e-300) for p in members]
    mean = sum(odds) / len(odds) if odds else 1.0
    return min(1.0, 1 / (0.5 / max(own, 1e-300) + 0.5 * mean))
