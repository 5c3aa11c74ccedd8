"""Discord: are the last values a sequence that this series has had before?

Source: Keogh, Lin & Fu 2005, "HOT SAX: Efficiently finding the most unusual time series subsequence", whose discord is
the sequence that is furthest from its nearest neighbour; here, as in the left matrix profile of Yeh et al. 2016, the
neighbour is in the past, and it is the `neighbours`-nearest one, so that a sequence has to come back a few times before
it counts as usual.  Whatever recurs is remembered: days, weeks as far as memory reaches, cycles of no fixed length,
spikes of one shape.

The distance, averaged over the last rows, is compared with its own long past as `detectors.rolling` compares values.
Sequences are compared as they are, without standardising each: a flat series that goes on at another level is news.
"""

import math
import sys
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors.base import DetectorSpec, FeatureInfo, Scope
from detectors.limits import require, require_features
from detectors.rolling_base import Averages, Cell, Rolling
from state.types import F64


@dataclass(frozen=True, slots=True)
class DiscordSpec(DetectorSpec):
    """Distance of the last rows' sequence from the most similar ones of the past.

    length: rows of a sequence.  remember: sequences of the past (8 bytes each, per subject and feature).
    ready: sequences that there must be before distances are taken: among fewer everything is far.
    neighbours: the distance is that to the nearest but so many.  short_rows, long_rows, warmup: as of
    rolling_deviation.
    """

    type: ClassVar[str] = "discord"
    scope: ClassVar[Scope] = Scope.SUBJECT

    length: int = 8
    remember: int = 2000
    ready: int = 100
    neighbours: int = 3
    short_rows: float = 10.0
    long_rows: float = 3000.0
    warmup: int = 20

    def __post_init__(self) -> None:
        require(
            self,
            self.type,
            length=(2 <= self.length <= 256, "2 to 256"),
            remember=(self.remember >= 16, "at least 16"),
            ready=(1 <= self.ready <= self.remember, f"1 to remember ({self.remember})"),
            neighbours=(1 <= self.neighbours <= self.ready, f"1 to ready ({self.ready})"),
            **self.averages.allowed(),
        )

    @property
    def averages(self) -> Averages:
        """The short one and the long one."""
        return Averages(self.short_rows, self.long_rows, self.warmup)

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> "Discord":
        """A detector at work."""
        require_features(len(features), self.type)
        detector = Discord(self, features)
        if resume is not None:
            detector.resume(resume)
        return detector


class Discord(Rolling):
    """Watches distances of sequences.  A feature's direction does not matter: what is new is odd.  Usual is what
    followed the most similar of the past's beginnings.
    """

    KIND: ClassVar[str] = "discord"
    FEW: ClassVar[int] = sys.maxsize
    """Each is compared with all of its past: that they go one by one is no cost."""
    DIRECTED: ClassVar[bool] = False

    def __init__(self, spec: DiscordSpec, features: tuple[FeatureInfo, ...]) -> None:
        self.spec = spec
        size = spec.remember + 2 * spec.length - 2
        columns = {
            "past": (np.float64, (len(features), size), 0.0),  # the latest value last
            "held": (np.int64, (len(features),), 0),
        }
        super().__init__(features, spec.averages, columns)

    def _watch(self, cell: Cell) -> None:
        cell.watched = cell.typical = math.nan
        if not (cell.new or math.isnan(cell.value)):
            held = self.columns["held"].item(cell.at, cell.feature)
            cell.watched, cell.typical = self._nearest(self.columns["past"][cell.at, cell.feature], held, cell.value)

    def _keep(self, cell: Cell) -> None:
        past = self.columns["past"][cell.at, cell.feature]
        past[:-1] = past[1:]
        past[-1] = cell.value
        self.columns["held"][cell.at, cell.feature] += 1

    def _nearest(self, past: F64, held: int, value: float) -> tuple[float, float]:
        """The distance, and what followed when the values before this one were nearest; nan while there are too few."""
        length, size = self.spec.length, len(past)
        first = max(size - held, 0)
        count = size - 2 * length + 2 - first  # sequences that end before the latest one begins
        if count < self.spec.ready:
            return np.nan, np.nan
        # Row by row of the sequences, and not sequence by sequence: what is added up stays in the nearest cache.
        before = np.zeros(count)
        for i, now in enumerate(past[size - length + 1 :].tolist()):
            apart = past[first + i : first + i + count] - now
            before += np.multiply(apart, apart, out=apart)
        nearest = int(before.argmin())
        apart = past[first + length - 1 : first + length - 1 + count] - value
        before += np.multiply(apart, apart, out=apart)
        k = self.spec.neighbours - 1
        before.partition(k)
        return math.sqrt(before.item(k)), past.item(first + nearest + length - 1)
