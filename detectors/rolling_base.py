"""What detectors of one series share: the distance of its latest rows from its own long past.

Per subject and feature exponentially weighted averages, short and long, and the long variance (West 1979) of what is
watched; plain averages until they hold that many rows.  What is watched is a detector's own: the value
(`detectors.rolling`), what the time of day leaves open (`detectors.seasonal`), how new a sequence is
(`detectors.discord`).
"""

import math
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


@dataclass(slots=True, eq=False)
class Cell:
    """One row's value of one feature, and what is known of that series before it is learned.

    at: the slot.  new: whether it was never seen.  time_us: event time.  value: on its natural scale, nan for none.
    watched, held, short, mean, var: as above.  typical: the usual value, on the natural scale.  odd: the distance.
    """

    at: int
    feature: int
    new: bool
    time_us: int
    value: float
    held: int
    short: float
    mean: float
    var: float
    watched: float = math.nan
    typical: float = math.nan
    odd: float = math.nan


@dataclass(slots=True, eq=False)
class _Looked:
    """Few rows, their cells row by row, and (n, F) these cells' distances."""

    rows: Rows
    cells: list[Cell]
    odd: F64


@dataclass(frozen=True, slots=True)
class Averages:
    """short_rows, long_rows: of the averages.  warmup: rows before the first score.  winsor: standard deviations to
    which what is watched is cut before the past learns it; 0 for no cut.
    """

    short_rows: float
    long_rows: float
    warmup: int
    winsor: float = 0.0

    def allowed(self) -> dict[str, tuple[bool, str]]:
        """Of each setting, whether it is, and what is; as `detectors.limits.require` has it."""
        return {
            "short_rows": (self.short_rows >= 1, "at least 1"),
            "long_rows": (self.long_rows > self.short_rows, f"above short_rows ({self.short_rows:g})"),
            "warmup": (self.warmup >= 2, "at least 2"),
            "winsor": (self.winsor >= 0, "at least 0"),
        }


