"""Ten faults, ten alerts: each planted in a simulated platform, exactly one rule fires; none on a day without."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from detectors.extremes import Extremes
from detectors.guard import Guard
from flows.counters import ALERTS, DRIFT, REJECTED
from flows.metrics import catalogue as c
from state.types import SECOND_US
from tests.monitoring.day import GB, Day
from tests.monitoring.rules import alerts, firing_only, needs_promtool

FIRST, SECOND = "part-00", "part-01"
DAY_S = 86_400.0


@dataclass(frozen=True)
class Fault:
    """plant: what goes wrong, after `warm_h` hours that are well.  shows: whether it does in what the job tells of
    itself; from the first scrape on in which it does, two scrapes and an evaluation are enough.
    """

    plant: Callable[[Day, pytest.MonkeyPatch], None]
    shows: Callable[[Day], bool] = lambda _: True
    warm_h: float = 0.75
    users: int = 250


def stuck_partition(day: Day, _: pytest.MonkeyPatch) -> None:
    """One gives nothing while more and more is there."""
    day.stuck.add(SECOND)


def slow_detector(day: Day, patch: pytest.MonkeyPatch) -> None:
    """What it did in milliseconds takes minutes."""
    score = Extremes.score

    def slow(self: Extremes, rows):  # type: ignore[no-untyped-def]
        day.cpu_s += 120.0
        return score(self, rows)

    patch.setattr(Extremes, "score", slow)


def clock_ahead(day: Day, _: pytest.MonkeyPatch) -> None:
    """A producer dates its events ten minutes ahead."""

    def ahead(name: str, lines: list[bytes]) -> list[bytes]:
        if name != FIRST:
            return lines
        return [_changed(line, lambda e: {"event_time": e["event_time"] + 600_000}) for line in lines]

    day.change = ahead


def full_disk(day: Day, _: pytest.MonkeyPatch) -> None:
    """Something else fills it."""
    day.free_bytes = GB


def poison_records(day: Day, _: pytest.MonkeyPatch) -> None:
    """A producer sends halves of JSON texts, two in each second."""
    day.change = lambda _, lines: [*lines, *[b'{"event_id": "ab'] * 30]


def dead_broker(day: Day, _: pytest.MonkeyPatch) -> None:
    """Nobody can be asked."""
    day.broker_up = False


def broken_feature(day: Day, _: pytest.MonkeyPatch) -> None:
    """A new version of the client tells times of play in seconds."""

    def in_seconds(event):  # type: ignore[no-untyped-def]
        return {"ms_played": event["ms_played"] / 1000} if event.get("ms_played") is not None else {}

    day.change = lambda _, lines: [_changed(line, in_seconds) for line in lines]


def hot_key(day: Day, _: pytest.MonkeyPatch) -> None:
    """A load test sends a hundred events a second as one account."""
    template = b"{}"

    def as_tester(i: int) -> bytes:
        fields = {"event_id": f"{day.now_s}-{i}", "user_id": "tester", "event_time": int(day.now_s * 1000)}
        return _changed(template, lambda _: fields)

    def more(name: str, lines: list[bytes]) -> list[bytes]:
        nonlocal template
        template = next((line for line in lines if b'"type":"play"' in line), template)
        return lines if template == b"{}" or name != FIRST else [*lines, *map(as_tester, range(1_500))]

    day.change = more


def silent_labels(day: Day, _: pytest.MonkeyPatch) -> None:
    """It is almost a day since anybody told anything."""
    day.observer._partitions["labels"].heard_s = day.now_s - DAY_S


def growing_memory(day: Day, _: pytest.MonkeyPatch) -> None:
    """A leak takes a hundredth of what there is in each scrape."""
    tick = day.tick

    def growing() -> None:
        day.memory_bytes += GB // 100
        tick()

    day.tick = growing  # type: ignore[method-assign]


def _changed(line: bytes, change) -> bytes:  # type: ignore[no-untyped-def]
    try:
        event = json.loads(line)
    except ValueError:
        return line
    return json.dumps(event | change(event)).encode() if isinstance(event, dict) else line


def _newest_s(day: Day) -> float:
    return day.driver.ingests[FIRST].newest_us / SECOND_US


def _waited_s(day: Day) -> float:
    return day.now_s - day.observer._partitions[SECOND].heard_s


FAULTS = {
    "DriftnetPartitionStuck": Fault(stuck_partition, lambda day: bool(day.waiting[SECOND]) and _waited_s(day) > 30),
    "DriftnetDetectorSlow": Fault(slow_detector, lambda day: day.cpu_s > 0),
    "DriftnetClockAhead": Fault(clock_ahead, lambda day: _newest_s(day) > day.now_s + 60),
    "DriftnetDiskFull": Fault(full_disk),
    "DriftnetPoisonRecords": Fault(poison_records),
    "DriftnetBrokerDown": Fault(dead_broker),
    "DriftnetFeatureBroken": Fault(
        broken_feature,
        lambda day: {"feature", "missing"} & DRIFT.by_label(day.driver.outputs.counts).keys() != set(),
        warm_h=10,  # monitors watch for half a day before they are sure of anything
        users=800,
    ),
    "DriftnetHotKey": Fault(hot_key),
    "DriftnetLabelsSilent": Fault(silent_labels),
    "DriftnetMemoryGrowing": Fault(growing_memory, lambda day: day.memory_bytes > GB // 2),
}
"""Alert rule -> the fault that it is for."""


def _stops_answering(day: Day) -> None:
    day.answers = False


def _stops_saving(day: Day) -> None:
    day.saves = False


def _loses_a_detector(day: Day) -> None:
    operator = day.driver.operators["population", "all"]
    for model in operator._models["w1h"]._models:  # type: ignore[attr-defined]
        model.guard = Guard(state=[3, 1, 0])


def _stops_archiving(day: Day) -> None:
    numbers = {c.ARCHIVED.key(): day.now_s, c.ARCHIVE_ERRORS.key(): 7.0, c.ARCHIVE_BYTES.key(): 1e6}
    day.overview.archived(lambda: numbers)


def _dies_often(day: Day) -> None:
    _dies(day, every=8)
    day.saves = True


OF_THE_RUN: dict[str, Callable[[Day], None]] = {
    "DriftnetDown": _stops_answering,
    "DriftnetRestarting": _dies_often,
    "DriftnetCheckpointOld": _stops_saving,
    "DriftnetArchiveOld": _stops_archiving,
    "DriftnetDetectorOff": _loses_a_detector,
}
"""Alert rule -> what happens."""


def recorded(name: str, day: Day, patch: pytest.MonkeyPatch) -> int:
    """Plants a fault; the position of the last scrape before it shows, of which there are two more."""
    fault = FAULTS[name]
    day.run(fault.warm_h)
    fault.plant(day, patch)
    for _ in range(240):
        day.tick()
        if fault.shows(day):
            break
    assert fault.shows(day), "it never showed"
    after = len(day.scrapes) - 2
    day.tick()
    return after


def test_ten_faults_have_ten_rules() -> None:
    """Each has the one that is called by it."""
    assert FAULTS.keys() <= {rule["alert"] for rule in alerts()}
    assert len(FAULTS) == 10


@needs_promtool
@pytest.mark.parametrize("name", FAULTS)
def test_exactly_one_rule_fires(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Within two scrapes and an evaluation of when the fault shows, and none before."""
    day = Day(monkeypatch, FAULTS[name].users, hours=FAULTS[name].warm_h + 2)
    after = recorded(name, day, monkeypatch)
    assert firing_only(day.scrapes, name, after, tmp_path) == ""


