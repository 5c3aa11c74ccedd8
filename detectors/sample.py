"""Sample: a bounded memory of rows that forgets exponentially; what calibration, ECOD, profiles and scales share."""

from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from detectors.features.hashing import mix
from state.types import F32, F64, I64, U64

_ROUND_SHARE: Final = 8
"""A full sample takes at most 1/8 of its size from one round, so that one round never owns the yardstick."""
_REFRESH_SHARE: Final = 64
"""New rows wait until they are 1/64 of the sample: tiny rounds do not pay for a sort each."""
_DUE_SHARE: Final = 4
"""Rows that a full sample is to take in wait for somebody to look, until they are 1/4 of it."""
_GOLDEN: Final = (5**0.5 - 1) / 2
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)


def evenly(rows: int, wanted: int, turn: int) -> I64:
    """`wanted` distinct row numbers out of `rows`, evenly spaced, ascending; all of them if there are no more.

    turn: shifts the choice by the golden ratio, so that rounds with the same subjects in the same order give others.
    """
    if wanted >= rows:
        return np.arange(rows, dtype=np.int64)
    offset = (turn * _GOLDEN) % 1.0
    return ((np.arange(wanted) + offset) * (rows / wanted)).astype(np.int64)


class Sample:
    """At most `remember` rows of `width` columns in float32; a new row replaces a pseudo-random one.

    A row's age is therefore geometric with mean `remember` entries.  Rounds larger than 1/8 of a full sample enter with
    evenly chosen rows; while there is room they enter up to the room.  Deterministic: choices depend on the sequence of
    `add` calls alone.  nan is kept in place and sorts last; infinite values count as nan.

    count: rows that can be read.  version: changes when they do, so that what is computed from them can be kept.
    """

    __slots__ = (
        "_data", "_due", "_due_rows", "_entered", "_ordered", "_pending", "_pending_rows", "_turn", "count", "version",
        "width",
    )  # fmt: skip

    def __init__(self, width: int, remember: int) -> None:
        self.width = width
        self.count = 0
        self.version = 0
        self._data: F32 = np.empty((width, remember), np.float32)
        self._pending: list[F64 | F32] = []
        self._pending_rows = 0
        self._due = 0
        """So many of the pending rounds count already."""
        self._due_rows = 0
        self._entered = 0
        self._turn = 0
        self._ordered: tuple[F32, I64] | None = None

    @property
    def remember(self) -> int:
        """Rows that there is room for."""
        return self._data.shape[1]

    def add(self, x: F64) -> None:
        """x: (n, width) float64, one round.  Work is O(min(n, remember))."""
        rows = len(x)
        if rows > 1:
            remember = self._data.shape[1]
            room = remember - self.count - self._pending_rows
            wanted = max(remember // _ROUND_SHARE, room, 1)
            if wanted < rows:
                x, rows = x[evenly(rows, wanted, self._turn)], wanted
        elif not rows:
            return
        self._turn += 1
        self._pending.append(x)
        self._pending_rows += rows
        if (self._pending_rows - self._due_rows) * _REFRESH_SHARE >= self.count:
            self._due, self._due_rows = len(self._pending), self._pending_rows
            self.version += 1
            if self.count < self._data.shape[1] or self._due_rows * _DUE_SHARE >= self.count:
                self._take_in()

    def _narrow(self, rounds: list[F64 | F32]) -> F32:
        """(n, width) their rows, as they are kept."""
        with np.errstate(over="ignore"):
            rows = np.concatenate([np.empty((0, self.width), np.float32), *rounds], dtype=np.float32)
        rows[np.isinf(rows)] = np.nan
        return rows

    def _take_in(self) -> None:
        """Those that are due."""
        if not self._due:
            return
        rows = self._narrow(self._pending[: self._due])[-self._data.shape[1] :]
        self._pending, self._pending_rows = self._pending[self._due :], self._pending_rows - self._due_rows
        self._due = self._due_rows = 0
        fill = min(len(rows), self._data.shape[1] - self.count)
        self._data[:, self.count : self.count + fill] = rows[:fill].T
        self.count += fill
        if fill < len(rows):
            order = np.arange(self._entered, self._entered + len(rows) - fill, dtype=np.uint64)
            self._data[:, _scramble(order) % np.uint64(self._data.shape[1])] = rows[fill:].T
        self._entered += len(rows) - fill
        self._ordered = None

    def rows(self) -> F32:
        """(count, width) the rows that can be read, in no order; not to be written to."""
        self._take_in()
        return self._data[:, : self.count].T

    def ordered(self) -> tuple[F32, I64]:
        """Columns in ascending order (width, count), and how many of each are values, (width,); the rest is nan."""
        self._take_in()
        if self._ordered is None:
            columns = np.sort(self._data[:, : self.count], axis=1)
            self._ordered = columns, self.count - np.isnan(columns).sum(axis=1)
        return self._ordered

    def quantiles(self, levels: tuple[float, ...]) -> F64:
        """(len(levels), width) float64: linearly interpolated quantiles of the values; nan for a column without any."""
        columns, counts = self.ordered()
        out = np.full((len(levels), self.width), np.nan)
        if not self.count:
            return out
        place = np.array(levels)[:, None] * np.maximum(counts - 1, 0)
        low = place.astype(np.int64)
        high = np.minimum(low + 1, np.maximum(counts - 1, 0))
        column = np.arange(self.width)
        a, b = columns[column, low].astype(np.float64), columns[column, high].astype(np.float64)
        known = counts > 0
        out[:, known] = (a + (b - a) * (place - low))[:, known]
        return out

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Numbers and arrays for `state.snapshot.pack`; `resume` takes them back."""
        self._take_in()
        meta = {"entered": self._entered, "turn": self._turn, "version": self.version, "remember": self._data.shape[1]}
        return meta, {"sample": self._data[:, : self.count], "waiting": self._narrow(self._pending)}

    @classmethod
    def resume(cls, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """The sample whose `state` this is, equal to the bit."""
        kept = arrays["sample"]
        sample = cls(len(kept), int(meta["remember"]))
        sample.count = kept.shape[1]
        sample._data[:, : sample.count] = kept
        sample._entered, sample._turn, sample.version = int(meta["entered"]), int(meta["turn"]), int(meta["version"])
        sample._pending = [arrays["waiting"]] if len(arrays["waiting"]) else []
        sample._pending_rows = len(arrays["waiting"])
        return sample

    def with_columns(self, columns: I64) -> Self:
        """The same rows with other columns.  columns: (width,) which of these each is, -1 for one without values."""
        self._take_in()
        sample = type(self)(len(columns), self._data.shape[1])
        sample.count, sample.version = self.count, self.version
        sample._entered, sample._turn = self._entered, self._turn
        sample._data[:, : self.count] = np.nan
        there = columns >= 0
        sample._data[there, : self.count] = self._data[columns[there], : self.count]
        for rows in self._pending:
            moved = np.full((len(rows), len(columns)), np.nan, np.float32)
            moved[:, there] = rows[:, columns[there]]
            sample._pending.append(moved)
        return sample


def _scramble(x: U64) -> U64:
    """Consecutive numbers, well spread, and the same everywhere."""
    return mix((x + np.uint64(1)) * _MIX)
