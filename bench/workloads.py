"""Seeded streams of the scenarios: plays of about 330 bytes with all ids, plan and country, nothing to be found.

What differs is who plays, and in which order the lines arrive. Lines are a function of the arguments alone.
"""

from collections.abc import Callable, Iterator

import numpy as np

from flows.simulate.bad_lines import BAD_KINDS
from flows.simulate.config import MONDAY_US
from flows.simulate.encode import addresses, glue, pieces
from flows.simulate.people import PLANS
from flows.simulate.seeds import names, scramble, stream
from state.types import F64, I32, I64, MS_US, SECOND_US

_TRACKS, _ARTISTS, _HOLDERS, _CONTEXTS = 30_000, 3_000, 300, 5_000
_DISORDER_US = 2 * SECOND_US
_BLOCK = 65_536

Who = Callable[[np.random.Generator, I64], I32]
"""The users (n,) of the events with these numbers (n,); event 0 is the earliest."""
READABLE_BAD = ("wrong_type", "missing_field", "time_out_of_range")
"""The kinds of broken lines that are still JSON, so that the reference can parse them."""


def evenly(users: int) -> Who:
    """Every user as busy as any other."""
    return lambda rng, index: rng.integers(0, users, len(index)).astype(np.int32)


def by_rank(users: int, exponent: float) -> Who:
    """Zipf's law on a bounded support: the user of rank r has a share of the events that is proportional to
    r**-exponent.
    """
    share: F64 = np.arange(1.0, users + 1.0) ** -exponent
    reach = np.cumsum(share) / share.sum()
    return lambda rng, index: np.minimum(np.searchsorted(reach, rng.random(len(index))), users - 1).astype(np.int32)


def one_is_half(users: int) -> Who:
    """User 0 has half of the events, the others share the rest evenly."""

    def who(rng: np.random.Generator, index: I64) -> I32:
        others = rng.integers(1, max(2, users), len(index))
        return np.where(rng.random(len(index)) < 0.5, 0, others).astype(np.int32)

    return who


def passing(users: int, events: int, stay_events: float) -> Who:
    """One user after the other, never seen again.  stay_events: of the stream, while a user is there."""

    def who(rng: np.random.Generator, index: I64) -> I32:
        here = max(1.0, users * stay_events / events)
        first = index / events * (users - here)
        return (first + rng.random(len(index)) * here).astype(np.int32)

    return who


def plays(
    events: int, users: int, duration_us: int, who: Who, *, order: I64 | None = None, seed: int = 1
) -> Iterator[bytes]:
    """`events` play events, one JSON object each.

    Tracks and contexts are uniform. Event times spread evenly over [start, start + duration), each up to 2 s early.
    order: (events,) the events' numbers in the order of arrival; None: as they are numbered.
    """
    rng = stream(seed, "uniform plays")
    plan = rng.integers(0, len(PLANS), users).tolist()
    user = pieces(f',"user_id":"{u}","plan":"{PLANS[p]}"' for u, p in zip(names("u", users, seed), plan, strict=True))
    device = pieces(f',"device_id":"{d}"' for d in names("d", users, seed))
    ip = pieces(f',"ip":"{a}","country":"{("DE", "FR", "US")[i % 3]}"' for i, a in enumerate(addresses(users, seed)))
    artist, holder = names("a", _ARTISTS, seed), names("r", _HOLDERS, seed)
    length_ms = rng.integers(90_000, 300_000, _TRACKS).astype(np.int32)
    track = pieces(
        f',"track_id":"{t}","artist_id":"{artist[i % _ARTISTS]}"'
        f',"rights_holder_id":"{holder[i % _HOLDERS]}","track_ms":{ms}'
        for i, (t, ms) in enumerate(zip(names("t", _TRACKS, seed), length_ms.tolist(), strict=True))
    )
    context = pieces(f',"context_id":"playlist:{c}"' for c in names("c", _CONTEXTS, seed))
    play = pieces([',"type":"play"'])
    for low in range(0, events, _BLOCK):
        index = np.arange(low, min(low + _BLOCK, events)) if order is None else order[low : low + _BLOCK]
        n = len(index)
        time_us = MONDAY_US + index * duration_us // events - (rng.random(n) * _DISORDER_US).astype(np.int64)
        time_us = np.maximum(MONDAY_US, time_us)
        person = who(rng, index)
        what = rng.integers(0, _TRACKS, n)
        parts = (
            play[np.zeros(n, int)],
            user[person],
            device[person],
            ip[person],
            track[what],
            context[rng.integers(0, _CONTEXTS, n)],
        )
        ms = (length_ms[what] * rng.random(n)).astype(np.int32)
        yield from glue(scramble(index.astype(np.uint64), seed), time_us // MS_US, parts, ms, [""] * n)


def delayed(
    events: int, duration_us: int, most_us: int, stray_share: float, stray_us: tuple[int, int], seed: int = 1
) -> I64:
    """An order of arrival: every event is delayed by up to most_us, evenly; strays by the range stray_us instead.

    Returns (events,) event numbers.
    """
    rng = stream(seed, "delays")
    delay_us = rng.random(events) * most_us
    stray = rng.random(events) < stray_share
    delay_us[stray] = rng.uniform(*stray_us, int(stray.sum()))
    return np.argsort(np.arange(events) * (duration_us / events) + delay_us, kind="stable")


def soiled(lines: Iterator[bytes], bad_share: float, twice_share: float, seed: int = 1) -> Iterator[bytes]:
    """As archives are: some lines broken (READABLE_BAD), some replaced by a copy of the line before."""
    rng = stream(seed, "soil")
    before = b""
    for line in lines:
        chance = rng.random()
        if chance < bad_share:
            yield BAD_KINDS[READABLE_BAD[int(chance / bad_share * len(READABLE_BAD))]](line)
        elif before and chance < bad_share + twice_share:
            yield before
        else:
            yield line
            before = line
