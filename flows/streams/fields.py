"""The fields that records are made of: one declaration, from which JSON Schema, store and columns follow."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias

_OBJECT: Final = {"type": "object"}
_MOMENT: Final = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"


@dataclass(frozen=True, slots=True)
class Text:
    """A text.  pattern: a regular expression of all of it.  words: the ones there are, None for any text.  filled: it
    is never empty.
    """

    pattern: str = ""
    words: tuple[str, ...] | None = None
    filled: bool = False

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        if self.words is not None:
            return {"const": self.words[0]} if len(self.words) == 1 else {"enum": list(self.words)}
        length = {"minLength": 1} if self.filled else {}
        return {"type": "string", **length, **({"pattern": self.pattern} if self.pattern else {})}


@dataclass(frozen=True, slots=True)
class Moment:
    """Event time: ISO 8601 in UTC with six digits of the second."""

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return {"type": "string", "pattern": _MOMENT}


@dataclass(frozen=True, slots=True)
class Number:
    """A number (float64); whole: int64.  low, high: its least and largest value.  unknown: it may be null."""

    low: int | None = None
    high: int | None = None
    unknown: bool = False
    whole: bool = False

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        kind: Any = "integer" if self.whole else "number"
        bounds = {"minimum": self.low, "maximum": self.high}
        known = {name: bound for name, bound in bounds.items() if bound is not None}
        return {"type": [kind, "null"] if self.unknown else kind, **known}


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of values of one type."""

    item: "Type"

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return {"type": "array", "items": self.item.schema()}


@dataclass(frozen=True, slots=True)
class Table:
    """An object with these fields and no others."""

    fields: tuple["Field", ...]

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return _OBJECT | members(self.fields)


@dataclass(frozen=True, slots=True)
class Named:
    """An object with a number, or null, for each feature or detector of the job.  prefix: before their names, where
    each is a column of its own.
    """

    of: Literal["features", "detectors"]
    prefix: str = ""

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return {"type": "object", "additionalProperties": {"type": ["number", "null"]}}


@dataclass(frozen=True, slots=True)
class Free:
    """An object of any form.  like: the file of a schema that it fits."""

    like: str = ""

    def schema(self) -> dict[str, Any]:
        """As JSON Schema."""
        return {"$ref": self.like} if self.like else dict(_OBJECT)


Type: TypeAlias = Text | Moment | Number | ListOf | Table | Named | Free


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a record.  about: what it says, for people; may be empty.  optional: it may be absent."""

    name: str
    type: Type
    about: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """What a record may look like.  title: of several forms of one stream.  also: keywords of JSON Schema that its
    fields cannot say.
    """

    fields: tuple[Field, ...]
    title: str = ""
    also: Mapping[str, Any] = field(default_factory=dict)

    def schema(self) -> dict[str, Any]:
        """As JSON Schema, without its type."""
        return ({"title": self.title} if self.title else {}) | members(self.fields) | dict(self.also)


def members(fields: Iterable[Field]) -> dict[str, Any]:
    """The keywords of JSON Schema that say which members an object has."""
    there = tuple(fields)
    properties = {f.name: f.type.schema() | ({"description": f.about} if f.about else {}) for f in there}
    required = [f.name for f in there if not f.optional]
    return {"properties": properties, **({"required": required} if required else {}), "additionalProperties": False}


def affinity(type_: Type) -> str:
    """What SQLite calls the type of such a value."""
    return ("INTEGER" if type_.whole else "REAL") if isinstance(type_, Number) else "TEXT"


class Column(NamedTuple):
    """A column of a table of records.  path: where a record has its value."""

    name: str
    path: tuple[str, ...]
    type: Type


def columns_of(fields: Iterable[Field], names: Mapping[str, Iterable[str]]) -> tuple[Column, ...]:
    """The columns that records with these fields fill, in their order.

    names: the job's "features" and "detectors", each of which is a column.  Raises ValueError, for people, for two
    columns of one name.
    """
    found: dict[str, Column] = {}
    for column in _columns(fields, names):
        if column.name in found:
            one, other = (".".join(c.path) for c in (found[column.name], column))
            raise ValueError(f"two columns are called {column.name!r}, {one} and {other}; rename one of them")
        found[column.name] = column
    return tuple(found.values())


def _columns(fields: Iterable[Field], names: Mapping[str, Iterable[str]]) -> Iterator[Column]:
    for f in fields:
        if isinstance(f.type, Named):
            for name in names[f.type.of]:
                yield Column(f.type.prefix + name, (f.name, name), Number(unknown=True))
        else:
            yield Column(f.name, (f.name,), f.type)
