"""Saved rows and cells as another declaration has them: what both have is moved, what is new is not there yet."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from state.batch import MicroBatch
from state.cells import SLOT_SHIFT, TABLE_BITS, Cells, Tables
from state.schema import DTYPES, SYSTEM_COLUMNS, Kind
from state.slots import SLOT_BITS
from state.types import I64, NO_CODE, NO_ID, Values

MISSING: Mapping[Kind, Any] = {Kind.ID: NO_ID, Kind.NUMBER: np.nan, Kind.ENUM: NO_CODE, Kind.TIME: np.nan}
"""What stands for "no value", see `Kind`."""


class ColumnFit(NamedTuple):
    """Where a column comes from.

    known: whether saved rows have it.  codes: for an enum whose words are others now, old code -> new one, the last
    item being that of "no value"; None where codes stay.
    """

    kind: Kind
    known: bool
    codes: NDArray[np.int16] | None = None


@dataclass(frozen=True, slots=True)
class RowFit:
    """Rows with other columns.  columns: those that rows have from now on, beside the system's."""

    columns: Mapping[str, ColumnFit]

    def __call__(self, batch: MicroBatch) -> MicroBatch:
        columns: dict[str, Values] = {name: batch[name] for name in SYSTEM_COLUMNS}
        for name, fit in self.columns.items():
            if not fit.known:
                columns[name] = np.full(len(batch), MISSING[fit.kind], DTYPES[fit.kind])
            else:
                columns[name] = batch[name] if fit.codes is None else fit.codes[batch[name]]
        return MicroBatch(columns)


@dataclass(frozen=True, slots=True)
class CellFit:
    """Cells with other parts.

    sums, mins, maxs, bits: of each row of the new cells, where the old ones have it, -1 for nowhere.  tables: (32,) the
    new number of each old table, -1 for one that nobody wants any more.
    """

    sums: I64
    mins: I64
    maxs: I64
    bits: I64
    tables: I64

    def __call__(self, cells: Cells) -> Cells:
        """What is new is as if no row had counted in it."""
        return Cells(
            cells.slot,
            _moved(cells.sums, self.sums, 0.0),
            _moved(cells.mins, self.mins, np.nan),
            _moved(cells.maxs, self.maxs, np.nan),
            _moved(cells.bits, self.bits, 0),
            self._tables(cells.tables),
        )

    def _tables(self, tables: Tables) -> Tables:
        shift = SLOT_SHIFT + np.uint64(SLOT_BITS)
        number = self.tables[(tables.key >> shift).view(np.int64)]
        kept = number >= 0
        within = tables.key[kept] & ((np.uint64(1) << shift) - np.uint64(1))
        key = (number[kept].astype(np.uint64) << shift) | within
        order = np.argsort(key, kind="stable")
        return Tables(key[order], tables.count[kept][order])


def table_map(pairs: Mapping[int, int]) -> I64:
    """For `CellFit.tables`.  pairs: old number -> new one."""
    found: I64 = np.full(1 << TABLE_BITS, -1)
    found[list(pairs)] = list(pairs.values())
    return found


def _moved(rows: NDArray[Any], source: I64, fill: float) -> NDArray[Any]:
    out = np.full((len(source), rows.shape[1]), fill, rows.dtype)
    out[source >= 0] = rows[source[source >= 0]]
    return out
