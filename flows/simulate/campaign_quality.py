"""How good found campaigns are: the accounts put together against the simulator's truth.

Everything is a function of found campaigns, as sets of accounts, and of the truth's records.  A found campaign may
share accounts with another.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Falsely:
    """A found campaign of which more than half are people.  crowds: how many of each crowd, "" for no crowd."""

    number: int
    members: int
    people: int
    crowds: dict[str, int]


@dataclass(frozen=True, slots=True)
class CampaignQuality:
    """How good found campaigns are.

    A pair of accounts is found where one campaign holds both, true where both are attackers of one campaign of the
    truth.  pair_precision: of the found pairs, those that are true.  pair_recall: of the true pairs, those found.
    pair_f1: their harmonic mean.  purity: of all memberships, those that agree with the campaign of most attackers in
    the found one.  recall: of the attackers, those in a found campaign or alerted alone.  None where there is nothing
    to divide by.  falsely: the found campaigns that are mostly people.
    """

    campaigns: int
    pair_precision: float | None
    pair_recall: float | None
    purity: float | None
    recall: float | None
    falsely: tuple[Falsely, ...]

    @property
    def pair_f1(self) -> float | None:
        """Harmonic mean of the pairs' precision and recall; 0 where no pair was found, or none is true."""
        precision, recall = self.pair_precision, self.pair_recall
        if precision is None and recall is None:
            return None
        if not precision or not recall:
            return 0.0
        return 2 * precision * recall / (precision + recall)

    def to_json(self) -> dict[str, Any]:
        """All figures as JSON values."""
        return asdict(self) | {"pair_f1": self.pair_f1}


def campaign_quality(
    found: Sequence[Collection[str]], truth: Iterable[Mapping[str, Any]], alerted: Collection[str] = ()
) -> CampaignQuality:
    """Compares campaigns with truth records (user_id, is_attacker, campaign, crowd).  alerted: accounts, on their own.

    Accounts that the truth does not know count as people.
    """
    accounts = {str(t["user_id"]): t for t in truth}
    of = {user: str(t["campaign"]) for user, t in accounts.items() if t["is_attacker"]}
    groups = [frozenset(members) for members in found]
    in_groups: dict[str, list[int]] = {}
    for number, group in enumerate(groups):
        for user in group:
            in_groups.setdefault(user, []).append(number)
    found_pairs, both = _pairs(in_groups, of)
    true_pairs = sum(_pairs_of(n) for n in Counter(of.values()).values())
    agree, falsely = 0, []
    for number, group in enumerate(groups):
        attackers = Counter(of[user] for user in group if user in of)
        agree += max(attackers.values(), default=0)
        people = len(group) - attackers.total()
        if 2 * people > len(group):
            crowds = Counter(accounts.get(user, {}).get("crowd") or "" for user in group if user not in of)
            falsely.append(Falsely(number, len(group), people, dict(crowds)))
    known = {*in_groups, *alerted}
    return CampaignQuality(
        campaigns=len(groups),
        pair_precision=_share(both, found_pairs),
        pair_recall=_share(both, true_pairs),
        purity=_share(agree, sum(map(len, groups))),
        recall=_share(sum(user in known for user in of), len(of)),
        falsely=tuple(falsely),
    )


def first_alert_shares(
    alerts: Iterable[tuple[int, Collection[str]]],
    truth: Iterable[Mapping[str, Any]],
    campaigns: Iterable[Mapping[str, Any]],
) -> dict[str, float]:
    """Campaign -> share of its plays that had ended at the first alert of it, 1 where there is none.

    alerts: when each was raised, in microseconds, and of whom.  It is of a campaign where more of the accounts are that
    campaign's attackers than anything else: an account alone, or a found campaign.  campaigns: records of
    campaigns.jsonl; those without plays are left out.  The share is exact to a percent of the plays.
    """
    of = {str(t["user_id"]): str(t["campaign"]) for t in truth if t["is_attacker"]}
    first_us: dict[str, int] = {}
    for raised_us, members in alerts:
        votes = Counter(of.get(user) for user in members)
        most = max(votes.values(), default=0)
        for name, count in votes.items():
            if name is not None and count == most and votes.get(None, 0) < most:
                first_us[name] = min(raised_us, first_us.get(name, raised_us))
    shares = {}
    for record in campaigns:
        name, percentiles_us = str(record["campaign"]), record["percentiles_us"]
        if percentiles_us:
            ended = (
                np.searchsorted(percentiles_us, first_us[name], "right") if name in first_us else len(percentiles_us)
            )
            shares[name] = max(0, int(ended) - 1) / (len(percentiles_us) - 1)
    return shares


def _pairs(in_groups: Mapping[str, Sequence[int]], of: Mapping[str, str]) -> tuple[int, int]:
    """Pairs of accounts that share a group, and how many of them share a campaign too.

    Accounts in the same groups are counted together, so that a group of thousands costs what one of ten does.
    """
    alike: dict[tuple[int, ...], Counter[str | None]] = {}
    for user, numbers in in_groups.items():
        alike.setdefault(tuple(numbers), Counter())[of.get(user)] += 1
    found = both = 0
    for counts in alike.values():
        found += _pairs_of(counts.total())
        both += sum(_pairs_of(n) for name, n in counts.items() if name is not None)
    for (one, first), (other, second) in combinations(alike.items(), 2):
        if not set(one).isdisjoint(other):
            found += first.total() * second.total()
            both += sum(n * second[name] for name, n in first.items() if name is not None)
    return found, both


def _pairs_of(count: int) -> int:
    return count * (count - 1) // 2


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
