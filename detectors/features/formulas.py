"""Formulas: from quantities of a window to the values of features, all features of one formula at once."""

from collections.abc import Callable

import numpy as np

from state.types import F64

Formula = Callable[..., F64]
"""(unit_us, length_us, *quantities) -> values, of f features of n subjects at once.

unit_us: (f, 1).  length_us: (n,), the window's span of time.  quantities and values: (f, n).
"""


def itself(_unit_us: F64, _length_us: F64, value: F64) -> F64:
    """The quantity."""
    return value


def ratio(_unit_us: F64, _length_us: F64, top: F64, bottom: F64) -> F64:
    """Nan where bottom is 0."""
    return top / np.where(bottom > 0, bottom, np.nan)


def rest(unit_us: F64, length_us: F64, top: F64, bottom: F64) -> F64:
    """What a ratio leaves of 1; nan where bottom is 0."""
    return 1.0 - ratio(unit_us, length_us, top, bottom)


def entropy(_unit_us: F64, _length_us: F64, clogc: F64, total: F64) -> F64:
    """In bits; nan where total is 0.  clogc: the sum of c log2 c over the counts c, which add up to total."""
    some = np.maximum(total, 1.0)
    return np.where(total > 0, np.maximum(np.log2(some) - clogc / some, 0.0), np.nan)


def variation(unit_us: F64, length_us: F64, n: F64, total: F64, squares: F64) -> F64:
    """Standard deviation over mean; nan for fewer than two values, and where the mean is 0."""
    mean = ratio(unit_us, length_us, total, n)
    variance = np.maximum(ratio(unit_us, length_us, squares, n) - mean * mean, 0.0)
    return np.sqrt(variance) / np.where((n >= 2) & (mean > 0), mean, np.nan)


def time_ratio(unit_us: F64, length_us: F64, total: F64) -> F64:
    """A sum of times as a share of the window's span."""
    return total * unit_us / length_us


def per_age_day(_unit_us: F64, _length_us: F64, count: F64, age: F64) -> F64:
    """A younger account than a day counts as a day old; nan where the age is not known."""
    return count / np.maximum(age, 1.0)
