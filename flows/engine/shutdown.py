"""Stopping in good order: the first signal asks and sets a bound, the second one does not wait."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from state.errors import DriftnetError

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _heeded() -> tuple[signal.Signals, ...]:
    """Those that ask a run to stop.  Who starts a run so that hanging up is ignored (nohup) means it."""
    return tuple(s for s in _SIGNALS if s != signal.SIGHUP or signal.getsignal(s) != signal.SIG_IGN)


class DrainTimeoutError(DriftnetError):
    """A run was asked to stop, and had not drained within its bound."""

    exit_code = 3

    def __init__(self, drain_s: float) -> None:
        super().__init__(
            f"the run had not stopped {drain_s:g} s after it was asked to, and was ended; with a state directory the"
            " next one goes on from the last checkpoint (--drain-timeout gives it more time)"
        )


class Stop:
    """A request to stop, that source partitions look at before every read.  signalled: whether it came by a signal."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.signalled = False
        self._demanded = False
        self.is_set = self._event.is_set
        self.set = self._event.set
        self.wait = self._event.wait

    def on_signals(
        self,
        at_once: Callable[[], None] | None = None,
        drain_s: float = 0.0,
        too_late: Callable[[], None] | None = None,
    ) -> None:
        """Lets SIGINT, SIGTERM and SIGHUP set the request; another one ends the process as if nobody had caught it, but
        for SIGHUP, which service managers send right after SIGTERM.

        at_once: called before that, for what must not be left behind.  too_late: called drain_s after the first signal,
        in a thread of its own.  Only the main thread may call this.
        """

        def handle(signum: int, _: FrameType | None) -> None:
            # Those that are sent together come in any order: hanging up is never the one that does not wait.
            insists = self._demanded and signum != signal.SIGHUP
            self._demanded |= signum != signal.SIGHUP
            if not self.signalled:
                self.signalled = True
                self.set()
                if too_late is not None:
                    timer = threading.Timer(drain_s, too_late)
                    timer.daemon = True
                    timer.start()
            if not insists:
                return
            if at_once is not None:
                at_once()
            signal.signal(signum, signal.SIG_DFL)
            signal.raise_signal(signum)

        for signum in _heeded():
            signal.signal(signum, handle)


@contextmanager
def stopping_on_signals(
    stop: Stop,
    at_once: Callable[[], None] | None = None,
    drain_s: float = 0.0,
    too_late: Callable[[], None] | None = None,
) -> Iterator[None]:
    """`Stop.on_signals` while the block runs; does nothing outside the main thread, where signals cannot be caught."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signum: signal.getsignal(signum) for signum in _heeded()}
    over = threading.Event()

    def unless_over() -> None:
        if too_late is not None and not over.is_set():
            too_late()

    stop.on_signals(at_once, drain_s, unless_over)
    try:
        yield
    finally:
        over.set()
        for signum, handler in before.items():
            signal.signal(signum, handler)
