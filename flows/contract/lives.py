"""Processes that use a sink or a source, and die in the middle of it as by `kill -9`."""

import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any, Final, Literal, NamedTuple

from flows.config.plugged import SinkSettings, SourceSettings
from flows.contract.records import record_of
from flows.sinks.base import Opening, Record
from flows.streams import Stream
from state.check import must

_TIMEOUT_S: Final = 120.0
_FAILED: Final = "failed"


class Step(NamedTuple):
    """write: records from one number up to another.  flush: and tell the position.  die: at once.  close."""

    what: Literal["write", "flush", "die", "close"]
    first: int = 0
    end: int = 0


def die() -> None:
    """As of kill -9."""
    os.kill(os.getpid(), signal.SIGKILL)


def alert(n: int) -> Record:
    """The nth alert of a trial: one of three subjects', raised in the nth minute of a day."""
    return record_of(Stream.ALERTS, n) | {"subject": f"u{n % 3}", "raised": f"2026-03-02T{minute(n)}:00.000000Z"}


def minute(n: int) -> str:
    """As in "07:10"."""
    return f"{n // 60:02d}:{n % 60:02d}"


def live(settings: SinkSettings, position: Any, *steps: Step) -> list[Any]:
    """Takes a sink through these steps in a process of its own; the positions of its flushes, as JSON gives them."""
    return _process(_use_sink, settings, position, steps, dies=steps[-1].what == "die")


def read_and_die(settings: SourceSettings, partition: str, position: Any, reads: int, at_once: int) -> list[Any]:
    """Reads a partition in a process that dies after so many reads; [lines, position] of each read."""
    return _process(_use_source, settings, partition, position, reads, at_once, dies=True)


def _process(target: Callable[..., None], *arguments: Any, dies: bool) -> list[Any]:
    """Runs it in a new process; what it told."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_guarded, args=(theirs, target, arguments))
    process.start()
    theirs.close()
    told: list[Any] = []
    try:
        while ours.poll(_TIMEOUT_S):
            told.append(json.loads(ours.recv()))
    except EOFError:
        pass
    process.join(5)
    code = process.exitcode
    if code is None:
        process.kill()
        raise AssertionError(f"did nothing for {_TIMEOUT_S:g} s")
    process.close()
    if told and isinstance(told[-1], dict) and _FAILED in told[-1]:
        raise AssertionError(told[-1][_FAILED])
    must(code == (-signal.SIGKILL if dies else 0), f"the process ended with {code}")
    return told


def _guarded(tell: Connection, target: Callable[..., None], arguments: Sequence[Any]) -> None:
    try:
        target(tell, *arguments)
    except Exception as error:
        tell.send(json.dumps({_FAILED: f"{type(error).__name__}: {error}"}))


def _use_sink(tell: Connection, settings: SinkSettings, position: Any, steps: Sequence[Step]) -> None:
    sink = settings.sink().open(Opening(Stream.ALERTS, position, "trial"))
    for step in steps:
        if step.what == "write":
            sink.write([alert(n) for n in range(step.first, step.end)])
        elif step.what == "flush":
            tell.send(json.dumps(sink.flush()))
        elif step.what == "close":
            sink.close()
        else:
            die()


def _use_source(
    tell: Connection, settings: SourceSettings, partition: str, position: Any, reads: int, at_once: int
) -> None:
    from flows.contract.sources import opened

    reader = opened(settings, partition, position)
    for _ in range(reads):
        found = reader.read(at_once)
        lines = [] if found is None else [line.hex() for line in found.lines]
        tell.send(json.dumps([lines, reader.position()]))
    die()
