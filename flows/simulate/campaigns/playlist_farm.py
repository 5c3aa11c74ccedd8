"""playlist_farm: one playlist of very short tracks by one owner, in order, from the top again."""

from dataclasses import dataclass, field

import numpy as np

from flows.simulate.campaigns.base import Crew, Scripted
from flows.simulate.catalogue import Catalogue, Owner
from flows.simulate.steady import Script, gaps_us
from state.types import HOUR_US, MS_US


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaylistFarm(Scripted):
    """The Bulgarian playlists: 467 tracks of little over half a minute, premium plans, about 2,000 plays a day."""

    name: str = "playlist_farm"
    start_us: int = 5 * HOUR_US + HOUR_US // 2
    owner: Owner = field(default=Owner(tracks=467, artists=12, ms_min=30_500, ms_max=46_000))
    per_address: int = 3
    clients: tuple[str, ...] = ("android", "ios", "desktop")
    decoys: float = 0.01
    likes: float = 0.004

    def script(self, crew: Crew, catalogue: Catalogue, rng: np.random.Generator, span_us: int) -> Script:
        """Each account enters the playlist somewhere and stays in it."""
        m, k = len(crew), span_us // (self.owner.ms_min * MS_US) + 1
        place = (np.arange(k) + rng.integers(0, len(crew.tracks), m)[:, None]) % len(crew.tracks)
        track = crew.tracks[place]
        context = np.full((m, 1), crew.playlist, np.int32)
        return Script(track, catalogue.ms[track], gaps_us(rng, (m, k), 3.0, 1.0), context)
