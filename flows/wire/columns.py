"""One converter per kind of column: JSON values to an array, or why a value does not fit."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from flows.wire.hashing import IdHasher
from flows.wire.paths import NotAnObject
from flows.wire.reject import Reason, Why, describe
from flows.wire.spec import ISO8601, FieldSpec, Path, WireSpec
from flows.wire.times import iso_us, numeric_us, unit_ratio
from state.schema import Kind
from state.types import F64, I16, I64, NO_CODE, U64, Values

EXACT_MAX: Final = 2.0**53 - 1
"""The largest magnitude up to which float64 holds every integer and none that was rounded to it."""
_INT64_MAX: Final = 2**63 - 1
_NONE: Final = type(None)
_NUMBERS: Final = frozenset({int, float})


class UnfitError(ValueError):
    """One of the values does not fit the column; `why` tells which."""


class Converter(ABC):
    """Turns the values of one path into one column.

    `convert` raises UnfitError, TypeError or OverflowError exactly when `why` names a reason for one of the values.
    """

    dtype: type[np.generic]
    absent: Any = None
    """What an absent key is read as."""

    def __init__(self, path: Path, required: bool) -> None:
        self.where = ".".join(path)
        self.required = required

    @abstractmethod
    def convert(self, values: Sequence[Any]) -> Values:
        """(n,) of `dtype`, n >= 1."""

    def why(self, value: Any) -> Why | None:
        """The reason why this value does not fit, None if it does."""
        match value:
            case NotAnObject():
                return Reason.WRONG_TYPE, value.found
            case None:
                return (Reason.MISSING_FIELD, f"{self.where}: absent or null") if self.required else None
            case dict() | list():
                return Reason.NESTED, f"{self.where}: found {describe(value)}, expected a plain value"
        return self._why(value)

    @abstractmethod
    def _why(self, value: Any) -> Why | None: ...

    def _wrong(self, value: Any, expected: str, reason: Reason = Reason.WRONG_TYPE) -> Why:
        return reason, f"{self.where}: found {describe(value)}, expected {expected}"


class IdConverter(Converter):
    """Text or an integer to its hash."""

    dtype = np.uint64
    absent = ""

    def __init__(self, path: Path, required: bool) -> None:
        super().__init__(path, required)
        self._hash = IdHasher()

    def convert(self, values: Sequence[Any]) -> U64:
        hashes = self._hash(values)
        if self.required and not hashes.all():
            raise UnfitError
        return hashes

    def _why(self, value: Any) -> Why | None:
        if type(value) is str:
            empty = self.required and value == ""
            return (Reason.MISSING_FIELD, f"{self.where}: absent or empty") if empty else None
        if type(value) is int:
            return None
        if type(value) is float and abs(value) >= 2**63:  # orjson reads integers beyond 64 bits as floats
            return self._wrong(value, "an id of at most 64 bits", Reason.HUGE_INTEGER)
        return self._wrong(value, "text or an integer")


class NumberConverter(Converter):
    """An integer or a float to float64, scaled."""

    dtype = np.float64

    def __init__(self, spec: FieldSpec) -> None:
        super().__init__(spec.path, spec.required)
        self._scale = spec.scale
        bounds = {"at least": spec.low, "at most": spec.high}
        self._span = (
            " and ".join(f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None) or "finite"
        )
        self._low = -sys.float_info.max if spec.low is None else spec.low
        self._high = sys.float_info.max if spec.high is None else spec.high
        self._types = _NUMBERS if spec.required else _NUMBERS | {_NONE}

    def convert(self, values: Sequence[Any]) -> F64:
        types = set(map(type, values))
        if not types <= self._types:
            raise UnfitError
        if types == {_NONE}:
            return np.full(len(values), np.nan)
        numbers = np.array(values, np.float64)
        if _outside(numbers, -EXACT_MAX, EXACT_MAX):
            raise UnfitError
        if self._scale != 1.0:
            with np.errstate(over="ignore"):
                numbers *= self._scale
        if _outside(numbers, self._low, self._high):
            raise UnfitError
        return numbers

    def _why(self, value: Any) -> Why | None:
        if type(value) not in _NUMBERS:
            return self._wrong(value, "a number")
        if abs(float(value)) > EXACT_MAX:
            return self._wrong(value, "less than 2**53", Reason.HUGE_INTEGER)
        if not self._low <= float(value) * self._scale <= self._high:
            scaled = "" if self._scale == 1.0 else f" after scaling by {self._scale:g}"
            return self._wrong(value, f"{self._span}{scaled}", Reason.OUT_OF_RANGE)
        return None


class EnumConverter(Converter):
    """A word, or a boolean where the words are "true" and "false", to its position in the column's words."""

    dtype = np.int16

    def __init__(self, spec: FieldSpec) -> None:
        super().__init__(spec.path, spec.required)
        self._codes = _Codes(spec)

    def convert(self, values: Sequence[Any]) -> I16:
        # As keys, 1, 1.0 and True are one: where True is a word, the types are looked at as well.
        if self._codes.has_booleans and not _Codes.types.issuperset(map(type, values)):
            raise UnfitError
        return np.fromiter(map(self._codes.__getitem__, values), np.int16, len(values))

    def _why(self, value: Any) -> Why | None:
        if type(value) is not str and type(value) is not bool:
            return self._wrong(value, "a word")
        if self._codes.strict and value not in self._codes:
            return self._wrong(value, f"one of {', '.join(self._codes.words)}", Reason.UNKNOWN_WORD)
        return None


