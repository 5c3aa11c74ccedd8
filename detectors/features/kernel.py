"""The rows of a closed pane -> cells: every partial aggregate that the declared features need, each computed once."""

from dataclasses import dataclass

import numpy as np

from detectors.features.hashing import bins, mix
from detectors.features.parts import MARK_KINDS, PLACES, Part, PartKind, Place
from detectors.features.where import Filters, Masks, present
from state.batch import MicroBatch
from state.cells import NO_TABLES, TABLE_BITS, Cells, Tables, run_lasts, run_lengths, table_keys, tables_of
from state.errors import ConfigError
from state.marks import Marks
from state.order import stable_argsort
from state.schema import Kind, Schema
from state.types import DAY_US, F64, HOUR_US, I64, U64, Bool, Values


@dataclass(frozen=True, slots=True)
class _Bound:
    """A part with its numbers.  row: where it is in the cells.  where: of its mask.  pair: of column and mask; -1 for
    no column.  kind: of the column.
    """

    part: Part
    row: int
    where: int
    pair: int
    kind: Kind | None


class Kernel:
    """Turns sorted rows into cells.  index: where each part is found in the cells."""

    def __init__(self, schema: Schema, parts: tuple[Part, ...], filters: Filters) -> None:
        self._schema = schema
        groups = tuple(tuple(p for p in parts if PLACES[p.kind] is place) for place in Place)
        self.rows: tuple[tuple[Part, ...], ...] = groups
        """What the rows of cells are: sums, mins, maxs (without the event times, which come first), bits, tables."""
        if len(groups[-1]) > 1 << TABLE_BITS:
            raise ConfigError(
                f"features look at distinct values of {len(groups[-1])} different columns and conditions;"
                f" a job can hold {1 << TABLE_BITS}"
            )
        # Event times are the first row of the extremes.
        self.index: dict[Part, int] = {
            part: row + (PLACES[part.kind] in (Place.MINS, Place.MAXS))
            for group in groups
            for row, part in enumerate(group)
        }
        # Parts that look at the same values of the same rows share them.
        pairs = list(dict.fromkeys((p.column, filters.number(p.where)) for p in parts if p.column))
        self._pairs = [(column, schema.column(column).kind, where) for column, where in pairs]

        def bound(part: Part) -> _Bound:
            where = filters.number(part.where)
            pair = pairs.index((part.column, where)) if part.column else -1
            return _Bound(part, self.index[part], where, pair, self._pairs[pair][1] if part.column else None)

        self._sums, self._mins, self._maxs, self._bits, self._tables = ([bound(p) for p in group] for group in groups)
        self._counted = [s for s in self._sums if s.part.kind in (PartKind.COUNT, PartKind.VALUES)]
        self._added = [s for s in self._sums if s.part.kind in (PartKind.SUM, PartKind.SQUARES)]

    @property
    def tables(self) -> int:
        """How many tables of distinct values there are."""
        return len(self._tables)

    def cells(self, batch: MicroBatch, masks: Masks, starts: I64, slot: I64, slot_of_row: I64) -> Cells:
        """batch: (n,) rows, one subject after the other, each one's in the order of time.  starts: (m,) first row of
        each.  slot: (m,), any order.

        Returns cells of m subjects, sorted by slot.
        """
        there = self._there(batch, masks)
        keys = [_keys(table, batch, there, slot_of_row) for table in self._tables]
        time_us = batch.event_time_us
        first_us, last_us = time_us[starts], time_us[run_lasts(starts, len(batch))]
        return self._reduce(batch, masks, there, starts, slot, first_us, last_us, tables_of(keys))

    def surplus(self, batch: MicroBatch, masks: Masks, starts: I64, slot: I64) -> Cells:
        """The same for rows beyond the row budget: sums, extremes and hours go on exactly, the rest is left to the
        sample.

        Such rows come in any order, so their values are rounded to multiples of 2**-10: then their sums are exact, and
        do not depend on the order. Sequences are not derived for them.
        """
        exact = {
            name: np.rint(values * 1024) / 1024 if values.dtype == np.float64 else values
            for name, values in batch.columns.items()
        }
        derived = {c.name: np.full(len(batch), np.nan) for c in self._schema.columns if c.name not in exact}
        rows, time_us = MicroBatch(exact | derived), batch.event_time_us
        first_us, last_us = np.minimum.reduceat(time_us, starts), np.maximum.reduceat(time_us, starts)
        there = self._there(rows, masks)
        cells = self._reduce(rows, masks, there, starts, slot, first_us, last_us, NO_TABLES)
        for s in self._sums:
            if s.part.kind is PartKind.CAPPED:
                cells.sums[s.row] = run_lengths(starts, len(batch))[np.argsort(slot)]
        return cells

    def marks(self, marks: Marks, slot: I64, at_us: F64) -> Cells:
        """Cells of what does not count.  slot: (n,) of the marks' subjects.  at_us: when they were there, nan for those
        whose rows say so.
        """
        m = len(marks)
        sums = np.zeros((len(self._sums), m))
        for s in self._sums:
            if s.part.kind in MARK_KINDS:
                sums[s.row] = marks.counts[MARK_KINDS[s.part.kind]]
        lows, highs = np.full((1 + len(self._mins), m), np.nan), np.full((1 + len(self._maxs), m), np.nan)
        lows[0] = highs[0] = at_us
        return Cells(slot, sums, lows, highs, np.zeros((len(self._bits), m), np.uint32), NO_TABLES).renamed(slot)

    def _there(self, batch: MicroBatch, masks: Masks) -> list[Bool]:
        """Of each pair of column and condition, the rows that satisfy the one and have a value in the other."""
        has = {column: present(kind, batch[column]) for column, kind, _ in self._pairs}
        return [masks[where] & has[column] for column, _, where in self._pairs]

    def _reduce(
        self,
        batch: MicroBatch,
        masks: Masks,
        there: list[Bool],
        starts: I64,
        slot: I64,
        first_us: I64,
        last_us: I64,
        tables: Tables,
    ) -> Cells:
        n, m = len(batch), len(starts)
        sums = np.zeros((len(self._sums), m))
        counted = np.empty((len(self._counted), n), np.bool_)
        for i, s in enumerate(self._counted):
            counted[i] = masks[s.where] if s.pair < 0 else there[s.pair]
        sums[[s.row for s in self._counted]] = _counts(counted, starts)
        added = np.empty((len(self._added), n))
        for i, s in enumerate(self._added):
            added[i] = np.where(there[s.pair], batch[s.part.column], 0.0)
            if s.part.kind is PartKind.SQUARES:
                np.square(added[i], out=added[i])
        if self._added:
            sums[[s.row for s in self._added]] = np.add.reduceat(added, starts, axis=1)
        lows, highs = np.empty((1 + len(self._mins), m)), np.empty((1 + len(self._maxs), m))
        lows[0], highs[0] = first_us, last_us
        for extremes, parts, extreme in ((lows, self._mins, np.fmin), (highs, self._maxs, np.fmax)):
            for p in parts:
                values = np.where(there[p.pair], batch[p.part.column], np.nan)
                extreme.reduceat(values, starts, out=extremes[p.row])
        bits = np.zeros((len(self._bits), m), np.uint32)
        if self._bits:
            hour = np.left_shift(1, batch.event_time_us % DAY_US // HOUR_US).astype(np.uint32)
            for p in self._bits:
                np.bitwise_or.reduceat(np.where(masks[p.where], hour, np.uint32(0)), starts, out=bits[p.row])
        return Cells(slot, sums, lows, highs, bits, NO_TABLES).take(stable_argsort(slot.view(np.uint64)), tables)


def _keys(table: _Bound, batch: MicroBatch, there: list[Bool], slot_of_row: I64) -> U64:
    mask, values = there[table.pair], batch[table.part.column]
    if not mask.all():
        values, slot_of_row = values[mask], slot_of_row[mask]
    return table_keys(table.row, slot_of_row, _hashes(table.part, table.kind, values))


def _counts(masks: Bool, starts: I64) -> F64:
    """(k, m) rows under each mask in each run.  masks: (k, n).  starts: (m,).

    Differences of a running count, which takes half the time of one reduction per run.
    """
    until = np.cumsum(masks, axis=1, dtype=np.int32)[:, run_lasts(starts, masks.shape[1])]
    counts = until.astype(np.float64)
    counts[:, 1:] -= until[:, :-1]
    return counts


def _hashes(part: Part, kind: Kind | None, values: Values) -> Values:
    if part.kind is PartKind.OCTAVES:
        # Gaps of 0 s share the bin of 1 ms: the clock of most event streams has no finer grain.
        return bins(np.log2(np.maximum(values, 1e-3)), 1.0 / part.resolution)
    match kind:
        case Kind.ID:
            return values
        case Kind.ENUM:
            return mix(values.astype(np.uint64) + np.uint64(1))
        case _:
            return bins(values, part.resolution)
