"""From panes to windows: rings of slide-wide cells for tumbling and sliding windows, open cells for sessions."""

from collections import deque
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from state.cells import Cells, merge
from state.types import I64
from state.windows import WindowKind, WindowSpec


class Assembler(Protocol):
    """Builds the windows of one WindowSpec.  Fed at pane boundaries in ascending order; boundaries where `due_us` says
    that nothing happens may be left out.
    """

    spec: WindowSpec

    def step(self, boundary_us: int, pane: Cells | None) -> Cells | None:
        """The pane that ends at this boundary goes in, the window that closes there comes out."""

    def due_us(self, after_us: int) -> int | None:
        """The next boundary at which something closes without further rows; None when nothing is open."""

    def drop(self, slots: I64) -> None:
        """Forgets these subjects, whose slots will be given to others."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """For a snapshot."""

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Takes what `arrays` gave."""


def assembler(spec: WindowSpec, pane_us: int) -> Assembler:
    """The assembler for a window declaration."""
    return SessionAssembler(spec, pane_us) if spec.kind is WindowKind.SESSION else GridAssembler(spec)


class GridAssembler:
    """Tumbling and sliding windows.  Panes are merged into slides, slides into windows: a row is merged once per slide.

    panes   |a|b|c|d|e|f|
    slides  |abc  |def  |
    window  |abcdef     |   size = 2 slides
    """

    def __init__(self, spec: WindowSpec) -> None:
        self.spec = spec
        self._filling: list[Cells] = []
        self._ring: deque[tuple[int, Cells]] = deque()
        self._merged: Cells | None = None
        """The ring's cells together, while it stays as it is."""

    def step(self, boundary_us: int, pane: Cells | None) -> Cells | None:
        if pane is not None:
            self._filling.append(pane)
        if boundary_us % self.spec.slide_us:
            return None
        if self._filling:
            self._ring.append((boundary_us, merge(self._filling)))
            self._filling, self._merged = [], None
        while self._ring and self._ring[0][0] <= boundary_us - self.spec.size_us:
            self._ring.popleft()
            self._merged = None
        if self._ring and self._merged is None:
            self._merged = merge([cells for _, cells in self._ring])
        return self._merged

    def due_us(self, after_us: int) -> int | None:
        if not self._filling and not self._ring:
            return None
        return (after_us // self.spec.slide_us + 1) * self.spec.slide_us

    def drop(self, slots: I64) -> None:
        self._filling = [left for cells in self._filling if len(left := cells.without(slots))]
        self._ring = deque((end, left) for end, cells in self._ring if len(left := cells.without(slots)))
        self._merged = None

    def arrays(self) -> dict[str, NDArray[Any]]:
        out: dict[str, NDArray[Any]] = {"ends": np.array([end for end, _ in self._ring], np.int64)}
        for i, (_, cells) in enumerate(self._ring):
            out |= cells.arrays(f"ring{i}")
        for i, cells in enumerate(self._filling):
            out |= cells.arrays(f"filling{i}")
        return out

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        ends = arrays["ends"].tolist()
        self._ring = deque((end, Cells.of_arrays(f"ring{i}", arrays)) for i, end in enumerate(ends))
        self._filling, self._merged = [], None
        while f"filling{len(self._filling)}.slot" in arrays:
            self._filling.append(Cells.of_arrays(f"filling{len(self._filling)}", arrays))


class SessionAssembler:
    """Session windows.  A pane is never wider than the gap, so a session is a chain of panes.

    rows   x x x      x x
    gap          <-->            closes here: T
    panes  |  |  |  |  |  |  |
    """

    def __init__(self, spec: WindowSpec, pane_us: int) -> None:
        self.spec = spec
        self._pane_us = pane_us
        self._open: Cells | None = None

    def step(self, boundary_us: int, pane: Cells | None) -> Cells | None:
        closed: list[Cells] = []
        if pane is not None:
            if self._open is not None:
                closed += self._split(pane)
            self._open = pane if self._open is None else merge([self._open, pane])
        if self._open is not None:
            over = (self._open.last_us + self.spec.gap_us < boundary_us) | (
                self._open.first_us + self.spec.max_us <= boundary_us
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
        broken = pane.first_us[theirs] - self._open.last_us[mine] > self.spec.gap_us
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
        silent = (int(self._open.last_us.min()) + self.spec.gap_us) // self._pane_us + 1
        full = -(-(int(self._open.first_us.min()) + self.spec.max_us) // self._pane_us)
        return max(min(silent, full) * self._pane_us, after_us + self._pane_us)

    def drop(self, slots: I64) -> None:
        if self._open is not None:
            self._open = self._open.without(slots)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return self._open.arrays("open") if self._open is not None else {}

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._open = Cells.of_arrays("open", arrays) if arrays else None
