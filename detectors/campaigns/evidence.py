"""Evidence: all coincidences that have not expired, each pair and object once, and how strong they make each pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.campaigns.coincidence import Coincidences
from state.cells import run_lengths, run_starts
from state.order import stable_argsort
from state.types import DAY_US, F64, I64, U64, Bool

TIMES_MAX: Final = 4.0
"""Again and again on one object says less and less: more often than this counts as this often."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """account, object: (A,) and (O,) hashes, sorted; parent, visits: (O,) of the objects, as they were told last.
    low, high, on: (T,) positions of two accounts and of an object that they coincided on, sorted by these three, each
    once; times: (T,) in how many buckets, TIMES_MAX at most; last_us: (T,) the end of the last one.  degree: (A,) how
    many coincidences each account has with anybody, by times.  buckets: (A,) in how many of the last day it has any.
    """

    account: U64
    object: U64
    parent: U64
    visits: F64
    low: I64
    high: I64
    on: I64
    times: F64
    last_us: I64
    degree: F64
    buckets: I64

    @property
    def total(self) -> float:
        """Twice the number of coincidences, at least 1."""
        return max(float(self.degree.sum()), 1.0)

    def __len__(self) -> int:
        return len(self.low)


@dataclass(frozen=True, slots=True)
class Strengths:
    """Pairs of accounts, sorted.  start: (P,) where each one's coincidences begin.  low, high: (P,).  objects: (P,) how
    many different ones.  times: (P,) coincidences on them.  weight: (P,) the same, rare objects counting more.
    varied: (P,) whether the objects have two parents.  chance: (P,) log10 of the probability of so many coincidences
    under independence, by `log10_tail`.
    """

    start: I64
    low: I64
    high: I64
    objects: I64
    times: F64
    weight: F64
    varied: Bool
    chance: F64

    def __len__(self) -> int:
        return len(self.low)


def gather(segments: Sequence[Coincidences], visits_max: float) -> Evidence:
    """Of segments in the order of time.  Objects that were last told with more visits a day tell nothing."""
    account = _distinct([s.account for s in segments])
    object_, parent, visits = _objects(segments)
    low, high, on = (
        np.concatenate([np.searchsorted(of, keys)[at] for keys, at in parts] or [np.zeros(0, np.int64)])
        for of, parts in (
            (account, [(s.account, s.low) for s in segments]),
            (account, [(s.account, s.high) for s in segments]),
            (object_, [(s.object, s.on) for s in segments]),
        )
    )
    ends = np.unique(np.array([s.end_us for s in segments], np.int64))
    end = np.repeat(np.searchsorted(ends, [s.end_us for s in segments]), [len(s.low) for s in segments])
    rare = visits[on] <= visits_max
    low, high, on, end = _ordered(low[rare], high[rare], on[rare], end[rare], len(account), len(object_), len(ends))
    buckets = _buckets(low, high, end, ends, len(account))
    start = changes(low, high, on)
    length = run_lengths(start, len(low))
    times = np.minimum(length, TIMES_MAX).astype(np.float64)
    low, high, on, last_us = low[start], high[start], on[start], ends[end[start + length - 1]]
    degree = summed(low, times, len(account)) + summed(high, times, len(account))
    return Evidence(account, object_, parent, visits, low, high, on, times, last_us, degree, buckets)


def _buckets(low: I64, high: I64, end: I64, ends: I64, accounts: int) -> I64:
    first = int(np.searchsorted(ends, ends[-1] - DAY_US, side="right")) if len(ends) else 0
    recent = end >= first
    there = np.zeros((accounts, len(ends) - first), np.bool_)
    for who in (low, high):
        there[who[recent], end[recent] - first] = True
    found: I64 = there.sum(axis=1)
    return found


def summed(at: I64, values: F64, count: int) -> F64:
    """(count,) sums of the values at each position."""
    return np.bincount(at, values, minlength=count).astype(np.float64, copy=False)


def changes(*ordered: I64) -> I64:
    """Where a new combination begins.  ordered: (n,) columns, equal combinations side by side."""
    change = np.zeros(len(ordered[0]), np.bool_)
    change[:1] = True
    for column in ordered:
        change[1:] |= column[1:] != column[:-1]
    return change.nonzero()[0]


def _distinct(parts: Sequence[U64]) -> U64:
    keys = np.sort(np.concatenate([np.zeros(0, np.uint64), *parts]))  # several times as fast as np.unique
    return keys[run_starts(keys)]


def _objects(segments: Sequence[Coincidences]) -> tuple[U64, U64, F64]:
    """All objects, and what was last told of each."""
    parts = segments[::-1]
    key = np.concatenate([np.zeros(0, np.uint64), *(s.object for s in parts)])
    parent = np.concatenate([np.zeros(0, np.uint64), *(s.parent for s in parts)])
    visits = np.concatenate([np.zeros(0), *(s.visits for s in parts)])
    order = stable_argsort(key)
    first = order[run_starts(key[order])]
    return key[first], parent[first], visits[first]


def _ordered(low: I64, high: I64, on: I64, end: I64, *sizes: int) -> tuple[I64, I64, I64, I64]:
    """Sorted by all four.  sizes: how many accounts, objects and ends there are.

    Packed into one number where that has room: sorting values is several times as fast as sorting by four keys.
    """
    accounts, objects, ends = sizes
    if accounts * accounts * objects * ends < 2**63:
        packed = ((low * accounts + high) * objects + on) * ends + end
        packed.sort()
        packed, end = np.divmod(packed, max(ends, 1))
        packed, on = np.divmod(packed, max(objects, 1))
        low, high = np.divmod(packed, max(accounts, 1))
        return low, high, on, end
    order = np.lexsort((end, on, high, low))
    return low[order], high[order], on[order], end[order]


def strengths(evidence: Evidence, visits_max: float) -> Strengths:
    """Of all pairs.

    An object weighs log(1 + visits_max / visits).  Under independence the number of coincidences of two accounts is
    Poisson, with a mean of d1 * d2 / (2 * T), where d is how many an account has with anybody, and T how many there
    are: popularity of objects and activity of accounts are both in d.
    Source: the configuration model, Newman 2010, Networks, 13.2.
    """
    start = changes(evidence.low, evidence.high)
    objects = run_lengths(start, len(evidence))
    weigh = np.log1p(visits_max / np.maximum(evidence.visits, 1.0))[evidence.on] * evidence.times
    parent = evidence.parent[evidence.on]
    low, high = evidence.low[start], evidence.high[start]
    if not len(start):
        nothing = np.zeros(0)
        return Strengths(start, low, high, objects, nothing, nothing, nothing.astype(np.bool_), nothing)
    times, weight = np.add.reduceat(evidence.times, start), np.add.reduceat(weigh, start)
    expected = evidence.degree[low] * evidence.degree[high] / evidence.total
    varied = np.minimum.reduceat(parent, start) != np.maximum.reduceat(parent, start)
    return Strengths(start, low, high, objects, times, weight, varied, log10_tail(times, expected))


def log10_tail(seen: F64, expected: F64) -> F64:
    """log10 of a bound on the probability that a Poisson number with this mean is so large; 0 where it is no larger.

    Source: Chernoff's bound, Mitzenmacher & Upfal 2017, Probability and Computing, theorem 5.4.
    """
    mean = np.maximum(expected, 1e-12)
    more = np.maximum(seen, mean)
    bound: F64 = -(more * np.log(more / mean) - more + mean) / np.log(10)
    return bound
