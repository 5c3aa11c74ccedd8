"""Columns of numbers that tell who a row is, not what it is like: running numbers, hashes, constants."""

from typing import Final

import numpy as np

from flows.scoring.table import Table
from state.types import F64

_ROWS: Final = 50
"""Of fewer rows nothing is said: they may be all different, or ascending, by chance."""
_DISTINCT: Final = 0.99
_HASH_SPAN: Final = 2.0**30
_UNEVEN: Final = 0.1
"""How far hashes may be from evenly spread over their range: the Kolmogorov distance."""


def left_out(table: Table) -> dict[str, str]:
    """Feature -> what it is instead of a feature, in the order of the table.

    A running number is different in every row and only rises or only falls, in the order of the file; a hash is a whole
    number, hardly ever twice the same, spread evenly over a range of 2**30 or more.  A table in which nothing else is
    keeps everything.
    """
    if len(table) < _ROWS:
        return {}
    order = np.argsort(table.number, kind="stable")
    found = {name: what for i, name in enumerate(table.features) if (what := _what(table.x[order, i]))}
    return found if len(found) < len(table.features) else {}


def _what(values: F64) -> str:
    known = values[np.isfinite(values)]
    if not len(known) or known.min() == known.max():
        return "constant"
    if len(known) < _ROWS:
        return ""
    steps = np.diff(known)
    if (steps > 0).all() or (steps < 0).all():
        return "a running number"
    span = float(known.max() - known.min())
    if span < _HASH_SPAN or (known != np.floor(known)).any():
        return ""
    ordered = np.unique(known)
    if len(ordered) < _DISTINCT * len(known):
        return ""
    uneven = np.abs((ordered - ordered[0]) / span - np.linspace(0, 1, len(ordered))).max()
    return "a hash" if uneven <= _UNEVEN else ""
