"""local_band: a band that nobody knows but its friends, who play little else some days."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np

from flows.simulate.calendar import Day
from flows.simulate.catalogue import Owner
from flows.simulate.company.audiences import Audience
from flows.simulate.company.crowds.base import Candidates, Crowd
from flows.simulate.company.draft import Draft
from flows.simulate.company.premises import Premises
from flows.simulate.people import People
from state.types import I32

if TYPE_CHECKING:
    from flows.simulate.world import World

OWNER: Final = Owner(tracks=18)
_SIZE: Final = 50
_MATES: Final = 5
_FRIEND_PLAYS, _MATE_PLAYS = 4, 30


@dataclass(frozen=True, slots=True)
class LocalBand(Crowd):
    """50 friends with a handful of plays a day each, five of them with 30.  tracks: the band's."""

    mates: I32
    tracks: I32

    kind: ClassVar[str] = "local_band"

    @classmethod
    def gather(
        cls, rng: np.random.Generator, number: int, people: People, candidates: Candidates, premises: Premises
    ) -> Self:
        del people
        members = candidates.take(_SIZE)
        mates = np.sort(rng.choice(members, _MATES, replace=False))
        return cls(number, members, mates, premises.catalogue.owned[-number])

    def rewrite(self, world: "World", day: Day, draft: Draft, rng: np.random.Generator) -> None:
        """Friends and mates put the band's tracks in place of what they would hear."""
        del day
        for who, each in ((self.members, _FRIEND_PLAYS), (self.mates, _MATE_PLAYS)):
            Audience(who, self.tracks, each * len(who)).listen(draft, world.catalogue, rng)
