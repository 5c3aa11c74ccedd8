"""Platform: the simulated stream, partition by partition, in arrival order."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from flows.simulate.bad_lines import BAD_KINDS
from flows.simulate.config import SimulationSpec
from flows.simulate.day import Days
from flows.simulate.disorder import arrivals
from flows.simulate.encode import Encoder
from flows.simulate.seeds import stream
from flows.simulate.truth import campaign_truth, truth
from flows.simulate.world import World
from state.errors import SourceError
from state.types import DAY_US, I64, MINUTE_US, U64


@dataclass(frozen=True, slots=True)
class Chunk:
    """The lines that arrive in [arrival_us, arrival_us + chunk_us).

    events: good lines, each for the first time.  duplicates: good lines that came before.  bad: broken lines by kind.
    """

    arrival_us: int
    lines: list[bytes]
    events: int
    duplicates: int
    bad: dict[str, int]


class Platform:
    """A deterministic stream: the lines of a partition depend on the spec and the partition only.

    A day's columns are held at a time (about 40 bytes an event), its lines only chunk by chunk.
    """

    def __init__(self, spec: SimulationSpec) -> None:
        self.spec = spec
        self.world = World.build(spec)
        self.days = Days(self.world)

    def __reduce__(self) -> tuple[type["Platform"], tuple[SimulationSpec]]:
        return Platform, (self.spec,)  # another process draws the same world again

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder(self.world)

    @cached_property
    def _partition_of(self) -> I64:
        return np.array([zlib.crc32(u.encode()) % self.spec.partitions for u in self.world.user_id])

    def partitions(self) -> list[str]:
        """The partitions' ids."""
        return [f"part-{p:02d}" for p in range(self.spec.partitions)]

    def truth(self) -> list[dict[str, Any]]:
        """Who is who; see flows.simulate.truth."""
        return truth(self.world, self.days.first_attack_us())

    def campaigns(self) -> list[dict[str, Any]]:
        """What the campaigns are, and when they played; see flows.simulate.truth.  Draws all days."""
        return campaign_truth(self.world, self.days.ledger())

    def lines(self, partition: str, chunk_us: int = 10 * MINUTE_US) -> Iterator[list[bytes]]:
        """The partition's lines in arrival order, one list per chunk_us of arrival time (empty ones too)."""
        for chunk in self.chunks(partition, chunk_us):
            yield chunk.lines

    def chunks(self, partition: str, chunk_us: int = 10 * MINUTE_US) -> Iterator[Chunk]:
        """As lines, with counts.  Chunks begin anew each day; what arrives after a day's end is in its last chunk.

        Raises SourceError where there is no such partition.
        """
        if partition not in self.partitions():
            raise SourceError(f"simulator: no partition {partition!r}; there are {', '.join(self.partitions())}")
        for day in range(self.days.count):
            yield from self._chunks_of_day(self.partitions().index(partition), day, chunk_us)

    def _chunks_of_day(self, partition: int, day: int, chunk_us: int) -> Iterator[Chunk]:
        spec = self.spec
        day_us = spec.start_us + day * DAY_US
        rows, event_id = self.days.day(day)
        mine = self._owned(partition, rows.user, event_id)
        rows, event_id = rows.take(mine), event_id[mine]
        rng = stream(spec.seed, "arrivals", partition, day)
        which, arrival_us, copy = arrivals(rng, rows.time_us, spec.disorder_us, spec.duplicate_share)
        rng = stream(spec.seed, "bad lines", partition, day)
        broken = {
            k: np.sort(rng.integers(0, max(1, len(which)), round(spec.bad_line_share * len(rows)))) for k in BAD_KINDS
        }
        edges_us = np.arange(day_us, min(day_us + DAY_US, spec.stop_us), chunk_us)
        cuts = [0, *np.searchsorted(arrival_us, edges_us[1:]).tolist(), len(which)]
        for begin_us, low, high in zip(edges_us.tolist(), cuts[:-1], cuts[1:], strict=True):
            at = which[low:high]
            lines = self._encoder.lines(rows.take(at), event_id[at])
            again = int(copy[low:high].sum())
            here = {
                k: (p[np.searchsorted(p, low) : np.searchsorted(p, high)] - low).tolist() for k, p in broken.items()
            }
            yield Chunk(
                begin_us,
                _with_bad(lines, here) if spec.bad_line_share else lines,
                len(lines) - again,
                again,
                {k: len(p) for k, p in here.items()},
            )

    def _owned(self, partition: int, user: Any, event_id: U64) -> Any:
        if self.spec.partition_by == "user":
            return np.flatnonzero(self._partition_of[user] == partition)
        return np.flatnonzero(event_id % np.uint64(self.spec.partitions) == partition)


def _with_bad(lines: list[bytes], places: dict[str, list[int]]) -> list[bytes]:
    """The good lines, and behind some of them a broken version of it."""
    extra = sorted((at, kind) for kind, found in places.items() for at in found)
    mixed: list[bytes] = []
    done = 0
    for at, kind in extra:
        mixed += lines[done : at + 1]
        mixed.append(BAD_KINDS[kind](lines[at]))
        done = at + 1
    return mixed + lines[done:]
