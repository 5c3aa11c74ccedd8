"""A sample of scores as one group, the people, or as people and a second group beyond them: who is which?

Attackers are in the sample from the first day, and a tail fitted to all of it takes them for what people do.  So the
sample is also read as a mixture: people, with a generalised Pareto tail (`detectors.tail`), and a second group, a hump
of normally distributed scores.  Expectation maximisation (Dempster, Laird & Rubin 1977) from several starts.  The
second group is believed only where the likelihood says so clearly (Schwarz 1978: its three parameters cost 1.5 log n,
and there is a margin), where hardly any people are in its middle, and while it is no majority.  A group of more than a
quarter of the sample, all alike, is taken for people: the body of the sample is then its own.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.tail import Tail, fit_tail
from state.types import F32, F64, HOUR_US

SETTLED_US: Final = 16 * HOUR_US
"""How old a stream is before small groups are believed: who is there in the first hours is no sample of a day."""
GROUPS_MAX: Final = 6
"""Groups that are set apart at most."""
_STARTS: Final = (0.01, 0.03, 0.08, 0.16, 0.30)
"""Shares of the sample, from the top, that the second group may begin with."""
_ROUNDS: Final = 12
_MARGIN: Final = 3.0
"""Nats by which the mixture must beat what its parameters cost."""
_SHARE_MAX: Final = 0.5
_PEOPLE_BEYOND: Final = 0.02
"""At most this share of people lies beyond the middle of the second group."""
_SPREADS_APART: Final = 1.5
"""Its middle lies so many of its own spreads beyond the start of the people's tail: a few outliers are no hump."""
_TINY: Final = 1e-300
_ROOT_2_PI: Final = float(np.sqrt(2 * np.pi))


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """A second group.  share: of the sample.  middle, spread: of its scores.  belongs: (n,) float64, the probability
    that each score of the sample, ascending, is one of its.
    """

    share: float
    middle: float
    spread: float
    belongs: F64


def people_among(ordered: F32, tail_share: float) -> F64:
    """(n,) float64, P(person) of each score of a sample, (n,) ascending: groups are set apart one after another, the
    plainest first, as long as most are people.
    """
    people = np.ones(len(ordered))
    for _ in range(GROUPS_MAX):
        mine = np.flatnonzero(people >= 0.5)
        group = second_group(ordered[mine], tail_share)
        if group is None or len(mine) * (1 - group.share) < _SHARE_MAX * len(people):
            break
        people[mine] = 1.0 - group.belongs
    return people


def second_group(ordered: F32, tail_share: float, usual: float | None = None) -> Group | None:
    """The second group of a sample, (n,) float32 ascending; None where there is none to be sure of.

    tail_share: of the people, where their fitted tail begins.  usual: the shape that this tail is known to have.
    """
    one = fit_tail(ordered, tail_share, usual=usual)
    if one is None:
        return None
    values = ordered.astype(np.float64)
    cut = int(np.searchsorted(values, one.start, side="right"))
    alone = float(np.log(np.maximum(one.density(values[cut:]), _TINY)).sum()) + cut * np.log(1 - tail_share)
    best, gain = None, 1.5 * np.log(len(values)) + _MARGIN
    for start in _STARTS:
        found = _separate(ordered, values, cut, start, tail_share, usual)
        if found is not None and found[1] - alone > gain:
            best, gain = found[0], found[1] - alone
    return best


def _separate(
    ordered: F32, values: F64, cut: int, start: float, tail_share: float, usual: float | None
) -> tuple[Group, float] | None:
    """The second group from one start, and the log-likelihood of both; None where they are no two.

    The likelihood counts what lies above `cut` one by one, and all below as one event, as that of one group does.
    """
    n = len(values)
    first = np.zeros(n)
    first[n - max(4, int(start * n)) :] = 1.0
    both: tuple[Tail, Group] | None = None
    for _ in range(_ROUNDS):
        both = _step(ordered, values, first if both is None else _belongs(*both, values), tail_share, usual)
        if both is None:
            return None
    assert both is not None
    people, group = both
    belongs = _belongs(people, group, values)
    beyond = float(people.survival(np.array([group.middle]))[0]) if group.middle > people.start else 1.0
    apart = group.middle - people.start >= _SPREADS_APART * group.spread
    if group.share > _SHARE_MAX or beyond > _PEOPLE_BEYOND or not apart:
        return None
    tail = values[cut:]
    mine = np.where(tail >= people.start, people.density(np.maximum(tail, people.start)), 0.0)
    edge = max(float(values[min(cut, n - 1)]), people.start)
    below = (1 - group.share) * (1 - float(people.survival(np.array([edge]))[0]))
    mixed = (1 - group.share) * mine + group.share * _normal(tail, group)
    likelihood = float(np.log(np.maximum(mixed, _TINY)).sum()) + cut * float(np.log(max(below, _TINY)))
    return Group(group.share, group.middle, group.spread, belongs), likelihood


def _step(ordered: F32, values: F64, belongs: F64, tail_share: float, usual: float | None) -> tuple[Tail, Group] | None:
    """The tail of the people and the second group, given who belongs to it; None where they are no two."""
    people, mass = fit_tail(ordered, tail_share, 1.0 - belongs, usual), float(belongs.sum())
    if people is None or mass < 3:
        return None
    middle = float((belongs * values).sum()) / mass
    variance = float((belongs * (values - middle) ** 2).sum()) / mass
    return people, Group(mass / len(values), middle, max(variance**0.5, 0.5 * people.scale), belongs)


def _belongs(people: Tail, group: Group, values: F64) -> F64:
    """(n,) P(second group) of each score: 0 in the body of the people, and never falling beyond the group's middle,
    where a heavy tail of people would claim whatever is far out.
    """
    low = int(np.searchsorted(values, people.start, side="right"))
    tail = values[low:]
    theirs = group.share * _normal(tail, group)
    odds = theirs / np.maximum((1 - group.share) * people.density(tail) + theirs, _TINY)
    beyond = int(np.searchsorted(tail, group.middle, side="right"))
    if 0 < beyond < len(odds):
        odds[beyond:] = np.maximum(odds[beyond:], odds[beyond - 1])
    return np.concatenate([np.zeros(low), odds])


def _normal(values: F64, group: Group) -> F64:
    return np.exp(-0.5 * ((values - group.middle) / group.spread) ** 2) / (group.spread * _ROOT_2_PI)
