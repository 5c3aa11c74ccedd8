"""Tumbling and sliding windows: rings of cells as wide as a slide."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Final

import numpy as np

from state.active import active
from state.blocks import Blocks
from state.cells import Cells, merge, merge_columns
from state.chunks import Chunks, table_of
from state.frequencies import Running, frequencies
from state.refit import CellFit
from state.snapshot import pack, unpack
from state.spans import Spans
from state.types import I64
from state.window_builders import Fed, Held, Kept

_VERSION: Final = 1
_TOGETHER: Final = 2_048
"""So many rows of small windows are put side by side."""
_ROWS_MAX: Final = 16_384
"""So many rows of windows are made at once."""
_OFTEN: Final = 16
"""A window with so many times the values of a slide is changed, and not made anew for those who are in the slide."""
_MANY: Final = 4
"""A block with so many times the subjects that a window tells of is cut down to these before it is merged."""


class GridWindows:
    """Tumbling and sliding windows.  Panes are merged into slides, slides into windows: a row is merged once per slide.

    panes   |a|b|c|d|e|f|
    slides  |abc  |def  |
    window  |abcdef     |   size = 2 slides

    From one window to the next, a slide comes and another leaves: tables change by these two, and what cannot be taken
    away from is merged from blocks of slides. Slides alone are saved.
    """

    def __init__(
        self,
        size_us: int,
        slide_us: int,
        pane_us: int,
        tells_all: Callable[[int], bool],
        kept: Kept,
    ) -> None:
        """tells_all: of the end of a window, whether it tells of everybody in it, or of those with an event in its last
        slide.
        """
        self._slide_us = slide_us
        self._tells_all = tells_all
        self._slides = size_us // slide_us
        self._filling: list[Cells] = []
        self._packs = pane_us < slide_us < size_us
        """Whether slides lie packed: those that are a pane are other windows' too, and looked at often."""
        self._ring: dict[int, Held] = {}
        """Slides by number, in order: number k is [k, k + 1) * slide_us."""
        self._over = False
        """Whether a window of one slide closed at the last boundary: its slide is in no other."""
        self._blocks, self._tables = Blocks(self._slides, packs=self._packs), Running(self._slides)
        self._kept = kept

    def steps(self, panes: Fed, after_us: int) -> list[Spans]:
        found: list[Spans] = []
        single: list[tuple[int, Cells]] = []
        while panes:
            few = self._of_few(panes, after_us)
            if few:
                found += [*_spans(single), self._active(few)]
                single = []
            else:
                single += self._one_by_one(panes[:1], after_us)
            done = len(few) or 1
            after_us, panes = panes[done - 1][0], panes[done:]
        return found + _spans(single)

    def alone(self, panes: Spans) -> list[Spans] | None:
        if self._slides > 1 or self._filling or (panes.ends_us % self._slide_us).any():
            return None
        self._ring, self._over = {}, bool(panes.part[-1] == len(panes.ends_us) - 1)
        cells = self._kept.seen(panes.cells)
        return [replace(panes, cells=cells.with_only(frequencies(cells.tables)))]

    def _of_few(self, panes: Fed, after_us: int) -> list[tuple[int, Cells]]:
        """The first of these panes, as far as they are slides, one after the other, each with a window that tells of
        those who are in it, and such windows are better made of those alone.
        """
        few: list[tuple[int, Cells]] = []
        due_us, rows, came = self.due_us(after_us), 0, 0
        for boundary_us, cells in panes if not self._filling else ():
            if cells is None or self._tells_all(boundary_us) or boundary_us % self._slide_us:
                break
            if boundary_us != due_us and due_us is not None:
                break
            rows, came = rows + len(cells), came + len(cells.tables)
            if rows > _ROWS_MAX:
                break
            few.append((boundary_us, cells))
            due_us = boundary_us + self._slide_us
        held = sum(len(cells.tables) for cells in self._ring.values())
        return few if held * len(few) <= _OFTEN * came else []

    def _active(self, panes: Sequence[tuple[int, Cells]]) -> Spans:
        """Their windows, all at once."""
        numbers = [boundary_us // self._slide_us - 1 for boundary_us, _ in panes]
        self._leave(numbers[0] + 1 - self._slides)
        self._ring |= zip(numbers, (self._laid(cells) for _, cells in panes), strict=True)
        spans = Spans(np.array([at for at, _ in panes]), *active(numbers, self._ring, self._slides, self._blocks))
        self._leave(numbers[-1] + 1 - self._slides)
        self._tables = Running(self._slides)
        return spans

    def _laid(self, cells: Cells) -> Held:
        return self._kept.packed(cells) if self._packs else cells

    def _leave(self, start: int) -> list[Held]:
        """Lets the slides go that are before this one, and the blocks that hold any."""
        self._blocks.leave(start)
        return [self._ring.pop(number) for number in list(takewhile(lambda n: n < start, self._ring))]

    def _one_by_one(self, panes: Fed, after_us: int) -> Iterator[tuple[int, Cells]]:
        for boundary_us, pane in panes:
            while (due_us := self.due_us(after_us)) is not None and due_us < boundary_us:
                window, after_us = self._step(due_us, None), due_us
                if window is not None:
                    yield due_us, window
            window, after_us = self._step(boundary_us, pane), boundary_us
            if window is not None:
                yield boundary_us, window

    def _step(self, boundary_us: int, pane: Cells | None) -> Cells | None:
        if pane is not None:
            self._filling.append(pane)
        if boundary_us % self._slide_us:
            return None
        stop = boundary_us // self._slide_us
        start = stop - self._slides
        left = [cells.tables for cells in self._leave(start)]
        newest = merge(self._filling) if self._filling else None
        if newest is not None:
            self._ring[stop - 1], self._filling = self._laid(newest), []
        self._tables.move([] if newest is None else [newest.tables], left)
        window = self._window(start, stop, newest)
        self._over = self._slides == 1 and newest is not None
        if self._over:
            self._ring, self._tables = {}, Running(self._slides)
        return window

    def _window(self, start: int, stop: int, newest: Cells | None) -> Cells | None:
        """The window of slides [start, stop)."""
        everybody = self._tells_all(stop * self._slide_us)
        if not self._ring or not (everybody or newest):
            return None
        parts = self._blocks.parts(start, stop, self._ring)
        tables = self._tables.tell(self._ring)
        if everybody or newest is None:
            return merge_columns(parts).with_only(tables)
        only = newest.slot
        parts = [part.of(only) if len(part) > _MANY * len(only) else part for part in parts]
        return merge_columns(parts).of(only).with_only(tables.of(only))

    def due_us(self, after_us: int) -> int | None:
        if not (self._filling or self._ring or self._over):
            return None
        return (after_us // self._slide_us + 1) * self._slide_us

    def drop(self, slots: I64) -> None:
        self._filling = [left for cells in self._filling if len(left := cells.without(slots))]
        self._ring = {number: there for number, cells in self._ring.items() if (there := cells.without(slots))}
        self._blocks.drop(slots)
        self._tables.drop(slots)

    def condense(self) -> None:
        """It never holds anything else."""

    def cells(self) -> list[Held]:
        return [*self._ring.values(), *self._filling]

    def to_save(self) -> list[Held]:
        return self.cells()

    def snapshot(self, chunks: Chunks) -> bytes:
        refs = self._kept.put(chunks, self.to_save())
        ends = [(number + 1) * self._slide_us for number in self._ring]
        return pack("window", _VERSION, {"ends": ends, "over": self._over}, {"cells": table_of(refs)})

    def restore(self, root: bytes, chunks: Chunks, fit: CellFit | None = None) -> None:
        _, meta, arrays = unpack(root, "window", (_VERSION,))
        cells = self._kept.read(arrays["cells"], chunks, fit)
        self._over = meta.get("over", False)
        numbers = [end // self._slide_us - 1 for end in meta["ends"]]
        self._ring = dict(zip(numbers, map(self._laid, cells), strict=False))
        self._filling = cells[len(numbers) :]


def _spans(closed: Iterable[tuple[int, Cells]]) -> list[Spans]:
    """Small windows side by side."""
    found: list[list[tuple[int, Cells]]] = []
    rows = _TOGETHER
    for end_us, cells in closed:
        if rows >= _TOGETHER:
            found.append([])
            rows = 0
        found[-1].append((end_us, cells))
        rows += len(cells)
    return [Spans.of(*zip(*several, strict=True)) for several in found]
