"""Window builders: from panes to windows, whatever kind they are."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from numpy.typing import NDArray

from state.cells import Cells, united
from state.chunks import Chunks, Ref, Sealed
from state.packed import Packed
from state.refit import CellFit
from state.snapshot import pack, squeezed, unpack
from state.spans import Spans
from state.types import I64

_VERSION: Final = 2
_VERSIONS: Final = (1, _VERSION)
Held = Cells | Packed
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

    def alone(self, panes: Spans) -> list[Spans] | None:
        """The same where each of these panes is a window by itself; None where they are not.  panes: with all tables
        that any window looks at.
        """

    def due_us(self, after_us: int) -> int | None:
        """The next boundary at which something closes without further rows; None when nothing is open."""

    def drop(self, slots: I64) -> None:
        """Forgets these subjects, whose slots will be given to others."""

    def condense(self) -> None:
        """Has the next snapshot hold what is open now, and nothing of how it came about."""

    def cells(self) -> Sequence[Held]:
        """All that is open, for people to look at."""

    def to_save(self) -> Sequence[Held]:
        """What a snapshot that is taken now refers to."""

    def snapshot(self, chunks: Chunks) -> bytes:
        """The root frame; cells are written once."""

    def restore(self, root: bytes, chunks: Chunks, fit: CellFit | None = None) -> None:
        """For a new one: takes what `snapshot` gave.  fit: for cells that were saved with other parts."""


class Shelf:
    """Cells of several windows, on disk.

    A pane goes into windows of several kinds, and each looks at some of its tables.  So it is written once, with the
    tables of all: cells that are known by the same thing differ in nothing else.
    """

    def __init__(self) -> None:
        self._saved = Sealed(self._frame)
        self._sharing: dict[int, list[Held]] = {}
        """By what they are known by, what the snapshot that is being taken has to hold."""
        self._read: dict[tuple[int, int], Cells] = {}
        """By place."""

    def lay(self, cells: Iterable[Held]) -> None:
        """Some of what the next snapshot has to hold; all of it is told before any is `put`."""
        for each in cells:
            self._sharing.setdefault(id(each.thing), []).append(each)

    def put(self, chunks: Chunks, cells: Iterable[Held]) -> list[Ref]:
        """The chunk of each."""
        return self._saved.add(chunks, (each.thing for each in cells))

    def settle(self) -> None:
        """The snapshot holds all that it has to."""
        self._sharing = {}
        self._saved.settle()

    def read(self, table: I64, chunks: Chunks, fit: CellFit | None) -> list[Cells]:
        """The cells that are there, which are remembered as saved unless they have to be changed."""
        cells = []
        for ref in chunks.refs(table):
            at = ref.segment, ref.offset
            if at not in self._read:
                saved = Cells.of_arrays("cells", unpack(chunks.get(ref), "cells", _VERSIONS)[2])
                self._read[at] = saved if fit is None else fit(saved)
                if fit is None:
                    self._saved.know([saved.thing], [ref])
            cells.append(self._read[at])
        return cells

    def packed(self, cells: Cells) -> Packed:
        """These cells in fewer bytes, and as saved as they were."""
        packed = Packed.of(cells)
        self._saved.rename(cells.thing, packed.thing)
        return packed

    def have_read(self) -> None:
        """All windows have their cells."""
        self._read = {}

    def _frame(self, thing: NDArray[Any]) -> bytes:
        sharing = self._sharing[id(thing)]
        cells = sharing[0].with_only(united([each.tables for each in sharing]))
        return squeezed(pack("cells", _VERSION, {}, cells.arrays("cells")))


class Kept:
    """How the cells of one window are kept.

    shelf: that of all windows; None for one that shares nothing.  seen: gives cells without what only other windows
    look at.
    """

    def __init__(self, shelf: Shelf | None = None, seen: Callable[[Cells], Cells] = lambda cells: cells) -> None:
        self._alone = shelf is None
        self._shelf = Shelf() if shelf is None else shelf
        self.seen = seen

    def put(self, chunks: Chunks, cells: Sequence[Held]) -> list[Ref]:
        """The chunk of each."""
        if not self._alone:
            return self._shelf.put(chunks, cells)
        self._shelf.lay(cells)
        refs = self._shelf.put(chunks, cells)
        self._shelf.settle()
        return refs

    def packed(self, cells: Cells) -> Packed:
        """See the shelf."""
        return self._shelf.packed(cells)

    def read(self, table: I64, chunks: Chunks, fit: CellFit | None) -> list[Cells]:
        """The cells that are there."""
        return [self.seen(each) for each in self._shelf.read(table, chunks, fit)]
