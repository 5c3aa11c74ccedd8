"""Coincidences: which accounts were on one object in the same bucket of time, or in neighbouring ones."""

from dataclasses import dataclass, replace

import numpy as np

from state.cells import run_lengths, run_starts
from state.order import distinct
from state.types import F64, I32, U64, Names


@dataclass(frozen=True, slots=True)
class Visits:
    """Which account was on which object in one bucket, each once.  object, account: (n,) sorted by both."""

    object: U64
    account: U64

    def __len__(self) -> int:
        return len(self.object)

    def of(self, objects: U64) -> "Visits":
        """Those of some objects.  objects: sorted."""
        at = np.minimum(np.searchsorted(objects, self.object), max(len(objects) - 1, 0))
        mine = objects[at] == self.object if len(objects) else np.zeros(len(self), np.bool_)
        return Visits(self.object[mine], self.account[mine])


@dataclass(frozen=True, slots=True)
class Pairs:
    """Two accounts that coincided on an object.  object, low, high: (m,), low < high; each combination once, sorted."""

    object: U64
    low: U64
    high: U64

    def __len__(self) -> int:
        return len(self.object)


@dataclass(frozen=True, slots=True)
class Coincidences:
    """What one sender saw in the bucket that ends there.

    sender: its name.  column: of the objects.  account, account_name: (k,) of those that coincided, sorted.  object,
    object_name, parent, visits: (o,) of the objects that they coincided on, and of those that have become too popular
    to tell anything, sorted; parent: what each belongs to; visits: a day.  low, high, on: (m,) positions of the two
    accounts and of the object.
    """

    end_us: int
    sender: str
    column: str
    account: U64
    account_name: Names
    object: U64
    object_name: Names
    parent: U64
    visits: F64
    low: I32
    high: I32
    on: I32

    def without(self, account: int) -> "Coincidences":
        """Those of others: nothing of the account is left."""
        gone = np.flatnonzero(self.account == np.uint64(account))
        if not len(gone):
            return self
        stay = (self.low != gone[0]) & (self.high != gone[0])
        low, high = ((at - (at > gone[0])).astype(np.int32) for at in (self.low[stay], self.high[stay]))
        return replace(
            self,
            account=np.delete(self.account, gone),
            account_name=np.delete(self.account_name, gone),
            low=low,
            high=high,
            on=self.on[stay],
        )


def coincide(now: Visits, before: Visits, accounts_max: int) -> Pairs:
    """Pairs in this bucket, and of this one with the one before.

    Objects with more than accounts_max accounts in either bucket give none there, so that the number of pairs is at
    most 1.5 * accounts_max per visit.
    """
    objects = distinct(np.concatenate([now.object, before.object]))
    here, there = _Groups(now, objects, accounts_max), _Groups(before, objects, accounts_max)
    parts = [_cross(here, here), _cross(here, there)]
    on, a, b = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    low, high = np.minimum(a, b), np.maximum(a, b)
    two = low != high
    return _distinct(on[two], low[two], high[two])


def _distinct(on: U64, low: U64, high: U64) -> Pairs:
    order = np.lexsort((high, low, on))
    on, low, high = on[order], low[order], high[order]
    new = np.ones(len(on), np.bool_)
    new[1:] = (on[1:] != on[:-1]) | (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    return Pairs(on[new], low[new], high[new])


class _Groups:
    """Visits by object.  objects: all that there are.  start, size: (O,) where each one's begin, and how many it has;
    size 0 where these are too many.
    """

    def __init__(self, visits: Visits, objects: U64, accounts_max: int) -> None:
        self.visits = visits
        self.start = np.zeros(len(objects), np.int64)
        self.size = np.zeros(len(objects), np.int64)
        starts = run_starts(visits.object)
        at = np.searchsorted(objects, visits.object[starts])
        self.start[at] = starts
        self.size[at] = run_lengths(starts, len(visits))
        self.size[self.size > accounts_max] = 0


def _cross(one: _Groups, other: _Groups) -> tuple[U64, U64, U64]:
    """Object and both accounts of each combination; those with themselves are among them."""
    count = one.size * other.size
    at = np.flatnonzero(count)
    count = count[at]
    group = np.repeat(at, count)
    nth = np.arange(len(group)) - np.repeat(np.cumsum(count) - count, count)
    first, second = np.divmod(nth, other.size[group])
    a = one.visits.account[one.start[group] + first]
    b = other.visits.account[other.start[group] + second]
    return one.visits.object[one.start[group]], a, b
