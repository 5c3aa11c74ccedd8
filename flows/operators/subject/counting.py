"""The rows of one key group's panes -> cells: who the subjects are, what they did before, what is counted of them."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from detectors.features.derived import SubjectRuns, fill_forward
from detectors.features.plan import WindowPlan
from detectors.features.sequences import Sequences
from flows.event_stream import EventStream
from flows.operators.subject.borrowing import Borrowing
from flows.operators.subject.lending import Lending, Met
from state.batch import MicroBatch
from state.cells import Cells, merge, run_lengths, run_starts
from state.chunks import Chunks
from state.closed import Closed
from state.panes import PaneLog
from state.slot_columns import SlotColumns
from state.slots import SLOT_BITS, SlotTable
from state.spans import Spans
from state.types import HOUR_US, I16, I64, NO_CODE, U64, Names
from state.window_builders import Fed

_TOGETHER: Final = 8_192
"""So many rows of small panes are worked out at once: what a pane costs, few rows or many, is shared."""


@dataclass(slots=True)
class Pane:
    """What was counted in a pane.  rows: how many were."""

    end_us: int
    cells: Cells | None = None
    marks: Cells | None = None
    rows: int = 0


@dataclass(slots=True)
class Panes:
    """Panes that were closed at once.

    together: the cells of all, where these are apart only when somebody asks.  met: who met whom in them.
    """

    each: list[Pane]
    together: Spans | None = None
    met: tuple[Met, ...] = ()
    _apart: bool = False

    def fed(self, planned: WindowPlan) -> Fed:
        """What a window takes, pane by pane."""
        if self.together is not None and not self._apart:
            self._apart = True
            for pane, cells in zip(self.each, self.together.apart(), strict=True):
                pane.cells = cells
        return [(pane.end_us, planned.of(pane.cells, pane.marks)) for pane in self.each]


@dataclass(slots=True)
class _Entered:
    """Who is in some panes.  key: (m,) sorted; slot: (m,) theirs.  of_row: (n,) the slot of each row's subject."""

    key: U64
    slot: I64
    of_row: I64

    def of(self, subject: U64) -> I64:
        """The slots of some of them."""
        return self.slot[np.searchsorted(self.key, subject)]


def _others(closed: Closed, keys: U64, pane_us: int) -> tuple[U64, I64] | None:
    """Subjects without rows that count, and when they were last seen: all of their rows were duplicates or rejected.

    None where there are none, as in most panes.
    """
    found: list[tuple[U64, int]] = []
    for end_us, folded, marks in zip(closed.ends_us, closed.folded, closed.marks, strict=True):
        found += [] if folded is None else [(folded.slot.view(np.uint64), end_us - pane_us)]
        found += [] if marks is None else [(marks.subject, end_us - pane_us)]
    if not found:
        return None
    subject = np.concatenate([subject for subject, _ in found])
    seen_us = np.repeat([at_us for _, at_us in found], [len(subject) for subject, _ in found])
    # The last time of each comes first.
    subject, first = np.unique(subject[::-1], return_index=True)
    others = ~np.isin(subject, keys)
    return (subject[others], seen_us[::-1][first[others]]) if others.any() else None


def _same_hour(before_us: int, end_us: int) -> bool:
    return before_us // HOUR_US == end_us // HOUR_US


