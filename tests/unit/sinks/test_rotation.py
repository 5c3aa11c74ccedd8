"""Files that others take away from under a sink: what follows goes on, each record stands in one place, once."""

import fcntl
import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flows.sinks import JsonlSink, SqliteSink, open_sink
from flows.sinks.base import Patience, Sink, each
from flows.sinks.store import AlertStore, record_run
from state.errors import SinkError
from tests.unit.sinks.test_sqlite import RUN, alert


def rename(path: Path) -> None:
    path.rename(f"{path}.1")


def rename_and_create(path: Path) -> None:
    path.rename(f"{path}.1")
    path.touch()


def copytruncate(path: Path) -> None:
    shutil.copy(path, f"{path}.1")
    os.truncate(path, 0)


TAKEN = {how.__name__: how for how in (rename, rename_and_create, copytruncate)}
"""What programs that rotate files do."""


def numbers(*paths: Path) -> list[int]:
    return [json.loads(line)["n"] for path in paths if path.exists() for line in path.read_bytes().splitlines()]


def records(*of: int) -> list[dict[str, Any]]:
    return [{"n": n, "text": "x" * (n % 7)} for n in of]


@pytest.mark.parametrize("how", TAKEN)
def test_a_file_that_is_rotated_under_a_run(tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture) -> None:
    """Before the next write it is noticed and said; both files together have each record once, and no other bytes."""
    path, old = tmp_path / "a.jsonl", tmp_path / "a.jsonl.1"
    sink = open_sink(JsonlSink(str(path)), "alerts")
    sink.write(records(0, 1))
    sink.flush()
    sink.write(records(2))
    TAKEN[how](path)
    sink.write(records(3, 4))
    sink.flush()
    sink.write(records(5))
    sink.close()
    assert (numbers(old), numbers(path)) == ([0, 1, 2], [3, 4, 5])
    assert "a.jsonl was cut from" in caplog.text if how == "copytruncate" else "a.jsonl was renamed" in caplog.text
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.jsonl", "a.jsonl.1"]


def test_a_file_that_is_deleted_under_a_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What stood in it is gone, what follows is not; so with the folder that it was in."""
    path = tmp_path / "out" / "a.jsonl"
    sink = open_sink(JsonlSink(str(path)), "alerts")
    for n, take in ((0, path.unlink), (1, lambda: shutil.rmtree(path.parent)), (2, lambda: None)):
        sink.write(records(n))
        assert numbers(path) == [n]
        take()
    sink.close()
    assert caplog.text.count("was deleted: going on in a new file") == 2


@pytest.mark.parametrize("how", TAKEN)
@pytest.mark.parametrize("saved", [False, True])
def test_a_kill_after_a_rotation(tmp_path: Path, how: str, saved: bool) -> None:
    """The next run goes on from the last checkpoint, of before the rotation or after it: what was written since is
    taken back from both files, but for a copy that others made.
    """
    path, old = tmp_path / "a.jsonl", tmp_path / "a.jsonl.1"
    killed = open_sink(JsonlSink(str(path)), "alerts")
    killed.write(records(0, 1))
    position = killed.flush()
    killed.write(records(2))
    TAKEN[how](path)
    killed.write(records(3))
    if saved:
        position = killed.flush()
    killed.write(records(4))
    copy = open_again(tmp_path, path, position)
    again = records(*((4, 5) if saved else (2, 3, 4, 5)))
    copy.write(again)
    copy.close()
    if saved or how != "copytruncate":
        assert numbers(old, path) == [0, 1, 2, 3, 4, 5]
    else:
        assert (numbers(old), numbers(path)) == ([0, 1, 2], [2, 3, 4, 5])


def open_again(tmp_path: Path, path: Path, position: Any) -> Sink:
    """As a new process would: a dead one holds no locks."""
    for fd in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208
        try:
            if Path(os.readlink(f"/proc/self/fd/{fd}")).parent == tmp_path:  # noqa: PTH115
                fcntl.flock(fd, fcntl.LOCK_UN)
        except OSError:
            continue
    return open_sink(JsonlSink(str(path)), "alerts", resume_position=position)


@pytest.mark.parametrize("how", [*TAKEN, "edited", "moved elsewhere"])
def test_a_rotation_while_no_run_was_there(tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture) -> None:
    """The start goes on, in the file that is there or a new one, and says what it found; nothing else is touched."""
    path, old = tmp_path / "a.jsonl", tmp_path / "a.jsonl.1"
    sink = open_sink(JsonlSink(str(path)), "alerts")
    sink.write(records(0, 1, 2))
    position = sink.flush()
    sink.close()
    if how == "edited":
        path.write_bytes(path.read_bytes().split(b"\n")[0] + b"\n")
    elif how == "moved elsewhere":
        path.unlink()
    else:
        TAKEN[how](path)
    sink = open_sink(JsonlSink(str(path)), "alerts", resume_position=position)
    sink.write(records(3))
    sink.close()
    expected = {"edited": [0, 3], "moved elsewhere": [3]}
    assert numbers(old, path) == expected.get(how, [0, 1, 2, 3])
    assert "is not the file that was written to" in caplog.text
    assert ("a.jsonl.1 is what it was" in caplog.text) == how.startswith("rename")


@pytest.mark.parametrize("how", ["rename", "delete", "empty"])
def test_a_store_that_is_taken_away_under_a_run(tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture) -> None:
    """All streams go on in a new store, which knows the run; a renamed one has all that was there before."""
    path, old = tmp_path / "a.db", tmp_path / "a.db.1"
    record_run(str(path), RUN)
    alerts, late = (open_sink(SqliteSink(str(path)), stream, run_id=RUN.run_id) for stream in ("alerts", "late"))
    alerts.write([alert(1)])
    late.write([{"subject": "a"}])
    if how == "rename":
        path.rename(old)
    elif how == "delete":
        path.unlink()
    else:
        path.write_bytes(b"")
    for n in (2, 3):
        alerts.write([alert(n)])
        late.write([{"subject": "b" * n}])
    alerts.close()
    late.close()
    store = AlertStore(path)
    assert sorted(a["subject"] for a in store.list_alerts()) == ["user-2", "user-3"]
    assert [r["subject"] for r in store.records("late")] == ["bbb", "bb"]
    assert store.runs() == [RUN]
    assert caplog.text.count("going on in a new store") == 2
    if how == "rename":
        assert [a["subject"] for a in AlertStore(old).list_alerts()] == ["user-1"]
        assert [r["subject"] for r in AlertStore(old).records("late")] == ["a"]
    for file in filter(Path.exists, (path, old)):
        with closing(sqlite3.connect(file)) as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_one_sink_that_is_down_stops_no_other(tmp_path: Path) -> None:
    """A store that somebody has locked: at a checkpoint, and at the end, all others have written before it is told."""
    path = tmp_path / "a.db"
    down = open_sink(SqliteSink(str(path)), "alerts", patience=Patience(tries=2, pause_s=0.0))
    up = open_sink(JsonlSink(str(tmp_path / "a.jsonl")), "alerts")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        sinks = {"down": down, "up": up}
        each(sinks, lambda sink: sink.write([alert(1) | {"n": 1}]))
        flushed: list[Sink] = []
        with pytest.raises(SinkError, match="locked"):
            each(sinks, lambda sink: (sink.flush(), flushed.append(sink)))
        assert flushed == [up]
        with pytest.raises(SinkError, match="locked"):
            each(sinks, lambda sink: sink.close())
        assert numbers(tmp_path / "a.jsonl") == [1]
