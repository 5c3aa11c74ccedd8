"""SlotTable: subjects of one key group as rows of arrays, with a capacity and a way out."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from state.errors import SnapshotError
from state.snapshot import pack, unpack
from state.types import END_OF_TIME_US, I64, U64, Bool, Names

SLOT_BITS: Final = 20
"""A slot fits in this many bits: at most 1,048,576 subjects in one key group."""


class SlotTable:
    """subject hash <-> slot.  Slots of subjects that left are given out again, smallest first.

    capacity: idle subjects kept; when a new one does not fit, the longest-silent leaves. Subjects that are active in
    the same pane are never evicted for each other, so a pane with more subjects than the capacity grows the table.
    ttl_us: event-time silence after which a subject leaves.
    """

    def __init__(self, capacity: int, ttl_us: int) -> None:
        self.capacity = capacity
        self.ttl_us = ttl_us
        self.evicted = 0
        self.expired = 0
        self._key: U64 = np.zeros(64, np.uint64)
        self._name: Names = np.full(64, None, dtype=object)
        self._seen_us: I64 = np.zeros(64, np.int64)
        self._live: Bool = np.zeros(64, np.bool_)
        self._used = 0
        self._free: I64 = np.zeros(0, np.int64)
        self._sorted_key: U64 = np.zeros(0, np.uint64)
        self._sorted_slot: I64 = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self._sorted_key)

    @property
    def size(self) -> int:
        """Slots ever used: arrays indexed by slot need at least this length."""
        return self._used

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays, without the names' text."""
        arrays: tuple[NDArray[Any], ...] = (
            self._key,
            self._name,
            self._seen_us,
            self._live,
            self._sorted_key,
            self._sorted_slot,
        )
        return sum(a.nbytes for a in arrays)

    def key(self, slot: I64) -> U64:
        return self._key[slot]

    def name(self, slot: I64) -> Names:
        return self._name[slot]

    def enter(self, keys: U64, names: Callable[[I64], Names], seen_us: I64) -> tuple[I64, I64]:
        """Slots of these subjects, giving new ones a slot; and the slots that were evicted to make room.

        keys: (n,) sorted, without repeats.  names: gives the names of the keys at some positions; only new subjects'
        are asked for.  seen_us: (n,) event time of their last row.
        """
        at, known = self._find(keys)
        evicted: I64 = np.zeros(0, np.int64)
        new = np.flatnonzero(~known)
        if len(new):
            surplus = len(self) + len(new) - self.capacity
            if surplus > 0:
                evicted = self._evict(surplus, keep=self._sorted_slot[at[known]])
                at, known = self._find(keys)
            given = self._give(len(new))
            self._key[given] = keys[new]
            self._name[given] = names(new)
            self._seen_us[given] = seen_us[new]
            self._live[given] = True
            self._sorted_key = np.insert(self._sorted_key, at[new], keys[new])
            self._sorted_slot = np.insert(self._sorted_slot, at[new], given)
            # Each key moved up by the new ones before it.
            at = at + np.cumsum(~known) - ~known
        slots = self._sorted_slot[at]
        self._seen_us[slots] = np.maximum(self._seen_us[slots], seen_us)
        return slots, evicted

    def _find(self, keys: U64) -> tuple[I64, Bool]:
        """Where each key is among the sorted ones, or would be; and whether it is there."""
        at = np.searchsorted(self._sorted_key, keys)
        if not len(self):
            return at, np.zeros(len(keys), np.bool_)
        return at, self._sorted_key[np.minimum(at, len(self) - 1)] == keys

    def first_leave_us(self) -> int:
        """Until when nobody's silence has lasted ttl_us, whoever is seen meanwhile."""
        seen_us = self._seen_us[: self._used][self._live[: self._used]]
        return int(seen_us.min()) + self.ttl_us if len(seen_us) else END_OF_TIME_US

    def expire(self, watermark_us: int) -> I64:
        """Frees the subjects that were silent for ttl_us before the watermark; their slots."""
        due = self._live[: self._used] & (self._seen_us[: self._used] < watermark_us - self.ttl_us)
        gone = np.flatnonzero(due)
        if len(gone):
            self.expired += len(gone)
            self._release(gone)
        return gone

    def _evict(self, count: int, keep: I64) -> I64:
        idle = self._live[: self._used].copy()
        idle[keep] = False
        candidates = np.flatnonzero(idle)
        order = np.lexsort((self._key[candidates], self._seen_us[candidates]))
        gone = np.sort(candidates[order[:count]])
        self.evicted += len(gone)
        self._release(gone)
        return gone

    def _release(self, slots: I64) -> None:
        self._live[slots] = False
        self._name[slots] = None
        self._free = np.sort(np.concatenate([self._free, slots]))
        stay = self._live[self._sorted_slot]
        self._sorted_key, self._sorted_slot = self._sorted_key[stay], self._sorted_slot[stay]

    def _give(self, count: int) -> I64:
        given, self._free = self._free[:count], self._free[count:]
        fresh = count - len(given)
        if fresh:
            if self._used + fresh > 1 << SLOT_BITS:
                raise SnapshotError(
                    f"a key group holds at most {1 << SLOT_BITS} subjects, and one pane brought more;"
                    " raise job.key_groups and start from fresh state"
                )
            given = np.concatenate([given, np.arange(self._used, self._used + fresh)])
            self._used += fresh
            self._grow()
        return given

    def _grow(self) -> None:
        have = len(self._key)
        if self._used <= have:
            return
        more = max(self._used, 2 * have) - have
        self._key = np.concatenate([self._key, np.zeros(more, np.uint64)])
        self._name = np.concatenate([self._name, np.full(more, None, dtype=object)])
        self._seen_us = np.concatenate([self._seen_us, np.zeros(more, np.int64)])
        self._live = np.concatenate([self._live, np.zeros(more, np.bool_)])

    def snapshot(self) -> bytes:
        used = self._used
        names = np.where(self._live[:used], self._name[:used], "")
        return pack(
            "slots",
            1,
            {"evicted": self.evicted, "expired": self.expired},
            {
                "key": self._key[:used],
                "name": names,
                "seen_us": self._seen_us[:used],
                "live": self._live[:used],
                "free": self._free,
            },
        )

    def restore(self, blob: bytes) -> None:
        """Takes the state of `snapshot`; capacity and ttl stay as configured now."""
        _, meta, arrays = unpack(blob, "slots", (1,))
        self.evicted, self.expired = meta["evicted"], meta["expired"]
        self._key, self._name, self._seen_us = arrays["key"], arrays["name"], arrays["seen_us"]
        self._live, self._free = arrays["live"], arrays["free"]
        self._used = len(self._key)
        live = np.flatnonzero(self._live)
        self._sorted_slot = live[np.argsort(self._key[live])]
        self._sorted_key = self._key[self._sorted_slot]


