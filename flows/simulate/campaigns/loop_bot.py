"""loop_bot: an album, or one to three of its tracks, round and round, each play cut at one of two lengths."""

from dataclasses import dataclass, field

import numpy as np

from flows.simulate.campaigns.base import Crew, Scripted
from flows.simulate.catalogue import ALBUM_TRACKS, Catalogue, Owner
from flows.simulate.steady import Script, gaps_us
from state.types import HOUR_US, MS_US


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopBot(Scripted):
    """Seen on a real service: 37, 60 and 94 s, up to 24 h, 455 to 918 plays a day, desktop browsers, free plan."""

    name: str = "loop_bot"
    start_us: int = 2 * HOUR_US
    owner: Owner = field(default=Owner(tracks=3 * ALBUM_TRACKS))
    plans: tuple[str, ...] = ("free",)
    clients: tuple[str, ...] = ("desktop", "desktop", "web")
    resters: float = 0.4
    lengths_ms: tuple[int, ...] = (37_500, 60_500, 94_500, 131_500)

    def script(self, crew: Crew, catalogue: Catalogue, rng: np.random.Generator, span_us: int) -> Script:
        """A fifth of the bots loops the whole album, the others one to three tracks."""
        m, k = len(crew), span_us // (min(self.lengths_ms) * MS_US) + 1
        looped = np.where(rng.random(m) < 0.2, ALBUM_TRACKS, rng.integers(1, 4, m))[:, None]
        album = rng.integers(0, len(crew.tracks) // ALBUM_TRACKS, m)[:, None]
        place = (np.arange(k) + rng.integers(0, ALBUM_TRACKS, m)[:, None]) % looped
        lengths = rng.choice(self.lengths_ms, (m, 2))
        ms = np.take_along_axis(lengths, place % 2, axis=1) + rng.integers(-200, 200, (m, k))
        track = crew.tracks[album * ALBUM_TRACKS + place]
        return Script(track, ms.astype(np.int32), gaps_us(rng, (m, k), 1.0, 0.6), catalogue.album[track])
