"""Subjects that something happened to lately."""

import numpy as np

from state.cells import run_starts
from state.types import I64, U64, Bool


class Lately:
    """Subjects, each until some time."""

    def __init__(self, held: list[list[int]] | None = None) -> None:
        """held: as `state` gives it."""
        self._subject: U64 = np.array([subject for subject, _ in held or ()], np.uint64)
        self._until_us: I64 = np.array([until_us for _, until_us in held or ()], np.int64)

    def release(self, now_us: int) -> None:
        """Lets those go whose time is over."""
        stay = self._until_us >= now_us
        if not stay.all():
            self._subject, self._until_us = self._subject[stay], self._until_us[stay]

    def hold(self, subject: U64, until_us: int) -> None:
        """Takes these in, or holds them longer.  until_us: not before that of anybody held."""
        if not len(subject):
            return
        everybody = np.concatenate([self._subject, subject])
        until = np.concatenate([self._until_us, np.full(len(subject), until_us)])
        order = np.argsort(everybody, kind="stable")
        latest = np.append(run_starts(everybody[order])[1:], len(order)) - 1
        self._subject, self._until_us = everybody[order[latest]], until[order[latest]]

    def forget(self, subject: int) -> None:
        """Lets one go."""
        stay = self._subject != np.uint64(subject)
        self._subject, self._until_us = self._subject[stay], self._until_us[stay]

    def holds(self, subject: U64) -> Bool:
        """Which of these are held.  subject: (n,) ascending, as the rows of a round are."""
        held = np.zeros(len(subject), np.bool_)
        if len(subject):
            at = np.minimum(np.searchsorted(subject, self._subject), len(subject) - 1)
            held[at[subject[at] == self._subject]] = True
        return held

    def state(self) -> list[list[int]]:
        """[subject, held until], as JSON values."""
        return [list(pair) for pair in zip(self._subject.tolist(), self._until_us.tolist(), strict=True)]
