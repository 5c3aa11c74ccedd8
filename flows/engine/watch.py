"""Errors inside the engine: told before they are raised, because a cluster loses the traceback on the way out."""

import logging
from collections.abc import Callable
from types import TracebackType
from typing import Final

from flows.whereabouts import enter
from state.errors import DriftnetError

_log: Final = logging.getLogger("driftnet.engine")

Report = Callable[[str, BaseException], None]
"""Called with where it happened, and the error."""


class Reporting:
    """Surrounds every call into an operator, source or sink: `with watch: ...`.  stage: whose it is."""

    __slots__ = ("_report", "_stage", "_where")

    def __init__(self, stage: str, where: str, report: Report) -> None:
        self._stage = stage
        self._where = where
        self._report = report

    def __enter__(self) -> None:
        enter(self._stage)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._report(self._where, error)
        enter("")
        if isinstance(error, StopIteration):
            # Bytewax would take it for the end of the input.
            raise RuntimeError(f"{self._where}: StopIteration escaped from an operator") from error


def log_error(where: str, error: BaseException) -> None:
    """One line for an error that a person can fix, a traceback for any other."""
    _log.error("%s: %s", where, error, exc_info=None if isinstance(error, DriftnetError) else error)


class FirstError:
    """Remembers the first error, which is the cause of all others, and logs those that nobody planned."""

    def __init__(self, also: Report | None = None) -> None:
        self.error: BaseException | None = None
        self._also = also

    def __call__(self, where: str, error: BaseException) -> None:
        if self.error is None:
            self.error = error
            if not isinstance(error, DriftnetError):
                log_error(where, error)
            if self._also is not None:
                self._also(where, error)
