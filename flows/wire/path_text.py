r"""Paths as people write them: `user.id`, `items[0].price`, `"odd.key".id`; and as tuples of keys and indices."""

import json
import re
from typing import Any, Final

from flows.wire.spec import Path

ALLOWED: Final = (
    'a path such as "user.id", "items[0].price" or, where a key holds a dot, a bracket or a quote, "\\"odd.key\\".id";'
    ' or a list of keys and indices such as ["odd.key", 0]'
)
INDEX_MAX: Final = 255
"""The largest index: each place before it is looked at."""
_PART: Final = re.compile(
    r'(?:(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<bare>[^.\[\]"]+))(?P<indices>(?:\[\d+\])*)(?P<dot>\.|$)'
)
_PLAIN: Final = re.compile(r'[^.\[\]"]+')


def parse_path(value: object) -> Path:
    """The path that a text or a list means; "" and [] are no path.

    Raises ValueError, which says what is allowed, for others and for one that no line can have.
    """
    if isinstance(value, str):
        parts = _parts(value)
    elif isinstance(value, list | tuple):
        parts = list(value)
    else:
        raise ValueError(ALLOWED)
    for part in parts:
        if isinstance(part, bool) or not isinstance(part, str | int):
            raise ValueError(ALLOWED)
        if isinstance(part, int) and not 0 <= part <= INDEX_MAX:
            raise ValueError(f"indices from 0 to {INDEX_MAX}")
        if isinstance(part, str) and not _is_utf8(part):
            raise ValueError("keys that UTF-8 can hold: a line with this one is rejected")
    if parts and isinstance(parts[0], int):
        raise ValueError("a path that begins with a key: each line is an object")
    return tuple(parts)


def _parts(text: str) -> list[str | int]:
    parts: list[str | int] = []
    at = 0
    while at < len(text) or text[at - 1 : at] == ".":
        found = _PART.match(text, at)
        if found is None:
            raise ValueError(ALLOWED)
        try:
            parts.append(found["bare"] or json.loads(found["quoted"]))
        except json.JSONDecodeError:
            raise ValueError(ALLOWED) from None
        parts += [int(index) for index in re.findall(r"\d+", found["indices"])]
        at = found.end()
    return parts


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def format_path(path: Path) -> str:
    """The text that `parse_path` turns back into the same path."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if _PLAIN.fullmatch(part) else json.dumps(part, ensure_ascii=False)
            text += f".{name}" if text else name
    return text


def clash(one: Path, other: Path) -> Path | None:
    """Where two paths ask different things of the same value, so that no line has a value at the end of both."""
    for depth, (a, b) in enumerate(zip(one, other, strict=False)):
        if type(a) is not type(b):
            return one[:depth]
        if a != b:
            return None
    return None if len(one) == len(other) else min(one, other, key=len)


def asked(path: Path, depth: int) -> Any:
    """What a path takes the value at a depth for."""
    if depth == len(path):
        return "a plain value"
    return "an array" if isinstance(path[depth], int) else "an object"
