"""Source partition, logic and sink, called as Bytewax calls them."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flows.counters import OPEN, READ, Counts
from flows.engine.context import Context
from flows.engine.logics import StageLogic
from flows.engine.monitor import Monitor, Status, fraction, summary
from flows.engine.names import key_name
from flows.engine.pace import Pace
from flows.engine.shutdown import Stop
from flows.engine.sink import OutputSink
from flows.engine.source import LinePartition, LineSource
from flows.engine.watch import FirstError, Reporting
from flows.operators.messages import GroupInput, Output
from flows.sources.base import Lines
from flows.steps import Step
from flows.streams import Stream
from state.errors import SnapshotError, SourceError
from state.types import END_OF_TIME_US, SECOND_US, START_OF_TIME_US
from tests.engine.fakes import BEHIND, GROUPS, FileSink, Numbers, plan, stages


def context_of(parts: tuple[str, ...], *, durable: bool = True, idle_us: int | None = None, **more: Any) -> Context:
    pace = Pace(1_000_000, idle_us)
    return Context(stages(parts), durable, 10, Stop(), pace, Monitor(lambda _: None), FirstError(), **more)


def partition(
    source: Numbers, context: Context | None = None, resume: dict[str, Any] | None = None
) -> tuple[LinePartition, Context]:
    context = context or context_of(tuple(source.partition_names()))
    opened = LineSource(context, {"p0": source}).build_part("ingest", "p0", resume)
    return opened, context


def watermarks(items: list[Any]) -> set[int]:
    return {item[1][1].watermark_us for item in items if isinstance(item[1], tuple)}


def read(lines: int) -> Counts:
    counts = Counts(Step.INGEST)
    counts.add(READ, lines)
    return counts


class TestSource:
    def test_items_are_addressed(self) -> None:
        """Messages go to their group's key, with the group; records travel beside them."""
        opened, _ = partition(Numbers(count=10))
        items = opened.next_batch()
        assert isinstance(items[0][1], Counts)
        assert [(key, value[0]) for key, value in items[1:]] == [(key_name(g), g) for g in range(GROUPS)]

    def test_end_is_sent_once_in_each_run(self) -> None:
        """The last watermark comes before the end; a resumed partition that had sent it tells groups that are new, and
        no more.
        """
        opened, _ = partition(Numbers(count=10))
        opened.next_batch()
        assert watermarks(opened.next_batch()) == {END_OF_TIME_US}
        saved = opened.snapshot()
        resumed, _ = partition(Numbers(count=10), resume=saved)
        again = resumed.next_batch()
        assert watermarks(again) == {END_OF_TIME_US}
        assert [value[0] for _, value in again] == list(range(GROUPS))
        assert resumed.snapshot() == saved
        for each in (opened, resumed):
            with pytest.raises(StopIteration):
                each.next_batch()

    def test_resumes_at_the_next_line(self) -> None:
        """A snapshot names the next line, and carries the ingest stage's state."""
        opened, _ = partition(Numbers(count=20))
        opened.next_batch()
        resumed, _ = partition(Numbers(count=20), resume=opened.snapshot())
        numbers = [n for _, value in resumed.next_batch()[1:] for n in value[1].batch]
        assert sorted(numbers) == list(range(10, 20))
        assert resumed.snapshot()["position"] == 20

    def test_what_came_after_the_end_is_not_passed_over(self) -> None:
        """The end closed all windows: more lines in a later run are an error that says so, none are none."""
        opened, _ = partition(Numbers(count=10))
        for _ in range(2):
            opened.next_batch()
        saved = opened.snapshot()
        grown, _ = partition(Numbers(count=12), resume=saved)
        grown.next_batch()
        with pytest.raises(SourceError, match=r"p0: its end was reached in an earlier run.*p0 from 10"):
            grown.next_batch()

    def test_an_end_after_which_there_may_be_more(self) -> None:
        """Where a run pauses at the end nothing is closed, and more is read; a run that found nothing new says that
        nobody need wait; one that is to finish closes all.
        """
        names, end = ("p0",), Numbers(count=10)
        opened, context = partition(end, context_of(names, finish=False))
        opened.next_batch()
        assert opened.next_batch() == []
        with pytest.raises(StopIteration):
            opened.next_batch()
        saved = opened.snapshot()
        assert (saved["done"], saved["ended"], context.monitor.status.nothing_new) == (False, True, 0)
        grown, context = partition(Numbers(count=12), context_of(names, finish=False), saved)
        assert grown.next_batch()
        assert grown.snapshot()["ended"] is False
        assert grown.next_batch() == []
        idle, context = partition(end, context_of(names, finish=False), saved)
        assert watermarks(idle.next_batch()) == {9 - BEHIND}
        assert summary([context.monitor.status], 1.0, running=False).nothing_new
        finishing, _ = partition(end, context_of(names), saved)
        assert watermarks(finishing.next_batch()) == {END_OF_TIME_US}

    def test_an_end_for_good_is_one(self) -> None:
        """What can get no more, as a simulation, closes windows in every run."""
        opened, _ = partition(Numbers(count=10), context_of(("p0",), finish=False))
        opened._reader.ends_for_good = True  # type: ignore[misc]
        opened.next_batch()
        assert watermarks(opened.next_batch()) == {END_OF_TIME_US}

    def test_an_end_that_meets_a_stop_is_no_end(self) -> None:
        """A run that pauses leaves it to the next one to see the end: a pipe may be written to again."""
        opened, context = partition(Numbers(count=10))
        opened.next_batch()

        def nothing_and_stop(_: int) -> None:
            context.stop.set()

        opened._reader.read = nothing_and_stop  # type: ignore[method-assign]
        assert opened.next_batch() == []
        with pytest.raises(StopIteration):
            opened.next_batch()
        assert opened.snapshot()["done"] is False

    def test_stop_pauses_when_durable(self) -> None:
        """After a stop a durable partition ends without a watermark, and is not done."""
        opened, context = partition(Numbers(count=20))
        opened.next_batch()
        context.stop.set()
        with pytest.raises(StopIteration):
            opened.next_batch()
        assert opened.snapshot()["done"] is False

    def test_stop_finishes_when_not_durable(self) -> None:
        """After a stop a partition without a next run sends the last watermark; snapshots cost nothing."""
        opened, context = partition(Numbers(count=20), context_of(("p0",), durable=False))
        opened.next_batch()
        assert opened.snapshot()["ingest"] == b""
        context.stop.set()
        assert watermarks(opened.next_batch()) == {END_OF_TIME_US}

    def test_naps_while_nothing_comes(self) -> None:
        """A live partition without lines asks to be woken later; with lines, at once."""
        opened, _ = partition(Numbers(count=10, live=True))
        opened.next_batch()
        assert opened.next_awake() is None
        assert opened.next_batch() == []
        awake = opened.next_awake()
        assert awake is not None
        assert awake > datetime.now(UTC)

    def test_silence_moves_time(self) -> None:
        """A live partition that is silent beyond the time-out sends a watermark without rows."""
        opened, _ = partition(Numbers(count=10, live=True), context_of(("p0",), idle_us=0))
        opened.next_batch()
        before = opened._ingest.watermark_us
        items = opened.next_batch()
        assert len(items) == GROUPS
        assert min(watermarks(items)) > before

    def test_silence_that_may_be_none_moves_nothing(self) -> None:
        """While a source cannot tell whether there is more, its partition is waited for as one that has just given."""
        opened, context = partition(Numbers(count=10, live=True), context_of(("p0",), idle_us=0))
        opened.next_batch()
        opened._reader.read = lambda _: Lines((), (), "p0", idle=False)  # type: ignore[method-assign]
        context.pace.join("p1", START_OF_TIME_US)
        assert opened.next_batch() == []
        assert opened.next_awake() is not None

    def test_lines_that_do_not_count_are_silence(self, caplog: pytest.LogCaptureFixture) -> None:
        """A partition of nothing but unreadable lines moves with time, and it is said why: once, also where the lines
        come with pauses, until one counts.
        """
        opened, context = partition(Numbers(count=20, live=True), context_of(("p0",), idle_us=0))
        opened.next_batch()
        before, counts = opened._ingest.watermark_us, opened._reader.read
        opened._reader.read = lambda _: Lines((b"?",), (0,), "p0")  # type: ignore[method-assign]
        assert min(watermarks(opened.next_batch())) > before
        nothing = Lines((), (), "p0")
        for lines in (nothing, Lines((b"?",), (1,), "p0"), nothing):
            assert summary([context.monitor.status], 1.0, running=True).notes == {
                "p0": "none of its latest lines count; windows no longer wait for it"
            }
            opened._reader.read = lambda _, lines=lines: lines  # type: ignore[method-assign,misc]
            opened.next_batch()
        assert len(caplog.messages) == 1
        opened._reader.read = counts  # type: ignore[method-assign]
        opened.next_batch()
        opened._reader.read = lambda _: nothing  # type: ignore[method-assign]
        opened.next_batch()
        assert not context.monitor.status.notes

    def test_a_live_partition_far_ahead_is_held_back(self) -> None:
        """It is not read while an active one is behind, which is said; then it goes on, and nothing is said."""
        opened, context = partition(Numbers(count=100, live=True), context_of(("p0",), idle_us=10**12))
        context.pace.join("p1", -(10**13))
        opened.next_batch()
        assert opened.next_batch() == []
        assert opened._reader.position() == 10
        assert opened.next_awake() is not None
        (note,) = context.monitor.status.notes.values()
        assert note == "held back, because it is ahead of p1, for which all windows wait"
        ahead_s = (opened._ingest.watermark_us + 10**13) / SECOND_US
        assert summary([context.monitor.status], 1.0, running=True).to_json()["held_back"] == {"p0": ahead_s}
        context.pace.heard("p1", 0)
        assert opened.next_batch() != []
        assert not context.monitor.status.notes
        assert not context.monitor.status.held_back

    def test_source_is_told_what_is_saved(self) -> None:
        """A position is told when the next one is taken, for then it is on the disk; the last one at the end."""
        told: list[int] = []
        opened, context = partition(Numbers(count=100))
        opened._reader.saved = told.append  # type: ignore[method-assign]
        for _ in range(3):
            opened.next_batch()
            opened.snapshot()
        assert told == [10, 20]
        context.stop.set()
        opened.snapshot()
        assert told == [10, 20, 30]

    def test_lag_is_told(self) -> None:
        """By partition: records that are not read yet, and how old in event time the newest one is that was."""
        seen: list[Status] = []
        monitor = Monitor(seen.append, every_s=0.0)
        reader = Numbers().open("p0")
        for lag, at_s in ((7, 5.0), (0, 5.0), (7, None)):
            reader.lag = lag  # type: ignore[assignment]
            monitor.partition(reader, START_OF_TIME_US if at_s is None else int((time.time() - at_s) * 1e6))
            found = summary([seen[-1]], 1.0, running=True)
            records, seconds = found.lag["p0"]
            assert records == lag
            assert seconds == pytest.approx(5.0 if lag and at_s else 0.0, abs=1.0)
            assert found.lag_in_words == (f"7 records, {seconds:.1f} s in p0" if lag else "none")
        assert summary([Status()], 1.0, running=True).lag_in_words == ""

    def test_lag_is_unknown_while_nobody_answers(self) -> None:
        """A source that cannot be asked now is not one without lag."""
        opened, context = partition(Numbers(count=10, live=True), context_of(("p0",), idle_us=10**12))
        opened._reader.lag = 0  # type: ignore[misc]
        opened.next_batch()
        answers = opened._reader.read
        assert summary([context.monitor.status], 1.0, running=True).lag_in_words == "none"
        opened._reader.read = lambda _: Lines((), (), "p0", idle=False)  # type: ignore[method-assign]
        opened.next_batch()
        found = summary([context.monitor.status], 1.0, running=True)
        assert found.lag_in_words == "unknown: nobody says what there is in p0"
        assert found.to_json()["lag_unknown"] == ["p0"]
        opened._reader.read = answers  # type: ignore[method-assign]
        opened.next_batch()
        assert summary([context.monitor.status], 1.0, running=True).lag_in_words == "none"

    def test_leader_is_held_back(self) -> None:
        """A bounded partition far ahead gives nothing until the other one has followed."""
        source = Numbers(2, count=100)
        context = context_of(("p0", "p1"))
        context = Context(context.stages, True, 60, context.stop, Pace(50), context.monitor, context.report)
        lines = LineSource(context, dict.fromkeys(source.partition_names(), source))
        first, second = (lines.build_part("ingest", name, None) for name in ("p0", "p1"))
        assert first.next_batch()
        assert first.next_batch() == []
        assert second.next_batch()
        assert first.next_batch()


