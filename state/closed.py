"""Closed: the rows of panes that were closed, in their order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from state.batch import MicroBatch
from state.cells import Cells
from state.marks import Marks
from state.order import chronological
from state.schema import EVENT_KEY, EVENT_TIME, SUBJECT, SUBJECT_NAME
from state.types import I64, U64, Names, Values


@dataclass(slots=True)
class Closed:
    """The rows of some panes in (subject, event time, event key) order, without duplicates; of each pane the cells of
    its surplus rows, and marks of what does not count.

    The rows come without their subjects' names: few are ever asked for, and text is what costs most to move.

    ends_us: of the panes, ascending.  pane: (n,) which of them a row is of.
    """

    ends_us: list[int]
    batch: MicroBatch
    pane: I64
    folded: list[Cells | None]
    marks: list[Marks | None]
    _parts: list[MicroBatch]
    _order: I64

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
            return Closed(ends_us, MicroBatch(nothing), number, [], [], [], number)
        names = [name for name in parts[0].columns if name != SUBJECT_NAME]
        batch = MicroBatch({name: np.concatenate([part.columns[name] for part in parts]) for name in names})
        order = chronological(batch.subject, batch.event_time_us, batch.event_key)
        return Closed(ends_us, batch.take(order), number[order], [], [], parts, order)

    def names(self, rows: I64) -> Names:
        """The names of the subjects of these rows."""
        return np.concatenate([part.subject_name for part in self._parts])[self._order[rows]]

    def take(self, rows: I64) -> "Closed":
        """Some of the rows."""
        return replace(self, batch=self.batch.take(rows), pane=self.pane[rows], _order=self._order[rows])

    def exceeds(self, rows_max: int) -> bool:
        """Whether a subject has more rows than this in a pane."""
        subject, pane = self.batch.subject, self.pane
        return len(pane) > rows_max and bool(
            ((subject[rows_max:] == subject[:-rows_max]) & (pane[rows_max:] == pane[:-rows_max])).any()
        )

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
