"""The kinds of sequences: of each, all that the rest of the system knows.  A new one is a word in
`declare.SequenceKind` and an entry here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.features.declare import SequenceDecl, SequenceKind
from detectors.features.hashing import pair
from state.batch import MicroBatch
from state.cells import run_starts
from state.kinds import Keys, each
from state.schema import Kind
from state.types import DAY_US, F64, I64, MS_US, SECOND_US, START_OF_TIME_US, U64, Bool, Values

Columns = dict[str, tuple[Any, tuple[int, ...], Any]]
"""Name -> (dtype, trailing shape, value for none), as of `state.slot_columns`."""
Memory = Mapping[str, NDArray[Any]]
"""What a sequence remembers of each subject: name -> array by slot, to be written to."""


@dataclass(slots=True)
class SubjectRuns:
    """Sorted rows, one run per subject.  of_row: (n,) which run a row is in.  slot: (m,) of each run's subject."""

    of_row: I64
    slot: I64

    def of(self, rows: I64) -> "SubjectRuns":
        """Some of the rows, in order."""
        return SubjectRuns(self.of_row[rows], self.slot)


@dataclass(slots=True)
class Ordered:
    """Rows to derive a column from.

    batch: (n,) in (subject, event time, event key) order.  where, sign_up: (n,) which satisfy these conditions.
    memory: of earlier rows, to be brought up to date.
    """

    batch: MicroBatch
    where: Bool
    sign_up: Bool
    runs: SubjectRuns
    memory: Memory


@dataclass(frozen=True, slots=True)
class Derivation:
    """A kind of sequence.

    gives: the kind of the column that comes of it.  reads: the kinds of event columns that it can read, none where it
    reads none.  keys: of its declaration.  remembers: what it has to know of a subject's earlier rows.
    column: computes (n,) values, and brings that up to date.
    about: for people, the value on a row that satisfies `where`.
    """

    gives: Kind
    reads: tuple[Kind, ...]
    keys: Keys
    remembers: Callable[[SequenceDecl], Columns]
    column: Callable[[SequenceDecl, Ordered], Values]
    about: str


def _gap(d: SequenceDecl, rows: Ordered) -> F64:
    at = np.flatnonzero(rows.where)
    time_us = rows.batch.event_time_us[at]
    gap_us = time_us - _previous(rows.memory["time"], time_us, rows.runs.of(at))
    return _filled(rows, at, np.where(gap_us <= d.cap_us, gap_us / SECOND_US, np.nan))  # no row before: since ever


def _overlap(d: SequenceDecl, rows: Ordered) -> F64:
    at = np.flatnonzero(rows.where)
    time_us = rows.batch.event_time_us[at]
    before = _previous(rows.memory["time"], time_us, rows.runs.of(at))
    duration = rows.batch[d.column][at]
    start_us = time_us - duration * MS_US
    lap = np.clip((before - start_us) / MS_US, 0.0, duration)
    return _filled(rows, at, np.where(before > START_OF_TIME_US, lap, np.where(np.isnan(duration), np.nan, 0.0)))


def _novel(d: SequenceDecl, rows: Ordered) -> F64:
    """1.0 where the value is not among the last `remember` distinct ones of the subject (and there are some)."""
    at = np.flatnonzero(rows.where & (rows.batch[d.column] != 0))
    value, run, slot = rows.batch[d.column][at], rows.runs.of_row[at], rows.runs.slot
    novel = np.zeros(len(value))
    if not len(value):
        return _filled(rows, at, novel)
    ring, count = rows.memory["ring"], rows.memory["count"]
    # Almost always a pane brings nothing new: look at changes only, and leave subjects whose values are all known.
    change = np.flatnonzero(np.append(True, (run[1:] != run[:-1]) | (value[1:] != value[:-1])))
    known = (ring[slot[run[change]]] == value[change, None]).any(axis=1)
    news = np.isin(run[change], run[change[~known]])
    for row in change[news].tolist():
        mine = int(slot[run[row]])
        if (ring[mine] == value[row]).any():
            continue
        novel[row] = float(count[mine] > 0)
        ring[mine, count[mine] % d.remember] = value[row]
        count[mine] += 1
    return _filled(rows, at, novel)


def _value_before(d: SequenceDecl, rows: Ordered) -> U64:
    return _ids(d, rows, lambda before, _: before)


def _transition(d: SequenceDecl, rows: Ordered) -> U64:
    return _ids(d, rows, pair)


