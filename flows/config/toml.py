"""A small TOML writer: the standard library only reads."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_LINE_MAX: Final = 120
_HEADERS: Final = 2
"""How many levels of tables get headers of their own; deeper ones are written inline."""


def dumps(table: Mapping[str, Any]) -> str:
    """TOML text that `tomllib.loads` turns back into an equal table.  Values: str, bool, int, float, list, dict."""
    return "\n".join(_table(table, ())).strip() + "\n"


def _table(table: Mapping[str, Any], at: tuple[str, ...]) -> Iterator[str]:
    inner = {name: value for name, value in table.items() if isinstance(value, Mapping) and len(at) < _HEADERS}
    plain = {name: value for name, value in table.items() if name not in inner}
    if at and (plain or not inner):
        yield f"\n[{'.'.join(name_text(part) for part in at)}]"
    for name, value in plain.items():
        yield _wrapped(f"{name_text(name)} = ", value)
    for name, value in inner.items():
        yield from _table(value, (*at, name))


def _wrapped(head: str, value: Any) -> str:
    line = head + value_text(value)
    if len(line) <= _LINE_MAX or not isinstance(value, Sequence) or isinstance(value, str):
        return line
    return f"{head}[\n" + "".join(f"    {value_text(item)},\n" for item in value) + "]"


def value_text(value: Any) -> str:
    """One value as TOML text."""
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value) if math.isfinite(value) else str(value)
        case int():
            return str(value)
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case Mapping():
            return (
                "{ " + ", ".join(f"{name_text(k)} = {value_text(v)}" for k, v in value.items()) + " }"
                if value
                else "{}"
            )
        case _:
            return f"[{', '.join(value_text(item) for item in value)}]"


def name_text(name: str) -> str:
    """A key as TOML text."""
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)
