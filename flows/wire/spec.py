"""Which JSON path becomes which column: the frozen description that a Decoder is built from."""

from dataclasses import dataclass, field
from typing import Final

from detectors.features.declare import Where
from state.plain import LATER
from state.schema import Column, Schema

ISO8601: Final = "iso8601"
"""The time unit of texts such as "2024-05-01T12:00:00.250+02:00"."""
TIME_UNITS: Final = ("s", "ms", "us", "ns", ISO8601)

Path = tuple[str | int, ...]
"""Keys and indices to walk from the line's object inwards; ("users", 0, "id") reads {"users": [{"id": ...}]}."""


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One column and where it is read from.

    required: a line without it is rejected; else an absent or null value is the column's missing value.
    unit: of a TIME column, one of TIME_UNITS.  scale: a NUMBER column holds value * scale.
    low, high: a NUMBER (after scaling) or TIME (in microseconds) outside low <= value <= high rejects the line.
    strict: a word that the ENUM column does not list rejects the line; else it becomes the missing value, -1.
    words: (value, word of the ENUM column) for values that are written otherwise.
    network: of an ID column of IP addresses, how many bits of IPv4 and of IPv6 it keeps; none for all.
    """

    column: Column
    path: Path
    required: bool = False
    unit: str = ""
    scale: float = 1.0
    low: float | None = None
    high: float | None = None
    strict: bool = False
    words: tuple[tuple[str, str], ...] = field(default=(), metadata=LATER)
    network: tuple[int, ...] = field(default=(), metadata=LATER)


@dataclass(frozen=True, slots=True)
class WireSpec:
    """One JSON object per line, and how it becomes a row.

    event_id: path of the event's id, unique per subject (text or integer); empty where the stream has none.
    event_time: path of the event time in time_unit, at least time_min_us, below time_max_us.
    subject: path of the subject's id (text or integer), of at most subject_chars_max characters: its text is kept.
    line_bytes_max: a longer line is rejected unread.  time_zone: of all ISO 8601 texts without an offset, "" for UTC.
    where: conditions on columns; a line that does not meet them is left out, whatever else may be wrong with it.
    """

    fields: tuple[FieldSpec, ...]
    event_id: Path
    event_time: Path
    time_unit: str
    subject: Path
    line_bytes_max: int = 65_536
    time_min_us: int = 946_684_800_000_000
    time_max_us: int = 4_102_444_800_000_000
    subject_chars_max: int = 512
    time_zone: str = field(default="", metadata=LATER)
    where: Where = field(default=(), metadata=LATER)

    def schema(self) -> Schema:
        """The columns that a decoded batch has beside the system columns."""
        return Schema(tuple(f.column for f in self.fields), has_event_id=bool(self.event_id))
