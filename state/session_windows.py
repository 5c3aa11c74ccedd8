"""Session windows: chains of panes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from state.cells import (
    NO_TABLES,
    SLOT_MASK,
    SLOT_SHIFT,
    Cells,
    Tables,
    merge_runs,
    merge_tables,
    run_lengths,
    summed,
)
from state.chunks import Chunks, table_of
from state.counted import Counted
from state.frequencies import frequencies
from state.refit import CellFit
from state.slots import SLOT_BITS
from state.snapshot import pack, unpack
from state.spans import Spans
from state.types import I64
from state.window_builders import Fed, Kept

_VERSION: Final = 1
_MANY: Final = 1 << (SLOT_BITS - 1)
"""With so many open sessions panes are taken one by one: of those that are over, each has a number below 2**20."""


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

    def __init__(self, gap_us: int, max_us: int, pane_us: int, kept: Kept) -> None:
        self._gap_us, self._max_us, self._pane_us = gap_us, max_us, pane_us
        self._open: Cells | None = None
        """Without tables."""
        self._tables = Counted()
        """Of the open ones."""
        self._base: Cells | None = None
        self._steps: list[_Step] | None = None
        """Since the base; None before the first snapshot."""
        self._kept = kept

    def steps(self, panes: Fed, after_us: int) -> list[Spans]:
        if self._open is not None and len(self._open) > _MANY and len(panes) > 1:
            before = [after_us, *(end_us for end_us, _ in panes)]
            return [spans for i, pane in enumerate(panes) for spans in self.steps([pane], before[i])]
        closed = self._take(panes, after_us)
        if self._steps is not None:
            fed = dict.fromkeys(end_us for spans in closed for end_us in spans.ends_us.tolist()) | dict(panes)
            self._steps += (_Step(end_us, fed[end_us]) for end_us in sorted(fed))
        return closed

    def alone(self, panes: Spans) -> None:
        """A session is never over where its last pane ends."""

    def _take(self, panes: Fed, after_us: int) -> list[Spans]:
        """Lengthens the open sessions by these panes, and takes out those that are over by the last."""
        fed = [(end_us, pane) for end_us, pane in panes if pane is not None]
        held = [] if self._open is None else [(after_us, self._open)]
        if not held and not fed:
            return []
        parts = [cells for _, cells in (*held, *fed)]
        slot = np.concatenate([cells.slot for cells in parts])
        order = np.argsort(slot, kind="stable")
        slot = slot[order]
        end_us = np.repeat([end_us for end_us, _ in (*held, *fed)], [len(cells) for cells in parts])[order]
        first_us = np.concatenate([cells.first_us for cells in parts])[order].astype(np.int64)
        last_us = np.concatenate([cells.last_us for cells in parts])[order].astype(np.int64)
        next_us = (after_us // self._pane_us + 1) * self._pane_us
        starts, full_us = self._starts(slot, first_us, last_us, end_us, next_us)
        lengths = run_lengths(starts, len(slot))
        # The first boundary T with last + gap < T, or first + max <= T.
        silent_us = ((last_us[starts + lengths - 1] + self._gap_us) // self._pane_us + 1) * self._pane_us
        over_us = np.maximum(np.minimum(silent_us, full_us), next_us)
        merged = _folded(parts, order, starts, lengths, slot[starts])
        over = (over_us <= panes[-1][0]).nonzero()[0]
        over = over[np.lexsort((merged.slot[over], over_us[over]))]
        number = np.full(len(starts), -1)
        number[over] = np.arange(len(over))
        number_of = np.empty(len(slot), np.int64)
        number_of[order] = np.repeat(number, lengths)
        tables = self._sort_out(parts, number_of, bool(held))
        stay = (number < 0).nonzero()[0]
        self._open = merged.take(stay, NO_TABLES) if len(stay) else None
        if not len(over):
            return []
        ends_us, part = np.unique(over_us[over], return_inverse=True)
        closed = merged.take(over, frequencies(tables))
        return [Spans(ends_us, part, closed.slot, replace(closed, slot=np.arange(len(over))))]

    def _starts(self, slot: I64, first_us: I64, last_us: I64, end_us: I64, next_us: int) -> tuple[I64, I64]:
        """Where each session starts, and when it would be as long as may be.

        All (n,), of parts of sessions by subject and time.  end_us: of their panes.  next_us: the first boundary now.
        """
        new = np.empty(len(slot), np.bool_)
        new[:1] = True
        new[1:] = (slot[1:] != slot[:-1]) | (first_us[1:] - last_us[:-1] > self._gap_us)
        while True:
            starts = new.nonzero()[0]
            full_us = np.maximum(-(-(first_us[starts] + self._max_us) // self._pane_us) * self._pane_us, next_us)
            beyond = end_us > np.repeat(full_us, run_lengths(starts, len(slot)))
            if not beyond.any():
                return starts, full_us
            first = beyond.copy()
            first[1:] &= new[1:] | ~beyond[:-1]
            new |= first

    def _sort_out(self, parts: Sequence[Cells], number_of: I64, held: bool) -> Tables:
        """The values of the sessions that are over, under their numbers; the others' stay, and come to those that did.

        number_of: by column of all parts, -1 for those that stay.  held: whether the first part is what was open.
        """
        keys, counts = [NO_TABLES.key], [NO_TABLES.count]
        stay: list[Tables] = []
        ends = np.cumsum([len(cells) for cells in parts])[:-1]
        for i, (cells, number) in enumerate(zip(parts, np.split(number_of, ends), strict=True)):
            gone = (number >= 0).any()
            if held and not i:
                tables = self._tables.take(cells.slot[number >= 0]) if gone else NO_TABLES
            else:
                tables = cells.tables
            if gone and len(tables):
                of_entry = number[np.searchsorted(cells.slot, tables.slot)]
                over = of_entry >= 0
                key = tables.key[over] & ~(SLOT_MASK << SLOT_SHIFT)
                keys.append(key | (of_entry[over].view(np.uint64) << SLOT_SHIFT))
                counts.append(tables.count[over])
                tables = tables.where(~over)
            stay.append(tables)
        self._tables.change(merge_tables(stay))
        return summed(Tables(np.concatenate(keys), np.concatenate(counts)))

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

    def to_save(self) -> list[Cells]:
        if self._steps is None or _nbytes(step.pane for step in self._steps) >= _nbytes(self.cells()):
            self._base, self._steps = next(iter(self.cells()), None), []
        return [c for c in (self._base, *(step.pane for step in self._steps)) if c is not None]

    def snapshot(self, chunks: Chunks) -> bytes:
        refs = self._kept.put(chunks, self.to_save())
        assert self._steps is not None
        dropped = {f"dropped{i}": s.dropped for i, s in enumerate(self._steps) if s.dropped is not None}
        meta = {
            "base": self._base is not None,
            "steps": [[step.boundary_us, step.pane is not None] for step in self._steps],
        }
        return pack("sessions", _VERSION, meta, {"cells": table_of(refs), **dropped})

    def restore(self, root: bytes, chunks: Chunks, fit: CellFit | None = None) -> None:
        _, meta, arrays = unpack(root, "sessions", (_VERSION,))
        cells = self._kept.read(arrays["cells"], chunks, fit)
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
                pane = next(following) if has_pane else None
                self._take([(boundary_us, pane)], boundary_us - self._pane_us)
                self._steps.append(_Step(boundary_us, pane))


def _folded(parts: Sequence[Cells], at: I64, starts: I64, lengths: I64, slot: I64) -> Cells:
    """Cells, without tables, merged as `merge_runs` has it, sums being those of one pane after the other: what came
    before, and the next.
    """
    merged = merge_runs(parts, at, starts, slot)
    long = (lengths > 2).nonzero()[0]
    if len(long):
        long = long[np.argsort(-lengths[long], kind="stable")]
        sums = np.concatenate([cells.sums for cells in parts], axis=1)
        total = sums.take(at[starts[long]], axis=1)
        for further in range(1, int(lengths.max())):
            more = int((lengths[long] > further).sum())
            total[:, :more] += sums.take(at[starts[long[:more]] + further], axis=1)
        merged.sums[:, long] = total
    return merged


def _nbytes(cells: Iterable[Cells | None]) -> int:
    return sum(c.nbytes for c in cells if c is not None)
