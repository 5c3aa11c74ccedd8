"""One converter per kind of column: what may be read for it, the values as an array, why a value does not fit."""

import math
import struct
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Annotated, Any, Final, Literal

import numpy as np
from msgspec import Meta

from flows.wire.hashing import IdPiece, hash_pieces, id_piece, id_texts
from flows.wire.path_text import format_path
from flows.wire.paths import Cells, NotThere
from flows.wire.reject import Reason, Why, describe
from flows.wire.spec import ISO8601, FieldSpec, Path, WireSpec
from flows.wire.times import iso_reader, numeric_us, unit_ratio
from state.schema import Kind
from state.times import iso
from state.types import F64, I16, I64, NO_CODE, NO_ID, U64, Bool, Values

EXACT_MAX: Final = 2.0**53 - 1
"""The largest magnitude up to which float64 holds every integer and none that was rounded to it."""
_INT64_MAX: Final = 2**63 - 1
_EITHER: Final = Annotated[int, Meta(ge=-(2**63), le=_INT64_MAX)] | float
"""A number as it is written; one that is read as float alone is a float in any case."""
_NUMBERS: Final = frozenset({int, float})
_UNKNOWN: Final = np.int16(NO_CODE).tobytes()


class Converter(ABC):
    """Turns the values of one path into one column.

    types: how msgspec may read a value.  Whatever it takes for one of them is a value that fits (`why` is None), or one
    that `column` finds unfit; what it refuses may fit nevertheless.
    default: what it reads an absent member as.  absent: what `why` is told of one.
    """

    dtype: type[np.generic]
    types: tuple[Any, ...]
    default: Any = None
    absent: Any = None

    def __init__(self, path: Path, required: bool) -> None:
        self.path = path
        self.required = required
        self._where = format_path(path)

    @abstractmethod
    def piece(self, values: Cells) -> Any:
        """What `column` needs of some values, at least one."""

    @abstractmethod
    def column(self, pieces: Sequence[Any]) -> tuple[Values, Bool | bool]:
        """The values of some pieces, at least one, as (n,) of `dtype`; and which of them do not fit."""

    def why(self, value: Any) -> Why | None:
        """The reason why this value does not fit, None if it does."""
        match value:
            case NotThere():
                return Reason.WRONG_TYPE, value.found
            case None:
                return (Reason.MISSING_FIELD, f"{self._where}: absent or null") if self.required else None
            case dict() | list():
                return Reason.NESTED, f"{self._where}: found {describe(value)}, expected a plain value"
        return self._why(value)

    @abstractmethod
    def _why(self, value: Any) -> Why | None: ...

    def _or_null(self, *types: Any) -> tuple[Any, ...]:
        return types if self.required else (*types, None)

    def _wrong(self, value: Any, expected: str, reason: Reason = Reason.WRONG_TYPE) -> Why:
        return reason, f"{self._where}: found {describe(value)}, expected {expected}"


class IdConverter(Converter):
    """Text or an integer to its hash.  chars_max: of a text, for those who keep it."""

    dtype = np.uint64
    default = absent = ""

    def __init__(self, path: Path, required: bool, chars_max: int = sys.maxsize) -> None:
        super().__init__(path, required)
        self.types = self._or_null(str, int)
        self._chars_max = chars_max

    def piece(self, values: Cells) -> IdPiece:
        return id_piece(values)

    def texts(self, values: Sequence[Any]) -> Sequence[str]:
        """The ids as texts, for those who keep them."""
        return id_texts(values)

    def column(self, pieces: Sequence[IdPiece]) -> tuple[U64, Bool | bool]:
        hashes, unfit = hash_pieces(pieces)
        return hashes, unfit | (hashes == NO_ID) if self.required else unfit

    def _why(self, value: Any) -> Why | None:
        if type(value) is str:
            if len(value) > self._chars_max:
                why = f"{self._where}: found an id of {len(value):,} characters, expected at most {self._chars_max:,}"
                return Reason.TOO_LONG, why
            empty = self.required and value == ""
            return (Reason.MISSING_FIELD, f"{self._where}: absent or empty") if empty else None
        if type(value) is int:
            return None
        if type(value) is float and abs(value) >= 2**63:  # orjson reads integers beyond 64 bits as floats
            return self._wrong(value, "an id of at most 64 bits", Reason.HUGE_INTEGER)
        return self._wrong(value, "text or an integer")


class NumberConverter(Converter):
    """An integer or a float to float64, scaled."""

    dtype = np.float64
    default = math.nan

    def __init__(self, spec: FieldSpec) -> None:
        super().__init__(spec.path, spec.required)
        self.types = self._or_null(float)
        self._scale = spec.scale
        bounds = {"at least": spec.low, "at most": spec.high}
        self._span = (
            " and ".join(f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None) or "finite"
        )
        self._low = -sys.float_info.max if spec.low is None else spec.low
        self._high = sys.float_info.max if spec.high is None else spec.high

    def piece(self, values: Cells) -> bytes:
        return _floats(values)

    def column(self, pieces: Sequence[bytes]) -> tuple[F64, Bool]:
        numbers: F64 = np.frombuffer(b"".join(pieces), np.float64)
        unfit = np.abs(numbers) > EXACT_MAX
        if self._scale != 1.0:
            with np.errstate(over="ignore"):
                numbers = numbers * self._scale
        return numbers, unfit | (numbers < self._low) | (numbers > self._high)

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
        known = {word: word for word in spec.column.values} | dict(spec.words)
        self._words = tuple(known)
        self._strict = spec.strict
        self._codes = _Codes({value: spec.column.values.index(word) for value, word in known.items()})
        if spec.strict:
            booleans = (bool,) if {"true", "false"} <= known.keys() else ()
            self.types = self._or_null(Literal[self._words], *booleans)
        else:
            self.types = self._or_null(str, bool)

    def piece(self, values: Cells) -> bytes:
        codes = itemgetter(None, *values)(self._codes)  # of two or more: a tuple
        return b"".join(codes[1:])

    def column(self, pieces: Sequence[bytes]) -> tuple[I16, bool]:
        return np.frombuffer(b"".join(pieces), np.int16), False

    def _why(self, value: Any) -> Why | None:
        if type(value) is not str and type(value) is not bool:
            return self._wrong(value, "a word")
        if self._strict and value not in self._codes:
            return self._wrong(value, f"one of {', '.join(self._words)}", Reason.UNKNOWN_WORD)
        return None


