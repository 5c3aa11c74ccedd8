"""Countries with their clocks, and the addresses that people are seen from."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from state.types import HOUR_US, I16, I32, I64

COUNTRIES: Final = ("US", "GB", "DE", "FR", "BR", "MX", "ES", "IT", "SE", "PL", "NL", "IN", "JP", "AU", "CA")
_SHARES: Final = np.array([24, 10, 9, 8, 10, 7, 5, 4, 3, 4, 3, 5, 2, 3, 3]) / 100
_UTC_HOURS: Final = (-6, 0, 1, 1, -3, -6, 1, 1, 1, 1, 1, 5.5, 9, 10, -5)
ELSEWHERE: Final = ("VN", "ID", "RO", "UA", "BG", "TR", "PK", "AR")
"""Where rented machines and stolen accounts show up; a few travellers go there too."""
ALL_COUNTRIES: Final = COUNTRIES + ELSEWHERE
_ELSEWHERE_UTC_HOURS: Final = (7, 7, 2, 2, 2, 3, 5, -3)
ZONE_US: Final[I64] = (np.array(_UTC_HOURS + _ELSEWHERE_UTC_HOURS) * HOUR_US).astype(np.int64)
"""Local time minus UTC by country, microseconds."""


def home_countries(rng: np.random.Generator, count: int) -> I16:
    """(count,) country codes as the platform's customers are spread."""
    return rng.choice(len(COUNTRIES), count, p=_SHARES).astype(np.int16)


@dataclass(slots=True)
class Register:
    """A table that grows while the world is built: each row is one code, its index is its identity."""

    parts: list[I16] = field(default_factory=list)
    size: int = 0

    def add(self, codes: I16) -> I32:
        """Append rows.  Returns their indices, (n,) int32."""
        self.parts.append(codes.astype(np.int16))
        self.size += len(codes)
        return np.arange(self.size - len(codes), self.size, dtype=np.int32)

    @property
    def codes(self) -> I16:
        """(size,) int16: all rows."""
        return np.concatenate(self.parts)


@dataclass(frozen=True, slots=True)
class Pools:
    """Per country, a range of shared addresses: a carrier's gateway, an office, a hotel."""

    first: I32
    count: I32

    @classmethod
    def build(cls, addresses: Register, residents: I32, per_address: int) -> "Pools":
        """residents: (countries,) people of each country; one address for `per_address` of them, at least two."""
        count = np.maximum(2, residents // per_address).astype(np.int32)
        index = addresses.add(np.repeat(np.arange(len(count)), count).astype(np.int16))
        return cls((index[0] + np.cumsum(count) - count).astype(np.int32), count)

    def draw(self, rng: np.random.Generator, country: I16) -> I32:
        """An address of each row's country."""
        return self.first[country] + (rng.random(len(country)) * self.count[country]).astype(np.int32)
