"""Pathway: `windowby` with a tumbling window per user, the window before by `sort`, Python functions for features.

The file is read in static mode, as a batch: the mode for bounded input, and the faster one.  Half-Space Trees run where
rows leave the engine, round by round, when all are there.
"""

from pathlib import Path
from typing import Any

import pathway as pw

from bench.others.cli import main
from bench.others.features import SIZE_MS, Values, row, window_features
from bench.others.population import Population, order_key


class Event(pw.Schema):  # type: ignore[misc]  # Pathway may not be installed where types are checked
    """What is read of a line."""

    event_time: int
    user_id: str
    type: str
    track_id: str
    artist_id: str
    rights_holder_id: str
    ms_played: int


def last_play(events: tuple[Any, ...]) -> int | None:
    """When the last play of a window was."""
    return max((event[0] for event in events if event[1] == "play"), default=None)


def features(events: tuple[Any, ...], last_play_ms: int | None) -> pw.PyObjectWrapper:
    """last_play_ms: of the windows before."""
    return pw.wrap_py_object(window_features(events, last_play_ms)[0])


def rows_of(source: str) -> Any:
    """The table of (user, window end, values)."""
    events = pw.io.jsonlines.read(source, schema=Event, mode="static")
    windows = events.windowby(
        events.event_time, window=pw.temporal.tumbling(duration=SIZE_MS), instance=events.user_id
    ).reduce(
        user=pw.this._pw_instance,
        end=pw.this._pw_window_end,
        events=pw.reducers.tuple(
            pw.make_tuple(
                pw.this.event_time,
                pw.this.type,
                pw.this.ms_played,
                pw.this.track_id,
                pw.this.artist_id,
                pw.this.rights_holder_id,
            )
        ),
    )
    last, values = pw.udf(last_play, deterministic=True), pw.udf(features, deterministic=True)
    windows = windows.with_columns(last=last(pw.this.events))
    played = windows.filter(pw.this.last.is_not_none())
    played += played.sort(key=played.end, instance=played.user)
    before = played.ix(played.prev, optional=True)
    silent = windows.filter(pw.this.last.is_none())
    return pw.Table.concat_reindex(
        played.select(played.user, played.end, values=values(played.events, before.last)),
        silent.select(silent.user, silent.end, values=values(silent.events, None)),
    )


class Writer:
    """Takes rows as they leave the engine."""

    def __init__(self, out: Any, scored: bool) -> None:
        self._out = out
        self._scored = scored
        self._rounds: dict[int, list[tuple[str, Values]]] = {}

    def change(self, key: Any, row: dict[str, Any], time: int, is_addition: bool) -> None:  # noqa: ARG002
        assert is_addition, "a static run takes nothing back"
        if self._scored:
            self._rounds.setdefault(row["end"], []).append((row["user"], row["values"].value))
        else:
            self._out.write(line(row["user"], row["end"], row["values"].value))

    def end(self) -> None:
        population = Population()
        for end_ms, rows in sorted(self._rounds.items()):
            rows.sort(key=lambda item: order_key(item[0]))
            scores = population.round([values for _, values in rows])
            for (user, values), score in zip(rows, scores, strict=True):
                self._out.write(line(user, end_ms, values, score, scored=True))


line = row
"""Pathway calls `change` with an argument named row."""


def work(source: str, target: str, scored: bool) -> None:
    """One worker: PATHWAY_THREADS is 1 unless somebody sets it."""
    with Path(target).open("wb") as out:
        writer = Writer(out, scored)
        pw.io.subscribe(rows_of(source), on_change=writer.change, on_end=writer.end)
        pw.run(monitoring_level=pw.MonitoringLevel.NONE)


if __name__ == "__main__":
    main(work)