class _Codes(dict[str | bool | None, bytes]):
    """Value -> code, as int16.  Unknown words are not remembered: there may be any number of them."""

    def __init__(self, codes: Mapping[str, int]) -> None:
        super().__init__({value: np.int16(code).tobytes() for value, code in codes.items()})
        for word, value in (("true", True), ("false", False)):
            if word in self:
                self[value] = self[word]

    def __missing__(self, value: object) -> bytes:
        return _UNKNOWN


class TimeConverter(Converter):
    """A time to microseconds: float64 and nan where missing, or int64 for the event time.  zone: of texts without an
    offset.
    """

    def __init__(
        self,
        path: Path,
        required: bool,
        unit: str,
        low_us: float,
        high_us: float,
        zone: str = "",
        dtype: type[np.generic] = np.float64,
    ) -> None:
        super().__init__(path, required)
        self.dtype = dtype
        self._iso_us = iso_reader(zone)
        self._unit = unit
        self._low_us, self._high_us = low_us, high_us
        self._multiplier, self._divisor = (0, 1) if unit == ISO8601 else unit_ratio(unit)
        # Within these bounds the float64 of a time is exact, and what was rounded is beyond them.
        self._is_exact = self._multiplier > 0 and self._divisor == 1 and -EXACT_MAX <= low_us <= high_us <= EXACT_MAX
        self.types = self._or_null(*((str,) if unit == ISO8601 else (float,) if self._is_exact else (_EITHER,)))
        self.default = math.nan if self._is_exact else None

    def piece(self, values: Cells) -> bytes:
        if self._is_exact:
            return _floats(values)
        if self._unit != ISO8601:
            numbers = np.array(values)
            limit = _INT64_MAX // self._multiplier
            if numbers.dtype == np.int64 and numbers.min() >= -limit and numbers.max() <= limit:
                return (numbers * self._multiplier // self._divisor).astype(self.dtype).tobytes()
        return np.array([self._clipped_us(value) for value in values], self.dtype).tobytes()

    def column(self, pieces: Sequence[bytes]) -> tuple[F64 | I64, Bool]:
        times: F64 | I64 = np.frombuffer(b"".join(pieces), np.float64 if self._is_exact else self.dtype)
        if self._is_exact:
            with np.errstate(over="ignore"):
                times = np.rint(times * self._multiplier)
        unfit = (times < self._low_us) | (times > self._high_us)
        return (np.where(unfit, 0, times) if unfit.any() else times).astype(self.dtype, copy=False), unfit

    def _clipped_us(self, value: Any) -> float:
        """What is no time, or none that int64 can hold, is out of all bounds."""
        try:
            us = self._us(value)
        except (ValueError, OverflowError):
            return _INT64_MAX
        return max(-_INT64_MAX, min(us, _INT64_MAX)) if us == us else us

    def _us(self, value: Any) -> float:
        if value is None and not self.required:
            return math.nan
        if self._unit == ISO8601 and type(value) is str:
            return self._iso_us(value)
        if self._unit != ISO8601 and type(value) in _NUMBERS:
            return numeric_us(value, self._unit)
        raise ValueError

    def _why(self, value: Any) -> Why | None:
        try:
            us = self._us(value)
        except OverflowError:
            us = math.inf
        except ValueError:
            return self._wrong(value, "an ISO 8601 time" if self._unit == ISO8601 else f"a number of {self._unit}")
        if self._low_us <= us <= self._high_us:
            return None
        span = f"{iso(int(self._low_us))} to {iso(int(self._high_us))}"
        return self._wrong(value, f"a time from {span}", Reason.TIME_OUT_OF_RANGE)


def field_converter(spec: FieldSpec, zone: str) -> Converter:
    """The converter of one configured column.  zone: of times without an offset."""
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
            return TimeConverter(spec.path, spec.required, spec.unit, low, high, zone)


def event_time_converter(spec: WireSpec) -> Converter:
    """The converter of the event time: int64, always required."""
    bounds = spec.time_min_us, spec.time_max_us - 1
    return TimeConverter(spec.event_time, True, spec.time_unit, *bounds, spec.time_zone, np.int64)


def _floats(values: Cells) -> bytes:
    """The bytes of the values as float64, nan for None."""
    try:
        return struct.pack(f"{len(values)}d", *values)  # measured: a third of np.fromiter
    except struct.error:
        return np.array(values, np.float64).tobytes()