class Rolling(SubjectDetector):
    """Score: that of the feature that is furthest out, in standard deviations of its own past."""

    KIND: ClassVar[str]
    FEW: ClassVar[int] = 4
    """So few cells go one by one: arrays of one value cost as much as arrays of fifty."""
    DIRECTED: ClassVar[bool] = True
    """Whether distances count on a feature's suspicious side alone; else any count, and what is watched has no side."""

    def __init__(self, features: tuple[FeatureInfo, ...], averages: Averages, columns: Columns) -> None:
        """columns: what `_watched` needs to know, beside the averages."""
        self.features = features
        self.averages = averages
        self.logs = self.back = log_columns(features)
        """back: columns whose usual values are told in other units than they are kept in."""
        self._logged = frozenset(self.logs.tolist())
        both = np.array([f.direction is Direction.BOTH for f in features])
        self.up = both | [f.direction is Direction.HIGH for f in features]
        self.down = both | [f.direction is Direction.LOW for f in features]
        self._asked: _Asked | None = None
        self._looked: _Looked | None = None
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
    def _watch(self, cell: Cell) -> None:
        """Sets what is watched, and the usual value where it is not the long average."""

    @abstractmethod
    def _keep(self, cell: Cell) -> None:
        """Takes a cell with a value into the columns of its own, which have room for its slot."""

    def _watched(self, rows: Rows, slot: I32) -> F64:
        """(n, F) what is watched, of more than FEW cells at once; nan where there is nothing yet.  Detectors that go
        cell by cell, however many (FEW without an end), have neither this nor the next.
        """
        raise NotImplementedError

    def _remember(self, rows: Rows, slot: I32) -> None:
        """Takes more than FEW cells at once into the columns of its own, which have room for their slots."""
        raise NotImplementedError

    def _usual(self, rows: Rows) -> F64:
        """(n, F) usual values on the natural scale, of more than FEW cells at once."""
        asked = self.ask(rows)
        return np.where(asked.held < self.averages.warmup, np.nan, asked.mean)

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
        return z[:, 0] if z.shape[1] == 1 else np.fmax.reduce(z, axis=1)

    def explain(self, rows: Rows) -> F64:
        """(n, F): each feature's distance in standard deviations."""
        return np.fmax(self._distances(rows), 0.0)

    def typical(self, rows: Rows) -> F64:
        """(n, F) float64: the usual values, in original units."""
        looked = self._look(rows)
        if looked is None:
            usual = self._usual(rows)
        else:
            usual = np.array([c.typical for c in looked.cells]).reshape(looked.odd.shape)
        if len(self.back):
            usual[:, self.back] = np.expm1(usual[:, self.back])
        return usual

    def cells(self, rows: Rows) -> list[Cell]:
        """What is known of at most FEW cells before they are learned, row by row."""
        looked = self._look(rows)
        return [] if looked is None else looked.cells

    def _look(self, rows: Rows) -> _Looked | None:
        """None where there are more than FEW cells.  Once for all calls of a round."""
        looked = self._looked
        if looked is not None and looked.rows is rows:
            return looked
        if rows.x.size > self.FEW:
            return None
        cells = [
            self._cell(at, feature, time_us, value)
            for at, time_us, values in zip(slots_of(rows).tolist(), rows.stop_us.tolist(), rows.x.tolist(), strict=True)
            for feature, value in enumerate(values)
        ]
        odd = np.array([c.odd for c in cells], np.float64).reshape(rows.x.shape)
        self._looked = looked = _Looked(rows, cells, odd)
        return looked

    def _cell(self, at: int, feature: int, time_us: int, value: float) -> Cell:
        columns, new = self.columns, at >= self.columns.size
        if feature in self._logged:
            value = float(np.log(max(value, 0.0) + 1.0))
        if not abs(value) < _HUGE:
            value = math.nan
        if new:
            cell = Cell(at, feature, new, time_us, value, 0, 0.0, 0.0, 0.0)
        else:
            held, short = columns["rows"].item(at, feature), columns["short"].item(at, feature)
            mean, var = columns["mean"].item(at, feature), columns["var"].item(at, feature)
            cell = Cell(at, feature, new, time_us, value, held, short, mean, var)
        warm = cell.held >= self.averages.warmup
        cell.typical = cell.mean if warm else math.nan
        self._watch(cell)
        if warm:
            now = cell.short + _weight(cell.held, self.averages.short_rows) * (cell.watched - cell.short)
            z = (now - cell.mean) / _deviation(cell.mean, cell.var)
            if self.DIRECTED:
                up, down = z if self.up[feature] else 0.0, -z if self.down[feature] else 0.0
                z = max(up, down) + 0.0 * z
            cell.odd = z
        return cell

    def ask(self, rows: Rows) -> "_Asked":
        """What is known of the rows' subjects before they are learned; once for all calls of a round."""
        if self._asked is None or self._asked.rows is not rows:
            slot = slots_of(rows)
            value = self._watched(rows, slot)
            self._asked = _Asked(rows, value, *(self.known(name, slot) for name in ("rows", "short", "mean", "var")))
        return self._asked

    def _distances(self, rows: Rows) -> F64:
        """(n, F); nan where there is nothing to compare, or nothing to compare with."""
        looked = self._look(rows)
        if looked is not None:
            return looked.odd
        asked = self.ask(rows)
        if asked.odd is None:
            short = asked.short + _weights(asked.held, self.averages.short_rows) * (asked.value - asked.short)
            z = (short - asked.mean) / _deviations(asked.mean, asked.var)
            z[asked.held < self.averages.warmup] = np.nan
            if self.DIRECTED:
                z = np.maximum(np.where(self.up, z, 0.0), np.where(self.down, -z, 0.0)) + 0.0 * z
            asked.odd = z
        return asked.odd

    def learn(self, rows: Rows) -> None:
        """One value per subject and feature; nan is passed over."""
        if not len(rows):
            return
        looked, slot = self._look(rows), slots_of(rows)
        if looked is not None:
            self.columns.grow(max(c.at for c in looked.cells) + 1)
            for cell in looked.cells:
                self._learn_cell(cell)
        else:
            asked = self.ask(rows)
            self.columns.grow(int(slot.max()) + 1)
            self._learn_all(asked, slot)
            self._remember(rows, slot)
            self.columns.touch(slot)
        self.rest()

    def rest(self) -> None:
        self._asked = self._looked = None

    def _learn_cell(self, cell: Cell) -> None:
        """What `learn` does with many, to the bit."""
        averages, at = self.averages, (cell.at, cell.feature)
        self.columns.touch(cell.at)
        if not math.isnan(cell.watched):
            delta = cell.watched - cell.mean
            if averages.winsor and cell.held >= averages.warmup:
                reach = averages.winsor * _deviation(cell.mean, cell.var)
                delta = min(max(delta, -reach), reach)
            weight = _weight(cell.held, averages.long_rows)
            self.columns["var"][at] = (1 - weight) * (cell.var + weight * delta * delta)
            self.columns["mean"][at] = cell.mean + weight * delta
            short = _weight(cell.held, averages.short_rows)
            self.columns["short"][at] = cell.short + short * (cell.watched - cell.short)
            self.columns["rows"][at] = cell.held + 1
        if not math.isnan(cell.value):
            self._keep(cell)

    def _learn_all(self, asked: _Asked, slot: I32) -> None:
        value, held, mean, var, last_short = asked.value, asked.held, asked.mean, asked.var, asked.short
        averages, known = self.averages, ~np.isnan(value)
        delta = np.where(known, value - mean, 0.0)
        if averages.winsor:
            reach = averages.winsor * _deviations(mean, var)
            delta = np.where(held >= averages.warmup, np.clip(delta, -reach, reach), delta)
        weight = np.where(known, _weights(held, averages.long_rows), 0.0)
        short = np.where(known, _weights(held, averages.short_rows), 0.0)
        self.columns["var"][slot] = (1 - weight) * (var + weight * delta * delta)
        self.columns["mean"][slot] = mean + weight * delta
        self.columns["short"][slot] = last_short + short * np.where(known, value - last_short, 0.0)
        self.columns["rows"][slot] = held + known

    def forget(self, slots: I64) -> None:
        """Start these slots afresh."""
        self._asked = self._looked = None
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


def _weights(rows: I64, most: float) -> F64:
    """Of a new row in an average over `most` rows that holds `rows`."""
    return np.maximum(1.0 / (rows + 1.0), 1.0 / most)


def _weight(rows: int, most: float) -> float:
    return max(1.0 / (rows + 1.0), 1.0 / most)


def _deviations(mean: F64, var: F64) -> F64:
    return np.maximum(np.sqrt(var), _FLOOR * (1.0 + np.abs(mean)))


def _deviation(mean: float, var: float) -> float:
    return max(math.sqrt(var), _FLOOR * (1.0 + abs(mean)))


def slots_of(rows: Rows) -> I32:
    """The rows' slots.  Raises DetectorError for rows that are nobody's."""
    if rows.slot is None:
        raise DetectorError("rows without slots; a detector of series keeps a state per subject, in scope SUBJECT")
    return rows.slot