class SlotColumns:
    """Arrays indexed by slot that grow with the table and go back to their fill values when a subject leaves.

    declare: name -> (dtype, trailing shape, fill value).
    """

    def __init__(self, declare: dict[str, tuple[Any, tuple[int, ...], Any]]) -> None:
        self._declare = declare
        self._columns: dict[str, NDArray[Any]] = {
            name: np.full((0, *shape), fill, dtype) for name, (dtype, shape, fill) in declare.items()
        }

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._columns[name]

    @property
    def nbytes(self) -> int:
        return sum(c.nbytes for c in self._columns.values())

    def grow(self, size: int) -> None:
        """Room for slots below size."""
        for name, (dtype, shape, fill) in self._declare.items():
            column = self._columns[name]
            if len(column) < size:
                more = max(size, 2 * len(column), 64) - len(column)
                self._columns[name] = np.concatenate([column, np.full((more, *shape), fill, dtype)])

    def reset(self, slots: I64) -> None:
        """Back to the fill values."""
        for name, (_, _, fill) in self._declare.items():
            column = self._columns[name]
            column[slots[slots < len(column)]] = fill

    def arrays(self) -> dict[str, NDArray[Any]]:
        """For a snapshot."""
        return dict(self._columns)

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Takes what `arrays` gave.  Raises SnapshotError when it declares other columns."""
        for name, (dtype, shape, _) in self._declare.items():
            found = arrays.get(name)
            if found is None or found.dtype != np.dtype(dtype) or found.shape[1:] != shape:
                raise SnapshotError(
                    f"per-subject column {name!r} is not in the saved state as declared now; start from fresh state"
                )
            self._columns[name] = found
