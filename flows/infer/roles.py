"""Which field says when an event was, whose it is and which one it is; and why."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from flows.infer.fields import Field
from flows.wire.path_text import format_path
from flows.wire.spec import ISO8601, Path
from state.errors import SourceError

_MOST: Final = 0.99
_FILLED: Final = 0.9
"""The share of lines that must have a value of what every event needs."""
_FROM_S, _UNTIL_S = 946_684_800, 4_102_444_800
"""2000 to 2100, the moments that a configuration takes."""
_PER_S: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_TIME: Final = ("time", "timestamp", "ts", "when", "at", "date", "datetime")
_OTHER_TIME: Final = ("created", "registration", "registered", "birth", "born", "updated", "expires", "since", "until")
_SUBJECT: Final = (
    "user", "account", "customer", "card", "member", "player", "subject", "client", "person", "owner", "uid",
    "source", "sender", "author", "payer", "actor", "listener", "viewer", "visitor", "device", "session", "ip",
)  # fmt: skip
"""Words for subjects, the likeliest first."""
_NO_SUBJECT: Final = ("agent", "name", "type", "created", "time", "level", "status", "country", "city", "plan", "kind")
_ID: Final = ("id", "uuid", "guid", "key", "event", "transaction", "tx", "message", "offset", "seq")
_ROWS_MIN: Final = 20
_CHOICES: Final = 5
_WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


@dataclass(frozen=True, slots=True)
class Role:
    """A field with why it is the one.  unit: of times."""

    field: Field
    why: str
    unit: str = ""


def words_of(field: Field) -> list[str]:
    """The words in the last key of its path, in lower case: userId is user and id."""
    keys = [part for part in field.path if isinstance(part, str)]
    return [word.lower() for word in _WORDS.findall(keys[-1] if keys else "")]


def time_unit(field: Field) -> str:
    """What its values would be as times, "" for none."""
    total = sum(field.found.values())
    if field.types == {"text"} and field.times >= _MOST * total:
        return ISO8601
    if field.types and field.types <= {"integer", "float"}:
        for unit, per_s in _PER_S.items():
            if field.low >= _FROM_S * per_s and field.high < _UNTIL_S * per_s:
                return unit
    return ""


def find_time(fields: Sequence[Field], wanted: Path = ()) -> Role:
    """When: the field that is in all lines, moves on from one to the next, and is called so.  Raises SourceError."""
    timed = [(f, unit) for f in fields if (unit := time_unit(f))]
    if wanted:
        timed = [(f, unit) for f, unit in timed if f.path == wanted]
        if not timed:
            raise SourceError(f"--time {format_path(wanted)}: {_what(fields, wanted)}, expected times; {_units()}")
    able = sorted(((f, unit) for f, unit in timed if f.filled >= _FILLED or wanted), key=lambda t: -_of_time(t[0]))
    if not able:
        rare = "; ".join(f"{f.name} in {f.filled:.0%} of the lines" for f, _ in timed[:_CHOICES])
        seen = f"seen times only in {rare}" if rare else f"seen no field that holds times, of {_names(fields)}"
        raise SourceError(f"{seen}; expected one in at least {_FILLED:.0%}; {_units()}; --time PATH names it")
    field, unit = able[0]
    why = [f"in {field.filled:.1%} of the lines", "ISO 8601" if unit == ISO8601 else f"numbers of {unit} since 1970"]
    why.append(f"{field.ascending:.0%} not before the line before")
    if len(able) > 1:
        why.append(f"others that could be: {', '.join(f.name for f, _ in able[1:_CHOICES])}")
    return Role(field, "; ".join(why), unit)


def _of_time(field: Field) -> float:
    words = words_of(field)
    named = any(word in _TIME for word in words) - 2.0 * any(word in _OTHER_TIME for word in words)
    return 2 * field.ascending + named + field.filled + min(field.distinct / field.rows, 0.5) - 0.1 * len(field.path)


def _units() -> str:
    return "numbers of s, ms, us or ns since 1970 between 2000 and 2100, or ISO 8601 texts"


def is_id(field: Field) -> bool:
    """Whether its values could be ids: texts and integers."""
    return field.is_plain and field.types <= {"text", "integer"} and not _is_wide(field)


def _is_wide(field: Field) -> bool:
    return field.high >= 2**64 or (field.low < -(2**63) and field.low != float("inf"))


def find_subject(fields: Sequence[Field], time: Role, wanted: Path = ()) -> Role:
    """Whose: an id that comes again and again, of many.  Raises SourceError."""
    able = [f for f in fields if is_id(f) and f.path != time.field.path]
    if wanted:
        found = next((f for f in able if f.path == wanted), None)
        if found is None:
            raise SourceError(f"--subject {format_path(wanted)}: {_what(fields, wanted)}, expected texts or integers")
        return Role(found, f"named; {_counts(found)}")
    able = [f for f in able if f.filled >= _FILLED / 2 and f.distinct > 1 and not time_unit(f)]
    named = sorted(((rank, f) for f in able if (rank := _of_subject(f)) >= 0), key=lambda found: found[0])
    if named:
        others = ", ".join(f.name for _, f in named[1:_CHOICES])
        field = named[0][1]
        return Role(field, f"called so; {_counts(field)}" + (f"; others that could be: {others}" if others else ""))
    again = [f for f in able if f.repeats >= 2 and f.distinct >= _ROWS_MIN and f.filled >= _FILLED]
    if again:
        field = max(again, key=lambda f: f.distinct)
        others = ", ".join(f.name for f in again if f is not field) or "none"
        return Role(
            field, f"a guess: of the ids that come again it has most values; {_counts(field)}; others: {others}"
        )
    raise SourceError(
        f"seen no field that says whose an event is, of {_names(fields)}; expected an id, such as user_id, that comes"
        " again and again; --subject PATH names it"
    )


def _of_subject(field: Field) -> float:
    words = words_of(field)
    if not words or any(word in _NO_SUBJECT for word in words):
        return -1.0
    parents = [word for part in field.path[:-1] if isinstance(part, str) for word in _WORDS.findall(part)]
    if words == ["id"] or words == ["key"]:
        words = [*[word.lower() for word in parents], *words]
    ranks = [_SUBJECT.index(word) for word in words if word in _SUBJECT]
    if not ranks or (len(words) > 1 and set(words) - set(_SUBJECT) - {"id", "key", "no", "number", "code", "hash"}):
        return -1.0
    return min(ranks) + 0.1 * len(field.path) + (0.0 if field.filled >= _FILLED else 0.5)


def find_id(fields: Sequence[Field], time: Role, subject: Role, wanted: Path = ()) -> Role | None:
    """Which: an id that never comes twice, and is called so; None where the stream has none.  Raises SourceError."""
    able = [f for f in fields if is_id(f) and f.path not in (time.field.path, subject.field.path)]
    if wanted:
        found = next((f for f in able if f.path == wanted), None)
        if found is None:
            raise SourceError(f"--id {format_path(wanted)}: {_what(fields, wanted)}, expected texts or integers")
        return Role(found, f"named; {_counts(found)}")
    for field in able:
        once = field.filled == 1 and field.rows >= _ROWS_MIN and field.distinct >= _MOST * field.rows
        if once and any(word in _ID for word in words_of(field)) and not time_unit(field):
            return Role(field, f"in every line, {field.distinct:,} different ones in {field.rows:,} lines")
    return None


def _counts(field: Field) -> str:
    lost = "" if field.filled == 1 else f" ({1 - field.filled:.1%} of the lines have none and are rejected)"
    return f"{field.distinct:,} different ones in {field.rows:,} lines{lost}"


def _what(fields: Sequence[Field], path: Path) -> str:
    field = next((f for f in fields if f.path == path), None)
    if field is None:
        return f"seen in no line, of {_names(fields)}"
    return f"seen {' and '.join(sorted(field.types)) or 'nothing but null'}"


def _names(fields: Sequence[Field]) -> str:
    names = [field.name for field in fields if field.is_plain]
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "") or "none"
