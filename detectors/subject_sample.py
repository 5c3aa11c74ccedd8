"""SubjectSample: what each subject of a day looked like last; the yardstick that everybody is measured by.

One row per subject, so that who is there in every round weighs no more than who comes once a day; nobody is left out,
so that an odd tail is never cut off.  Where there are more subjects than places, those with the smallest hashes stay
(bottom-k sampling, Cohen & Kaplan 2007): a uniform choice that any run makes again.  Where there are few, what subjects
looked like at the end of earlier days fills the places, so that a yardstick of thirteen people is one of many days.
"""

from itertools import groupby
from typing import Any, Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from detectors.features.hashing import mix, mix_one
from state.cells import run_lasts, run_starts
from state.types import DAY_US, F32, F64, I64, START_OF_TIME_US, U64, Bool

_REFRESH: Final = 16
"""Small rounds wait until they are one part in so many of what there is."""
LEAST: Final = 1024
"""Subject-days that earlier days fill up to."""
READY_HOURS: Final = 6.0
"""How old a stream is before those who were there are a sample of a day: until then its windows of a day hold little
more than the hour before did, and what was usual an hour ago is so no more.
"""


_Round = tuple[U64, F64, int, bool]
"""Subjects, rows, when, whether of a sliding window."""
QUARTER_US: Final = DAY_US // 4


class Join(Protocol):
    """What becomes of a subject's rows when another comes."""

    def among(self, x: F64, starts: I64) -> F64:
        """One row of each subject, (m, width).  x: (n, width), of one subject after the other, all in one quarter of a
        day.  starts: (m,) first row of each.
        """

    def onto(self, held: F32, seen_us: I64, new: F32, at_us: I64) -> F32:
        """(width, n) rows held, (n,) when they were seen, (width, n) new rows, (n,) when these were -> (width, n)."""


class _Newest:
    """The last one counts."""

    def among(self, x: F64, starts: I64) -> F64:
        return x[run_lasts(starts, len(x))]

    def onto(self, held: F32, seen_us: I64, new: F32, at_us: I64) -> F32:  # noqa: ARG002
        return new


NEWEST: Final = _Newest()