def _ids(d: SequenceDecl, rows: Ordered, of: Callable[[U64, U64], U64]) -> U64:
    """of: what is told of the value before and this one."""
    at = np.flatnonzero(rows.where)
    value = rows.batch[d.column][at]
    ids = np.zeros(len(rows.batch), np.uint64)
    ids[at] = of(_previous(rows.memory["value"], value, rows.runs.of(at)), value)
    return ids


def _age(d: SequenceDecl, rows: Ordered) -> F64:
    time_us = rows.batch.event_time_us.astype(np.float64)
    created = rows.batch[d.column].copy() if d.column else np.full(len(time_us), np.nan)
    if d.sign_up:
        signed_up = rows.sign_up & np.isnan(created)
        created[signed_up] = time_us[signed_up]
    created = fill_forward(created, ~np.isnan(created), rows.memory["created_us"], rows.runs)
    return np.maximum(time_us - created, 0.0) / DAY_US


def _filled(rows: Ordered, at: I64, values: F64) -> F64:
    """The values on these rows, nan on the others."""
    filled = np.full(len(rows.batch), np.nan)
    filled[at] = values
    return filled


_TIME: Final[Columns] = {"time": (np.int64, (), START_OF_TIME_US)}
_VALUE: Final[Columns] = {"value": (np.uint64, (), 0)}
_CREATED: Final[Columns] = {"created_us": (np.float64, (), np.nan)}
SEQUENCES: Final = each(
    SequenceKind,
    {
        SequenceKind.GAP: Derivation(
            Kind.NUMBER, (), Keys(may=("where", "cap")), lambda _: _TIME, _gap,
            "seconds since the subject's previous such row; none beyond `cap`",
        ),
        SequenceKind.PREVIOUS: Derivation(
            Kind.ID, (Kind.ID,), Keys(needs=("column",), may=("where",)), lambda _: _VALUE, _value_before,
            "the value of `column` on the previous such row",
        ),
        SequenceKind.TRANSITION: Derivation(
            Kind.ID, (Kind.ID,), Keys(needs=("column",), may=("where",)), lambda _: _VALUE, _transition,
            "the pair (previous value, this value): `repeat_share` over it finds loops, whatever their length",
        ),
        SequenceKind.OVERLAP: Derivation(
            Kind.NUMBER, (Kind.NUMBER,), Keys(needs=("column",), may=("where",)), lambda _: _TIME, _overlap,
            "milliseconds of the interval [t − `column`, t] that lie before the previous such row's t",
        ),
        SequenceKind.AGE: Derivation(
            Kind.NUMBER, (Kind.TIME,), Keys(some=("column", "sign_up")), lambda _: _CREATED, _age,
            "days since the account was created: the time column's value, or the time of a `sign_up` row; the last"
            " known is carried forward. Given on every row",
        ),
        SequenceKind.NOVEL: Derivation(
            Kind.NUMBER, (Kind.ID,), Keys(needs=("column",), may=("where", "remember")),
            lambda d: {"ring": (np.uint64, (d.remember,), 0), "count": (np.int64, (), 0)}, _novel,
            "1 when the value is not among the last `remember` distinct ones and there are some, else 0",
        ),
    },
    "detectors.features.derived.SEQUENCES",
)  # fmt: skip
"""What each kind of sequence is."""


def _previous(carry: NDArray[Any], value: NDArray[Any], runs: SubjectRuns) -> NDArray[Any]:
    """The value one row earlier in the same run; at a run's first row the one remembered.  Remembers the
    last.
    """
    before = np.empty_like(value)
    if not len(value):
        return before
    starts = run_starts(runs.of_row)
    slots = runs.slot[runs.of_row[starts]]
    before[1:] = value[:-1]
    before[starts] = carry[slots]
    carry[slots] = value[np.append(starts[1:], len(value)) - 1]
    return before


def fill_forward(value: NDArray[Any], there: NDArray[np.bool_], carry: NDArray[Any], runs: SubjectRuns) -> NDArray[Any]:
    """(n,) the last value present up to each row of its run, from `carry` (by slot) before the first; updates
    `carry`.
    """
    n = len(value)
    starts = np.flatnonzero(np.append(True, runs.of_row[1:] != runs.of_row[:-1]))
    # A row without a value points at its run's start, which is past everything of the subject before.
    latest = np.maximum.accumulate(np.where(there, np.arange(n), starts[runs.of_row]))
    has = there[latest]
    filled = np.where(has, value[latest], carry[runs.slot[runs.of_row]])
    ends = np.append(starts[1:], n) - 1
    carry[runs.slot] = filled[ends]
    return filled