def _dies(day: Day, every: int) -> None:
    """From now on its processes do, after so many scrapes, and nothing is saved."""
    tick, ticks = day.tick, count(1)

    def dying() -> None:
        if next(ticks) % every == 0:
            day.overview.gone()
            day.overview.start()
        tick()

    day.saves = False
    day.tick = dying  # type: ignore[method-assign]


@needs_promtool
@pytest.mark.parametrize("name", ["DriftnetBrokerDown", "DriftnetDiskFull"])
def test_what_follows_is_silent(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Processes that die of it, again and again, and checkpoints that get old, are the same fault."""
    day = Day(monkeypatch, hours=2)
    after = recorded(name, day, monkeypatch)
    _dies(day, every=8)
    day.run(0.25)
    assert firing_only(day.scrapes, name, after, tmp_path, later=len(day.scrapes)) == ""


@needs_promtool
@pytest.mark.parametrize("name", OF_THE_RUN)
def test_what_else_happens_to_a_run(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without one of the ten faults as its cause it has a rule of its own, and no other fires."""
    day = Day(monkeypatch, hours=2)
    day.run(0.5)
    OF_THE_RUN[name](day)
    after = len(day.scrapes) - 1
    day.run(0.2)
    assert firing_only(day.scrapes, name, after, tmp_path, later=len(day.scrapes)) == ""


@needs_promtool
def test_none_fires_on_a_healthy_day(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of the platform, with its night, its attackers and its broken lines."""
    day = Day(monkeypatch, hours=24, bad_line_share=2e-4)
    day.run(24)
    counts = day.driver.outputs.counts
    assert ALERTS.total(counts) > 0, "attackers were there"
    assert REJECTED.total(counts) > 0, "bad lines were there"
    assert firing_only(day.scrapes, "", len(day.scrapes) - 1, tmp_path) == ""
