"""Discord: are the last values a sequence that this series has had before?

Source: Keogh, Lin & Fu 2005, "HOT SAX: Efficiently finding the most unusual time series subsequence", whose discord is
the sequence that is furthest from its nearest neighbour; here, as in the left matrix profile of Yeh et al. 2016, the
neighbour is in the past, and it is the `neighbours`-nearest one, so that a sequence has to come back a few times before
it counts as usual.  Whatever recurs is remembered: days, weeks as far as memory reaches, cycles of no fixed length,
spikes of one shape.

The distance, averaged over the last rows, is compared with its own long past as `detectors.rolling` compares values.
Sequences are compared as they are, without standardising each: a flat series that goes on at another level is news.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors.base import DetectorSpec, FeatureInfo, Rows, Scope
from detectors.limits import require, require_features
from detectors.rolling_base import Averages, Rolling
from state.types import F64, I32


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
            short_rows=(self.short_rows >= 1, "at least 1"),
            long_rows=(self.long_rows > self.short_rows, f"above short_rows ({self.short_rows:g})"),
            warmup=(self.warmup >= 2, "at least 2"),
        )

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> "Discord":
        """A detector at work."""
        require_features(len(features), self.type)
        detector = Discord(self, features)
        if resume is not None:
            detector.resume(resume)
        return detector


class Discord(Rolling):
    """Watches distances of sequences.  A feature's direction does not matter: what is new is odd."""

    KIND: ClassVar[str] = "discord"

    def __init__(self, spec: DiscordSpec, features: tuple[FeatureInfo, ...]) -> None:
        self.spec = spec
        self._came: F64 = np.empty((0, len(features)))
        size = spec.remember + 2 * spec.length - 2
        columns = {
            "past": (np.float64, (len(features), size), 0.0),  # the latest value last
            "held": (np.int64, (len(features),), 0),
        }
        super().__init__(features, Averages(spec.short_rows, spec.long_rows, spec.warmup), columns)

    def typical(self, rows: Rows) -> F64:
        """(n, F) float64: what followed the most similar of the past's beginnings, in original units."""
        self.ask(rows)
        usual = self._came.copy()
        usual[:, self.logs] = np.expm1(usual[:, self.logs])
        return usual

    def _odd(self, z: F64) -> F64:
        """Any z: what is more usual than usual is no odder than that."""
        return z

    def _watched(self, rows: Rows, slot: I32) -> F64:
        """Nan as well while there are fewer than `ready` sequences."""
        value = self.values(rows)
        out, self._came = np.full(value.shape, np.nan), np.full(value.shape, np.nan)
        for row, at in enumerate(slot.tolist()):
            if at < self.columns.size:
                past, held = self.columns["past"][at], self.columns["held"][at]
                for feature in np.flatnonzero(~np.isnan(value[row])).tolist():
                    found = self._nearest(past[feature], int(held[feature]), value[row, feature])
                    out[row, feature], self._came[row, feature] = found
        return out

    def _nearest(self, past: F64, held: int, value: float) -> tuple[float, float]:
        """The distance, and what followed when the values before this one were nearest; nan while there are too few."""
        length, size = self.spec.length, len(past)
        first = max(size - held, 0)
        count = size - 2 * length + 2 - first  # sequences that end before the latest one begins
        if count < self.spec.ready:
            return np.nan, np.nan
        now = np.append(past[size - length + 1 :], value)
        apart = np.ndarray((count, length), np.float64, past, first * 8, (8, 8)) - now
        square = np.einsum("ij,ij->i", apart, apart)
        k = self.spec.neighbours - 1
        nearest = int((square - apart[:, -1] ** 2).argmin())
        return float(np.partition(square, k)[k] ** 0.5), float(past[first + nearest + length - 1])

    def _remember(self, rows: Rows, slot: I32) -> None:
        value = self.values(rows)
        for row, at in enumerate(slot.tolist()):
            past = self.columns["past"][at]
            for feature in np.flatnonzero(~np.isnan(value[row])).tolist():
                past[feature, :-1] = past[feature, 1:]
                past[feature, -1] = value[row, feature]
                self.columns["held"][at, feature] += 1
