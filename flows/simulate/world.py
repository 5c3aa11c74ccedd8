"""World: the people, places, tracks and crews of one platform, drawn once from the seed."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from flows.simulate.campaigns.base import Campaign, Crew, recruits
from flows.simulate.catalogue import Catalogue
from flows.simulate.config import SimulationSpec
from flows.simulate.geography import ALL_COUNTRIES, Pools, Register
from flows.simulate.people import People, Persona, Surroundings, populate
from flows.simulate.seeds import names, stream
from state.errors import ConfigError
from state.types import I16


@dataclass(frozen=True, slots=True)
class World:
    """Tables that events point into.  client: code by device.  country: code by address.  user_id: text by account."""

    spec: SimulationSpec
    people: People
    catalogue: Catalogue
    carriers: Pools
    client: I16
    country: I16
    crews: tuple[tuple[Campaign, Crew], ...]
    user_id: list[str]

    @classmethod
    def build(cls, spec: SimulationSpec) -> "World":
        """Draw everything but the events.  Raises ConfigError where campaigns want more accounts than there are."""
        catalogue = Catalogue.build(stream(spec.seed, "catalogue"), spec.tracks, [c.owner for c in spec.campaigns])
        around = Surroundings(Register(), Register(), catalogue)
        rng = stream(spec.seed, "people")
        people = populate(rng, spec.users, spec.active_share, spec.start_us, spec.duration_us, around)
        residents = np.bincount(people.country, minlength=len(ALL_COUNTRIES)).astype(np.int32)
        carriers = Pools.build(around.addresses, residents, 20)
        crews: list[tuple[Campaign, Crew]] = []
        taken = np.zeros(0, np.int32)
        for owner, campaign in enumerate(spec.campaigns):
            rng = stream(spec.seed, f"crew {campaign.name}")
            free, wanted = recruits(people, taken, campaign.takes_over, spec.start_us), campaign.size(spec.users)
            if wanted > len(free):
                raise ConfigError(
                    f"simulation.campaigns.{campaign.name} wants {wanted} accounts, but only {len(free)} are suitable; "
                    "simulate more users or lower its share"
                )
            members = np.sort(rng.choice(free, wanted, replace=False)).astype(np.int32)
            taken = np.concatenate((taken, members))
            crews.append((campaign, campaign.enlist(rng, members, people, around, spec.start_us, owner)))
        return cls(
            spec,
            people,
            catalogue,
            carriers,
            around.devices.codes,
            around.addresses.codes,
            tuple(crews),
            names("u", spec.users, spec.seed),
        )

    def truth(self) -> list[dict[str, Any]]:
        """One record per account: user_id, role, is_attacker, start_us.

        role: the campaign's name, or the persona in lower case.  start_us: an attacker's first act, the start of the
        simulation for people.  An account whose campaign has not begun when the simulation ends is still a person.
        """
        role = [Persona(p).name.lower() for p in self.people.persona.tolist()]
        attacker = [False] * len(role)
        start_us = [self.spec.start_us] * len(role)
        for campaign, crew in self.crews:
            for user, first_us in zip(crew.user.tolist(), crew.start_us.tolist(), strict=True):
                if first_us < self.spec.stop_us:
                    role[user], attacker[user], start_us[user] = campaign.name, True, first_us
        return [
            {"user_id": u, "role": r, "is_attacker": a, "start_us": s}
            for u, r, a, s in zip(self.user_id, role, attacker, start_us, strict=True)
        ]
