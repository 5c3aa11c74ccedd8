"""Processes that die are started again; hosts form one cluster; what a run leaves behind is nothing."""

import fcntl
import json
import multiprocessing
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows.engine.lock import held_by_run
from flows.engine.plan import Options
from flows.engine.run import execute
from flows.engine.sink import SinkOpener
from flows.engine.supervise import Restarts, WorkerError
from flows.sinks.base import Sink
from flows.sources.base import Source
from state.errors import SinkError, SnapshotError
from tests.engine.fakes import Numbers, expected, found
from tests.engine.fakes import plan as fake_plan
from tests.engine.interrupted import AtRead, die, pause
from tests.engine.scenarios import SCENARIOS, Told, bytewax_plan, run_bytewax, run_local, same, told, write_files
from tests.engine.test_kill import start, wait_for

JOB = cache(SCENARIOS["hot_card"].job)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Told:
    place = tmp_path_factory.mktemp("reference")
    return run_local(JOB(), write_files("hot_card", 2, place), place / "out", 8192)


@pytest.mark.parametrize("processes", [1, 2])
def test_the_dead_are_started_again(
    tmp_path: Path, reference: Told, processes: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A process is killed again and again; the run goes on by itself, and its records are those of a quiet one."""
    source = write_files("hot_card", 2, tmp_path)
    options = Options(
        processes=processes, batch_lines=400, epoch_s=0.02, state_dir=tmp_path / "state",
        restarts=Restarts(20, pause_s=0.01, pause_s_max=0.01),
    )  # fmt: skip
    same(run_bytewax(JOB(), AtRead(source, 5, die), tmp_path / "out", options), reference)
    deaths = [m for m in caplog.messages if "exit code -9" in m]
    assert len(deaths) >= 1
    assert "process 0" in deaths[0] or "process 1" in deaths[0]


@dataclass(frozen=True)
class Down:
    """Opens a sink whose first checkpoints find it down, and for longer than it has patience."""

    opener: SinkOpener
    tries: Path

    def __call__(self, position: Any = None, /) -> Sink:
        sink = self.opener(position)
        flush = sink.flush

        def flush_or_not() -> Any:
            with self.tries.open("a") as file:
                file.write("x")
            if 4 <= self.tries.stat().st_size <= 6:
                raise SinkError("cannot write after 6 tries: down; records wait in memory; bring it back")
            return flush()

        sink.flush = flush_or_not  # type: ignore[method-assign]
        return sink


def test_a_sink_that_is_down_for_longer(tmp_path: Path, reference: Told, caplog: pytest.LogCaptureFixture) -> None:
    """The run is started again until it is back; nothing is lost or repeated."""
    source = write_files("hot_card", 2, tmp_path)
    options = Options(
        batch_lines=400, epoch_s=0.02, state_dir=tmp_path / "state", restarts=Restarts(9, pause_s=0.01)
    )  # fmt: skip
    plan = bytewax_plan(JOB(), source, tmp_path / "out", options)
    stream, opener = plan.openers["scores"]
    plan = replace(plan, openers={**plan.openers, "scores": (stream, Down(opener, tmp_path / "tries"))})
    same(told(tmp_path / "out", execute(plan)), reference)
    told_of = [m.split(";")[0] for m in caplog.messages if "Restart" in m]
    assert set(told_of) == {"cannot write after 6 tries: down"}
    assert 1 <= len(told_of) <= 3  # a process that ends closes its sinks, and so may try twice


def test_a_clock_set_back_starts_it_again(
    tmp_path: Path, reference: Told, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forward is harmless; back by an hour ends the processes once, and the records are those of a quiet run."""
    jumps_s = iter([0.0, 0.0, 86_400.0])

    def jumping_s() -> float:
        return time.time() + next(jumps_s, 82_800.0)

    monkeypatch.setattr("flows.engine.clock.wall_s", jumping_s)
    source = write_files("hot_card", 2, tmp_path)
    options = Options(
        batch_lines=400, epoch_s=0.02, state_dir=tmp_path / "state", restarts=Restarts(9, pause_s=0.01)
    )  # fmt: skip
    slow = AtRead(source, 4, pause)
    same(run_bytewax(JOB(), slow, tmp_path / "out", options), reference)
    assert [m.split(":")[0] for m in caplog.messages if "clock was" in m and not m.startswith("state directory")] == [
        "the clock was set back by 3600 s"
    ]
    assert len([m for m in caplog.messages if "Restart 1" in m]) == 1


def test_it_gives_up_and_says_so(tmp_path: Path) -> None:
    """Without progress the restarts are used up; the state is as it was."""
    options = Options(state_dir=tmp_path / "state", restarts=Restarts(2, pause_s=0.01))
    with pytest.raises(WorkerError, match=r"exit code -9.*gave up after 2 restarts"):
        execute(fake_plan(AtRead(Numbers(), 1, die), tmp_path / "out", options))  # type: ignore[arg-type]
    with held_by_run(tmp_path / "state", patience_s=1.0):
        pass


def children_of(process: "subprocess.Popen[str]") -> list[int]:
    """The processes of a run, without the one that multiprocessing keeps for itself."""
    found = []
    for child in psutil.Process(process.pid).children():
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):  # one that has just ended
            found += [child.pid] * ("spawn_main" in " ".join(child.cmdline()))
    return found


