"""Times on the wire to microseconds since 1970 UTC."""

from datetime import UTC, datetime
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PER_UNIT: Final = {"s": (1_000_000, 1), "ms": (1_000, 1), "us": (1, 1), "ns": (1, 1_000)}
"""Unit -> (multiplier, divisor) to microseconds."""


def unit_ratio(unit: str) -> tuple[int, int]:
    """(multiplier, divisor) from a numeric unit to microseconds."""
    return _PER_UNIT[unit]


def numeric_us(value: float, unit: str) -> int:
    """Microseconds of a numeric time: exact and rounded down for integers, to the nearest (half to even) for floats."""
    multiplier, divisor = _PER_UNIT[unit]
    return value * multiplier // divisor if isinstance(value, int) else round(value * (multiplier / divisor))


def iso_us(text: str) -> int:
    """Microseconds of an ISO 8601 text; UTC where it has no offset.  Raises ValueError for other texts."""
    moment = datetime.fromisoformat(text)
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
