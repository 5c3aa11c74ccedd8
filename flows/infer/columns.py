"""What the fields are that are neither time nor subject nor id: columns, or why not."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flows.infer.fields import Field
from flows.infer.roles import time_unit, words_of
from flows.wire.path_text import INDEX_MAX, clash
from flows.wire.spec import ISO8601, Path
from state.schema import SYSTEM_COLUMNS

COLUMNS_MAX: Final = 60
_WORDS_MAX: Final = 20
_WORD_CHARS: Final = 40
_PER_WORD: Final = 5
"""Lines per different word, from which on texts are words and not ids."""
_EXACT: Final = 2**53 - 1
_NOT_PLAIN: Final = frozenset({"object", "array"})
_IDS: Final = (
    "id", "uuid", "guid", "key", "hash", "code", "number", "no", "target", "recipient", "receiver", "merchant",
    "terminal", "store", "shop", "item", "product", "track", "artist", "account", "customer", "user", "card", "device",
)  # fmt: skip
"""What integers are called that are names and not amounts."""


@dataclass(frozen=True, slots=True)
class Column:
    """One proposed column.  table: its keys in the configuration.  about: what was seen, for a comment."""

    name: str
    table: dict[str, Any]
    about: str
    field: Field

    @property
    def kind(self) -> str:
        """id, number, enum or time."""
        return str(self.table["kind"])


def columns_of(fields: Sequence[Field], roles: Iterable[Path]) -> tuple[list[Column], dict[str, str]]:
    """The columns, and of other fields why they are none.  roles: paths that are spoken for."""
    taken = list(roles)
    columns: list[Column] = []
    others: dict[str, str] = {}
    names = set(SYSTEM_COLUMNS)
    mixed = [f.path for f in fields if len(f.types) > 1 and f.types & _NOT_PLAIN]
    for field in sorted(fields, key=lambda f: -f.filled):
        if field.path in taken or (field.found and len(field.types) == 1 and field.types <= _NOT_PLAIN):
            continue
        if any(len(path) < len(field.path) and field.path[: len(path)] == path for path in mixed):
            continue
        kind, why = _kind(field)
        if why:
            others[field.name] = why
        elif clashing := next((path for path in taken if clash(field.path, path)), None):
            others[field.name] = f"takes for something else what {'.'.join(map(str, clashing))} takes it for"
        elif len(columns) == COLUMNS_MAX:
            others[field.name] = f"is beyond {COLUMNS_MAX} columns"
        else:
            name = _name(field.path, names)
            names.add(name)
            taken.append(field.path)
            path = {} if field.path == (name,) else {"path": field.name}
            columns.append(Column(name, path | kind, _about(field), field))
    return columns, others


def _kind(field: Field) -> tuple[dict[str, Any], str]:
    """The keys of a column, or why the field is none."""
    types, total = field.types, sum(field.found.values())
    if not field.found:
        return {}, "never has a value"
    if types & _NOT_PLAIN:
        return {}, f"is {' or '.join(sorted(types))}, now this, now that"
    if any(isinstance(part, int) and part > INDEX_MAX for part in field.path):
        return {}, "is too far back in an array"
    if field.distinct == 1 and field.filled == 1 and field.rows > 1:
        return {}, f"is always {_short(next(iter(field.values)))}"
    if types == {"boolean"}:
        return {"kind": "enum", "values": ["false", "true"]}, ""
    unit = time_unit(field)
    if unit == ISO8601 and field.empty:
        return {}, "is a time or an empty text, now this, now that"
    if unit == ISO8601 or (unit and (unit != "s" or _is_called_time(field))):
        return {"kind": "time", "unit": unit}, ""
    if types == {"text"}:
        return _text(field, total), ""
    if types <= {"integer", "float"}:
        is_id = types == {"integer"} and any(word in _IDS for word in words_of(field)[-1:])
        if field.high >= 2**64 or field.low < -(2**63):
            return {}, "has numbers beyond 64 bits"
        if is_id or (types == {"integer"} and max(field.high, -field.low) > _EXACT):
            return {"kind": "id"}, ""
        if max(field.high, -field.low) > _EXACT:
            return {}, "has numbers beyond 2**53"
        return {"kind": "number"}, ""
    if types == {"text", "integer"}:
        return {"kind": "id"}, ""
    return {}, f"is {' or '.join(sorted(types))}, now this, now that"


def _text(field: Field, total: int) -> dict[str, Any]:
    few = field.distinct <= _WORDS_MAX and field.longest <= _WORD_CHARS and total >= _PER_WORD * field.distinct
    if not few:
        return {"kind": "id"}
    return {"kind": "enum", "values": [str(word) for word, _ in field.values.most_common()]}


def _is_called_time(field: Field) -> bool:
    words = words_of(field)
    return any(word in ("time", "timestamp", "ts", "at", "date", "created", "registration", "born") for word in words)


def _name(path: Path, taken: set[str]) -> str:
    """The last key in letters, digits and _, with the keys before it as far as it takes to be the only one."""
    parts = [re.sub(r"\W+", "_", str(part), flags=re.ASCII).strip("_") for part in path]
    for count in range(1, len(parts) + 1):
        name = "_".join(filter(None, parts[-count:]))[:64]
        if name and not name.isdigit() and name not in taken and isinstance(path[-count], str):
            return name
    number = 1
    while f"column_{number}" in taken:
        number += 1
    return f"column_{number}"


def _about(field: Field) -> str:
    types = " or ".join(sorted(field.types))
    told = f"{types} in {field.filled:.1%} of the lines, {field.distinct:,} different"
    if field.types <= {"integer", "float"}:
        return f"{told}, {field.low:g} to {field.high:g}"
    return f"{told}, of at most {field.longest:,} characters" if field.longest else told


def _short(value: Any) -> str:
    text = json.dumps(value)  # ASCII, without control characters: it stands in a comment
    return text if len(text) <= _WORD_CHARS else f"{text[:_WORD_CHARS]}..."
