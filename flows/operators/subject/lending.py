"""Lending: what the subjects of one key group tell those that met them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.features.verdicts import VERDICT
from flows.loans import Lends
from flows.operators.messages import Loan, LoanInput
from flows.steps import Step, stage_name
from flows.wire.hashing import of_kind
from state.batch import MicroBatch
from state.cells import run_starts
from state.chunks import Chunks
from state.keygroup import key_group
from state.slot_columns import SlotColumns
from state.types import END_OF_TIME_US, F64, I64, NO_CODE, U64


@dataclass(frozen=True, slots=True)
class Met:
    """Who met whom in a pane.  slot, key: (m,) of the lenders, some of them often; group: (m,) of the borrowers; one
    for each kind of these.
    """

    end_us: int
    pairs: tuple[tuple[I64, U64, I64], ...]


class Lending:
    """The values that each subject lends, by slot, and the loans that are to be sent.

    kind, group: of the subjects.  groups: how many key groups there are.  features: of the rows of the window.
    """

    def __init__(self, lends: Lends, kind: str, group: int, groups: int, features: Sequence[str]) -> None:
        self._lends = lends
        self._kind = kind
        self._group = group
        self._groups = groups
        self._at = np.array([list(features).index(name) for name in lends.features], np.int64)
        self.known = SlotColumns({"lent": (np.float64, (len(lends.features),), np.nan)})
        self._loans: dict[tuple[int, int], list[Loan]] = {}

    @property
    def window(self) -> str:
        """Whose rows are lent from."""
        return self._lends.window

    def met(self, end_us: int, batch: MicroBatch, slot: I64) -> Met:
        """Of the rows of a pane.  slot: (n,) of each row's subject."""
        pairs = []
        for to in self._lends.to:
            of = key_group(of_kind(batch[to.column], to.kind), self._groups)
            there = batch[to.column] != 0
            if VERDICT.name in batch.columns:  # nobody met anybody there
                there &= batch[VERDICT.name] == NO_CODE
            order = np.lexsort((of[there], batch.subject[there]))
            key, group, at = batch.subject[there][order], of[there][order], slot[there][order]
            # A new pair begins where either changes.
            starts = np.union1d(run_starts(key), run_starts(group))
            pairs.append((at[starts], of_kind(key[starts], self._kind), group[starts]))
        return Met(end_us, tuple(pairs))

    def know(self, slot: I64, x: F64) -> None:
        """Takes the rows of the window that closed.  slot: (n,).  x: (n, F)."""
        if len(slot):
            self.known.grow(int(slot.max()) + 1)
            self.known["lent"][slot] = x[:, self._at]
            self.known.touch(slot)

    def lend(self, met: Met) -> None:
        """Notes the loans of a pane that closed."""
        for i, (slot, key, group) in enumerate(met.pairs):
            self.known.grow(int(slot.max(initial=-1)) + 1)
            values = self.known["lent"][slot]
            for to in np.unique(group).tolist():
                mine = group == to
                self._loans.setdefault((i, to), []).append(Loan(met.end_us, key[mine], values[mine]))

    def take(self, closed_us: int, allowed_us: int) -> list[tuple[int, LoanInput]]:
        """One message to every group of the borrowers.  allowed_us: how much longer than the watermark these wait."""
        loans, self._loans = self._loans, {}
        watermark_us = closed_us if closed_us >= END_OF_TIME_US else closed_us + allowed_us
        return [
            (group, LoanInput(self._kind, self._group, watermark_us, stage, loans.get((i, group), [])))
            for i, stage in enumerate(stage_name(to.kind, Step.SUBJECT) for to in self._lends.to)
            for group in range(self._groups)
        ]

    def forget(self, slots: I64) -> None:
        """These slots' subjects leave."""
        self.known.reset(slots)

    def snapshot(self, chunks: Chunks) -> bytes:
        """The root frame of what is known."""
        return self.known.snapshot(chunks)
