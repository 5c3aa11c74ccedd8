"""Cells: partial aggregates of one span of event time, one column per subject; merging them gives longer spans."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from state.slots import SLOT_BITS
from state.types import F64, I64, U64, Bool

VALUE_BITS: Final = 64 - SLOT_BITS
_VALUE_SHIFT: Final = np.uint64(SLOT_BITS)
_SLOT_SHIFT: Final = np.uint64(VALUE_BITS)


@dataclass(slots=True)
class Table:
    """How often each value occurs for each subject.

    key: (m,) uint64, sorted, without repeats: slot << 44 | upper 44 bits of the value's 64-bit hash. Two values of one
    subject share a key with a chance of about n**2 / 2**45.  count: (m,) float64 > 0.
    """

    key: U64
    count: F64


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
    tables: tuple[Table, ...]

    def __len__(self) -> int:
        return len(self.slot)

    @property
    def first_us(self) -> F64:
        return self.mins[0]

    @property
    def last_us(self) -> F64:
        return self.maxs[0]

    def where(self, mask: Bool) -> "Cells":
        """The subjects under this mask (n,)."""
        slot = self.slot[mask]
        return Cells(
            slot,
            self.sums[:, mask],
            self.mins[:, mask],
            self.maxs[:, mask],
            self.bits[:, mask],
            tuple(_of_slots(t, slot) for t in self.tables),
        )

    def without(self, slots: I64) -> "Cells":
        """All subjects but these."""
        return self.where(~np.isin(self.slot, slots))

    def renamed(self, slot: I64) -> "Cells":
        """The same cells under other slots, sorted again.  slot: (n,).  For cells without table entries."""
        order = np.argsort(slot)
        return Cells(
            slot[order], self.sums[:, order], self.mins[:, order], self.maxs[:, order], self.bits[:, order], self.tables
        )

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """For a snapshot."""
        out: dict[str, NDArray[Any]] = {
            f"{prefix}.slot": self.slot,
            f"{prefix}.sums": self.sums,
            f"{prefix}.mins": self.mins,
            f"{prefix}.maxs": self.maxs,
            f"{prefix}.bits": self.bits,
        }
        for i, table in enumerate(self.tables):
            out[f"{prefix}.table{i}.key"] = table.key
            out[f"{prefix}.table{i}.count"] = table.count
        return out

    @staticmethod
    def of_arrays(prefix: str, arrays: dict[str, NDArray[Any]]) -> "Cells":
        """Takes what `arrays` gave."""
        tables: list[Table] = []
        while f"{prefix}.table{len(tables)}.key" in arrays:
            tables.append(
                Table(arrays[f"{prefix}.table{len(tables)}.key"], arrays[f"{prefix}.table{len(tables)}.count"])
            )
        slot, sums, mins, maxs, bits = (arrays[f"{prefix}.{name}"] for name in ("slot", "sums", "mins", "maxs", "bits"))
        return Cells(slot, sums, mins, maxs, bits, tuple(tables))


def merge(parts: Sequence[Cells]) -> Cells:
    """The cells of all parts' spans together.  parts: at least one, in the order of time, so that sums are reproducible."""
    if len(parts) == 1:
        return parts[0]
    slot = np.concatenate([p.slot for p in parts])
    order = np.argsort(slot, kind="stable")
    slot = slot[order]
    starts = run_starts(slot)

    def columns(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(p, name) for p in parts], axis=1)[:, order]

    return Cells(
        slot[starts],
        np.add.reduceat(columns("sums"), starts, axis=1),
        np.fmin.reduceat(columns("mins"), starts, axis=1),
        np.fmax.reduceat(columns("maxs"), starts, axis=1),
        np.bitwise_or.reduceat(columns("bits"), starts, axis=1),
        tuple(_merge_tables(tables) for tables in zip(*(p.tables for p in parts), strict=True)),
    )


def run_starts(ordered: NDArray[Any]) -> I64:
    """Where each run of equal values starts.  ordered: (n,), equal values side by side."""
    if not len(ordered):
        return np.zeros(0, np.int64)
    change = np.empty(len(ordered), np.bool_)
    change[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=change[1:])
    return np.flatnonzero(change)


def table_of(slot: I64, value: U64) -> Table:
    """The table of these rows.  slot: (n,) int64 below 2**20.  value: (n,) uint64 hashes, well mixed in the upper bits."""
    key = np.sort((slot.astype(np.uint64) << _SLOT_SHIFT) | (value >> _VALUE_SHIFT))
    starts = run_starts(key)
    return Table(key[starts], np.diff(starts, append=len(key)).astype(np.float64))


def table_slots(table: Table) -> I64:
    """(m,) the slot of each entry."""
    return (table.key >> _SLOT_SHIFT).astype(np.int64)


def _merge_tables(tables: Sequence[Table]) -> Table:
    key = np.concatenate([t.key for t in tables])
    if not len(key):
        return tables[0]
    order = np.argsort(key, kind="stable")
    key = key[order]
    starts = run_starts(key)
    return Table(key[starts], np.add.reduceat(np.concatenate([t.count for t in tables])[order], starts))


def _of_slots(table: Table, slot: I64) -> Table:
    keep = np.isin(table_slots(table), slot)
    return Table(table.key[keep], table.count[keep])
