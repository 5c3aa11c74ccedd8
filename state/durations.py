"""Durations and moments as people write them: "250ms", "5m", "30d"; ISO 8601 texts."""

import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from state.times import iso
from state.types import DAY_US, HOUR_US, MINUTE_US, MS_US, SECOND_US

UNITS_US: Final = {"d": DAY_US, "h": HOUR_US, "m": MINUTE_US, "s": SECOND_US, "ms": MS_US, "us": 1}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|us|[dhms])")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
ALLOWED: Final = 'a duration such as "250ms", "30s", "5m", "1h", "1h30m" or "30d", or a number of seconds'


def parse_duration_us(value: object) -> int:
    """Whole microseconds >= 0 of a text such as "1h30m", or of a number of seconds.  Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(ALLOWED)
    if isinstance(value, (int, float)):
        if not math.isfinite(value) or value < 0:
            raise ValueError(ALLOWED)
        return round(value * SECOND_US)
    text = value.strip().replace(" ", "")
    if not text or _PART.sub("", text):
        raise ValueError(ALLOWED)
    return round(sum(Decimal(number) * UNITS_US[unit] for number, unit in _PART.findall(text)))


def format_duration(us: int) -> str:
    """The shortest text in one unit that `parse_duration_us` turns back into the same number: 5400 s are "90m"."""
    if us == 0:
        return "0s"
    return next(f"{us // size}{unit}" for unit, size in UNITS_US.items() if us % size == 0)


def parse_moment_us(value: object) -> int:
    """Microseconds since 1970 of an ISO 8601 text or a TOML date; UTC where it names no offset.  Raises ValueError."""
    allowed = 'a moment such as "2024-05-01T12:00:00Z"'
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(allowed) from None
    if not isinstance(value, datetime):
        raise ValueError(allowed)
    return ((value if value.tzinfo else value.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)


def format_moment(us: int) -> str:
    """ISO 8601 text in UTC."""
    return iso(us, "auto")
