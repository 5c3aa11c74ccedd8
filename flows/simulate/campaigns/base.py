"""What all campaigns share: recruiting accounts, equipping them, and playing a script from a start to the end."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Final, Self

import numpy as np

from flows.simulate.catalogue import Catalogue, Owner
from flows.simulate.geography import ALL_COUNTRIES
from flows.simulate.people import CLIENTS, PLANS, People, Persona, Surroundings
from flows.simulate.rows import NOTHING, Rows, Type
from flows.simulate.steady import Script, perform, sometimes
from state.types import DAY_US, END_OF_TIME_US, HOUR_US, I16, I32, I64, MINUTE_US, SECOND_US, Bool

_NAPS_PER_DAY: Final = 1.5


@dataclass(frozen=True, slots=True)
class Crew:
    """A campaign's accounts, (m,) each, and the tracks it earns with.

    user: ascending.  start_us: when it sets out; it may sleep first.  addresses: (m, k), of which the first is home.
    rest_us: time of day (UTC) at which the nightly rest begins.  resting_us: its length, 0 for none.  playlist: the
    context of the owner's playlist.
    """

    user: I32
    start_us: I64
    device: I32
    addresses: I32
    rest_us: I64
    resting_us: I64
    tracks: I32
    playlist: int

    def __len__(self) -> int:
        return len(self.user)

    @property
    def ip(self) -> I32:
        """(m,) each account's own address."""
        return self.addresses[:, 0]

    def take(self, index: I64 | Bool) -> Self:
        """Some of the accounts."""
        return replace(
            self,
            user=self.user[index],
            start_us=self.start_us[index],
            device=self.device[index],
            addresses=self.addresses[index],
            rest_us=self.rest_us[index],
            resting_us=self.resting_us[index],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign(ABC):
    """One attack.  Durations in microseconds.

    start_us: after the begin of the day of the attack.  users: how many accounts; 0 for `share` of all, at least two.
    ramp_us: they join one after another over this long.  per_address: accounts behind one IP address.
    resters: share of them that sleep 3 to 6 hours a night.  decoys: share of plays that are popular tracks instead.
    likes: scripted likes per play.  number: of several of its kind, from 1.
    """

    name: str
    start_us: int
    owner: Owner
    users: int = 0
    share: float = 0.004
    ramp_us: int = HOUR_US
    plans: tuple[str, ...] = ("premium",)
    clients: tuple[str, ...] = ("android",)
    countries: tuple[str, ...] = ALL_COUNTRIES
    per_address: int = 4
    resters: float = 0.3
    decoys: float = 0.03
    likes: float = 0.0
    number: int = 1

    takes_over: ClassVar[bool] = False
    """Whether the accounts belong to active people, who go on listening."""
    signs_up: ClassVar[bool] = False
    """Whether the accounts are made for the attack, which begins with their sign-up."""

    @property
    def campaign_id(self) -> str:
        """The name, and from the second of its kind on the number."""
        return self.name if self.number == 1 else f"{self.name}-{self.number}"

    def size(self, users: int) -> int:
        """How many accounts all of the kind hold on a platform of that many, before the simulation's factor."""
        return self.users or max(2, round(self.share * users))

    def enlist(
        self, rng: np.random.Generator, user: I32, people: People, around: Surroundings, begin_us: int, owner: int
    ) -> Crew:
        """Equip these accounts: plan, one device, an address shared by a few.  Aged accounts: creation stays."""
        m = len(user)
        device, addresses = self.seats(rng, m, around)
        crew = Crew(
            user,
            (begin_us + self.start_us + rng.random(m) * self.ramp_us).astype(np.int64) // 1000 * 1000,
            device,
            addresses,
            (rng.random(m) * DAY_US).astype(np.int64),
            np.where(rng.random(m) < self.resters, rng.uniform(3, 6, m) * HOUR_US, 0).astype(np.int64),
            around.catalogue.owned[owner],
            around.catalogue.owner_playlist(owner),
        )
        if not self.takes_over:
            people.plan[user] = _words(rng, self.plans, PLANS, m)
            people.plan_change_us[user] = END_OF_TIME_US
            people.device[user], people.devices[user] = device, 1
            people.home[user] = people.work[user] = crew.ip
        return crew

    def seats(self, rng: np.random.Generator, count: int, around: Surroundings) -> tuple[I32, I32]:
        """(count,) devices and (count, k) addresses: each account's first one is where it lives."""
        country = rng.choice([ALL_COUNTRIES.index(c) for c in self.countries], -(-count // self.per_address))
        ip = around.addresses.add(country.astype(np.int16))[np.arange(count) // self.per_address]
        return around.devices.add(_words(rng, self.clients, CLIENTS, count)), ip[:, None]

    @abstractmethod
    def rows(self, crew: Crew, catalogue: Catalogue, day_us: int, rng: np.random.Generator) -> Rows:
        """All acts of one day, account by account."""


class Scripted(Campaign):
    """A campaign whose accounts play a script from their start on, but for a nightly rest."""

    __slots__ = ()

    @abstractmethod
    def script(self, crew: Crew, catalogue: Catalogue, rng: np.random.Generator, span_us: int) -> Script:
        """What each account plays from now on: enough for span_us."""

    def rows(self, crew: Crew, catalogue: Catalogue, day_us: int, rng: np.random.Generator) -> Rows:
        """All acts of one day, account by account."""
        crew = crew.take(crew.start_us < day_us + DAY_US)
        until_us = np.full(len(crew), day_us + DAY_US, np.int64)
        from_us = np.maximum(crew.start_us, day_us) + (rng.random(len(crew)) * 3 * MINUTE_US).astype(np.int64)
        script = self._disguise(self.script(crew, catalogue, rng, DAY_US), catalogue, rng)
        plays = perform(script, crew.user, crew.device, crew.ip, from_us, until_us)
        seat = np.searchsorted(crew.user, plays.user)
        plays = plays.take((plays.time_us - crew.rest_us[seat]) % DAY_US >= crew.resting_us[seat])
        liked = plays.take(rng.random(len(plays)) < self.likes)
        login = Rows.of(from_us - 20 * SECOND_US, crew.user, kind=Type.LOGIN_OK, device=crew.device, ip=crew.ip)
        return Rows.concat((login, plays, liked.then(liked.time_us - 9 * SECOND_US, Type.LIKE)))

    def _disguise(self, script: Script, catalogue: Catalogue, rng: np.random.Generator) -> Script:
        """Put popular tracks between, and naps of about an hour."""
        shape = script.track.shape
        decoy = rng.random(shape) < self.decoys
        track = np.where(decoy, 0, script.track).astype(np.int32)
        track[decoy] = catalogue.tracks_of(rng, catalogue.popular_artists(rng, int(decoy.sum())))
        ms = np.where(decoy, (catalogue.ms[track] * rng.uniform(0.3, 1, shape)).astype(np.int32), script.ms)
        context = np.where(decoy, NOTHING, np.broadcast_to(script.context, shape)).astype(np.int32)
        busy_us = float((script.ms * 1000.0 + script.gap_us).sum()) / max(1, track.size)
        nap = _NAPS_PER_DAY * busy_us / DAY_US
        gap_us = sometimes(rng, script.gap_us, nap, lambda n: (rng.lognormal(0, 0.7, n) * HOUR_US).astype(np.int64))
        return Script(track, ms, gap_us, context)


def _words(rng: np.random.Generator, words: tuple[str, ...], known: tuple[str, ...], count: int) -> I16:
    """(count,) codes drawn from a list of words; a word given twice is twice as likely."""
    return rng.choice([known.index(w) for w in words], count).astype(np.int16)


def recruits(people: People, taken: I32, takes_over: bool, begin_us: int) -> I32:
    """Accounts that a campaign may still get: plain and older than the attack; active for a take-over, else quiet."""
    free = (people.persona == Persona.PERSON) & (people.active == takes_over) & (people.created_us < begin_us)
    free[taken] = False
    return np.flatnonzero(free).astype(np.int32)
