"""Who is on the platform: temperament, plan, age of the account, household, devices, taste."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, Final

import numpy as np

from flows.simulate.catalogue import Catalogue
from flows.simulate.geography import ALL_COUNTRIES, Pools, Register, home_countries
from flows.simulate.rows import NOTHING
from state.types import DAY_US, END_OF_TIME_US, F64, HOUR_US, I16, I32, I64, SECOND_US, Bool

PLANS: Final = ("free", "premium", "family", "student", "trial")
CLIENTS: Final = ("ios", "android", "desktop", "web", "tv", "speaker")
PHONES: Final = 2
"""The first two clients are phones."""
FAVOURITES: Final = 40
_PLAN_SHARES: Final = (0.47, 0.38, 0.0, 0.10, 0.05)
_CLIENT_SHARES: Final = (0.32, 0.40, 0.13, 0.06, 0.04, 0.05)
_NEW_PER_DAY: Final = 0.004
_CHANGES_PER_DAY: Final = 0.002


class Persona(IntEnum):
    """How a genuine account lives.  All but PERSON are look-alikes of some fraud and must not be accused."""

    PERSON = 0
    FAMILY_MEMBER = 1
    NAT_USER = 2
    SUPER_FAN = 3
    SLEEP_MUSIC = 4
    RELEASE_DAY = 5
    OFFLINE_SYNC = 6
    TRAVELLER = 7


PERSONA_SHARES: Final = {
    Persona.FAMILY_MEMBER: 0.10,
    Persona.NAT_USER: 0.02,
    Persona.SUPER_FAN: 0.004,
    Persona.SLEEP_MUSIC: 0.006,
    Persona.RELEASE_DAY: 0.010,
    Persona.OFFLINE_SYNC: 0.005,
    Persona.TRAVELLER: 0.005,
}
_ALWAYS_ACTIVE: Final = tuple(p for p in PERSONA_SHARES if p != Persona.FAMILY_MEMBER)
_HOUSEHOLD: Final = {Persona.FAMILY_MEMBER: 4, Persona.NAT_USER: 40}
"""Accounts behind one home address; the others live alone."""


@dataclass(slots=True)
class People:
    """One row per account, (n,) each; campaigns rewrite the rows of accounts they own while the world is built.

    active: listens on most days; the others now and then.  temperament: standard normal, how much of an active day.
    skip: share of plays given up before 30 s.  social: factor on likes, saves, searches.  shift_us: late riser (> 0).
    shares_account: two people play at once.  plan_after applies from plan_change_us on (END_OF_TIME_US: never).
    guest: the address from arrive_us on; nothing but offline plays between depart_us and arrive_us.
    favourites: (n, FAVOURITES) artists, dearest first.
    """

    persona: I16
    active: Bool
    temperament: F64
    skip: F64
    social: F64
    shift_us: I64
    shares_account: Bool
    country: I16
    plan: I16
    plan_after: I16
    plan_change_us: I64
    created_us: I64
    home: I32
    work: I32
    device: I32
    devices: I32
    depart_us: I64
    arrive_us: I64
    guest: I32
    favourites: I32

    def __len__(self) -> int:
        return len(self.persona)

    def take(self, index: Any) -> "People":
        """The accounts at these positions or in this slice."""
        return People(*(getattr(self, f.name)[index] for f in fields(self)))

    @staticmethod
    def concat(parts: Sequence["People"]) -> "People":
        """All accounts, in the order given.  At least one part."""
        return People(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(People)))

    def are(self, persona: Persona) -> I32:
        """The accounts of that persona."""
        return np.flatnonzero(self.persona == persona).astype(np.int32)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The tables that people point into while they are drawn: devices by client, addresses by country."""

    devices: Register
    addresses: Register
    catalogue: Catalogue


def populate(
    rng: np.random.Generator, users: int, active_share: float, start_us: int, duration_us: int, around: Surroundings
) -> People:
    """Draw everybody who is there on the first day.  Personas take seats first, then seats are dealt at random: an
    index says nothing.
    """
    persona = np.full(users, Persona.PERSON, np.int16)
    household = np.arange(users)
    seat = 0
    for kind, share in PERSONA_SHARES.items():
        stop = seat + max(2, round(share * users))
        persona[seat:stop] = kind
        household[seat:stop] = seat + np.arange(stop - seat) // _HOUSEHOLD.get(kind, 1)
        seat = stop
    deal = rng.permutation(users)
    persona, household = persona[deal], household[deal]
    span_us = min(duration_us, DAY_US)

    def offices(country: I16, _: I32) -> I32:
        return Pools.build(around.addresses, _residents(country), 25).draw(rng, country)

    people = _draw(rng, persona, household, active_share, start_us, span_us, around, offices)
    hotels = Pools.build(around.addresses, _residents(people.country), 50)
    _book_flights(rng, people, start_us, span_us, hotels)
    return people


