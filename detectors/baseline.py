"""Own history: how far is a subject from its own usual behaviour?

Per subject and feature an exponentially weighted mean and variance (West 1979; a plain mean until the half-life is
reached).  A subject's variance is shrunk towards the median subject's: six quiet evenings do not make the seventh
impossible.  What is learned is first cut to within `winsor` standard deviations, so that an attack does not become the
subject's habit at once.

Evidence is counted in nats of a Student t with 4 degrees of freedom (Lange, Little & Taylor 1989): people's habits have
heavy tails, and one wild feature should not outweigh several odd ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from detectors.base import DetectorSpec, Direction, FeatureInfo, Rows, Scope, SubjectDetector
from detectors.limits import require, require_features
from detectors.sample import evenly
from detectors.scaling import log_columns, natural
from state.errors import DetectorError, SnapshotError
from state.slot_columns import SlotColumns
from state.snapshot import pack, unpack
from state.types import F32, F64, I32, I64

U8 = NDArray[np.uint8]

_FREEDOM: Final = 4.0
_EXPECTED: Final = 0.70
"""Mean of (freedom + 1) / 2 log(1 + t^2 / freedom) under the model: what a feature without history counts."""
_COUNT_MAX: Final = 255
_HUGE: Final = 1e15
_FAR: Final = 1e6
"""Standard deviations at which a deviation is cut, so that its square is a number."""
_BLOCK: Final = 1024
"""Rows at a time, so that the passes over them stay in the second-level cache."""
_POOL_MEMORY: Final = 4096.0
"""Values after which the median subject's variance is mostly renewed."""
_POOL_ROWS: Final = 256
"""Subjects of a round whose median is taken."""


@dataclass(frozen=True, slots=True)
class HistoryBaselineSpec(DetectorSpec):
    """Deviation from one's own history.

    half_life_rows: windows after which a value weighs half.  warmup: values a feature needs before it is judged (2 to
    255).  winsor: standard deviations to which a value is cut before it is learned.  shrink_rows: how many rows of own
    history the median subject's variance is worth.
    """

    type: ClassVar[str] = "history_baseline"
    scope: ClassVar[Scope] = Scope.SUBJECT

    half_life_rows: float = 24.0
    warmup: int = 12
    winsor: float = 3.0
    shrink_rows: float = 8.0

    def __post_init__(self) -> None:
        require(
            self,
            self.type,
            half_life_rows=(self.half_life_rows > 0, "above 0"),
            warmup=(2 <= self.warmup <= _COUNT_MAX, f"2 to {_COUNT_MAX}"),
            winsor=(self.winsor > 0, "above 0"),
            shrink_rows=(self.shrink_rows >= 0, "at least 0"),
        )

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> "HistoryBaseline":
        """A detector at work."""
        require_features(len(features), self.type)
        detector = HistoryBaseline(self, features)
        if resume is not None:
            detector.resume(resume)
        return detector


@dataclass(slots=True)
class _Look:
    """Rows with their values on the natural scale, their subjects' state before them, and the evidence; all (n, F).

    warm: whether any feature of any row has enough history to be judged.  Of rows without, nothing is known but that:
    no evidence is worked out, and nothing of theirs is cut when it is learned.
    """

    rows: Rows
    slot: I32
    value: F32
    mean: F32
    var: F32
    count: U8
    deviation: F32
    nats: F32
    warm: bool


