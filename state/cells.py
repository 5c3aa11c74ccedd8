"""Cells: partial aggregates of one span of event time, one column per subject; merging them gives longer spans."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from state.narrow import narrowed, widened
from state.order import stable_argsort
from state.slots import SLOT_BITS
from state.types import F64, I64, U64, Bool

TABLE_BITS: Final = 5
"""At most 32 tables of distinct values."""
VALUE_BITS: Final = 64 - SLOT_BITS - TABLE_BITS
"""Two values of one subject share a key with a chance of about n**2 / 2**(VALUE_BITS + 1) among n distinct ones."""
VALUE_MASK: Final = np.uint64((1 << VALUE_BITS) - 1)
_VALUE_SHIFT: Final = np.uint64(64 - VALUE_BITS)
SLOT_SHIFT: Final = np.uint64(VALUE_BITS)
_TABLE_SHIFT: Final = np.uint64(64 - TABLE_BITS)
SLOT_MASK: Final = np.uint64((1 << SLOT_BITS) - 1)

Counts = NDArray[np.integer[Any]]


@dataclass(slots=True)
class Tables:
    """How often each value occurs for each subject, of several columns at once: one sort and one merge serve them all.

    key: (m,) uint64, sorted, without repeats: table << 59 | slot << 39 | upper 39 bits of the value's 64-bit hash.
    count: (m,) whole numbers > 0, in what is kept of the narrowest unsigned type: most values occur once.
    """

    key: U64
    count: Counts

    @property
    def owner(self) -> I64:
        """(m,) table << 20 | slot of each entry, ascending."""
        return (self.key >> SLOT_SHIFT).view(np.int64)

    @property
    def slot(self) -> I64:
        """(m,) the slot of each entry."""
        return ((self.key >> SLOT_SHIFT) & SLOT_MASK).view(np.int64)

    def __len__(self) -> int:
        return len(self.key)

    def where(self, mask: Bool) -> "Tables":
        """The entries under this mask (m,)."""
        return Tables(self.key[mask], self.count[mask])

    def of(self, slots: I64) -> "Tables":
        """The entries of some subjects.  slots: (k,) any order."""
        mine = self.slot
        wanted = np.zeros(max(mine.max(initial=0), slots.max(initial=0)) + 1, np.bool_)
        wanted[slots] = True
        return self.where(wanted[mine])


NO_TABLES: Final = Tables(np.zeros(0, np.uint64), np.zeros(0, np.uint8))


@dataclass(slots=True)
class Cells:
    """slot: (n,) int64, sorted, without repeats.  sums, mins, maxs: (k, n) float64, nan in mins and maxs for none.

    bits: (b, n) uint32, merged by or.  Row 0 of mins and maxs is the first and last event time in microseconds, exact.
    """

    slot: I64
    sums: F64
    mins: F64
    maxs: F64
    bits: NDArray[np.uint32]
    tables: Tables

    def __len__(self) -> int:
        return len(self.slot)

    @property
    def first_us(self) -> F64:
        return self.mins[0]

    @property
    def last_us(self) -> F64:
        return self.maxs[0]

    @property
    def thing(self) -> NDArray[Any]:
        """What these cells are known by, whatever their tables: all that share it differ in nothing else."""
        return self.sums

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        arrays = (self.slot, self.sums, self.mins, self.maxs, self.bits, self.tables.key, self.tables.count)
        return sum(a.nbytes for a in arrays)

    def where(self, mask: Bool) -> "Cells":
        """The subjects under this mask (n,)."""
        left = self.take(mask.nonzero()[0], NO_TABLES)
        return left.with_only(self.tables.of(left.slot)) if len(self.tables) else left

    def of(self, slots: I64) -> "Cells":
        """Those of some subjects that are there, without tables.  slots: (k,) sorted."""
        if not len(self):
            return self.with_only(NO_TABLES)
        at = np.minimum(np.searchsorted(self.slot, slots), len(self) - 1)
        return self.take(at[self.slot[at] == slots], NO_TABLES)

    def take(self, at: I64, tables: Tables) -> "Cells":
        """The subjects at these places, with these tables."""
        return Cells(
            self.slot[at],
            self.sums.take(at, axis=1),
            self.mins.take(at, axis=1),
            self.maxs.take(at, axis=1),
            self.bits.take(at, axis=1),
            tables,
        )

    def with_only(self, tables: Tables) -> "Cells":
        """The same cells with these tables."""
        return Cells(self.slot, self.sums, self.mins, self.maxs, self.bits, tables)

    def with_tables(self, wanted: Bool) -> "Cells":
        """The same cells without the tables that nobody wants.  wanted: (32,) by table."""
        kept = wanted[(self.tables.key >> _TABLE_SHIFT).view(np.int64)]
        return self if kept.all() else self.with_only(self.tables.where(kept))

    def without(self, slots: I64) -> "Cells":
        """All subjects but these; the same cells when none of them is there."""
        gone = np.isin(self.slot, slots)
        return self.where(~gone) if gone.any() else self

    def renamed(self, slot: I64) -> "Cells":
        """The same cells under other slots, sorted again.  slot: (n,).  For cells without table entries."""
        return replace(self, slot=slot).take(np.argsort(slot), self.tables)

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """For a snapshot."""
        rows = self.sums, self.mins, self.maxs
        few = self.slot.min(initial=0) >= 0 and self.slot.max(initial=0) < 1 << 32  # not so where it is a hash
        arrays = {
            "slot": self.slot.astype(np.uint32) if few else self.slot,
            "rows": np.array([len(each) for each in rows], np.uint16),
            **narrowed(np.concatenate(rows)),
            "bits": self.bits,
            "key": self.tables.key,
            "count": self.tables.count,
        }
        return {f"{prefix}.{name}": array for name, array in arrays.items()}

    @staticmethod
    def of_arrays(prefix: str, arrays: dict[str, NDArray[Any]]) -> "Cells":
        """Takes what `arrays` gave."""
        of = {name.removeprefix(f"{prefix}."): array for name, array in arrays.items()}
        slot, key, count = of["slot"].astype(np.int64), of["key"], of["count"]
        if "sums" in of:  # saved as they are, once
            sums, mins, maxs = of["sums"], of["mins"], of["maxs"]
        else:
            rows = widened(of["width"], of["low"], of["body"], len(slot))
            sums, mins, maxs = (np.ascontiguousarray(part) for part in np.split(rows, np.cumsum(of["rows"])[:-1]))
        # Counts were saved as float64 once.
        tables = Tables(key, count if count.dtype.kind == "u" else narrow(count))
        return Cells(slot, sums, mins, maxs, of["bits"], tables)


def merge(parts: Sequence[Cells]) -> Cells:
    """The cells of all parts' spans together.  parts: at least one, in the order of time, so that sums are
    reproducible.
    """
    if len(parts) == 1:
        return parts[0]
    return merge_columns(parts).with_only(merge_tables([p.tables for p in parts]))


def merge_columns(parts: Sequence[Cells]) -> Cells:
    """The same without tables."""
    if len(parts) == 1:
        return parts[0].with_only(NO_TABLES)
    slot = np.concatenate([p.slot for p in parts])
    order = np.argsort(slot, kind="stable")
    slot = slot[order]
    starts = run_starts(slot)
    return merge_runs(parts, order, starts, slot[starts])


def merge_runs(parts: Sequence[Cells], at: I64, starts: I64, slot: I64) -> Cells:
    """Cells, without tables, that are each merged from some columns of all parts, one after the other.

    at: of these columns, by run.  starts: (n,) where each run starts in it.  slot: (n,) of each run.
    """
    return Cells(
        slot,
        np.add.reduceat(_taken([p.sums for p in parts], at), starts, axis=1),
        np.fmin.reduceat(_taken([p.mins for p in parts], at), starts, axis=1),
        np.fmax.reduceat(_taken([p.maxs for p in parts], at), starts, axis=1),
        np.bitwise_or.reduceat(_taken([p.bits for p in parts], at), starts, axis=1),
        NO_TABLES,
    )


def _taken(parts: Sequence[NDArray[Any]], at: I64) -> NDArray[Any]:
    return np.concatenate(parts, axis=1).take(at, axis=1)


def run_starts(ordered: NDArray[Any]) -> I64:
    """Where each run of equal values starts.  ordered: (n,), equal values side by side."""
    change = np.empty(len(ordered), np.bool_)
    change[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=change[1:])
    return change.nonzero()[0]


def run_lengths(starts: I64, total: int) -> I64:
    """How long each run is.  starts: (m,) as of `run_starts`.  total: length of all."""
    lengths = np.empty(len(starts), np.int64)
    np.subtract(starts[1:], starts[:-1], out=lengths[:-1])
    lengths[-1:] = total - starts[-1:]
    return lengths


def run_lasts(starts: I64, total: int) -> I64:
    """The last row of each run.  starts, total: see `run_lengths`."""
    lasts = np.empty(len(starts), np.int64)
    np.subtract(starts[1:], 1, out=lasts[:-1])
    lasts[-1:] = total - 1
    return lasts


def table_keys(table: int, slot: I64, value: U64) -> U64:
    """(n,) keys of a table's rows.  slot: (n,) int64 below 2**20.  value: (n,) uint64 hashes, mixed in the upper
    bits.
    """
    owner = slot.view(np.uint64) + np.uint64(table << SLOT_BITS)
    owner <<= SLOT_SHIFT
    owner |= value >> _VALUE_SHIFT
    return owner


def tables_of(keys: list[U64]) -> Tables:
    """The tables of rows with these keys."""
    if not keys:
        return NO_TABLES
    key = np.concatenate(keys)
    key.sort()
    starts = run_starts(key)
    return Tables(key[starts], narrow(run_lengths(starts, len(key))))


def narrow(count: NDArray[Any]) -> Counts:
    """Whole numbers >= 0 in the narrowest unsigned type that holds them all."""
    return count.astype(np.min_scalar_type(int(count.max(initial=0))))


def merge_tables(parts: Sequence[Tables]) -> Tables:
    """The tables of all parts together, in any order."""
    if len(parts) <= 1:
        return parts[0] if parts else NO_TABLES
    whole = summed(Tables(np.concatenate([t.key for t in parts]), np.concatenate([t.count for t in parts])))
    return Tables(whole.key, narrow(whole.count))


def united(parts: Sequence[Tables]) -> Tables:
    """All entries of several tables of the same rows, of which some are in several.  parts: at least one."""
    if len(parts) == 1:
        return parts[0]
    key, first = np.unique(np.concatenate([t.key for t in parts]), return_index=True)
    return Tables(key, narrow(np.concatenate([t.count for t in parts])[first]))


def summed(entries: Tables) -> Tables:
    """Entries that are not sorted, with repeats: these are added up, as int64."""
    if not len(entries):
        return NO_TABLES
    order = stable_argsort(entries.key)
    key = entries.key[order]
    starts = run_starts(key)
    return Tables(key[starts], np.add.reduceat(entries.count[order], starts, dtype=np.int64))
