"""Spans: windows that closed one after the other, in one Cells: a step over many small ones costs as one over one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from state.cells import Cells
from state.side_by_side import apart, side_by_side
from state.slots import SLOT_BITS
from state.types import I64, Bool


@dataclass(slots=True)
class Spans:
    """Windows of one kind.

    ends_us: (k,) where each closed, ascending.  part: (n,) int64 ascending, which of them a row is of.  slot: (n,) of
    its subject, ascending in each window.  cells: (n,) of all, under slots of their own where there are several.
    """

    ends_us: I64
    part: I64
    slot: I64
    cells: Cells

    def __len__(self) -> int:
        """Rows."""
        return len(self.slot)

    @property
    def end_us(self) -> I64:
        """(n,) where the window of each row closed."""
        return self.ends_us[self.part]

    def where(self, mask: Bool) -> "Spans":
        """The rows under this mask (n,)."""
        return Spans(self.ends_us, self.part[mask], self.slot[mask], self.cells.where(mask))

    def apart(self) -> list[Cells | None]:
        """The cells of each window under the slots of their subjects; None for one without any."""
        if len(self.ends_us) == 1:
            return [self.cells]
        parts = apart(self.cells, (self.part << SLOT_BITS) | self.slot, len(self.ends_us))
        return [part if len(part) else None for part in parts]

    @staticmethod
    def of(ends_us: Sequence[int], several: Sequence[Cells]) -> "Spans":
        """ends_us: where each window closed, ascending.  several: the cells of each; together fewer than 2**20."""
        part = np.repeat(np.arange(len(several)), [len(cells) for cells in several])
        cells = several[0] if len(several) == 1 else side_by_side(several)
        return Spans(np.array(ends_us), part, np.concatenate([c.slot for c in several]), cells)

    @staticmethod
    def together(several: "Sequence[Spans]") -> Cells:
        """The cells of all, one after the other."""
        return several[0].cells if len(several) == 1 else side_by_side([spans.cells for spans in several])
