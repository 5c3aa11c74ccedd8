"""A limit in wall-clock time for code that does not look at a clock.

A thread looks at what runs twice a second, and raises OvertimeError in the thread that is over its limit, between two
of its bytecodes (PyThreadState_SetAsyncExc). A single call into C code cannot be interrupted: it ends when it ends.

An error that is on its way is never called back, but waited for: taking it back leaves the interpreter looking for it
before every bytecode, for ever (CPython 3.11).
"""

import ctypes
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")
_TICK_S: Final = 0.5
_ARRIVAL_MS: Final = 50


class OvertimeError(BaseException):
    """The code ran for longer than it may.  No Exception: `except Exception` in that code must not swallow it."""


def call_within(budget_s: float, work: Callable[[], T]) -> T:
    """What work() returns.  Raises OvertimeError when it takes longer, then or at its end; 0 for no limit.  Does not
    nest.
    """
    if not budget_s:
        return work()
    thread = threading.get_ident()
    _WATCHDOG.begin(thread, budget_s)
    try:
        try:
            result = work()
        except OvertimeError:
            raise
        except BaseException:
            _WATCHDOG.end(thread)
            raise
        _WATCHDOG.end(thread)
        return result
    except OvertimeError:
        _WATCHDOG.forget(thread)
        raise OvertimeError(f"took longer than {budget_s:g} s") from None


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

    def end(self, thread: int) -> None:
        """The work is done.  Raises OvertimeError when that was too late."""
        with self._lock:
            self._until_s.pop(thread, None)
            late = thread in self._late
        if late:
            for _ in range(_ARRIVAL_MS):  # the error is on its way
                time.sleep(0.001)
            raise OvertimeError  # it had come, and the code swallowed it

    def forget(self, thread: int) -> None:
        """The error has come."""
        with self._lock:
            self._until_s.pop(thread, None)
            self._late.discard(thread)

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
