"""Counted: one large table of values that entries are added to and taken from, at the cost of these entries."""

from typing import Final

import numpy as np

from state.cells import NO_TABLES, SLOT_SHIFT, VALUE_MASK, Counts, Tables, merge_tables, narrow
from state.slots import SLOT_BITS
from state.types import I64, U64, Bool

_FEW: Final = 4
"""What is apart is at most this part of the rest."""
_MANY: Final = 16
"""What is more than this part of the table is put in its place at once."""


class Counted:
    """How often each value occurs for each subject (see `Tables`), changed in place.

    main   |-----------------------------|   sorted; an entry that is taken away from stays, at 0
    apart  |-----|                           sorted; what has come since and is not in main

    A change looks its entries up in both and adds to them there; only `apart`, the smaller part, is copied for what is
    new. When that has become a quarter of main, or a half of main is at 0, the two are made one, so that an entry is
    copied a few times while it is there, however large the table is.
    """

    def __init__(self, tables: Tables = NO_TABLES) -> None:
        self._main, self._apart = Tables(tables.key, narrow(tables.count)), NO_TABLES
        self._empty = 0
        """Entries of main at 0."""

    def __len__(self) -> int:
        """Entries; some may be at 0."""
        return len(self._main) + len(self._apart)

    def whole(self) -> Tables:
        """All that there is."""
        self._unite()
        return Tables(self._main.key, narrow(self._main.count))

    def change(self, by: Tables) -> I64:
        """by: entries to add; counts below 0 take away.  Returns (m,) how often each was there before."""
        if _MANY * len(by) >= len(self._main):
            self._unite()
            before, self._main = added(self._main, by)
            return before
        before = np.zeros(len(by), np.int64)
        at, found = _places(self._main.key, by.key)
        at = at[found]
        before[found] = self._main.count[at]
        after = before[found] + by.count[found]
        self._main.count = with_room(self._main.count, after)
        self._main.count[at] = after
        self._empty += int((after == 0).sum()) - int((before[found] == 0).sum())
        others = ~found
        if others.any():
            before[others], self._apart = added(self._apart, by.where(others))
            if _FEW * len(self._apart) > len(self._main):
                self._unite()
        return before

    def take(self, slots: I64) -> Tables:
        """Takes all entries of these subjects out."""
        slots = np.sort(slots)
        at = _of_slots(self._main.key, slots)
        main = self._main.count[at]
        there = main > 0
        taken = Tables(self._main.key[at[there]], narrow(main[there]))
        self._main.count[at] = 0
        self._empty += len(taken)
        late = _of_slots(self._apart.key, slots)
        if len(late):
            taken = merge_tables([taken, Tables(self._apart.key[late], self._apart.count[late])])
            self._apart = Tables(np.delete(self._apart.key, late), np.delete(self._apart.count, late))
        if 2 * self._empty > len(self._main):
            self._unite()
        return taken

    def _unite(self) -> None:
        if self._empty:
            self._main, self._empty = self._main.where(self._main.count > 0), 0
        if len(self._apart):
            at = np.searchsorted(self._main.key, self._apart.key)
            self._main = inserted(self._main, at, self._apart)
            self._apart = NO_TABLES


def added(tables: Tables, by: Tables) -> tuple[I64, Tables]:
    """A table with entries added, or taken away with counts below 0; what comes to 0 is gone.

    Returns (m,) how often each was there before, and the new table.
    """
    before = np.zeros(len(by), np.int64)
    at, found = _places(tables.key, by.key)
    before[found] = tables.count[at[found]]
    after = before[found] + by.count[found]
    out = Tables(tables.key, with_room(tables.count.copy(), after))
    out.count[at[found]] = after
    if not found.all():
        out = inserted(out, at[~found], by.where(~found))
    return before, out.where(out.count > 0) if (by.count < 0).any() else out


def inserted(tables: Tables, at: I64, new: Tables) -> Tables:
    """A table with new entries before those at these places."""
    places = at + np.arange(len(at))
    old = np.ones(len(tables) + len(new), np.bool_)
    old[places] = False
    key, count = np.empty(len(old), np.uint64), np.empty(len(old), with_room(tables.count[:0], new.count).dtype)
    key[places], count[places] = new.key, new.count
    key[old], count[old] = tables.key, tables.count
    return Tables(key, count)


def with_room(count: Counts, values: Counts) -> Counts:
    """Counts in a type that also holds these, wider only where it must be; the same array where it need not."""
    return count.astype(np.promote_types(count.dtype, np.min_scalar_type(int(values.max(initial=0)))), copy=False)


def _places(key: U64, wanted: U64) -> tuple[I64, Bool]:
    """Where each is or would be, and which are there.  key: sorted."""
    at = np.searchsorted(key, wanted)
    if not len(key):
        return at, np.zeros(len(wanted), np.bool_)
    return at, key[np.minimum(at, len(key) - 1)] == wanted


def _of_slots(key: U64, slots: I64) -> I64:
    """Places of all entries of these subjects, ascending.  key, slots: sorted."""
    if not len(key):
        return np.zeros(0, np.int64)
    tables = np.arange((int(key[-1]) >> int(SLOT_SHIFT) >> SLOT_BITS) + 1)
    owner = ((tables[:, None] << SLOT_BITS) + slots).ravel().view(np.uint64)
    first = np.searchsorted(key, owner << SLOT_SHIFT)
    length = np.searchsorted(key, (owner << SLOT_SHIFT) | VALUE_MASK, side="right") - first
    return np.repeat(first - np.cumsum(length) + length, length) + np.arange(length.sum())
