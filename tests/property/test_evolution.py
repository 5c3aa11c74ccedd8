"""A job that goes on with other features, windows, columns and sequences: what it says of a window is what a run that
had always had them says of it, or nothing.
"""

import math
import random
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from flows.counters import Counts
from flows.evolution.layout import form_of
from flows.job import Job
from flows.operators.messages import GroupInput
from flows.operators.subject.operator import SubjectOperator
from state.chunks import Bundle
from state.keygroup import key_group
from state.types import DAY_US, END_OF_TIME_US
from state.watermark import PartitionClock
from state.windows import WindowKind, WindowSpec
from tests.oracle.stream import Declared, Event, run
from tests.property.adapter import KEY_GROUPS, batch_of, job_of
from tests.property.strategies import FEATURES, HOUR, IDS, MINUTE, SECOND, SEQUENCES, START_US, SUBJECTS

Row = dict[str, Any]
Key = tuple[str, int, int]

WINDOWS = (
    WindowSpec("five", WindowKind.TUMBLING, size_us=5 * MINUTE),
    WindowSpec("hour", WindowKind.SLIDING, size_us=60 * MINUTE, slide_us=10 * MINUTE),
    WindowSpec("visit", WindowKind.SESSION, gap_us=7 * MINUTE, max_us=40 * MINUTE),
    WindowSpec("three", WindowKind.TUMBLING, size_us=3 * MINUTE),
)
PLAIN = tuple(f.name for f in FEATURES if not f.sequence)
"""Those that look at nothing before the window's own rows."""


Windows = tuple[tuple[WindowSpec, tuple[str, ...]], ...]


def some_windows(rng: random.Random) -> Windows:
    """Two or three of the windows, with few enough features that several jobs share some."""
    names = [f.name for f in FEATURES]
    chosen = rng.sample(WINDOWS, rng.choice([2, 3]))
    return tuple((spec, tuple(rng.sample(names, rng.randrange(4, 24)))) for spec in chosen)


