"""Why a line did not become a row."""

import json
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Reason(StrEnum):
    """The kinds of bad line; each ends on the dead-letter stream under this name."""

    NOT_JSON = "not_json"
    """Not a JSON text; an empty line too."""
    NOT_AN_OBJECT = "not_an_object"
    MISSING_FIELD = "missing_field"
    """A required field is absent, null or, for an id, the empty text."""
    WRONG_TYPE = "wrong_type"
    """A value of another type than the column's, or a text that is not a time."""
    OUT_OF_RANGE = "out_of_range"
    TIME_OUT_OF_RANGE = "time_out_of_range"
    TOO_LONG = "too_long"
    INVALID_UTF8 = "invalid_utf8"
    """Bytes that are not UTF-8, or an escaped half of a surrogate pair."""
    NAN = "nan"
    """NaN, Infinity, or a number beyond what float64 can hold: anywhere in the line."""
    HUGE_INTEGER = "huge_integer"
    """A number column's value beyond 2**53 (no longer exact), or an id beyond 64 bits."""
    NESTED = "nested"
    """An object or array where a plain value was expected, or nesting beyond orjson's depth."""
    UNKNOWN_WORD = "unknown_word"
    """A word that a strict enum column does not list."""


Why = tuple[Reason, str]
"""A reason, and what was seen where."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A bad line.  row: its position in the lines given.  detail: what was seen and expected, for people."""

    row: int
    reason: Reason
    detail: str


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


def why_not_json(line: bytes, message: str) -> Why:
    """The reason why orjson refused this line.  message: what it said; the detail unless there is a better one.

    The standard library's parser is more lenient: what it takes and orjson does not, names the reason.
    """
    try:
        value = json.loads(line.decode(), parse_constant=_constant, parse_float=_finite, parse_int=_finite)
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeError as error:
        return Reason.INVALID_UTF8, str(error)
    except _NotFiniteError as error:
        return Reason.NAN, str(error)
    except RecursionError:
        return Reason.NESTED, message
    except ValueError:
        return Reason.NOT_JSON, message
    return (Reason.NESTED if "depth" in message else Reason.NOT_JSON), message


class _NotFiniteError(Exception):
    """A number that float64 cannot hold."""


def _constant(literal: str) -> float:
    raise _NotFiniteError(f"found the literal {literal}, which is not JSON")


def _finite(literal: str) -> float:
    value = float(literal)
    if math.isinf(value):
        raise _NotFiniteError(f"found the number {literal:.40}, beyond the range of float64")
    return value
