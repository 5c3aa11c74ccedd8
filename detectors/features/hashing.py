"""Stable mixing of 64-bit values."""

from typing import Final

import numpy as np

from state.types import F64, U64

_MASK: Final = 2**64 - 1


def mix(x: U64) -> U64:
    """splitmix64's finaliser: spreads every input bit over all output bits.  x: (n,) uint64.

    Source: Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators".
    """
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def mix_one(x: int) -> int:
    """`mix` of one value, 0 <= x < 2**64."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & _MASK
    return x ^ (x >> 31)


def pair(first: U64, second: U64) -> U64:
    """A hash of the ordered pair; 0 (missing) where either is missing."""
    both = mix(first * np.uint64(0x9E3779B97F4A7C15) + second)
    both[(first == 0) | (second == 0)] = 0
    return both


def bins(x: F64, resolution: float) -> U64:
    """A hash of floor(x / resolution).  x: (n,) float64 without nan."""
    return mix(np.floor(x / resolution).astype(np.int64).view(np.uint64) + np.uint64(0x9E3779B97F4A7C15))
