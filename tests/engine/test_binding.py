"""Does Bytewax carry every message to the right operator, in order, and the end of the input exactly once?"""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from flows.counters import ACCEPTED, OPEN, OUT
from flows.engine.plan import Options
from flows.engine.recovery import locked_state
from flows.engine.run import execute
from flows.engine.supervise import WorkerError
from flows.summary import Summary
from state.errors import DetectorError, SnapshotError
from tests.engine.fakes import COHORTS, Numbers, expected, found, plan


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("batch_lines", "partitions"), [(1, 1), (7, 3), (1000, 2)])
def test_all_arrive_once(tmp_path: Path, workers: int, batch_lines: int, partitions: int) -> None:
    """Every number reaches every cohort once, in order, and the last watermark lets the last ones out."""
    source = Numbers(partitions)
    summary = execute(plan(source, tmp_path / "out", Options(workers=workers, batch_lines=batch_lines)))
    assert sorted(found(tmp_path / "out")) == sorted(expected(source))
    assert summary.read == summary.total(ACCEPTED) == partitions * source.count
    assert summary.balanced
    assert summary.by_label(OUT) == {"alerts": len(expected(source))}


def test_two_processes(tmp_path: Path) -> None:
    """Two processes give what one gives, and the parent sees the totals and the progress of both."""
    source = Numbers(3, count=500)
    seen: list[tuple[Summary, float | None]] = []
    options = Options(processes=2, batch_lines=50)
    summary = execute(plan(source, tmp_path / "out", options), lambda s, f: seen.append((s, f)))
    assert sorted(found(tmp_path / "out")) == sorted(expected(source))
    assert summary.read == 1500
    assert summary.balanced
    assert all(s.balanced and (f is None or 0 <= f <= 1) for s, f in seen)


def test_finished_job_stays_finished(tmp_path: Path) -> None:
    """A job that has reached the end of its input emits nothing when it is started again, and its totals stay."""
    source = Numbers(2)
    job = plan(source, tmp_path / "out", Options(state_dir=tmp_path / "state"))
    first = execute(job)
    second = execute(job)
    assert sorted(found(tmp_path / "out")) == sorted(expected(source))
    assert (first.read, first.by_label(OUT), first.balanced) == (second.read, second.by_label(OUT), True)


@pytest.mark.parametrize("workers", [1, 2])
def test_stop_finishes_a_run_without_state(tmp_path: Path, workers: int) -> None:
    """A signal to a run that nothing can go on from closes what was read: every line has its fate."""
    source = Numbers(2, count=60, live=True)
    options = Options(workers=workers, batch_lines=10, live=True)
    summary = execute(plan(source, tmp_path / "out", options), signal_at(120))
    assert sorted(found(tmp_path / "out")) == sorted(expected(source))
    assert (summary.total(ACCEPTED), summary.total(OPEN), summary.balanced) == (120, 0, True)


def test_stop_pauses_a_durable_run(tmp_path: Path) -> None:
    """A signal to a durable run closes nothing; the next run, on more workers, goes on from there without a repeat."""
    options = Options(batch_lines=10, live=True, state_dir=tmp_path / "state")
    short, long = Numbers(2, count=61, live=True), Numbers(2, count=200, live=True)
    idle_s = 3600
    first = execute(plan(short, tmp_path / "out", options, idle_s=idle_s), signal_at(122))
    assert first.total(OPEN) > 0
    assert first.balanced
    held = expected(short) - set(found(tmp_path / "out"))
    assert len(held) == first.total(OPEN) * len(COHORTS)
    second = execute(plan(long, tmp_path / "out", replace(options, workers=2), idle_s=idle_s), signal_at(400))
    assert second.read == 400
    assert second.balanced
    end = Numbers(2, count=200)
    last = execute(plan(end, tmp_path / "out", replace(options, live=False)))
    assert sorted(found(tmp_path / "out")) == sorted(expected(end))
    assert (last.read, last.total(ACCEPTED), last.total(OPEN)) == (400, 400, 0)


def test_planned_error_comes_out_as_it_is(tmp_path: Path) -> None:
    """An operator's own error reaches the caller unwrapped."""
    with pytest.raises(DetectorError, match="planned failure"):
        execute(plan(Numbers(), tmp_path / "out", Options(workers=2), fail_on="left/p0:42"))


def test_planned_error_in_two_processes(tmp_path: Path) -> None:
    """The error of a process of the cluster reaches the parent, which stops the other one."""
    with pytest.raises(DetectorError, match="planned failure"):
        execute(plan(Numbers(), tmp_path / "out", Options(processes=2), fail_on="left/p0:42"))


def test_bug_in_two_processes(tmp_path: Path) -> None:
    """A bug reaches the parent as text, with stage and key."""
    with pytest.raises(WorkerError, match=r"population right: ZeroDivisionError: unplanned failure"):
        execute(plan(Numbers(), tmp_path / "out", Options(processes=2), fail_on="right/p0:42"))


def test_bug_is_logged_with_its_traceback(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A bug in an operator is logged where it happens, with its stage and key, and raised."""
    with pytest.raises(ZeroDivisionError):
        execute(plan(Numbers(), tmp_path / "out", Options(), fail_on="right/p0:42"))
    (record,) = caplog.records
    assert "population right: unplanned failure" in record.message
    assert record.exc_info is not None


def test_state_directory_is_locked(tmp_path: Path) -> None:
    """A second run on the same state directory is refused."""
    job = plan(Numbers(), tmp_path / "out", Options(state_dir=tmp_path))
    with locked_state(tmp_path, job.stages, ("p0",)), pytest.raises(SnapshotError, match="another run is using it"):
        execute(job)


def signal_at(read: int) -> Callable[[Summary, float | None], None]:
    """A progress callback that sends this process SIGTERM, once, when so many lines were read."""
    sent: list[int] = []

    def progress(summary: Summary, _: float | None) -> None:
        if summary.read >= read and not sent:
            sent.append(summary.read)
            os.kill(os.getpid(), signal.SIGTERM)

    return progress