class Counting:
    """The subjects of one key group, and the cells of its panes.

    cohort_column: that cohorts go by, "" for none.  leave: called with the slots of subjects before these are given to
    others.  borrowing, lending: loans from and to other kinds of subjects.
    """

    def __init__(
        self,
        stream: EventStream,
        cohort_column: str,
        log: PaneLog,
        leave: Callable[[I64], None],
        borrowing: Borrowing | None = None,
        lending: Lending | None = None,
    ) -> None:
        self._borrowing = borrowing
        self._lending = lending
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

    def close(self, end_us: int, limit_us: int, after_us: int) -> Panes:
        """The pane that ends there, and further ones that were worked out with it.

        limit_us: up to where panes may be closed.  after_us: the boundary before.  Where there are several, nobody
        leaves by the end of the last.
        """
        if self.first_end_us() != end_us:
            return Panes([Pane(end_us)])
        closed = self._log.close(self._stretch(limit_us, after_us))
        if self._borrowing is not None and len(closed.batch):
            closed = closed.with_batch(self._borrowing.close(closed))
        entered = self._enter(closed)
        self._sequences.carry.grow(self.slots.size)
        self._cohort.grow(self.slots.size)
        together = self._cells(closed, entered)
        panes = [Pane(end_us, rows=rows) for end_us, rows in zip(closed.ends_us, closed.rows, strict=True)]
        if together is not None and (any(closed.folded) or any(closed.marks)):
            for pane, cells in zip(panes, together.apart(), strict=True):
                pane.cells = cells
            together = None
        for i, pane in enumerate(panes):
            folded, marks = closed.folded[i], closed.marks[i]
            if folded is not None:
                surplus = folded.renamed(entered.of(folded.slot.view(np.uint64)))
                pane.cells = surplus if pane.cells is None else merge([pane.cells, surplus])
            if marks is not None:
                slot = entered.of(marks.subject)
                there = pane.cells is not None and np.isin(slot, pane.cells.slot)
                at_us = np.where(there, np.nan, float(pane.end_us - self._pane_us))
                pane.marks = self._plan.kernel.marks(marks, slot, at_us)
        if self._lending is None or not len(closed.batch):
            return Panes(panes, together)
        return Panes(panes, together, self._lending.met(closed, entered.of_row))

    def _stretch(self, limit_us: int, after_us: int) -> list[int]:
        """The ends of the next panes: of one, and of further ones while they are small and nobody leaves."""
        panes = self._log.panes()
        first_us, together = next(panes)
        # Windows are told the cohort as it was when they closed.
        if self._cohort_column or not self._all_stay(after_us, first_us, first_us):
            return [first_us]
        room = min(_TOGETHER, self.slots.capacity - len(self.slots))
        ends = [first_us]
        for end_us, rows in panes:
            together += rows
            if end_us > limit_us or together > room or not self._all_stay(ends[-1], end_us, first_us):
                break
            ends.append(end_us)
        return ends

    def _all_stay(self, before_us: int, end_us: int, first_us: int) -> bool:
        """Whether nobody leaves from one boundary to another.  first_us: of a pane that brings subjects."""
        if _same_hour(before_us, end_us):
            return True
        return end_us <= min(self.slots.first_leave_us(end_us), first_us - self._pane_us + self.slots.ttl_us)

    def expire(self, boundary_us: int, before_us: int) -> None:
        """Lets those subjects go that were silent for too long, at the first boundary of each hour.  before_us: the
        boundary before.
        """
        if not _same_hour(before_us, boundary_us):
            self._forget(self.slots.expire(boundary_us))

    def forget(self, subject: int) -> None:
        """Lets one subject go.  subject: the hash of its id."""
        self._forget(self.slots.leave(subject))

    def _forget(self, slots: I64) -> None:
        if len(slots):
            self._sequences.carry.reset(slots)
            self._cohort.reset(slots)
            self._leave(slots)

    def _enter(self, closed: Closed) -> _Entered:
        """Gives everybody a slot who has rows, or marks."""
        subject = closed.batch.subject
        starts = run_starts(subject)
        lengths = run_lengths(starts, len(subject))
        keys, seen_us = subject[starts], closed.batch.event_time_us[starts + lengths - 1]
        rows = len(keys)
        others = _others(closed, keys, self._pane_us)
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

    def _cells(self, closed: Closed, entered: _Entered) -> Spans | None:
        """The cells of the panes' rows; None without any."""
        if not len(closed.batch):
            return None
        ends_us = np.array(closed.ends_us)
        if len(ends_us) == 1:
            cells = self._kernel(closed.batch, run_starts(closed.batch.subject), entered.of_row, entered.of_row)
            return Spans(ends_us, np.zeros(len(cells), np.int64), cells.slot, cells)
        # For the kernel a subject in a pane is a subject of its own.
        owner = (closed.pane << SLOT_BITS) | entered.of_row
        starts = run_starts(owner)
        owners = np.sort(owner[starts])
        cells = self._kernel(closed.batch, starts, entered.of_row, np.searchsorted(owners, owner))
        return Spans(ends_us, owners >> SLOT_BITS, owners & ((1 << SLOT_BITS) - 1), cells)

    def _kernel(self, batch: MicroBatch, starts: I64, slot: I64, owner: I64) -> Cells:
        """slot: of each row.  starts: first row of each owner, of whom the cells are told."""
        subjects = run_starts(batch.subject)
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
