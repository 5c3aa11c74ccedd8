"""The cells of a closed window -> the feature matrix: all features of one formula at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.features.declare import FeatureDecl, FeatureKind
from detectors.features.kernel import SUM_KINDS, Part, PartKind
from detectors.features.tables import Stat, TableStats
from state.cells import Cells
from state.types import F64, I64

Quantity = Part | tuple[Part, Stat]
"""One number per subject: a partial aggregate, or a statistic of a table."""
Formula = Callable[..., F64]
"""(unit_us, length_us, *quantities) -> values, of f features of n subjects at once.

unit_us: (f, 1).  length_us: (n,), the window's span of time.  quantities and values: (f, n).
"""
_CELLS = (("sums", SUM_KINDS), ("mins", (PartKind.MIN,)), ("maxs", (PartKind.MAX,)), ("bits", (PartKind.HOURS,)))
"""Where cells hold the parts that are not tables."""


@dataclass(frozen=True, slots=True)
class _Family:
    """Features of one formula.  at: (f,) their places.  arguments: for each argument (f,) rows of quantities."""

    formula: Formula
    at: I64
    unit: F64
    arguments: tuple[I64, ...]


class Finish:
    """The features of one window, compiled."""

    def __init__(self, features: Sequence[FeatureDecl], index: dict[Part, int]) -> None:
        """index: where each part is found in the cells."""
        self._width = len(features)
        needs = [compile_feature(f) for f in features]
        limited = [i for i, f in enumerate(features) if f.min_rows]
        quantities = [q for _, arguments in needs for q in arguments] + [_base(features[i]) for i in limited]
        self._row = {q: i for i, q in enumerate(dict.fromkeys(quantities))}
        self._families = []
        for formula in dict.fromkeys(formula for formula, _ in needs):
            at = [i for i, (f, _) in enumerate(needs) if f is formula]
            unit = np.array([[features[i].unit_us] for i in at])
            arguments = zip(*([self._row[q] for q in needs[i][1]] for i in at), strict=True)
            self._families.append(_Family(formula, np.array(at), unit, tuple(np.array(rows) for rows in arguments)))
        self._limited = np.array(limited, np.int64)
        self._base = np.array([self._row[_base(features[i])] for i in limited], np.int64)
        self._least = np.array([[features[i].min_rows] for i in limited])
        self._copies = [(name, *found) for name, kinds in _CELLS if len((found := self._copied(kinds, index))[0])]
        self._tables = TableStats({(index[q[0]], q[1]): row for q, row in self._row.items() if isinstance(q, tuple)})
        self.tables = {index[q[0]] for q in self._row if isinstance(q, tuple)}
        """Numbers of the tables that are looked at."""

    def _copied(self, kinds: tuple[PartKind, ...], index: dict[Part, int]) -> tuple[I64, I64]:
        """Where parts of these kinds are in the cells, and where among the quantities."""
        mine = [(index[q], row) for q, row in self._row.items() if isinstance(q, Part) and q.kind in kinds]
        return np.array([i for i, _ in mine], np.int64), np.array([row for _, row in mine], np.int64)

    def matrix(self, cells: Cells, length_us: F64) -> F64:
        """(F, n) float64, one row per feature.  length_us: (n,) the window's span of time, of each subject."""
        quantities = np.empty((len(self._row), len(cells)))
        for name, found, row in self._copies:
            part = getattr(cells, name)[found]
            quantities[row] = np.bitwise_count(part) if name == "bits" else part
        self._tables.fill(cells, quantities)
        out = np.empty((self._width, len(cells)))
        with np.errstate(divide="ignore", invalid="ignore"):
            for family in self._families:
                arguments = (quantities[row] for row in family.arguments)
                out[family.at] = family.formula(family.unit, length_us, *arguments)
        if len(self._limited):
            enough = quantities[self._base] >= self._least
            out[self._limited] = np.where(enough, out[self._limited], np.nan)
        return out


def _base(d: FeatureDecl) -> Part:
    """What `min_rows` counts."""
    return Part(PartKind.COUNT, where=d.of if d.kind in (FeatureKind.SHARE, FeatureKind.RATIO) else d.where)


