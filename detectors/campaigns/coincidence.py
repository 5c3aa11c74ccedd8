"""Coincidences: which accounts were on one object in the same bucket of time, or in neighbouring ones."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from state.cells import run_lengths, run_starts
from state.order import distinct, numbered
from state.types import F64, I32, I64, U64, Names

_BITS: Final = 63
"""Of a positive int64."""


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
    """Two accounts that coincided on an object.

    object, account: (o,) and (k,) hashes of those that have some, sorted.  on, low, high: (m,) positions of the object
    and of both accounts, low < high; each combination once, sorted by these three.
    """

    object: U64
    account: U64
    on: I32
    low: I32
    high: I32

    def __len__(self) -> int:
        return len(self.on)


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
    accounts, who = numbered(np.concatenate([now.account, before.account]))
    here = _Groups(now.object, who[: len(now)], objects, accounts_max)
    there = _Groups(before.object, who[len(now) :], objects, accounts_max)
    parts = [_cross(here, here), _cross(here, there)]
    on, a, b = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    low, high = np.minimum(a, b), np.maximum(a, b)
    two = low != high
    on, low, high = _distinct(on[two], low[two], high[two], len(objects), len(accounts))
    with_some, has_some = np.zeros(len(objects), np.bool_), np.zeros(len(accounts), np.bool_)
    with_some[on] = has_some[low] = has_some[high] = True
    of_object, of_account = (np.cumsum(some, dtype=np.int32) - np.int32(1) for some in (with_some, has_some))
    return Pairs(objects[with_some], accounts[has_some], of_object[on], of_account[low], of_account[high])


def _distinct(on: I64, low: I32, high: I32, objects: int, accounts: int) -> tuple[I64, I64, I64]:
    """Each combination once, sorted.  objects, accounts: how many of them there are at most.

    Packed into one number where that has room: sorting values is several times as fast as sorting by three keys.
    """
    bits = accounts.bit_length()
    if objects.bit_length() + 2 * bits > _BITS:
        order = np.lexsort((high, low, on))
        columns = [each[order].astype(np.int64) for each in (on, low, high)]
        new = np.ones(len(on), np.bool_)
        new[1:] = np.logical_or.reduce([each[1:] != each[:-1] for each in columns])
        one, two, three = (each[new] for each in columns)
        return one, two, three
    packed = distinct((((on << bits) | low) << bits) | high)
    least = (1 << bits) - 1
    return packed >> (2 * bits), (packed >> bits) & least, packed & least


class _Groups:
    """Visits by object.  on: (n,) of each visit, sorted.  account: (n,) number of its account.  objects: all that there
    are.  start, size: (O,) where each one's begin, and how many it has; size 0 where these are too many.
    """

    def __init__(self, on: U64, account: I32, objects: U64, accounts_max: int) -> None:
        self.account = account
        self.start = np.zeros(len(objects), np.int64)
        self.size = np.zeros(len(objects), np.int64)
        starts = run_starts(on)
        at = np.searchsorted(objects, on[starts])
        self.start[at] = starts
        self.size[at] = run_lengths(starts, len(on))
        self.size[self.size > accounts_max] = 0


def _cross(one: _Groups, other: _Groups) -> tuple[I64, I32, I32]:
    """Object and both accounts of each combination; those with themselves are among them."""
    count = one.size * other.size
    at = np.flatnonzero(count)
    count = count[at]
    group = np.repeat(at, count)
    nth = np.arange(len(group)) - np.repeat(np.cumsum(count) - count, count)
    first, second = np.divmod(nth, other.size[group])
    return group, one.account[one.start[group] + first], other.account[other.start[group] + second]
