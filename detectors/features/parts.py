"""Parts: the partial aggregates that features are computed from, and where cells hold them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from detectors.features.declare import Where
from state.kinds import each
from state.marks import DUPLICATES, REJECTS


class PartKind(StrEnum):
    """What a partial aggregate holds; decides where it lives in the cells and how it merges."""

    COUNT = "count"
    CAPPED = "capped"
    DUPLICATES = "duplicates"
    REJECTS = "rejects"
    VALUES = "values"
    SUM = "sum"
    SQUARES = "squares"
    MIN = "min"
    MAX = "max"
    HOURS = "hours"
    TABLE = "table"
    OCTAVES = "octaves"


@dataclass(frozen=True, slots=True)
class Part:
    """One partial aggregate.  Equal parts are computed once, whichever features ask for them.

    COUNT rows under `where`; CAPPED rows beyond the row budget; DUPLICATES, REJECTS events that do not count; VALUES
    those with a value in `column`; SUM, SQUARES, MIN, MAX of the values; HOURS a bitmap of UTC hours; TABLE a count per
    distinct value (numbers by floor(x / resolution)); OCTAVES a count per log2 bin,
    `resolution` bins to the octave.
    """

    kind: PartKind
    column: str = ""
    where: Where = ()
    resolution: float = 1.0


class Place(StrEnum):
    """Which arrays of `state.cells.Cells` hold a part, in the order in which their rows are told."""

    SUMS = "sums"
    MINS = "mins"
    MAXS = "maxs"
    BITS = "bits"
    TABLES = "tables"


PLACES: Final = each(
    PartKind,
    {
        PartKind.COUNT: Place.SUMS,
        PartKind.CAPPED: Place.SUMS,
        PartKind.DUPLICATES: Place.SUMS,
        PartKind.REJECTS: Place.SUMS,
        PartKind.VALUES: Place.SUMS,
        PartKind.SUM: Place.SUMS,
        PartKind.SQUARES: Place.SUMS,
        PartKind.MIN: Place.MINS,
        PartKind.MAX: Place.MAXS,
        PartKind.HOURS: Place.BITS,
        PartKind.TABLE: Place.TABLES,
        PartKind.OCTAVES: Place.TABLES,
    },
    "detectors.features.parts.PLACES",
)
"""Where parts live."""
MARK_KINDS: Final = {PartKind.DUPLICATES: DUPLICATES, PartKind.REJECTS: REJECTS}
"""Parts that come from marks, and which of their counts."""
