"""`driftnet status`: of runs that go on, have ended well or badly, or were killed."""

import json
import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from flows.engine.lock import held_by_run, is_held
from flows.engine.plan import Options
from flows.engine.record import record_file, records
from flows.engine.run import execute
from flows.metrics.facts import Facts
from flows.metrics.server import serving
from flows.metrics.status import status
from state.errors import CheckpointError, DetectorError, SnapshotError
from tests.engine.fakes import Numbers, plan
from tests.engine.scenarios import SCENARIOS, bytewax_plan, write_files
from tests.unit.cli.conftest import Cli, cli  # noqa: F401 - a fixture
from tests.unit.metrics.seen import PARTITIONS, Clock, begun, seen


def run(place: Path, listen: str = "") -> None:
    options = Options(state_dir=place / "state", finish=False, listen=listen)
    plan = bytewax_plan(SCENARIOS["hot_card"].job(), write_files("hot_card", 2, place), place / "out", options)
    execute(replace(plan, facts=Facts(run="r1", job="cards", version="1.2.3")))


@contextmanager
def going_on(directory: Path) -> Iterator[None]:
    """As a run that holds the directory, and has not ended."""
    file = record_file(directory)
    told = json.loads(file.read_text())
    file.write_text(json.dumps(told | {"ended": "", "how": ""}))
    with held_by_run(directory):
        yield


def test_a_run_that_has_ended(tmp_path: Path) -> None:
    """Who ran it, from when to when, how it ended, and what it would go on from."""
    run(tmp_path)
    told = status(tmp_path / "state")
    assert told["running"] is False
    (record,) = told["runs"]
    assert (record["run"], record["job"], record["pid"]) == ("r1", "cards", os.getpid())
    assert record["started"] <= record["ended"]
    assert record["how"] == "stopped by itself"
    assert told["checkpoint"]["totals"]["read"] == 6_000
    assert [partition["done"] for partition in told["checkpoint"]["partitions"].values()] == [False, False]
    assert told["health"] == {}


def test_a_run_that_failed(tmp_path: Path) -> None:
    """Says with what."""
    with pytest.raises(DetectorError):
        execute(plan(Numbers(), tmp_path / "out", Options(state_dir=tmp_path / "state"), "left/p0:50"))
    (record,) = records(tmp_path / "state")
    assert record.ended
    assert record.how == "DetectorError: planned failure"


def test_a_run_that_goes_on(tmp_path: Path) -> None:
    """Its own words are asked for, where it listens; the directory stays free for nobody else."""
    run(tmp_path, listen="127.0.0.1:1")
    directory = tmp_path / "state"
    with going_on(directory):
        told = status(directory)
        assert told["running"] is True
        assert told["health"] == {"127.0.0.1:1": None}, "nobody answers there"
        clock = Clock()
        overview = begun(clock, processes=(0,))
        with serving("0", overview) as address:
            file = record_file(directory)
            file.write_text(json.dumps(json.loads(file.read_text()) | {"listen": address}))
            (health,) = status(directory)["health"].values()
            assert (health["alive"], health["ready"]) == (True, False)
            overview.take(0, seen(clock, opened=set(PARTITIONS)))
            (health,) = status(directory)["health"].values()
            assert (health["ready"], health["reasons"]) == (True, [])
            assert set(health["stages"]) == {"ingest", "subject", "population", "alerts", "sinks"}
    assert status(directory)["running"] is False


def test_to_look_is_not_to_take(tmp_path: Path) -> None:
    """However often somebody asks, a run can begin."""
    (tmp_path / "lock").touch()
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            is_held(tmp_path)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(50):
            with held_by_run(tmp_path, patience_s=0.1):
                assert is_held(tmp_path)
    finally:
        over.set()
        asking.join()
    assert not is_held(tmp_path)
    assert not is_held(tmp_path / "nowhere")


def _hold(directory: Path, connection) -> None:  # type: ignore[no-untyped-def]
    with held_by_run(directory):
        connection.send("held")
        connection.recv()


def test_a_lock_of_another_process_is_seen(tmp_path: Path) -> None:
    """Also where that process was killed: then it is gone."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_hold, args=(tmp_path, theirs))
    process.start()
    assert ours.recv() == "held"
    assert is_held(tmp_path)
    process.kill()
    process.join()
    assert not is_held(tmp_path)


def test_no_state_of_a_run(tmp_path: Path) -> None:
    """Is an error that says what was expected."""
    with pytest.raises(SnapshotError, match=r"seen no store in it, expected the --state-dir of a run"):
        status(tmp_path)


def test_a_record_that_cannot_be_written(tmp_path: Path) -> None:
    """At the start it is an error for people, before anything is read."""
    file = tmp_path / "state" / "run.new"
    file.mkdir(parents=True)
    with pytest.raises(CheckpointError, match=r"state directory .* cannot be written: Is a directory"):
        run(tmp_path)


def test_strange_records_are_left_out(tmp_path: Path) -> None:
    """Those of another version, and what is no record at all."""
    record_file(tmp_path).write_text('{"run": "r", "more": 1}')
    record_file(tmp_path, 2).write_text("{")
    assert records(tmp_path) == []


def test_the_command(tmp_path: Path, cli: Cli) -> None:  # noqa: F811
    """For people and for programs; 1 where nothing goes on, or it is not alive."""
    run(tmp_path)
    done = cli("status", "state")
    assert done.code == 1
    assert "stopped by itself" in done.out
    assert "6,000 lines read" in done.out
    done = cli("status", "state", "--json")
    assert json.loads(done.out)["checkpoint"]["totals"]["read"] == 6_000
    with going_on(tmp_path / "state"):
        assert cli("status", "state").code == 0
    file = record_file(tmp_path / "state")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"ended": ""}))
    assert "was killed" in cli("status", "state").out


def test_the_command_says_why_it_is_not_ready(tmp_path: Path, cli: Cli) -> None:  # noqa: F811
    """And when each stage last moved; a run that is not alive is 1."""
    run(tmp_path)
    clock = Clock(2_000.0)
    overview = begun(clock, processes=(0,))
    overview.take(0, seen(clock, moved={"ingest": 1_999.0}, working={"population": 1_000.0}))
    file = record_file(tmp_path / "state")
    with going_on(tmp_path / "state"), serving("0", overview) as address:
        file.write_text(json.dumps(json.loads(file.read_text()) | {"listen": address}))
        done = cli("status", "state")
    assert done.code == 1
    assert "stage population has been at one piece of work" in " ".join(done.out.split())
    assert "moved 1.0 s ago" in done.out
