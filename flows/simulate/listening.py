"""A day of genuine listening: how many plays, in which sessions, of what, for how long, with which pauses.

The figures are those of 13 real listening histories (267,406 plays); only such summaries are written here.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from flows.simulate.calendar import Day
from flows.simulate.catalogue import ALBUM_TRACKS
from flows.simulate.company.draft import Draft
from flows.simulate.geography import ZONE_US
from flows.simulate.people import FAVOURITES, PHONES, People, Persona
from flows.simulate.rows import NOTHING, Rows
from flows.simulate.seeds import stream
from flows.simulate.world import World
from state.types import DAY_US, F64, HOUR_US, I32, I64, MS_US, SECOND_US, Bool

_PLAYS_QUANTILES: Final = (0, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99, 1)
_PLAYS_PER_DAY: Final = (1, 4, 8, 24, 52, 95, 156, 199, 293, 420)
_SHORT_SHARES: Final = (0, 0.28, 0.54, 0.73, 0.85, 0.945, 1)
_SHORT_S: Final = (0.05, 1, 2, 5, 10, 20, 30)
_HOUR_WEIGHTS: Final = np.array([3, 2, 1, 1, 1, 2, 4, 7, 9, 8, 8, 8, 8, 8, 8, 9, 10, 11, 11, 10, 10, 9, 7, 5], float)
_FREE_HOUR_WEIGHTS: Final = np.array([6, 4, 2, 1, 1, 1, 1, 2, 4, 6, 8, 9, 9, 9, 9, 9, 9, 10, 10, 10, 9, 9, 8, 7], float)
_FREE_PLAYS: Final = 0.85
_HIT_FERVOUR, _HIT_KEPT_PER_DAY = 0.5, 0.75
_COMPLETE: Final = 0.76
_PAUSED: Final = 0.14
_LANE_US: Final = 8 * DAY_US


@dataclass(frozen=True, slots=True)
class Sessions:
    """Sittings of a day in (lane, start) order; a lane is one person at one account, who hears one track at a time."""

    user: I32
    lane: I64
    start_us: I64
    device: I32
    ip: I32
    home: Bool


def genuine_plays(world: World, day: Day) -> tuple[Rows, I32]:
    """All plays of sessions that begin on the day, in session order, and each play's session.

    Returns rows (n,) and (n,) int32 session numbers, ascending.  Sessions may run into the next day.
    """
    rng = day.rng("plays")
    count = plays_per_day(world.people, rng)
    if day.free.any():
        count = np.where(day.free[world.people.country], _fewer(count, day.rng("free day")), count)
    if world.company:
        world.company.quotas(day, count)
    sessions, session = _sessions(world, day, count, rng)
    user = sessions.user[session]
    track, context = _tracks(world, user, session, rng)
    if day.hit != NOTHING:
        _play_the_hit(world, day, user, track, context)
    device, ip = sessions.device[session], sessions.ip[session]
    if world.company:
        begin_us = sessions.start_us[session]
        world.company.rewrite(world, day, Draft(user, session, begin_us, track, context, device, ip))
    ms = _played_ms(world, session, user, world.catalogue.ms[track], rng)
    busy_us = ms.astype(np.int64) * MS_US + _pauses_us(rng, len(ms))
    start_us = _one_after_another(sessions.lane[session], sessions.start_us[session], busy_us)
    end_us = start_us + ms.astype(np.int64) * MS_US
    abroad = end_us >= world.people.arrive_us[user]
    ip[abroad] = world.people.guest[user[abroad]]
    return Rows.of(end_us, user, device=device, ip=ip, track=track, context=context, ms=ms), session


def plays_per_day(people: People, rng: np.random.Generator) -> I64:
    """(n,) plays of each account on one day.

    Active accounts follow the real quantiles (median 52, 99th percentile 293), two fifths of the spread being the
    person and the rest the day; the others geometric (median 1; at most 2 plays of 30 s on 9 of 10 days), which is how
    a whole platform has 75 % of its users at two streams a day and yet people with hundreds.
    """
    count = rng.geometric(0.45, len(people)) - 1
    active = np.flatnonzero(people.active)
    mood = 0.63 * people.temperament[active] + 0.77 * rng.standard_normal(len(active))
    level = (np.argsort(np.argsort(mood)) + 0.5) / max(1, len(active))
    plays = np.rint(np.exp(np.interp(level, _PLAYS_QUANTILES, np.log(_PLAYS_PER_DAY))))
    count[active] = plays * (rng.random(len(active)) < 0.93)
    fans = people.are(Persona.SUPER_FAN)
    count[fans] = rng.integers(140, 320, len(fans))
    away = people.are(Persona.OFFLINE_SYNC)
    count[away] = rng.integers(100, 260, len(away))
    return count.astype(np.int64)


def _fewer(count: I64, rng: np.random.Generator) -> I64:
    """Plays on a day off.  Real: 0.80 of a weekday's in all, 0.89 for the median person."""
    return (count * _FREE_PLAYS + rng.random(len(count))).astype(np.int64)


