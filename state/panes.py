"""PaneLog: rows wait in their pane until the watermark closes it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from operator import itemgetter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from state.batch import MicroBatch
from state.budget import cut, over_budget
from state.cells import Cells, merge, run_starts
from state.chunks import Chunks, Latest, table_of
from state.closed import Closed
from state.dedup import Dedup
from state.marks import DUPLICATES, REJECTS, Marks
from state.pieces import Pieces
from state.refit import CellFit, RowFit
from state.schema import EVENT_KEY, SUBJECT
from state.snapshot import pack, pack_frames, unpack, unpack_frames
from state.types import I64, U64, Names

Tally = Callable[[MicroBatch], Cells]
"""Aggregates surplus rows (one subject after the other) into cells whose slot is the subject's hash, viewed as int64.
"""


_VERSION: Final = 1
_FOLDED: Final = 2


@dataclass(frozen=True, slots=True)
class PaneFit:
    """How saved panes become those of another declaration.  rows, cells: what waits, and what was folded.  pane_us: how
    wide the saved ones are.
    """

    rows: RowFit
    cells: CellFit
    pane_us: int


@dataclass(slots=True)
class _Pane:
    """Rows that wait, in the order of arrival; what was folded.

    checked, unchecked: how many rows were looked at for the budget, and how many came since.  written: parts that are
    saved already, in pieces.  marks: of what does not count, as far as anybody asks for them.
    """

    parts: list[MicroBatch] = field(default_factory=list)
    checked: int = 0
    unchecked: int = 0
    folded: Cells | None = None
    folded_keys: U64 = field(default_factory=lambda: np.zeros(0, np.uint64))
    pieces: Pieces = field(default_factory=Pieces)
    written: int = 0
    marks: Marks | None = None

    def mark(self, marks: Marks) -> None:
        """Adds some."""
        self.marks = marks if self.marks is None else Marks.together([self.marks, marks])

    def save(self, chunks: Chunks) -> I64:
        """Writes the parts that came since the last snapshot; where all of them are."""
        if not self.pieces.keep(chunks):
            self.written = 0
        if self.written < len(self.parts):
            self.pieces.add(chunks, MicroBatch.concat(self.parts[self.written :]).columns)
            self.written = len(self.parts)
        return self.pieces.table()


class PaneLog:
    """Rows of one key group by pane.

    rows_max: row budget per subject and pane.  tally: what becomes of the rows beyond it.  marks: whether duplicates
    are told by subject.
    """

    def __init__(
        self,
        pane_us: int,
        dedup: Dedup | None,
        rows_max: int,
        tally: Tally,
        *,
        marks: bool = False,
    ) -> None:
        self.pane_us = pane_us
        self.duplicates = 0
        self.capped = 0
        self.rows = 0
        self._dedup = dedup
        self._rows_max = rows_max
        self._tally = tally
        self._marks = marks
        self._panes: dict[int, _Pane] = {}
        self._folded = Latest()

    def add(self, batch: MicroBatch) -> None:
        """Files the rows under their panes."""
        if not len(batch):
            return
        time_us = batch.event_time_us
        first, last = int(time_us.min()) // self.pane_us, int(time_us.max()) // self.pane_us
        if first == last:
            self._file(first, batch)
            return
        pane = time_us // self.pane_us
        order = np.argsort(pane, kind="stable")
        pane = pane[order]
        batch = batch.take(order)
        for start, stop in pairwise([*run_starts(pane).tolist(), len(pane)]):
            self._file(int(pane[start]), batch.take(slice(start, stop)))

    def reject(self, subject: U64, name: Names, time_us: I64) -> None:
        """Marks that so many lines of these subjects were rejected, (n,) each, about then."""
        pane = time_us // self.pane_us
        for number in np.unique(pane).tolist():
            at = pane == number
            self._panes.setdefault(number, _Pane()).mark(Marks.of(REJECTS, subject[at], name[at]))

    def _file(self, number: int, batch: MicroBatch) -> None:
        pane = self._panes.get(number)
        if pane is None:
            pane = self._panes[number] = _Pane()
        pane.parts.append(batch)
        pane.unchecked += len(batch)
        self.rows += len(batch)
        # Not before the pane has doubled: looking costs as much as there are rows.
        if pane.unchecked > max(16 * self._rows_max, pane.checked):
            self._enforce(pane)

    def _enforce(self, pane: _Pane) -> None:
        """Folds what is beyond the budget, so that a flood does not pile up until its pane closes."""
        batch = MicroBatch.concat(pane.parts)
        flooding = over_budget(batch, self._rows_max)
        if len(flooding):
            done = cut(batch, flooding, self._rows_max, None if self._dedup is None else pane.folded_keys)
            self.rows -= len(batch) - len(done.kept)
            self.duplicates += len(done.duplicates)
            if self._marks and len(done.duplicates):
                pane.mark(Marks.of(DUPLICATES, done.duplicates))
            self.capped += len(done.folded)
            batch = done.kept
            if len(done.folded):
                surplus = self._tally(done.folded)
                pane.folded = surplus if pane.folded is None else merge([pane.folded, surplus])
                pane.folded_keys = np.concatenate([pane.folded_keys, done.folded.event_key])
        pane.parts, pane.checked, pane.unchecked = [batch], len(batch), 0
        pane.pieces, pane.written = Pieces(), 0

    def first_end_us(self) -> int | None:
        """Where the earliest pane with rows ends; None without rows."""
        return (min(self._panes) + 1) * self.pane_us if self._panes else None

    def panes(self) -> Iterator[tuple[int, int]]:
        """Where each pane with rows or marks ends, ascending, and how many it holds."""
        for n, pane in sorted(self._panes.items(), key=itemgetter(0)):
            yield (n + 1) * self.pane_us, sum(map(len, pane.parts)) + (0 if pane.marks is None else len(pane.marks))

    def rows_of(self, subject: int) -> int:
        """How many rows of one subject wait."""
        key = np.uint64(subject)
        return sum(int((part.subject == key).sum()) for pane in self._panes.values() for part in pane.parts)

    def forget(self, subject: int) -> int:
        """Drops what waits of one subject, and returns how many rows that were."""
        key, before = np.uint64(subject), self.rows
        for number, pane in list(self._panes.items()):
            parts = [part.take(part.subject != key) for part in pane.parts]
            self.rows -= sum(map(len, pane.parts)) - sum(map(len, parts))
            pane.parts = [part for part in parts if len(part)]
            pane.pieces, pane.written = Pieces(), 0
            if pane.folded is not None:
                pane.folded = pane.folded.without(np.array([key]).view(np.int64))
            if pane.marks is not None:
                others = pane.marks.where(pane.marks.subject != key)
                pane.marks = others if len(others) else None
            if not pane.parts and pane.marks is None:
                del self._panes[number]
        return before - self.rows

    def close(self, ends_us: list[int]) -> Closed:
        """Takes out the panes that end there.  ends_us: ascending, each with rows or marks."""
        panes = [self._panes.pop(end_us // self.pane_us - 1) for end_us in ends_us]
        closed = Closed.of(ends_us, [pane.parts for pane in panes])
        if closed.exceeds(self._rows_max):
            for pane in panes:
                if pane.parts:
                    self._enforce(pane)
            closed = Closed.of(ends_us, [pane.parts for pane in panes])
        self.rows -= len(closed.pane)
        if self._dedup is not None:
            closed = self._deduplicated(self._dedup, closed, panes)
        closed.folded, closed.marks = [pane.folded for pane in panes], [pane.marks for pane in panes]
        return closed

    def _deduplicated(self, dedup: Dedup, closed: Closed, panes: list[_Pane]) -> Closed:
        """The rows without those that repeat one: pane by pane, in the order of each."""
        order = np.argsort(closed.pane.astype(np.uint16), kind="stable")  # 16 bits: a radix sort
        keys = closed.column(EVENT_KEY)[order]
        cuts = np.cumsum([0, *closed.rows]).tolist()
        again: list[I64] = []
        filled = [i for i, rows in enumerate(closed.rows) if rows]
        while filled:
            start_us = closed.ends_us[filled[0]] - self.pane_us
            last = 0
            # Keys that were folded are known from the next pane on.
            while (
                last + 1 < len(filled)
                and not len(panes[filled[last]].folded_keys)
                and dedup.as_one(start_us, closed.ends_us[filled[last + 1]] - self.pane_us)
            ):
                last += 1
            mine = slice(cuts[filled[0]], cuts[filled[last] + 1])
            fresh = dedup.fresh(start_us, keys[mine])
            if fresh is not None:
                again.append(order[mine][~fresh])
            folded = panes[filled[last]].folded_keys
            if len(folded):
                dedup.remember(folded)
            filled = filled[last + 1 :]
        if not again:
            return closed
        repeated = np.concatenate(again)
        self.duplicates += len(repeated)
        for number in np.unique(closed.pane[repeated]).tolist() if self._marks else ():
            rows = repeated[closed.pane[repeated] == number]
            panes[number].mark(Marks.of(DUPLICATES, closed.column(SUBJECT)[rows], closed.names(rows)))
        left = np.ones(len(closed.pane), np.bool_)
        left[repeated] = False
        return closed.take(left.nonzero()[0])

    def snapshot(self, chunks: Chunks) -> bytes:
        """The root frame; rows are written once, or a few times while they wait for long."""
        numbers = sorted(self._panes)
        tables = [self._panes[n].save(chunks) for n in numbers]
        folded = [n for n in numbers if self._panes[n].folded is not None]
        frames = {f"folded{number}": _folded_frame(self._panes[number]) for number in folded}
        meta = {"duplicates": self.duplicates, "capped": self.capped, "panes": numbers, "folded": folded}
        arrays: dict[str, NDArray[Any]] = {
            **{f"pane{number}": table for number, table in zip(numbers, tables, strict=True)},
            "folded": table_of(self._folded.put(chunks, frames)),
        }
        for number in numbers:
            if (marks := self._panes[number].marks) is not None:
                arrays |= marks.arrays(f"marks{number}")
        dedup = {} if self._dedup is None else {"dedup": self._dedup.snapshot(chunks)}
        return pack_frames("panes", _VERSION, meta, {"refs": pack("refs", _VERSION, {}, arrays)} | dedup)

    def restore(self, root: bytes, chunks: Chunks, fit: "PaneFit | None" = None) -> None:
        """Takes what `snapshot` gave.  fit: how, where it was of other columns, parts or panes."""
        meta, frames = unpack_frames(root, "panes", (_VERSION,))
        self.duplicates, self.capped = meta["duplicates"], meta["capped"]
        _, _, refs = unpack(frames["refs"], "refs", (_VERSION,))
        folded = self._folded.get(chunks, [f"folded{n}" for n in meta["folded"]], chunks.refs(refs["folded"]))
        for number in meta["panes"]:
            pane = self._panes[number] = _Pane()
            pane.parts = [MicroBatch(columns) for columns in pane.pieces.read(chunks, refs[f"pane{number}"])]
            pane.written = len(pane.parts)
            pane.unchecked = sum(map(len, pane.parts))
            if f"marks{number}.subject" in refs:
                pane.marks = Marks.of_arrays(f"marks{number}", refs)
            self.rows += pane.unchecked
        for number in meta["folded"]:
            _, _, arrays = unpack(folded[f"folded{number}"], "folded", (1, _FOLDED))
            pane = self._panes[number]
            pane.folded, pane.folded_keys = Cells.of_arrays("cells", arrays), arrays["keys"]
        if self._dedup is not None:
            self._dedup.restore(frames["dedup"], chunks)
        if fit is not None:
            self._refit(fit)

    def _refit(self, fit: "PaneFit") -> None:
        """Files all that waits anew.  First the budget is enforced, so that what comes of it does not depend on when
        that was done last.
        """
        panes, self._panes, self.rows = self._panes, {}, 0
        for number, pane in sorted(panes.items(), key=itemgetter(0)):
            if pane.parts:
                self._refile(pane, fit)
            if pane.marks is not None:
                # When in the pane is not known; the windows that go on take the whole of it.
                into = self._panes.setdefault(number * fit.pane_us // self.pane_us, _Pane())
                into.mark(pane.marks)

    def _refile(self, pane: _Pane, fit: "PaneFit") -> None:
        pane.parts = [fit.rows(part) for part in pane.parts]
        if pane.folded is not None:
            pane.folded = fit.cells(pane.folded)
        self.rows += sum(map(len, pane.parts))
        self._enforce(pane)
        (batch,) = pane.parts
        self.rows -= len(batch)
        self.add(batch)
        if pane.folded is not None:
            # Where the rows that were kept end: every subject that was folded has some in the pane, maybe in several
            # that it is cut into now, and one of these takes what was folded.
            self._refold(batch, pane.folded, pane.folded_keys)
        if pane.marks is not None:
            pane.marks = pane.marks.named(batch.subject, batch.subject_name)

    def _refold(self, batch: MicroBatch, folded: Cells, keys: U64) -> None:
        number = batch.event_time_us // self.pane_us
        order = np.lexsort((number, batch.subject))
        last = number[order][np.searchsorted(batch.subject[order], folded.slot.view(np.uint64), side="right") - 1]
        for n in np.unique(number).tolist():
            pane, mine = self._panes[n], folded.where(last == n)
            pane.folded = mine if pane.folded is None else merge([pane.folded, mine])
            # Which of the keys are whose is not known: what repeats one is a duplicate in any of these panes.
            pane.folded_keys = np.concatenate([pane.folded_keys, keys])


def _folded_frame(pane: _Pane) -> bytes:
    assert pane.folded is not None
    return pack("folded", _FOLDED, {}, pane.folded.arrays("cells") | {"keys": pane.folded_keys})
