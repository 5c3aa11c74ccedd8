"""streaming_party: fans who hear an artist's albums together, in step, by appointment."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np

from flows.simulate.calendar import Day
from flows.simulate.catalogue import ALBUM_TRACKS
from flows.simulate.company.crowds.base import Candidates, Crowd
from flows.simulate.company.premises import Premises
from flows.simulate.people import People
from flows.simulate.rows import Rows
from flows.simulate.steady import Script, perform
from state.types import DAY_US, HOUR_US, MINUTE_US, SECOND_US

if TYPE_CHECKING:
    from flows.simulate.world import World

_SIZE: Final = 30
_EVERY_DAYS: Final = 3
_KNOWN: Final = 10
"""One in so many artists is known well enough for a party, all but the five best known of these."""
_ATTEND: Final = 0.85
_LATE_S: Final = 40


@dataclass(frozen=True, slots=True)
class StreamingParty(Crowd):
    """Every third day 30 fans of one artist press play at the same moment, each at home.  artist: a known one."""

    artist: int

    kind: ClassVar[str] = "streaming_party"

    @classmethod
    def gather(
        cls, rng: np.random.Generator, number: int, people: People, candidates: Candidates, premises: Premises
    ) -> Self:
        members = candidates.take(_SIZE)
        artist = int(rng.integers(5, len(premises.catalogue.popularity) // _KNOWN))
        people.favourites[members, 0] = artist
        return cls(number, members, artist)

    def acts(self, world: "World", day: Day, rng: np.random.Generator) -> list[Rows]:
        """One to three albums' worth of tracks in order, full length; who is late starts late and stays so."""
        if (day.number + self.number - 1) % _EVERY_DAYS:
            return []
        who = self.members[rng.random(len(self.members)) < _ATTEND]
        catalogue, m, k = world.catalogue, len(who), int(rng.integers(1, 4)) * ALBUM_TRACKS
        album = catalogue.first[self.artist] + np.arange(k) % catalogue.size[self.artist]
        track = np.tile(album, (m, 1)).astype(np.int32)
        gap_us = (rng.uniform(0.1, 1.5, (m, k)) * SECOND_US).astype(np.int64)
        appointment_us = day.from_us + 17 * HOUR_US + int(rng.integers(0, 8)) * 30 * MINUTE_US
        from_us = appointment_us + (rng.exponential(_LATE_S, m) * SECOND_US).astype(np.int64)
        script = Script(track, catalogue.ms[track], gap_us, catalogue.album[track])
        until_us = np.full(m, from_us.max(initial=0) + DAY_US)
        return [perform(script, who, world.people.device[who], world.people.home[who], from_us, until_us)]
