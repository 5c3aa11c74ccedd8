"""Idiomatic Bytewax: the stream keyed by user, `fold_window` with an EventClock, River in a stateful step.

One setting differs from the default, in Bytewax's favour: EventClock is told not to wake up for windows of the past,
because its default asks every open key on every batch and takes minutes where this takes seconds.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import bytewax.operators as op
import bytewax.operators.windowing as win
import orjson
from bytewax.connectors.files import FileSink, FileSource
from bytewax.dataflow import Dataflow
from bytewax.operators import KeyedStream, StatefulBatchLogic
from bytewax.operators.windowing import EventClock, TumblingWindower
from bytewax.testing import run_main

from bench.others.cli import main
from bench.others.features import BEHIND_MS, SIZE_MS, Event, Values, event_of, row, window_features
from bench.others.population import Population, order_key

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Row = tuple[str, int, Values]
"""User, window end in milliseconds, values."""


def features(last_play_ms: int | None, window: tuple[int, list[Event]]) -> tuple[int | None, tuple[int, Values]]:
    """One user's window to features; the state is the user's last play, for the gap over the border of windows."""
    number, events = window
    values, last_play_ms = window_features(events, last_play_ms)
    return last_play_ms, ((number + 1) * SIZE_MS, values)


class Rounds(StatefulBatchLogic[Row, str, dict[int, list[Row]]]):
    """All users' rows of a window end through River's model.

    Watermarks are per key: nothing but the end of the input tells that all users' rows of a window are there.
    """

    def __init__(self, resume: dict[int, list[Row]] | None) -> None:
        self._waiting = resume or {}

    def on_batch(self, values: list[Row]) -> tuple[list[str], bool]:
        for item in values:
            self._waiting.setdefault(item[1], []).append(item)
        return [], StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[list[str], bool]:
        population = Population()
        lines = []
        for end_ms, rows in sorted(self._waiting.items()):
            rows.sort(key=lambda item: order_key(item[0]))
            scores = population.round([values for _, _, values in rows])
            for (user, _, values), score in zip(rows, scores, strict=True):
                lines.append(row(user, end_ms, values, score, scored=True).decode())
        return lines, StatefulBatchLogic.DISCARD

    def snapshot(self) -> dict[int, list[Row]]:
        return {end_ms: list(rows) for end_ms, rows in self._waiting.items()}


def dataflow(source: str, target: str, scored: bool) -> Dataflow:
    """The flow, from one file to another."""
    flow = Dataflow("others")
    lines = op.input("lines", flow, FileSource(source))
    documents = op.map("parse", lines, orjson.loads)
    keyed = op.key_on("user", documents, lambda document: str(document["user_id"]))
    events = op.map_value("event", keyed, event_of)

    def time_of(event: Event) -> datetime:
        return datetime.fromtimestamp(event[0] / 1000, UTC)

    def append(events: list[Event], event: Event) -> list[Event]:
        events.append(event)
        return events

    windows = win.fold_window(
        "windows",
        events,
        EventClock(time_of, timedelta(milliseconds=BEHIND_MS), to_system_utc=lambda _: None),
        TumblingWindower(timedelta(milliseconds=SIZE_MS), _EPOCH),
        list,
        append,
        lambda a, b: a + b,
    )
    rows = op.stateful_map("features", windows.down, features)
    out: KeyedStream[str]
    if scored:
        together = op.map("together", rows, lambda item: ("all", (item[0], *item[1])))
        out = op.stateful_batch("rounds", together, Rounds)
    else:
        out = op.map("line", rows, lambda item: (item[0], row(item[0], *item[1]).decode()))
    op.output("file", out, FileSink(Path(target), end=""))
    return flow


def work(source: str, target: str, scored: bool) -> None:
    """One worker, in this process."""
    Path(target).unlink(missing_ok=True)
    run_main(dataflow(source, target, scored))  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main(work)