@pytest.mark.parametrize("restarts", [0, 3])
def test_a_signal_to_one_process_is_its_death(tmp_path: Path, restarts: int) -> None:
    """It cannot stop alone: the run ends, or starts again, as after any death."""
    options = {
        "processes": 2, "live": True, "state_dir": str(tmp_path / "state"), "epoch_s": 0.1,
        "restarts": {"most": restarts, "pause_s": 0.01},
    }  # fmt: skip
    process = start(tmp_path / "out", '{"partitions": 2, "live": true}', json.dumps(options))
    wait_for(process, "read 200")
    first = children_of(process)
    os.kill(first[1], signal.SIGTERM)
    if restarts:
        while not (again := children_of(process)) or set(again) & set(first):
            time.sleep(0.05)
        process.terminate()
    _, errors = process.communicate(timeout=30)
    assert "was ended by a signal, which it alone got" in errors
    assert process.returncode == (0 if restarts else 2)


def test_a_signal_to_all_processes_drains(tmp_path: Path) -> None:
    """Whoever signals a whole group, as service managers do, gets an orderly end."""
    options = {"processes": 2, "live": True, "state_dir": str(tmp_path / "state")}
    process = start(tmp_path / "out", '{"partitions": 2, "live": true}', json.dumps(options))
    wait_for(process, "read 200")
    for pid in (*children_of(process), process.pid):
        os.kill(pid, signal.SIGTERM)
    assert '"balanced": true' in wait_for(process, "summary")
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, "signal" in errors) == (0, False)


def test_members_follow_their_supervisor(tmp_path: Path) -> None:
    """When the parent is killed its processes stop by themselves, after a last checkpoint; the next run waits for that,
    and nothing is lost or repeated.
    """
    options = {"processes": 2, "live": True, "state_dir": str(tmp_path / "state"), "epoch_s": 1000.0}
    process = start(tmp_path / "out", '{"partitions": 2, "live": true}', json.dumps(options))
    wait_for(process, "read 200")
    process.kill()
    process.wait()
    process.communicate()
    source = Numbers(2)
    assert execute(fake_plan(source, tmp_path / "out", Options(state_dir=tmp_path / "state"))).balanced
    assert sorted(found(tmp_path / "out")) == sorted(expected(source))


def test_a_process_without_parent_does_not_wait_for_others_for_ever(tmp_path: Path) -> None:
    """It waits for another host when its parent is killed; nobody would ever tell it to stop."""
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(2)]
    options = {
        "addresses": addresses, "index": 0, "drain_s": 0.5, "state_dir": str(tmp_path / "state"),
        "restarts": {"most": 1},
    }  # fmt: skip
    process = start(tmp_path / "out", '{"partitions": 2}', json.dumps(options))
    member = tmp_path / "state" / "member-0.lock"
    while not (member.exists() and _is_locked(member)):
        time.sleep(0.05)
    process.kill()
    process.wait()
    process.communicate()
    with held_by_run(tmp_path / "state", 0, patience_s=20.0):
        pass


