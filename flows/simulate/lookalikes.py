"""People who play like machines for good reasons: all-night noise, and a new album on its first day."""

import numpy as np

from flows.simulate.catalogue import ALBUM_TRACKS
from flows.simulate.geography import ZONE_US
from flows.simulate.people import Persona
from flows.simulate.rows import Rows, Type
from flows.simulate.steady import Script, gaps_us, perform, sometimes
from flows.simulate.world import World
from state.types import DAY_US, HOUR_US, I32, I64, MINUTE_US, MS_US, SECOND_US, Bool

_BED_HOUR, _RISE_HOUR = 21, 9
_RELEASE_US = 5 * HOUR_US


def nights(world: World, day_us: int, rng: np.random.Generator) -> Rows:
    """Sleep music: one to four tracks over and over for 6 to 9 hours from about ten in the evening, all in full."""
    people, sleep = world.people, world.catalogue.sleep_tracks
    who = people.are(Persona.SLEEP_MUSIC)
    m, k = len(who), 600
    bed_us = (21.5 * HOUR_US + rng.random(m) * 1.5 * HOUR_US).astype(np.int64)
    from_us = day_us + (bed_us - ZONE_US[people.country[who]] - day_us) % DAY_US
    until_us = from_us + (rng.uniform(6, 9, m) * HOUR_US).astype(np.int64)
    # the same few tracks every night: the choice depends on the person, not on the day
    choice = (who[:, None] * 7 + np.arange(k) % (1 + who % 4)[:, None]) % len(sleep)
    track = sleep[choice]
    script = Script(
        track,
        world.catalogue.ms[track],
        gaps_us(rng, (m, k), 0.4, 0.4),
        (world.catalogue.playlist(0) + who % 50).astype(np.int32)[:, None],
    )
    return perform(script, who, people.device[who], people.home[who], from_us, until_us)


def awake(world: World, rows: Rows) -> Bool:
    """(n,) False where a sleep-music listener would be playing something else during the night."""
    hour = (rows.time_us + ZONE_US[world.people.country[rows.user]]) // HOUR_US % 24
    asleep = (hour >= _BED_HOUR) | (hour < _RISE_HOUR)
    sleeper = world.people.persona[rows.user] == Persona.SLEEP_MUSIC
    keep: Bool = ~(asleep & sleeper)
    return keep


def release(world: World, album: I32, day_us: int, rng: np.random.Generator) -> Rows:
    """A new album: two to nine rounds of its tracks, mostly in order, with pauses, skips of the weak ones, likes."""
    people = world.people
    who = people.are(Persona.RELEASE_DAY)
    m = len(who)
    k = ALBUM_TRACKS * 9
    from_us = day_us + _RELEASE_US + (rng.exponential(2.5, m) * HOUR_US).astype(np.int64)
    weak = rng.random((m, ALBUM_TRACKS)) < 0.2
    place = np.where(rng.random((m, k)) < 0.1, rng.integers(0, ALBUM_TRACKS, (m, k)), np.arange(k) % ALBUM_TRACKS)
    track = album[place]
    skipped = (rng.random((m, k)) < 0.05) | (np.take_along_axis(weak, place, axis=1) & (np.arange(k) >= ALBUM_TRACKS))
    ms = np.where(skipped, rng.integers(800, 25_000, (m, k)), world.catalogue.ms[track]).astype(np.int32)
    gap_us = sometimes(
        rng,
        gaps_us(rng, (m, k), 0.5, 0.5),
        0.06,
        lambda n: (rng.lognormal(np.log(6), 1, n) * MINUTE_US).astype(np.int64),
    )
    rounds = rng.integers(2, 10, m)[:, None]
    gap_us[np.arange(1, k + 1)[None, :] >= rounds * ALBUM_TRACKS] = DAY_US  # the last round is over
    script = Script(track, ms, gap_us, world.catalogue.album[track])
    until_us = np.full(m, day_us + DAY_US, np.int64)
    plays = perform(script, who, people.device[who], people.home[who], from_us, until_us)
    skip = plays.take((plays.ms < 30_000) & (rng.random(len(plays)) < 0.95))
    like = plays.take((plays.ms > 60_000) & (rng.random(len(plays)) < 0.06))
    before_end: I64 = like.ms.astype(np.int64) // 2 * MS_US
    return Rows.concat((plays, skip.then(skip.time_us, Type.SKIP), like.then(like.time_us - before_end, Type.LIKE)))


def not_during(rows: Rows, busy: Rows, accounts: int) -> Bool:
    """(n,) False where an account would play between its own first and last event in `busy`."""
    first = np.full(accounts, np.iinfo(np.int64).max)
    last = np.full(accounts, np.iinfo(np.int64).min)
    np.minimum.at(first, busy.user, busy.time_us)
    np.maximum.at(last, busy.user, busy.time_us)
    begin_us = rows.time_us - np.maximum(rows.ms, 0).astype(np.int64) * MS_US
    return ~((rows.time_us > first[rows.user] - 10 * MINUTE_US) & (begin_us < last[rows.user] + SECOND_US))
