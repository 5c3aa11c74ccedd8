"""Logs on standard error, as text for people or as JSON lines for machines."""

import logging
import sys
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Any

from flows.redaction import hidden


class LogFormat(StrEnum):
    """How logs look."""

    TEXT = "text"
    JSON = "json"


def configure_logs(form: LogFormat, *, verbose: bool = False) -> None:
    """One handler for structlog's and the standard library's loggers.  Replaces what was configured before."""
    global _again  # noqa: PLW0603 - as the root logger, there is one in a process
    _again = partial(configure_logs, form, verbose=verbose)
    root = logging.getLogger()
    root.handlers[:] = [_Lazy(form)]
    root.setLevel(logging.DEBUG if verbose else logging.INFO)


def as_here() -> Callable[[], None] | None:
    """Configures another process as this one was; picklable.  None where nothing was configured."""
    return _again


_again: Callable[[], None] | None = None


class _Lazy(logging.StreamHandler[Any]):
    """Imports structlog with the first record: most commands log nothing."""

    def __init__(self, form: LogFormat) -> None:
        super().__init__()
        self._form = form

    def emit(self, record: logging.LogRecord) -> None:
        # Standard error is looked up each time: progress bars and tests put another one in its place.
        self.stream = sys.stderr
        super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        if self.formatter is None:
            self.formatter = _formatter(self._form)
        return hidden(super().format(record))


def _formatter(form: LogFormat) -> logging.Formatter:
    import structlog

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    last = (
        structlog.processors.JSONRenderer()
        if form is LogFormat.JSON
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]
    )