@pytest.mark.parametrize("processes", [1, 2])
def test_draining_has_a_bound(tmp_path: Path, processes: int) -> None:
    """A run that does not stop in time is ended, and says what to do; nothing of it is left."""
    options = {"processes": processes, "drain_s": 0.5, "state_dir": str(tmp_path / "state")}
    process = start(tmp_path / "out", '{"partitions": 2, "count": 1000, "pause_s": 20}', json.dumps(options))
    for _ in range(processes):
        wait_for(process, "asleep")
    process.terminate()
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 3
    assert "had not stopped 0.5 s after it was asked to" in errors
    assert "--drain-timeout" in errors
    with held_by_run(tmp_path / "state", patience_s=1.0):
        pass


def test_hosts_that_stop_account_for_all_rows_together(tmp_path: Path) -> None:
    """Each host knows a part; each tells all of it, and no line is missing."""
    options: dict[str, Any] = {
        "addresses": [f"127.0.0.1:{port}" for port in _free_ports(2)], "live": True,
        "state_dir": str(tmp_path / "state"), "epoch_s": 0.1,
    }  # fmt: skip
    source = '{"partitions": 2, "live": true}'
    hosts = [start(tmp_path / "out", source, json.dumps(options | {"index": index})) for index in (0, 1)]
    while not (tmp_path / "out").exists() or len(found(tmp_path / "out")) < 100:
        time.sleep(0.1)
    time.sleep(1.0)
    for host in hosts:
        host.terminate()
    summaries = [json.loads(wait_for(host, "summary").partition(" ")[2]) for host in hosts]
    for host in hosts:
        host.communicate(timeout=30)
    assert [(s["read"], s["balanced"]) for s in summaries] == [(200, True)] * 2


def _is_locked(file: Path) -> bool:
    with file.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _host(index: int, addresses: tuple[str, ...], source: Source, place: Path, batch_lines: int, deadly: int) -> None:
    options = Options(
        batch_lines=batch_lines, epoch_s=0.05, state_dir=place / "state", addresses=addresses, index=index,
        restarts=Restarts(20, pause_s=0.05, pause_s_max=0.05),
    )  # fmt: skip
    run_bytewax(JOB(), AtRead(source, deadly, die) if deadly else source, place / "out", options)


def _free_ports(count: int) -> list[int]:
    from flows.engine.cluster import _free_addresses

    return [int(address.rpartition(":")[2]) for address in _free_addresses(count)]


@pytest.mark.parametrize("deadly", [0, 9], ids=["quiet", "one host dies"])
def test_hosts_form_one_cluster(tmp_path: Path, reference: Told, deadly: int) -> None:
    """Two runs with the same addresses and another index each do one job on one directory; when the process of one
    dies, both go on from the last checkpoint.
    """
    source = write_files("hot_card", 2, tmp_path)
    addresses = tuple(f"127.0.0.1:{port}" for port in _free_ports(2))
    context = multiprocessing.get_context("spawn")
    # Host 1 comes first, and has to wait until host 0 has made the store.
    hosts = [context.Process(target=_host, args=(i, addresses, source, tmp_path, 400, deadly * i)) for i in (1, 0)]
    for host in hosts:
        host.start()
        time.sleep(0.3)
    for host in hosts:
        host.join(90)
        assert host.exitcode == 0
    source_done = run_bytewax(JOB(), source, tmp_path / "out", Options(state_dir=tmp_path / "state"))
    same(source_done, reference)


def test_a_directory_has_one_cluster(tmp_path: Path) -> None:
    """Hosts of one cluster share a directory, each index once; a run on one host keeps them out, and they it."""
    (tmp_path / "state").mkdir()
    state = tmp_path / "state"
    with held_by_run(state, host=0), held_by_run(state, host=1):
        with pytest.raises(SnapshotError, match="as host 1 of its cluster"), held_by_run(state, host=1):
            pass
        with pytest.raises(SnapshotError, match="another run is using it"), held_by_run(state):
            pass
    with held_by_run(state), pytest.raises(SnapshotError, match="another run"), held_by_run(state, host=0):
        pass


def test_no_process_is_left(tmp_path: Path) -> None:
    """After a run in two processes that failed, none of its children lives."""
    options = Options(processes=2)
    with pytest.raises(WorkerError):
        execute(fake_plan(Numbers(2), tmp_path / "out", options, fail_on="right/p1:20"))
    children = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "args="], capture_output=True, text=True, check=False
    ).stdout
    assert "spawn_main" not in children.replace("resource_tracker", "")
