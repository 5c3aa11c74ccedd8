"""[event]: which path of a line becomes which column -> WireSpec."""

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from flows.config.compile.named import fits
from flows.config.layers import Key
from flows.config.problems import Problems
from flows.wire.path_text import asked, clash, format_path
from flows.wire.spec import ISO8601, FieldSpec, Path, WireSpec
from state.schema import SYSTEM_COLUMNS, Column, Kind
from state.words import one_of

if TYPE_CHECKING:
    from flows.config.models import ColumnConfig, EventConfig

_TEXT: Final = frozenset({"a text"})
_NUMBER: Final = frozenset({"an integer", "a float"})
_ID: Final = frozenset({"a text", "an integer"})
_WORD: Final = frozenset({"a text", "true or false"})


def wire_of(event: "EventConfig", problems: Problems) -> WireSpec:
    """How lines are read."""
    for name in event.columns:
        if name in SYSTEM_COLUMNS:
            key = ("event", "columns", name)
            problems.add(key, name, f"a name other than {one_of(SYSTEM_COLUMNS)}, which every stream has")
    _check_paths(event, problems)
    wire = WireSpec(
        fields=tuple(_field(name, column) for name, column in event.columns.items()),
        event_id=event.id,
        event_time=event.time.path,
        time_unit=event.time.unit,
        subject=event.subject,
        line_bytes_max=event.max_line_bytes,
        time_min_us=event.time_min,
        time_max_us=event.time_max,
        subject_chars_max=event.max_subject_chars,
        time_zone="" if event.time_zone == "UTC" else event.time_zone,
    )
    usable = fits(wire.schema(), event.where, ("event", "where"), problems)
    return replace(wire, where=event.where) if usable else wire


def _check_paths(event: "EventConfig", problems: Problems) -> None:
    """Whether a line can have values at the ends of any two paths."""
    ends: list[tuple[Key, Path, frozenset[str]]] = [
        (("event", "time", "path"), event.time.path, _TEXT if event.time.unit == ISO8601 else _NUMBER),
        (("event", "subject"), event.subject, _ID),
        *([(("event", "id"), event.id, _ID)] if event.id else []),
        *((("event", "columns", n), c.path or (n,), _types(c)) for n, c in event.columns.items()),
    ]
    for i, (key, path, types) in enumerate(ends):
        for earlier, other, others in ends[:i]:
            at = clash(path, other)
            if at is not None:
                mine, its = asked(path, len(at)), asked(other, len(at))
                seen = f"a path {format_path(path)}, which takes {format_path(at)} for {mine}"
                problems.add(key, seen, f"what can be there beside {'.'.join(earlier)}, which says {its}")
            elif path == other and not types & others:
                seen = f"a path {format_path(path)} to {_or(types)}"
                problems.add(key, seen, f"what can be there beside {'.'.join(earlier)}: {_or(others)}")


def _types(column: "ColumnConfig") -> frozenset[str]:
    """The JSON values that may be one of this column."""
    match column.kind:
        case Kind.ID:
            return _ID
        case Kind.ENUM:
            return _WORD
        case Kind.TIME if column.unit == ISO8601:
            return _TEXT
        case _:
            return _NUMBER


def _or(types: frozenset[str]) -> str:
    return " or ".join(sorted(types))


def _field(name: str, column: "ColumnConfig") -> FieldSpec:
    is_time = column.kind is Kind.TIME
    return FieldSpec(
        column=Column(name, column.kind, "us" if is_time else column.unit, column.words),
        path=column.path or (name,),
        required=column.required,
        unit=column.unit if is_time else "",
        scale=column.scale,
        low=column.min,
        high=column.max,
        strict=column.strict,
        words=tuple(sorted(column.map.items())),
        network=column.network,
    )
