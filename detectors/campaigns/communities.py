"""Communities: accounts that are linked among each other, and not by way of a few who are linked to everybody."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.campaigns.coincidence import Coincidences
from detectors.campaigns.evidence import Evidence, Strengths, chance, changes, gather, log10_tail, strengths, summed
from detectors.campaigns.spec import CampaignSpec
from state.cells import run_lengths, run_starts
from state.order import numbered
from state.types import F64, I64, Bool

_NONE: Final = -1
_ROUNDS: Final = 3
"""So often members are chosen anew from what the members of before are."""
_PARTNERS_SHARE: Final = 0.25
"""An account must have coincided with so many of a community's members."""
_AT_LEAST: Final = 2
_OF_CORE: Final = 0.85
"""What is usual among members is no less than so much of what is usual in the core."""
_ONE_PARENT: Final = 0.6
"""Of a community's coincidences: who loves one artist is no campaign."""
_ONE_OF_TWO: Final = 0.5
"""The same where the community is open: nor are those who love two."""
_OPEN: Final = 0.6
"""A community of less closure than this needs all of `objects_min` and `repetition`; a closed one half of the objects,
and of repetition what is no accident.
"""
_REPEATED: Final = 1.25
"""Objects of one parent, at least: a shop's list, which nobody else hears, has one of each."""


@dataclass(frozen=True, slots=True)
class Community:
    """members: (n,) positions of accounts in the evidence.  partners: (n,) of how many members each is a partner.
    objects: (k,) positions of objects that members coincided on, those on which most pairs did first; pairs: (k,) how
    many.  own: (t,) positions of the coincidences between members.  chance: log10 of the probability of so many under
    independence.
    closure: of all coincidences on an object, the share between members; on average over these.
    """

    members: I64
    partners: I64
    objects: I64
    pairs: I64
    own: I64
    chance: float
    closure: float


@dataclass(frozen=True, slots=True)
class Found:
    """What a review found."""

    evidence: Evidence
    communities: tuple[Community, ...]


def review(segments: Sequence[Coincidences], spec: CampaignSpec) -> Found:
    """The communities that the coincidences make.  segments: in the order of time.  A function of these alone."""
    evidence = gather(segments, spec.visits_max)
    pairs = strengths(evidence, spec.visits_max)
    label = _grown(evidence, pairs, _cores(evidence, pairs, spec), spec)
    return Found(evidence, tuple(c for c in _communities(evidence, label) if _is_campaign(evidence, c, spec)))


def _cores(evidence: Evidence, pairs: Strengths, spec: CampaignSpec) -> I64:
    """(A,) the lowest member of the core that an account is in; -1 for none.

    A link is one of the strongest of both of its ends, so that who is linked to everybody binds nobody together; and
    its ends have partners in common, so that a single link does not, either.
    """
    tireless = _tireless(evidence, spec)
    linked = pairs.times >= spec.links
    linked &= pairs.varied | (tireless[pairs.low] & tireless[pairs.high])
    at = np.flatnonzero(linked)
    at = at[chance(evidence, pairs.low[at], pairs.high[at], pairs.times[at]) <= np.log10(spec.p)]
    at = at[_mutual(pairs.low[at], pairs.high[at], pairs.weight[at], spec.partners)]
    low, high = _supported(pairs.low[at], pairs.high[at], spec.triangles)
    return _components(low, high, len(evidence.account))


def _mutual(low: I64, high: I64, weight: F64, most: int) -> Bool:
    """(m,) which links are among the `most` strongest of both ends; of equal ones those to lower accounts."""
    end, other = np.concatenate([low, high]), np.concatenate([high, low])
    link = np.concatenate([np.arange(len(low))] * 2)
    order = np.lexsort((other, -np.concatenate([weight, weight]), end))
    end, link = end[order], link[order]
    first = np.searchsorted(end, end)
    strong = np.arange(len(end)) - first < most
    found: Bool = np.bincount(link[strong], minlength=len(low)) == 2
    return found


