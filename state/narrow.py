"""Rows of numbers in few bytes that hold them to the bit: most are counts, or times that are near each other."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from state.types import F64

_WIDTHS: Final = (1, 2, 4)
_FLOAT: Final = 8
_EXACT: Final = 2.0**53
"""Whole numbers up to this are floats, and so are their differences."""


def narrowed(rows: F64) -> dict[str, NDArray[Any]]:
    """Arrays that `widened` takes.  rows: (k, n) float64.

    width: (k,) uint8, bytes per number: of whole numbers that are near each other fewer than eight.  low: (k,) float64,
    what is taken from each number of such a row.  body: the bytes of all rows, those of one width side by side.
    """
    width, low = np.full(len(rows), _FLOAT, np.uint8), np.zeros(len(rows))
    if rows.size:
        whole = (np.rint(rows) == rows) & (np.abs(rows) <= _EXACT) & ((rows != 0) | ~np.signbit(rows))
        least = rows.min(axis=1)
        with np.errstate(invalid="ignore", over="ignore"):  # of rows that are not whole numbers nobody asks
            span = np.where(whole.all(axis=1), rows.max(axis=1) - least, np.inf)
        for size in reversed(_WIDTHS):
            width[span < 256.0**size] = size
        low = np.where(width < _FLOAT, least, 0.0)
    parts = [(rows[width == size] - low[width == size, None]).astype(f"<u{size}").tobytes() for size in _WIDTHS]
    body = b"".join([*parts, rows[width == _FLOAT].astype("<f8").tobytes()])
    return {"width": width, "low": low, "body": np.frombuffer(body, np.uint8)}


def widened(width: NDArray[np.uint8], low: F64, body: NDArray[np.uint8], count: int) -> F64:
    """The rows, (k, n) float64.  count: n."""
    rows, widths, begin = np.empty((len(width), count)), width.tolist(), 0
    for size in (*_WIDTHS, _FLOAT):
        mine = [row for row, other in enumerate(widths) if other == size]
        if not mine:
            continue
        end = begin + len(mine) * count * size
        block = body[begin:end].view(f"<u{size}" if size < _FLOAT else "<f8").reshape(len(mine), count)
        rows[mine] = block + low[mine, None] if size < _FLOAT else block  # adding 0 would change -0
        begin = end
    if begin != len(body):
        raise ValueError(f"{len(body)} bytes, expected {begin}")
    return rows
