"""A limit in wall-clock time for code that does not look at a clock.

A thread looks at what runs twice a second, and raises OvertimeError in the thread that is over its limit, between two
of its bytecodes (PyThreadState_SetAsyncExc). A single call into C code cannot be interrupted: it ends when it ends.
"""

import ctypes
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_TICK_S: Final = 0.5


class OvertimeError(Exception):
    """The code ran for longer than it may."""


class _Watchdog:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until_s: dict[int, float] = {}
        self._late: set[int] = set()
        self._watching = False

    def begin(self, thread: int, budget_s: float) -> None:
        with self._lock:
            self._until_s[thread] = time.monotonic() + budget_s
            if not self._watching:
                self._watching = True
                threading.Thread(target=self._watch, name="driftnet-watchdog", daemon=True).start()

    def end(self, thread: int) -> bool:
        """Whether the thread was late; takes back an error that has not reached it."""
        with self._lock:
            self._until_s.pop(thread, None)
            late = thread in self._late
            self._late.discard(thread)
            if late:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), None)
        return late

    def _watch(self) -> None:
        while True:
            time.sleep(_TICK_S)
            now_s = time.monotonic()
            with self._lock:
                for thread in [t for t, until_s in self._until_s.items() if now_s > until_s]:
                    del self._until_s[thread]
                    self._late.add(thread)
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(OvertimeError))


_WATCHDOG: Final = _Watchdog()


@contextmanager
def limited(budget_s: float) -> Iterator[None]:
    """Raises OvertimeError in the block, or at its end, when it takes longer; 0 for no limit.  Does not nest."""
    if not budget_s:
        yield
        return
    thread = threading.get_ident()
    _WATCHDOG.begin(thread, budget_s)
    try:
        yield
    finally:
        late = _WATCHDOG.end(thread)
    if late:
        raise OvertimeError(f"took longer than {budget_s:g} s")
