"""Records of any stream, made from what the catalogue says of their fields."""

from typing import Any

from flows.streams import Stream
from flows.streams.fields import ListOf, Moment, Number, Table, Text, Type


def record_of(stream: Stream, n: int = 0) -> dict[str, Any]:
    """The nth of a stream: another id, another subject, later by n seconds than the first."""
    form = stream.records.forms[0]
    return {f.name: _value(f.type, f.name, n) for f in form.fields if not f.optional}


def _value(type_: Type, name: str, n: int) -> Any:
    match type_:
        case Moment():
            return f"2026-03-02T{n // 3600:02d}:{n // 60 % 60:02d}:{n % 60:02d}.000000Z"
        case Number(whole=True):
            return n
        case Number():
            return 0.25
        case ListOf():
            return [_value(type_.item, name, n)]
        case Table():
            return {f.name: _value(f.type, f.name, n) for f in type_.fields}
        case Text(words=words) if words:
            return words[0]
        case Text(pattern=pattern) if pattern:
            return f"{n:016x}"
        case Text():
            return f"{name}-{n}"
        case _:
            return {}
