"""Rows to JSON Lines: each line is glued from pieces of text that were encoded once per user, device, address, track.

Names hold letters, digits, dots, colons and underscores only, so nothing needs escaping; a test reads every line back.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from flows.simulate.geography import ALL_COUNTRIES
from flows.simulate.people import CLIENTS, PLANS
from flows.simulate.rows import Rows, Type
from flows.simulate.seeds import names, scramble
from flows.simulate.world import World
from state.types import I32, I64, MS_US, U64, Names


def pieces(texts: Iterable[str]) -> Names:
    """A table of text pieces, with an empty one at the end: index -1 is "nothing"."""
    return np.array([*texts, ""], dtype=object)


def addresses(count: int, salt: int) -> list[str]:
    """`count` different public-looking IPv4 addresses, 32.0.0.0 to 95.255.255.255."""
    x = scramble(np.arange(count, dtype=np.uint64), salt, 30) + np.uint64(32 << 24)
    octets = [((x >> np.uint64(shift)) & np.uint64(255)).tolist() for shift in (24, 16, 8, 0)]
    return [f"{a}.{b}.{c}.{d}" for a, b, c, d in zip(*octets, strict=True)]


_OFFLINE = pieces((',"offline":false', ',"offline":true'))
_HAPPENED = pieces(f',"type":"{t.name.lower()}"' for t in Type)


class Encoder:
    """The text pieces of one world."""

    def __init__(self, world: World) -> None:
        seed, people, catalogue = world.spec.seed, world.people, world.catalogue
        created = (people.created_us // MS_US).tolist()
        self.change_us = people.plan_change_us
        self.user = pieces(
            f',"user_id":"{u}","plan":"{PLANS[p]}","account_created":{c}'
            for plan in (people.plan, people.plan_after)
            for u, p, c in zip(world.user_id, plan.tolist(), created, strict=True)
        )
        self.device = pieces(
            f',"device_id":"{d}","client":"{CLIENTS[c]}"'
            for d, c in zip(names("d", len(world.client), seed), world.client.tolist(), strict=True)
        )
        texts = world.layout.texts(seed) if world.layout else addresses(len(world.country), seed)
        self.ip = pieces(
            f',"ip":"{a}","country":"{ALL_COUNTRIES[c]}"' for a, c in zip(texts, world.country.tolist(), strict=True)
        )
        holder = names("r", int(catalogue.holder.max()) + 1, seed)
        artist = [
            f',"artist_id":"{a}","rights_holder_id":"{holder[h]}"'
            for a, h in zip(names("a", len(catalogue.holder), seed), catalogue.holder.tolist(), strict=True)
        ]
        ids = zip(names("t", len(catalogue.ms), seed), catalogue.artist.tolist(), catalogue.ms.tolist(), strict=True)
        self.track = pieces([*(f',"track_id":"{t}"{artist[a]},"track_ms":{ms}' for t, a, ms in ids), *artist])
        kinds = (("album", catalogue.albums), ("playlist", catalogue.playlists), ("radio", len(catalogue.holder)))
        self.context = pieces(f',"context_id":"{kind}:{c}"' for kind, count in kinds for c in names("c", count, seed))

    def lines(self, rows: Rows, event_id: U64) -> list[bytes]:
        """One JSON object per row, without newlines."""
        changed = rows.time_us >= self.change_us[rows.user]
        user = rows.user + changed * np.int32(len(self.change_us))
        parts = (
            _HAPPENED[rows.type],
            self.user[user],
            self.device[rows.device],
            self.ip[rows.ip],
            self.track[rows.track],
            self.context[rows.context],
        )
        return glue(event_id, rows.time_us // MS_US, parts, rows.ms, _OFFLINE[rows.offline.astype(np.intp)].tolist())


def glue(event_id: U64, time_ms: I64, parts: tuple[Names, ...], ms: I32, tail: list[str]) -> list[bytes]:
    """Put lines together.  parts: six piece columns (n,).  ms: played, negative for none.  tail: text after it."""
    if not len(event_id):
        return []
    digits = event_id.astype(">u8").tobytes().hex()  # of all at once: formatting each would double the time
    ids = [digits[at : at + 16] for at in range(0, len(digits), 16)]
    columns: tuple[Iterable[Any], ...] = (ids, time_ms.tolist(), *(p.tolist() for p in parts), ms.tolist(), tail)
    text = [
        f'{{"event_id":"{i}","event_time":{t}{a}{b}{c}{d}{e}{f},"ms_played":{m}{o}}}'
        if m >= 0
        else f'{{"event_id":"{i}","event_time":{t}{a}{b}{c}{d}{e}{f}}}'
        for i, t, a, b, c, d, e, f, m, o in zip(*columns, strict=True)
    ]
    return "\n".join(text).encode().split(b"\n")