def _play_the_hit(world: World, day: Day, user: I32, track: I32, context: I32) -> None:
    """Put the hit in place of up to half of the plays of those who are fond of it, a quarter fewer each day.

    user, track, context: (n,) plays; the last two are changed.
    """
    fond = stream(day.seed, "hit fans", day.hit_day).random((len(world.people), 2))
    often = np.where(fond[:, 0] < world.spec.hit, _HIT_FERVOUR * fond[:, 1], 0)
    often *= _HIT_KEPT_PER_DAY ** (day.number - day.hit_day)
    played = day.rng("hit").random(len(user)) < often[user]
    track[played] = world.catalogue.first_album(day.hit)[0]
    context[played] = world.catalogue.album[track[played]]


def _sessions(world: World, day: Day, count: I64, rng: np.random.Generator) -> tuple[Sessions, I32]:
    """Split each account's plays over sittings of very different length.  Returns them and each play's sitting."""
    people = world.people
    sittings = np.where(count > 0, 1 + rng.poisson(0.75 * np.maximum(count, 1) ** 0.4), 0)
    user = np.repeat(np.arange(len(people), dtype=np.int32), sittings)
    lane = 2 * user.astype(np.int64) + (people.shares_account[user] & (rng.random(len(user)) < 0.5))
    free = day.free[people.country[user]]
    local_us = _local_times_us(rng, free) + people.shift_us[user]
    start_us = day.from_us + (local_us - ZONE_US[people.country[user]] - day.from_us) % DAY_US
    if day.outage:
        start_us = day.outage.postponed(day.rng("sittings after the outage"), start_us)
    order = np.lexsort((start_us, lane))
    user, lane, start_us, local_us, free = user[order], lane[order], start_us[order], local_us[order], free[order]
    device = people.device[user] + (people.devices[user] * rng.random(len(user)) ** 2).astype(np.int32)
    ip, home = _addresses(world, user, device, local_us // HOUR_US % 24, free, rng)
    sessions = Sessions(user, lane, start_us, device, ip, home)
    # a play falls into a sitting with the sitting's weight: weights fill [u, u + 1) of user u
    weight = rng.gamma(0.8, 1.0, len(user)) + 1e-6
    total = np.bincount(user, weight, len(people))
    run = np.cumsum(weight)
    share = (run - (np.cumsum(total) - total)[user]) / total[user]
    share[np.flatnonzero(np.diff(user, append=-1))] = 1.0
    at = np.repeat(np.arange(len(people)), count) + rng.random(int(count.sum()))
    return sessions, np.sort(np.searchsorted(user + share, at)).astype(np.int32)


def _local_times_us(rng: np.random.Generator, free: Bool) -> I64:
    """Local time of day at which sittings begin, (n,) of which some are on days off: quiet nights, busy evenings.

    On a day off people are up later at night and in the morning: the same share of the sittings is over by then.
    """
    hour = rng.choice(24, len(free), p=_HOUR_WEIGHTS / _HOUR_WEIGHTS.sum()) + rng.random(len(free))
    if free.any():
        edges = np.arange(25)
        over, over_free = (np.cumsum((0, *w)) / w.sum() for w in (_HOUR_WEIGHTS, _FREE_HOUR_WEIGHTS))
        hour[free] = np.interp(np.interp(hour[free], edges, over), over_free, edges)
    return (hour * HOUR_US).astype(np.int64)


def _addresses(
    world: World, user: I32, device: I32, hour: I64, free: Bool, rng: np.random.Generator
) -> tuple[I32, Bool]:
    """Home at night and mostly otherwise; by day work, and a carrier's gateway for phones.  (n,) addresses, at home."""
    people, draw = world.people, rng.random(len(user))
    day = (hour >= 7) & (hour < 19)
    phone = world.client[device] < PHONES
    mobile = phone & (draw < np.where(day, 0.45, 0.15))
    work = ~mobile & day & (draw > 0.75) & ~free
    ip = np.where(work, people.work[user], people.home[user])
    ip[mobile] = world.carriers.draw(rng, people.country[user[mobile]])
    return ip, ~mobile & ~work


def _tracks(world: World, user: I32, session: I32, rng: np.random.Generator) -> tuple[I32, I32]:
    """Taste.  A sitting is an album in order, a radio around one artist, a playlist, or one's own library.

    Returns (n,) tracks and (n,) contexts.
    """
    people, catalogue, n = world.people, world.catalogue, len(user)
    sittings = int(session[-1]) + 1 if n else 0
    first = np.searchsorted(session, np.arange(sittings))
    place = np.arange(n) - first[session]
    fan = people.persona[user] == Persona.SUPER_FAN
    favourite = (FAVOURITES * rng.random(n) ** 1.9).astype(np.int32)
    star = people.favourites[user, np.where(fan, 0, favourite[first[session]])]  # whom the sitting is about
    mode = rng.choice(4, sittings, p=(0.17, 0.17, 0.38, 0.28))[session]
    album = mode == 0
    focus = rng.random(n) < np.where(fan, 0.93, np.array((0.95, 0.35, 0.03, 0.08))[mode])
    artist = np.where(rng.random(n) < 0.6, people.favourites[user, favourite], catalogue.popular_artists(rng, n))
    artist = np.where(focus, star, artist).astype(np.int32)
    track = catalogue.tracks_of(rng, artist)
    opening = ALBUM_TRACKS * rng.integers(0, 4, sittings)[session]
    in_order = album & focus
    size = catalogue.size[star]
    track = np.where(in_order, catalogue.first[star] + (opening + place) % size, track).astype(np.int32)
    playlist = rng.integers(0, catalogue.playlists - len(catalogue.owned), sittings)[session]
    context = np.choose(
        mode, (catalogue.album[track], catalogue.radio(star), catalogue.playlist(0) + playlist, np.full(n, NOTHING))
    )
    return track, context.astype(np.int32)


def _played_ms(world: World, session: I32, user: I32, track_ms: I32, rng: np.random.Generator) -> I32:
    """A third is given up before 30 s (in choosy sittings), most others are heard out, the rest cut in between."""
    n = len(user)
    sitting_user = user[np.searchsorted(session, np.arange(int(session[-1]) + 1 if n else 0))]
    skip = np.clip(world.people.skip[sitting_user], 0.01, 0.99)
    mood = rng.beta(2.5 * skip, 2.5 * (1 - skip))[session]
    given_up = np.interp(rng.random(n), _SHORT_SHARES, _SHORT_S) * 1000
    cut = 30_000 + rng.random(n) * np.maximum(0, track_ms - 30_000)
    ms = np.where(rng.random(n) < _COMPLETE, track_ms, cut)
    return np.minimum(np.where(rng.random(n) < mood, given_up, ms), track_ms).astype(np.int32)


def _pauses_us(rng: np.random.Generator, count: int) -> I64:
    """From one play to the next: the player's own delay, now and then a heavy-tailed human pause (under 25 minutes)."""
    delay_s: F64 = rng.uniform(0.02, 1.2, count)
    pause_s = np.minimum(rng.lognormal(np.log(60), 1.4, count), 1500)
    return ((delay_s + np.where(rng.random(count) < _PAUSED, pause_s, 0)) * SECOND_US).astype(np.int64)


def _one_after_another(lane: I64, wish_us: I64, busy_us: I64) -> I64:
    """Start of each play: when its sitting wishes, or as soon as the lane's previous play and pause are over.

    All (n,), lanes ascending.  With D the busy time before a play, start - D is the running maximum of wish - D.
    """
    total = np.cumsum(busy_us) - busy_us
    head = np.flatnonzero(np.diff(lane, prepend=-1))
    number = np.cumsum(np.diff(lane, prepend=-1) != 0) - 1
    before = total - total[head][number]
    base = wish_us.min(initial=0)
    lead = number * _LANE_US + (wish_us - base) - before  # far enough apart that lanes cannot touch
    start_us: I64 = np.maximum.accumulate(lead) - number * _LANE_US + before + base
    return start_us
