"""A limit in wall-clock time for code that does not look at a clock.

A thread looks at what runs twice a second, and raises OvertimeError in the thread that is over its limit, between two
of its bytecodes (PyThreadState_SetAsyncExc). A single call into C code cannot be interrupted: it ends when it ends.

An error that is on its way is never called back, but waited for: taking it back leaves the interpreter looking for it
before every bytecode, for ever (CPython 3.11).
"""

import ctypes
import itertools
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
    call = _WATCHDOG.begin(budget_s)
    try:
        try:
            result = work()
        except OvertimeError:
            raise
        except BaseException:
            _WATCHDOG.end(call)
            raise
        _WATCHDOG.end(call)
        return result
    except OvertimeError:
        raise OvertimeError(f"took longer than {budget_s:g} s") from None


class _Watchdog:
    """Each call has a number of its own. Whoever takes it out of the table, its thread or the watchdog's, has decided
    whether it was late: taking out is one step, so that no lock is needed twice a call.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._calls: dict[int, tuple[int, float]] = {}
        """Number -> thread, and until when."""
        self._watching = False

    def begin(self, budget_s: float) -> int:
        """The number of a call that begins now."""
        call = next(self._numbers)
        self._calls[call] = threading.get_ident(), time.monotonic() + budget_s
        if not self._watching:
            with self._lock:
                if not self._watching:
                    self._watching = True
                    threading.Thread(target=self._watch, name="driftnet-watchdog", daemon=True).start()
        return call

    def end(self, call: int) -> None:
        """The work is done.  Raises OvertimeError when that was too late."""
        if self._calls.pop(call, None) is None:
            for _ in range(_ARRIVAL_MS):  # the error is on its way
                time.sleep(0.001)
            raise OvertimeError  # it had come, and the code swallowed it

    def _watch(self) -> None:
        while True:
            time.sleep(_TICK_S)
            now_s = time.monotonic()
            for call, (thread, until_s) in self._calls.copy().items():
                if now_s > until_s and self._calls.pop(call, None) is not None:
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(OvertimeError))


_WATCHDOG: Final = _Watchdog()
