"""A wall clock that is set back, which holds Bytewax up: it ends epochs and wakes idle sources by that clock."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_TICK_S: Final = 1.0
_TOLERATED_S: Final = 10.0


def wall_s() -> float:
    """Seconds since 1970."""
    return time.time()


@contextmanager
def watching_clock(set_back: Callable[[float], None], tick_s: float = _TICK_S) -> Iterator[None]:
    """While the block runs, calls set_back(seconds), in a thread of its own, when the wall clock was set back by more
    than 10 s at once or bit by bit.
    """
    over = threading.Event()

    def watch() -> None:
        most_s = wall_s() - time.monotonic()
        while not over.wait(tick_s):
            now_s = wall_s() - time.monotonic()
            if most_s - now_s > _TOLERATED_S:
                set_back(most_s - now_s)
                most_s = now_s
            most_s = max(most_s, now_s)

    thread = threading.Thread(target=watch, name="driftnet-clock", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
