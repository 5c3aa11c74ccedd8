"""Plain load for benchmarks: plays of everybody at every moment, nothing to be found."""

from collections.abc import Iterator

import numpy as np

from flows.simulate.config import MONDAY_US
from flows.simulate.encode import addresses, glue, pieces
from flows.simulate.people import PLANS
from flows.simulate.seeds import names, scramble, stream
from state.types import I32, MINUTE_US, MS_US, SECOND_US

_TRACKS, _ARTISTS, _HOLDERS = 30_000, 3_000, 300


def uniform_plays(
    events: int = 1_000_000,
    users: int = 50_000,
    duration_us: int = 30 * MINUTE_US,
    seed: int = 1,
    *,
    start_us: int = MONDAY_US,
    disorder_us: int = 2 * SECOND_US,
    batch: int = 8192,
) -> Iterator[list[bytes]]:
    """Yield `events` play events of about 330 bytes, with all ids, plan and country, in lists of `batch` lines.

    Users and tracks are uniform; event times spread evenly over [start, start + duration) and are shuffled by at most
    disorder_us.  The lines are a function of the arguments, whatever the batch.
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
    context = pieces(f',"context_id":"playlist:{c}"' for c in names("c", 5_000, seed))
    kind = pieces([',"type":"play"'])
    block = max(1, min(events, 65_536))  # drawn in blocks of one size, so that the batch changes nothing
    waiting: list[bytes] = []
    for low in range(0, events, block):
        n = min(block, events - low)
        index = np.arange(low, low + n)
        time_us = start_us + index * duration_us // max(1, events)
        time_us = np.maximum(start_us, time_us - (rng.random(n) * disorder_us).astype(np.int64))
        who: I32 = rng.integers(0, users, n).astype(np.int32)
        what = rng.integers(0, _TRACKS, n)
        parts = (
            kind[np.zeros(n, int)],
            user[who],
            device[who],
            ip[who],
            track[what],
            context[rng.integers(0, 5_000, n)],
        )
        ms = (length_ms[what] * rng.random(n)).astype(np.int32)
        waiting += glue(scramble(index.astype(np.uint64), seed), time_us // MS_US, parts, ms, [""] * n)
        while len(waiting) >= batch:
            yield waiting[:batch]
            del waiting[:batch]
    if waiting:
        yield waiting
