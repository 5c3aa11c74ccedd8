"""Seasonal deviation: is the value what it usually is at this time of the day, or of the week?

A profile per subject and feature: the period (a week, or a day) is cut into equal parts of time, each with an average
of the values that were seen in it on earlier visits, plain for the first `remember` visits and exponentially weighted
after them.  What is left of a value when its part's average is taken away is watched as `detectors.rolling` watches
values.
Times are event times in UTC: the end of a row's window.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors.base import DetectorSpec, FeatureInfo, Rows, Scope
from detectors.limits import require, require_features
from detectors.rolling_base import Averages, Cell, Rolling, slots_of
from state.types import F64, HOUR_US, I32, I64, MINUTE_US, Bool


@dataclass(frozen=True, slots=True)
class SeasonalDeviationSpec(DetectorSpec):
    """Distance of the latest rows from what is usual at their time.

    period_hours: 168 for weeks, 24 for days.  part_minutes: length of the parts that a period is cut into.
    visits: of a part on earlier periods before it counts as known.  remember: visits that averages go back.
    short_rows, long_rows, warmup: as of rolling_deviation.
    """

    type: ClassVar[str] = "seasonal_deviation"
    scope: ClassVar[Scope] = Scope.SUBJECT

    period_hours: int = 168
    part_minutes: int = 30
    visits: int = 2
    remember: int = 8
    short_rows: float = 25.0
    long_rows: float = 3000.0
    warmup: int = 20

    def __post_init__(self) -> None:
        parts = self.period_hours * HOUR_US / (self.part_minutes * MINUTE_US) if self.part_minutes > 0 else 0.0
        require(
            self,
            self.type,
            period_hours=(1 <= self.period_hours <= 672, "1 to 672"),
            part_minutes=(
                2 <= parts <= 10_000 and parts == int(parts),
                "minutes that divide the period into 2 to 10,000 parts",
            ),
            visits=(self.visits >= 1, "at least 1"),
            remember=(self.remember >= 1, "at least 1"),
            **self.averages.allowed(),
        )

    @property
    def averages(self) -> Averages:
        """The short one and the long one."""
        return Averages(self.short_rows, self.long_rows, self.warmup)

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> "SeasonalDeviation":
        """A detector at work."""
        require_features(len(features), self.type)
        detector = SeasonalDeviation(self, features)
        if resume is not None:
            detector.resume(resume)
        return detector


class SeasonalDeviation(Rolling):
    """Watches what the time of a row leaves open of its values."""

    KIND: ClassVar[str] = "seasonal_deviation"

    def __init__(self, spec: SeasonalDeviationSpec, features: tuple[FeatureInfo, ...]) -> None:
        self.spec = spec
        self._part_us = spec.part_minutes * MINUTE_US
        self._parts = spec.period_hours * HOUR_US // self._part_us
        shape = (len(features), self._parts)
        columns = {
            "average": (np.float64, shape, 0.0),
            "held": (np.int32, shape, 0),
            "visits": (np.int32, shape, 0),
            "at": (np.int64, (len(features),), -1),
        }
        super().__init__(features, spec.averages, columns)

    def _watch(self, cell: Cell) -> None:
        cell.typical = math.nan
        if not cell.new:
            time = cell.time_us // self._part_us
            at, part = (cell.at, cell.feature), time % self._parts
            visits = self.columns["visits"].item(*at, part) - (self.columns["at"].item(*at) == time)
            if visits >= self.spec.visits:
                cell.typical = self.columns["average"].item(*at, part)
        cell.watched = cell.value - cell.typical

    def _keep(self, cell: Cell) -> None:
        at, time = (cell.at, cell.feature), cell.time_us // self._part_us
        place = *at, time % self._parts
        average, visits, held = (self.columns[name] for name in ("average", "visits", "held"))
        visits[place] += self.columns["at"].item(*at) != time
        held[place] += 1
        weight = max(1.0, visits.item(place) / self.spec.remember) / held.item(place)
        average[place] += min(weight, 1.0) * (cell.value - average.item(place))
        self.columns["at"][at] = time

    def _usual(self, rows: Rows) -> F64:
        usual, seen = self._usual_now(rows, slots_of(rows))
        return np.where(seen, usual, np.nan)

    def _watched(self, rows: Rows, slot: I32) -> F64:
        """Nan as well for a part of the period that was not there before."""
        usual, seen = self._usual_now(rows, slot)
        return np.where(seen, self.values(rows) - usual, np.nan)

    def _part(self, rows: Rows) -> tuple[I64, I64]:
        """(n,) the rows' parts of time, counted from 1970, and which part of the period each is."""
        time = rows.stop_us // self._part_us
        return time, time % self._parts

    def _usual_now(self, rows: Rows, slot: I32) -> tuple[F64, Bool]:
        """(n, F) averages of the rows' parts, and whether they are known."""
        (time, part), row = self._part(rows), np.arange(len(rows))
        earlier = self.known("visits", slot)[row, :, part] - (self.known("at", slot) == time[:, None])
        return self.known("average", slot)[row, :, part], earlier >= self.spec.visits

    def _remember(self, rows: Rows, slot: I32) -> None:
        (time, part), value = self._part(rows), self.values(rows)
        known = ~np.isnan(value)
        average, held, visits = (self.columns[name] for name in ("average", "held", "visits"))
        at = self.columns["at"][slot]
        visits[slot, :, part] += known & (at != time[:, None])
        held[slot, :, part] += known
        # Rows of a visit together weigh 1 / remember at least.
        weight = np.maximum(1.0, visits[slot, :, part] / self.spec.remember) / np.maximum(held[slot, :, part], 1)
        average[slot, :, part] += np.where(known, np.minimum(weight, 1.0) * (value - average[slot, :, part]), 0.0)
        self.columns["at"][slot] = np.where(known, time[:, None], at)
