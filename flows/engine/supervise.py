"""Restarts: a durable run whose processes died goes on from its last checkpoint, after a pause that grows."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from flows.engine.shutdown import Stop
from state.errors import CheckpointError, DriftnetError, SinkError, SourceError

T = TypeVar("T")
_log: Final = logging.getLogger("driftnet.engine")


class WorkerError(DriftnetError):
    """A process of the run died; all others were stopped."""


_PASSING: Final = (WorkerError, SinkError, SourceError, CheckpointError)
"""What may be over after a while.  A wrong configuration, or state that does not fit, stays wrong."""


@dataclass(frozen=True, slots=True)
class Restarts:
    """most: restarts within any within_s seconds; 0 for none.

    The first comes after pause_s, each further one after twice the pause of the one before, up to pause_s_max; a run
    that lasted healthy_s starts over with pause_s.
    """

    most: int = 0
    within_s: float = 3600.0
    pause_s: float = 1.0
    pause_s_max: float = 60.0
    healthy_s: float = 300.0


def supervised(
    run: Callable[[], T], restarts: Restarts, stop: Stop, clock_s: Callable[[], float] = time.monotonic
) -> T:
    """What run() returns, started again when it raises something that may pass.  A stop ends it between two starts."""
    recent: list[float] = []
    pause_s = restarts.pause_s
    while True:
        started_s = clock_s()
        try:
            return run()
        except _PASSING as error:
            if stop.is_set() or not restarts.most:
                raise
            now_s = clock_s()
            recent = [at for at in recent if now_s - at < restarts.within_s]
            if len(recent) >= restarts.most:
                raise WorkerError(
                    f"{error}; gave up after {len(recent)} restarts in {restarts.within_s:.0f} s"
                ) from error
            if now_s - started_s >= restarts.healthy_s:
                pause_s = restarts.pause_s
            recent.append(now_s)
            _log.warning(
                "%s. Restart %d of at most %d in %.0f s, in %.0f s, from the last checkpoint",
                error, len(recent), restarts.most, restarts.within_s, pause_s,
            )  # fmt: skip
            if stop.wait(pause_s):
                raise
            pause_s = min(2 * pause_s, restarts.pause_s_max)
