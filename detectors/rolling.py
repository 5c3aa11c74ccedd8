"""Rolling deviation: where does a series stand, against its own long past?

Four questions about one series, by parameters alone: is this value odd (short_rows = 1), has the level moved
(short_rows = 25: an average of the last rows against the rows before), was this a jump (difference = true), has the
series become rougher or calmer (absolute = true as well, and short_rows = 25: an average of the size of its jumps)?

Unlike `history_baseline` it remembers thousands of rows, knows no other
subjects, and counts distances, not evidence: calibration makes them probabilities.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors.base import DetectorSpec, FeatureInfo, Rows, Scope
from detectors.limits import require, require_features
from detectors.rolling_base import Averages, Cell, Rolling
from state.types import F64, I32


@dataclass(frozen=True, slots=True)
class RollingDeviationSpec(DetectorSpec):
    """Distance of the latest rows from the long past of their series.

    short_rows: rows that are averaged before they are compared; 1 for the latest value.  long_rows: rows of past.
    difference: look at the change from row to row instead of the value.  absolute: look at the size of that change,
    whichever way it goes; both more and less of it than usual count.  warmup: rows before the first score.  winsor:
    standard deviations to which a value is cut before the past learns it; 0 for no cut.
    """

    type: ClassVar[str] = "rolling_deviation"
    scope: ClassVar[Scope] = Scope.SUBJECT

    short_rows: float = 1.0
    long_rows: float = 2000.0
    difference: bool = False
    warmup: int = 20
    winsor: float = 0.0
    absolute: bool = False

    def __post_init__(self) -> None:
        require(
            self,
            self.type,
            absolute=(self.difference or not self.absolute, "false without difference"),
            **self.averages.allowed(),
        )

    @property
    def averages(self) -> Averages:
        """The short one and the long one."""
        return Averages(self.short_rows, self.long_rows, self.warmup, self.winsor)

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> "RollingDeviation":
        """A detector at work."""
        require_features(len(features), self.type)
        detector = RollingDeviation(self, features)
        if resume is not None:
            detector.resume(resume)
        return detector


class RollingDeviation(Rolling):
    """Watches values, or their changes, or the size of these."""

    KIND: ClassVar[str] = "rolling_deviation"

    def __init__(self, spec: RollingDeviationSpec, features: tuple[FeatureInfo, ...]) -> None:
        self.spec = spec
        super().__init__(features, spec.averages, {"last": (np.float64, (len(features),), np.nan)})
        if spec.difference:  # differences of logarithms are no differences of values
            self.back = self.back[:0]
        if spec.absolute:
            self.up = self.down = np.full(len(features), True)

    def _watch(self, cell: Cell) -> None:
        cell.watched = cell.value
        if self.spec.difference:
            cell.watched -= math.nan if cell.new else self.columns["last"].item(cell.at, cell.feature)
        if self.spec.absolute:
            cell.watched = abs(cell.watched)

    def _keep(self, cell: Cell) -> None:
        if self.spec.difference:
            self.columns["last"][cell.at, cell.feature] = cell.value

    def _watched(self, rows: Rows, slot: I32) -> F64:
        """Nan as well where there is no row before it to differ from."""
        value = self.values(rows)
        if self.spec.difference:
            value = value - self.known("last", slot)
        return np.abs(value) if self.spec.absolute else value

    def _remember(self, rows: Rows, slot: I32) -> None:
        if self.spec.difference:
            now = self.values(rows)
            self.columns["last"][slot] = np.where(np.isnan(now), self.columns["last"][slot], now)