def _supported(low: I64, high: I64, triangles: int) -> tuple[I64, I64]:
    """The links whose ends have so many partners in common, by such links alone."""
    while len(low):
        partners: dict[int, set[int]] = {}
        links = list(zip(low.tolist(), high.tolist(), strict=True))
        for a, b in links:
            partners.setdefault(a, set()).add(b)
            partners.setdefault(b, set()).add(a)
        stay = np.array([len(partners[a] & partners[b]) >= triangles for a, b in links])
        if stay.all():
            break
        low, high = low[stay], high[stay]
    return low, high


def _components(low: I64, high: I64, accounts: int) -> I64:
    label = np.arange(accounts)
    while True:
        least = np.minimum(label[low], label[high])
        lower = label.copy()
        np.minimum.at(lower, low, least)
        np.minimum.at(lower, high, least)
        lower = lower[lower]
        if (lower == label).all():
            break
        label = lower
    linked = np.zeros(accounts, np.bool_)
    linked[low] = linked[high] = True
    return np.where(linked, label, _NONE)


def _grown(evidence: Evidence, pairs: Strengths, label: I64, spec: CampaignSpec) -> I64:
    """(A,) the communities' members, chosen by what they have in common with the core, then with each other.

    Whoever is in a core has little to do with many others; whoever hears the same and much else beside does not belong.
    Nor do people among accounts that are always there: these are with everybody who hears what they do.  What is usual
    is what is so of the members, and hardly less than it was in the core: who came later does not let ever others in.
    """
    accounts = len(evidence.account)
    degree = evidence.degree
    whole = summed(pairs.low, pairs.weight, accounts) + summed(pairs.high, pairs.weight, accounts)
    tireless = _tireless(evidence, spec)
    never_rests = _mostly(tireless, label) & _of_one_parent(pairs, label)
    core = label
    for _ in range(_ROUNDS):
        below, above = np.flatnonzero(label[pairs.high] >= 0), np.flatnonzero(label[pairs.low] >= 0)
        met = np.concatenate([below, above])
        if not len(met):
            break
        end = np.concatenate([pairs.low[below], pairs.high[above]])
        other = np.concatenate([pairs.high[below], pairs.low[above]])
        key, at = numbered(end * accounts + label[other])
        who, to = np.divmod(key, accounts)
        objects, shared = summed(at, pairs.times[met], len(key)), summed(at, pairs.weight[met], len(key))
        partners = np.bincount(at)
        inside = label[who] == to
        of_label = summed(label[label >= 0], degree[label >= 0], accounts)
        size = np.bincount(label[label >= 0], minlength=accounts)
        expected = degree[who] * (of_label[to] - inside * degree[who]) / evidence.total
        share = shared / whole[who]
        of_core = inside & (core[who] == to)
        usual = _medians(share[inside], to[inside], accounts)
        usual = np.maximum(usual, _OF_CORE * _medians(share[of_core], to[of_core], accounts))
        fits = log10_tail(objects, expected) <= np.log10(spec.p)
        fits &= partners >= np.maximum(_AT_LEAST, _PARTNERS_SHARE * (size[to] - inside))
        fits &= share >= spec.belonging * usual[to]
        fits &= tireless[who] | ~never_rests[to]
        # Where an account fits several, it belongs to the one it has most in common with.
        best = _largest(who, shared)
        chosen = best[fits[best]]
        label = np.full(accounts, _NONE)
        label[who[chosen]] = to[chosen]
    return label


def _largest(group: I64, values: F64) -> I64:
    """Position of the largest value of each group, of equal ones the first.  group: (n,) sorted, not empty."""
    start = run_starts(group)
    largest = np.repeat(np.maximum.reduceat(values, start), run_lengths(start, len(group)))
    at = np.flatnonzero(values == largest)
    return at[run_starts(group[at])]


def _mostly(holds: Bool, label: I64) -> Bool:
    """(A,) by label: whether it holds for more than half of its accounts.  label: (A,) -1 for none."""
    there = label >= 0
    count = np.bincount(label[there], minlength=len(label))
    found: Bool = 2 * summed(label[there], holds[there].astype(np.float64), len(label)) > count
    return found


