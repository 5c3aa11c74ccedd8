"""World: the people, places, tracks and crews of one platform, drawn once from the seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from flows.simulate.calendar import Day, day_of
from flows.simulate.campaigns.base import Campaign, Crew, recruits
from flows.simulate.catalogue import Catalogue, Owner
from flows.simulate.company.company import Company, crowds_of_a_kind
from flows.simulate.company.crowds.band import OWNER as BAND
from flows.simulate.company.layout import Layout
from flows.simulate.company.premises import Premises
from flows.simulate.config import SimulationSpec
from flows.simulate.geography import ALL_COUNTRIES, Pools, Register
from flows.simulate.people import People, Surroundings, change_plans, newcomers, populate
from flows.simulate.seeds import names, stream
from flows.simulate.taste import favourites_on
from state.errors import ConfigError
from state.types import DAY_US, I16


@dataclass(frozen=True, slots=True)
class World:
    """Tables that events point into.  client: code by device.  country: code by address.  user_id: text by account.

    company, layout: what the world of company has besides, None for the plain one.

    A longer simulation has more accounts at the end of the tables, and is otherwise the same.
    """

    spec: SimulationSpec
    people: People
    catalogue: Catalogue
    carriers: Pools
    client: I16
    country: I16
    crews: tuple[tuple[Campaign, Crew], ...]
    user_id: list[str]
    company: Company | None
    layout: Layout | None

    @classmethod
    def build(cls, spec: SimulationSpec) -> "World":
        """Draw everything but the events.  Raises ConfigError where campaigns want more accounts than there are."""
        owners = [c.owner for c, _ in spec.crews()] + _bands(spec)
        found = 0 if spec.company else len(spec.campaigns)  # with company the organic listeners are all who find them
        catalogue = Catalogue.build(stream(spec.seed, "catalogue"), spec.genuine_tracks, owners, found)
        around = Surroundings(Register(), Register(), catalogue)
        rng = stream(spec.seed, "people")
        people = populate(rng, spec.users, spec.active_share, spec.start_us, spec.duration_us, around)
        residents = np.bincount(people.country, minlength=len(ALL_COUNTRIES)).astype(np.int32)
        carriers = Pools.build(around.addresses, residents, spec.company.carrier_accounts if spec.company else 20)
        days = [day_of(spec, number) for number in range(-(-spec.duration_us // DAY_US))]
        for day in days[1:]:
            change_plans(day.rng("plan changes"), people, day.from_us)
        genuine = replace(people, work=people.work.copy(), country=people.country.copy())  # a crew's are rewritten
        company = None
        if spec.company:
            premises = Premises(
                around.devices,
                around.addresses,
                catalogue,
                seed=spec.seed,
                settings=spec.company,
                carriers=carriers,
                home=people.home.copy(),
                country=genuine.country,
            )
            crews = _crews(spec, people, premises)
            company = Company.gather(people, crews, premises, spec.attack_us)
        else:
            crews = _crews(spec, people, around)
        people = People.concat([people, *_newcomers(spec, genuine, around, days)])
        for day in days:
            if day.outage:  # nobody signs up, or changes the plan, at a platform that is down
                people.created_us = day.outage.postponed(day.rng("sign-ups after the outage"), people.created_us)
                people.plan_change_us = day.outage.postponed(day.rng("changes after the outage"), people.plan_change_us)
        return cls(
            spec,
            people,
            catalogue,
            carriers,
            around.devices.codes,
            around.addresses.codes,
            crews,
            names("u", len(people), spec.seed),
            company,
            company.layout(spec.seed, around.addresses.codes) if company else None,
        )

    def on(self, number: int) -> "World":
        """The world as day `number` finds it: with the accounts that there are by its end, and what they love then."""
        spec = self.spec
        people = self.people.take(slice(spec.users + spec.newcomers_by(number)))
        return replace(
            self,
            people=replace(people, favourites=favourites_on(people, self.catalogue, spec.seed, spec.taste, number)),
        )


def _bands(spec: SimulationSpec) -> list[Owner]:
    """The local bands of the world of company, whose tracks stand behind the campaigns'."""
    return [BAND] * crowds_of_a_kind(spec.users, spec.company) if spec.company else []


def _crews(spec: SimulationSpec, people: People, around: Surroundings) -> tuple[tuple[Campaign, Crew], ...]:
    """The campaigns that hold accounts, and which; their rows of `people` are rewritten."""
    crews: list[tuple[Campaign, Crew]] = []
    taken = np.zeros(0, np.int32)
    for owner, (campaign, wanted) in enumerate(spec.crews()):
        if not wanted:
            continue
        rng = stream(spec.seed, f"crew {campaign.campaign_id}")
        free = recruits(people, taken, campaign.takes_over, spec.attack_us)
        if wanted > len(free):
            raise ConfigError(
                f"simulation.campaigns.{campaign.campaign_id} wants {wanted} accounts, but only {len(free)} suitable "
                "ones are left; simulate more users or lower its share"
            )
        members = np.sort(rng.choice(free, wanted, replace=False)).astype(np.int32)
        taken = np.concatenate((taken, members))
        crews.append((campaign, campaign.enlist(rng, members, people, around, spec.attack_us, owner)))
    return tuple(crews)


def _newcomers(spec: SimulationSpec, people: People, around: Surroundings, days: Sequence[Day]) -> Iterator[People]:
    """Those who sign up on each day after the first.  people: who is there before, as they were before any attack."""
    for day in days[1:]:
        count = spec.newcomers_by(day.number) - spec.newcomers_by(day.number - 1)
        if count:
            yield newcomers(day.rng("newcomers"), count, spec.active_share, day.from_us, around, people)
