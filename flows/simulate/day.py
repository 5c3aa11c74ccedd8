"""One day of the whole platform, as rows in event-time order."""

from functools import lru_cache

import numpy as np

from flows.simulate.habits import account_changes, around
from flows.simulate.listening import genuine_plays
from flows.simulate.lookalikes import awake, nights, not_during, release
from flows.simulate.offline import dead_zones, sync
from flows.simulate.rows import Rows, Type
from flows.simulate.seeds import scramble, stream
from flows.simulate.world import World
from state.types import DAY_US, END_OF_TIME_US, I64, MS_US, U64

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

    def _begun(self, number: int) -> Rows:
        """What begins on a day, some of which happens on the next.  number: from -1, the evening before the start."""
        world, spec = self.world, self.world.spec
        day_us = spec.start_us + number * DAY_US

        def rng(purpose: str) -> np.random.Generator:
            return stream(spec.seed, purpose, number + 1)

        plays, session = genuine_plays(world, day_us, rng("plays"))
        people = Rows.concat((plays, around(world, plays, session, rng("habits"))))
        people = people.take(awake(world, people))
        parts = [nights(world, day_us, rng("nights")), account_changes(world, day_us, rng("changes"))]
        if number == 0:
            album = release(world, day_us, rng("release"))
            people = people.take(not_during(people, album, spec.users))
            parts.append(album)
        parts.append(sync(people.by_time(), *dead_zones(world, day_us, rng("offline")), rng("sync")))
        if number >= 0:
            parts += [c.rows(crew, world.catalogue, day_us, rng(f"acts {c.name}")) for c, crew in world.crews]
        rows = Rows.concat(parts)
        return rows.take(rows.time_us >= world.people.created_us[rows.user])  # nobody acts before signing up

    def _day(self, number: int) -> tuple[Rows, U64]:
        """Events of [day, day + 1) by time, none at or after the end, and their ids (n,) uint64, all different.

        A sitting of the evening before ends where the account begins to play anew.
        """
        spec = self.world.spec
        from_us = spec.start_us + number * DAY_US
        until_us = min(from_us + DAY_US, spec.stop_us)
        before, today = self.begun(number - 1), self.begun(number)
        late_evening = before.take(
            (before.time_us >= from_us) & (before.time_us < _first_play_us(today, spec.users)[before.user])
        )
        rows = Rows.concat((late_evening, today))
        rows = rows.take((rows.time_us >= from_us) & (rows.time_us < until_us)).by_time()
        index = np.arange(len(rows), dtype=np.uint64) + np.uint64(number * _EVENTS_PER_DAY_MAX)
        return rows, scramble(index, spec.seed)
