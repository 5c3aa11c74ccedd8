"""Sinks of plug-ins: whatever they raise says whose fault it is, and ends a run in good order."""

from collections.abc import Callable
from typing import Any, TypeVar

import orjson

from flows.sinks.base import Opening, Record, Sink, SinkSpec
from state.errors import DriftnetError, SinkError

Answer = TypeVar("Answer")


def open_strangers(spec: SinkSpec, opening: Opening, whose: str) -> Sink:
    """A sink of a plug-in, at work.  whose: which sink of which distribution.  Raises SinkError, ConfigError."""
    return _StrangersSink(ask(whose, "open", lambda: spec.open(opening)), whose)


def ask(whose: str, what: str, question: Callable[[], Answer]) -> Answer:
    """What a plug-in answers.  Raises SinkError for whatever it raises that is none of our errors."""
    try:
        return question()
    except DriftnetError:
        raise
    except Exception as error:
        raise SinkError(
            f"{whose}: {what} raised {type(error).__name__}: {error}; tell its author. Nothing is lost: records come"
            " again when the run goes on from its last checkpoint"
        ) from error


class _StrangersSink:
    def __init__(self, inner: Sink, whose: str) -> None:
        self._inner = inner
        self._whose = whose

    def __getattr__(self, name: str) -> Any:
        """`waiting` and `failures`, where the sink has them."""
        return getattr(self._inner, name)

    def write(self, records: list[Record]) -> None:
        ask(self._whose, "write", lambda: self._inner.write(records))

    def flush(self) -> Any:
        position = ask(self._whose, "flush", self._inner.flush)
        try:
            again = orjson.loads(orjson.dumps(position))
        except TypeError as error:
            raise SinkError(f"{self._whose}: flush gave {position!r:.80}, expected a JSON value: {error}") from None
        if again != position:  # as a savepoint would bring it back
            raise SinkError(f"{self._whose}: flush gave {position!r:.80}, which as JSON is {again!r:.80}")
        return position

    def close(self) -> None:
        ask(self._whose, "close", self._inner.close)
