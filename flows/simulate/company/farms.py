"""Farms: accounts that live like people, and play an owner's tracks among the rest of what they hear."""

from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Self

import numpy as np

from flows.simulate.calendar import Day
from flows.simulate.campaigns.base import Campaign, Crew
from flows.simulate.catalogue import Catalogue, Owner
from flows.simulate.company.audiences import favourite_first
from flows.simulate.company.draft import Draft
from flows.simulate.company.premises import Premises
from flows.simulate.company.settings import CompanySettings, spread
from flows.simulate.geography import ZONE_US
from flows.simulate.people import People, Surroundings
from flows.simulate.rows import Rows
from state.types import DAY_US, F64, HOUR_US, I32, I64, Bool

_AWAKE_S: Final = 16 * 3600
_DECOY_S, _PAUSE_S = 185, 15
_BED_HOURS, _NIGHT_HOURS = (0.5, 2.5), (5.5, 7.5)
_WARM_PLAYS: Final = (15, 60)
_FROM_ALBUM: Final = 0.6
_BY_DAY: Final = 0.83
"""Of what people's hours would have an account play, what is not in its night."""
ACTIVE: Final = 0.93
"""Share of the days on which an account plays, as of people."""


@dataclass(frozen=True, slots=True)
class FarmCrew(Crew):
    """plays: (m,) a day, decoys included.  repertoire: (m, k) of the owner's tracks, those each account plays.

    decoys, jitter_us: of the whole campaign, as in CompanySettings.  zone_us: local time minus UTC where the
    first of them lives.
    """

    plays: F64
    repertoire: I32
    decoys: float
    jitter_us: int
    zone_us: int

    def take(self, index: I64 | Bool) -> Self:
        some = Crew.take(self, index)
        return replace(some, plays=self.plays[index], repertoire=self.repertoire[index])


@dataclass(frozen=True, slots=True, kw_only=True)
class Farm(Campaign):
    """Accounts with a person's hours, sittings and pauses, who skip little and sleep every night.

    settings: its own are drawn from them.  partitioned: each account keeps to its own part of the tracks.  ageing_us:
    so long before the attack the accounts live as people do, playing no track of the owner's.
    """

    settings: CompanySettings
    share: float = 0.003
    owner: Owner = field(default=Owner(tracks=160, artists=8, ms_min=62_000, ms_max=118_000))
    ramp_us: int = 4 * HOUR_US
    partitioned: bool = False
    ageing_us: int = 0

    def enlist(
        self, rng: np.random.Generator, user: I32, people: People, around: Surroundings, begin_us: int, owner: int
    ) -> FarmCrew:
        """As every campaign; its accounts live where it sits, skip little and are less sociable."""
        crew = Campaign.enlist(self, rng, user, people, around, begin_us, owner)
        m, settings = len(user), self.settings
        people.country[user] = around.addresses.codes[crew.ip]
        people.skip[user] = rng.uniform(0.01, 0.1, m)
        people.social[user] *= 0.5
        decoys = float(rng.uniform(*settings.decoys))
        low, high = self.owner.ms_min / 1000, self.owner.ms_max / 1000
        each_s = decoys * _DECOY_S + (1 - decoys) * (low + high) / 2 + _PAUSE_S
        plays = np.minimum(spread(rng, settings.plays, m), _AWAKE_S / each_s)
        tracks = np.tile(crew.tracks, (m, 1))
        if self.partitioned:
            tracks = rng.permuted(tracks, axis=1)[:, : -(-len(crew.tracks) // settings.partitions)]
        zone_us = ZONE_US[people.country[user]]
        given = {f.name: getattr(crew, f.name) for f in fields(crew)} | {
            "rest_us": ((rng.uniform(*_BED_HOURS, m) * HOUR_US).astype(np.int64) - zone_us) % DAY_US,
            "resting_us": (rng.uniform(*_NIGHT_HOURS, m) * HOUR_US).astype(np.int64),
        }
        return FarmCrew(
            **given,
            plays=plays,
            repertoire=tracks,
            decoys=decoys,
            jitter_us=round(rng.uniform(*settings.jitter_us)),
            zone_us=int(zone_us[0]),
        )

    def rows(self, crew: Crew, catalogue: Catalogue, day_us: int, rng: np.random.Generator) -> Rows:
        """Nothing: all that it does is in its accounts' days."""
        del crew, catalogue, day_us, rng
        return Rows.of(np.zeros(0, np.int64), np.zeros(0, np.int32))

    def terms(self, crew: FarmCrew) -> dict[str, Any]:
        """What it has drawn, for the truth."""
        partitions = self.settings.partitions if self.partitioned else 1
        return {"decoys": crew.decoys, "jitter_us": None, "partitions": partitions, "operators": []}

    def lived_share(self, crew: FarmCrew) -> float:
        """Share of its accounts' plays that are in sittings of their own."""
        del crew
        return 1.0

    def own_share(self, crew: FarmCrew) -> float:
        """Of those plays, the share that are the owner's tracks."""
        return 1 - crew.decoys

    def daily_plays(self, crew: FarmCrew) -> float:
        """Plays of the owner's tracks on a full day, on average."""
        return float(crew.plays.sum()) * (1 - crew.decoys) * ACTIVE

    def quota(self, crew: FarmCrew, day: Day, count: I64, rng: np.random.Generator) -> None:
        """Put in how often its accounts play, where that is not up to them.  count: (accounts,) plays of the day."""
        m = len(crew)
        level = self.lived_share(crew) / _BY_DAY * np.exp(rng.normal(-0.03, 0.25, m))
        plays = np.rint(level * crew.plays) * (rng.random(m) < ACTIVE)
        warm = rng.integers(*_WARM_PLAYS, m)
        begun = crew.start_us < day.from_us + DAY_US
        ageing = crew.start_us - self.ageing_us < day.from_us + DAY_US
        count[crew.user] = np.where(begun, plays, np.where(ageing, warm, count[crew.user]))

    def rewrite(self, crew: FarmCrew, draft: Draft, catalogue: Catalogue, rng: np.random.Generator) -> None:
        """Put in the owner's tracks from the start on, and where and on what each sitting is."""
        at, seat = draft.plays_of(crew.user)
        number, sittings = draft.sittings(at)
        draft.device[at] = crew.device[seat]
        k = crew.addresses.shape[1]
        draft.ip[at] = crew.addresses[seat, (k * rng.random(sittings) ** 2).astype(np.int64)[number]]
        own = (draft.begin_us[at] >= crew.start_us[seat]) & (rng.random(len(at)) < self.own_share(crew))
        at, seat = at[own], seat[own]
        track = crew.repertoire[seat, favourite_first(rng, len(at), crew.repertoire.shape[1])]
        draft.track[at] = track
        draft.context[at] = np.where(rng.random(len(at)) < _FROM_ALBUM, catalogue.album[track], crew.playlist)


def premises_of(around: Surroundings) -> Premises:
    """The same; farms are not for the plain world."""
    assert isinstance(around, Premises), "a farm needs the premises of the world of company"
    return around
