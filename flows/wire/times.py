"""Times on the wire to microseconds since 1970 UTC."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from state.times import from_iso, whole_us

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - of times that a zone is still to be given
_ZERO: Final = timedelta()
_SLOT_US: Final = 60 * 1_000_000
"""Clocks change at full minutes of their own time: all of them since 1973, as they were before."""
_PER_UNIT: Final = {"s": (1_000_000, 1), "ms": (1_000, 1), "us": (1, 1), "ns": (1, 1_000)}
"""Unit -> (multiplier, divisor) to microseconds."""


def unit_ratio(unit: str) -> tuple[int, int]:
    """(multiplier, divisor) from a numeric unit to microseconds."""
    return _PER_UNIT[unit]


def numeric_us(value: float, unit: str) -> int:
    """Microseconds of a numeric time: exact and rounded down for integers, to the nearest (half to even) for floats."""
    multiplier, divisor = _PER_UNIT[unit]
    return value * multiplier // divisor if isinstance(value, int) else round(value * (multiplier / divisor))


@lru_cache(maxsize=8)
def iso_reader(zone: str) -> Callable[[str], int]:
    """`from_iso` for texts that are times of a zone where they have no offset.  zone: its name in the IANA database, ""
    for UTC.

    A time that a change of the clock has skipped is read with the offset from before the change, one that comes twice
    as the first of the two (PEP 495, fold 0).
    """
    if not zone:
        return from_iso
    offset_us = _offsets(ZoneInfo(zone))

    def local_us(text: str) -> int:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo:
            return whole_us(moment - _EPOCH)
        us = whole_us(moment - _NAIVE_EPOCH)
        return us - offset_us(us // _SLOT_US)

    return local_us


def _offsets(zone: ZoneInfo) -> Callable[[int], int]:
    """Microseconds that the zone is ahead of UTC in a minute of its own time, in which no clock changes.

    Events come close together: one look at the rules serves all of a minute.
    """

    @lru_cache(maxsize=4096)
    def offset_us(slot: int) -> int:
        local = (_NAIVE_EPOCH + timedelta(microseconds=slot * _SLOT_US)).replace(tzinfo=zone)
        return whole_us(local.utcoffset() or _ZERO)

    return offset_us
