"""Promise P3: kill a run at any time, start it again, and its output is that of a run that was never interrupted."""

import multiprocessing
import pickle
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from flows.engine.plan import Options
from flows.engine.store import read_checkpoint
from flows.engine.supervise import Restarts, WorkerError
from flows.sources.base import Source
from tests.engine.fakes import Numbers, expected, found
from tests.engine.interrupted import AtRead, die
from tests.engine.scenarios import SCENARIOS, Told, run_bytewax, run_local, same, write_files

JOB = cache(SCENARIOS["hot_card"].job)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Told:
    place = tmp_path_factory.mktemp("reference")
    return run_local(JOB(), write_files("hot_card", 2, place), place / "out", 8192)


def run_and_die(source: Source, out: Path, options: Options) -> None:
    process = multiprocessing.get_context("spawn").Process(target=run_bytewax, args=(JOB(), source, out, options))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    process.close()


@pytest.mark.parametrize(
    ("epoch_s", "workers", "deaths"),
    [(5.0, 1, [3]), (0.0, 1, [2, 9]), (0.05, 2, [7, 7])],
    ids=["before the first checkpoint", "a checkpoint per batch, two kills", "two workers, two kills"],
)
def test_kill_changes_nothing(tmp_path: Path, reference: Told, epoch_s: float, workers: int, deaths: list[int]) -> None:
    """Runs that are killed and resumed write the very records of one run, each once; the totals are the same too."""
    source = write_files("hot_card", 2, tmp_path)
    options = Options(workers=workers, batch_lines=200, epoch_s=epoch_s, state_dir=tmp_path / "state")
    for reads in deaths:
        run_and_die(AtRead(source, reads, die), tmp_path / "out", options)
    same(run_bytewax(JOB(), source, tmp_path / "out", options), reference)


@pytest.mark.parametrize("restarts", [0, 1], ids=["in this process", "in a supervised one"])
def test_states_of_an_epoch_that_was_not_committed_are_gone_before_a_run_begins(tmp_path: Path, restarts: int) -> None:
    """Bytewax leaves them, and would take one for a key's state as soon as its epoch is over and the key had nothing to
    do in it.
    """
    source = write_files("hot_card", 2, tmp_path)
    options = Options(batch_lines=200, epoch_s=0.0, state_dir=tmp_path / "state")
    run_and_die(AtRead(source, 9, die), tmp_path / "out", options)
    checkpoint = read_checkpoint(tmp_path / "state" / "store")
    assert checkpoint is not None
    (step, key) = next(name for name in checkpoint.states if name[0].endswith("alerts"))
    with closing(sqlite3.connect(tmp_path / "state" / "store" / "part-1.sqlite3")) as db, db:
        row = (step, key, checkpoint.epoch + 100, pickle.dumps(("nobody", b"of another life")))
        db.execute("INSERT INTO snaps (step_id, state_key, snap_epoch, ser_change) VALUES (?, ?, ?, ?)", row)
    again = replace(options, restarts=Restarts(restarts))
    process = multiprocessing.get_context("spawn").Process(
        target=run_bytewax, args=(JOB(), AtRead(source, 1, die), tmp_path / "out", again)
    )
    process.start()
    process.join(60)
    process.close()
    with closing(sqlite3.connect(tmp_path / "state" / "store" / "part-1.sqlite3")) as db:
        assert db.execute("SELECT count(*) FROM snaps WHERE snap_epoch > ?", [checkpoint.epoch + 50]).fetchone() == (0,)


def test_cluster_mourns_a_process_and_resumes(tmp_path: Path, reference: Told) -> None:
    """When one of two processes is killed the run ends with an error; another one, on one process, completes it."""
    source = write_files("hot_card", 2, tmp_path)
    state_dir = tmp_path / "state"
    options = Options(processes=2, batch_lines=200, epoch_s=0.05, state_dir=state_dir)
    with pytest.raises(WorkerError, match="exit code -9"):
        run_bytewax(JOB(), AtRead(source, 8, die), tmp_path / "out", options)
    same(run_bytewax(JOB(), source, tmp_path / "out", Options(state_dir=state_dir)), reference)


def start(out: Path, source: str, options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.engine.fake_run", str(out), source, options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(process: "subprocess.Popen[str]", word: str) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if word in line:
            return line
    raise AssertionError(f"no {word!r} in the output; {process.communicate()[1]}")


@pytest.mark.parametrize("options", ['{"workers": 1, "live": true}', '{"processes": 2, "live": true}'])
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_first_signal_drains(tmp_path: Path, options: str, signum: signal.Signals) -> None:
    """A first signal ends the run in good order: all that was read is written, the exit code is 0."""
    process = start(tmp_path / "out", '{"partitions": 2, "live": true}', options)
    wait_for(process, "read 200")
    process.send_signal(signum)
    assert '"balanced": true' in wait_for(process, "summary")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert [line for line in errors.splitlines() if "retrying" not in line] == []  # processes wait for each other
    assert sorted(found(tmp_path / "out")) == sorted(expected(Numbers(2)))


def test_hanging_up_is_ignored_where_it_was_ignored_before(tmp_path: Path) -> None:
    """A run that was started with nohup outlives its terminal, and SIGTERM stops it."""
    handler = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = start(tmp_path / "out", '{"partitions": 2, "live": true}', '{"processes": 2, "live": true}')
    finally:
        signal.signal(signal.SIGHUP, handler)
    wait_for(process, "read 200")
    process.send_signal(signal.SIGHUP)
    time.sleep(1.0)
    assert process.poll() is None
    process.terminate()
    assert '"balanced": true' in wait_for(process, "summary")
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_hanging_up_after_a_first_signal_kills_nothing(tmp_path: Path) -> None:
    """Service managers send SIGHUP right behind SIGTERM."""
    process = start(tmp_path / "out", '{"partitions": 2, "live": true}', '{"live": true}')
    wait_for(process, "read 200")
    process.terminate()
    process.send_signal(signal.SIGHUP)
    assert '"balanced": true' in wait_for(process, "summary")
    process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.parametrize("processes", [1, 2])
def test_second_signal_ends_at_once(tmp_path: Path, processes: int) -> None:
    """A second signal does not wait for a source that is stuck; nothing of the cluster is left."""
    process = start(
        tmp_path / "out", '{"partitions": 2, "count": 1000, "pause_s": 20}', f'{{"processes": {processes}}}'
    )
    for _ in range(processes):
        wait_for(process, "asleep")
    process.terminate()
    time.sleep(0.3)
    assert process.poll() is None
    process.terminate()
    assert process.wait(5) == -signal.SIGTERM
    process.communicate(timeout=5)  # ends when the last process that holds the pipes has
