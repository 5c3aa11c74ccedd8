"""Addresses as text, neighbours in one block: a /24 of IPv4 or a /48 of IPv6.  People have neighbours too."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from flows.simulate.seeds import scramble
from state.types import I16, I32, I64, Bool

BLOCK_HOSTS: Final = 254
_HOMES: Final = 10
"""Other accounts' addresses in one block of a provider."""
_SIX: Final = 0.25
_STRIDE: Final = 37
"""Without a common factor with BLOCK_HOSTS, so that hosts differ."""


@dataclass(frozen=True, slots=True)
class Block:
    """Addresses that somebody holds together, (n,) with n at most 254 unless six.  six: a /48 of IPv6."""

    addresses: I32
    six: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """block, place: (addresses,) which block, and the how manieth in it.  six: (blocks,)."""

    block: I32
    place: I32
    six: Bool

    @classmethod
    def build(cls, rng: np.random.Generator, country: I16, first_day: int, held: Sequence[Block]) -> "Layout":
        """All addresses: first the held blocks, then the others, ten of one country in a block, a quarter of these v6.

        country: (addresses,) code.  first_day: how many of them there are on the first day; later ones are neighbours
        of each other only, so that a longer simulation has the same addresses and more.
        """
        block = np.full(len(country), -1, np.int32)
        place = np.zeros(len(country), np.int32)
        for number, one in enumerate(held):
            block[one.addresses] = number
            place[one.addresses] = np.arange(len(one.addresses))
        count = len(held)
        others = np.flatnonzero(block < 0)
        early = others < first_day
        for part in (rng.permutation(others[early]), others[~early]):
            block[part], place[part] = _neighbours(country[part])
            block[part] += count
            count = int(block.max(initial=count - 1)) + 1
        six = rng.random(count) < _SIX
        six[: len(held)] = [one.six for one in held]
        return cls(block, place, six)

    def texts(self, salt: int) -> list[str]:
        """The addresses, all different: 32.0.0.0 to 95.255.255.255, or in 2a00::/12."""
        numbers = np.arange(len(self.six), dtype=np.uint64)
        four, six = scramble(numbers, salt, 22), scramble(numbers, salt + 1, 28)
        turn = scramble(numbers, salt + 2, 32) % np.uint64(BLOCK_HOSTS)
        host: I64 = 1 + (self.place.astype(np.int64) * _STRIDE + turn[self.block].astype(np.int64)) % BLOCK_HOSTS
        found = []
        columns = (self.six[self.block], four[self.block], six[self.block], self.place, host)
        for is_six, a, b, place, h in zip(*(c.tolist() for c in columns), strict=True):
            if is_six:
                found.append(f"2a0{b >> 24:x}:{b >> 8 & 0xFFFF:x}:{(b & 0xFF) << 8 | 1:x}:{place + 1:x}::{h:x}")
            else:
                found.append(f"{32 + (a >> 16)}.{a >> 8 & 255}.{a & 255}.{h}")
        return found


def _neighbours(country: I16) -> tuple[I32, I32]:
    """(n,) block of each address, by first appearance, and place in it, where ten of a country fill one in turn."""
    order = np.argsort(country, kind="stable")
    nth = np.empty(len(country), np.int64)
    nth[order] = np.arange(len(country)) - np.searchsorted(country[order], country[order])
    key = country * np.int64(len(country) + 1) + nth // _HOMES
    _, first, block = np.unique(key, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[block].astype(np.int32), (nth % _HOMES).astype(np.int32)
