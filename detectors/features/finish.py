"""The cells of a closed window -> one column of the feature matrix per declared feature."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from detectors.features.declare import FeatureDecl, FeatureKind
from detectors.features.kernel import Part, PartKind
from state.cells import Cells, run_lengths, run_starts
from state.slots import SLOT_BITS
from state.types import F64

Finish = Callable[["WindowView"], F64]


@dataclass(slots=True)
class Counts:
    """Of one table, per subject (n,): values with repeats, distinct values, the commonest value's count, sum of c
    log2 c.
    """

    total: F64
    distinct: F64
    top: F64
    clogc: F64


@dataclass(slots=True)
class WindowView:
    """A window's cells as the feature formulas read them.  length_us: (n,) float64, the window's span of time."""

    cells: Cells
    index: dict[Part, int]
    length_us: F64
    _counts: dict[int, Counts] | None = None

    def sum(self, part: Part) -> F64:
        return self.cells.sums[self.index[part]]

    def min(self, part: Part) -> F64:
        return self.cells.mins[self.index[part]]

    def max(self, part: Part) -> F64:
        return self.cells.maxs[self.index[part]]

    def hours(self, part: Part) -> F64:
        return np.bitwise_count(self.cells.bits[self.index[part]]).astype(np.float64)

    def counts(self, part: Part) -> Counts:
        if self._counts is None:
            self._counts = _count(self.cells)
        table = self._counts.get(self.index[part])
        return table if table is not None else Counts(*np.zeros((4, len(self.cells))))


def _count(cells: Cells) -> dict[int, Counts]:
    """All tables with entries, in one pass."""
    tables = cells.tables
    owner = tables.owner
    starts = run_starts(owner)
    if not len(starts):
        return {}
    owner = owner[starts]
    table = owner >> SLOT_BITS
    ids = table[run_starts(table)]
    out = np.zeros((4, int(ids[-1]) + 1, len(cells)))
    at = (slice(None), table, np.searchsorted(cells.slot, owner & ((1 << SLOT_BITS) - 1)))
    out[at] = (
        np.add.reduceat(tables.count, starts),
        run_lengths(starts, len(tables.key)),
        np.maximum.reduceat(tables.count, starts),
        np.add.reduceat(tables.count * np.log2(tables.count), starts),
    )
    return {i: Counts(*out[:, i]) for i in ids.tolist()}


def _over(top: F64, bottom: F64) -> F64:
    """Top / bottom, nan where bottom is 0."""
    return np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0)


def compile_feature(d: FeatureDecl) -> tuple[tuple[Part, ...], Finish]:
    """The partial aggregates a feature needs, and the formula over them.  Formulas: docs/features.md."""
    parts, formula = _formula(d)
    if not d.min_rows:
        return parts, formula
    base = Part(PartKind.COUNT, where=d.of if d.kind in (FeatureKind.SHARE, FeatureKind.RATIO) else d.where)
    return (*parts, base), lambda v: np.where(v.sum(base) >= d.min_rows, formula(v), np.nan)


def _formula(d: FeatureDecl) -> tuple[tuple[Part, ...], Finish]:
    column = d.column or d.sequence
    count = Part(PartKind.COUNT, where=d.where)
    both = Part(PartKind.COUNT, where=tuple(dict.fromkeys((*d.where, *d.of))))
    base = Part(PartKind.COUNT, where=d.of)
    number = Part(PartKind.VALUES, column, d.where)
    total = Part(PartKind.SUM, column, d.where)
    squares = Part(PartKind.SQUARES, column, d.where)
    low, high = Part(PartKind.MIN, column, d.where), Part(PartKind.MAX, column, d.where)
    hours = Part(PartKind.HOURS, where=d.where)
    table = Part(PartKind.TABLE, column, d.where, d.resolution)
    octaves = Part(PartKind.OCTAVES, column, d.where, float(d.bins_per_octave))

    def entropy(v: WindowView) -> F64:
        c = v.counts(table)
        bits = np.log2(np.maximum(c.total, 1.0)) - c.clogc / np.maximum(c.total, 1.0)
        return np.where(c.total > 0, np.maximum(bits, 0.0), np.nan)

    def gap_cv(v: WindowView) -> F64:
        n = v.sum(number)
        mean = _over(v.sum(total), n)
        variance = np.maximum(_over(v.sum(squares), n) - mean * mean, 0.0)
        ok = (n >= 2) & (mean > 0)
        return np.divide(np.sqrt(variance), mean, out=np.full(len(n), np.nan), where=ok)

    def share(v: WindowView, part: Part, pick: Callable[[Counts], F64]) -> F64:
        c = v.counts(part)
        return _over(pick(c), c.total)

    match d.kind:
        case FeatureKind.COUNT:
            return (count,), lambda v: v.sum(count)
        case FeatureKind.CAPPED:
            capped = Part(PartKind.CAPPED)
            return (capped,), lambda v: v.sum(capped)
        case FeatureKind.SUM:
            return (total,), lambda v: v.sum(total)
        case FeatureKind.MEAN | FeatureKind.GAP_MEAN:
            return (number, total), lambda v: _over(v.sum(total), v.sum(number))
        case FeatureKind.MIN | FeatureKind.AGE_MIN:
            return (low,), lambda v: v.min(low)
        case FeatureKind.MAX:
            return (high,), lambda v: v.max(high)
        case FeatureKind.SHARE:
            return (both, base), lambda v: _over(v.sum(both), v.sum(base))
        case FeatureKind.RATIO:
            return (count, base), lambda v: _over(v.sum(count), v.sum(base))
        case FeatureKind.NUNIQUE:
            return (table,), lambda v: v.counts(table).distinct
        case FeatureKind.DISTINCT_SHARE:
            return (table,), lambda v: share(v, table, lambda c: c.distinct)
        case FeatureKind.REPEAT_SHARE:
            return (table,), lambda v: 1.0 - share(v, table, lambda c: c.distinct)
        case FeatureKind.TOP_SHARE:
            return (table,), lambda v: share(v, table, lambda c: c.top)
        case FeatureKind.ENTROPY:
            return (table,), entropy
        case FeatureKind.GAP_CV:
            return (number, total, squares), gap_cv
        case FeatureKind.GAP_TOP_SHARE:
            return (octaves,), lambda v: share(v, octaves, lambda c: c.top)
        case FeatureKind.ACTIVE_HOURS:
            return (hours,), lambda v: v.hours(hours)
        case FeatureKind.TIME_RATIO:
            return (total,), lambda v: v.sum(total) * d.unit_us / v.length_us
        case FeatureKind.PER_AGE_DAY:
            age = Part(PartKind.MIN, d.sequence, ())
            return (count, age), lambda v: v.sum(count) / np.maximum(v.min(age), 1.0)
