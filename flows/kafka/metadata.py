"""What Kafka knows of a record beside its value, as members of the value, so that any path can read it."""

from typing import Any, Final

import orjson

MARK: Final = "@"
"""Begins the names of the members: @topic, @partition, @offset, @timestamp (milliseconds), @key, @headers."""


def with_metadata(value: bytes, message: Any) -> bytes:
    """The value, if it looks like a JSON object, with the members added at its end, where they hide any of these names.

    Of a header that comes several times the last one counts, as in an object; bytes that are not UTF-8 are replaced.
    """
    body = value.rstrip()
    if body[-1:] != b"}":
        return value
    body = body[:-1].rstrip()
    key = message.key()
    members = {
        "@topic": message.topic(),
        "@partition": message.partition(),
        "@offset": message.offset(),
        "@timestamp": message.timestamp()[1],
        "@key": None if key is None else key.decode(errors="replace"),
        "@headers": {name: _text(found) for name, found in message.headers() or ()},
    }
    return body + (b"" if body[-1:] == b"{" else b",") + orjson.dumps(members)[1:]


def _text(value: bytes | str | None) -> str | None:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
