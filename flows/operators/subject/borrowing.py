"""Borrowing: values of other kinds of subjects, as columns of the rows that name them."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from detectors.features.where import Filters
from flows.loans import Borrows
from flows.operators.messages import Loan, LoanInput
from state.batch import MicroBatch
from state.schema import Schema
from state.snapshot import pack, unpack
from state.types import F64, U64, Bool, Values

_VERSION: Final = 1


class Borrowing:
    """Loans of one key group's panes that are still open, by kind of the lenders."""

    def __init__(self, borrows: Sequence[Borrows], schema: Schema) -> None:
        """schema: of the rows."""
        self._borrows = tuple(borrows)
        self._filters = Filters(schema, [loan.where for loan in borrows])
        self._waiting: dict[str, dict[int, list[Loan]]] = {loan.kind: {} for loan in borrows}

    def add(self, message: LoanInput) -> None:
        """Takes what a group of lenders knew."""
        panes = self._waiting[message.kind]
        for loan in message.loans:
            panes.setdefault(loan.end_us, []).append(loan)

    def close(self, end_us: int, batch: MicroBatch) -> MicroBatch:
        """The rows of the pane that ends there, with the values that were lent to them; nan where there are none."""
        columns: dict[str, Values] = dict(batch.columns)
        masks = self._filters.masks(batch)
        for borrows in self._borrows:
            loans = self._waiting[borrows.kind].pop(end_us, [])
            values = _joined(
                batch[borrows.key], masks[self._filters.number(borrows.where)], loans, len(borrows.features)
            )
            columns |= zip(borrows.columns, values.T, strict=True)
        return MicroBatch(columns)

    def blank(self, batch: MicroBatch) -> MicroBatch:
        """Rows of which only the sums are kept: nothing is lent to them."""
        nothing: F64 = np.full(len(batch), np.nan)
        return MicroBatch(batch.columns | dict.fromkeys((c for b in self._borrows for c in b.columns), nothing))

    def forget_until(self, closed_us: int) -> None:
        """Panes that have closed have no rows any more."""
        for panes in self._waiting.values():
            for end_us in [end for end in panes if end <= closed_us]:
                del panes[end_us]

    def snapshot(self) -> bytes:
        """What `restore` takes."""
        held = [(kind, loan) for kind, panes in self._waiting.items() for loans in panes.values() for loan in loans]
        meta = {
            "loans": [[kind, loan.end_us, len(loan.key)] for kind, loan in held],
            "features": {loan.kind: list(loan.features) for loan in self._borrows},
        }
        arrays: dict[str, Values] = {f"key{i}": loan.key for i, (_, loan) in enumerate(held)}
        arrays |= {f"values{i}": loan.values for i, (_, loan) in enumerate(held)}
        return pack("loans", _VERSION, meta, arrays)

    def restore(self, frame: bytes) -> None:
        """Takes what `snapshot` gave; what was lent otherwise then is not known."""
        _, meta, arrays = unpack(frame, "loans", (_VERSION,))
        now = {loan.kind: list(loan.features) for loan in self._borrows}
        for i, (kind, end_us, _) in enumerate(meta["loans"]):
            if now.get(kind) == meta["features"][kind]:
                loan = Loan(end_us, arrays[f"key{i}"], arrays[f"values{i}"])
                self._waiting[kind].setdefault(end_us, []).append(loan)


def _joined(wanted: U64, mask: Bool, loans: list[Loan], features: int) -> F64:
    """(n, L) what each row's lender lent.  wanted: (n,) the lenders.  mask: (n,) rows that are theirs too."""
    values = np.full((len(wanted), features), np.nan)
    if not loans:
        return values
    key, lent = np.concatenate([loan.key for loan in loans]), np.concatenate([loan.values for loan in loans])
    order = np.argsort(key)
    key, lent = key[order], lent[order]
    at = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
    there = mask & (key[at] == wanted)
    values[there] = lent[at[there]]
    return values
