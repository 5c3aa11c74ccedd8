"""What detectors of one series share: the distance of its latest rows from its own long past.

Per subject and feature exponentially weighted averages, short and long, and the long variance (West 1979) of what is
watched; plain averages until they hold that many rows.  What is watched is a detector's own: the value
(`detectors.rolling`), what the time of day leaves open (`detectors.seasonal`), how new a sequence is
(`detectors.discord`).
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from detectors.base import Direction, FeatureInfo, Rows, SubjectDetector
from detectors.scaling import log_columns, natural
from state.errors import DetectorError, SnapshotError
from state.slot_columns import SlotColumns
from state.snapshot import pack, unpack
from state.types import F64, I32, I64

_HUGE: Final = 1e100
_FLOOR: Final = 1e-9
"""A series whose deviation is a smaller share of its size is constant."""
Columns = dict[str, tuple[Any, tuple[int, ...], Any]]


@dataclass(slots=True, eq=False)
class _Asked:
    """value: (n, F) what is watched.  held: rows in the averages.  odd: distances, once somebody asked for them."""

    rows: Rows
    value: F64
    held: I64
    short: F64
    mean: F64
    var: F64
    odd: F64 | None = None


@dataclass(frozen=True, slots=True)
class Averages:
    """short_rows, long_rows: of the averages.  warmup: rows before the first score.  winsor: standard deviations to
    which what is watched is cut before the past learns it; 0 for no cut.
    """

    short_rows: float
    long_rows: float
    warmup: int
    winsor: float = 0.0


class Rolling(SubjectDetector):
    """Score: that of the feature that is furthest out, in standard deviations of its own past."""

    KIND: ClassVar[str]

    def __init__(self, features: tuple[FeatureInfo, ...], averages: Averages, columns: Columns) -> None:
        """columns: what `_watched` needs to know, beside the averages."""
        self.features = features
        self.averages = averages
        self.logs = log_columns(features)
        both = np.array([f.direction is Direction.BOTH for f in features])
        self.up = both | [f.direction is Direction.HIGH for f in features]
        self.down = both | [f.direction is Direction.LOW for f in features]
        self._asked: _Asked | None = None
        width = (len(features),)
        self.columns = SlotColumns(
            {
                "rows": (np.int64, width, 0),
                "short": (np.float64, width, 0.0),
                "mean": (np.float64, width, 0.0),
                "var": (np.float64, width, 0.0),
                **columns,
            }
        )

    @abstractmethod
    def _watched(self, rows: Rows, slot: I32) -> F64:
        """(n, F) what is watched; nan where there is nothing yet."""

    def _remember(self, rows: Rows, slot: I32) -> None:
        """Takes the rows into the columns of its own, which have room for these slots."""

    def values(self, rows: Rows) -> F64:
        """(n, F) values on their natural scale; nan where there is no finite one."""
        value = natural(rows.x, self.logs)
        value[~(np.abs(value) < _HUGE)] = np.nan
        return value

    def known(self, name: str, slot: I32) -> Any:
        """(n, ...) a column's rows; those of slots that were never seen as they begin."""
        column = self.columns[name]
        if not len(slot) or int(slot.max()) < self.columns.size:
            return column[slot]
        old = slot < self.columns.size
        out = np.full((len(slot), *column.shape[1:]), self.columns.fill(name), column.dtype)
        out[old] = column[slot[old]]
        return out

    def score(self, rows: Rows) -> F64:
        """(n,) float64; nan in a series' first `warmup` rows, and for rows without a value."""
        z = self._distances(rows)
        return np.fmax.reduce(z, axis=1) if len(z) else np.empty(0)

    def explain(self, rows: Rows) -> F64:
        """(n, F): each feature's distance in standard deviations."""
        return np.fmax(self._distances(rows), 0.0)

    def usual(self, rows: Rows) -> F64:
        """(n, F) float64: the long average of what is watched, nan in warm-up."""
        asked = self.ask(rows)
        return np.where(asked.held < self.averages.warmup, np.nan, asked.mean)

    def ask(self, rows: Rows) -> "_Asked":
        """What is known of the rows' subjects before they are learned; once for all calls of a round."""
        if self._asked is None or self._asked.rows is not rows:
            slot = slots_of(rows)
            value = self._watched(rows, slot)
            self._asked = _Asked(rows, value, *(self.known(name, slot) for name in ("rows", "short", "mean", "var")))
        return self._asked

    def _distances(self, rows: Rows) -> F64:
        """(n, F); nan where there is nothing to compare, or nothing to compare with."""
        asked = self.ask(rows)
        if asked.odd is None:
            short = asked.short + self._weight(asked.held, self.averages.short_rows) * (asked.value - asked.short)
            z = (short - asked.mean) / _deviation(asked.mean, asked.var)
            z[asked.held < self.averages.warmup] = np.nan
            asked.odd = self._odd(z)
        return asked.odd

    def _odd(self, z: F64) -> F64:
        """(n, F) how odd standard deviations from the mean are: on the unsuspicious side they count as none."""
        return np.maximum(np.where(self.up, z, 0.0), np.where(self.down, -z, 0.0)) + 0.0 * z

    @staticmethod
    def _weight(rows: I64, most: float) -> F64:
        """Of a new row in an average over `most` rows that holds `rows`."""
        return np.maximum(1.0 / (rows + 1.0), 1.0 / most)

    def learn(self, rows: Rows) -> None:
        """One value per subject and feature; nan is passed over."""
        if not len(rows):
            return
        slot, averages, asked = slots_of(rows), self.averages, self.ask(rows)
        self._asked = None
        self.columns.grow(int(slot.max()) + 1)
        value, held, mean, var, last_short = asked.value, asked.held, asked.mean, asked.var, asked.short
        known = ~np.isnan(value)
        delta = np.where(known, value - mean, 0.0)
        if averages.winsor:
            reach = averages.winsor * _deviation(mean, var)
            delta = np.where(held >= averages.warmup, np.clip(delta, -reach, reach), delta)
        weight = np.where(known, self._weight(held, averages.long_rows), 0.0)
        short = np.where(known, self._weight(held, averages.short_rows), 0.0)
        self.columns["var"][slot] = (1 - weight) * (var + weight * delta * delta)
        self.columns["mean"][slot] = mean + weight * delta
        self.columns["short"][slot] = last_short + short * np.where(known, value - last_short, 0.0)
        self.columns["rows"][slot] = held + known
        self._remember(rows, slot)
        self.columns.touch(slot)

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


def _deviation(mean: F64, var: F64) -> F64:
    return np.maximum(np.sqrt(var), _FLOOR * (1.0 + np.abs(mean)))


def slots_of(rows: Rows) -> I32:
    """The rows' slots.  Raises DetectorError for rows that are nobody's."""
    if rows.slot is None:
        raise DetectorError("rows without slots; a detector of series keeps a state per subject, in scope SUBJECT")
    return rows.slot
