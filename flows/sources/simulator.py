"""The simulated platform as a source: as fast as it goes, or on a timetable."""

import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from flows.sources.base import Lines, Unwatched
from state.errors import SourceError


class Simulation(Protocol):
    """What this source needs of flows.simulate.Platform."""

    def partitions(self) -> Sequence[Any]:
        """The partitions, in a fixed order; their text names them."""

    def lines(self, partition: Any) -> Iterator[list[bytes]]:
        """The partition's event lines, piece by piece in the order of arrival; the same each time it is asked."""


@dataclass(frozen=True, slots=True)
class SimulatorSpec:
    """A simulation as a source.  speed: seconds of event time per second; None for as fast as it goes."""

    simulation: Simulation
    speed: float | None = None
    name: str = "simulator"

    def partition_names(self) -> list[str]:
        """One per partition of the simulation: simulator-0, ..."""
        return [f"{self.name}-{index}" for index in range(len(self.simulation.partitions()))]

    def open(self, name: str) -> "SimulatorPartition":
        """A reader at the beginning of one partition."""
        partition = self.simulation.partitions()[self.partition_names().index(name)]
        return SimulatorPartition(name, lambda: self.simulation.lines(partition), self.speed)


class SimulatorPartition(Unwatched):
    """Offsets are line numbers from 0.  With a speed, a line is given when its event time has come on the timetable."""

    size_bytes = None
    done_bytes = None
    ends_for_good = True

    def __init__(
        self,
        name: str,
        begin: Callable[[], Iterator[list[bytes]]],
        speed: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """clock: seconds, for the timetable."""
        self.name = name
        self._begin = begin
        self._speed = speed
        self._clock = clock
        self._pieces = begin()
        self._piece: list[bytes] = []
        self._taken = 0
        self._next_line = 0
        self._started: tuple[float, float] | None = None

    def read(self, max_lines: int) -> Lines | None:
        """At most max_lines further lines; none if the next one's time has not come; None at the end."""
        while self._taken == len(self._piece):
            piece = next(self._pieces, None)
            if piece is None:
                return None
            self._piece, self._taken = piece, 0
        lines = self._piece[self._taken : self._taken + max_lines]
        if self._speed is not None:
            lines = lines[: self._due(lines, self._speed)]
        offsets = range(self._next_line, self._next_line + len(lines))
        self._taken += len(lines)
        self._next_line += len(lines)
        return Lines(lines, offsets, self.name)

    def position(self) -> int:
        """The number of the next line."""
        return self._next_line

    def seek(self, position: int) -> None:
        """Simulates again up to that line.  The timetable starts anew there."""
        self._pieces, self._piece, self._taken, self._started = self._begin(), [], 0, None
        self._next_line = 0
        while self._next_line < position:
            piece = next(self._pieces, None)
            if piece is None:
                raise SourceError(
                    f"{self.name}: ends before line {position}, the saved one; was the simulation changed?"
                )
            self._piece = piece
            self._taken = min(position - self._next_line, len(self._piece))
            self._next_line += self._taken

    def close(self) -> None:
        """Drops the simulation."""
        self._pieces = iter(())

    def _due(self, lines: list[bytes], speed: float) -> int:
        """How many of these lines have had their time."""
        now = self._clock()
        if self._started is None:
            self._started = (now, _seconds(lines[0], 0.0))
        reached = self._started[1] + (now - self._started[0]) * speed
        # Lines are nearly sorted, which is sorted enough for a timetable.
        return bisect_right(lines, reached, key=lambda line: _seconds(line, reached))


def _seconds(line: bytes, otherwise: float) -> float:
    """A line's event time in seconds; the other value for a bad line."""
    try:
        return float(orjson.loads(line)["event_time"]) / 1e3
    except (ValueError, TypeError, KeyError):
        return otherwise
