"""What one process sees of itself: where its time goes, what partitions and sinks do."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from flows.engine.names import key_name
from flows.engine.observe import Observer, Timed
from flows.engine.watch import FirstError
from flows.metrics import catalogue as c
from flows.metrics.happening import What
from flows.metrics.observation import Observation
from flows.operators.messages import GroupInput
from flows.sources.base import Lines
from flows.stages import Stage
from flows.streams import Stream
from tests.engine.fakes import Ingest, Numbers, NumbersPartition

STAGES = ("ingest", "subject", "population", "alerts", "sinks")


def observer(workers: int = 1) -> Observer:
    return Observer(0, workers, STAGES, {"p0": "events"})


def times(observed: Observation, stage: str) -> dict[str, float]:
    return {state: observed.numbers[c.STAGE_SECONDS.key("0", stage, state)] for state in c.STATES}


@pytest.mark.parametrize("workers", [1, 2])
def test_the_shares_of_a_stage_add_up_to_the_time_there_was(workers: int) -> None:
    """Busy, held back and idle of every stage are all of the time between two looks, and nothing else."""
    watched = observer(workers)
    watches = [watched.watch(stage, stage, FirstError()) for stage in STAGES]
    before, began_s = watched.look(), time.monotonic()
    for watch in watches[:3]:
        with watch:
            time.sleep(0.02)
    time.sleep(0.03)
    after, took_s = watched.look(), time.monotonic() - began_s
    for stage in STAGES:
        spent = {state: after_s - times(before, stage)[state] for state, after_s in times(after, stage).items()}
        assert sum(spent.values()) == pytest.approx(took_s, rel=0.2), stage
        assert min(spent.values()) >= 0.0
        assert (spent["busy"] > 0) == (stage in STAGES[:3])
        assert spent["busy"] + spent["held_back"] == pytest.approx(0.06 / workers, rel=0.5)


def test_a_piece_of_work_that_does_not_end_is_seen() -> None:
    """Since when a stage is at it, and that its time is busy; a thread of its own tells."""
    watched, told, inside, over = observer(), list[Observation](), threading.Event(), threading.Event()
    watch = watched.watch("population", "population all", FirstError())

    def stuck() -> None:
        with watch:
            inside.set()
            over.wait(10)

    worker = threading.Thread(target=stuck)
    with watched.telling(told.append, every_s=0.01):
        worker.start()
        inside.wait(10)
        seen_before = len(told)
        until_s = time.monotonic() + 10
        while len(told) < seen_before + 3 and time.monotonic() < until_s:
            time.sleep(0.01)
        over.set()
        worker.join()
    assert "population" in told[-2].working or "population" in told[-3].working
    assert told[-1].working == {}
    assert told[-1].moved["population"] > 0
    assert times(told[-1], "population")["busy"] > 0


def test_what_was_told_is_not_taken_back() -> None:
    """A counter that falls looks like a new one that has jumped, also where a call ends between two glances at it."""
    watched = observer()
    watch = watched.watch("population", "population all", FirstError())
    with watch:
        time.sleep(0.02)
        before = times(watched.look(), "population")
        since_ns, watch.since_ns = watch.since_ns, 0  # it has ended, and its time is not there yet
        after = times(watched.look(), "population")
        watch.since_ns = since_ns
    assert before["busy"] >= 0.02
    assert all(after[state] >= before[state] for state in before)


def test_errors_pass_through() -> None:
    """And are reported, as by any other watch; the work has ended."""
    first = FirstError()
    watch = Timed("subject", "subject 3", first)
    with pytest.raises(ZeroDivisionError), watch:
        _ = 1 // 0
    assert isinstance(first.error, ZeroDivisionError)
    assert watch.since_ns == 0


def test_a_partition_that_is_held_back() -> None:
    """Its stage is held back while nobody is at work, and not idle."""
    watched = observer()
    watched.partition("p0", Ingest("p0", resume=None))
    watched.status.held_back["p0"] = 5.0
    watched.paced()
    time.sleep(0.03)
    observed = watched.look()
    assert times(observed, "ingest")["held_back"] >= 0.03
    assert times(observed, "subject")["held_back"] == 0
    assert observed.numbers[c.SOURCE_HELD.key("p0", "events")] == 5.0
    watched.status.held_back.clear()
    watched.paced()
    held_s = times(watched.look(), "ingest")["held_back"]
    time.sleep(0.01)
    assert times(watched.look(), "ingest")["held_back"] == held_s


@pytest.mark.parametrize(("count", "each", "exact"), [(3, 10, True), (10_000, 10, True), (10_000, 7, True)])
def test_lines_and_bytes(count: int, each: int, exact: bool) -> None:
    """Of large reads bytes are an estimate, which is exact where all lines are as long."""
    watched, reader = observer(), NumbersPartition("p0", Numbers())
    watched.partition("p0", Ingest("p0", resume=None))
    watched.lines(reader, Lines([b"x" * each] * count, range(count), "p0"))
    watched.lines(reader, Lines([], [], "p0"))
    numbers = watched.look().numbers
    assert numbers[c.SOURCE_RECORDS.key("p0", "events")] == count
    assert numbers[c.SOURCE_BYTES.key("p0", "events")] == count * each


def test_a_source_that_cannot_be_asked() -> None:
    """Is down; its lag is the last that was known."""
    watched = observer()
    watched.partition("p0", Ingest("p0", resume=None))
    watched.status.lag["p0"] = 12, 3.0
    assert watched.look().numbers[c.SOURCE_UP.key("p0", "events")] == 1
    watched.status.lag_unknown.add("p0")
    numbers = watched.look().numbers
    assert numbers[c.SOURCE_UP.key("p0", "events")] == 0
    assert numbers[c.SOURCE_LAG.key("p0", "events")] == 12


def test_rows_by_key_group() -> None:
    """Messages without rows say nothing."""
    watched = observer()
    batch: Any = [1, 2, 3]
    watched.routed(4, GroupInput("p0", 0, batch))
    watched.routed(4, GroupInput("p0", 0))
    watched.routed(5, GroupInput("p0", 0, batch))
    watched.routed(4, GroupInput("p0", 0, batch))
    assert watched.look().rows == {("subject", 4): 6, ("subject", 5): 3}


@dataclass
class Sinks:
    """A sink that may fail, or keep what it is given."""

    waiting: int = 0
    fails: bool = False

    def write(self, records: list[Any]) -> None:
        self.waiting += len(records)

    def flush(self) -> str:
        if self.fails:
            raise OSError("no")
        self.waiting = 0
        return "position"

    def close(self) -> None: ...


def test_sinks() -> None:
    """What they were given, what waits, when all of it was written, and what failed."""
    watched, sink, other = observer(), Sinks(), Sinks()
    watched.sinks({"a": (Stream.ALERTS, sink), "d": (Stream.DRIFT, other)})
    where = "a", "alerts"
    sink.write([1, 2])
    watched.wrote(Stream.ALERTS, [{"alert_id": "a1"}, {"alert_id": "a2"}], time.time())
    numbers = watched.look().numbers
    assert (numbers[c.SINK_RECORDS.key(*where)], numbers[c.SINK_WAITING.key(*where)]) == (2, 2)
    assert numbers[c.SINK_DONE.key(*where)] == 0, "it waits"
    assert watched.flush(sink) == "position"
    assert watched.look().numbers[c.SINK_DONE.key(*where)] == pytest.approx(time.time(), abs=60)
    sink.fails = True
    with pytest.raises(OSError, match="no"):
        watched.flush(sink)
    numbers = watched.look().numbers
    assert numbers[c.SINK_ERRORS.key(*where)] == 1
    assert numbers[c.SINK_ERRORS.key("d", "drift")] == 0


@dataclass
class Teller:
    """An operator that tells a number, or fails to."""

    tell: Callable[[], float]

    def observe(self, numbers: c.Numbers) -> None:
        c.add(numbers, c.SUBJECTS, self.tell(), "subject")

    rows_waiting = 5


def test_operators_add_up() -> None:
    """Each tells of itself; lines that wait in them are counted where lines have their fate."""
    watched = observer()
    stage = Stage("subject", {0: 0, 1: 1}, lambda who, resume: Teller(lambda: 0), {}, holds_lines=True)  # type: ignore[arg-type,return-value]
    watched.operator(stage, 0, Teller(lambda: 2))
    watched.operator(stage, 1, Teller(lambda: 3))
    observed = watched.look()
    assert observed.numbers[c.SUBJECTS.key("subject")] == 5
    assert observed.waiting == 10
    assert observed.built == {("subject", key_name(0)), ("subject", key_name(1))}


def test_a_run_does_not_end_for_want_of_a_metric(caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be told is logged, and the next time it is tried again."""
    watched, told = observer(), list[Observation]()
    values = iter([0.0, 1.0])
    watched.operator(Stage("subject", {0: 0}, None), 0, Teller(lambda: next(values)))  # type: ignore[arg-type]
    with watched.telling(told.append, every_s=60):
        next(values)
    assert told == []
    assert "could not be put together" in caplog.text


