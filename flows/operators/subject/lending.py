"""Lending: what the subjects of one key group tell those that met them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from detectors.features.verdicts import VERDICT
from flows.loans import Lends
from flows.operators.messages import LoanInput, Loans
from flows.steps import Step, stage_name
from flows.wire.hashing import of_kind
from state.cells import run_starts
from state.chunks import Chunks
from state.closed import Closed
from state.keygroup import key_group
from state.order import distinct, stable_argsort
from state.slot_columns import SlotColumns
from state.types import END_OF_TIME_US, F64, I64, NO_CODE, U64


class Met(NamedTuple):
    """Who met whom in some panes, each pair once per pane.  end_us: (m,) ascending, where the pane ends.  slot, key:
    (m,) of the lender.  group: (m,) of the borrower.
    """

    end_us: I64
    slot: I64
    key: U64
    group: I64


class _Known(NamedTuple):
    """Rows of the window that is lent from.  end_us: (n,) where it closed, ascending.  slot: (n,).  values: (n, L)."""

    end_us: I64
    slot: I64
    values: F64


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
        self._told: list[_Known] = []
        """Since `lend`."""
        self._loans: list[list[list[Loans]]] = self._nothing()

    def _nothing(self) -> list[list[list[Loans]]]:
        return [[[] for _ in range(self._groups)] for _ in self._lends.to]

    @property
    def window(self) -> str:
        """Whose rows are lent from."""
        return self._lends.window

    def met(self, closed: Closed, slot: I64) -> tuple[Met, ...]:
        """Of the rows of panes that closed, for each kind of borrowers.  slot: (n,) of each row's subject."""
        batch, pane = closed.batch, closed.pane
        begins = np.ones(len(pane), np.bool_)
        begins[1:] = (batch.subject[1:] != batch.subject[:-1]) | (pane[1:] != pane[:-1])
        first = np.flatnonzero(begins)
        lender = np.cumsum(begins) - 1  # a subject in a pane
        ends_us = np.array(closed.ends_us)
        found = []
        for to in self._lends.to:
            there = batch[to.column] != 0
            if VERDICT.name in batch.columns:  # nobody met anybody there
                there &= batch[VERDICT.name] == NO_CODE
            group = key_group(of_kind(batch[to.column], to.kind), self._groups)
            pair = distinct((lender * self._groups + group)[there])
            row, group = first[pair // self._groups], pair % self._groups
            order = np.argsort(pane[row].astype(np.uint16), kind="stable")  # 16 bits: a radix sort
            row, group = row[order], group[order]
            found.append(Met(ends_us[pane[row]], slot[row], of_kind(batch.subject[row], self._kind), group))
        return tuple(found)

    def know(self, end_us: I64, slot: I64, x: F64) -> None:
        """Takes rows of the window, in the order in which they closed.  end_us: (n,) then.  slot: (n,).  x: (n, F)."""
        if len(slot):
            self._told.append(_Known(end_us, slot, x[:, self._at]))

    def lend(self, met: Sequence[tuple[Met, ...]]) -> None:
        """Notes the loans of panes that closed since the last call: of each lender the latest row by the pane's end."""
        told, self._told = self._told, []
        known = _Known(*map(np.concatenate, zip(*told, strict=True))) if told else None
        slots = [rows.slot for rows in told] + [each.slot for pairs in met for each in pairs]
        self.known.grow(1 + max((int(slot.max(initial=-1)) for slot in slots), default=-1))
        for pairs in met:
            for to, each in zip(self._loans, pairs, strict=True):
                self._note(to, each, self._values(each, known))
        if known is not None:
            self.known["lent"][known.slot] = known.values  # of one slot the last
            self.known.touch(known.slot)

    def _values(self, met: Met, known: _Known | None) -> F64:
        """(m, L) what each lends.  known: rows that are newer than `self.known`.

        Rows and pairs are put in one order, by lender and time: what a pair lends is the last row before it, if that is
        its lender's.
        """
        values: F64 = self.known["lent"][met.slot]
        if known is None:
            return values
        rows = len(known.slot)
        ends_us = known.end_us[run_starts(known.end_us)]
        ended = np.concatenate(
            [np.searchsorted(ends_us, known.end_us), np.searchsorted(ends_us, met.end_us, side="right") - 1]
        )
        slot = np.concatenate([known.slot, met.slot])
        order = stable_argsort((slot * (len(ends_us) + 1) + ended + 1).view(np.uint64))
        before = order[np.maximum.accumulate(np.where(order < rows, np.arange(len(order)), 0))]
        newer = (order >= rows) & (before < rows) & (slot[before] == slot[order])
        values[order[newer] - rows] = known.values[before[newer]]
        return values

    def _note(self, to: list[list[Loans]], met: Met, values: F64) -> None:
        order = np.argsort(met.group.astype(np.uint16), kind="stable")
        loans = Loans(met.end_us, met.key, values).take(order)
        cuts = np.cumsum([0, *np.bincount(met.group, minlength=self._groups)]).tolist()
        for group, noted in enumerate(to):
            if cuts[group] < cuts[group + 1]:
                noted.append(loans.take(slice(cuts[group], cuts[group + 1])))

    def take(self, closed_us: int, allowed_us: int) -> list[tuple[int, LoanInput]]:
        """One message to every group of the borrowers.  allowed_us: how much longer than the watermark these wait."""
        loans, self._loans = self._loans, self._nothing()
        watermark_us = closed_us if closed_us >= END_OF_TIME_US else closed_us + allowed_us
        return [
            (group, LoanInput(self._kind, self._group, watermark_us, stage, Loans.together(noted) if noted else None))
            for stage, of_group in zip((stage_name(to.kind, Step.SUBJECT) for to in self._lends.to), loans, strict=True)
            for group, noted in enumerate(of_group)
        ]

    def forget(self, slots: I64) -> None:
        """These slots' subjects leave."""
        self.known.reset(slots)

    def snapshot(self, chunks: Chunks) -> bytes:
        """The root frame of what is known."""
        return self.known.snapshot(chunks)
