"""Evidence: all coincidences that have not expired, each pair and object once, and how strong they make each pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.campaigns.coincidence import Coincidences
from state.cells import run_lengths, run_starts
from state.order import numbered
from state.types import DAY_US, F64, I32, I64, U64, Bool

TIMES_MAX: Final = 4.0
"""Again and again on one object says less and less: more often than this counts as this often."""
_NO_KEYS: Final = np.zeros(0, np.uint64)


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
    varied: (P,) whether the objects have two parents.
    """

    start: I64
    low: I64
    high: I64
    objects: I64
    times: F64
    weight: F64
    varied: Bool

    def __len__(self) -> int:
        return len(self.low)


def gather(segments: Sequence[Coincidences], visits_max: float) -> Evidence:
    """Of segments in the order of time.  Objects that were last told with more visits a day tell nothing."""
    account, who = numbered(np.concatenate([_NO_KEYS, *(s.account for s in segments)]))
    object_, parent, visits, what = _objects(segments)
    rows = [len(s.low) for s in segments]
    first, first_object = _firsts([s.account for s in segments], rows), _firsts([s.object for s in segments], rows)
    on = what[_joined([s.on for s in segments]) + first_object]
    rare = visits[on] <= visits_max
    low, high = (
        who[(_joined(parts) + first)[rare]] for parts in ([s.low for s in segments], [s.high for s in segments])
    )
    ends = np.unique(np.array([s.end_us for s in segments], np.int64))
    end = np.repeat(np.searchsorted(ends, [s.end_us for s in segments]).astype(np.int32), rows)[rare]
    buckets = _buckets(low, high, end, ends, len(account))
    start, low, high, on, end = _ordered(low, high, on[rare], end, len(account), len(object_), len(ends))
    length = run_lengths(start, len(end))
    times = np.minimum(length, TIMES_MAX).astype(np.float64)
    last_us = ends[end[start + length - 1]]
    degree = summed(low, times, len(account)) + summed(high, times, len(account))
    return Evidence(account, object_, parent, visits, low, high, on, times, last_us, degree, buckets)


def _joined(parts: Sequence[I32]) -> I32:
    return np.concatenate([np.zeros(0, np.int32), *parts])


def _firsts(keys: Sequence[U64], rows: Sequence[int]) -> I32:
    """(n,) of each row, how many keys the segments before its own have.  rows: of each segment."""
    sizes = np.array([len(each) for each in keys], np.int64)
    return np.repeat((np.cumsum(sizes) - sizes).astype(np.int32), rows)


def _buckets(low: I32, high: I32, end: I32, ends: I64, accounts: int) -> I64:
    first = int(np.searchsorted(ends, ends[-1] - DAY_US, side="right")) if len(ends) else 0
    width, recent = len(ends) - first, np.flatnonzero(end >= first)
    there = np.zeros(accounts * width, np.bool_)
    for who in (low, high):
        there[who[recent].astype(np.int64) * width + (end[recent] - first)] = True
    found: I64 = there.reshape(accounts, width).sum(axis=1)
    return found


def summed(at: I32 | I64, values: F64, count: int) -> F64:
    """(count,) sums of the values at each position."""
    return np.bincount(at, values, minlength=count).astype(np.float64, copy=False)


def changes(*ordered: I64) -> I64:
    """Where a new combination begins.  ordered: (n,) columns, equal combinations side by side."""
    change = np.zeros(len(ordered[0]), np.bool_)
    change[:1] = True
    for column in ordered:
        change[1:] |= column[1:] != column[:-1]
    return change.nonzero()[0]


def _objects(segments: Sequence[Coincidences]) -> tuple[U64, U64, F64, I32]:
    """All objects, what was last told of each, and of each segment's objects, which of these it is."""
    key, what = numbered(np.concatenate([_NO_KEYS, *(s.object for s in segments)]))
    parent, visits = np.zeros(len(key), np.uint64), np.zeros(len(key))
    parent[what] = np.concatenate([_NO_KEYS, *(s.parent for s in segments)])  # the last one stays
    visits[what] = np.concatenate([np.zeros(0), *(s.visits for s in segments)])
    return key, parent, visits, what


def _ordered(low: I32, high: I32, on: I32, end: I32, *sizes: int) -> tuple[I64, I64, I64, I64, I64]:
    """Where each combination of the first three begins, when rows are sorted by all four; the three of each; and (n,)
    the last of all rows.  sizes: how many accounts, objects and ends there are.

    Packed into one number where that has room: sorting values is several times as fast as sorting by four keys.
    """
    of_account, of_object, of_end = (size.bit_length() for size in sizes)
    if 2 * of_account + of_object + of_end > 63:  # bits of a positive int64
        order = np.lexsort((end, on, high, low))
        one, two, three, last = (each[order].astype(np.int64) for each in (low, high, on, end))
        start = changes(one, two, three)
        return start, one[start], two[start], three[start], last
    packed = low.astype(np.int64)
    for each, bits in ((high, of_account), (on, of_object), (end, of_end)):
        packed <<= bits
        packed |= each
    packed.sort()
    last = packed & (1 << of_end) - 1
    packed >>= of_end
    start = run_starts(packed)
    packed = packed[start]
    three = packed & (1 << of_object) - 1
    packed >>= of_object
    return start, packed >> of_account, packed & (1 << of_account) - 1, three, last


def strengths(evidence: Evidence, visits_max: float) -> Strengths:
    """Of all pairs.  An object weighs log(1 + visits_max / visits)."""
    start = changes(evidence.low, evidence.high)
    objects = run_lengths(start, len(evidence))
    weigh = np.log1p(visits_max / np.maximum(evidence.visits, 1.0))[evidence.on] * evidence.times
    parent = evidence.parent[evidence.on]
    low, high = evidence.low[start], evidence.high[start]
    if not len(start):
        nothing = np.zeros(0)
        return Strengths(start, low, high, objects, nothing, nothing, nothing.astype(np.bool_))
    times, weight = np.add.reduceat(evidence.times, start), np.add.reduceat(weigh, start)
    varied = np.minimum.reduceat(parent, start) != np.maximum.reduceat(parent, start)
    return Strengths(start, low, high, objects, times, weight, varied)


def chance(evidence: Evidence, low: I64, high: I64, times: F64) -> F64:
    """log10 of the probability that two accounts coincide so often under independence, by `log10_tail`.

    low, high: (n,) the accounts.  times: (n,) how often they coincided.  Under independence that is Poisson, with a
    mean of d1 * d2 / (2 * T), where d is how many coincidences an account has with anybody, and T how many there are:
    popularity of objects and activity of accounts are both in d.
    Source: the configuration model, Newman 2010, Networks, 13.2.
    """
    return log10_tail(times, evidence.degree[low] * evidence.degree[high] / evidence.total)


def log10_tail(seen: F64, expected: F64) -> F64:
    """log10 of a bound on the probability that a Poisson number with this mean is so large; 0 where it is no larger.

    Source: Chernoff's bound, Mitzenmacher & Upfal 2017, Probability and Computing, theorem 5.4.
    """
    mean = np.maximum(expected, 1e-12)
    more = np.maximum(seen, mean)
    bound: F64 = -(more * np.log(more / mean) - more + mean) / np.log(10)
    return bound
