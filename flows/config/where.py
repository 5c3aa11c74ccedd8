"""`where` tables: column -> word, words, {not = word(s)}, {min, max} or {present = true}; all must hold."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, PlainSerializer

from detectors.features.declare import Condition, Where
from flows.config.section import problem
from state.durations import parse_moment_us
from state.words import did_you_mean

ALLOWED: Final = "a word, a list of words, true or false, {not=}, {min=, max=} or {present=true}"

_KEYS: Final = ("min", "max", "present", "not")


def parse_where(value: object) -> Where:
    """Conditions of a where table, in its order.  Raises an entry of pydantic's report."""
    if isinstance(value, tuple) and all(isinstance(c, Condition) for c in value):
        return value
    if not isinstance(value, Mapping):
        raise problem(value, 'a table of conditions such as { type = "play", ms_played = { min = 30000 } }')
    return tuple(_condition(column, asked) for column, asked in value.items())


def _condition(column: str, asked: object) -> Condition:
    match asked:
        case bool():
            return Condition(column, words=(str(asked).lower(),))
        case str():
            return Condition(column, words=(asked,))
        case list() if asked and all(isinstance(word, str) for word in asked):
            return Condition(column, words=tuple(asked))
        case {"not": bool() | str() | list() as words, **others} if not others:
            return Condition(column, excluded=_condition(column, words).words)
        case {"present": True, **others} if not others:
            return Condition(column, present=True)
        case Mapping() if asked and set(asked) <= {"min", "max"}:
            low, high = (_bound(column, asked, side) for side in ("min", "max"))
            if low is not None and high is not None and low >= high:
                raise problem(asked, "a min (inclusive) below the max (exclusive)", column)
            return Condition(column, low=low, high=high)
        case Mapping() if asked:
            key = next((key for key in asked if key not in _KEYS), "present")
            raise problem(asked, ALLOWED, column, did_you_mean(key, _KEYS))
        case _:
            raise problem(asked, ALLOWED, column)


def _bound(column: str, asked: Mapping[str, Any], side: str) -> float | None:
    value = asked.get(side)
    if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        return None if value is None else float(value)
    if isinstance(value, (str, datetime)):
        try:
            return float(parse_moment_us(value))
        except ValueError:
            pass
    raise problem(value, "a number, or for a time column a moment such as 2024-05-01T12:00:00Z", (column, side))


def where_table(where: Where) -> dict[str, Any]:
    """The table that gives these conditions."""
    return {c.column: _asked(c) for c in where}


def _asked(c: Condition) -> Any:
    if c.excluded:
        return {"not": c.excluded[0] if len(c.excluded) == 1 else list(c.excluded)}
    if c.words:
        return c.words[0] if len(c.words) == 1 else list(c.words)
    limits = {key: value for key, value in (("min", c.low), ("max", c.high)) if value is not None}
    return limits or {"present": True}


WhereTable = Annotated[Where, BeforeValidator(parse_where), PlainSerializer(where_table)]
