"""Borrowing: values of other kinds of subjects, as columns of the rows that name them."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from detectors.features.where import Filters
from flows.loans import Borrows
from flows.operators.messages import LoanInput, Loans
from state.batch import MicroBatch
from state.cells import run_lengths
from state.closed import Closed
from state.order import stable_argsort
from state.schema import Schema
from state.snapshot import pack, unpack
from state.types import F64, I64, U64, Bool, Values

_VERSION: Final = 2
_BY_PANE: Final = 1
"""The version that had each pane's loans by themselves."""
_NONE: Final = -1


class _Waiting:
    """Loans of panes that are still open."""

    def __init__(self) -> None:
        self._parts: list[Loans] = []

    def add(self, loans: Loans) -> None:
        self._parts.append(loans)

    def all(self) -> Loans | None:
        """Those that there are; None for none."""
        if self._parts:
            self._parts = [Loans.together(self._parts)]
        return self._parts[0] if self._parts else None

    def take(self, end_us: int) -> Loans | None:
        """Takes out those of panes that end by then."""
        loans = self.all()
        if loans is None:
            return None
        until = int(np.searchsorted(loans.end_us, end_us, side="right"))
        self._parts = [loans.take(slice(until, None))] if until < len(loans.key) else []
        return loans.take(slice(until)) if until else None


class Borrowing:
    """Loans of one key group's panes that are still open, by kind of the lenders."""

    def __init__(self, borrows: Sequence[Borrows], schema: Schema) -> None:
        """schema: of the rows."""
        self._borrows = tuple(borrows)
        self._filters = Filters(schema, [loan.where for loan in borrows])
        self._waiting = {loan.kind: _Waiting() for loan in borrows}

    def add(self, message: LoanInput) -> None:
        """Takes what a group of lenders knew."""
        if message.loans is not None:
            self._waiting[message.kind].add(message.loans)

    def close(self, closed: Closed) -> MicroBatch:
        """The rows of panes that closed, with the values that were lent to them; nan where there are none."""
        batch = closed.batch
        columns: dict[str, Values] = dict(batch.columns)
        masks = self._filters.masks(batch)
        ends_us = np.array(closed.ends_us)
        for borrows in self._borrows:
            loans = self._waiting[borrows.kind].take(closed.ends_us[-1])
            values = np.full((len(borrows.features), len(batch)), np.nan)
            if loans is not None:
                theirs = masks[self._filters.number(borrows.where)]
                rows, at = _joined(batch[borrows.key], closed.pane, theirs, loans, ends_us)
                values[:, rows] = loans.values[at].T
            columns |= zip(borrows.columns, values, strict=True)
        return MicroBatch(columns)

    def blank(self, batch: MicroBatch) -> MicroBatch:
        """Rows of which only the sums are kept: nothing is lent to them."""
        nothing: F64 = np.full(len(batch), np.nan)
        return MicroBatch(batch.columns | dict.fromkeys((c for b in self._borrows for c in b.columns), nothing))

    def forget_until(self, closed_us: int) -> None:
        """Panes that have closed have no rows any more."""
        for waiting in self._waiting.values():
            waiting.take(closed_us)

    def snapshot(self) -> bytes:
        """What `restore` takes."""
        arrays: dict[str, Values] = {}
        for kind, waiting in self._waiting.items():
            if (loans := waiting.all()) is not None:
                arrays |= {f"{name}.{kind}": values for name, values in loans._asdict().items()}
        return pack("loans", _VERSION, {"features": self._features()}, arrays)

    def restore(self, frame: bytes) -> None:
        """Takes what `snapshot` gave; what was lent otherwise then is not known."""
        version, meta, arrays = unpack(frame, "loans", (_BY_PANE, _VERSION))
        now = self._features()
        loans = _by_pane(meta, arrays) if version == _BY_PANE else _by_kind(meta, arrays)
        for kind, lent in loans:
            if now.get(kind) == meta["features"][kind]:
                self._waiting[kind].add(lent)

    def _features(self) -> dict[str, list[str]]:
        return {loan.kind: list(loan.features) for loan in self._borrows}


def _by_kind(meta: dict[str, Any], arrays: dict[str, Any]) -> list[tuple[str, Loans]]:
    found = [kind for kind in meta["features"] if f"key.{kind}" in arrays]
    return [(kind, Loans(*(arrays[f"{name}.{kind}"] for name in Loans._fields))) for kind in found]


def _by_pane(meta: dict[str, Any], arrays: dict[str, Any]) -> list[tuple[str, Loans]]:
    found = []
    for i, (kind, end_us, rows) in enumerate(meta["loans"]):
        found.append((kind, Loans(np.full(rows, end_us), arrays[f"key{i}"], arrays[f"values{i}"])))
    return found


def _joined(wanted: U64, pane: I64, theirs: Bool, loans: Loans, ends_us: I64) -> tuple[I64, I64]:
    """Which rows were lent something, and which loan that is.

    wanted, pane, theirs: (n,) the lender that each row names, the pane that it is in, whether it is the lender's too.
    ends_us: of the panes.  Loans and rows are put in one order, by lender and pane: a row's loan is the last one before
    it, if that is its lender's and its pane's.
    """
    rows = np.flatnonzero(theirs)
    want, at = wanted[rows], pane[rows]
    new = np.ones(len(rows), np.bool_)  # rows side by side often ask the same
    new[1:] = (want[1:] != want[:-1]) | (at[1:] != at[:-1])
    first = np.flatnonzero(new)
    held = len(loans.key)
    key = np.concatenate([loans.key, want[first]])
    end_us = np.concatenate([loans.end_us, ends_us[at[first]]])
    number = np.concatenate([np.searchsorted(ends_us, loans.end_us), at[first]])
    order = np.argsort(number.astype(np.uint16), kind="stable")  # 16 bits: a radix sort
    order = order[stable_argsort(key[order])]
    before = order[np.maximum.accumulate(np.where(order < held, np.arange(len(order)), 0))]
    met = (order >= held) & (before < held) & (key[before] == key[order]) & (end_us[before] == end_us[order])
    loan = np.full(len(first), _NONE)
    loan[order[met] - held] = before[met]
    loan = np.repeat(loan, run_lengths(first, len(rows)))
    lent = loan != _NONE
    return rows[lent], loan[lent]