class HistoryBaseline(SubjectDetector):
    """9 bytes per subject and feature."""

    KIND: ClassVar[str] = "history_baseline"
    row_by_row: ClassVar[bool] = True

    def __init__(self, spec: HistoryBaselineSpec, features: tuple[FeatureInfo, ...]) -> None:
        self.spec = spec
        self.features = features
        width = len(features)
        self._logs = log_columns(features)
        both = np.array([f.direction is Direction.BOTH for f in features])
        self._low = np.where(both | [f.direction is Direction.LOW for f in features], -_FAR, 0.0).astype(np.float32)
        self._high = np.where(both | [f.direction is Direction.HIGH for f in features], _FAR, 0.0).astype(np.float32)
        # A deviation within 5 % (logarithmic features), 2 % of the physical range or 5 % of the mean is no deviation.
        log = np.array([f.log for f in features])
        physical = np.array([f.high - f.low for f in features])
        self._relative = np.where(log | (physical > 0), 0.0, 0.05).astype(np.float32)
        self._floor = np.where(log, 0.05, np.where(physical > 0, 0.02 * physical, 1e-9)).astype(np.float32)
        self._expected = np.where(both, _EXPECTED, _EXPECTED / 2).astype(np.float32)
        self._low, self._high, self._relative, self._floor = (
            _written_out(a.tobytes()) for a in (self._low, self._high, self._relative, self._floor)
        )
        newest = 1.0 - 0.5 ** (1.0 / spec.half_life_rows)
        self._weight = np.maximum(1.0 / (np.arange(_COUNT_MAX + 1) + 1.0), newest).astype(np.float32)
        self._rows_max = np.float32(1 / newest)
        self._shrink = np.float32(max(spec.shrink_rows, 1e-6))
        self._looked: _Look | None = None
        self.columns = SlotColumns(
            {
                "mean": (np.float32, (width,), 0.0),
                "var": (np.float32, (width,), 0.0),
                "count": (np.uint8, (width,), 0),
            }
        )
        self._pooled: F64 = np.zeros(width)
        self._pooled_rows: F64 = np.zeros(width)

    def score(self, rows: Rows) -> F64:
        """(n,) float64 >= 0 in nats; nan while no feature of the subject has `warmup` values, or none has one now."""
        look, total = self._look(rows), np.full(len(rows), np.nan)
        if not look.warm:
            return total
        for part in _blocks(len(rows)):
            known = ~np.isnan(look.nats[part])
            nats = np.where(known, look.nats[part], self._expected)
            # einsum is the fastest way to add up short rows.
            total[part] = np.where(known.any(axis=1), np.einsum("ij->i", nats), np.nan)
        return total

    def explain(self, rows: Rows) -> F64:
        """(n, F): the parts of the score in nats."""
        look = self._look(rows)
        if not look.warm:
            return np.zeros(look.mean.shape)
        return np.where(np.isnan(look.nats), 0.0, look.nats).astype(np.float64)

    def typical(self, rows: Rows) -> F64:
        """(n, F) float64: what each subject usually has, in original units; nan during warm-up."""
        look = self._look(rows)
        if not look.warm:
            return np.full(look.mean.shape, np.nan)
        usual = look.mean.astype(np.float64)
        usual[:, self._logs] = np.expm1(usual[:, self._logs])
        usual[look.count < self.spec.warmup] = np.nan
        return usual

    def _look(self, rows: Rows) -> _Look:
        """What is known of these rows' subjects; kept while several questions follow."""
        if self._looked is None or self._looked.rows is not rows:
            slot = _slots(rows)
            mean, var, count = self._state(slot)
            value, deviation, nats = np.empty((3, *mean.shape), np.float32)
            warm = bool((count >= self.spec.warmup).any())
            look = _Look(rows, slot, value, mean, var, count, deviation, nats, warm)
            for part in _blocks(len(rows)):
                with np.errstate(over="ignore"):
                    look.value[part] = natural(rows.x[part], self._logs)
                if warm:
                    look.deviation[part] = self._deviation(mean[part], var[part], count[part])
                    look.nats[part] = self._nats(look.value[part], mean[part], look.deviation[part], count[part])
            self._looked = look
        return self._looked

    def _nats(self, value: F32, mean: F32, deviation: F32, count: U8) -> F32:
        """(n, F) evidence; nan where there is no value, or too little history."""
        z = value - mean
        z /= deviation
        np.maximum(z, self._low[: len(z)], out=z)
        np.minimum(z, self._high[: len(z)], out=z)
        z *= z
        z *= 1 / _FREEDOM
        z += 1
        nats = np.log(z, out=z)
        nats *= (_FREEDOM + 1) / 2
        nats[count < self.spec.warmup] = np.nan
        return nats

    def _deviation(self, mean: F32, var: F32, count: U8) -> F32:
        """Standard deviation of a subject's next value, shrunk and floored; > 0."""
        rows = np.minimum(count, self._rows_max, dtype=np.float32)
        shrunk = rows * var
        shrunk += self._shrink * self._pooled.astype(np.float32)
        rows += self._shrink
        shrunk /= rows
        floor = np.abs(mean)
        floor *= self._relative[: len(floor)]
        np.maximum(floor, self._floor[: len(floor)], out=floor)
        floor *= floor
        np.maximum(shrunk, floor, out=shrunk)
        return np.sqrt(shrunk, out=shrunk)

    def learn(self, rows: Rows) -> None:
        """One value per subject and feature; nan is passed over."""
        look = self._look(rows)
        self._looked = None
        if not len(rows):
            return
        self.columns.grow(int(look.slot.max()) + 1)
        for part in _blocks(len(rows)):
            self._learn(look, part)
        self._pool(look.slot[evenly(len(rows), _POOL_ROWS, turn=0)])

    def _learn(self, look: _Look, part: slice) -> None:
        """Writes to the arrays that it is given."""
        slot, value = look.slot[part], look.value[part]
        mean, var, count = look.mean[part], look.var[part], look.count[part]
        # An infinite value or one beyond float32 is no value: it would stay in the mean for ever.
        value[np.abs(value) > _HUGE] = np.nan
        delta = value - mean
        known = ~np.isnan(delta)
        delta[~known] = 0
        if look.warm:
            reach = look.deviation[part] * np.float32(self.spec.winsor)
            cut = np.minimum(np.maximum(delta, -reach), reach)
            np.copyto(delta, cut, where=count >= self.spec.warmup)
        weight = self._weight.take(count)
        step = weight * delta
        mean += step
        # var <- (1 - w) (var + w delta^2), and unchanged where nothing came in.
        step *= delta
        step += var
        step *= 1 - weight
        np.copyto(var, step, where=known)
        count += known & (count < _COUNT_MAX)
        self.columns["mean"][slot], self.columns["var"][slot], self.columns["count"][slot] = mean, var, count
        self.columns.touch(slot)

    def _pool(self, slot: I32) -> None:
        """Move the pooled variance towards the median of these subjects'."""
        var, cold = self.columns["var"][slot], self.columns["count"][slot] < self.spec.warmup
        if cold.all():
            return
        var[cold] = np.nan
        var.sort(axis=0)
        told = len(var) - np.isnan(var).sum(axis=0)
        median = var[np.maximum(told - 1, 0) // 2, np.arange(var.shape[1])].astype(np.float64)
        self._pooled_rows = np.minimum(self._pooled_rows + told, _POOL_MEMORY)
        weight = told / np.maximum(np.maximum(self._pooled_rows, told), 1.0)
        self._pooled += np.where(told > 0, median - self._pooled, 0.0) * weight

    def rest(self) -> None:
        self._looked = None

    def forget(self, slots: I64) -> None:
        """Start these slots afresh: their subjects have left."""
        self._looked = None
        self.columns.reset(slots)

    def _state(self, slot: I32) -> tuple[F32, F32, U8]:
        """Mean, variance and count of each slot, (n, F); zeros beyond the slots seen."""
        held, room = [self.columns[name] for name in ("mean", "var", "count")], self.columns.size
        if not len(slot) or int(slot.max()) < room:
            mean, var, count = (column[slot] for column in held)
            return mean, var, count
        mean, var, count = (np.zeros((len(slot), len(self.features)), column.dtype) for column in held)
        old = slot < room
        for out, column in zip((mean, var, count), held, strict=True):
            out[old] = column[slot[old]]
        return mean, var, count

    def snapshot(self) -> bytes:
        """What is known of all subjects together."""
        arrays = {"pooled": self._pooled, "pooled_rows": self._pooled_rows}
        return pack(self.KIND, self.version, {"features": [f.name for f in self.features]}, arrays)

    def resume(self, blob: bytes) -> None:
        """Take back a snapshot.  Raises SnapshotError where the features differ."""
        _, meta, arrays = unpack(blob, self.KIND, (self.version,))
        names = [f.name for f in self.features]
        if meta["features"] != names:
            raise SnapshotError(f"{self.KIND}: saved for features {meta['features']}, configured {names}")
        self._pooled, self._pooled_rows = arrays["pooled"], arrays["pooled_rows"]


@lru_cache(maxsize=256)
def _written_out(row: bytes) -> F32:
    """A row of float32 as a block of such rows, one for all key groups: numpy is slow at repeating a dozen numbers row
    by row.
    """
    block = np.tile(np.frombuffer(row, np.float32), (_BLOCK, 1))
    block.flags.writeable = False
    return block


def _slots(rows: Rows) -> I32:
    if rows.slot is None:
        message = "history_baseline: rows without slots; it keeps a state per subject and runs in scope SUBJECT"
        raise DetectorError(message)
    return rows.slot


def _blocks(n: int) -> Iterator[slice]:
    return (slice(begin, begin + _BLOCK) for begin in range(0, n, _BLOCK))
