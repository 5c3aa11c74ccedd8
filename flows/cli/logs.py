"""Logs on standard error, as text for people or as JSON lines for machines."""

import logging
import sys
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Any, Final

from flows.redaction import hidden
from flows.whereabouts import whereabouts


class LogFormat(StrEnum):
    """How logs look."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """The least that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def configure_logs(form: LogFormat, level: LogLevel = LogLevel.INFO) -> None:
    """One handler for structlog's and the standard library's loggers.  Replaces what was configured before."""
    global _again  # noqa: PLW0603 - as the root logger, there is one in a process
    _again = partial(configure_logs, form, level)
    root = logging.getLogger()
    root.handlers[:] = [_Lazy(form)]
    root.setLevel(level.upper())


def for_machines() -> bool:
    """Whether the log is JSON."""
    return _again is not None and _again.args[0] is LogFormat.JSON


def as_here() -> Callable[[], None] | None:
    """Configures another process as this one was; picklable.  None where nothing was configured."""
    return _again


_again: partial[None] | None = None
_OF_ALERTS: Final = ("alert_id", "severity", "window", "trace_id")
"""Fields of their own that lines about alerts have."""


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


def _located(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """With run, process and stage, as far as they are known: what a machine sorts by."""
    return whereabouts() | event


def _formatter(form: LogFormat) -> logging.Formatter:
    import structlog

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        *([structlog.stdlib.ExtraAdder(_OF_ALERTS), _located] if form is LogFormat.JSON else []),
    ]
    last = (
        structlog.processors.JSONRenderer()
        if form is LogFormat.JSON
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]
    )
