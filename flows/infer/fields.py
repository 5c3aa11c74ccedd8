"""What a sample has at the end of each path."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

from flows.wire.path_text import format_path
from flows.wire.spec import Path

_DEPTH_MAX: Final = 8
_PLACES_MAX: Final = 4
"""Of longer arrays nothing is looked at: their places mean the same."""
_WORDS_MAX: Final = 64
"""Different values that are kept with their counts."""


@dataclass(slots=True)
class Field:
    """The values of one path in `rows` lines.

    found: of each type, how many lines have one.  empty: how many have the empty text, which is no value.
    values: the first different ones, with counts.  distinct: how many different ones there are.  low, high: of numbers.
    times: texts that are ISO 8601; zoned: of those, with an offset.  ascending: of neighbours, the share that does not
    go back, of numbers and times.  longest: of texts, in characters.
    """

    path: Path
    rows: int
    found: Counter[str] = field(default_factory=Counter)
    empty: int = 0
    values: Counter[Any] = field(default_factory=Counter)
    distinct: int = 0
    low: float = float("inf")
    high: float = float("-inf")
    times: int = 0
    zoned: int = 0
    ascending: float = 0.0
    longest: int = 0

    @property
    def name(self) -> str:
        """The path as text."""
        return format_path(self.path)

    @property
    def filled(self) -> float:
        """The share of lines that have a value here; the empty text is none."""
        return sum(self.found.values()) / self.rows

    @property
    def types(self) -> frozenset[str]:
        """Of the values, and of empty texts."""
        return frozenset(self.found) | ({"text"} if self.empty else frozenset())

    @property
    def is_plain(self) -> bool:
        """Whether it is never an object or an array."""
        return bool(self.found) and not self.types & {"object", "array"}

    @property
    def repeats(self) -> float:
        """Lines per different value."""
        return sum(self.found.values()) / max(self.distinct, 1)


def fields_of(documents: Sequence[dict[str, Any]]) -> list[Field]:
    """All paths, in the order in which they come first."""
    columns: dict[Path, list[tuple[int, Any]]] = {}
    for row, document in enumerate(documents):
        for path, value in _walk(document, ()):
            columns.setdefault(path, []).append((row, value))
    return [_field(path, [value for _, value in found], len(documents)) for path, found in columns.items()]


def _walk(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if path:
        yield path, value
    if len(path) >= _DEPTH_MAX:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(inner, (*path, key))
    elif isinstance(value, list) and len(value) <= _PLACES_MAX:
        for place, inner in enumerate(value):
            yield from _walk(inner, (*path, place))


def _field(path: Path, values: list[Any], rows: int) -> Field:
    found = Field(path, rows)
    seen: set[Any] = set()
    order: list[float] = []
    for value in values:
        if value is None or value == "":
            found.empty += value == ""
            continue
        kind = _type(value)
        found.found[kind] += 1
        if kind in ("object", "array"):
            continue
        seen.add((kind, value))
        if value in found.values or len(found.values) < _WORDS_MAX:
            found.values[value] += 1
        if kind in ("integer", "float"):
            found.low, found.high = min(found.low, value), max(found.high, value)
            order.append(value)
        elif kind == "text":
            found.longest = max(found.longest, len(value))
            moment = _moment(value)
            if moment is not None:
                found.times += 1
                found.zoned += moment.tzinfo is not None
                order.append((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    found.distinct = len(seen)
    found.ascending = sum(a <= b for a, b in pairwise(order)) / max(len(order) - 1, 1)
    return found


def _type(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "float"
        case str():
            return "text"
        case dict():
            return "object"
        case _:
            return "array"


def _moment(text: str) -> datetime | None:
    """A text that is a date, or a date and a time; not what merely could be one, such as 20240501."""
    if not 8 <= len(text) <= 40 or "-" not in text:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
