"""A sink that is down for a minute: nothing is lost or repeated, and the run goes on by itself."""

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from flows.drive.assembly import Opener
from flows.engine.plan import Options
from flows.engine.run import execute
from flows.engine.supervise import Restarts
from flows.sinks.specs import SqliteSink
from flows.sinks.sqlite import connect
from flows.streams import Stream
from tests.engine.scenarios import SCENARIOS, bytewax_plan, run_local, same, told, write_files

DOWN_S = 60.0


def test_down_for_a_minute(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Another program holds the store. The run is started again until it lets go; then all sinks have all records."""
    job = SCENARIOS["hot_card"].job()
    source, out = write_files("hot_card", 2, tmp_path), tmp_path / "out"
    reference = run_local(job, source, tmp_path / "quiet", 8192)
    store = out / "store.db"
    options = Options(batch_lines=400, epoch_s=0.02, state_dir=tmp_path / "state", restarts=Restarts(20))
    plan = bytewax_plan(job, source, out, options)
    plan = replace(
        plan, openers={**plan.openers, "store": (Stream.ALERTS, Opener(SqliteSink(str(store)), "alerts", "run"))}
    )
    connect(str(store)).close()
    with closing(sqlite3.connect(store, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN EXCLUSIVE")
        letting_go = threading.Timer(DOWN_S, lambda: other.execute("ROLLBACK"))
        letting_go.start()
        summary = execute(plan)
        letting_go.join()
    same(told(out, summary), reference)
    with closing(sqlite3.connect(store)) as db:
        stored = sorted(record for (record,) in db.execute("SELECT record FROM alerts"))
    assert stored == sorted(reference[0]["alerts"])
    waits = [m for m in caplog.messages if "Restart" in m]
    assert len(waits) >= 3
    assert all("database is locked" in m and "end the program that holds the file" in m for m in waits)
    assert len({orjson.loads(record)["alert_id"] for record in stored}) == len(stored) > 0