def _of_one_parent(pairs: Strengths, label: I64) -> Bool:
    """(A,) by label: whether more than half of the pairs in it have one parent in common."""
    inside = np.flatnonzero((label[pairs.low] >= 0) & (label[pairs.low] == label[pairs.high]))
    of, one = label[pairs.low[inside]], ~pairs.varied[inside]
    found: Bool = 2 * summed(of, one.astype(np.float64), len(label)) > np.bincount(of, minlength=len(label))
    return found


def _medians(values: F64, group: I64, groups: int) -> F64:
    """(groups,) the lower median of each group's values, 0 without any."""
    found = np.zeros(groups)
    order = np.lexsort((values, group))
    number, start, size = np.unique(group[order], return_index=True, return_counts=True)
    found[number] = values[order][start + (size - 1) // 2]
    return found


def _communities(evidence: Evidence, label: I64) -> Iterator[Community]:
    """Of all labels, in their order."""
    inside = np.flatnonzero((label[evidence.low] >= 0) & (label[evidence.low] == label[evidence.high]))
    inside = inside[np.argsort(label[evidence.low[inside]], kind="stable")]
    everybody = summed(evidence.on, evidence.times, len(evidence.object))
    of = label[evidence.low[inside]]
    start = run_starts(of)
    for number, own in zip(of[start].tolist(), np.split(inside, start)[1:], strict=True):
        yield _community(evidence, np.flatnonzero(label == number), own, everybody)


def _community(evidence: Evidence, members: I64, own: I64, everybody: F64) -> Community:
    low, high, on = evidence.low[own], evidence.high[own], evidence.on[own]
    start = changes(low, high)
    met = np.searchsorted(members, np.concatenate([low[start], high[start]]))
    partners = np.bincount(met, minlength=len(members))
    objects, pairs = np.unique(on, return_counts=True)
    order = np.lexsort((objects, -pairs))
    often = summed(on, evidence.times[own], len(everybody))[objects]
    seen, degree = float(evidence.times[own].sum()), evidence.degree[members]
    expected = (degree.sum() ** 2 - (degree**2).sum()) / 2 / evidence.total
    chance = float(log10_tail(np.array([seen]), np.array([expected]))[0])
    closure = float(np.average(often / everybody[objects], weights=often))
    return Community(members, partners, objects[order], pairs[order], own, chance, closure)


def _is_campaign(evidence: Evidence, community: Community, spec: CampaignSpec) -> bool:
    if len(community.members) < spec.members_min:
        return False
    objects = len(community.objects)
    repetition, largest = _parents(evidence, community)
    if 2 * int(_tireless(evidence, spec)[community.members].sum()) > len(community.members) and largest > _ONE_PARENT:
        return True
    openness = min(1.0, (1.0 - community.closure) / (1.0 - _OPEN))
    if community.closure < spec.closure or largest > _ONE_PARENT - openness * (_ONE_PARENT - _ONE_OF_TWO):
        return False
    half = spec.objects_min / 2
    if objects < half * (1.0 + openness):
        return False
    repeated = max(_REPEATED, 1.0 + half / objects, spec.repetition * openness)
    return repetition >= min(spec.repetition, repeated)


def _tireless(evidence: Evidence, spec: CampaignSpec) -> Bool:
    """(A,) who has coincided with somebody in more of the last day than people are awake."""
    found: Bool = evidence.buckets * spec.bucket_us >= spec.awake_us
    return found


def _parents(evidence: Evidence, community: Community) -> tuple[float, float]:
    """How many of the community's objects have the parent of a coincidence's object, on average over its coincidences:
    what it has in common by chance counts little.  And the share of the parent with most coincidences.
    """
    _, at, siblings = np.unique(evidence.parent[community.objects], return_inverse=True, return_counts=True)
    share = np.bincount(at, community.pairs) / community.pairs.sum()
    return float(share @ siblings), float(share.max())