class SubjectSample:
    """At most `remember` subjects seen in the last 24 hours, with a row of `width` float32 columns each.

    Rows of one `add` are of different subjects.  Infinite values count as nan.  version: changes with the content.
    """

    __slots__ = (
        "_join",
        "_key",
        "_mixed",
        "_oldest_us",
        "_past",
        "_past_next",
        "_past_rows",
        "_row",
        "_seen_us",
        "_waiting",
        "_waiting_rows",
        "remember",
        "version",
        "width",
    )

    def __init__(self, width: int, remember: int, join: Join = NEWEST) -> None:
        self._join = join
        self.width = width
        self.remember = remember
        self.version = 0
        self._key: U64 = np.empty(0, np.uint64)
        self._seen_us: I64 = np.empty(0, np.int64)
        self._row: F32 = np.empty((width, 0), np.float32)
        self._past: F32 = np.empty((width, min(LEAST, remember)), np.float32)
        self._past_rows = 0
        self._past_next = 0
        self._oldest_us = START_OF_TIME_US
        """Nobody was seen last before this time."""
        empty = np.empty(0, np.uint64)
        self._mixed = empty, empty
        """The subjects whose hashes were asked for last, and these."""
        self._waiting: list[_Round] = []
        """Small rounds that are not in yet."""
        self._waiting_rows = 0

    @property
    def count(self) -> int:
        """Rows that `rows` gives."""
        return len(self._key) + self._filling

    @property
    def subjects(self) -> int:
        """How many were seen in the last 24 hours: counted, or, beyond `remember`, estimated from how densely the
        smallest hashes lie (Bar-Yossef, Jayram, Kumar, Sivakumar & Trevisan 2002; standard error 1 / sqrt(remember)).
        Small rounds that wait are not in it yet.
        """
        if len(self._key) < self.remember:
            return len(self._key)
        return round((self.remember - 1) * 2.0**64 / float(self._key[-1]))

    @property
    def _filling(self) -> int:
        """Rows of earlier days that count now."""
        return min(self._past_rows, max(self._past.shape[1] - len(self._key), 0))

    def rows(self) -> F32:
        """(width, count): the newest row of each subject, then rows of earlier days, the latest first."""
        fill = self._filling
        if not fill:
            return self._row
        at = (self._past_next - 1 - np.arange(fill)) % self._past.shape[1]
        return np.concatenate([self._row, self._past[:, at]], axis=1)

    def _hashes(self, subject: U64) -> U64:
        """`mix`, which several questions about a round need."""
        if self._mixed[0] is not subject:
            self._mixed = subject, mix(subject)
        return self._mixed[1]

    def add(self, subject: U64, x: F64, end_us: int, slides: bool = False) -> None:
        """One round: x is (n, width) float64, subject (n,) without repeats, end_us not before that of the last round.

        slides: the rows are of a sliding window, so that whoever has none now has nothing to show any more and leaves.
        Small rounds wait until they are a sixteenth of what there is: what is fitted to the rows is not fitted anew for
        each of them.
        """
        self._wait((subject, x, end_us, slides))
        if _REFRESH * self._waiting_rows >= self.count:
            self._take_in()

    def _wait(self, a_round: _Round) -> None:
        self._waiting.append(a_round)
        self._waiting_rows += len(a_round[0])

    def _take_in(self) -> None:
        waiting, self._waiting, self._waiting_rows = self._waiting, [], 0
        for _, of_period in groupby(waiting, _period):
            rounds = list(of_period)
            subject, x, end_us, slides = rounds[0]
            if self._oldest_us <= end_us - DAY_US:
                self._retire(end_us)
            if len(rounds) > 1:
                self._add(*self._together(rounds))
            elif slides or len(subject) != 1 or not self._renew(subject, x, end_us):
                self._add(subject, x, np.full(len(subject), end_us))
            if slides:
                self._leave(self._seen_us < end_us)

    def _together(self, rounds: list[_Round]) -> tuple[U64, F64, I64]:
        """Subjects of several rounds, (m,) without repeats, their rows (m, width), and when they were seen last."""
        subject = np.concatenate([who for who, _, _, _ in rounds])
        at_us = np.repeat([end_us for _, _, end_us, _ in rounds], [len(who) for who, _, _, _ in rounds])
        order = np.argsort(subject, kind="stable")
        subject = subject[order]
        starts = run_starts(subject)
        x = self._join.among(np.concatenate([x for _, x, _, _ in rounds])[order], starts)
        return subject[starts], x, at_us[order][run_lasts(starts, len(order))]

    def _add(self, subject: U64, x: F64, at_us: I64) -> None:
        """at_us: (n,) when each was seen."""
        key = self._hashes(subject)
        if len(self._key) >= self.remember:
            few = np.flatnonzero(key <= self._key[-1])
            key, x, at_us = key[few], x[few], at_us[few]
        if not len(key):
            return
        order = np.argsort(key)
        key, at_us = key[order], at_us[order]
        row = _narrow(x[order].T)
        at = self._key.searchsorted(key)
        met = at < len(self._key)
        met[met] = self._key[at[met]] == key[met]
        known = at[met]
        if len(self._key) < self._past.shape[1]:
            earlier = known[_day(self._seen_us[known]) != _day(at_us[met])]
            if len(earlier):
                self._keep(self._row[:, earlier])
        self._row[:, known] = self._join.onto(self._row[:, known], self._seen_us[known], row[:, met], at_us[met])
        self._seen_us[known] = at_us[met]
        if not met.all():
            new = ~met
            both = np.concatenate([self._key, key[new]])
            keep = np.argsort(both, kind="stable")[: self.remember]
            self._key = both[keep]
            self._seen_us = np.concatenate([self._seen_us, at_us[new]])[keep]
            self._row = np.concatenate([self._row, row[:, new]], axis=1)[:, keep]
        self.version += 1

    def _renew(self, subject: U64, x: F64, end_us: int) -> bool:
        """The new row of one subject in the place of that of the same day; False where there is none."""
        key = mix_one(int(subject[0]))
        at = int(self._key.searchsorted(np.uint64(key)))
        if at == len(self._key) or self._key.item(at) != key or _day(self._seen_us.item(at)) != _day(end_us):
            return False
        if self.width:
            one = slice(at, at + 1)
            self._row[:, one] = self._join.onto(self._row[:, one], self._seen_us[one], _narrow(x.T), np.array([end_us]))
        self._seen_us[at] = end_us
        self.version += 1
        return True

    def _retire(self, end_us: int) -> None:
        """Subjects that were not seen for a day leave."""
        gone = self._seen_us <= end_us - DAY_US
        if gone.any():
            if len(self._key) < self._past.shape[1]:
                self._keep(self._row[:, gone])
            self._leave(gone)
        self._oldest_us = int(self._seen_us.min(initial=end_us))

    def forget(self, subject: int) -> None:
        """A subject leaves, and is not kept as of an earlier day; rows of earlier days say not whose they are."""
        self._leave(self._key == mix(np.array([subject], np.uint64)))
        rounds, self._waiting, self._waiting_rows = self._waiting, [], 0
        for who, x, end_us, slides in rounds:
            stay = who != np.uint64(subject)
            self._wait((who[stay], x[stay], end_us, slides))
        self.version += 1

    def _leave(self, gone: Bool) -> None:
        stay = ~gone
        self._key, self._seen_us, self._row = self._key[stay], self._seen_us[stay], self._row[:, stay]

    def _keep(self, rows: F32) -> None:
        """Rows as their subjects left them at the end of a day."""
        room = self._past.shape[1]
        rows = rows[:, -room:]
        at = (self._past_next + np.arange(rows.shape[1])) % room
        self._past[:, at] = rows
        self._past_next = (self._past_next + rows.shape[1]) % room
        self._past_rows = min(self._past_rows + rows.shape[1], room)

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Numbers and arrays for `state.snapshot.pack`; `resume` takes them back."""
        meta: dict[str, Any] = {"remember": self.remember, "version": self.version, "past_next": self._past_next}
        arrays: dict[str, NDArray[Any]] = {
            "key": self._key,
            "seen_us": self._seen_us,
            "row": self._row,
            "past": self._past[:, : self._past_rows],
            "waiting": np.concatenate([np.empty((0, self.width)), *(x for _, x, _, _ in self._waiting)]),
            "waiting_for": np.concatenate([np.empty(0, np.uint64), *(who for who, _, _, _ in self._waiting)]),
        }
        meta["rounds"] = [[len(who), end_us, slides] for who, _, end_us, slides in self._waiting]
        return meta, arrays

    @classmethod
    def resume(cls, meta: dict[str, Any], arrays: dict[str, NDArray[Any]], join: Join = NEWEST) -> Self:
        """The sample whose `state` this is, equal to the bit.  join: as it had."""
        sample = cls(len(arrays["row"]), int(meta["remember"]), join)
        sample._key, sample._seen_us = arrays["key"], arrays["seen_us"]
        sample._row = arrays["row"]
        sample._past_rows = arrays["past"].shape[1]
        sample._past[:, : sample._past_rows] = arrays["past"]
        sample._past_next, sample.version = int(meta["past_next"]), int(meta["version"])
        low = 0
        for rows, end_us, slides in meta["rounds"]:
            part = slice(low, low + rows)
            sample._wait((arrays["waiting_for"][part], arrays["waiting"][part], end_us, slides))
            low += rows
        return sample


def _period(a_round: _Round) -> tuple[int, ...]:
    """Rounds that follow each other and have the same may be taken in together: those of a quarter of a day; those of
    sliding windows may not.
    """
    _, _, end_us, slides = a_round
    return (end_us,) if slides else (end_us // QUARTER_US, (end_us - 1) // QUARTER_US)


def _narrow(x: F64) -> F32:
    """As it is kept."""
    with np.errstate(over="ignore"):
        row = np.ascontiguousarray(x, dtype=np.float32)
    row[np.isinf(row)] = np.nan
    return row


def _day(end_us: I64 | int) -> I64 | int:
    """The day that a window which ends then belongs to: midnight is the end of one."""
    return (end_us - 1) // DAY_US
