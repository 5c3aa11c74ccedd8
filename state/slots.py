"""SlotTable: subjects of one key group as rows of arrays, with a capacity and a way out."""

from collections.abc import Callable
from typing import Final

import numpy as np

from state.chunks import Chunks
from state.errors import SnapshotError
from state.slot_columns import SlotColumns
from state.snapshot import pack_frames, unpack_frames
from state.types import END_OF_TIME_US, I64, START_OF_TIME_US, U64, Bool, Names

SLOT_BITS: Final = 20
"""A slot fits in this many bits: at most 1,048,576 subjects in one key group."""
_VERSION: Final = 1


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
        self._who = SlotColumns({"key": (np.uint64, (), 0), "name": (object, (), ""), "live": (np.bool_, (), False)})
        self._seen = SlotColumns({"us": (np.int64, (), 0)})
        self._index()

    def _index(self) -> None:
        """What follows from the columns: slots by key, free slots; nobody was seen before _earliest_us."""
        live, key = self._who["live"][: self.size], self._who["key"]
        slot = np.flatnonzero(live)
        self._free: I64 = np.flatnonzero(~live)
        self._sorted_slot: I64 = slot[np.argsort(key[slot])]
        self._sorted_key: U64 = key[self._sorted_slot]
        self._earliest_us = START_OF_TIME_US

    def __len__(self) -> int:
        return len(self._sorted_key)

    @property
    def size(self) -> int:
        """Slots ever used: arrays indexed by slot need at least this length."""
        return self._who.size

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays, without the names' text."""
        return self._who.nbytes + self._seen.nbytes + self._sorted_key.nbytes + self._sorted_slot.nbytes

    def key(self, slot: I64) -> U64:
        return self._who["key"][slot]

    def name(self, slot: I64) -> Names:
        return self._who["name"][slot]

    def find(self, key: int) -> int | None:
        """The slot of one subject, None when it is not there."""
        at, known = self._find(np.array([key], np.uint64))
        return int(self._sorted_slot[at[0]]) if known[0] else None

    def last_seen_us(self, slot: int) -> int:
        """Event time of the subject's last row in a closed pane."""
        return int(self._seen["us"][slot])

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
            self._who["key"][given] = keys[new]
            self._who["name"][given] = names(new)
            self._who["live"][given] = True
            self._who.touch(given)
            self._seen["us"][given] = seen_us[new]
            self._earliest_us = min(self._earliest_us, int(seen_us[new].min()))
            self._sorted_key = np.insert(self._sorted_key, at[new], keys[new])
            self._sorted_slot = np.insert(self._sorted_slot, at[new], given)
            # Each key moved up by the new ones before it.
            at = at + np.cumsum(~known) - ~known
        slots = self._sorted_slot[at]
        self._seen["us"][slots] = np.maximum(self._seen["us"][slots], seen_us)
        self._seen.touch(slots)
        return slots, evicted

    def _find(self, keys: U64) -> tuple[I64, Bool]:
        """Where each key is among the sorted ones, or would be; and whether it is there."""
        at = np.searchsorted(self._sorted_key, keys)
        if not len(self):
            return at, np.zeros(len(keys), np.bool_)
        return at, self._sorted_key[np.minimum(at, len(self) - 1)] == keys

    def first_leave_us(self, until_us: int) -> int:
        """Until when nobody's silence has lasted ttl_us, whoever is seen meanwhile; exact if before until_us."""
        if self._earliest_us + self.ttl_us < until_us:  # people were seen since, or left: look again
            live = self._who["live"][: self.size]
            seen_us = self._seen["us"][: self.size][live]
            self._earliest_us = int(seen_us.min()) if len(seen_us) else END_OF_TIME_US
        return self._earliest_us + self.ttl_us

    def expire(self, watermark_us: int) -> I64:
        """Frees the subjects that were silent for ttl_us before the watermark; their slots."""
        silent = self._seen["us"][: self.size] < watermark_us - self.ttl_us
        gone = np.flatnonzero(self._who["live"][: self.size] & silent)
        if len(gone):
            self.expired += len(gone)
            self._release(gone)
        return gone

    def leave(self, key: int) -> I64:
        """Frees one subject's slot: that, or none."""
        slot = self.find(key)
        gone = np.array([] if slot is None else [slot], np.int64)
        if len(gone):
            self._release(gone)
        return gone

    def _evict(self, count: int, keep: I64) -> I64:
        idle = self._who["live"][: self.size].copy()
        idle[keep] = False
        candidates = np.flatnonzero(idle)
        order = np.lexsort((self.key(candidates), self._seen["us"][candidates]))
        gone = np.sort(candidates[order[:count]])
        self.evicted += len(gone)
        self._release(gone)
        return gone

    def _release(self, slots: I64) -> None:
        self._who.reset(slots)
        self._seen.reset(slots)
        self._free = np.sort(np.concatenate([self._free, slots]))
        stay = self._who["live"][self._sorted_slot]
        self._sorted_key, self._sorted_slot = self._sorted_key[stay], self._sorted_slot[stay]

    def _give(self, count: int) -> I64:
        given, self._free = self._free[:count], self._free[count:]
        fresh = count - len(given)
        if fresh:
            used = self.size
            if used + fresh > 1 << SLOT_BITS:
                raise SnapshotError(
                    f"a key group holds at most {1 << SLOT_BITS} subjects, and one pane brought more;"
                    " raise job.key_groups and start from fresh state"
                )
            given = np.concatenate([given, np.arange(used, used + fresh)])
            self._who.grow(used + fresh)
            self._seen.grow(used + fresh)
        return given

    def snapshot(self, chunks: Chunks) -> bytes:
        """The root frame of the state."""
        frames = {"who": self._who.snapshot(chunks), "seen": self._seen.snapshot(chunks)}
        return pack_frames("slots", _VERSION, {"evicted": self.evicted, "expired": self.expired}, frames)

    def restore(self, root: bytes, chunks: Chunks) -> None:
        """Takes the state of `snapshot`; capacity and ttl stay as configured now."""
        meta, frames = unpack_frames(root, "slots", (_VERSION,))
        self.evicted, self.expired = meta["evicted"], meta["expired"]
        self._who.restore(frames["who"], chunks)
        self._seen.restore(frames["seen"], chunks)
        self._index()
