"""Stopping in good order: the first signal asks, the second one does not."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """A request to stop, that source partitions look at before every read."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.is_set = self._event.is_set
        self.set = self._event.set

    def on_signals(self, at_once: Callable[[], None] | None = None) -> None:
        """Lets SIGINT and SIGTERM set the request; another one ends the process as if nobody had caught it.

        at_once: called before that, for what must not be left behind.  Only the main thread may call this.
        """

        def handle(signum: int, _: FrameType | None) -> None:
            if not self.is_set():
                self.set()
                return
            if at_once is not None:
                at_once()
            signal.signal(signum, signal.SIG_DFL)
            signal.raise_signal(signum)

        for signum in _SIGNALS:
            signal.signal(signum, handle)


@contextmanager
def stopping_on_signals(stop: Stop, at_once: Callable[[], None] | None = None) -> Iterator[None]:
    """`Stop.on_signals` while the block runs; does nothing outside the main thread, where signals cannot be caught."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signum: signal.getsignal(signum) for signum in _SIGNALS}
    stop.on_signals(at_once)
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
