"""Why a line did not become a row."""

import json
import math
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Final

import orjson

SHORT_BYTES: Final = 1_000
"""What is too short to be nested deeply."""


class Reason(StrEnum):
    """The kinds of bad line; each ends on the dead-letter stream under this name."""

    NOT_JSON = "not_json"
    """Not a JSON text; a message that is empty, too."""
    NOT_AN_OBJECT = "not_an_object"
    MISSING_FIELD = "missing_field"
    """A required field is absent, null or, for an id, the empty text."""
    WRONG_TYPE = "wrong_type"
    """A value of another type than the column's, or a text that is not a time."""
    OUT_OF_RANGE = "out_of_range"
    TIME_OUT_OF_RANGE = "time_out_of_range"
    AHEAD = "ahead"
    """A time further ahead of its partition than `time.ahead_max`, which others did not bear out."""
    TOO_LONG = "too_long"
    INVALID_UTF8 = "invalid_utf8"
    """Bytes that are not UTF-8, or an escaped half of a surrogate pair."""
    NAN = "nan"
    """NaN or Infinity anywhere in the line, or a value beyond what float64 can hold."""
    HUGE_INTEGER = "huge_integer"
    """A number column's value beyond 2**53 (no longer exact), or an id beyond 64 bits."""
    NESTED = "nested"
    """An object or array where a plain value was expected, or nesting beyond orjson's depth."""
    UNKNOWN_WORD = "unknown_word"
    """A word that a strict enum column does not list."""
    TOMBSTONE = "tombstone"
    """A Kafka message without a value, which deletes its key where topics are compacted."""
    UNDECODABLE = "undecodable"
    """A message or a line that is not of the format and schema that its source reads."""


Why = tuple[Reason, str]
"""A reason, and what was seen where."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A bad line.  row: its position in the lines given.  detail: what was seen and expected, for people."""

    row: int
    reason: Reason
    detail: str


class BadLineError(Exception):
    """The line gives no row.  why: the reason, and what was seen."""

    def __init__(self, why: Why) -> None:
        super().__init__(*why)
        self.why = why


def describe(value: Any) -> str:
    """A JSON value in a few words: its type, and the value itself, cut to 40 characters."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f"text {json.dumps(value[:40], ensure_ascii=False)}"
        case int() | float():
            return f"number {value!r:.40}"
        case dict():
            return "an object"
        case _:
            return "an array"


def read_document(line: bytes) -> tuple[Any, Why | None]:
    """The line's JSON value.  Raises BadLineError.

    A number beyond float64 is infinite in the value; it is the second result: the reason if anything else is wrong.
    The standard library's parser is more lenient than orjson: what it takes and orjson does not, names the reason.
    """
    try:
        return orjson.loads(line), None
    except orjson.JSONDecodeError as error:
        message = str(error)
    why: Why = (Reason.NESTED if "depth" in message else Reason.NOT_JSON), message
    beyond: list[str] = []
    number = partial(_number, beyond)
    is_read = False
    try:
        value = json.loads(line.decode(), parse_constant=_constant, parse_float=number, parse_int=number)
        json.dumps(value, ensure_ascii=False).encode()
        is_read = not is_deep(line)
    except UnicodeError as error:
        why = Reason.INVALID_UTF8, str(error)
    except _ConstantError as error:
        why = Reason.NAN, str(error)
    except RecursionError:
        why = Reason.NESTED, message
    except ValueError:
        why = Reason.NOT_JSON, message
    if beyond:
        why = Reason.NAN, f"found the number {beyond[0]:.40}, beyond the range of float64"
        if is_read:
            return json.loads(line.decode(), parse_int=_integer), why
    raise BadLineError(why)


def is_deep(line: bytes) -> bool:
    """Whether the line has so many brackets that it may be nested deeply: then it is read by orjson alone.

    How deep the other parsers go depends on the interpreter, and on how full its stack is when they are called.
    """
    return len(line) > SHORT_BYTES and line.count(b"{") + line.count(b"[") > SHORT_BYTES // 2


class _ConstantError(Exception):
    """NaN, Infinity or -Infinity."""


def _constant(literal: str) -> float:
    raise _ConstantError(f"found the literal {literal}, which is not JSON")


def _number(beyond: list[str], literal: str) -> float:
    """beyond: gets what float64 cannot hold."""
    value = float(literal)
    if math.isinf(value):
        beyond.append(literal)
    return value


def _integer(literal: str) -> float:
    """As orjson reads it: as a float where it has more than 64 bits."""
    value = float(literal)
    return value if abs(value) >= 2**65 or not -(2**63) <= int(literal) < 2**64 else int(literal)
