"""thirty_second_farm: racks of phones that leave each track as soon as it pays."""

from dataclasses import dataclass, field

import numpy as np

from flows.simulate.campaigns.base import Crew, Scripted
from flows.simulate.catalogue import Catalogue, Owner
from flows.simulate.steady import Script
from state.types import DAY_US, HOUR_US, MS_US, SECOND_US


@dataclass(frozen=True, slots=True, kw_only=True)
class ThirtySecondFarm(Scripted):
    """Plays of 31 to 37 s, 450 to 2,000 a day by account, over about 120 tracks of ten albums."""

    name: str = "thirty_second_farm"
    start_us: int = 3 * HOUR_US
    owner: Owner = field(default=Owner(tracks=120, artists=5))
    plans: tuple[str, ...] = ("premium", "free", "trial")
    clients: tuple[str, ...] = ("android", "android", "android", "web")
    per_address: int = 5
    likes: float = 0.01
    plays_per_day: tuple[int, int] = (450, 2000)

    def script(self, crew: Crew, catalogue: Catalogue, rng: np.random.Generator, span_us: int) -> Script:
        """Shuffled tracks; the waiting between plays is what makes an account slow or fast."""
        low, high = self.plays_per_day
        m, k = len(crew), int(1.1 * high * span_us / DAY_US)
        rate = np.exp(rng.uniform(np.log(low), np.log(high), m))[:, None]
        ms = rng.integers(31_000, 37_000, (m, k)).astype(np.int32)
        wait_us = np.maximum(2 * SECOND_US, DAY_US / rate - 34_000 * MS_US)
        gap_us = (rng.gamma(2.0, 0.5, (m, k)) * wait_us).astype(np.int64)
        track = rng.choice(crew.tracks, (m, k))
        return Script(track, ms, gap_us, catalogue.album[track])
