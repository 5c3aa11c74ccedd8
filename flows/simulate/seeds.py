"""Randomness and identifiers, both functions of the seed."""

import zlib
from typing import Final

import numpy as np

from state.types import U64

_ODD: Final = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9)
_SALT: Final = 0xD6E8FEB86659FD93


def stream(seed: int, purpose: str, *more: int) -> np.random.Generator:
    """The generator for one purpose: a new purpose never moves the numbers of another.  more: non-negative."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), *more])


def scramble(values: U64, salt: int, bits: int = 64) -> U64:
    """One-to-one shuffle of [0, 2**bits): identifiers that are unique without looking numbered.

    values: (n,) uint64 below 2**bits.  Returns (n,) uint64 below 2**bits.
    Source: Steele, Lea & Flood 2014, the SplitMix64 finalizer (odd multiplications and xor-shifts), on fewer bits.
    """
    mask = np.uint64(2**bits - 1)
    half = np.uint64(bits // 2)
    x = values ^ np.uint64((salt + 1) * _SALT & int(mask))
    for odd in _ODD:
        x = (x * np.uint64(odd)) & mask
        x ^= x >> half
    return x


def names(prefix: str, count: int, salt: int) -> list[str]:
    """`count` different names: the prefix and ten hexadecimal digits."""
    salt += zlib.crc32(prefix.encode())  # else user 7 and device 7 would share their digits
    return [f"{prefix}{x:010x}" for x in scramble(np.arange(count, dtype=np.uint64), salt, 40).tolist()]
