"""Blocks of slides: a window's sums and extremes from few parts, in an order that event time alone decides."""

from collections.abc import Mapping
from typing import Final

from state.cells import Cells, merge_columns
from state.packed import Packed
from state.types import I64

_FAN: Final = 4
"""Blocks hold 1, 4, 16, ... slides.  Blocks of 1, 2, 4, ... make a window of somewhat fewer parts, but twice as many
are to be built, and kept."""


class Blocks:
    """Aligned blocks of slides: one of 4**j slides begins at a multiple of 4**j, and is merged from its four quarters.

    slides  |0|1|2|3|4|5|6|7|8|9|a|b|c|d|e|f|
    blocks  |0 . . .|4 . . .|8 . . .|c . . .|
    window        |3|4 . . .|8 . . .|c|          slides 3 to c

    A window is its largest blocks, from left to right; so floating sums are added in the same order whatever batches
    there were, whoever else is there, and wherever a process began anew: blocks are not saved, but built when they are
    needed.
    """

    def __init__(self, slides: int, *, packs: bool = False) -> None:
        """slides: in a window.  packs: whether blocks lie packed."""
        self._packs = packs
        self._most = 1
        while self._most * _FAN <= slides:
            self._most *= _FAN
        self._start = 0
        self._built: dict[tuple[int, int], Cells | Packed | None] = {}
        """First slide and number of slides -> their cells without tables, None without any."""

    def parts(
        self,
        start: int,
        stop: int,
        slides: Mapping[int, Cells | Packed],
        opened: dict[int, tuple[Packed, Cells]] | None = None,
    ) -> list[Cells]:
        """The cells, without tables, that a window of slides [start, stop) is merged from.  slides: those with any.
        opened: of windows that are asked for one after the other, what was packed; not used by anybody else.

        No later window begins earlier.
        """
        self.leave(start)
        opened = {} if opened is None else opened
        found = []
        while start < stop:
            size = self._most
            while start % size or start + size > stop:
                size //= _FAN
            part = self._block(start, size, slides)
            if part is not None:
                found.append(_opened(part, opened))
            start += size
        return found

    def drop(self, slots: I64) -> None:
        """Takes subjects out."""
        for block, cells in self._built.items():
            if cells is not None:
                left = cells.without(slots)
                self._built[block] = left or None

    def _block(self, start: int, size: int, slides: Mapping[int, Cells | Packed]) -> Cells | Packed | None:
        if size == 1:
            return slides.get(start)
        block = start, size
        if block not in self._built:
            quarter = size // _FAN
            quarters = [self._block(at, quarter, slides) for at in range(start, start + size, quarter)]
            some = [_opened(cells, {}) for cells in quarters if cells is not None]
            merged = merge_columns(some) if some else None
            self._built[block] = Packed.of(merged) if merged is not None and self._packs else merged
            # No window that does not hold the whole block begins with its first quarter.
            self._built.pop((start, quarter), None)
        return self._built[block]

    def leave(self, start: int) -> None:
        """Blocks that begin before are in no window any more."""
        if start - self._start > len(self._built):
            self._built = {block: cells for block, cells in self._built.items() if block[0] >= start}
        else:
            for slide in range(self._start, start):
                size = _FAN
                while size <= self._most and slide % size == 0:
                    self._built.pop((slide, size), None)
                    size *= _FAN
        self._start = start


def _opened(cells: Cells | Packed, opened: dict[int, tuple[Packed, Cells]]) -> Cells:
    """opened: by identity, which is another's where what has it is not held."""
    if isinstance(cells, Cells):
        return cells
    if id(cells) not in opened:
        opened[id(cells)] = cells, cells.cells()
    return opened[id(cells)][1]
