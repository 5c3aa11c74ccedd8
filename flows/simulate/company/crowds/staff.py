"""shop_staff: colleagues who take turns with the speaker of the place they work at, each with an own account."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np

from flows.simulate.calendar import Day
from flows.simulate.company.crowds.base import Candidates, Crowd
from flows.simulate.company.draft import Draft
from flows.simulate.company.premises import Premises
from flows.simulate.geography import ZONE_US
from flows.simulate.people import People
from state.types import DAY_US, HOUR_US

if TYPE_CHECKING:
    from flows.simulate.world import World

_SIZE: Final = 8
_HOURS_US: Final = (8 * HOUR_US, 19 * HOUR_US)
_TURN: Final = 0.5


@dataclass(frozen=True, slots=True)
class ShopStaff(Crowd):
    """Eight who work at one address.  speaker: the device there."""

    speaker: int

    kind: ClassVar[str] = "shop_staff"

    @classmethod
    def gather(
        cls, rng: np.random.Generator, number: int, people: People, candidates: Candidates, premises: Premises
    ) -> Self:
        members, country = candidates.compatriots(rng, _SIZE)
        people.work[members] = premises.rent(country, 1)[0]
        return cls(number, members, int(premises.buy(("speaker",), rng, 1)[0]))

    def rewrite(self, world: "World", day: Day, draft: Draft, rng: np.random.Generator) -> None:
        """On working days half of the sittings of the opening hours are on the shop's speaker."""
        country = world.people.country[self.members[0]]
        if day.free[country]:
            return
        at, _ = draft.plays_of(self.members)
        number, count = draft.sittings(at)
        local_us = (draft.begin_us[at] + ZONE_US[country]) % DAY_US
        there = (local_us >= _HOURS_US[0]) & (local_us < _HOURS_US[1]) & (rng.random(count) < _TURN)[number]
        draft.device[at[there]] = self.speaker
        draft.ip[at[there]] = world.people.work[self.members[0]]
