"""The subject stage as the oracle speaks: the one place that knows how it is driven."""

import math
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np

from detectors.alerting.policy import PolicySpec
from detectors.calibrate import CalibrationSpec
from detectors.drift.spec import DriftSpec
from flows.counters import ACCEPTED, DUPLICATE, Counts
from flows.event_stream import EventStream, StateSpec, TimeSpec, WindowFeatures
from flows.evolution.layout import form_of
from flows.job import Job
from flows.judgement import CohortSpec, Judgement
from flows.operators.messages import CohortInput, GroupInput, Leaving
from flows.operators.rows import FeatureRows
from flows.operators.subject.operator import SubjectOperator
from flows.wire.spec import WireSpec
from state.batch import MicroBatch
from state.chunks import Saved
from state.keygroup import key_group
from state.schema import DTYPES, EVENT_KEY, EVENT_TIME, SUBJECT, SUBJECT_NAME, Column, Kind
from state.segments import Segments
from state.types import DAY_US, END_OF_TIME_US, NO_CODE, NO_ID
from state.watermark import PartitionClock
from tests.oracle.stream import Declared, Event, Outcome
from tests.property.strategies import SCHEMA, Turn

KEY_GROUPS = 2


def job_of(declared: Declared) -> Job:
    """A job with these declarations, patience enough for every subject, and no detectors."""
    plan = next(c for c in SCHEMA.columns if c.name == declared.cohort_column)
    stream = EventStream(
        key_groups=KEY_GROUPS,
        schema=SCHEMA,
        wire=WireSpec((), ("event_id",), ("event_time",), "us", ("user_id",)),
        time=TimeSpec(declared.out_of_orderness_us, declared.allowed_lateness_us, 0, declared.dedup_horizon_us),
        state=StateSpec(capacity=1024, ttl_us=400 * DAY_US, rows_per_pane_max=declared.rows_per_pane_max),
        sequences=declared.sequences,
        features=declared.features,
        windows=tuple(WindowFeatures(spec, names) for spec, names in declared.windows),
    )
    cohorts = CohortSpec(plan.name, plan.values)
    return Job(stream, Judgement("property", 1, cohorts, (), CalibrationSpec(), DriftSpec(), PolicySpec()))


def run_implementation(declared: Declared, partitions: list[list[Event]], cut: list[Turn]) -> Outcome:
    """The oracle's outcome, from the operators; batches end and partitions alternate where `cut` says.

    State is saved after every batch, in blocks and segments so small that all of their rules come into play.
    """
    with TemporaryDirectory() as folder, patch("state.slot_columns.BLOCK", 3):
        return _Run(declared, len(partitions), folder).outcome(partitions, cut)


