"""Places at which a process can be killed: wrapped around the code from outside, in a process that is about to die."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from unittest.mock import patch

from flows.engine import recovery
from flows.engine.logics import StageLogic
from flows.engine.sink import OutputPartition
from flows.engine.source import LinePartition
from flows.operators.population.operator import PopulationOperator
from flows.operators.subject.operator import SubjectOperator
from flows.sinks.jsonl import JsonlWriter
from flows.sinks.sqlite import SqliteWriter
from state.segments import Segments


def die() -> None:
    """As of kill -9: nothing is flushed, nobody is told."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Countdown:
    """Dies at the nth hit."""

    left: int

    def due(self) -> bool:
        self.left -= 1
        return self.left == 0

    def hit(self) -> None:
        if self.due():
            die()


Wrapper = Callable[[Countdown, Callable[..., Any]], Callable[..., Any]]


def before(countdown: Countdown, work: Callable[..., Any]) -> Callable[..., Any]:
    """Dies before it is done."""

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        countdown.hit()
        return work(*args, **kwargs)

    return wrapped


def after(countdown: Countdown, work: Callable[..., Any]) -> Callable[..., Any]:
    """Dies when it was done, and before anybody else knows."""

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = work(*args, **kwargs)
        countdown.hit()
        return result

    return wrapped


def half_a_segment(countdown: Countdown, work: Callable[..., Any]) -> Callable[..., Any]:
    """Dies when half of the bytes are in the file."""

    def wrapped(self: Segments, segment: Any) -> Any:
        if segment.pending and countdown.due():
            data = b"".join(segment.pending.values())
            self._directory.mkdir(parents=True, exist_ok=True)
            with self._path(segment.number).open("ab") as file:
                file.write(data[: len(data) // 2])
            die()
        return work(self, segment)

    return wrapped


def half_a_line(countdown: Countdown, work: Callable[..., Any]) -> Callable[..., Any]:
    """Dies in the middle of a record."""

    def wrapped(self: JsonlWriter, items: list[bytes]) -> Any:
        if items and countdown.due():
            data = b"".join(items)
            os.pwrite(self._fd, data[: len(data) - len(items[-1]) // 2 - 1], self._bytes)
            die()
        return work(self, items)

    return wrapped


POINTS: Final[dict[str, tuple[Any, str, Wrapper, int]]] = {
    "before chunks are written": (Segments, "_flush", before, 40),
    "half of the chunks written": (Segments, "_flush", half_a_segment, 30),
    "chunks written, root not": (Segments, "_flush", after, 40),
    "before segments are deleted": (Segments, "settle", before, 40),
    "after segments were deleted": (Segments, "settle", after, 40),
    "between two operators' snapshots": (StageLogic, "snapshot", after, 30),
    "source told its position": (LinePartition, "snapshot", after, 8),
    "half a line in the file": (JsonlWriter, "_send", half_a_line, 15),
    "alerts in the store, position not": (SqliteWriter, "_send", after, 5),
    "sinks flushed, positions not": (OutputPartition, "snapshot", after, 6),
    "before sinks are opened": (OutputPartition, "__init__", before, 1),
    "store made, not named": (recovery, "init_db_dir", after, 1),
    "while a key group is restored": (SubjectOperator, "_restore", before, 3),
    "while models are restored": (PopulationOperator, "_restore", before, 1),
}
"""Name -> whose attribute is wrapped, how, and the largest number of hits that makes sense."""


def arm(point: str, hits: int) -> None:
    """From now on this process dies at this point's nth hit.  Never undone: it is the process that goes."""
    owner, name, wrap, _ = POINTS[point]
    patch.object(owner, name, wrap(Countdown(hits), getattr(owner, name))).start()
