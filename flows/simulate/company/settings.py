"""CompanySettings: how well campaigns hide, and how much innocent company there is."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from state.errors import ConfigError
from state.types import DAY_US, F64, HOUR_US

_NEAR_NOTHING: Final = 0.01


@dataclass(frozen=True, slots=True)
class CompanySettings:
    """Ranges are (least, most): each campaign, and for plays each account, draws its own; equal ends fix it.

    organic: what people play of a campaign's tracks, per play of the campaign; at most 2 % of all that people play.
    heavy: share of it that comes from a few who cannot get enough.  plays: what a farm's account plays a day, decoys
    included, as far as 16 hours hold it.  decoys: share of a farm's plays that are popular tracks instead.  jitter_us:
    within how long a lockstep farm's accounts begin the same play.  partitions: a partitioned farm's account plays one
    in so many of the tracks.  thinned: share of the plays of the kinds that are not farms which is left.
    device_accounts: accounts on each device of operators and phone farms.  carrier_accounts: residents of a country per
    carrier address, of whom about half are seen there in a day.  crowds: factor on the number of innocent crowds.
    tracks_per_user: size of the genuine catalogue.
    Raises ConfigError naming the setting, the value seen and what is allowed.
    """

    organic: tuple[float, float] = (0.1, 3.0)
    heavy: float = 0.3
    plays: tuple[float, float] = (20.0, 500.0)
    decoys: tuple[float, float] = (0.3, 0.8)
    jitter_us: tuple[int, int] = (0, HOUR_US)
    partitions: int = 10
    thinned: float = 0.5
    device_accounts: int = 4
    carrier_accounts: int = 1000
    crowds: float = 1.0
    tracks_per_user: float = 8.0

    def __post_init__(self) -> None:
        bounds: dict[str, tuple[float, float]] = {
            "organic": (0.0, 10.0),
            "heavy": (0.0, 1.0),
            "plays": (1.0, 1000.0),
            "decoys": (0.0, 0.95),
            "jitter_us": (0, DAY_US // 8),
            "partitions": (1, 50),
            "thinned": (0.0, 1.0),
            "device_accounts": (1, 100),
            "carrier_accounts": (1, 100_000),
            "crowds": (0.0, 10.0),
            "tracks_per_user": (1.0, 100.0),
        }
        for key, (low, high) in bounds.items():
            value = getattr(self, key)
            ends = value if isinstance(value, tuple) else (value, value)
            if not low <= ends[0] <= ends[1] <= high:
                rising = ", the first not above the second" if isinstance(value, tuple) else ""
                raise ConfigError(
                    f"simulation.company.{key} is {value!r}; it must lie between {low:g} and {high:g}{rising}"
                )


def spread(rng: np.random.Generator, ends: tuple[float, float], count: int) -> F64:
    """(count,) values between the ends, as many between 1 and 2 as between 2 and 4."""
    low, high = (end + _NEAR_NOTHING for end in ends)
    values: F64 = low * (high / low) ** rng.random(count) - _NEAR_NOTHING
    return values