def test_what_happened_is_told_once() -> None:
    """Parts of checkpoints, restored operators, alerts, slow rounds; of very many the latest."""
    watched = observer()
    watched.checkpoint("subject", 3, int(2e9), 70, 900)
    watched.restored("alerts", int(1e9), 40)
    watched.sinks({})
    watched.wrote(Stream.DRIFT, [{"event_id": "d1"}], time.time())
    watched.wrote(Stream.ALERTS, [{"alert_id": "a1", "severity": "high", "window": "w1h"}], time.time() - 0.5)
    saved, restored, alert = watched.look().happened
    assert (saved.what, saved.stage, saved.told) == (What.CHECKPOINT, "subject", {"bytes": 70, "state_bytes": 900})
    assert saved.ended_s - saved.began_s == pytest.approx(2.0)
    assert saved.ended_s == pytest.approx(time.time(), abs=60)
    assert (restored.what, restored.stage, restored.told) == (What.RESTORE, "alerts", {"bytes": 40})
    assert alert.what is What.ALERT
    assert alert.told["alert.id"] == "a1"
    assert alert.told["alert.severity"] == "high"
    assert alert.ended_s - alert.began_s == pytest.approx(0.5, abs=0.4)
    assert watched.look().happened == []
    watched.wrote(Stream.ALERTS, [{"alert_id": str(n)} for n in range(10_000)], time.time())
    last = watched.look().happened
    assert len(last) == 2_000
    assert last[-1].told["alert.id"] == "9999"