class TestLogic:
    def subject(self, resume: Any = None, *, durable: bool = True) -> StageLogic:
        return StageLogic(stages(("p0",)).stage("subject"), resume, report=FirstError(), durable=durable)

    def message(self, *numbers: int) -> tuple[int, GroupInput]:
        return 2, GroupInput("p0", 0, list(numbers))  # type: ignore[arg-type]

    def test_goes_on_from_its_snapshot(self) -> None:
        """State and the name of its owner come back; keys are always kept."""
        logic = self.subject()
        assert logic.on_batch([self.message(2, 7)])[1] is False
        resumed = self.subject(logic.snapshot())
        operator: Any = resumed._operator
        assert operator.rows_waiting == 2
        assert resumed.snapshot() == logic.snapshot()

    def test_end_of_input_emits_nothing(self) -> None:
        """Bytewax's end of input also comes when a run pauses, so that it means nothing."""
        logic = self.subject()
        logic.on_batch([self.message(2, 7)])
        before = logic.snapshot()
        assert logic.on_eof() == ([], False)
        assert logic.snapshot() == before

    def test_no_snapshot_without_a_store(self) -> None:
        """Bytewax asks for snapshots even when nobody keeps them."""
        logic = self.subject(durable=False)
        logic.on_batch([self.message(2)])
        assert logic.snapshot() is None

    def test_state_of_another_key_is_refused(self) -> None:
        """State that is of another group than the messages is not continued."""
        logic = self.subject()
        logic.on_batch([self.message(2)])
        with pytest.raises(SnapshotError, match="state is of 2, messages are for 3"):
            self.subject(logic.snapshot()).on_batch([(3, GroupInput("p0", 0))])


