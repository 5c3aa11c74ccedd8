"""Columns derived from a subject's rows in their order, with what must be remembered between panes."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.features.declare import SequenceDecl, SequenceKind
from detectors.features.hashing import pair
from detectors.features.where import Filters, Masks
from state.batch import MicroBatch
from state.cells import run_starts
from state.errors import ConfigError
from state.schema import Kind, Schema
from state.slot_columns import SlotColumns
from state.types import DAY_US, F64, I64, MS_US, SECOND_US, START_OF_TIME_US, U64, Bool, Values

KINDS: dict[SequenceKind, Kind] = {
    SequenceKind.GAP: Kind.NUMBER,
    SequenceKind.PREVIOUS: Kind.ID,
    SequenceKind.TRANSITION: Kind.ID,
    SequenceKind.OVERLAP: Kind.NUMBER,
    SequenceKind.AGE: Kind.NUMBER,
    SequenceKind.NOVEL: Kind.NUMBER,
}
"""The kind of column that each sequence gives."""


@dataclass(slots=True)
class Segments:
    """Sorted rows cut by subject.  of_row: (n,) which segment a row is in.  slot: (m,) the slot of each segment."""

    of_row: I64
    slot: I64


class Sequences:
    """Computes all declared sequences of a key group; remembers per slot what the next pane needs."""

    def __init__(self, declared: tuple[SequenceDecl, ...], filters: Filters) -> None:
        self._declared = [(d, filters.number(d.where), filters.number(d.sign_up)) for d in declared]
        self.carry = SlotColumns(
            {f"{d.name}.{name}": column for d in declared for name, column in _remembered(d).items()}
        )

    def remembered(self, names: AbstractSet[str]) -> frozenset[str]:
        """The columns of `carry` that these sequences have."""
        return frozenset(f"{d.name}.{name}" for d, _, _ in self._declared if d.name in names for name in _remembered(d))

    def compute(self, batch: MicroBatch, masks: Masks, segments: Segments) -> dict[str, Values]:
        """Name -> (n,) column.  batch: rows in (subject, event time, event key) order."""
        self.carry.touch(segments.slot)
        return {
            d.name: self._age(d, batch, masks[sign_up], segments)
            if d.kind is SequenceKind.AGE
            else self._one(d, batch, masks[where], segments)
            for d, where, sign_up in self._declared
        }

    def _one(self, d: SequenceDecl, batch: MicroBatch, mask: Bool, segments: Segments) -> Values:
        n = len(batch)
        rows = np.flatnonzero(mask)
        segment = segments.of_row[rows]
        time_us = batch.event_time_us[rows]
        number = np.full(n, np.nan)
        match d.kind:
            case SequenceKind.GAP:
                before = self._previous(f"{d.name}.time", time_us, segment, segments.slot)
                gap_us = time_us - before
                number[rows] = np.where(gap_us <= d.cap_us, gap_us / SECOND_US, np.nan)  # no row before: since ever
                return number
            case SequenceKind.OVERLAP:
                before = self._previous(f"{d.name}.time", time_us, segment, segments.slot)
                duration = batch[d.column][rows]
                start_us = time_us - duration * MS_US
                lap = np.clip((before - start_us) / MS_US, 0.0, duration)
                number[rows] = np.where(before > START_OF_TIME_US, lap, np.where(np.isnan(duration), np.nan, 0.0))
                return number
            case SequenceKind.NOVEL:
                value = batch[d.column][rows]
                there = value != 0
                number[rows[there]] = self._novel(d, value[there], segment[there], segments.slot)
                return number
            case _:
                value = batch[d.column][rows]
                before = self._previous(f"{d.name}.value", value, segment, segments.slot)
                ids = np.zeros(n, np.uint64)
                ids[rows] = before if d.kind is SequenceKind.PREVIOUS else pair(before, value)
                return ids

    def _previous(self, name: str, value: NDArray[Any], segment: I64, slot: I64) -> NDArray[Any]:
        """The value one row earlier in the same segment; at a segment's first row the one remembered. Remembers the
        last.
        """
        before = np.empty_like(value)
        if not len(value):
            return before
        starts = run_starts(segment)
        slots = slot[segment[starts]]
        carry = self.carry[name]
        before[1:] = value[:-1]
        before[starts] = carry[slots]
        carry[slots] = value[np.append(starts[1:], len(value)) - 1]
        return before

    def _age(self, d: SequenceDecl, batch: MicroBatch, sign_up: Bool, segments: Segments) -> F64:
        time_us = batch.event_time_us.astype(np.float64)
        created = batch[d.column].copy() if d.column else np.full(len(batch), np.nan)
        if d.sign_up:
            signed_up = sign_up & np.isnan(created)
            created[signed_up] = time_us[signed_up]
        carry = self.carry[f"{d.name}.created_us"]
        created = fill_forward(created, ~np.isnan(created), carry, segments)
        return np.maximum(time_us - created, 0.0) / DAY_US

    def _novel(self, d: SequenceDecl, value: U64, segment: I64, slot: I64) -> F64:
        """1.0 where the value is not among the last `remember` distinct ones of the subject (and there are some)."""
        novel = np.zeros(len(value))
        if not len(value):
            return novel
        ring, count = self.carry[f"{d.name}.ring"], self.carry[f"{d.name}.count"]
        # Almost always a pane brings nothing new: look at changes only, and leave segments whose values are all known.
        change = np.flatnonzero(np.append(True, (segment[1:] != segment[:-1]) | (value[1:] != value[:-1])))
        known = (ring[slot[segment[change]]] == value[change, None]).any(axis=1)
        news = np.isin(segment[change], segment[change[~known]])
        for row in change[news].tolist():
            mine = int(slot[segment[row]])
            if (ring[mine] == value[row]).any():
                continue
            novel[row] = float(count[mine] > 0)
            ring[mine, count[mine] % d.remember] = value[row]
            count[mine] += 1
        return novel


def fill_forward(
    value: NDArray[Any], there: NDArray[np.bool_], carry: NDArray[Any], segments: Segments
) -> NDArray[Any]:
    """(n,) the last value present up to each row of its segment, from `carry` (by slot) before the first; updates
    `carry`.
    """
    n = len(value)
    starts = np.flatnonzero(np.append(True, segments.of_row[1:] != segments.of_row[:-1]))
    # A row without a value points at its segment's start, which is past everything of the subject before.
    latest = np.maximum.accumulate(np.where(there, np.arange(n), starts[segments.of_row]))
    has = there[latest]
    filled = np.where(has, value[latest], carry[segments.slot[segments.of_row]])
    ends = np.append(starts[1:], n) - 1
    carry[segments.slot] = filled[ends]
    return filled


def _remembered(d: SequenceDecl) -> dict[str, tuple[Any, tuple[int, ...], Any]]:
    match d.kind:
        case SequenceKind.GAP | SequenceKind.OVERLAP:
            return {"time": (np.int64, (), START_OF_TIME_US)}
        case SequenceKind.PREVIOUS | SequenceKind.TRANSITION:
            return {"value": (np.uint64, (), 0)}
        case SequenceKind.AGE:
            return {"created_us": (np.float64, (), np.nan)}
        case SequenceKind.NOVEL:
            return {"ring": (np.uint64, (d.remember,), 0), "count": (np.int64, (), 0)}


def needs(schema: Schema, d: SequenceDecl) -> set[str]:
    """The event columns that a sequence reads.  Raises ConfigError for a column of the wrong kind."""
    allowed = {
        SequenceKind.PREVIOUS: (Kind.ID,),
        SequenceKind.TRANSITION: (Kind.ID,),
        SequenceKind.NOVEL: (Kind.ID,),
        SequenceKind.OVERLAP: (Kind.NUMBER,),
        SequenceKind.AGE: (Kind.TIME,),
    }.get(d.kind, ())
    if d.column and schema.column(d.column).kind not in allowed:
        raise ConfigError(
            f"sequence {d.name!r}: kind {d.kind} cannot read column {d.column!r},"
            f" of kind {schema.column(d.column).kind}; it reads {', '.join(allowed) or 'no column'}"
        )
    columns = {c.column for c in (*d.where, *d.sign_up)}
    return columns | ({d.column} if d.column else set())
