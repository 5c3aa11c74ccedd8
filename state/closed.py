"""Closed: the rows of panes that were closed, in their order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from state.batch import MicroBatch
from state.cells import Cells
from state.marks import Marks
from state.order import chronological, distinct
from state.schema import EVENT_KEY, EVENT_TIME, SUBJECT, SUBJECT_NAME
from state.types import I64, U64, Names, Values


@dataclass(slots=True)
class Closed:
    """The rows of some panes in (subject, event time, event key) order, without duplicates; of each pane the cells of
    its surplus rows, and marks of what does not count.

    The rows come without their subjects' names: few are ever asked for, and text is what costs most to move. They are
    put in order when it is known which of them stay.

    ends_us: of the panes, ascending.  pane: (n,) which of them a row is of.
    """

    ends_us: list[int]
    pane: I64
    folded: list[Cells | None]
    marks: list[Marks | None]
    _parts: list[MicroBatch]
    _whole: MicroBatch
    """All rows as they came."""
    _order: I64
    """(n,) which of these each row is."""
    _batch: MicroBatch | None = None

    @property
    def batch(self) -> MicroBatch:
        """The rows."""
        if self._batch is None:
            self._batch = self._whole.take(self._order)
        return self._batch

    def column(self, name: str) -> Values:
        """The rows' values in one column."""
        return self._whole[name][self._order] if self._batch is None else self._batch[name]

    def with_batch(self, batch: MicroBatch) -> "Closed":
        """The same rows with other columns."""
        return replace(self, _batch=batch)

    @property
    def rows(self) -> list[int]:
        """How many each pane has."""
        return np.bincount(self.pane, minlength=len(self.ends_us)).tolist()

    @staticmethod
    def of(ends_us: list[int], panes: Sequence[list[MicroBatch]]) -> "Closed":
        """Sorts the rows, of each pane in the order of arrival."""
        parts = [part for pane in panes for part in pane]
        number = np.repeat(np.arange(len(panes)), [sum(map(len, pane)) for pane in panes])
        if not parts:
            nothing: dict[str, Values] = {EVENT_TIME: np.zeros(0, np.int64)}
            nothing |= {name: np.zeros(0, np.uint64) for name in (EVENT_KEY, SUBJECT)}
            return Closed(ends_us, number, [], [], [], MicroBatch(nothing), number)
        names = [name for name in parts[0].columns if name != SUBJECT_NAME]
        batch = MicroBatch({name: np.concatenate([part.columns[name] for part in parts]) for name in names})
        order = chronological(batch.subject, batch.event_time_us, batch.event_key)
        return Closed(ends_us, number[order], [], [], parts, batch, order)

    def names(self, rows: I64) -> Names:
        """The names of the subjects of these rows."""
        at = self._order[rows]
        first = np.cumsum([0, *map(len, self._parts)])
        part = np.searchsorted(first, at, side="right") - 1
        found = np.empty(len(at), object)
        for each in distinct(part).tolist():
            mine = part == each
            found[mine] = self._parts[each].subject_name[at[mine] - first[each]]
        return found

    def take(self, rows: I64) -> "Closed":
        """Some of the rows."""
        return replace(self, pane=self.pane[rows], _order=self._order[rows], _batch=None)

    def exceeds(self, rows_max: int) -> bool:
        """Whether a subject has more rows than this in a pane."""
        pane = self.pane
        if len(pane) <= rows_max:
            return False
        subject = self.column(SUBJECT)
        return bool(((subject[rows_max:] == subject[:-rows_max]) & (pane[rows_max:] == pane[:-rows_max])).any())

    def names_of(self, subjects: U64) -> Names:
        """The names of subjects that have marks, or rows that count no more."""
        found = np.full(len(subjects), "", object)
        for marks in self.marks:
            if marks is not None:
                at = np.minimum(np.searchsorted(marks.subject, subjects), len(marks) - 1)
                mine = (marks.subject[at] == subjects) & (found == "")
                found[mine] = marks.name[at[mine]]
        for i in np.flatnonzero(found == "").tolist():
            rows = ((part, np.flatnonzero(part.subject == subjects[i])) for part in self._parts)
            found[i] = next(part.subject_name[at[0]] for part, at in rows if len(at))
        return found
