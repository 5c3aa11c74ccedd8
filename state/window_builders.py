"""From panes to windows: rings of slide-wide cells for tumbling and sliding windows, open cells for sessions."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import takewhile
from typing import Final, Protocol

import numpy as np

from state.blocks import Blocks
from state.cells import NO_TABLES, Cells, merge, merge_columns
from state.chunks import Chunks, Sealed, table_of
from state.counted import Counted
from state.frequencies import Running, frequencies
from state.refit import CellFit
from state.snapshot import pack, unpack
from state.types import I64, Bool

_VERSION: Final = 1
_MANY: Final = 4
"""A block with so many times the subjects that a window tells of is cut down to these before it is merged."""


class WindowBuilder(Protocol):
    """Builds the windows of one declaration.  Fed at pane boundaries in ascending order; boundaries where `due_us` says
    that nothing happens may be left out.
    """

    def step(self, boundary_us: int, pane: Cells | None) -> Cells | None:
        """The pane that ends at this boundary goes in, the window that closes there comes out, with frequencies for
        tables.
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


class GridWindows:
    """Tumbling and sliding windows.  Panes are merged into slides, slides into windows: a row is merged once per slide.

    panes   |a|b|c|d|e|f|
    slides  |abc  |def  |
    window  |abcdef     |   size = 2 slides

    From one window to the next, a slide comes and another leaves: tables change by these two, and what cannot be taken
    away from is merged from blocks of slides. Slides alone are saved.
    """

    def __init__(self, size_us: int, slide_us: int, tells_all: Callable[[int], bool]) -> None:
        """tells_all: of the end of a window, whether it tells of everybody in it, or of those with an event in its last
        slide.
        """
        self._slide_us = slide_us
        self._tells_all = tells_all
        self._slides = size_us // slide_us
        self._filling: list[Cells] = []
        self._ring: dict[int, Cells] = {}
        """Slides by number, in order: number k is [k, k + 1) * slide_us."""
        self._blocks, self._tables = Blocks(self._slides), Running()
        self._saved = Sealed(_frame)

    def step(self, boundary_us: int, pane: Cells | None) -> Cells | None:
        if pane is not None:
            self._filling.append(pane)
        if boundary_us % self._slide_us:
            return None
        stop = boundary_us // self._slide_us
        start = stop - self._slides
        left = [self._ring.pop(number).tables for number in list(takewhile(lambda n: n < start, self._ring))]
        newest = merge(self._filling) if self._filling else None
        if newest is not None:
            self._ring[stop - 1], self._filling = newest, []
        self._tables.move([] if newest is None else [newest.tables], left)
        return self._window(start, stop, newest)

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
        if not self._filling and not self._ring:
            return None
        return (after_us // self._slide_us + 1) * self._slide_us

    def drop(self, slots: I64) -> None:
        self._filling = [left for cells in self._filling if len(left := cells.without(slots))]
        self._ring = {number: left for number, cells in self._ring.items() if len(left := cells.without(slots))}
        self._blocks.drop(slots)
        self._tables.drop(slots)

    def condense(self) -> None:
        """It never holds anything else."""

    def cells(self) -> list[Cells]:
        return [*self._ring.values(), *self._filling]

    def snapshot(self, chunks: Chunks) -> bytes:
        refs = self._saved.put(chunks, self.cells())
        ends = [(number + 1) * self._slide_us for number in self._ring]
        return pack("window", _VERSION, {"ends": ends}, {"cells": table_of(refs)})

    def restore(self, root: bytes, chunks: Chunks, fit: CellFit | None = None) -> None:
        _, meta, arrays = unpack(root, "window", (_VERSION,))
        cells = _read(arrays["cells"], chunks, self._saved, fit)
        numbers = [end // self._slide_us - 1 for end in meta["ends"]]
        self._ring = dict(zip(numbers, cells, strict=False))
        self._filling = cells[len(numbers) :]


@dataclass(slots=True)
class _Step:
    """What was done to the open sessions: a boundary with its pane, or subjects that were dropped."""

    boundary_us: int = 0
    pane: Cells | None = None
    dropped: I64 | None = None


class SessionWindows:
    """Session windows.  A pane is never wider than the gap, so a session is a chain of panes.

    rows   x x x      x x
    gap          <-->            closes here: T
    panes  |  |  |  |  |  |  |

    Open sessions change with every pane. What is saved is how they once were, and the steps since, which are taken
    again on restore; when the steps have become as large as the sessions, these are saved anew.
    """

    def __init__(self, gap_us: int, max_us: int, pane_us: int) -> None:
        self._gap_us, self._max_us, self._pane_us = gap_us, max_us, pane_us
        self._open: Cells | None = None
        """Without tables."""
        self._tables = Counted()
        """Of the open ones."""
        self._base: Cells | None = None
        self._steps: list[_Step] | None = None
        """Since the base; None before the first snapshot."""
        self._saved = Sealed(_frame)

    def step(self, boundary_us: int, pane: Cells | None) -> Cells | None:
        if self._steps is not None:
            self._steps.append(_Step(boundary_us, pane))
        closed: list[Cells] = []
        if pane is not None:
            if self._open is not None:
                closed += self._split(pane)
            self._open = merge_columns([pane] if self._open is None else [self._open, pane])
            self._tables.change(pane.tables)
        if self._open is not None:
            over = (self._open.last_us + self._gap_us < boundary_us) | (
                self._open.first_us + self._max_us <= boundary_us
            )
            if over.any():
                closed.append(self._close(over))
        return merge(closed) if closed else None

    def _split(self, pane: Cells) -> list[Cells]:
        """Takes out the open sessions whose subject comes back in this pane after more than the gap."""
        assert self._open is not None
        _, mine, theirs = np.intersect1d(self._open.slot, pane.slot, assume_unique=True, return_indices=True)
        broken = pane.first_us[theirs] - self._open.last_us[mine] > self._gap_us
        if not broken.any():
            return []
        over = np.zeros(len(self._open), np.bool_)
        over[mine[broken]] = True
        return [self._close(over)]

    def _close(self, over: Bool) -> Cells:
        """Takes these of the open sessions out."""
        assert self._open is not None
        closed = self._open.where(over)
        self._open = self._open.where(~over) if len(closed) < len(self._open) else None
        return closed.with_only(frequencies(self._tables.take(closed.slot)))

    def due_us(self, after_us: int) -> int | None:
        if self._open is None or not len(self._open):
            return None
        # The first boundary T with last + gap < T, or first + max <= T.
        silent = (int(self._open.last_us.min()) + self._gap_us) // self._pane_us + 1
        full = -(-(int(self._open.first_us.min()) + self._max_us) // self._pane_us)
        return max(min(silent, full), after_us // self._pane_us + 1) * self._pane_us

    def drop(self, slots: I64) -> None:
        if self._steps is not None:
            self._steps.append(_Step(dropped=slots))
        if self._open is not None:
            self._open = self._open.without(slots)
            self._tables.take(slots)

    def condense(self) -> None:
        self._steps = None

    def cells(self) -> list[Cells]:
        return [] if self._open is None else [self._open.with_only(self._tables.whole())]

    def snapshot(self, chunks: Chunks) -> bytes:
        if self._steps is None or _nbytes(step.pane for step in self._steps) >= _nbytes(self.cells()):
            self._base, self._steps = next(iter(self.cells()), None), []
        cells = [c for c in (self._base, *(step.pane for step in self._steps)) if c is not None]
        dropped = {f"dropped{i}": s.dropped for i, s in enumerate(self._steps) if s.dropped is not None}
        meta = {
            "base": self._base is not None,
            "steps": [[step.boundary_us, step.pane is not None] for step in self._steps],
        }
        return pack("sessions", _VERSION, meta, {"cells": table_of(self._saved.put(chunks, cells)), **dropped})

    def restore(self, root: bytes, chunks: Chunks, fit: CellFit | None = None) -> None:
        _, meta, arrays = unpack(root, "sessions", (_VERSION,))
        cells = _read(arrays["cells"], chunks, self._saved, fit)
        following = iter(cells)
        self._base = next(following) if meta["base"] else None
        self._open = None if self._base is None else self._base.with_only(NO_TABLES)
        self._tables = Counted(NO_TABLES if self._base is None else self._base.tables)
        self._steps = []
        for i, (boundary_us, has_pane) in enumerate(meta["steps"]):
            dropped = arrays.get(f"dropped{i}")
            if dropped is not None:
                self.drop(dropped)
            else:
                self.step(boundary_us, next(following) if has_pane else None)


def _nbytes(cells: Iterable[Cells | None]) -> int:
    return sum(c.nbytes for c in cells if c is not None)


def _frame(cells: Cells) -> bytes:
    return pack("cells", _VERSION, {}, cells.arrays("cells"))


def _read(table: I64, chunks: Chunks, saved: Sealed[Cells], fit: CellFit | None) -> list[Cells]:
    """The cells that are there, which are remembered as saved unless they had to be changed."""
    refs = chunks.refs(table)
    cells = [Cells.of_arrays("cells", unpack(chunks.get(ref), "cells", (_VERSION,))[2]) for ref in refs]
    if fit is not None:
        return [fit(each) for each in cells]
    saved.know(cells, refs)
    return cells
