"""The rows of one key group's panes -> cells: who the subjects are, what they did before, what is counted of them."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from detectors.features.derived import SubjectRuns, fill_forward
from detectors.features.sequences import Sequences
from flows.event_stream import EventStream
from state.batch import MicroBatch
from state.cells import Cells, merge, run_lengths, run_starts
from state.chunks import Chunks
from state.order import stable_argsort
from state.panes import Closed, PaneLog
from state.side_by_side import apart
from state.slot_columns import SlotColumns
from state.slots import SLOT_BITS, SlotTable
from state.types import I16, I64, NO_CODE, U64, Names

_TOGETHER: Final = 8_192
"""So many rows of small panes are worked out at once: what a pane costs, few rows or many, is shared."""


_Both = tuple[Cells | None, Cells | None]
"""Cells of rows, cells of marks."""


@dataclass(slots=True)
class Pane:
    """What was counted in a pane.  rows: how many were."""

    end_us: int
    cells: Cells | None = None
    marks: Cells | None = None
    rows: int = 0


@dataclass(slots=True)
class _Entered:
    """Who is in a pane.  key: (m,) sorted; slot: (m,) theirs.  of_row: (n,) the slot of each row's subject."""

    key: U64
    slot: I64
    of_row: I64

    def of(self, subject: U64) -> I64:
        """The slots of some of them."""
        return self.slot[np.searchsorted(self.key, subject)]


def _with_rows(closed: Closed) -> U64:
    """The subjects of rows that count, some of them often."""
    folded = closed.folded
    return np.concatenate([closed.batch.subject, *([] if folded is None else [folded.slot.view(np.uint64)])])


def _others(closed: Closed, keys: U64) -> tuple[U64, I64] | None:
    """Subjects without rows that count, and when they were last seen: all of their rows were duplicates or rejected.

    None where there are none, as in most panes.
    """
    found = [] if closed.folded is None else [closed.folded.slot.view(np.uint64)]
    found += [] if closed.marks is None else [closed.marks.subject]
    subject = np.setdiff1d(np.concatenate(found), keys) if found else keys[:0]
    return (subject, np.full(len(subject), closed.start_us)) if len(subject) else None


