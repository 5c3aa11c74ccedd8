"""A sample of scores as one group, the people, or as people and a second group beyond them: who is which?

Attackers are in the sample from the first day, and a tail fitted to all of it takes them for what people do.  So the
sample is also read as a mixture: people, with a generalised Pareto tail (`detectors.tail`), and a second group, a hump
of normally distributed scores.  Expectation maximisation (Dempster, Laird & Rubin 1977) from several starts.  The
second group is believed only where the likelihood says so clearly (Schwarz 1978: its three parameters cost 1.5 log n,
and there is a margin), where hardly any people are in its middle, and while it is no majority.  A group of more than a
quarter of the sample, all alike, is taken for people: the body of the sample is then its own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from detectors.tail import Tail, fit_tail
from state.types import F32, F64, HOUR_US, I64

SETTLED_US: Final = 16 * HOUR_US
"""How old a stream is before small groups are believed: who is there in the first hours is no sample of a day."""
GROUPS_MAX: Final = 6
"""Groups that are set apart at most."""
_STARTS: Final = (0.01, 0.03, 0.08, 0.16, 0.30)
"""Shares of the sample, from the top, that the second group may begin with."""
_FIRST_STEPS: Final = 4
_MORE_STEPS: Final = 8
_PURSUED: Final = 2
"""Each start is followed for a few steps, the most likely ones to the end."""
_MARGIN: Final = 3.0
_STRICT_MARGIN: Final = 12.0
"""Nats by which the mixture must beat what its parameters cost."""
_SHARE_MAX: Final = 0.5
_PEOPLE_BEYOND: Final = 0.02
_FURTHER_BEYOND: Final = 0.01
_STRICT_BEYOND: Final = 0.005
"""At most this share of people lies beyond the middle of the second group.  Of a further one less: each that is set
apart makes the people's tail thinner, and the next one easier to believe, until half of them are gone.
"""
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
    """(n,) float64, P(person) of each score of a sample, (n,) ascending."""
    people = np.ones(len(ordered))
    for _ in set_apart(people, lambda mine: ordered[mine], tail_share):
        pass
    return people


def set_apart(
    people: F64, scores: Callable[[I64], F32 | F64], tail_share: float, usual: float | None = None
) -> Iterator[I64]:
    """Sets groups apart one after another, the plainest first, as long as most are people; yields whom each time asked.

    people: (n,) float64, P(person), which is written to.  scores: of those at some positions; asked anew for each
    group, because what is left may have been judged anew.  tail_share, usual: as in `second_group`.
    """
    for i in range(GROUPS_MAX):
        mine = np.flatnonzero(people >= 0.5)
        found = scores(mine)
        order = np.argsort(found, kind="stable")
        group = second_group(found[order].astype(np.float32), tail_share, usual, further=i > 0)
        if group is None or len(mine) * (1 - group.share) < _SHARE_MAX * len(people):
            return
        people[mine[order]] = 1.0 - group.belongs
        yield mine


def second_group(
    ordered: F32, tail_share: float, usual: float | None = None, strict: bool = False, further: bool = False
) -> Group | None:
    """The second group of a sample, (n,) float32 ascending; None where there is none to be sure of.

    tail_share: of the people, where their fitted tail begins.  usual: the shape that this tail is known to have.
    strict: for scores of which people may have several modes, where only what is far beyond them is believed.
    further: another group was set apart before.
    """
    one = fit_tail(ordered, tail_share, usual=usual)
    if one is None:
        return None
    values = ordered.astype(np.float64)
    cut = int(np.searchsorted(values, one.start, side="right"))
    alone = float(np.log(np.maximum(one.density(values[cut:]), _TINY)).sum()) + cut * np.log(1 - tail_share)
    sample = _Sample(ordered, values, cut, tail_share, usual)
    begun = [sample.begin(start) for start in _STARTS]
    likely = sorted((found for found in begun if found is not None), key=lambda found: -found.likelihood)
    best, gain = None, 1.5 * np.log(len(values)) + (_STRICT_MARGIN if strict else _MARGIN)
    beyond = _STRICT_BEYOND if strict else _FURTHER_BEYOND if further else _PEOPLE_BEYOND
    for found in map(sample.go_on, likely[:_PURSUED]):
        believed = found is not None and found.beyond <= beyond and found.apart
        if found is not None and believed and found.likelihood - alone > gain:
            best, gain = found.group, found.likelihood - alone
    return best


@dataclass(frozen=True, slots=True, eq=False)
class _Mixture:
    """People and a second group.  likelihood: the logarithm of both's.  beyond: the share of people beyond the middle
    of the group.  apart: whether it is no majority, and lies far enough from where the people's tail begins.
    """

    people: Tail
    group: Group
    likelihood: float
    beyond: float
    apart: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """What a mixture is fitted to.  The likelihood counts what lies above `cut` one by one, and all below as one event,
    as that of one group does.
    """

    ordered: F32
    values: F64
    cut: int
    tail_share: float
    usual: float | None

    def begin(self, share: float) -> _Mixture | None:
        """From the top `share` as the second group; None where they are no two."""
        belongs = np.zeros(len(self.values))
        belongs[len(belongs) - max(4, int(share * len(belongs))) :] = 1.0
        return self._steps(belongs, _FIRST_STEPS)

    def go_on(self, mixture: _Mixture) -> _Mixture | None:
        return self._steps(mixture.group.belongs, _MORE_STEPS)

    def _steps(self, belongs: F64, steps: int) -> _Mixture | None:
        both: tuple[Tail, Group] | None = None
        for _ in range(steps):
            both = self._step(belongs)
            if both is None:
                return None
            belongs = _belongs(*both, self.values)
        assert both is not None
        people, group = both[0], replace(both[1], belongs=belongs)
        beyond = float(people.survival(np.array([group.middle]))[0]) if group.middle > people.start else 1.0
        far = group.middle - people.start >= _SPREADS_APART * group.spread
        return _Mixture(people, group, self._likelihood(people, group), beyond, far and group.share <= _SHARE_MAX)

    def _step(self, belongs: F64) -> tuple[Tail, Group] | None:
        """The tail of the people and the second group, given who belongs to it; None where they are no two."""
        people, mass = fit_tail(self.ordered, self.tail_share, 1.0 - belongs, self.usual), float(belongs.sum())
        if people is None or mass < 3:
            return None
        middle = float((belongs * self.values).sum()) / mass
        variance = float((belongs * (self.values - middle) ** 2).sum()) / mass
        return people, Group(mass / len(belongs), middle, max(variance**0.5, 0.5 * people.scale), belongs)

    def _likelihood(self, people: Tail, group: Group) -> float:
        tail = self.values[self.cut :]
        mine = np.where(tail >= people.start, people.density(np.maximum(tail, people.start)), 0.0)
        edge = max(float(self.values[min(self.cut, len(self.values) - 1)]), people.start)
        below = (1 - group.share) * (1 - float(people.survival(np.array([edge]))[0]))
        mixed = (1 - group.share) * mine + group.share * _normal(tail, group)
        return float(np.log(np.maximum(mixed, _TINY)).sum()) + self.cut * float(np.log(max(below, _TINY)))


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
