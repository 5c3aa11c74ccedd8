"""Resonance: does the shape that the last values make remind of any that this series has had?

Source: fuzzy adaptive resonance theory (Carpenter, Grossberg & Rosen 1991, "Fuzzy ART: Fast stable learning and
categorization of analog patterns by an adaptive resonance system"): a memory of categories, boxes in the space of
patterns; a pattern that is enough like one of them makes that box larger, another one founds a category.  That windows
of a series, scaled, cut into few levels and seen through Haar's wavelets, make good patterns, and the last value a
second vote, is the idea of ARTime (Hampton 2021, in the Numenta Anomaly Benchmark).  Both are written anew here, and
simpler: every value is looked at, and the score is how unlike the best category a pattern is.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from detectors.base import DetectorSpec, FeatureInfo, Rows, Scope, SubjectDetector
from detectors.limits import require, require_features
from detectors.rolling_base import slots_of
from state.errors import SnapshotError
from state.slot_columns import SlotColumns
from state.snapshot import pack, unpack
from state.types import F32, F64, I64

_LEVELS: Final = 80
"""The scale is cut into so many."""
_MARGIN: Final = 0.5
"""Of the range of the first values, by which the scale goes beyond it on either side."""
_AS_USUAL: Final = 5.5 / _LEVELS
"""What is within five levels of the median is the median, so that noise makes no shapes."""
_VIGILANCE: Final = 0.8
"""Likeness from which on a pattern belongs to a category."""
_GONE: Final = 0.5
"""Share of the last values beyond the scale, from which on the series is another one."""
_HUGE: Final = 1e100
_LEAST: Final = np.float32(1e-6)


@dataclass(frozen=True, slots=True)
class ResonanceSpec(DetectorSpec):
    """Unlikeness of the last rows' pattern to all that a series has shown.

    length: values of a pattern, a power of 2.  remember: categories per subject and feature, 16 * length + 12 bytes
    each; beyond it the one that was not met for longest is given up.  warmup: values that tell the scale, before
    anything is learned.
    """

    type: ClassVar[str] = "resonance"
    scope: ClassVar[Scope] = Scope.SUBJECT

    length: int = 16
    remember: int = 128
    warmup: int = 600

    def __post_init__(self) -> None:
        require(
            self,
            self.type,
            length=(self.length in (2, 4, 8, 16, 32, 64), "a power of 2 from 2 to 64"),
            remember=(2 <= self.remember <= 4096, "2 to 4096"),
            warmup=(self.warmup >= 2, "at least 2"),
        )

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> "Resonance":
        """A detector at work."""
        require_features(len(features), self.type)
        detector = Resonance(self, features)
        if resume is not None:
            detector.resume(resume)
        return detector


@dataclass(slots=True, eq=False)
class _Heard:
    """One row's value of one feature.  at: (slot, feature).  level: on the scale, nan in warm-up.  beyond: whether it
    is off the scale.  usual: the median of all levels, in the feature's units.  pattern: (4 * length,) None while
    values are too few.  nearest: the category most like it, -1 for none.  novelty: how unlike that it is, 0 to 1; nan
    for not yet.
    """

    at: tuple[int, int]
    value: float
    level: float = math.nan
    beyond: bool = False
    usual: float = math.nan
    pattern: F32 | None = None
    nearest: int = -1
    novelty: float = math.nan


class Resonance(SubjectDetector):
    """Score: the novelty of the feature whose pattern is the newest, 0 to 1.  A feature's direction does not matter."""

    KIND: ClassVar[str] = "resonance"

    def __init__(self, spec: ResonanceSpec, features: tuple[FeatureInfo, ...]) -> None:
        self.spec = spec
        self.features = features
        each = (len(features),)
        self.columns = SlotColumns(
            {
                "rows": (np.int64, each, 0),
                "low": (np.float64, each, math.inf),
                "high": (np.float64, each, -math.inf),
                "beyond": (np.float64, each, 0.0),
                "seen": (np.int32, (*each, _LEVELS + 1), 0),
                "recent": (np.float32, (*each, spec.length), 0.0),
                "categories": (np.int64, each, 0),
                "size": (np.float32, (*each, spec.remember), 0.0),
                "memory": (np.float32, (*each, spec.remember, 4 * spec.length), 0.0),
                "met": (np.int64, (*each, spec.remember), 0),
            }
        )
        self._haar = _haar(spec.length)
        self._asked: tuple[Rows, list[_Heard]] | None = None

    def score(self, rows: Rows) -> F64:
        """(n,) float64; nan in a series' first `warmup` + `length` rows, and for rows without a value."""
        novelty = self._novelty(rows)
        return novelty[:, 0] if novelty.shape[1] == 1 else np.fmax.reduce(novelty, axis=1)

    def explain(self, rows: Rows) -> F64:
        """(n, F): each feature's novelty."""
        return np.fmax(self._novelty(rows), 0.0)

    def typical(self, rows: Rows) -> F64:
        """(n, F) float64: the median of all levels; nan in warm-up, and for no value."""
        return np.array([one.usual for one in self._heard(rows)], np.float64).reshape(rows.x.shape)

    def learn(self, rows: Rows) -> None:
        """One value per subject and feature; nan is passed over."""
        if not len(rows):
            return
        heard = self._heard(rows)
        self.columns.grow(int(slots_of(rows).max()) + 1)
        for one in heard:
            self._take(one)
        self.columns.touch(slots_of(rows))
        self._asked = None

    def forget(self, slots: I64) -> None:
        """Start these slots afresh."""
        self._asked = None
        self.columns.reset(slots)

    def snapshot(self) -> bytes:
        """All there is is in `columns`."""
        return pack(self.KIND, self.version, {"features": [f.name for f in self.features]}, {})

    def resume(self, blob: bytes) -> None:
        """Take back a snapshot.  Raises SnapshotError where the features differ."""
        _, meta, _ = unpack(blob, self.KIND, (self.version,))
        names = [f.name for f in self.features]
        if meta["features"] != names:
            raise SnapshotError(f"{self.KIND}: saved for features {meta['features']}, configured {names}")

    def _novelty(self, rows: Rows) -> F64:
        return np.array([one.novelty for one in self._heard(rows)], np.float64).reshape(rows.x.shape)

    def _heard(self, rows: Rows) -> list[_Heard]:
        """All cells, row by row, before anything of them is learned; once for all calls of a round."""
        if self._asked is None or self._asked[0] is not rows:
            cells = [
                self._hear((slot, feature), value)
                for slot, values in zip(slots_of(rows).tolist(), rows.x.tolist(), strict=True)
                for feature, value in enumerate(values)
            ]
            self._asked = rows, cells
        return self._asked[1]

    def _hear(self, at: tuple[int, int], value: float) -> _Heard:
        columns, spec = self.columns, self.spec
        if not abs(value) < _HUGE:
            return _Heard(at, math.nan)
        rows = columns["rows"].item(at) if at[0] < columns.size else 0
        if rows < spec.warmup:
            return _Heard(at, value)
        low, high = columns["low"].item(at), columns["high"].item(at)
        margin = _MARGIN * (high - low)
        low, width = low - margin, high - low + 2 * margin
        place = (value - low) / width if width > 0 else 0.5 + (value > low) - (value < low)
        level = round(min(max(place, 0.0), 1.0) * _LEVELS) / _LEVELS
        median = self._median(at)
        heard = _Heard(at, value, level, not 0.0 <= place <= 1.0, low + width * median)
        if rows + 1 < spec.warmup + spec.length:
            return heard
        recent = columns["recent"][at].copy()
        recent[:-1] = recent[1:]
        recent[-1] = level
        recent[np.abs(recent - np.float32(median)) < _AS_USUAL] = median
        heard.pattern = _pattern(recent, self._haar)
        count = columns["categories"].item(at)
        if count:
            like = _likeness(columns["memory"][at][:count], columns["size"][at][:count], heard.pattern)
            heard.nearest = int(like.argmax())
            heard.novelty = 1.0 - like.item(heard.nearest)
        return heard

    def _take(self, heard: _Heard) -> None:
        at, columns = heard.at, self.columns
        if math.isnan(heard.value):
            return
        columns["rows"][at] += 1
        if math.isnan(heard.level):
            columns["low"][at] = min(columns["low"].item(at), heard.value)
            columns["high"][at] = max(columns["high"].item(at), heard.value)
            return
        columns["beyond"][at] += (heard.beyond - columns["beyond"].item(at)) / self.spec.warmup
        if columns["beyond"].item(at) > _GONE:
            self._begin_anew(at)
            return
        columns["seen"][at][round(heard.level * _LEVELS)] += 1
        recent = columns["recent"][at]
        recent[:-1] = recent[1:]
        recent[-1] = heard.level
        if heard.pattern is not None:
            self._resonate(at, heard.pattern, heard.nearest if heard.novelty <= 1.0 - _VIGILANCE else -1)

    def _resonate(self, at: tuple[int, int], pattern: F32, category: int) -> None:
        """The category grows to hold the pattern; -1: a new one."""
        memory, met, count = self.columns["memory"][at], self.columns["met"][at], self.columns["categories"]
        if category >= 0:
            np.minimum(memory[category], pattern, out=memory[category])
        else:
            category = count.item(at)
            if category < self.spec.remember:
                count[at] += 1
            else:
                category = int(met.argmin())
            memory[category] = pattern
        self.columns["size"][at][category] = np.add.reduce(memory[category])
        met[category] = self.columns["rows"].item(at)

    def _begin_anew(self, at: tuple[int, int]) -> None:
        for name in ("rows", "low", "high", "beyond", "seen", "categories", "met"):
            self.columns[name][at] = self.columns.fill(name)

    def _median(self, at: tuple[int, int]) -> float:
        """Of all levels, the scale's middle before there are any."""
        below = np.add.accumulate(self.columns["seen"][at])
        half = below.item(-1) // 2
        return below.searchsorted(half, "right").item() / _LEVELS if below.item(-1) else 0.5


