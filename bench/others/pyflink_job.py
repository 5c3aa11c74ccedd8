"""PyFlink: SQL, and Python where SQL ends; parallelism 1.

The JVM parses the JSON, keeps the watermark, finds each event's predecessor and gathers a user's events of a window.
A Python function makes features of them, one call per user and window.  For Half-Space Trees a keyed process function
waits with a timer for the watermark to pass the end of a window.

Chosen after measuring: Python state for the last play cost half as much again, Python workers in processes of their own
a tenth.  ARRAY_AGG of whole rows reads better, but in thread mode Flink 2.3.0 gives Python the last row n times.
LAG would be the word for the predecessor, but sees rows of the same millisecond as one.
"""

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from pyflink.common import Configuration, Types
from pyflink.datastream import KeyedProcessFunction, StreamExecutionEnvironment
from pyflink.table import StreamTableEnvironment
from pyflink.table.udf import udf

from bench.others.cli import main
from bench.others.features import BEHIND_MS, SIZE_MS, Values, row, window_features
from bench.others.population import Population, order_key

_EVENTS = """
CREATE TABLE events (
    event_time BIGINT, `type` STRING, ms_played INT, user_id STRING,
    track_id STRING, artist_id STRING, rights_holder_id STRING,
    ts AS TO_TIMESTAMP_LTZ(event_time, 3),
    WATERMARK FOR ts AS ts - INTERVAL '{behind_s}' SECOND
) WITH ('connector' = 'filesystem', 'path' = '{source}', 'format' = 'json')
"""
_LINES = """
SELECT features_line(
    user_id, window_end, ARRAY_AGG(before), ARRAY_AGG(event_time), ARRAY_AGG(`type`), ARRAY_AGG(ms_played),
    ARRAY_AGG(track_id), ARRAY_AGG(artist_id), ARRAY_AGG(rights_holder_id)
) AS line
FROM TABLE(TUMBLE(
    (SELECT *, FIRST_VALUE(event_time) OVER (
        PARTITION BY user_id, `type` ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
    ) AS before FROM events),
    DESCRIPTOR(ts), INTERVAL '{size_min}' MINUTE
))
GROUP BY user_id, window_start, window_end
"""
_FILE = """
CREATE TABLE file (line STRING) WITH ('connector' = 'filesystem', 'path' = '{folder}', 'format' = 'raw')
"""


def features_line(user: str, window_end: datetime, before: list[int], *columns: list[Any]) -> str:
    """One line of output.

    before: of each event, when the user's last one of the same type was, or its own time.  columns: as in Event.
    """
    events = list(zip(*columns, strict=True))
    plays = [(event[0], b) for event, b in zip(events, before, strict=True) if event[1] == "play"]
    last_play_ms = min(b for _, b in plays) if plays else None
    if plays and last_play_ms == min(time for time, _ in plays):
        last_play_ms = None
    values, _ = window_features(events, last_play_ms)
    return row(user, round(window_end.timestamp() * 1000), values).decode().rstrip()


class Rounds(KeyedProcessFunction):  # type: ignore[misc]  # PyFlink may not be installed where types are checked
    """All users' rows of a window end through River's model, once the watermark has passed it.

    Rows and model are kept in Python: as Flink state every access would be a call into the JVM.
    """

    def open(self, _: Any) -> None:
        self._population = Population()
        self._waiting: dict[int, list[tuple[str, Values]]] = {}

    def process_element(self, value: Any, context: Any) -> Iterator[str]:
        record = orjson.loads(value[0])
        end_ms = record["window_end"]
        if end_ms not in self._waiting:
            self._waiting[end_ms] = []
            context.timer_service().register_event_time_timer(end_ms)
        self._waiting[end_ms].append((record["user_id"], record["features"]))
        return iter(())

    def on_timer(self, end_ms: int, _: Any) -> Iterator[str]:
        rows = sorted(self._waiting.pop(end_ms), key=lambda item: order_key(item[0]))
        scores = self._population.round([values for _, values in rows])
        for (user, values), score in zip(rows, scores, strict=True):
            yield row(user, end_ms, values, score, scored=True).decode().rstrip()


def settings() -> Any:
    """Python inside the JVM's process, one task at a time."""
    # The embedded interpreter is that of the virtual environment, but does not find its packages by itself.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path.cwd()), sysconfig.get_paths()["purelib"]])
    given = Configuration()
    given.set_string("python.execution-mode", "thread")
    given.set_string("python.executable", sys.executable)
    given.set_string("python.client.executable", sys.executable)
    given.set_string("table.local-time-zone", "UTC")
    given.set_string("parallelism.default", "1")
    return given


def work(source: str, target: str, scored: bool) -> None:
    """In streaming mode.  Flink writes a folder of part files; they are put together in the end."""
    tables = StreamTableEnvironment.create(StreamExecutionEnvironment.get_execution_environment(settings()))
    tables.execute_sql(_EVENTS.format(source=Path(source).absolute(), behind_s=BEHIND_MS // 1000))
    tables.create_temporary_function("features_line", udf(features_line, result_type="STRING"))
    lines = tables.sql_query(_LINES.format(size_min=SIZE_MS // 60_000))
    if scored:
        stream = tables.to_data_stream(lines).key_by(lambda _: 0, Types.INT()).process(Rounds(), Types.STRING())
        lines = tables.from_data_stream(stream)
    with TemporaryDirectory() as folder:
        tables.execute_sql(_FILE.format(folder=folder))
        lines.execute_insert("file").wait()
        with Path(target).open("wb") as out:
            for part in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
                with part.open("rb") as written:
                    shutil.copyfileobj(written, out)


if __name__ == "__main__":
    main(work)