class _Run:
    def __init__(self, declared: Declared, partitions: int, folder: str) -> None:
        self._job = job_of(declared)
        self._names = tuple(f"p{i}" for i in range(partitions))
        self._clocks = [
            PartitionClock(declared.out_of_orderness_us, declared.pane_us, declared.allowed_lateness_us)
            for _ in range(partitions)
        ]
        self._operators = [
            SubjectOperator(self._job.stream, self._job.judgement.audience, form_of(self._job), group, self._names)
            for group in range(KEY_GROUPS)
        ]
        self._folder = Path(folder)
        self._chunks = [self._open(group) for group in range(KEY_GROUPS)]
        self._roots = [b""] * KEY_GROUPS
        self._features = {spec.name: names for spec, names in declared.windows}
        self._found = Outcome()

    def outcome(self, partitions: list[list[Event]], cut: list[Turn]) -> Outcome:
        waiting = [list(events) for events in partitions]
        for turn, size, restart in [*cut, *((p, len(w), False) for p, w in enumerate(waiting))]:
            partition = turn % len(partitions)
            self._deliver(partition, waiting[partition][:size])
            del waiting[partition][:size]
            self._save()
            if restart:
                self._restart()
        for name, clock in zip(self._names, self._clocks, strict=True):
            for operator in self._operators:
                self._collect(operator.process(GroupInput(name, END_OF_TIME_US, last_us=clock.largest_us)))
        return self._found

    def _deliver(self, partition: int, events: list[Event]) -> None:
        batch = batch_of(events)
        clock = self._clocks[partition]
        late = clock.observe(batch.event_time_us)
        self._found.late += int(late.sum())
        batch = batch.take(~late)
        group = key_group(batch.subject, KEY_GROUPS)
        for number, operator in enumerate(self._operators):
            mine = batch.take(group == number)
            message = GroupInput(self._names[partition], clock.watermark_us, mine if len(mine) else None)
            self._collect(operator.process(message))

    def _open(self, group: int) -> Segments:
        return Segments(self._folder / str(group), segment_bytes=2_000)

    def _save(self) -> None:
        for group, operator in enumerate(self._operators):
            with self._chunks[group].writing():
                self._roots[group] = operator.snapshot(self._chunks[group])

    def _restart(self) -> None:
        for group in range(KEY_GROUPS):
            self._chunks[group] = chunks = self._open(group)
            self._operators[group] = SubjectOperator(
                self._job.stream,
                self._job.judgement.audience,
                form_of(self._job),
                group,
                self._names,
                Saved(self._roots[group], chunks),
            )
            chunks.settle()

    def _collect(self, emitted: list[tuple[str, CohortInput] | Leaving]) -> None:
        for item in emitted:
            if not isinstance(item, tuple):
                assert isinstance(item, Counts)
                self._found.accepted += ACCEPTED.total(item.added)
                self._found.duplicate += DUPLICATE.total(item.added)
                continue
            cohort, message = item
            order = [(rows.end_us, rows.window) for rows in message.rows]
            assert order == sorted(order, key=lambda o: o[0])
            for rows in message.rows:
                assert rows.end_us <= message.watermark_us
                self._found.rows |= self._rows(cohort, rows)

    def _rows(self, cohort: str, rows: FeatureRows) -> dict[tuple[str, int, int], dict[str, Any]]:
        subjects = rows.subject.tolist()
        assert subjects == sorted(subjects)
        found = {}
        for i, subject in enumerate(subjects):
            key = (rows.window, rows.end_us, subject)
            assert key not in self._found.rows, f"{key} came twice"
            found[key] = {
                "start": int(rows.start_us[i]),
                "stop": int(rows.stop_us[i]),
                "cohort": None if cohort == "other" else cohort,
                **dict(zip(self._features[rows.window], rows.x[i].tolist(), strict=True)),
            }
        return found


def batch_of(events: list[Event]) -> MicroBatch:
    """The events as columns, with the values that stand for "missing"."""
    columns: dict[str, Any] = {
        EVENT_TIME: np.array([e["event_time_us"] for e in events], np.int64),
        EVENT_KEY: np.array([e["event_key"] for e in events], np.uint64),
        SUBJECT: np.array([e["subject"] for e in events], np.uint64),
        SUBJECT_NAME: np.array([str(e["subject"]) for e in events], object),
    }
    for column in SCHEMA.columns:
        columns[column.name] = np.array([_cell(column, e[column.name]) for e in events], DTYPES[column.kind])
    return MicroBatch(columns)


def _cell(column: Column, value: Any) -> Any:
    match column.kind:
        case Kind.ID:
            return NO_ID if value is None else value
        case Kind.ENUM:
            return NO_CODE if value is None else column.values.index(value)
        case _:
            return math.nan if value is None else value


def differences(found: Outcome, expected: Outcome) -> Iterator[str]:
    """One line for each way in which they differ."""
    for name in ("accepted", "late", "duplicate"):
        if getattr(found, name) != getattr(expected, name):
            yield f"{name}: found {getattr(found, name)}, expected {getattr(expected, name)}"
    for key in sorted(found.rows.keys() - expected.rows.keys()):
        yield f"{key}: not expected"
    for key in sorted(expected.rows.keys() - found.rows.keys()):
        yield f"{key}: missing"
    for key in sorted(found.rows.keys() & expected.rows.keys()):
        for name, value in expected.rows[key].items():
            seen = found.rows[key][name]
            if not (_close(seen, value) if isinstance(value, float) else seen == value):
                yield f"{key} {name}: found {seen}, expected {value}"


def _close(seen: float, value: float) -> bool:
    # The variance of equal gaps comes out as rounding error, whose root is about 1e-8 of the mean.
    return (math.isnan(seen) and math.isnan(value)) or math.isclose(seen, value, rel_tol=1e-9, abs_tol=1e-7)
