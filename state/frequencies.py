"""Frequencies of frequencies: how many values occur once, twice, ... for each subject, all that features ask of tables.

They are a function of the counts alone, in one order, whatever became of them on the way: sums of floats over them are
equal to the bit. And they are few: who has played 500 tracks has played most of them once.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from state.cells import (
    NO_TABLES,
    TABLE_BITS,
    VALUE_MASK,
    Cells,
    Counts,
    Tables,
    merge_tables,
    narrow,
    run_lengths,
    run_starts,
    summed,
)
from state.counted import Counted, added
from state.packed import Packed
from state.slots import SLOT_BITS
from state.types import I64, U64

_ONE: Final = np.uint64(1)
_WITHIN: Final = (np.uint64(1) << np.uint64(64 - TABLE_BITS)) - np.uint64(1)
"""The bits of a key within its table."""
_FACTOR: Final = 3
"""What changing an entry costs, beside making one anew."""
_FEW: Final = 32
"""A window of so few slides is made anew each time: what is changed takes as many bytes again as its slides."""
_ROOM: Final = 3
"""Fewer bits for counts would cut too many entries up."""
_LITTLE: Final = 4096
"""So many entries are made anew in the time that any change takes."""


def frequencies(tables: Tables) -> Tables:
    """How many values occur how often.

    Returns a table whose values are the counts: key: table << 59 | slot << 39 | how often; count: how many values.
    """
    key = _keys(tables.key, tables.count)
    key.sort()
    starts = run_starts(key)
    return Tables(key[starts], run_lengths(starts, len(key)))


class Running:
    """The frequencies of a window, changed by the slides that come into it and those that leave it.

    Where these are many beside what stays, or all is little, making them anew is cheaper; what comes out is the same.
    """

    def __init__(self, slides: int) -> None:
        """slides: in a window."""
        self._few = slides <= _FEW
        self._counted: Counted | None = None
        """All that the window holds; None where that is made anew each time."""
        self._found = NO_TABLES
        """The frequencies of that."""
        self._changes = 0
        """Entries that came and left last."""

    def move(self, came: Sequence[Tables], left: Sequence[Tables]) -> None:
        """From one window to the next."""
        if self._few:
            return
        self._changes = sum(map(len, (*came, *left)))
        if self._counted is None or len(self._counted) < self._much:
            self._counted, self._found = None, NO_TABLES
        elif self._changes:
            self._change(_difference(came, left))

    def tell(self, slides: Mapping[int, Cells | Packed]) -> Tables:
        """The frequencies.  slides: the window's now."""
        if self._counted is not None:
            return self._found
        held = [cells.tables for cells in slides.values() if len(cells.tables)]
        whole = _whole(held, max((int(cells.slot[-1]) for cells in slides.values()), default=0))
        found = frequencies(whole)
        if not self._few and sum(map(len, held)) >= 2 * self._much:
            self._counted, self._found = Counted(whole), Tables(found.key, narrow(found.count))
        return found

    def drop(self, slots: I64) -> None:
        """Takes subjects out."""
        if self._counted is not None:
            self._counted.take(slots)
            self._found = self._found.where(~np.isin(self._found.slot, slots))

    @property
    def _much(self) -> int:
        """So many entries are worth changing and not making anew."""
        return _FACTOR * self._changes + _LITTLE

    def _change(self, by: Tables) -> None:
        assert self._counted is not None
        before = self._counted.change(by)
        after = before + by.count
        was, remains = before > 0, after > 0
        change = _net(_keys(by.key[was], before[was]), _keys(by.key[remains], after[remains]))
        _, self._found = added(self._found, change)


def _whole(parts: Sequence[Tables], last: int) -> Tables:
    """As `merge_tables`, faster: counts ride along in the bits that the slots leave, so that values are sorted, and not
    positions.  last: the largest slot.
    """
    bits = SLOT_BITS - last.bit_length()
    if len(parts) <= 1 or bits < _ROOM:
        return merge_tables(parts)
    room, most = np.uint64(bits), (1 << bits) - 1
    key = np.concatenate([t.key for t in parts])
    count = np.concatenate([t.count for t in parts])
    if count.max() > most:
        if int((count // most).sum()) > len(key):
            return merge_tables(parts)
        entry, count = at_most(np.arange(len(key)), count.astype(np.int64), most)
        key = key[entry]
    within = key & _WITHIN
    packed = key ^ within
    packed |= within << room
    packed |= count.astype(np.uint64)
    packed.sort()
    head = packed >> room
    starts = run_starts(head)
    packed &= np.uint64(most)
    head = head[starts]
    within = head & (_WITHIN >> room)
    return Tables(((head ^ within) << room) | within, np.add.reduceat(packed, starts))


def at_most(entry: I64, count: I64, most: int) -> tuple[I64, I64]:
    """Entries, those that count more in several."""
    if count.max(initial=0) <= most:
        return entry, count
    parts = -(-count // most)
    rest = count - most * (parts - 1)
    count = np.full(int(parts.sum()), most)
    count[np.cumsum(parts) - 1] = rest
    return np.repeat(entry, parts), count


def _keys(key: U64, count: Counts) -> U64:
    return (key & ~VALUE_MASK) | count.astype(np.uint64)


def _net(minus: U64, plus: U64) -> Tables:
    """How often each key comes in plus, less how often in minus; nothing is at 0.

    One sort of numbers: the counts in the keys leave room for a bit that tells the two apart.
    """
    key = np.concatenate([minus, plus])
    sign = (key & ~VALUE_MASK) | ((key & VALUE_MASK) << _ONE)
    sign[: len(minus)] |= _ONE
    sign.sort()
    starts = run_starts(sign | _ONE)
    net = run_lengths(starts, len(sign)) - 2 * np.add.reduceat((sign & _ONE).view(np.int64), starts)
    changed = net != 0
    key = sign[starts[changed]]
    return Tables((key & ~VALUE_MASK) | ((key & VALUE_MASK) >> _ONE), net[changed])


def _difference(plus: Sequence[Tables], minus: Sequence[Tables]) -> Tables:
    """What is to be added, below 0 what is to be taken away; nothing is at 0."""
    count = [*(t.count for t in plus), *(-t.count.astype(np.int64) for t in minus)]
    both = summed(Tables(np.concatenate([t.key for t in (*plus, *minus)]), np.concatenate(count)))
    return both.where(both.count != 0)