class TestSink:
    def test_position_and_totals_are_one_state(self, tmp_path: Path) -> None:
        """What was written after a snapshot is cut off by a resume, from the file and from the totals."""
        openers = plan(Numbers(), tmp_path / "out", None).openers  # type: ignore[arg-type]
        sink = OutputSink(context_of(("p0",)), openers)
        opened = sink.build_part("sinks", "main", None)
        opened.write_batch([alert("one"), read(3)])
        saved = opened.snapshot()
        opened.write_batch([alert("two"), read(4)])
        opened.close()
        resumed = sink.build_part("sinks", "main", saved)
        resumed.write_batch([alert("three")])
        assert resumed.snapshot()["counts"] == {"out.alerts": 2, "read": 3}
        resumed.close()
        assert (tmp_path / "out").read_text().split() == ["one", "three"]

    def test_kill_before_the_first_checkpoint(self, tmp_path: Path) -> None:
        """A durable job that starts again without any checkpoint takes back what the dead run had written."""
        out = tmp_path / "out"
        out.write_text("older\n")
        openers = {"file": (Stream.ALERTS, lambda position: FileSink(out, 6 if position is None else position))}
        for name in ("dead", "alive"):
            sink = OutputSink(context_of(("p0",), beginnings=tmp_path / "beginnings.json"), openers)
            opened = sink.build_part("sinks", "main", None)
            opened.write_batch([alert(name)])
            opened.close()
        assert out.read_text().split() == ["older", "alive"]


