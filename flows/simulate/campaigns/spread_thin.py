"""spread_thin: a lot of content and a little streaming; no track, and no hour, stands out."""

from dataclasses import dataclass, field

import numpy as np

from flows.simulate.campaigns.base import Crew, Scripted
from flows.simulate.catalogue import Catalogue, Owner
from flows.simulate.steady import Script, gaps_us
from state.types import HOUR_US, MS_US


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadThin(Scripted):
    """The Smith case: 636 plays per bot and day, one per 136 s round the clock, family plans, never a skip."""

    name: str = "spread_thin"
    start_us: int = 4 * HOUR_US + HOUR_US // 4
    owner: Owner = field(default=Owner(tracks=20_000, artists=1_000, holders=3, ms_min=95_000, ms_max=165_000))
    share: float = 0.005
    plans: tuple[str, ...] = ("family",)
    clients: tuple[str, ...] = ("desktop", "web", "android", "speaker")
    per_address: int = 5
    resters: float = 0.1
    decoys: float = 0.02

    def script(self, crew: Crew, catalogue: Catalogue, rng: np.random.Generator, span_us: int) -> Script:
        """Any of the owner's tracks, to its end."""
        m, k = len(crew), span_us // (self.owner.ms_min * MS_US) + 1
        track = rng.choice(crew.tracks, (m, k))
        context = np.where(rng.random((m, k)) < 0.5, catalogue.album[track], crew.playlist).astype(np.int32)
        return Script(track, catalogue.ms[track], gaps_us(rng, (m, k), 4.0, 0.8), context)
