"""Figures as a person reads them: three digits and a unit."""

import math

NONE = "-"


def number(value: float | None, digits: int = 3) -> str:
    """So many significant digits, thousands apart: 1,234,567; 12.3; 0.0123."""
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    # Rounded first, so that 9.996 is 10.0 and not 10.00.
    rounded = float(f"{value:.{digits}g}") if abs(value) < 10**digits else value
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{decimals}f}"


def whole(value: float) -> str:
    """As it is where it is whole: 1,000,000; else as `number`."""
    return f"{int(value):,}" if value == int(value) else number(value)


def times(value: float | None) -> str:
    """A multiple: 2.41 x."""
    return NONE if value is None else f"{value:.2f} ×"


def percent(value: float | None, decimals: int = 1) -> str:
    """A share: 31.0 %."""
    return NONE if value is None else f"{value:.{decimals}%}".replace("%", " %")


def size(value: float | None) -> str:
    """Bytes: 640 B, 1.20 MiB."""
    return _scaled(value, (("B", 1), ("KiB", 2**10), ("MiB", 2**20), ("GiB", 2**30)))


def duration(seconds: float | None) -> str:
    """A time: 410 ns, 9.00 ms, 2.10 s."""
    return _scaled(seconds, (("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)))


def span(seconds: float | None) -> str:
    """A long time: 5 min, 13 h 31 min."""
    if seconds is None:
        return NONE
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _scaled(value: float | None, units: tuple[tuple[str, float], ...]) -> str:
    if value is None:
        return NONE
    unit, factor = next(((u, f) for u, f in reversed(units) if abs(value) >= 0.9995 * f), units[0])
    return f"{number(value / factor)} {unit}"
