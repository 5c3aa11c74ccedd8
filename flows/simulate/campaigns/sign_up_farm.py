"""sign_up_farm: a burst of new accounts from a few addresses, all with the same appetite."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from flows.simulate.campaigns.base import Crew, Scripted
from flows.simulate.catalogue import Catalogue, Owner
from flows.simulate.people import People, Surroundings
from flows.simulate.rows import Rows
from flows.simulate.steady import Script, gaps_us
from state.types import HOUR_US, I32, MINUTE_US


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUpFarm(Scripted):
    """Signed up within 20 minutes from a handful of addresses; then 300 to 500 plays a day of the same 200 tracks."""

    name: str = "sign_up_farm"
    start_us: int = 9 * HOUR_US
    owner: Owner = field(default=Owner(tracks=200, artists=8))
    ramp_us: int = 20 * MINUTE_US
    plans: tuple[str, ...] = ("trial", "trial", "free")
    clients: tuple[str, ...] = ("android", "web")
    countries: tuple[str, ...] = ("US", "GB", "DE", "VN", "ID")
    per_address: int = 8
    resters: float = 0.3
    decoys: float = 0.05
    likes: float = 0.01

    signs_up: ClassVar[bool] = True

    def enlist(
        self, rng: np.random.Generator, user: I32, people: People, around: Surroundings, begin_us: int, owner: int
    ) -> Crew:
        """As every campaign, with accounts that do not exist before."""
        crew = Scripted.enlist(self, rng, user, people, around, begin_us, owner)
        people.created_us[user] = crew.start_us
        return crew

    def script(self, crew: Crew, catalogue: Catalogue, rng: np.random.Generator, span_us: int) -> Script:
        """One to three minutes of a track, shuffled, alike in all accounts."""
        m, k = len(crew), span_us // MINUTE_US
        track = rng.choice(crew.tracks, (m, k))
        ms = np.minimum(catalogue.ms[track], rng.normal(110_000, 25_000, (m, k)).clip(45_000)).astype(np.int32)
        return Script(track, ms, gaps_us(rng, (m, k), 40.0, 0.7), np.full((m, 1), crew.playlist, np.int32))

    def rows(self, crew: Crew, catalogue: Catalogue, day_us: int, rng: np.random.Generator) -> Rows:
        """Sign-ups on the first day (people.created_us makes them), then plays from five minutes later on."""
        later = replace(crew, start_us=crew.start_us + 5 * MINUTE_US)
        return Scripted.rows(self, later, catalogue, day_us, rng)
