"""Orders of rows.  Sorting values is two to four times as fast as sorting positions, so positions ride along."""

from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from state.types import I32, I64, U64, Bool

_FEW: Final = 300
"""Below this many values the plain way is as fast."""

Whole = TypeVar("Whole", np.int64, np.uint64)


def distinct(values: NDArray[Whole]) -> NDArray[Whole]:
    """Whole numbers, sorted, each once.  As np.unique, which hashes them first, and takes thirty times as long."""
    ordered = np.sort(values)
    new = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return ordered[new]


def numbered(values: NDArray[Whole]) -> tuple[NDArray[Whole], I32]:
    """The different values, sorted, and (n,) which of them each is.  values: fewer than 2**31, none below 0."""
    order = stable_argsort(values.view(np.uint64))
    ordered = values[order]
    new = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    number = np.cumsum(new, dtype=np.int32)
    number -= 1
    at = np.empty(len(order), np.int32)
    at[order] = number
    return ordered[new], at


def stable_argsort(values: U64) -> I64:
    """As np.argsort(values, kind="stable").

    Value and position are packed into one number, and these are sorted.  Values too large to leave room for the
    position lose their low bits to it; where that leaves some out of order, their stretch is sorted again.
    """
    n = len(values)
    if n < _FEW:
        return np.argsort(values, kind="stable")
    bits = n.bit_length()
    lost = max(0, int(values.max()).bit_length() + bits - 64)
    packed = (values >> np.uint64(lost)) << np.uint64(bits)
    packed |= np.arange(n, dtype=np.uint64)
    packed.sort()
    head = packed >> np.uint64(bits)
    order = (packed ^ (head << np.uint64(bits))).view(np.int64)
    if lost:
        ordered = values[order]
        wrong = np.flatnonzero(ordered[1:] < ordered[:-1])
        if len(wrong) > n // 64:
            return np.argsort(values, kind="stable")
        for value in sorted(set(head[wrong].tolist())):
            start, stop = np.searchsorted(head, np.array([value, value + 1], np.uint64))  # not as float64
            stretch = order[start:stop]
            order[start:stop] = stretch[np.argsort(values[stretch], kind="stable")]
    return order


def chronological(subject: U64, time_us: I64, event_key: U64) -> I64:
    """Row positions in (subject, event time, event key) order.

    Rows come nearly in the order of their times, so they are sorted by subject, stably; then by time those of subjects
    that are out of order; then by event key those that tie.
    """
    order = stable_argsort(subject)
    subject, times = subject[order], time_us[order]
    same = subject[1:] == subject[:-1]
    back = same & (times[1:] < times[:-1])
    if back.any():
        run = np.concatenate([[0], np.cumsum(~same)])
        unsorted = np.zeros(int(run[-1]) + 1, np.bool_)
        unsorted[run[1:][back]] = True
        rows = np.flatnonzero(unsorted[run])
        order[rows] = order[rows][_by_run_and_time(run[rows], times[rows])]
        times = time_us[order]
    tied = same & (times[1:] == times[:-1])
    if tied.any():
        _untie(order, tied, subject, times, event_key)
    return order


def _untie(order: I64, tied: Bool, subject: U64, times: I64, event_key: U64) -> None:
    """Orders rows of one subject and time by event key.  tied: (n - 1,) about the rows i and i + 1."""
    two = tied.copy()  # most are two that change places, or do not
    two[1:] &= ~tied[:-1]
    two[:-1] &= ~tied[1:]
    first = np.flatnonzero(two)
    one, other = order[first], order[first + 1]
    wrong = event_key[one] > event_key[other]
    order[first[wrong]], order[first[wrong] + 1] = other[wrong], one[wrong]
    several = _either(tied & ~two)
    if len(several):
        at = order[several]
        order[several] = at[np.lexsort((event_key[at], times[several], subject[several]))]


def _by_run_and_time(run: I64, time_us: I64) -> I64:
    since_us = time_us - time_us.min()
    bits = int(since_us.max()).bit_length()
    if bits + int(run[-1]).bit_length() > 63:
        return np.lexsort((time_us, run))
    return stable_argsort(((run << bits) | since_us).view(np.uint64))


def _either(pairs: Bool) -> I64:
    """Positions that are the one or the other of a pair.  pairs: (n - 1,) about the rows i and i + 1."""
    either = np.zeros(len(pairs) + 1, np.bool_)
    either[:-1] = pairs
    either[1:] |= pairs
    return either.nonzero()[0]
