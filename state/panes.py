"""PaneLog: rows wait in their pane until the watermark closes it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from state.batch import MicroBatch
from state.budget import cut, over_budget
from state.cells import Cells, merge, run_starts
from state.dedup import Dedup
from state.order import chronological
from state.schema import SUBJECT_NAME, SYSTEM_COLUMNS
from state.snapshot import pack, unpack
from state.types import I64, U64, Bool, Names

Tally = Callable[[MicroBatch], Cells]
"""Aggregates surplus rows (one subject after the other) into cells whose slot is the subject's hash, viewed as int64.
"""


@dataclass(slots=True)
class _Pane:
    """Rows that wait, in the order of arrival; how many came since the budget was last looked at; what was folded."""

    parts: list[MicroBatch] = field(default_factory=list)
    unchecked: int = 0
    folded: Cells | None = None
    folded_keys: U64 = field(default_factory=lambda: np.zeros(0, np.uint64))


@dataclass(slots=True)
class Closed:
    """A pane's rows in (subject, event time, event key) order, without duplicates; the cells of its surplus rows.

    The rows come without their subjects' names: few are ever asked for, and text is what costs most to move.
    """

    batch: MicroBatch
    folded: Cells | None
    _parts: list[MicroBatch]
    _order: I64

    def names(self, rows: I64) -> Names:
        """The names of the subjects of these rows."""
        return np.concatenate([part.subject_name for part in self._parts])[self._order[rows]]

    def take(self, mask: Bool) -> "Closed":
        """The rows under this mask."""
        return Closed(self.batch.take(mask), self.folded, self._parts, self._order[mask])


class PaneLog:
    """Rows of one key group by pane.

    rows_max: row budget per subject and pane.  tally: what becomes of the rows beyond it.
    """

    def __init__(self, pane_us: int, dedup: Dedup | None, rows_max: int, tally: Tally) -> None:
        self.pane_us = pane_us
        self.duplicates = 0
        self.capped = 0
        self.rows = 0
        self._dedup = dedup
        self._rows_max = rows_max
        self._tally = tally
        self._panes: dict[int, _Pane] = {}

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

    def _file(self, number: int, batch: MicroBatch) -> None:
        pane = self._panes.get(number)
        if pane is None:
            pane = self._panes[number] = _Pane()
        pane.parts.append(batch)
        pane.unchecked += len(batch)
        self.rows += len(batch)
        if pane.unchecked > 16 * self._rows_max:
            self._enforce(pane)

    def _enforce(self, pane: _Pane) -> None:
        """Folds what is beyond the budget, so that a flood does not pile up until its pane closes."""
        batch = MicroBatch.concat(pane.parts)
        pane.unchecked = 0
        flooding = over_budget(batch, self._rows_max)
        if len(flooding):
            done = cut(batch, flooding, self._rows_max, None if self._dedup is None else pane.folded_keys)
            self.rows -= len(batch) - len(done.kept)
            self.duplicates += done.duplicates
            self.capped += len(done.folded)
            batch = done.kept
            if len(done.folded):
                surplus = self._tally(done.folded)
                pane.folded = surplus if pane.folded is None else merge([pane.folded, surplus])
                pane.folded_keys = np.concatenate([pane.folded_keys, done.folded.event_key])
        pane.parts = [batch]

    def first_end_us(self) -> int | None:
        """Where the earliest pane with rows ends; None without rows."""
        return (min(self._panes) + 1) * self.pane_us if self._panes else None

    def panes(self) -> list[tuple[int, int]]:
        """Where each pane with rows ends, ascending, and how many rows it holds."""
        return [
            ((n + 1) * self.pane_us, sum(map(len, pane.parts)))
            for n, pane in sorted(self._panes.items(), key=itemgetter(0))
        ]

    def close(self, end_us: int) -> Closed | None:
        """Takes out the pane that ends there; None when it is empty."""
        pane = self._panes.pop(end_us // self.pane_us - 1, None)
        if pane is None:
            return None
        closed = _sorted(pane)
        if _longest_run_exceeds(closed.batch.subject, self._rows_max):
            self._enforce(pane)
            closed = _sorted(pane)
        self.rows -= len(closed.batch)
        if self._dedup is not None:
            fresh = self._dedup.fresh(end_us - self.pane_us, closed.batch.event_key)
            if fresh is not None:
                self.duplicates += len(fresh) - int(fresh.sum())
                closed = closed.take(fresh)
            if len(pane.folded_keys):
                self._dedup.remember(pane.folded_keys)
        return closed if len(closed.batch) else None

    def snapshot(self) -> bytes:
        """The whole state as framed bytes."""
        arrays: dict[str, NDArray[Any]] = {}
        if self._panes:
            # One batch of all waiting rows: `add` files them again on restore.
            arrays = MicroBatch.concat([b for n in sorted(self._panes) for b in self._panes[n].parts]).columns.copy()
        arrays |= {f"dedup.{k}": v for k, v in self._dedup.arrays().items()} if self._dedup else {}
        folded = {n: p for n, p in sorted(self._panes.items()) if p.folded is not None}
        for number, pane in folded.items():
            assert pane.folded is not None
            arrays |= pane.folded.arrays(f"folded{number}") | {f"folded{number}.keys": pane.folded_keys}
        meta = {"duplicates": self.duplicates, "capped": self.capped, "folded": list(folded)}
        return pack("panes", 1, meta, arrays)

    def restore(self, blob: bytes) -> None:
        """Takes what `snapshot` gave."""
        _, meta, arrays = unpack(blob, "panes", (1,))
        self.duplicates, self.capped = meta["duplicates"], meta["capped"]
        for number in meta["folded"]:
            keys = arrays.pop(f"folded{number}.keys")
            self._panes[number] = _Pane(folded=Cells.of_arrays(f"folded{number}", arrays), folded_keys=keys)
        if self._dedup:
            self._dedup.restore({k.removeprefix("dedup."): v for k, v in arrays.items() if k.startswith("dedup.")})
        columns = {k: v for k, v in arrays.items() if not k.startswith(("dedup.", "folded"))}
        if SYSTEM_COLUMNS[0] in columns:
            self.add(MicroBatch(columns))


def _sorted(pane: _Pane) -> Closed:
    columns = {
        name: np.concatenate([part.columns[name] for part in pane.parts])
        for name in pane.parts[0].columns
        if name != SUBJECT_NAME
    }
    batch = MicroBatch(columns)
    order = chronological(batch.subject, batch.event_time_us, batch.event_key)
    return Closed(batch.take(order), pane.folded, pane.parts, order)


def _longest_run_exceeds(ordered: U64, length: int) -> bool:
    """Whether a value occurs more often than this; ordered: (n,) equal values side by side."""
    return len(ordered) > length and bool((ordered[length:] == ordered[:-length]).any())
