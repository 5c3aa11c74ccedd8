"""One day of the whole platform, as rows in event-time order."""

from functools import lru_cache

import numpy as np

from flows.simulate.calendar import Day, day_of
from flows.simulate.company.apart import apart
from flows.simulate.habits import account_changes, around
from flows.simulate.ledger import Ledger
from flows.simulate.listening import genuine_plays
from flows.simulate.lookalikes import awake, nights, not_during, release
from flows.simulate.offline import dead_zones, sync
from flows.simulate.outage import heard, interrupted
from flows.simulate.rows import Rows, Type
from flows.simulate.seeds import scramble
from flows.simulate.world import World
from state.types import DAY_US, END_OF_TIME_US, I32, I64, MS_US, U64

_EVENTS_PER_DAY_MAX = 2**40


def _first_play_us(rows: Rows, accounts: int) -> I64:
    """(accounts,) when each begins its first play; END_OF_TIME_US for none."""
    plays = rows.take((rows.type == Type.PLAY) & ~rows.offline)
    first_us = np.full(accounts, END_OF_TIME_US)
    np.minimum.at(first_us, plays.user, plays.time_us - plays.ms.astype(np.int64) * MS_US)
    return first_us


class Days:
    """Days of one world by number; any day can be had at any time.  The last few are kept."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.count = -(-world.spec.duration_us // DAY_US)
        self.begun = lru_cache(maxsize=2)(self._begun)
        self.day = lru_cache(maxsize=1)(self._day)
        self._ledger = Ledger(world.crews, len(world.people))
        self._attack_seen: set[int] = set()
        self._first_attack_us = np.full(len(world.people), END_OF_TIME_US)

    def first_attack_us(self) -> I64:
        """(accounts,) time of each account's first event in a campaign; END_OF_TIME_US where there is none.

        Log-ins do not count: the first event is a guessed password, a sign-up, or a play.
        """
        spec, created_us = self.world.spec, self.world.people.created_us
        farms = self.world.company.farms if self.world.company else ()
        played_us = self.ledger().first_us if farms else self._first_attack_us
        crew = np.concatenate([np.zeros(0, np.int32), *(c.user for _, c in self.world.crews)])
        for number in range(spec.attack_day - 1, self.count):
            if number not in self._attack_seen:
                self._attacks(day_of(spec, number))
            if (self._first_attack_us[crew] < spec.start_us + (number + 1) * DAY_US).all():
                break
        first_us = self._first_attack_us.copy()
        for _, farm in farms:
            first_us[farm.user] = played_us[farm.user]
        for campaign, members in self.world.crews:
            if campaign.signs_up:
                made_us = created_us[members.user]
                seen = members.user[(made_us >= spec.start_us) & (made_us < spec.stop_us)]
                first_us[seen] = created_us[seen]
        return first_us

    def ledger(self) -> Ledger:
        """What campaigns play on all days."""
        for number in range(self.count):
            if number not in self._ledger:
                self.day(number)
        return self._ledger

    def _attacks(self, day: Day) -> list[Rows]:
        """What each campaign does on a day."""
        world = self.world
        parts = [
            c.rows(crew, world.catalogue, day.from_us, day.rng(f"acts {c.campaign_id}")) for c, crew in world.crews
        ]
        if world.company:
            parts = [
                world.company.thinned(c, rows, day.rng(f"thinned {c.campaign_id}"))
                for (c, _), rows in zip(world.crews, parts, strict=True)
            ]
        for rows in parts:
            seen = (rows.type != Type.LOGIN_OK) & (rows.time_us < world.spec.stop_us)
            seen &= rows.time_us >= world.people.created_us[rows.user]
            if day.outage:
                seen &= heard(rows, day.outage)
            np.minimum.at(self._first_attack_us, rows.user[seen], rows.time_us[seen])
        self._attack_seen.add(day.number)
        return parts

    def _begun(self, number: int) -> Rows:
        """What begins on a day, some of which happens on the next.  number: from -1, the evening before the start."""
        world, spec = self.world.on(number), self.world.spec
        day = day_of(spec, number)
        day_us = day.from_us
        attacks = self._attacks(day) if number >= 0 else []
        plays, session = genuine_plays(world, day)
        if world.company:
            attacks += world.company.acts(world, day)
            kept = apart(plays, Rows.concat([plays.take(slice(0)), *attacks])) & world.company.awake(world, plays)
            plays, session = plays.take(kept), session[kept]
        people = Rows.concat((plays, around(world, plays, session, day.rng("habits"))))
        people = people.take(awake(world, people))
        parts = [nights(world, day_us, day.rng("nights")), account_changes(world, day_us, day.rng("changes"))]
        released = _released(world, day)
        if released is not None:
            album = release(world, released, day_us, day.rng("release"))
            people = people.take(not_during(people, album, len(world.people)))
            parts.append(album)
        parts.append(sync(people.by_time(), *dead_zones(world, day), day.rng("sync")))
        rows = Rows.concat(parts + attacks)
        return rows.take(rows.time_us >= world.people.created_us[rows.user])  # nobody acts before signing up

    def _day(self, number: int) -> tuple[Rows, U64]:
        """Events of [day, day + 1) by time, none at or after the end, and their ids (n,) uint64, all different.

        A sitting of the evening before ends where the account begins to play anew.
        """
        spec = self.world.spec
        day = day_of(spec, number)
        from_us = day.from_us
        until_us = min(from_us + DAY_US, spec.stop_us)
        before, today = self.begun(number - 1), self.begun(number)
        late_evening = before.take(
            (before.time_us >= from_us) & (before.time_us < _first_play_us(today, len(self.world.people))[before.user])
        )
        rows = Rows.concat((late_evening, today))
        if day.outage:
            rows = interrupted(rows, day.outage, day.rng("outage"))
        rows = rows.take((rows.time_us >= from_us) & (rows.time_us < until_us)).by_time()
        self._ledger.note(number, rows)
        index = np.arange(len(rows), dtype=np.uint64) + np.uint64(number * _EVENTS_PER_DAY_MAX)
        return rows, scramble(index, spec.seed)


def _released(world: World, day: Day) -> I32 | None:
    """The tracks of the album that comes out on the day: one on the first, later those of the hits."""
    if day.number == 0:
        return world.catalogue.new_album
    return world.catalogue.first_album(day.hit) if day.number == day.hit_day and day.number > 0 else None
