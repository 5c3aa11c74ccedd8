"""Rolling deviation: where does a series stand, against its own long past?

Three questions about one series, by parameters alone: is this value odd (short_rows = 1), has the level moved
(short_rows = 50: an average of the last rows against the rows before), was this a jump (difference = true)?  Together
they are the shipped set for time series (flows/series.toml).

Per subject and feature exponentially weighted averages, short and long, and the long variance (West 1979); plain
averages until they hold that many rows.  Unlike `history_baseline` it remembers thousands of rows, knows no other
subjects, and counts distances, not evidence: calibration makes them probabilities.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from detectors.base import DetectorSpec, Direction, FeatureInfo, Rows, Scope, SubjectDetector
from detectors.limits import require, require_features
from detectors.scaling import log_columns, natural
from state.errors import DetectorError, SnapshotError
from state.slot_columns import SlotColumns
from state.snapshot import pack, unpack
from state.types import F64, I32, I64

_HUGE: Final = 1e100
_FLOOR: Final = 1e-9
"""A series whose deviation is a smaller share of its size is constant."""


@dataclass(frozen=True, slots=True)
class RollingDeviationSpec(DetectorSpec):
    """Distance of the latest rows from the long past of their series.

    short_rows: rows that are averaged before they are compared; 1 for the latest value.  long_rows: rows of past.
    difference: look at the change from row to row instead of the value.  warmup: rows before the first score.
    winsor: standard deviations to which a value is cut before the past learns it; 0 for no cut.
    """

    type: ClassVar[str] = "rolling_deviation"
    scope: ClassVar[Scope] = Scope.SUBJECT

    short_rows: float = 1.0
    long_rows: float = 2000.0
    difference: bool = False
    warmup: int = 20
    winsor: float = 0.0

    def __post_init__(self) -> None:
        require(
            self,
            self.type,
            short_rows=(self.short_rows >= 1, "at least 1"),
            long_rows=(self.long_rows > self.short_rows, f"above short_rows ({self.short_rows:g})"),
            warmup=(self.warmup >= 2, "at least 2"),
            winsor=(self.winsor >= 0, "at least 0"),
        )

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> "RollingDeviation":
        """A detector at work."""
        require_features(len(features), self.type)
        detector = RollingDeviation(self, features)
        if resume is not None:
            detector.resume(resume)
        return detector


class RollingDeviation(SubjectDetector):
    """Score: that of the feature that is furthest out, in standard deviations of its own past."""

    KIND: ClassVar[str] = "rolling_deviation"

    def __init__(self, spec: RollingDeviationSpec, features: tuple[FeatureInfo, ...]) -> None:
        self.spec = spec
        self.features = features
        self._logs = log_columns(features)
        both = np.array([f.direction is Direction.BOTH for f in features])
        self._up = both | [f.direction is Direction.HIGH for f in features]
        self._down = both | [f.direction is Direction.LOW for f in features]
        width = (len(features),)
        self.columns = SlotColumns(
            {
                "rows": (np.int64, width, -1 if spec.difference else 0),
                "last": (np.float64, width, 0.0),
                "short": (np.float64, width, 0.0),
                "mean": (np.float64, width, 0.0),
                "var": (np.float64, width, 0.0),
            }
        )

    def score(self, rows: Rows) -> F64:
        """(n,) float64 >= 0; nan in a series' first `warmup` rows, and for rows without a value."""
        z = self._distances(rows)
        return np.fmax.reduce(z, axis=1) if len(z) else np.empty(0)

    def explain(self, rows: Rows) -> F64:
        """(n, F): each feature's distance in standard deviations."""
        return np.nan_to_num(self._distances(rows))

    def typical(self, rows: Rows) -> F64:
        """(n, F) float64: the long average, in original units; of the differences with `difference`."""
        state = self._state(_slots(rows))
        usual = state["mean"].copy()
        if not self.spec.difference:
            usual[:, self._logs] = np.expm1(usual[:, self._logs])
        usual[state["rows"] < self.spec.warmup] = np.nan
        return usual

    def _distances(self, rows: Rows) -> F64:
        """(n, F) >= 0; nan where there is nothing to compare, or nothing to compare with."""
        state = self._state(_slots(rows))
        value = self._value(rows, state)
        short = state["short"] + self._weight(state["rows"], self.spec.short_rows) * (value - state["short"])
        z = (short - state["mean"]) / self._deviation(state)
        z = np.where(self._up & (z > 0), z, np.where(self._down & (z < 0), -z, np.where(np.isnan(z), np.nan, 0.0)))
        z[state["rows"] < self.spec.warmup] = np.nan
        return z

    def _value(self, rows: Rows, state: dict[str, F64]) -> F64:
        """(n, F) what is watched; nan where there is no finite value, or no row before it to differ from."""
        value = natural(rows.x, self._logs)
        value[~(np.abs(value) < _HUGE)] = np.nan
        if not self.spec.difference:
            return value
        value -= state["last"]
        value[state["rows"] < 0] = np.nan
        return value

    def _deviation(self, state: dict[str, F64]) -> F64:
        return np.maximum(np.sqrt(state["var"]), _FLOOR * (1.0 + np.abs(state["mean"])))

    @staticmethod
    def _weight(rows: F64, most: float) -> F64:
        """Of a new row in an average over `most` rows that holds `rows`."""
        return np.maximum(1.0 / (np.maximum(rows, 0) + 1.0), 1.0 / most)

    def learn(self, rows: Rows) -> None:
        """One value per subject and feature; nan is passed over."""
        if not len(rows):
            return
        slot, spec = _slots(rows), self.spec
        self.columns.grow(int(slot.max()) + 1)
        state = self._state(slot)
        value = self._value(rows, state)
        known = ~np.isnan(value)
        delta = np.where(known, value - state["mean"], 0.0)
        if spec.winsor:
            reach = spec.winsor * self._deviation(state)
            delta = np.where(state["rows"] >= spec.warmup, np.clip(delta, -reach, reach), delta)
        weight = np.where(known, self._weight(state["rows"], spec.long_rows), 0.0)
        short = np.where(known, self._weight(state["rows"], spec.short_rows), 0.0)
        self.columns["var"][slot] = (1 - weight) * (state["var"] + weight * delta * delta)
        self.columns["mean"][slot] = state["mean"] + weight * delta
        self.columns["short"][slot] = state["short"] + short * np.where(known, value - state["short"], 0.0)
        if spec.difference:
            now = natural(rows.x, self._logs)
            seen = np.abs(now) < _HUGE
            self.columns["last"][slot] = np.where(seen, now, state["last"])
            known |= seen & (state["rows"] < 0)  # the first row is there to differ from
        self.columns["rows"][slot] = state["rows"] + known
        self.columns.touch(slot)

    def forget(self, slots: I64) -> None:
        """Start these slots afresh."""
        self.columns.reset(slots)

    def _state(self, slot: I32) -> dict[str, F64]:
        """Each column's rows, (n, F); those of slots that were never seen as they begin."""
        names = ("rows", "last", "short", "mean", "var")
        if not len(slot) or int(slot.max()) < self.columns.size:
            return {name: self.columns[name][slot] for name in names}
        out = {name: np.zeros((len(slot), len(self.features)), self.columns[name].dtype) for name in names}
        out["rows"] -= self.spec.difference
        old = slot < self.columns.size
        for name, values in out.items():
            values[old] = self.columns[name][slot[old]]
        return out

    def snapshot(self) -> bytes:
        """All there is is in `columns`."""
        return pack(self.KIND, self.version, {"features": [f.name for f in self.features]}, {})

    def resume(self, blob: bytes) -> None:
        """Take back a snapshot.  Raises SnapshotError where the features differ."""
        _, meta, _ = unpack(blob, self.KIND, (self.version,))
        names = [f.name for f in self.features]
        if meta["features"] != names:
            raise SnapshotError(f"{self.KIND}: saved for features {meta['features']}, configured {names}")


def _slots(rows: Rows) -> I32:
    if rows.slot is None:
        raise DetectorError("rolling_deviation: rows without slots; it keeps a state per subject, in scope SUBJECT")
    return rows.slot
