"""Statistics of the tables of distinct values, from a window's frequencies (state.frequencies)."""

from enum import StrEnum
from typing import Final

import numpy as np

from state.cells import VALUE_MASK, Cells, Counts, run_starts
from state.slots import SLOT_BITS
from state.types import F64, I64

_SLOT_MASK: Final = (1 << SLOT_BITS) - 1


class Stat(StrEnum):
    """What is told of a subject's values in a table."""

    TOTAL = "total"
    """Values, repeats included."""
    DISTINCT = "distinct"
    """Distinct values."""
    TOP = "top"
    """How often the commonest one occurs."""
    CLOGC = "clogc"
    """The sum of c log2 c over how often each occurs."""


class TableStats:
    """Computes the wanted statistics, each over the tables between the first and the last that it is wanted of."""

    def __init__(self, rows: dict[tuple[int, Stat], int]) -> None:
        """rows: where the statistic of a table goes, (table, statistic) -> row."""
        self.rows = np.array(list(rows.values()), np.int64)
        tables = max((table for table, _ in rows), default=-1) + 1
        self._plans: list[tuple[Stat, int, int, I64]] = []
        for stat in Stat:
            wanted = {table: row for (table, s), row in rows.items() if s is stat}
            if wanted:
                row_of = np.full(tables, -1)
                row_of[list(wanted)] = list(wanted.values())
                self._plans.append((stat, min(wanted), max(wanted) + 1, row_of))

    def fill(self, cells: Cells, out: F64) -> None:
        """cells: of a window, their tables being frequencies.

        out: (quantities, n) in C order; 0 for subjects without values.
        """
        out[self.rows] = 0.0
        owner = cells.tables.owner
        starts = run_starts(owner)
        owner = owner[starts]
        table = owner >> SLOT_BITS
        place = np.searchsorted(cells.slot, owner & _SLOT_MASK)
        ends = np.append(starts, len(cells.tables.key))
        flat = out.reshape(-1)
        for stat, first, stop, row_of in self._plans:
            a, b = np.searchsorted(table, (first, stop)).tolist()
            if a == b:
                continue
            entries = slice(ends[a], ends[b])
            occurs = (cells.tables.key[entries] & VALUE_MASK).astype(np.float64)
            values = _values(stat, occurs, cells.tables.count[entries], starts[a:b] - ends[a])
            row = row_of[table[a:b]]
            at = row * out.shape[1] + place[a:b]
            if stop - first > 1 and (row < 0).any():
                at, values = at[row >= 0], values[row >= 0]
            flat[at] = values


def _values(stat: Stat, occurs: F64, values: Counts, starts: I64) -> F64:
    """(m,) the statistic of each run.  values: (k,) > 0, how many values occur how often: occurs, (k,) ascending in
    each run.  starts: (m,) as of `run_starts`.
    """
    match stat:
        case Stat.TOTAL:
            return np.add.reduceat(occurs * values, starts)
        case Stat.DISTINCT:
            return np.add.reduceat(values, starts, dtype=np.float64)
        case Stat.TOP:
            return np.maximum.reduceat(occurs, starts)
        case Stat.CLOGC:
            return np.add.reduceat(occurs * np.log2(occurs) * values, starts)
