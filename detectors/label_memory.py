"""Labelled rows, kept for detectors that are fitted anew: the last few rows of the last subjects of each label."""

from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from state.types import F32, F64, I64, U64, Bool

_LABELS: Final = (0, 1)


class Labelled(NamedTuple):
    """What is remembered, label 0 first.  x: (n, width) float32.  fraud: (n,) 1 or 0.  weight: (n,) how many
    observations a row counts as.
    """

    x: F32
    fraud: F64
    weight: F64


class LabelMemory:
    """At most `remember` rows of each label, so that the many genuine ones do not drive out the few frauds.

    rows_each: the last so many rows of a subject are kept, and count as one observation together: overlapping windows
    of one subject say much the same.  0: all of them, each an observation of its own.

    Rows are kept in float32; infinite values count as nan.  The rows that came first leave first.

    entered, fresh: of label 0 and of label 1, observations that ever came in, and rows kept since `all_known`.
    """

    __slots__ = ("_remember", "_rows_each", "_subject", "_x", "entered", "fresh")

    def __init__(self, width: int, remember: int, rows_each: int) -> None:
        self._remember = remember
        self._rows_each = rows_each
        self._x = [np.empty((0, width), np.float32) for _ in _LABELS]
        self._subject = [np.empty(0, np.uint64) for _ in _LABELS]
        self.entered = [0, 0]
        self.fresh = [0, 0]

    @property
    def kept(self) -> tuple[int, int]:
        """Rows remembered, of label 0 and of label 1."""
        return len(self._subject[0]), len(self._subject[1])

    @property
    def observations(self) -> tuple[int, int]:
        """What these count as, of label 0 and of label 1."""
        if not self._rows_each:
            return self.kept
        return len(np.unique(self._subject[0])), len(np.unique(self._subject[1]))

    def add(self, x: F64, subject: U64, fraud: F64) -> None:
        """Takes rows in their order.  x: (n, width).  fraud: (n,) 1 or 0; rows with nan are left out."""
        with np.errstate(over="ignore"):
            values = x.astype(np.float32)
        values[np.isinf(values)] = np.nan
        for label in _LABELS:
            mine = np.flatnonzero(fraud == label)
            if len(mine):
                self._add(label, values[mine], subject[mine])

    def _add(self, label: int, x: F32, subject: U64) -> None:
        before = self._subject[label]
        everybody = np.concatenate([before, subject])
        keep = np.flatnonzero(_last(everybody, self._rows_each))[-self._remember :]
        new = np.setdiff1d(subject, before) if self._rows_each else subject
        self.entered[label] += len(new)
        self.fresh[label] += int((keep >= len(before)).sum())
        self._x[label] = np.concatenate([self._x[label], x])[keep]
        self._subject[label] = everybody[keep]

    def rows(self) -> Labelled:
        """All of them."""
        weight = np.concatenate([self._weight(subject) for subject in self._subject])
        return Labelled(np.concatenate(self._x), np.repeat((0.0, 1.0), self.kept), weight)

    def _weight(self, subject: U64) -> F64:
        if not self._rows_each:
            return np.ones(len(subject))
        _, which, rows = np.unique(subject, return_inverse=True, return_counts=True)
        return 1.0 / rows[which]

    def all_known(self) -> None:
        """Nothing is fresh any more."""
        self.fresh = [0, 0]

    def forget(self, subject: int) -> None:
        """Drops the rows of one subject; what was counted of it stays counted."""
        for label in _LABELS:
            stay = self._subject[label] != np.uint64(subject)
            self._x[label], self._subject[label] = self._x[label][stay], self._subject[label][stay]

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Numbers and arrays for `state.snapshot.pack`; `resume` takes them back."""
        meta = {"entered": list(self.entered), "fresh": list(self.fresh), "genuine": self.kept[0]}
        return meta, {"rows": np.concatenate(self._x), "subject": np.concatenate(self._subject)}

    @classmethod
    def resume(cls, meta: dict[str, Any], arrays: dict[str, NDArray[Any]], remember: int, rows_each: int) -> Self:
        """The memory whose `state` this is, equal to the bit."""
        memory = cls(arrays["rows"].shape[1], remember, rows_each)
        memory._x = np.split(arrays["rows"], [meta["genuine"]])
        memory._subject = np.split(arrays["subject"], [meta["genuine"]])
        memory.entered, memory.fresh = list(meta["entered"]), list(meta["fresh"])
        return memory


def _last(subject: U64, rows: int) -> Bool:
    """(n,) which are among the last so many rows of their subject; all of them for 0."""
    n = len(subject)
    if not rows:
        return np.ones(n, np.bool_)
    # From the end, so that a row's place within its subject's run is how many of the subject come after it.
    order = np.argsort(subject[::-1], kind="stable")
    run = subject[::-1][order]
    start: I64 = np.searchsorted(run, run, side="left")
    out = np.empty(n, np.bool_)
    out[n - 1 - order] = np.arange(n) - start < rows
    return out