def newcomers(
    rng: np.random.Generator, count: int, active_share: float, day_us: int, around: Surroundings, people: People
) -> People:
    """Draw `count` accounts that sign up in the 24 hours from day_us, and work where some of `people` do."""
    by_country = np.argsort(people.country, kind="stable")
    residents = _residents(people.country)
    first = np.cumsum(residents) - residents

    def with_others(country: I16, home: I32) -> I32:
        some = residents[country] > 0
        at = first[country] + (rng.random(len(country)) * residents[country]).astype(np.int64)
        return np.where(some, people.work[by_country[np.where(some, at, 0)]], home).astype(np.int32)

    persona = np.full(count, Persona.PERSON, np.int16)
    found = _draw(rng, persona, np.arange(count), active_share, day_us, DAY_US, around, with_others)
    found.created_us = day_us + np.sort(rng.integers(0, DAY_US // SECOND_US, count)) * SECOND_US
    found.plan_change_us[:] = END_OF_TIME_US
    return found


def change_plans(rng: np.random.Generator, people: People, day_us: int) -> None:
    """Who changes the plan in the 24 hours from day_us, of those who have not and have had it for some time."""
    open_to_it = (people.plan_change_us == END_OF_TIME_US) & ~np.isin(people.persona, list(_HOUSEHOLD))
    n = len(people)
    who = (rng.random(n) < _CHANGES_PER_DAY) & open_to_it & (people.created_us < day_us - DAY_US)
    people.plan_change_us[who] = day_us + rng.integers(0, DAY_US // SECOND_US, n)[who] * SECOND_US


def _residents(country: I16) -> I32:
    return np.bincount(country, minlength=len(ALL_COUNTRIES)).astype(np.int32)


def _draw(
    rng: np.random.Generator,
    persona: I16,
    household: I64,
    active_share: float,
    start_us: int,
    span_us: int,
    around: Surroundings,
    workplaces: Callable[[I16, I32], I32],
) -> People:
    """Accounts of these personas and households (n,); some are made, and change their plan, in the span from the start.

    workplaces: countries and homes -> an address each.
    """
    users = len(persona)
    country_of = home_countries(rng, users)
    homes, country = around.addresses.add(country_of), country_of[household]
    devices = (1 + rng.binomial(3, 0.3, users)).astype(np.int32)
    client = rng.choice(len(CLIENTS), int(devices.sum()), p=_CLIENT_SHARES).astype(np.int16)
    index = around.devices.add(client)
    plan = rng.choice(len(PLANS), users, p=_PLAN_SHARES).astype(np.int16)
    plan[persona == Persona.FAMILY_MEMBER] = PLANS.index("family")
    age_us = (DAY_US + rng.exponential(700, users) * DAY_US).astype(np.int64)
    newcomer = (persona == Persona.PERSON) & (rng.random(users) < _NEW_PER_DAY * span_us / DAY_US)
    second = (rng.integers(0, max(1, span_us // SECOND_US), users)) * SECOND_US
    people = People(
        persona=persona,
        active=(rng.random(users) < active_share) | np.isin(persona, _ALWAYS_ACTIVE),
        temperament=rng.standard_normal(users),
        skip=rng.beta(1.3, 2.5, users),
        social=rng.gamma(0.8, 1.25, users),
        shift_us=(rng.standard_normal(users) * 1.5 * HOUR_US).astype(np.int64),
        shares_account=rng.random(users) < 0.04,
        country=country,
        plan=plan,
        plan_after=np.where(plan == PLANS.index("premium"), PLANS.index("free"), PLANS.index("premium")).astype(
            np.int16
        ),
        plan_change_us=np.where(
            rng.random(users) < _CHANGES_PER_DAY * span_us / DAY_US, start_us + second, END_OF_TIME_US
        ),
        created_us=np.where(newcomer, start_us + second, start_us - age_us) // 1000 * 1000,
        home=homes[household],
        work=workplaces(country, homes[household]),
        device=(index[0] + np.cumsum(devices) - devices).astype(np.int32),
        devices=devices,
        depart_us=np.full(users, END_OF_TIME_US),
        arrive_us=np.full(users, END_OF_TIME_US),
        guest=np.full(users, NOTHING, np.int32),
        favourites=around.catalogue.popular_artists(rng, (users, FAVOURITES)),
    )
    people.plan_change_us[np.isin(persona, list(_HOUSEHOLD)) | newcomer] = END_OF_TIME_US
    return people


def _book_flights(rng: np.random.Generator, people: People, start_us: int, span_us: int, hotels: Pools) -> None:
    """Each traveller flies once, in the first half of the first day, for 2 to 10 hours."""
    who = people.are(Persona.TRAVELLER)
    people.depart_us[who] = start_us + (rng.uniform(0.05, 0.5, len(who)) * span_us).astype(np.int64)
    people.arrive_us[who] = people.depart_us[who] + (rng.uniform(2, 10, len(who)) * HOUR_US).astype(np.int64)
    away = rng.integers(1, len(ALL_COUNTRIES), len(who))
    people.guest[who] = hotels.draw(rng, ((people.country[who] + away) % len(ALL_COUNTRIES)).astype(np.int16))