class Counting:
    """The subjects of one key group, and the cells of its panes.

    cohort_column: that cohorts go by, "" for none.  leave: called with the slots of subjects before these are given to
    others.
    """

    def __init__(self, stream: EventStream, cohort_column: str, log: PaneLog, leave: Callable[[I64], None]) -> None:
        self._plan = stream.plan
        self._log = log
        self._leave = leave
        self._pane_us = stream.pane_us
        self._cohort_column = cohort_column
        self._sequences = Sequences(self._plan.sequences, self._plan.filters)
        self._cohort = SlotColumns({"cohort": (np.int16, (), NO_CODE)})
        self.slots = SlotTable(stream.state.capacity, stream.state.ttl_us)

    @property
    def cohort(self) -> I16:
        """By slot, the code of the last known word in the cohort column."""
        return self._cohort["cohort"]

    def first_end_us(self) -> int | None:
        """Where the earliest pane with rows ends; None without rows."""
        return self._log.first_end_us()

    def close(self, end_us: int, limit_us: int) -> list[Pane]:
        """The pane that ends there, and further ones that were worked out with it.

        limit_us: up to where panes may be closed.  Nobody leaves before the last of them has ended.
        """
        if self.first_end_us() != end_us:
            return [Pane(end_us)]
        closed = {end: self._log.close(end) for end in self._stretch(limit_us)}
        several = {end: pane for end, pane in closed.items() if pane is not None}
        cells = dict(zip(several, self._cells(list(several.values())), strict=True))
        nothing = None, None
        return [Pane(end, *cells.get(end, nothing), len(pane.batch) if pane else 0) for end, pane in closed.items()]

    def _stretch(self, limit_us: int) -> list[int]:
        """The ends of the next panes: of one, and of further ones while they are small and nobody leaves before."""
        panes = [(end, rows) for end, rows in self._log.panes() if end <= limit_us]
        first_us = panes[0][0]
        if self._cohort_column:  # windows are told the cohort as it was when they closed
            return [first_us]
        stay_us = min(self.slots.first_leave_us(panes[-1][0]), first_us - self._pane_us + self.slots.ttl_us)
        room = min(_TOGETHER, self.slots.capacity - len(self.slots))
        rows = np.cumsum([rows for _, rows in panes]).tolist()
        return [end for i, (end, _) in enumerate(panes) if not i or (rows[i] <= room and end <= stay_us)]

    def expire(self, boundary_us: int) -> None:
        """Lets those subjects go that were silent for too long."""
        self._forget(self.slots.expire(boundary_us))

    def forget(self, subject: int) -> None:
        """Lets one subject go.  subject: the hash of its id."""
        self._forget(self.slots.leave(subject))

    def _forget(self, slots: I64) -> None:
        if len(slots):
            self._sequences.carry.reset(slots)
            self._cohort.reset(slots)
            self._leave(slots)

    def _cells(self, panes: list[Closed]) -> list[_Both]:
        """The cells of each pane, and those of its marks."""
        if not panes:
            return []
        entered = [self._enter(closed) for closed in panes]
        self._sequences.carry.grow(self.slots.size)
        self._cohort.grow(self.slots.size)
        filled = [i for i, closed in enumerate(panes) if len(closed.batch)]
        batches, slots = [panes[i].batch for i in filled], [entered[i].of_row for i in filled]
        found = [self._pane(batches[0], slots[0])] if len(filled) == 1 else self._together(batches, slots)
        cells: list[Cells | None] = [None] * len(panes)
        for i, of_rows in zip(filled, found, strict=True):
            cells[i] = of_rows
        marks: list[Cells | None] = [None] * len(panes)
        for i, closed in enumerate(panes):
            if closed.folded is not None:
                surplus = closed.folded.renamed(entered[i].of(closed.folded.slot.view(np.uint64)))
                before = cells[i]
                cells[i] = surplus if before is None else merge([before, surplus])
            if closed.marks is not None:
                subject = closed.marks.subject
                at_us = np.where(np.isin(subject, _with_rows(closed)), np.nan, float(closed.start_us))
                marks[i] = self._plan.kernel.marks(closed.marks, entered[i].of(subject), at_us)
        return list(zip(cells, marks, strict=True))

    def _enter(self, closed: Closed) -> "_Entered":
        """Gives everybody a slot who has rows, or marks."""
        subject = closed.batch.subject
        starts = run_starts(subject)
        lengths = run_lengths(starts, len(subject))
        keys, seen_us = subject[starts], closed.batch.event_time_us[starts + lengths - 1]
        rows = len(keys)
        others = _others(closed, keys)
        if others is None:
            slot, evicted = self.slots.enter(keys, lambda new: closed.names(starts[new]), seen_us)
            self._forget(evicted)
            return _Entered(keys, slot, np.repeat(slot, lengths))
        order = np.argsort(np.concatenate([keys, others[0]]))
        keys = np.concatenate([keys, others[0]])[order]
        seen_us = np.concatenate([seen_us, others[1]])[order]

        has_rows = order < rows

        def names(new: I64) -> Names:
            found = np.empty(len(new), object)
            mine = has_rows[new]
            found[mine] = closed.names(starts[order[new[mine]]])
            found[~mine] = closed.names_of(keys[new[~mine]])
            return found

        slot, evicted = self.slots.enter(keys, names, seen_us)
        self._forget(evicted)
        return _Entered(keys, slot, np.repeat(slot[np.argsort(order)[:rows]], lengths))

    def _pane(self, batch: MicroBatch, slot: I64) -> Cells:
        starts = run_starts(batch.subject)
        return self._kernel(batch, starts, starts, slot, slot)

    def _together(self, panes: list[MicroBatch], slots: list[I64]) -> list[Cells]:
        """Each subject's rows of all panes side by side, so that what derives from the rows before does so as ever."""
        if not panes:
            return []
        batch = MicroBatch.concat(panes)
        order = stable_argsort(batch.subject)
        batch, slot = batch.take(order), np.concatenate(slots)[order]
        pane = np.repeat(np.arange(len(panes)), [len(s) for s in slots])[order]
        owner = (pane << SLOT_BITS) | slot
        starts = run_starts(owner)
        # For the kernel a subject in a pane is a subject of its own.
        owners = np.sort(owner[starts])
        number = np.searchsorted(owners, owner)
        return apart(self._kernel(batch, run_starts(batch.subject), starts, slot, number), owners, len(panes))

    def _kernel(self, batch: MicroBatch, subjects: I64, starts: I64, slot: I64, owner: I64) -> Cells:
        """subjects, starts: first row of each subject and of each owner, in which the cells are told."""
        of_row = np.repeat(np.arange(len(subjects)), run_lengths(subjects, len(batch)))
        runs = SubjectRuns(of_row, slot[subjects])
        masks = self._plan.filters.masks(batch)
        derived = self._sequences.compute(batch, masks, runs)
        if self._cohort_column:
            word = batch[self._cohort_column]
            fill_forward(word, word >= 0, self._cohort["cohort"], runs)
            self._cohort.touch(runs.slot)
        return self._plan.kernel.cells(MicroBatch(batch.columns | derived), masks, starts, owner[starts], owner)

    def row(self, slot: int) -> dict[str, Any]:
        """What is remembered of a subject between panes."""
        return self._sequences.carry.row(slot) | ({} if not self._cohort_column else self._cohort.row(slot))

    def snapshots(self, chunks: Chunks) -> dict[str, bytes]:
        """The root frames of the state.  To be asked when no panes are being closed."""
        return {
            "slots": self.slots.snapshot(chunks),
            "carry": self._sequences.carry.snapshot(chunks),
            "cohort": self._cohort.snapshot(chunks),
        }

    def restore(
        self,
        frames: dict[str, bytes],
        chunks: Chunks,
        cold: AbstractSet[str] = frozenset(),
        cohort_codes: I16 | None = None,
    ) -> None:
        """Takes what `snapshots` gave.  cold: sequences that remember nothing yet.  cohort_codes: saved code of a word
        -> its code now, the last item being that of no word; others than there are count as no word.
        """
        self.slots.restore(frames["slots"], chunks)
        self._sequences.carry.restore(frames["carry"], chunks, self._sequences.remembered(cold))
        self._cohort.restore(frames["cohort"], chunks)
        if cohort_codes is not None:
            codes, words = self._cohort["cohort"], len(cohort_codes) - 1
            codes[:] = cohort_codes[np.where(codes < words, codes, NO_CODE)]
            self._cohort.touch(np.arange(self._cohort.size))
