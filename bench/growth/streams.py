"""Streams whose users, events and time are chosen one by one, so that one of them can grow and the others stay."""

from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

from flows.simulate.config import MONDAY_US, SimulationSpec
from flows.simulate.platform import Platform
from flows.sources.files import FilesSpec
from state.types import I64, MS_US

_TRACKS, _ARTISTS, _HOLDERS = 30_011, 3_001, 307


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """Play events of about 180 bytes, in the order of time.

    user: (n,) int64, who.  time_us: (n,) int64 ascending, whole milliseconds.
    """

    user: I64
    time_us: I64

    def __len__(self) -> int:
        return len(self.user)

    def lines(self, first_id: int = 0) -> list[bytes]:
        """The events as JSON.  first_id: of the first one, counting up; ids of one run must differ."""
        n = np.arange(len(self))
        track = n * 7919 % _TRACKS
        played = _played()
        columns = (n + first_id, self.time_us // MS_US, self.user, track, n * 104_729 % 240_000)
        text = [
            f'{{"event_id":"{i:x}","event_time":{t},"type":"play","user_id":"u{u:010d}",{played[k]},"ms_played":{m}}}'
            for i, t, u, k, m in zip(*(c.tolist() for c in columns), strict=True)
        ]
        return "\n".join(text).encode().split(b"\n") if text else []

    def rows(self, size_us: int, slide_us: int) -> int:
        """How many window rows a window on the grid gives: each user once per window that holds an event of theirs.

        Windows end up to the first end after the last event. What the flow gives is checked against this.
        """
        pane = self.time_us // slide_us
        ratio, last = size_us // slide_us, int(pane.max()) + 1
        key = np.unique(self.user * (last + 1) + pane)
        user, pane = key // (last + 1), key % (last + 1)
        ahead = np.append(pane[1:], last)
        ahead[np.append(user[1:] != user[:-1], True)] = last
        return int(np.minimum(ahead - pane, ratio).sum())

    def then(self, other: "Stream") -> "Stream":
        """The two one after the other."""
        return Stream(np.concatenate([self.user, other.user]), np.concatenate([self.time_us, other.time_us]))

    def with_arrivals(self, every: int, first: int) -> "Stream":
        """Every so many events one is of a user that nobody has seen: first, first + 1, ..."""
        user = self.user.copy()
        user[::every] = first + np.arange(len(user[::every]))
        return Stream(user, self.time_us)


@cache
def _played() -> list[str]:
    """What is said of each track."""
    return [
        f'"track_id":"t{t:05d}","artist_id":"a{t % _ARTISTS:04d}","rights_holder_id":"r{t % _HOLDERS:03d}"'
        for t in range(_TRACKS)
    ]


def steady(events: int, users: int, span_us: int, start_us: int = MONDAY_US) -> Stream:
    """Users 0 to users - 1 take turns in a shuffled order, evenly over [start, start + span).

    Each has events / users of them: how many users a stretch of time has is given, not drawn.
    """
    rng = np.random.default_rng([events, users])
    turns = [rng.permutation(users) for _ in range(-(-events // users))]
    time_us = start_us + np.arange(events) * span_us // events
    return Stream(np.concatenate(turns)[:events], time_us // MS_US * MS_US)


def write_parts(stream: Stream, parts: int, directory: Path) -> FilesSpec:
    """The stream as files side by side, each user's events in one of them."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / f"events-{part}.jsonl" for part in range(parts)]
    for part, path in enumerate(paths):
        mine = stream.user % parts == part
        path.write_bytes(b"\n".join(Stream(stream.user[mine], stream.time_us[mine]).lines(part << 40)) + b"\n")
    return FilesSpec(tuple(map(str, paths)), "per_file")


@lru_cache(maxsize=1)
def simulated(users: int, duration_us: int) -> list[bytes]:
    """Lines of the simulated platform; the last ones are kept for the next point."""
    platform = Platform(SimulationSpec(users=users, start_us=MONDAY_US, duration_us=duration_us, partitions=1))
    return [line for piece in platform.lines(platform.partitions()[0]) for line in piece]
