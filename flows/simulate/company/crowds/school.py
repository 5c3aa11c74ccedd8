"""school_class: one address by day, breaks at the same minute, the same songs of the moment."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np

from flows.simulate.calendar import Day
from flows.simulate.company.crowds.base import Candidates, Crowd
from flows.simulate.company.premises import Premises
from flows.simulate.geography import ZONE_US
from flows.simulate.people import FAVOURITES, People
from flows.simulate.rows import Rows
from flows.simulate.steady import Script, gaps_us, perform
from state.types import DAY_US, HOUR_US, I32, MINUTE_US, SECOND_US

if TYPE_CHECKING:
    from flows.simulate.world import World

_SIZE: Final = 28
_SHARED_FAVOURITES: Final = 12
_SONGS: Final = 10
_BREAKS_US: Final = (9 * HOUR_US + 35 * MINUTE_US, 11 * HOUR_US + 20 * MINUTE_US, 13 * HOUR_US)
_LISTEN: Final = 0.4
_BREAK_US: Final = 15 * MINUTE_US


@dataclass(frozen=True, slots=True)
class SchoolClass(Crowd):
    """28 of one country behind their school's address on working days.  songs: those of the class."""

    songs: I32

    kind: ClassVar[str] = "school_class"

    @classmethod
    def gather(
        cls, rng: np.random.Generator, number: int, people: People, candidates: Candidates, premises: Premises
    ) -> Self:
        members, country = candidates.compatriots(rng, _SIZE)
        people.work[members] = premises.rent(country, 1)[0]
        artists = premises.catalogue.popular_artists(rng, _SHARED_FAVOURITES)
        places = rng.permuted(np.tile(np.arange(FAVOURITES), (len(members), 1)), axis=1)[:, :_SHARED_FAVOURITES]
        people.favourites[members[:, None], places] = artists
        return cls(number, members, premises.catalogue.tracks_of(rng, rng.choice(artists, _SONGS)))

    def acts(self, world: "World", day: Day, rng: np.random.Generator) -> list[Rows]:
        """In each break some of them hear some of the songs, from the school's address."""
        people, found = world.people, []
        country = people.country[self.members[0]]
        if day.free[country]:
            return []
        for break_us in _BREAKS_US:
            who = self.members[rng.random(len(self.members)) < _LISTEN]
            m, k = len(who), 5
            from_us = day.from_us + (break_us - ZONE_US[country] - day.from_us) % DAY_US
            begin_us = from_us + (rng.exponential(90, m) * SECOND_US).astype(np.int64)
            track = rng.choice(self.songs, (m, k))
            ms = (world.catalogue.ms[track] * np.where(rng.random((m, k)) < 0.6, 1, rng.random((m, k)))).astype(
                np.int32
            )
            script = Script(track, ms, gaps_us(rng, (m, k), 3.0, 1.0), world.catalogue.album[track])
            until_us = np.full(m, from_us + _BREAK_US)
            found.append(perform(script, who, people.device[who], people.work[who], begin_us, until_us))
        return found
