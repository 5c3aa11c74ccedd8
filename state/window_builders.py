"""Window builders: from panes to windows, whatever kind they are."""

from collections.abc import Sequence
from typing import Final, Protocol

from state.cells import Cells
from state.chunks import Chunks, Sealed
from state.refit import CellFit
from state.snapshot import pack, unpack
from state.spans import Spans
from state.types import I64

_VERSION: Final = 2
_VERSIONS: Final = (1, _VERSION)
Fed = Sequence[tuple[int, Cells | None]]
"""Boundaries in ascending order, each with the pane that ends there, if it has rows."""


class WindowBuilder(Protocol):
    """Builds the windows of one declaration.  Fed at pane boundaries in ascending order; boundaries where `due_us` says
    that nothing happens may be left out.
    """

    def steps(self, panes: Fed, after_us: int) -> list[Spans]:
        """Panes go in; the windows that close by the last boundary come out, with frequencies for tables.

        after_us: the last boundary before these.
        """

    def due_us(self, after_us: int) -> int | None:
        """The next boundary at which something closes without further rows; None when nothing is open."""

    def drop(self, slots: I64) -> None:
        """Forgets these subjects, whose slots will be given to others."""

    def condense(self) -> None:
        """Has the next snapshot hold what is open now, and nothing of how it came about."""

    def cells(self) -> list[Cells]:
        """All that is open, for people to look at."""

    def snapshot(self, chunks: Chunks) -> bytes:
        """The root frame; cells are written once."""

    def restore(self, root: bytes, chunks: Chunks, fit: CellFit | None = None) -> None:
        """For a new one: takes what `snapshot` gave.  fit: for cells that were saved with other parts."""


def frame_of(cells: Cells) -> bytes:
    """For a snapshot."""
    return pack("cells", _VERSION, {}, cells.arrays("cells"))


def read_cells(table: I64, chunks: Chunks, saved: Sealed[Cells], fit: CellFit | None) -> list[Cells]:
    """The cells that are there, which are remembered as saved unless they had to be changed."""
    refs = chunks.refs(table)
    cells = [Cells.of_arrays("cells", unpack(chunks.get(ref), "cells", _VERSIONS)[2]) for ref in refs]
    if fit is not None:
        return [fit(each) for each in cells]
    saved.know(cells, refs)
    return cells
