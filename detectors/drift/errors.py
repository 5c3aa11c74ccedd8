"""Is a model wrong more often than it was?  For detectors that learn from labels.

Each labelled row is an observation, 1 for wrong, 0 for right: no averaging over rounds, no hour of the day, since a
model's error follows its own skill and not people's habits.  ADWIN (Bifet & Gavalda 2007, River's) keeps the rows since
the last change; a window that is cut while its mean rises is decay.  One that falls is a model that has learned.

On abrupt and gradual changes of P(y|x) with a logistic regression as the model it found each within 15 to 135 labelled
rows, without a false alarm in 40,000; z-values of means of 32 rows took 111 to 1,000 rows, or missed half of them.
"""

from collections import deque
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from detectors.drift.change_tests import adwin, read
from state.types import F64

_CLOCK: Final = 8
_RING: Final = 256
"""Rounds back that a change can be dated to."""


@dataclass(frozen=True, slots=True)
class Rise:
    """since_us: the round in which it began.  before, after: shares of wrong answers."""

    since_us: int
    before: float
    after: float


class ErrorMonitor:
    """One detector's answers.  delta: ADWIN's confidence."""

    def __init__(self, delta: float) -> None:
        self._delta = delta
        self._window = self._new()
        self._rounds: deque[list[int]] = deque(maxlen=_RING)
        """[end_us, labelled rows, wrong answers] of each"""

    def _new(self) -> Any:
        return adwin(self._delta, _CLOCK)

    def update(self, end_us: int, wrong: F64) -> Rise | None:
        """One round.  wrong: (n,) 1 or 0, nan for rows without a label or an answer."""
        known = wrong[~np.isnan(wrong)]
        if not len(known):
            return None
        self._rounds.append([end_us, len(known), int(known.sum())])
        cut = False
        for value in known.tolist():
            if self._window.update(value):
                self._window, cut = self._new(), True
        return self._split() if cut else None

    def _split(self) -> Rise | None:
        """The two parts of the remembered rounds that differ most; what is before the change is forgotten.

        ADWIN cuts as soon as it is sure of a difference somewhere, which is no estimate of where and how much.
        """
        end_us, rows, wrong = np.array(self._rounds, np.int64).T
        first_n, first_wrong = np.cumsum(rows)[:-1], np.cumsum(wrong)[:-1]
        rest_n, rest_wrong = rows.sum() - first_n, wrong.sum() - first_wrong
        if not len(first_n):
            return None
        apart = rest_wrong / rest_n - first_wrong / first_n
        at = int(np.argmax(np.abs(apart) * np.sqrt(first_n * rest_n)))
        self._rounds = deque(list(self._rounds)[at + 1 :], maxlen=_RING)
        if apart[at] <= 0:
            return None
        return Rise(int(end_us[at + 1]), float(first_wrong[at] / first_n[at]), float(rest_wrong[at] / rest_n[at]))

    def state(self) -> tuple[Any, list[list[int]]]:
        """The ADWIN, and the rest as JSON values."""
        return self._window, list(self._rounds)

    def restore(self, window: Any, rest: list[list[int]]) -> None:
        """Takes what `state` gave.  window: None starts with an empty one; so does one that had fired, which was kept
        before version 3.
        """
        self._window = self._new() if window is None or getattr(window, "drift_detected", False) else read(window)
        self._rounds = deque(rest, maxlen=_RING)
