"""The kinds of features: of each, all that the rest of the system knows.  A new one is a word in `declare.FeatureKind`
and an entry here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from detectors.features import formulas
from detectors.features.declare import FeatureDecl, FeatureKind, Where
from detectors.features.formulas import Formula
from detectors.features.parts import Part, PartKind
from detectors.features.tables import Stat
from state.kinds import Keys, each

Quantity = Part | tuple[Part, Stat]
"""One number per subject: a partial aggregate, or a statistic of a table."""


class Reads(Enum):
    """What a kind of feature can be asked about.  The value is how an error message says it."""

    ROWS = "no column"
    NUMBERS = "a number or time column"
    VALUES = "a column of any kind"
    SEQUENCE = "a sequence of numbers"
    FEATURE = "another feature"


@dataclass(frozen=True, slots=True)
class Definition:
    """A kind of feature.

    reads: what it can be asked about.  keys: of its declaration, beside those that all kinds have.
    formula, of: how a value comes from which quantities; they are worked out for all features of one formula together.
    about, none: for people, what the value is (n(w): number of rows that satisfy w; v: a value that is read), and what
    it is where there is nothing to tell.
    base: the rows that `min_rows` counts.
    """

    reads: Reads
    keys: Keys
    formula: Formula
    of: Callable[[FeatureDecl], tuple[Quantity, ...]]
    about: str
    none: str = "nan"
    base: Callable[[FeatureDecl], Where] = lambda d: d.where


_ROWS: Final = Keys(may=("where",))
_NUMBERS: Final = Keys(may=("where",), one=("column", "sequence"))
_VALUES: Final = Keys(may=("where", "resolution"), one=("column", "sequence"))
_SEQUENCE: Final = Keys(needs=("sequence",), may=("where",))


def _rows(d: FeatureDecl) -> Part:
    return Part(PartKind.COUNT, where=d.where)


def _base(d: FeatureDecl) -> Part:
    return Part(PartKind.COUNT, where=d.of)


def _both(d: FeatureDecl) -> Part:
    return Part(PartKind.COUNT, where=tuple(dict.fromkeys((*d.where, *d.of))))


def _hours(d: FeatureDecl) -> Part:
    return Part(PartKind.HOURS, where=d.where)


def _of_values(kind: PartKind, d: FeatureDecl) -> Part:
    return Part(kind, d.column or d.sequence, d.where)


def _number(d: FeatureDecl) -> Part:
    return _of_values(PartKind.VALUES, d)


def _total(d: FeatureDecl) -> Part:
    return _of_values(PartKind.SUM, d)


def _lowest(d: FeatureDecl) -> Part:
    return _of_values(PartKind.MIN, d)


def _table(d: FeatureDecl, *stats: Stat) -> tuple[Quantity, ...]:
    table = Part(PartKind.TABLE, d.column or d.sequence, d.where, d.resolution)
    return tuple((table, stat) for stat in stats)


def _octaves(d: FeatureDecl, *stats: Stat) -> tuple[Quantity, ...]:
    octaves = Part(PartKind.OCTAVES, d.column or d.sequence, d.where, float(d.bins_per_octave))
    return tuple((octaves, stat) for stat in stats)


FEATURES: Final = each(
    FeatureKind,
    {
        FeatureKind.COUNT: Definition(
            Reads.ROWS, _ROWS, formulas.itself, lambda d: (_rows(d),), "n(where)", "0"
        ),
        FeatureKind.CAPPED: Definition(
            Reads.ROWS, Keys(), formulas.itself, lambda _: (Part(PartKind.CAPPED),),
            "rows beyond the row budget of the window's panes (`state.rows_per_pane_max`)", "0",
        ),
        FeatureKind.DUPLICATES: Definition(
            Reads.ROWS, Keys(), formulas.itself, lambda _: (Part(PartKind.DUPLICATES),),
            "events of the subject that were dropped because they repeat an id", "0",
        ),
        FeatureKind.REJECTS: Definition(
            Reads.ROWS, Keys(), formulas.itself, lambda _: (Part(PartKind.REJECTS),),
            "lines of the subject that were rejected, as far as it can be read from them", "0",
        ),
        FeatureKind.SUM: Definition(
            Reads.NUMBERS, _NUMBERS, formulas.itself, lambda d: (_total(d),), "Σ v", "0"
        ),
        FeatureKind.MEAN: Definition(
            Reads.NUMBERS, _NUMBERS, formulas.ratio, lambda d: (_total(d), _number(d)), "Σ v / number of v"
        ),
        FeatureKind.MIN: Definition(
            Reads.NUMBERS, _NUMBERS, formulas.itself, lambda d: (_lowest(d),), "smallest v"
        ),
        FeatureKind.MAX: Definition(
            Reads.NUMBERS, _NUMBERS, formulas.itself, lambda d: (_of_values(PartKind.MAX, d),), "largest v"
        ),
        FeatureKind.SHARE: Definition(
            Reads.ROWS, Keys(needs=("where",), may=("of",)), formulas.ratio, lambda d: (_both(d), _base(d)),
            "n(where and of) / n(of)", base=lambda d: d.of,
        ),
        FeatureKind.RATIO: Definition(
            Reads.ROWS, Keys(needs=("where", "of")), formulas.ratio, lambda d: (_rows(d), _base(d)),
            "n(where) / n(of)", base=lambda d: d.of,
        ),
        FeatureKind.NUNIQUE: Definition(
            Reads.VALUES, _VALUES, formulas.itself, lambda d: _table(d, Stat.DISTINCT), "number of distinct v", "0"
        ),
        FeatureKind.DISTINCT_SHARE: Definition(
            Reads.VALUES, _VALUES, formulas.ratio, lambda d: _table(d, Stat.DISTINCT, Stat.TOTAL),
            "distinct v / number of v",
        ),
        FeatureKind.REPEAT_SHARE: Definition(
            Reads.VALUES, _VALUES, formulas.rest, lambda d: _table(d, Stat.DISTINCT, Stat.TOTAL),
            "1 − distinct v / number of v",
        ),
        FeatureKind.TOP_SHARE: Definition(
            Reads.VALUES, _VALUES, formulas.ratio, lambda d: _table(d, Stat.TOP, Stat.TOTAL),
            "occurrences of the commonest v / number of v",
        ),
        FeatureKind.ENTROPY: Definition(
            Reads.VALUES, _VALUES, formulas.entropy, lambda d: _table(d, Stat.CLOGC, Stat.TOTAL),
            "Shannon entropy of the shares of v, in bits: log₂ N − (Σ c log₂ c) / N",
        ),
        FeatureKind.GAP_MEAN: Definition(
            Reads.SEQUENCE, _SEQUENCE, formulas.ratio, lambda d: (_total(d), _number(d)), "mean gap in seconds"
        ),
        FeatureKind.GAP_CV: Definition(
            Reads.SEQUENCE, _SEQUENCE, formulas.variation,
            lambda d: (_number(d), _total(d), _of_values(PartKind.SQUARES, d)),
            "population standard deviation of the gaps / their mean", "nan below 2 gaps or at mean 0",
        ),
        FeatureKind.GAP_TOP_SHARE: Definition(
            Reads.SEQUENCE, Keys(needs=("sequence",), may=("where", "bins_per_octave")), formulas.ratio,
            lambda d: _octaves(d, Stat.TOP, Stat.TOTAL),
            "share of the gaps in the fullest of the log₂ bins (`bins_per_octave` = 4)",
        ),
        FeatureKind.ACTIVE_HOURS: Definition(
            Reads.ROWS, _ROWS, formulas.itself, lambda d: (_hours(d),), "distinct UTC hours of the day, 0 to 24", "0"
        ),
        FeatureKind.PER_ACTIVE_HOUR: Definition(
            Reads.ROWS, _ROWS, formulas.ratio, lambda d: (_rows(d), _hours(d)),
            "n(where) / distinct UTC hours of the day that had one: how hard someone goes at it",
        ),
        FeatureKind.TIME_RATIO: Definition(
            Reads.NUMBERS, Keys(may=("where", "unit"), one=("column", "sequence")), formulas.time_ratio,
            lambda d: (_total(d),),
            "Σ v · `unit` / length of the window (a session's: first to last row, at least 1 s)", "0",
        ),
        FeatureKind.AGE_MIN: Definition(
            Reads.SEQUENCE, _SEQUENCE, formulas.itself, lambda d: (_lowest(d),), "smallest age in days"
        ),
        FeatureKind.PER_AGE_DAY: Definition(
            Reads.SEQUENCE, _SEQUENCE, formulas.per_age_day,
            lambda d: (_rows(d), Part(PartKind.MIN, d.sequence)),
            "n(where) / max(smallest age in days, 1)",
        ),
        FeatureKind.TOTAL: Definition(
            Reads.FEATURE, Keys(needs=("feature",), may=("by",)), formulas.itself, lambda _: (),
            "Σ values of `feature` in this window and all before; with `by`, after the last in which `by` was above 0",
        ),
        FeatureKind.DECAYED: Definition(
            Reads.FEATURE, Keys(needs=("feature", "half_life")), formulas.itself, lambda _: (),
            "Σ values of `feature` in this window and those before, each halved with every `half_life` since",
        ),
        FeatureKind.SURGE: Definition(
            Reads.FEATURE, Keys(needs=("feature", "half_life"), may=("floor",)), formulas.itself, lambda _: (),
            "(decayed sum as above + `floor`) / (what it would be at the subject's own mean until then + `floor`)",
        ),
        FeatureKind.SINCE: Definition(
            Reads.FEATURE, Keys(needs=("feature",), may=("by",)), formulas.itself, lambda _: (),
            "days from the end of the last window, this one or one before, in which `feature` was above 0; with `by`,"
            " none where `by` was above 0 then or since",
        ),
        FeatureKind.STREAK: Definition(
            Reads.FEATURE, Keys(needs=("feature", "by")), formulas.itself, lambda _: (),
            "days from the end of the first window in which `feature` was above 0 after the last in which `by` was",
        ),
        FeatureKind.QUOTIENT: Definition(
            Reads.FEATURE, Keys(needs=("feature", "by"), may=("floor",)), formulas.itself, lambda _: (),
            "value of `feature` / (value of `by` + `floor`)",
        ),
        FeatureKind.DIFFERENCE: Definition(
            Reads.FEATURE, Keys(needs=("feature", "by")), formulas.itself, lambda _: (),
            "value of `feature` − value of `by`",
        ),
    },
    "detectors.features.kinds.FEATURES",
)  # fmt: skip
"""What each kind of feature is."""


def computed(d: FeatureDecl, declared: Mapping[str, FeatureDecl]) -> FeatureDecl:
    """What a window's own value of a feature is computed as: itself, or the feature that it goes on from in the end."""
    while FEATURES[d.kind].reads is Reads.FEATURE:
        d = replace(declared[d.feature], name=d.name)
    return d


def sources(d: FeatureDecl) -> tuple[str, ...]:
    """The features whose values it is made of."""
    return tuple(name for name in (d.feature, d.by) if name)


def quantities(d: FeatureDecl) -> tuple[Quantity, ...]:
    """What a feature's value is computed from, in the order of its formula's arguments."""
    return FEATURES[d.kind].of(d)


def base(d: FeatureDecl) -> Part:
    """What `min_rows` counts."""
    return Part(PartKind.COUNT, where=FEATURES[d.kind].base(d))


def parts(d: FeatureDecl) -> tuple[Part, ...]:
    """The partial aggregates that a feature needs."""
    needed = tuple(q if isinstance(q, Part) else q[0] for q in quantities(d))
    return (*needed, base(d)) if d.min_rows else needed
