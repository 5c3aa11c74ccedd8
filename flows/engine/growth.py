"""Partitions that others add to an input while a run goes on."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from flows.sources.base import Source
from state.errors import SourceError

_log: Final = logging.getLogger("driftnet.engine")


class Growth:
    """Asks the sources every every_s seconds which partitions they have, 0 for never.

    sources: partition name -> source, of the run that goes on.  found: names of partitions that it does not read.
    """

    def __init__(self, sources: Mapping[str, Source], every_s: float) -> None:
        self._sources = sources
        self._every_s = every_s
        self.found: tuple[str, ...] = ()

    @contextmanager
    def watching(self, grown: Callable[[], None]) -> Iterator[None]:
        """While the block runs, calls `grown` once, in a thread of its own, when there are new partitions."""
        over = threading.Event()

        def watch() -> None:
            while not self.found and not over.wait(self._every_s):
                self.found = self._look()
            if self.found and not over.is_set():
                grown()

        if not self._every_s:
            yield
            return
        thread = threading.Thread(target=watch, name="driftnet-growth", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(0.1)  # it may be waiting for brokers that do not answer

    def _look(self) -> tuple[str, ...]:
        try:
            sources = {id(source): source for source in self._sources.values()}.values()
            names = [name for source in sources for name in source.partition_names()]
        except SourceError as error:
            _log.debug("looking for new partitions: %s", error)
            return ()
        return tuple(name for name in names if name not in self._sources)