class TestErrors:
    def test_stop_iteration_does_not_look_like_the_end(self) -> None:
        """A StopIteration that escapes from an operator is an error, not the end of the input."""
        with (
            pytest.raises(RuntimeError, match="subject 3: StopIteration escaped"),
            Reporting("subject", "subject 3", FirstError()),
        ):
            next(iter(()))

    def test_first_error_wins(self) -> None:
        """Errors that follow from the first one do not hide it, and are not told."""
        told: list[str] = []
        first = FirstError(also=lambda where, _: told.append(where))
        for where in ("one", "two"):
            with pytest.raises(SnapshotError), Reporting("subject", where, first):
                raise SnapshotError(where)
        assert str(first.error) == "one"
        assert told == ["one"]


class TestMonitor:
    def test_processes_add_up(self) -> None:
        """Totals come from the process with the sinks, open rows and bytes from all."""
        one = Status({"read": 10, "accepted": 6, "late": 1}, 2.0, {0: 1}, {"p0": (5, 10)})
        two = Status(open_rows={1: 2}, bytes={"p1": (10, 10)})
        total = summary([one, two], 1.0, running=False)
        assert (total.total(OPEN), total.elapsed_s, total.balanced) == (3, 2.0, True)
        assert fraction([one, two]) == 0.75
        assert fraction([one, Status(bytes={"p2": None})]) is None
        assert summary([Status({"read": 5, "accepted": 1})], 1.0, running=True).total(OPEN) == 4


def alert(name: str) -> Output:
    return Output(Stream.ALERTS, [{"id": name, "severity": "low", "reasons": []}])
