"""The column catalogue: name, kind, unit. The one table that everybody reads."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np

from state.errors import ConfigError


class Kind(StrEnum):
    """What a column holds, and how "missing" looks in it."""

    ID = "id"
    """uint64, a stable 64-bit hash of the text; 0 is missing."""
    NUMBER = "number"
    """float64; nan is missing. Integers up to 2**53 are exact."""
    ENUM = "enum"
    """int16, the index of the value in `Column.values`; -1 is missing or a value that is not listed."""
    TIME = "time"
    """float64, microseconds since 1970 UTC; nan is missing."""


DTYPES: Final = {Kind.ID: np.uint64, Kind.NUMBER: np.float64, Kind.ENUM: np.int16, Kind.TIME: np.float64}

EVENT_TIME: Final = "event_time_us"
"""int64 microseconds since 1970 UTC: when it happened."""
EVENT_KEY: Final = "event_key"
"""uint64: hash of the event id (of the raw line where the stream has none)."""
SUBJECT: Final = "subject"
"""uint64: hash of the subject's id, the key of the stream."""
SUBJECT_NAME: Final = "subject_name"
"""object: the subject's id as text."""


def name_column(column: str) -> str:
    """What holds the texts of an id column, as object, where they are asked for."""
    return f"{column} as text"


SYSTEM_COLUMNS: Final = (EVENT_TIME, EVENT_KEY, SUBJECT, SUBJECT_NAME)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the event stream, as features and detectors see it.

    name: how features refer to it.  unit: for people ("ms", "EUR minor").  values: an enum's words, in code order.
    """

    name: str
    kind: Kind
    unit: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of one event stream, beside the four system columns that every stream has."""

    columns: tuple[Column, ...]
    has_event_id: bool = True
    _by_name: dict[str, Column] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {c.name: c for c in self.columns})

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def column(self, name: str) -> Column:
        """The column of that name.  Raises ConfigError naming the columns there are."""
        try:
            return self._by_name[name]
        except KeyError:
            known = ", ".join(sorted(self._by_name))
            raise ConfigError(f"column {name!r} is not in the event schema; it has: {known}") from None

    def code(self, name: str, value: str) -> int:
        """The code of an enum column's word.  Raises ConfigError naming the words there are."""
        column = self.column(name)
        try:
            return column.values.index(value)
        except ValueError:
            raise ConfigError(f"column {name!r} has no value {value!r}; it has: {', '.join(column.values)}") from None
