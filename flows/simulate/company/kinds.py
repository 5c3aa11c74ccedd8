"""The kinds of farm: where they sit, on what devices, and how their accounts came to be."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

import numpy as np

from flows.simulate.campaigns import DEFAULT_CAMPAIGNS
from flows.simulate.campaigns.base import Campaign
from flows.simulate.catalogue import Owner
from flows.simulate.company.farms import Farm, FarmCrew, premises_of
from flows.simulate.company.lockstep import LockstepFarm
from flows.simulate.company.operated import OperatedFarm
from flows.simulate.company.settings import CompanySettings
from flows.simulate.people import People, Surroundings
from state.types import DAY_US, HOUR_US, I32, MINUTE_US, SECOND_US


@dataclass(frozen=True, slots=True, kw_only=True)
class DripFarm(Farm):
    """Accounts signed up one by one, from three days before the attack to the end of its first, over one block.

    The first campaign and every second one has a /24, the others a /48.  An account sets out an hour after it is made.
    """

    name: str = "drip_farm"
    start_us: int = 0
    plans: tuple[str, ...] = ("trial", "free", "premium")
    clients: tuple[str, ...] = ("android", "android", "web")
    drip_us: int = 4 * DAY_US

    signs_up: ClassVar[bool] = True

    def seats(self, rng: np.random.Generator, count: int, around: Surroundings) -> tuple[I32, I32]:
        """A device each, two addresses of the block each."""
        premises = premises_of(around)
        ip = premises.rent(int(rng.choice(premises.country)), count, six=self.number % 2 == 0)
        own = rng.permutation(count)
        return premises.buy(self.clients, rng, count), ip[np.stack((own, (own + 1) % count), axis=1)]

    def enlist(
        self, rng: np.random.Generator, user: I32, people: People, around: Surroundings, begin_us: int, owner: int
    ) -> FarmCrew:
        """As every farm, with accounts that are made one after another."""
        crew = Farm.enlist(self, rng, user, people, around, begin_us, owner)
        wait_us = (np.arange(len(user)) + rng.random(len(user))) / len(user) * self.drip_us
        made_us = begin_us + DAY_US - self.drip_us + rng.permutation(wait_us).astype(np.int64) // SECOND_US * SECOND_US
        people.created_us[user] = made_us
        return replace(crew, start_us=np.maximum(made_us, begin_us) + HOUR_US)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionedFarm(OperatedFarm):
    """Each account plays a part of the tracks only, so that two have few in common.  Every second has two operators."""

    name: str = "partitioned_farm"
    start_us: int = 2 * HOUR_US
    owner: Owner = field(default=Owner(tracks=240, artists=8, ms_min=62_000, ms_max=118_000))
    partitioned: bool = True

    def operators(self) -> Sequence[int]:
        """Those of its number and of the next for the first, third, ... campaign; that of its number for the others."""
        return (self.number, self.number + 1) if self.number % 2 else (self.number,)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgedFarm(Farm):
    """Accounts made within a night two months before, who live as people from then on until the day of the attack."""

    name: str = "aged_farm"
    start_us: int = 4 * HOUR_US
    ageing_us: int = 60 * DAY_US
    clients: tuple[str, ...] = ("android", "ios", "desktop")
    per_address: int = 1

    def enlist(
        self, rng: np.random.Generator, user: I32, people: People, around: Surroundings, begin_us: int, owner: int
    ) -> FarmCrew:
        """As every farm, with accounts of one age."""
        crew = Farm.enlist(self, rng, user, people, around, begin_us, owner)
        night_us = begin_us - self.ageing_us - int(rng.integers(30)) * DAY_US
        people.created_us[user] = night_us + np.sort(rng.integers(0, 8 * 3600, len(user))) * SECOND_US
        return crew


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentialFarm(Farm):
    """Each sitting comes from the home of somebody who does not know of it: residential proxies."""

    name: str = "residential_farm"
    start_us: int = 3 * HOUR_US
    clients: tuple[str, ...] = ("android", "desktop", "web")
    exits: int = 40

    def seats(self, rng: np.random.Generator, count: int, around: Surroundings) -> tuple[I32, I32]:
        """A device each, and homes of one country."""
        premises = premises_of(around)
        homes = premises.home[premises.country == rng.choice(premises.country)]
        return premises.buy(self.clients, rng, count), rng.choice(homes, (count, self.exits)).astype(np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneFarm(Farm):
    """A rack of phones behind a carrier's gateways, several accounts on each phone."""

    name: str = "phone_farm"
    start_us: int = 5 * HOUR_US + 20 * MINUTE_US
    plans: tuple[str, ...] = ("premium", "free")
    clients: tuple[str, ...] = ("android",)

    def seats(self, rng: np.random.Generator, count: int, around: Surroundings) -> tuple[I32, I32]:
        """Phones of device_accounts accounts each, and the addresses that its country's mobile people have too."""
        premises = premises_of(around)
        phones = premises.buy(self.clients, rng, -(-count // self.settings.device_accounts))
        country = np.full((count, 3), rng.choice(premises.country), np.int16)
        gateways = premises.carriers.draw(rng, country.ravel()).reshape(count, 3)
        return phones[np.arange(count) // self.settings.device_accounts], gateways


_FARMS: Final = (DripFarm, PartitionedFarm, AgedFarm, ResidentialFarm, PhoneFarm, LockstepFarm)
_SPREAD: Final = [c.name for c in DEFAULT_CAMPAIGNS].index("spread_thin")


def campaigns_of(settings: CompanySettings | None) -> tuple[Campaign, ...]:
    """The kinds of attack there are: those of the plain world; with company half of each, and the farms.

    Who spreads plays thin has a tenth of the tracks then: with the plain world's 20,000 nobody else would hear most.
    """
    if settings is None:
        return DEFAULT_CAMPAIGNS
    halves = [replace(c, share=c.share / 2) for c in DEFAULT_CAMPAIGNS]
    thin = replace(halves[_SPREAD].owner, tracks=2_000, artists=100)
    halves[_SPREAD] = replace(halves[_SPREAD], owner=thin)
    return (*halves, *(kind(settings=settings) for kind in _FARMS))


PLAIN_NAMES: Final = tuple(c.name for c in campaigns_of(None))
"""Of the kinds that are in both worlds."""
ALL_NAMES: Final = tuple(c.name for c in campaigns_of(CompanySettings()))
"""Of all kinds: also of the farms, which are in the world of company only."""
