"""What people do around their plays: skip, like, save, follow, search, edit playlists, log in, manage the account."""

from typing import Final

import numpy as np

from flows.simulate.people import PHONES
from flows.simulate.rows import Rows, Type
from flows.simulate.world import World
from state.types import DAY_US, I32, I64, MS_US, SECOND_US

_PER_PLAY: Final = {
    Type.LIKE: 0.018,
    Type.SAVE: 0.010,
    Type.FOLLOW: 0.004,
    Type.PLAYLIST_EDIT: 0.010,
    Type.SEARCH: 0.03,
}
_SHORT_SKIP, _CUT_SKIP = 0.95, 0.75
_LOGIN_PHONE, _LOGIN_OTHER, _MISTYPED = 0.12, 0.45, 0.06
_PER_DAY: Final = {Type.PASSWORD_CHANGE: 0.0012, Type.EMAIL_CHANGE: 0.0006}


def around(world: World, plays: Rows, session: I32, rng: np.random.Generator) -> Rows:
    """Everything but the plays themselves.  plays, session: as from listening.genuine_plays."""
    n = len(plays)
    begin_us = plays.time_us - plays.ms.astype(np.int64) * MS_US
    short = plays.ms < 30_000
    cut = plays.ms < world.catalogue.ms[plays.track]
    skip = plays.take(cut & (rng.random(n) < np.where(short, _SHORT_SKIP, _CUT_SKIP)))
    parts = [skip.then(skip.time_us, Type.SKIP)]
    social = world.people.social[plays.user]
    inside_us = (begin_us + rng.random(n) * (plays.time_us - begin_us)).astype(np.int64)
    artists_at = np.int32(len(world.catalogue.artist))
    for kind, rate in _PER_PLAY.items():
        mask = rng.random(n) < rate * social * (1.0 if kind == Type.SEARCH else np.where(short, 0.1, 1.0))
        some = plays.take(mask)
        if kind == Type.FOLLOW:
            some.track = artists_at + world.catalogue.artist[some.track]
        search = kind == Type.SEARCH
        parts.append(some.then((begin_us if search else inside_us)[mask], kind, bare=search))
    opening = np.flatnonzero(np.diff(session, prepend=-1))
    return Rows.concat([*parts, *_arrivals(world, plays.take(opening), begin_us[opening], rng)])


def _arrivals(world: World, opening: Rows, begin_us: I64, rng: np.random.Generator) -> list[Rows]:
    """Log-ins (a few mistyped) and first searches of sittings, whose first plays are given."""
    n = len(opening)
    phone = world.client[opening.device] < PHONES
    login = rng.random(n) < np.where(phone, _LOGIN_PHONE, _LOGIN_OTHER)
    at_us = begin_us - rng.integers(5, 60, n) * SECOND_US
    parts = [opening.then(at_us, Type.LOGIN_OK, bare=True).take(login)]
    for attempt in (1, 2, 3):
        login = login & (rng.random(n) < (_MISTYPED if attempt == 1 else 0.4))
        wrong = opening.then(at_us - attempt * 9 * SECOND_US, Type.LOGIN_FAILED, bare=True)
        parts.append(wrong.take(login))
    search = opening.then(begin_us - 3 * SECOND_US, Type.SEARCH, bare=True)
    parts.append(search.take(rng.random(n) < 0.3))
    return parts


def account_changes(world: World, day_us: int, rng: np.random.Generator) -> Rows:
    """New passwords and addresses, changes of plan and genuine sign-ups of the day, from home on the first device."""
    people, users = world.people, np.arange(len(world.people), dtype=np.int32)
    parts = []
    for kind, rate in _PER_DAY.items():
        who = users[rng.random(len(users)) < rate]
        at_us = day_us + (rng.random(len(who)) * DAY_US).astype(np.int64)
        parts.append(Rows.of(at_us, who, kind=kind, device=people.device[who], ip=people.home[who]))
    for kind, at_us in ((Type.PLAN_CHANGE, people.plan_change_us), (Type.SIGN_UP, people.created_us)):
        who = users[(at_us >= day_us) & (at_us < day_us + DAY_US)]
        parts.append(Rows.of(at_us[who], who, kind=kind, device=people.device[who], ip=people.home[who]))
    return Rows.concat(parts)
