"""Packed: cells that lie still, in the fewest bytes that hold them to the bit."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from state.cells import Cells, Tables, narrow
from state.narrow import narrowed, widened
from state.types import F64, I64


@dataclass(slots=True)
class Packed:
    """Cells of n subjects.

    places: (n,) uint32, their slots.  rows: (3,) how many sums, mins and maxs there are.  width, low, body: of all
    these, see `state.narrow`.  base: (b,) uint32, what is taken from each row of bits.  above: (b, n) of the narrowest
    unsigned type.
    """

    places: NDArray[np.uint32]
    rows: NDArray[np.uint16]
    width: NDArray[np.uint8]
    low: F64
    body: NDArray[np.uint8]
    base: NDArray[np.uint32]
    above: NDArray[Any]
    tables: Tables

    @staticmethod
    def of(cells: Cells) -> "Packed":
        """Of some subjects, at least one."""
        rows = cells.sums, cells.mins, cells.maxs
        base = cells.bits.min(axis=1)
        return Packed(
            places=cells.slot.astype(np.uint32),
            rows=np.array([len(each) for each in rows], np.uint16),
            **narrowed(np.concatenate(rows)),
            base=base,
            above=narrow(cells.bits - base[:, None]),
            tables=cells.tables,
        )

    def __len__(self) -> int:
        return len(self.places)

    @property
    def slot(self) -> I64:
        """(n,), as of cells."""
        return self.places.astype(np.int64)

    @property
    def thing(self) -> NDArray[Any]:
        """What these cells are known by, whatever their tables; see `Cells`."""
        return self.body

    def cells(self) -> Cells:
        """What it was made of."""
        rows = widened(self.width, self.low, self.body, len(self))
        sums, mins, _ = self.rows.tolist()
        return Cells(self.slot, rows[:sums], rows[sums : sums + mins], rows[sums + mins :], self._bits(), self.tables)

    def without(self, slots: I64) -> "Packed | None":
        """All subjects but these; the same when none of them is there, None when nobody is left."""
        if not np.isin(self.places, slots).any():
            return self
        left = self.cells().without(slots)
        return Packed.of(left) if len(left) else None

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """For a snapshot, the same as of the cells."""
        arrays: dict[str, NDArray[Any]] = {
            "slot": self.places,
            "rows": self.rows,
            "width": self.width,
            "low": self.low,
            "body": self.body,
            "bits": self._bits(),
            "key": self.tables.key,
            "count": self.tables.count,
        }
        return {f"{prefix}.{name}": array for name, array in arrays.items()}

    def with_only(self, tables: Tables) -> "Packed":
        """The same with these tables."""
        return Packed(self.places, self.rows, self.width, self.low, self.body, self.base, self.above, tables)

    def _bits(self) -> NDArray[np.uint32]:
        return self.above.astype(np.uint32) + self.base[:, None]