def compile_feature(d: FeatureDecl) -> tuple[Formula, tuple[Quantity, ...]]:
    """The formula of a feature, and what it is of.  Formulas: docs/features.md."""
    column = d.column or d.sequence
    count = Part(PartKind.COUNT, where=d.where)
    both = Part(PartKind.COUNT, where=tuple(dict.fromkeys((*d.where, *d.of))))
    base = Part(PartKind.COUNT, where=d.of)
    number = Part(PartKind.VALUES, column, d.where)
    total = Part(PartKind.SUM, column, d.where)
    squares = Part(PartKind.SQUARES, column, d.where)
    low, high = Part(PartKind.MIN, column, d.where), Part(PartKind.MAX, column, d.where)
    table = Part(PartKind.TABLE, column, d.where, d.resolution)
    hours = Part(PartKind.HOURS, where=d.where)
    octaves = Part(PartKind.OCTAVES, column, d.where, float(d.bins_per_octave))
    match d.kind:
        case FeatureKind.COUNT:
            return _itself, (count,)
        case FeatureKind.CAPPED:
            return _itself, (Part(PartKind.CAPPED),)
        case FeatureKind.DUPLICATES:
            return _itself, (Part(PartKind.DUPLICATES),)
        case FeatureKind.REJECTS:
            return _itself, (Part(PartKind.REJECTS),)
        case FeatureKind.SUM:
            return _itself, (total,)
        case FeatureKind.MEAN | FeatureKind.GAP_MEAN:
            return _ratio, (total, number)
        case FeatureKind.MIN | FeatureKind.AGE_MIN:
            return _itself, (low,)
        case FeatureKind.MAX:
            return _itself, (high,)
        case FeatureKind.SHARE:
            return _ratio, (both, base)
        case FeatureKind.RATIO:
            return _ratio, (count, base)
        case FeatureKind.NUNIQUE:
            return _itself, ((table, Stat.DISTINCT),)
        case FeatureKind.DISTINCT_SHARE:
            return _ratio, ((table, Stat.DISTINCT), (table, Stat.TOTAL))
        case FeatureKind.REPEAT_SHARE:
            return _rest, ((table, Stat.DISTINCT), (table, Stat.TOTAL))
        case FeatureKind.TOP_SHARE:
            return _ratio, ((table, Stat.TOP), (table, Stat.TOTAL))
        case FeatureKind.ENTROPY:
            return _entropy, ((table, Stat.CLOGC), (table, Stat.TOTAL))
        case FeatureKind.GAP_CV:
            return _variation, (number, total, squares)
        case FeatureKind.GAP_TOP_SHARE:
            return _ratio, ((octaves, Stat.TOP), (octaves, Stat.TOTAL))
        case FeatureKind.ACTIVE_HOURS:
            return _itself, (hours,)
        case FeatureKind.PER_ACTIVE_HOUR:
            return _ratio, (count, hours)
        case FeatureKind.TIME_RATIO:
            return _time_ratio, (total,)
        case FeatureKind.PER_AGE_DAY:
            return _per_age_day, (count, Part(PartKind.MIN, d.sequence, ()))


def parts(d: FeatureDecl) -> tuple[Part, ...]:
    """The partial aggregates that a feature needs."""
    _, quantities = compile_feature(d)
    needed = tuple(q if isinstance(q, Part) else q[0] for q in quantities)
    return (*needed, _base(d)) if d.min_rows else needed


def _itself(_unit_us: F64, _length_us: F64, value: F64) -> F64:
    return value


def _ratio(_unit_us: F64, _length_us: F64, top: F64, bottom: F64) -> F64:
    """Nan where bottom is 0."""
    return top / np.where(bottom > 0, bottom, np.nan)


def _rest(unit_us: F64, length_us: F64, top: F64, bottom: F64) -> F64:
    return 1.0 - _ratio(unit_us, length_us, top, bottom)


def _entropy(_unit_us: F64, _length_us: F64, clogc: F64, total: F64) -> F64:
    some = np.maximum(total, 1.0)
    return np.where(total > 0, np.maximum(np.log2(some) - clogc / some, 0.0), np.nan)


def _variation(unit_us: F64, length_us: F64, n: F64, total: F64, squares: F64) -> F64:
    """Standard deviation over mean; nan for fewer than two values, and where the mean is 0."""
    mean = _ratio(unit_us, length_us, total, n)
    variance = np.maximum(_ratio(unit_us, length_us, squares, n) - mean * mean, 0.0)
    return np.sqrt(variance) / np.where((n >= 2) & (mean > 0), mean, np.nan)


def _time_ratio(unit_us: F64, length_us: F64, total: F64) -> F64:
    return total * unit_us / length_us


def _per_age_day(_unit_us: F64, _length_us: F64, count: F64, age: F64) -> F64:
    return count / np.maximum(age, 1.0)
