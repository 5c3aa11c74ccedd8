"""The rows of a closed pane -> cells: every partial aggregate that the declared features need, each computed once."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from detectors.features.declare import Where
from detectors.features.hashing import bins, mix
from detectors.features.where import Masks, present
from state.batch import MicroBatch
from state.cells import NO_TABLES, TABLE_BITS, Cells, Tables, run_lengths, table_keys, tables_of
from state.errors import ConfigError
from state.schema import Kind, Schema
from state.types import DAY_US, F64, HOUR_US, I64, U64, Bool, Values


class PartKind(StrEnum):
    """What a partial aggregate holds; decides where it lives in the cells and how it merges."""

    COUNT = "count"
    CAPPED = "capped"
    VALUES = "values"
    SUM = "sum"
    SQUARES = "squares"
    MIN = "min"
    MAX = "max"
    HOURS = "hours"
    TABLE = "table"
    OCTAVES = "octaves"


@dataclass(frozen=True, slots=True)
class Part:
    """One partial aggregate.  Equal parts are computed once, whichever features ask for them.

    COUNT rows under `where`; CAPPED rows beyond the row budget; VALUES those with a value in `column`; SUM, SQUARES,
    MIN, MAX of the values; HOURS a bitmap
    of UTC hours; TABLE a count per distinct value (numbers by floor(x / resolution)); OCTAVES a count per log2 bin,
    `resolution` bins to the octave.
    """

    kind: PartKind
    column: str = ""
    where: Where = ()
    resolution: float = 1.0


_SUMS = (PartKind.COUNT, PartKind.CAPPED, PartKind.VALUES, PartKind.SUM, PartKind.SQUARES)
_TABLES = (PartKind.TABLE, PartKind.OCTAVES)


class Kernel:
    """Turns sorted rows into cells.  index: where each part is found in the cells."""

    def __init__(self, schema: Schema, parts: tuple[Part, ...]) -> None:
        self._schema = schema
        self._sums = tuple(p for p in parts if p.kind in _SUMS)
        self._mins = tuple(p for p in parts if p.kind is PartKind.MIN)
        self._maxs = tuple(p for p in parts if p.kind is PartKind.MAX)
        self._bits = tuple(p for p in parts if p.kind is PartKind.HOURS)
        self._tables = tuple(p for p in parts if p.kind in _TABLES)
        if len(self._tables) > 1 << TABLE_BITS:
            raise ConfigError(
                f"features look at distinct values of {len(self._tables)} different columns and conditions;"
                f" a job can hold {1 << TABLE_BITS}"
            )
        self.index: dict[Part, int] = {}
        for row, group in ((0, self._sums), (1, self._mins), (1, self._maxs), (0, self._bits), (0, self._tables)):
            self.index |= {part: row + i for i, part in enumerate(group)}

    def cells(self, batch: MicroBatch, masks: Masks, starts: I64, slot: I64, slot_of_row: I64) -> Cells:
        """batch: (n,) rows, one subject after the other.  starts: (m,) first row of each.  slot: (m,), any order.

        Returns cells of m subjects, sorted by slot.
        """
        keys = [self._keys(i, part, batch, masks, slot_of_row) for i, part in enumerate(self._tables)]
        return self._reduce(batch, masks, starts, slot, tables_of(keys))

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
        cells = self._reduce(MicroBatch(exact | derived), masks, starts, slot, NO_TABLES)
        for i, part in enumerate(self._sums):
            if part.kind is PartKind.CAPPED:
                cells.sums[i] = run_lengths(starts, len(batch))[np.argsort(slot)]
        return cells

    def _reduce(self, batch: MicroBatch, masks: Masks, starts: I64, slot: I64, tables: Tables) -> Cells:
        n, m = len(batch), len(starts)
        values: dict[tuple[str, Where], tuple[F64, Bool]] = {}

        def valued(part: Part) -> tuple[F64, Bool]:
            key = (part.column, part.where)
            if key not in values:
                column = batch[part.column]
                there = masks[part.where] & present(self._kind(part.column), column)
                values[key] = np.where(there, column, 0.0), there
            return values[key]

        sums = np.empty((len(self._sums), n))
        for i, part in enumerate(self._sums):
            match part.kind:
                case PartKind.COUNT:
                    sums[i] = masks[part.where]
                case PartKind.CAPPED:
                    sums[i] = 0.0
                case PartKind.VALUES:
                    sums[i] = valued(part)[1]
                case PartKind.SUM:
                    sums[i] = valued(part)[0]
                case _:
                    np.square(valued(part)[0], out=sums[i])
        time_us = batch.event_time_us.astype(np.float64)
        lows = [time_us] + [np.where(valued(p)[1], batch[p.column], np.nan) for p in self._mins]
        highs = [time_us] + [np.where(valued(p)[1], batch[p.column], np.nan) for p in self._maxs]
        hour = np.left_shift(1, batch.event_time_us % DAY_US // HOUR_US) if self._bits else batch.event_time_us
        bits = np.zeros((len(self._bits), n), np.uint32)
        for i, part in enumerate(self._bits):
            bits[i] = np.where(masks[part.where], hour, 0)
        order = np.argsort(slot)
        return Cells(
            slot[order],
            np.add.reduceat(sums, starts, axis=1)[:, order],
            np.fmin.reduceat(np.stack(lows), starts, axis=1)[:, order],
            np.fmax.reduceat(np.stack(highs), starts, axis=1)[:, order],
            np.bitwise_or.reduceat(bits, starts, axis=1)[:, order] if len(bits) else np.zeros((0, m), np.uint32),
            tables,
        )

    def _keys(self, table: int, part: Part, batch: MicroBatch, masks: Masks, slot_of_row: I64) -> U64:
        column = batch[part.column]
        kind = self._kind(part.column)
        there = masks[part.where] & present(kind, column)
        return table_keys(table, slot_of_row[there], _hashes(part, kind, column[there]))

    def _kind(self, column: str) -> Kind:
        return self._schema.column(column).kind


def _hashes(part: Part, kind: Kind, values: Values) -> Values:
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
