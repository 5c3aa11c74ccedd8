"""Plays without a connection: they arrive together, stamped with the minute in which the device synced."""

import numpy as np

from flows.simulate.calendar import Day
from flows.simulate.geography import ZONE_US
from flows.simulate.people import Persona
from flows.simulate.rows import Rows, Type
from flows.simulate.world import World
from state.types import DAY_US, END_OF_TIME_US, HOUR_US, I64, MINUTE_US, SECOND_US, START_OF_TIME_US

BURST_MAX = 90
_BURST_US = 50 * SECOND_US


def dead_zones(world: World, day: Day) -> tuple[I64, I64]:
    """When each account has no connection this day, [from, until) in microseconds; nobody: an empty interval.

    Offline-sync people for 3 to 9 hours until their evening, one in 30 others for a ride of 15 to 80 minutes,
    travellers during their flight.  None ends while the platform is down.
    """
    people, n = world.people, len(world.people)
    day_us, rng = day.from_us, day.rng("offline")
    until_us = np.full(n, START_OF_TIME_US)
    ride = rng.random(n) < 1 / 30
    until_us[ride] = day_us + (rng.random(int(ride.sum())) * DAY_US).astype(np.int64)
    from_us = until_us - (rng.uniform(15, 80, n) * MINUTE_US).astype(np.int64)
    who = people.are(Persona.OFFLINE_SYNC)
    evening_us = (rng.uniform(17, 22, len(who)) * HOUR_US).astype(np.int64)
    until_us[who] = day_us + (evening_us - ZONE_US[people.country[who]] - day_us) % DAY_US
    from_us[who] = until_us[who] - (rng.uniform(3, 9, len(who)) * HOUR_US).astype(np.int64)
    flying = people.depart_us < END_OF_TIME_US
    until_us = np.where(flying, people.arrive_us, until_us)
    if day.outage:
        until_us = day.outage.postponed(day.rng("sync after the outage"), until_us)
    return np.where(flying, people.depart_us, from_us), until_us


def sync(rows: Rows, from_us: I64, until_us: I64, rng: np.random.Generator) -> Rows:
    """Stamp the plays of each dead zone at its end, in order, within a minute; at most 90, the rest is never reported.

    rows: in time order per account.  Events that need a connection do not happen.
    """
    inside = (rows.time_us >= from_us[rows.user]) & (rows.time_us < until_us[rows.user])
    found = np.flatnonzero(inside & (rows.type == Type.PLAY))
    found = found[np.argsort(rows.user[found], kind="stable")]
    head = np.flatnonzero(np.diff(rows.user[found], prepend=-1))
    size = np.diff(head, append=len(found))
    place = np.arange(len(found)) - np.repeat(head, size)
    kept = place < BURST_MAX
    found, place, size = found[kept], place[kept], np.minimum(np.repeat(size, size)[kept], BURST_MAX)
    jitter = (place + rng.random(len(found))) / np.maximum(size, 1)
    rows.time_us[found] = (until_us[rows.user[found]] + (jitter * _BURST_US).astype(np.int64)) // 1000 * 1000
    rows.offline[found] = True
    return rows.take(~inside | rows.offline)
