"""shop_chain: one account per shop, all with the chain's playlist from the top at opening time."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np

from flows.simulate.calendar import Day
from flows.simulate.company.crowds.base import Candidates, Crowd
from flows.simulate.company.premises import Premises
from flows.simulate.geography import ZONE_US
from flows.simulate.people import PLANS, People
from flows.simulate.rows import Rows
from flows.simulate.steady import Script, gaps_us, perform
from state.types import DAY_US, HOUR_US, I32, I64, MINUTE_US

if TYPE_CHECKING:
    from flows.simulate.world import World

_SIZE: Final = 40
_TRACKS: Final = 120
_OPENING_US, _OPEN_US = 9 * HOUR_US, 10 * HOUR_US
_LATE_US: Final = 10 * MINUTE_US
_THROUGH_THE_COMPANY: Final = 0.3


@dataclass(frozen=True, slots=True)
class ShopChain(Crowd):
    """40 shops of one country, ten hours of music a day; a third of them behind the company's one address.

    tracks: of the playlist, in order.  playlist: its context.
    """

    tracks: I32
    playlist: int

    kind: ClassVar[str] = "shop_chain"

    @classmethod
    def gather(
        cls, rng: np.random.Generator, number: int, people: People, candidates: Candidates, premises: Premises
    ) -> Self:
        members, country = candidates.compatriots(rng, _SIZE, active=False)
        people.plan[members] = PLANS.index("premium")
        people.device[members] = premises.buy(("speaker", "speaker", "desktop"), rng, len(members))
        people.devices[members] = 1
        behind = members[rng.random(len(members)) < _THROUGH_THE_COMPANY]
        people.home[behind] = people.work[behind] = premises.rent(country, 1)[0]
        catalogue = premises.catalogue
        tracks = catalogue.tracks_of(rng, catalogue.popular_artists(rng, _TRACKS))
        return cls(number, members, tracks, catalogue.some_playlist(rng))

    def quota(self, day: Day, count: I64, rng: np.random.Generator) -> None:
        """Nobody listens in a shop that is closed."""
        del day, rng
        count[self.members] = 0

    def acts(self, world: "World", day: Day, rng: np.random.Generator) -> list[Rows]:
        """From opening to closing time, also on Saturdays and Sundays."""
        people, who = world.people, self.members
        m, k = len(who), int(_OPEN_US / (90 * 1e6))
        local_us = _OPENING_US - ZONE_US[people.country[who]] - day.from_us
        from_us = day.from_us + local_us % DAY_US + (rng.random(m) * _LATE_US).astype(np.int64)
        track = np.tile(self.tracks[np.arange(k) % len(self.tracks)], (m, 1))
        context = np.full((m, 1), self.playlist, np.int32)
        script = Script(track, world.catalogue.ms[track], gaps_us(rng, (m, k), 1.0, 0.5), context)
        return [perform(script, who, people.device[who], people.home[who], from_us, from_us + _OPEN_US)]
