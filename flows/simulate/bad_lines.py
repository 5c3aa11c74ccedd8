"""Broken lines, one function per way in which producers break them.  Each is made from a good line."""

from collections.abc import Callable
from typing import Any, Final

import orjson

OVER_LONG_BYTES: Final = 65_536


def _changed(line: bytes, **fields: Any) -> bytes:
    return orjson.dumps(orjson.loads(line) | fields)


def _without(line: bytes, field: str) -> bytes:
    event = orjson.loads(line)
    del event[field]
    return orjson.dumps(event)


def _literal(line: bytes, text: bytes) -> bytes:
    return _changed(line, ms_played="?").replace(b'"ms_played":"?"', b'"ms_played":' + text)


BAD_KINDS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "not_json": lambda line: line[: len(line) * 2 // 3],
    "not_an_object": lambda line: b"[" + line + b"]",
    "wrong_type": lambda line: _changed(line, event_time="yesterday evening"),
    "missing_field": lambda line: _without(line, "user_id"),
    "time_out_of_range": lambda line: _changed(line, event_time=-62_135_596_800_000),
    "over_long": lambda line: _changed(line, context_id="x" * OVER_LONG_BYTES),
    "invalid_utf8": lambda line: line.replace(b'"user_id":"', b'"user_id":"\xff\xfe'),
    "nan": lambda line: _literal(line, b"NaN"),
    "huge_integer": lambda line: _changed(line, event_time=0).replace(b'"event_time":0', b'"event_time":1' + b"0" * 40),
    "nested": lambda line: _changed(line, user_id={"id": "u", "realm": 1}),
}
"""Kind -> how to make such a line; a line of each kind cannot be accepted by the platform's schema."""
