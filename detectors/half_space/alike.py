"""Rows that are alike: in short windows most subjects did one and the same, and go down the trees together."""

from functools import cache
from typing import NamedTuple

import numpy as np

from detectors.features.hashing import mix
from state.cells import run_lengths, run_starts
from state.types import F32, F64, I64, U64


class Alike(NamedTuple):
    """first: (k,) rows that stand for all.  of: (n,) which of these each row equals.  times: (k,) how many do."""

    first: I64
    of: I64
    times: I64


def alike(x: F64 | F32) -> Alike | None:
    """None where fewer than half of the rows repeat another one, to the bit.  x: (n, F), best in column-major order."""
    bits: U64 = np.ascontiguousarray(x.T).view(f"u{x.itemsize}").astype(np.uint64)
    key = (bits * _factors(len(bits))).sum(axis=0)
    order = key.argsort(kind="stable")
    starts = run_starts(key[order])
    if 2 * len(starts) > len(key):
        return None
    first, times = order[starts], run_lengths(starts, len(key))
    of = np.empty(len(key), np.int64)
    of[order] = np.repeat(np.arange(len(starts)), times)
    # Different rows may have the same key.
    return Alike(first, of, times) if (bits[:, first[of]] == bits).all() else None


@cache
def _factors(columns: int) -> U64:
    """(columns, 1) odd numbers without a pattern."""
    return mix(np.arange(columns, dtype=np.uint64))[:, None] | np.uint64(1)