def _pattern(levels: F32, haar: F32) -> F32:
    """(4 * length,) what categories are made of: the shape of the levels and these themselves, and all of it from 1
    (complement coding, so that a category is a box with two sides in each dimension).
    """
    length = len(levels)
    pattern = np.empty(4 * length, np.float32)
    pattern[:length] = _unit(
        np.add.reduce(haar * _unit(levels), axis=1)
    )  # not by BLAS, whose sums differ from machine to machine
    pattern[length : 2 * length] = levels
    np.subtract(1.0, pattern[: 2 * length], out=pattern[2 * length :])
    return pattern


def _unit(values: F32) -> F32:
    """From 0 to 1; nothing but 0 where all are alike."""
    values = values - np.minimum.reduce(values)
    most = np.maximum.reduce(values)
    return values / most if most > 0 else values


def _haar(length: int) -> F32:
    """(length, length) Haar's wavelets, one a row, the mean first.  length: a power of 2.  Source: Haar 1910."""
    rows = np.ones((1, 1))
    while len(rows) < length:
        rows = np.concatenate([np.kron(rows, [1, 1]), np.kron(np.eye(len(rows)), [1, -1])]) * math.sqrt(0.5)
    return rows.astype(np.float32)


def _likeness(memory: F32, size: F32, pattern: F32) -> F32:
    """(k,) how much of each category a pattern shares, 0 to 1: of the whole, cubed, times that of the last value,
    squared, so that what has just come weighs more than its place in the pattern.  size: (k,) of each category, all
    sides added.
    """
    shared = np.minimum(memory, pattern)
    half = memory.shape[1] // 2
    whole = np.add.reduce(shared, axis=1) / np.maximum(size, _LEAST)
    last = (shared[:, half - 1] + shared[:, -1]) / np.maximum(memory[:, half - 1] + memory[:, -1], _LEAST)
    like: F32 = whole * whole * whole * last * last
    return like