class _Codes(dict[str | bool | None, int]):
    """Word -> code.  Unknown words are not remembered: there may be any number of them."""

    types: Final = frozenset({str, bool, _NONE})

    def __init__(self, spec: FieldSpec) -> None:
        self.words = spec.column.values
        self.strict = spec.strict
        super().__init__({word: code for code, word in enumerate(self.words)})
        for word, value in (("true", True), ("false", False)):
            if word in self:
                self[value] = self[word]
        self.has_booleans = True in self or False in self
        if not spec.required:
            self[None] = NO_CODE

    def __missing__(self, value: Any) -> int:
        if type(value) in (str, bool) and not self.strict:
            return NO_CODE
        raise UnfitError


class TimeConverter(Converter):
    """A time to microseconds: float64 and nan where missing, or int64 for the event time."""

    def __init__(
        self, path: Path, required: bool, unit: str, low_us: float, high_us: float, dtype: type[np.generic] = np.float64
    ) -> None:
        super().__init__(path, required)
        self.dtype = dtype
        self._unit = unit
        self._low_us, self._high_us = low_us, high_us
        self._ratio = None if unit == ISO8601 else unit_ratio(unit)

    def convert(self, values: Sequence[Any]) -> F64 | I64:
        times = self._sweep(values, *self._ratio) if self._ratio else None
        if times is None:
            times = np.array([self._us(value) for value in values], self.dtype)
        if _outside(times, self._low_us, self._high_us):
            raise UnfitError
        return times

    def _sweep(self, values: Sequence[Any], multiplier: int, divisor: int) -> F64 | I64 | None:
        """`_us` of all values at once, where that is exact; None where not."""
        types = set(map(type, values))
        if types == {int}:
            raw = np.array(values, np.int64)
            limit = _INT64_MAX // multiplier
            if raw.min() < -limit or raw.max() > limit:
                raise UnfitError
            return (raw * multiplier // divisor if divisor > 1 else raw * multiplier).astype(self.dtype, copy=False)
        if types == {_NONE} and not self.required:
            return np.full(len(values), np.nan)
        if self.dtype is np.float64 and divisor == 1 and types <= (_NUMBERS if self.required else _NUMBERS | {_NONE}):
            with np.errstate(over="ignore"):
                return np.rint(np.array(values, np.float64) * multiplier)  # what is rounded here is out of range anyway
        return None

    def _us(self, value: Any) -> float:
        if value is None and not self.required:
            return float("nan")
        if self._unit == ISO8601 and type(value) is str:
            return iso_us(value)
        if self._unit != ISO8601 and type(value) in _NUMBERS:
            return numeric_us(value, self._unit)
        raise UnfitError

    def _why(self, value: Any) -> Why | None:
        try:
            us = self._us(value)
        except OverflowError:
            us = float("inf")
        except ValueError:
            return self._wrong(value, "an ISO 8601 time" if self._unit == ISO8601 else f"a number of {self._unit}")
        if self._low_us <= us <= self._high_us:
            return None
        span = f"{np.datetime64(int(self._low_us), 'us')} to {np.datetime64(int(self._high_us), 'us')}"
        return self._wrong(value, f"a time from {span}", Reason.TIME_OUT_OF_RANGE)


def field_converter(spec: FieldSpec) -> Converter:
    """The converter of one configured column."""
    match spec.column.kind:
        case Kind.ID:
            return IdConverter(spec.path, spec.required)
        case Kind.NUMBER:
            return NumberConverter(spec)
        case Kind.ENUM:
            return EnumConverter(spec)
        case Kind.TIME:
            low = -EXACT_MAX if spec.low is None else max(spec.low, -EXACT_MAX)
            high = EXACT_MAX if spec.high is None else min(spec.high, EXACT_MAX)
            return TimeConverter(spec.path, spec.required, spec.unit, low, high)


def event_time_converter(spec: WireSpec) -> Converter:
    """The converter of the event time: int64, always required."""
    return TimeConverter(spec.event_time, True, spec.time_unit, spec.time_min_us, spec.time_max_us - 1, np.int64)


def _outside(values: F64 | I64, low: float, high: float) -> bool:
    """Whether a value, nan aside, lies outside low <= value <= high."""
    return bool(np.fmin.reduce(values) < low or np.fmax.reduce(values) > high)