def some_events(rng: random.Random, out_of_orderness_us: int) -> list[Event]:
    """A few hours of four subjects, in the order of arrival; none is late for any pane."""
    time_us, largest_us = START_US, 0
    events: list[Event] = []
    while len(events) < 150:
        time_us += rng.choice([0, 1, 10 * SECOND, MINUTE, MINUTE, 2 * MINUTE, 9 * MINUTE])
        at_us = time_us - rng.choice([0, 0, out_of_orderness_us // 2])
        largest_us = max(largest_us, at_us)
        if at_us < largest_us - out_of_orderness_us:
            continue
        words = ["play", "play", "skip", "login", "sign_up", None]
        event = {
            "event_time_us": at_us,
            "event_key": rng.getrandbits(64) | 1,
            "subject": rng.choice(SUBJECTS),
            "type": rng.choice(words),
            "plan": rng.choice([None, "free", "premium"]),
            "track": rng.choice([None, *IDS]),
            "ip": rng.choice([None, *IDS]),
            "ms_played": rng.choice([None, 0.0, 0.25, 30_000.0, 30_500.5, 45_000.0]),
            "created": rng.choice([None, None, float(START_US - 50 * HOUR)]),
        }
        events += [event] * rng.choice([1, 1, 1, 2])
    return events


class Stage:
    """The subject stage of one source partition, which may become that of another job."""

    def __init__(self, job: Job) -> None:
        self._clock = PartitionClock(
            job.stream.time.out_of_orderness_us, job.stream.pane_us, job.stream.time.allowed_lateness_us
        )
        self._operators = [
            SubjectOperator(job.stream, job.judgement.audience, form_of(job), group, ("p",))
            for group in range(KEY_GROUPS)
        ]
        self._become(job)
        self.rows: dict[Key, Row] = {}
        self.accepted = 0

    def _become(self, job: Job) -> None:
        self._job = job
        self._columns = job.columns

    def evolve(self, job: Job) -> None:
        """Saves, and goes on with another job."""
        watermark_us = self._clock.watermark_us
        self._clock = PartitionClock(
            job.stream.time.out_of_orderness_us, job.stream.pane_us, job.stream.time.allowed_lateness_us
        )
        self._clock.advance(watermark_us)
        saved = [Bundle.open(Bundle.of(operator)) for operator in self._operators]
        self._operators = [
            SubjectOperator(job.stream, job.judgement.audience, form_of(job), group, ("p",), saved[group])
            for group in range(KEY_GROUPS)
        ]
        self._become(job)

    def deliver(self, events: list[Event]) -> None:
        batch = batch_of(events)
        for name in batch.columns.keys() & {c.name for c in self._job.stream.schema.columns} - self._columns:
            del batch.columns[name]  # what nothing reads is not decoded
        batch = batch.take(~self._clock.observe(batch.event_time_us))
        group = key_group(batch.subject, KEY_GROUPS)
        for number, operator in enumerate(self._operators):
            mine = batch.take(group == number)
            self._take(operator.process(GroupInput("p", self._clock.watermark_us, mine if len(mine) else None)))

    def finish(self) -> None:
        for operator in self._operators:
            self._take(operator.process(GroupInput("p", END_OF_TIME_US, last_us=self._clock.largest_us)))

    def _take(self, emitted: list[Any]) -> None:
        names = {w.window.name: w.features for w in self._job.stream.windows}
        for item in emitted:
            if isinstance(item, Counts):
                self.accepted += item.added.get("accepted", 0)
                continue
            for rows in item[1].rows:
                for i, subject in enumerate(rows.subject.tolist()):
                    values = dict(zip(names[rows.window], rows.x[i].tolist(), strict=True))
                    self.rows[rows.window, rows.end_us, subject] = values


def with_windows(declared: Declared, windows: Windows) -> Declared:
    """The declaration with these windows, and no more features and sequences than they need."""
    used = {name for _, names in windows for name in names}
    features = tuple(f for f in FEATURES if f.name in used)
    sequences = tuple(s for s in SEQUENCES if s.name in {f.sequence for f in features})
    return replace(declared, windows=windows, features=features, sequences=sequences)


def truth(declared: Declared, events: list[Event]) -> dict[Key, Row]:
    return {key: {n: v for n, v in row.items() if n in PLAIN} for key, row in run(declared, [events]).rows.items()}


def close(seen: float, value: float) -> bool:
    return math.isclose(seen, value, rel_tol=1e-9, abs_tol=1e-7)


def is_true(row: Row, expected: Row) -> list[str]:
    """Values that are there, and not as they should be."""
    return [
        f"{name}: {row[name]}, truth {value}"
        for name, value in expected.items()
        if not math.isnan(row[name]) and not close(row[name], value)
    ]


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32))
def test_it_says_the_truth_or_nothing(seed: int) -> None:
    """Windows that were there all the time are all told, and features that were have all of their values."""
    rng = random.Random(seed)
    declared = Declared(
        (), (), (),
        out_of_orderness_us=rng.choice([0, 30 * SECOND, 15 * MINUTE]),
        allowed_lateness_us=rng.choice([0, 90 * SECOND]),
        dedup_horizon_us=400 * DAY_US,
        cohort_column="plan",
    )  # fmt: skip
    phases = [with_windows(declared, some_windows(rng)) for _ in range(rng.choice([2, 3, 4]))]
    events = some_events(rng, declared.out_of_orderness_us)
    cuts = [rng.random() for _ in phases[1:]]
    stage, told, begin = Stage(job_of(phases[0])), [], 0
    for phase, cut in zip(phases, [*sorted(cuts), 1.0], strict=True):
        if told:
            stage.evolve(job_of(phase))
        end = int(cut * len(events))
        stage.deliver(events[begin:end])
        if phase is phases[-1]:
            stage.finish()
        told.append(stage.rows)
        stage.rows, begin = {}, end
    # Where sessions end depends on the pane, which goes by all windows.
    same_pane = len({phase.pane_us for phase in phases}) == 1
    specs = [s for s in WINDOWS if s.kind is not WindowKind.SESSION or same_pane]
    for i, (phase, rows) in enumerate(zip(phases, told, strict=True)):
        expected = truth(phase, events)
        so_far = [dict(p.windows) for p in phases[: i + 1]]
        for spec in specs:
            mine = {key: row for key, row in rows.items() if key[0] == spec.name}
            assert not mine.keys() - expected.keys()
            for key, row in mine.items():
                assert is_true(row, expected[key]) == [], key
            if all(spec in windows for windows in so_far):
                for name in set(PLAIN).intersection(*(windows[spec] for windows in so_far)):
                    assert all(math.isnan(row[name]) == math.isnan(expected[key][name]) for key, row in mine.items())
                if i == len(phases) - 1:
                    assert {k for k in expected if k[0] == spec.name} == {
                        k for of in told for k in of if k[0] == spec.name
                    }
    assert stage.accepted == len({event["event_key"] for event in events})
