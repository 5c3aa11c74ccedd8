"""What the detectors of one window said lately, for those who watch a run from outside; no part of state."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from detectors.drift.event import DriftEvent, Watch
from flows.metrics import catalogue as c
from flows.metrics.catalogue import Numbers
from state.types import F64, START_OF_TIME_US

_LOOKED_AT: Final = 2_048
"""Scores of a round, about, that percentiles are taken of."""


class Watched:
    """Counts from the first time on that it is asked: who does not listen does not pay."""

    def __init__(self) -> None:
        self._listened_to = False
        self.end_us = START_OF_TIME_US
        """Of the last round."""
        self._score: Mapping[str, F64] = {}
        self._rows: dict[str, int] = {}
        self._odd: dict[str, int] = {}
        self._drifted_us: dict[str, int] = {}

    def take(self, end_us: int, score: Mapping[str, F64], tail: Mapping[str, F64]) -> None:
        """A round.  score, tail: detector -> (n,), nan for "not yet"; nothing is written to them."""
        if not self._listened_to:
            return
        self.end_us, self._score = end_us, score
        for name, p in tail.items():
            self._rows[name] = self._rows.get(name, 0) + len(p) - int(np.count_nonzero(np.isnan(p)))
            self._odd[name] = self._odd.get(name, 0) + int(np.count_nonzero(p <= c.ONE_PERCENT))

    def drifted(self, event: DriftEvent) -> None:
        """A change was told of."""
        if event.what in (Watch.SCORE, Watch.ERROR):
            self._drifted_us[event.name] = event.at_us

    def observe(self, numbers: Numbers, window: str) -> None:
        """Rows, those below one per cent, percentiles of the last scores, and drift, of each detector."""
        self._listened_to = True
        for name, score in self._score.items():
            where = name, window
            c.add(numbers, c.DETECTOR_ROWS, self._rows.get(name, 0), *where)
            c.add(numbers, c.DETECTOR_ODD, self._odd.get(name, 0), *where)
            c.add(numbers, c.DETECTOR_DRIFT, c.seconds(self._drifted_us.get(name, START_OF_TIME_US)), *where)
            for q, value in zip(c.PERCENTILES, _percentiles(score), strict=False):
                c.add(numbers, c.DETECTOR_SCORE, value, *where, str(q))


def _percentiles(score: F64) -> list[float]:
    """Of the scores that there are; of many, of so many that lie evenly among them.  Empty where there is none."""
    few = score[:: max(len(score) // _LOOKED_AT, 1)]
    known = np.sort(few[~np.isnan(few)])
    return [known.item((len(known) - 1) * q // 100) for q in c.PERCENTILES] if len(known) else []
