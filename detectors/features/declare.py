"""How features are declared: plain frozen descriptions, which `detectors.features.plan` compiles."""

from dataclasses import dataclass, field
from enum import StrEnum

from state.plain import LATER


class Direction(StrEnum):
    """Which side of a feature is suspicious."""

    HIGH = "high"
    LOW = "low"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on one column; a row without a value satisfies `excluded` and nothing else.

    words: the value is one of these (enum columns).  excluded: it is none of these; no value satisfies this.  low,
    high: low <= value < high (number and time columns).
    present: the value is there, whatever it is.
    """

    column: str
    words: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    present: bool = False


Where = tuple[Condition, ...]
"""Conditions that must all hold; the empty tuple holds for every row."""


class SequenceKind(StrEnum):
    """Columns derived from a subject's rows in their order (see docs/features.md)."""

    GAP = "gap"
    PREVIOUS = "previous"
    TRANSITION = "transition"
    OVERLAP = "overlap"
    AGE = "age"
    NOVEL = "novel"


@dataclass(frozen=True, slots=True)
class SequenceDecl:
    """A derived column: for each row, something about the rows of the same subject before it."""

    name: str
    kind: SequenceKind
    column: str = ""
    where: Where = ()
    cap_us: int = 0
    remember: int = 8
    sign_up: Where = ()


class FeatureKind(StrEnum):
    """What a feature computes from a window's rows of one subject (see docs/features.md)."""

    COUNT = "count"
    CAPPED = "capped"
    DUPLICATES = "duplicates"
    REJECTS = "rejects"
    SUM = "sum"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    SHARE = "share"
    RATIO = "ratio"
    NUNIQUE = "nunique"
    DISTINCT_SHARE = "distinct_share"
    REPEAT_SHARE = "repeat_share"
    TOP_SHARE = "top_share"
    ENTROPY = "entropy"
    GAP_MEAN = "gap_mean"
    GAP_CV = "gap_cv"
    GAP_TOP_SHARE = "gap_top_share"
    ACTIVE_HOURS = "active_hours"
    PER_ACTIVE_HOUR = "per_active_hour"
    TIME_RATIO = "time_ratio"
    AGE_MIN = "age_min"
    PER_AGE_DAY = "per_age_day"
    TOTAL = "total"
    DECAYED = "decayed"
    SURGE = "surge"
    SINCE = "since"
    STREAK = "streak"
    QUOTIENT = "quotient"
    DIFFERENCE = "difference"


@dataclass(frozen=True, slots=True)
class FeatureInfo:
    """What a detector is told about one column of its matrix.

    name: as declared.  direction: the suspicious side.  log: values are counts or amounts over several orders of
    magnitude, so that log1p is the natural scale.  low, high: physical limits where they are known (nan where not).
    """

    name: str
    direction: Direction = Direction.HIGH
    log: bool = False
    low: float = float("nan")
    high: float = float("nan")


@dataclass(frozen=True, slots=True)
class FeatureDecl:
    """One feature.  column or sequence: what it reads (a sequence is a derived column).

    direction, log, low, high: what detectors are told about it (FeatureInfo).
    min_rows: no value where fewer rows satisfy `of` (share, ratio) or `where` (all others): the shape of three plays
    says
    nothing, and would hide what is odd about three hundred.
    resolution: bin width for numeric columns in distinct-value features.  unit_us: microseconds per unit (time_ratio).
    feature: the feature whose values it goes on from, window by window (total, decayed, surge, since, streak), with a
    half-life of half_life_us (decayed, surge); or that is compared with another, `by` (quotient, difference).  by: also
    the feature that ends what has been before (streak; total and since where there is one).  floor: what is added to
    both sides of a comparison (surge), or to the denominator (quotient).
    """

    name: str
    kind: FeatureKind
    column: str = ""
    where: Where = ()
    of: Where = ()
    sequence: str = ""
    min_rows: int = 0
    resolution: float = 1.0
    unit_us: float = 1_000.0
    bins_per_octave: int = 4
    direction: Direction = Direction.HIGH
    log: bool = False
    low: float = float("nan")
    high: float = float("nan")
    feature: str = field(default="", metadata=LATER)
    half_life_us: int = field(default=0, metadata=LATER)
    floor: float = field(default=1.0, metadata=LATER)
    by: str = field(default="", metadata=LATER)

    @property
    def info(self) -> FeatureInfo:
        """What detectors are told about it."""
        return FeatureInfo(self.name, self.direction, self.log, self.low, self.high)
