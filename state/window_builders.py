"""From panes to windows: rings of slide-wide cells for tumbling and sliding windows, open cells for sessions."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from state.cells import Cells, merge
from state.chunks import Chunks, Sealed, table_of
from state.refit import CellFit
from state.snapshot import pack, unpack
from state.types import I64

_VERSION: Final = 1


class WindowBuilder(Protocol):
    """Builds the windows of one declaration.  Fed at pane boundaries in ascending order; boundaries where `due_us` says
    that nothing happens may be left out.
    """

    def step(self, boundary_us: int, pane: Cells | None) -> Cells | None:
        """The pane that ends at this boundary goes in, the window that closes there comes out."""

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
        """Takes what `snapshot` gave.  fit: for cells that were saved with other parts."""


class GridWindows:
    """Tumbling and sliding windows.  Panes are merged into slides, slides into windows: a row is merged once per slide.

    panes   |a|b|c|d|e|f|
    slides  |abc  |def  |
    window  |abcdef     |   size = 2 slides
    """

    def __init__(self, size_us: int, slide_us: int) -> None:
        self._size_us, self._slide_us = size_us, slide_us
        self._filling: list[Cells] = []
        self._ring: deque[tuple[int, Cells]] = deque()
        self._saved = Sealed(_frame)
        self._merged: Cells | None = None
        """The ring's cells together, while it stays as it is."""

    def step(self, boundary_us: int, pane: Cells | None) -> Cells | None:
        if pane is not None:
            self._filling.append(pane)
        if boundary_us % self._slide_us:
            return None
        if self._filling:
            self._ring.append((boundary_us, merge(self._filling)))
            self._filling, self._merged = [], None
        while self._ring and self._ring[0][0] <= boundary_us - self._size_us:
            self._ring.popleft()
            self._merged = None
        if self._ring and self._merged is None:
            self._merged = merge([cells for _, cells in self._ring])
        return self._merged

    def due_us(self, after_us: int) -> int | None:
        if not self._filling and not self._ring:
            return None
        return (after_us // self._slide_us + 1) * self._slide_us

    def drop(self, slots: I64) -> None:
        self._filling = [left for cells in self._filling if len(left := cells.without(slots))]
        self._ring = deque((end, left) for end, cells in self._ring if len(left := cells.without(slots)))
        self._merged = None

    def condense(self) -> None:
        """It never holds anything else."""

    def cells(self) -> list[Cells]:
        return [*(cells for _, cells in self._ring), *self._filling]

    def snapshot(self, chunks: Chunks) -> bytes:
        refs = self._saved.put(chunks, self.cells())
        return pack("window", _VERSION, {"ends": [end for end, _ in self._ring]}, {"cells": table_of(refs)})

    def restore(self, root: bytes, chunks: Chunks, fit: CellFit | None = None) -> None:
        _, meta, arrays = unpack(root, "window", (_VERSION,))
        ends, cells = meta["ends"], _read(arrays["cells"], chunks, self._saved, fit)
        self._ring = deque(zip(ends, cells[: len(ends)], strict=True))
        self._filling, self._merged = cells[len(ends) :], None


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
            self._open = pane if self._open is None else merge([self._open, pane])
        if self._open is not None:
            over = (self._open.last_us + self._gap_us < boundary_us) | (
                self._open.first_us + self._max_us <= boundary_us
            )
            if over.any():
                closed.append(self._open.where(over))
                self._open = self._open.where(~over)
            self._open = self._open if len(self._open) else None
        return merge(closed) if closed else None

    def _split(self, pane: Cells) -> list[Cells]:
        """Takes out the open sessions whose subject comes back in this pane after more than the gap."""
        assert self._open is not None
        _, mine, theirs = np.intersect1d(self._open.slot, pane.slot, assume_unique=True, return_indices=True)
        broken = pane.first_us[theirs] - self._open.last_us[mine] > self._gap_us
        if not broken.any():
            return []
        mask = np.zeros(len(self._open), np.bool_)
        mask[mine[broken]] = True
        closed = self._open.where(mask)
        self._open = self._open.where(~mask)
        return [closed]

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

    def condense(self) -> None:
        self._steps = None

    def cells(self) -> list[Cells]:
        return [] if self._open is None else [self._open]

    def snapshot(self, chunks: Chunks) -> bytes:
        if self._steps is None or _nbytes(step.pane for step in self._steps) >= _nbytes([self._open]):
            self._base, self._steps = self._open, []
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
        self._base = self._open = next(following) if meta["base"] else None
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
