"""Window features over a list of rows.  Source: docs/features.md."""

import math
from collections import Counter
from typing import Any

from detectors.features.declare import FeatureDecl, FeatureKind
from tests.oracle.sequences import Row, holds

NAN = math.nan


def feature(d: FeatureDecl, rows: list[Row], length_us: int) -> float:
    """The feature's value over one subject's rows of one window, nan for none.

    rows: in order; those with row["capped"] are beyond the row budget: counted and added up, but not looked at closely.
    length_us: the window's span of time.
    """
    if d.kind is FeatureKind.DUPLICATES:
        return float(sum(row["again"] for row in rows))
    if d.kind is FeatureKind.REJECTS:
        return 0.0  # lines that were rejected never come here
    rows = [row for row in rows if not row["only_dropped"]]
    chosen = [row for row in rows if holds(d.where, row)]
    counted = d.of if d.kind in (FeatureKind.SHARE, FeatureKind.RATIO) else d.where
    if d.min_rows and sum(holds(counted, row) for row in rows) < d.min_rows:
        return NAN
    name = d.sequence or d.column
    values = [row[name] for row in chosen if name and row[name] is not None]
    match d.kind:
        case FeatureKind.COUNT:
            return float(len(chosen))
        case FeatureKind.CAPPED:
            return float(sum(row["capped"] for row in rows))
        case FeatureKind.SUM:
            return math.fsum(values)
        case FeatureKind.MEAN | FeatureKind.GAP_MEAN:
            return math.fsum(values) / len(values) if values else NAN
        case FeatureKind.MIN | FeatureKind.AGE_MIN:
            return min(values, default=NAN)
        case FeatureKind.MAX:
            return max(values, default=NAN)
        case FeatureKind.SHARE:
            base = [row for row in rows if holds(d.of, row)]
            return len([row for row in base if holds(d.where, row)]) / len(base) if base else NAN
        case FeatureKind.RATIO:
            base = [row for row in rows if holds(d.of, row)]
            return len(chosen) / len(base) if base else NAN
        case FeatureKind.GAP_CV:
            return _variation(values)
        case FeatureKind.GAP_TOP_SHARE:
            # Gaps below 1 ms count as 1 ms: 0 has no logarithm.
            return _top_share([math.floor(math.log2(max(gap, 0.001)) * d.bins_per_octave) for gap in values])
        case FeatureKind.ACTIVE_HOURS:
            return float(_hours(chosen))
        case FeatureKind.PER_ACTIVE_HOUR:
            return len(chosen) / _hours(chosen) if chosen else NAN
        case FeatureKind.TIME_RATIO:
            return math.fsum(values) * d.unit_us / length_us
        case FeatureKind.PER_AGE_DAY:
            ages = [row[d.sequence] for row in rows if row[d.sequence] is not None]
            return len(chosen) / max(min(ages), 1.0) if ages else NAN
    seen = [_bin(row[name], d) for row in chosen if row[name] is not None and not row["capped"]]
    if d.kind is FeatureKind.NUNIQUE:
        return float(len(set(seen)))
    if not seen:
        return NAN
    match d.kind:
        case FeatureKind.DISTINCT_SHARE:
            return len(set(seen)) / len(seen)
        case FeatureKind.REPEAT_SHARE:
            return 1 - len(set(seen)) / len(seen)
        case FeatureKind.TOP_SHARE:
            return _top_share(seen)
        case FeatureKind.ENTROPY:
            shares = [count / len(seen) for count in Counter(seen).values()]
            return -math.fsum(share * math.log2(share) for share in shares)
    raise AssertionError(f"the oracle does not know {d.kind}")


def _hours(rows: list[Row]) -> int:
    return len({row["event_time_us"] // 3_600_000_000 % 24 for row in rows})


def _bin(value: Any, d: FeatureDecl) -> Any:
    return math.floor(value / d.resolution) if isinstance(value, float) else value


def _top_share(values: list[Any]) -> float:
    return max(Counter(values).values()) / len(values) if values else NAN


def _variation(gaps: list[float]) -> float:
    if len(gaps) < 2:
        return NAN
    mean = math.fsum(gaps) / len(gaps)
    if mean == 0:
        return NAN
    return math.sqrt(math.fsum((gap - mean) ** 2 for gap in gaps) / len(gaps)) / mean
