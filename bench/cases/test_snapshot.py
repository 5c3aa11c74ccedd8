"""Snapshots: what each operator hands to the engine at the end of an epoch, and how long it takes to be back."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.cases.layers import SENDER, Size, fingerprint, tell
from bench.measure.memory import whole
from bench.scenarios import SCENARIOS
from flows.counters import Counts
from flows.job import Job
from flows.job_stages import CATALOGUE, JobStages
from flows.operators.messages import CohortInput, GroupInput, Leaving, Output, PolicyInput
from flows.sources.base import Lines
from flows.stages import Stage, Stages, addressed
from flows.steps import Step
from state.chunks import Bundle

_BATCH = 2048


def _names() -> list[str]:
    return [Step.INGEST.value, *(entry.name for entry in CATALOGUE)]


def _built(name: str, blob: bytes | None = None) -> Any:
    """An operator of the job, which has one of each."""
    stages = _stages()
    if name == Step.INGEST:
        return stages.ingest(SENDER, resume=blob)
    stage = stages.stage(name)
    (who,) = stage.keys
    return stage.build(who, resume=None if blob is None else Bundle.open(blob))


@cache
def _job() -> Job:
    """The canonical job with one key group, which then holds every user, and lines that are easily crossed."""
    job = SCENARIOS["uniform"].job()
    return job.with_stream(key_groups=1, policy=replace(job.judgement.policy, line=0.5, candidate_line=1.0))


@cache
def _stages() -> Stages:
    return JobStages(_job(), (SENDER,)).stages()


@cache
def _heard(events: int) -> dict[str, list[Any]]:
    """What each operator of the job is told during a run."""
    lines = SCENARIOS["uniform"].lines(events)
    heard: dict[str, list[Any]] = {name: [] for name in _names()}
    running = {name: _built(name) for name in heard}
    for at in range(0, len(lines), _BATCH):
        part = lines[at : at + _BATCH]
        heard[Step.INGEST].append(Lines(part, range(at, at + len(part)), SENDER))
    waiting: deque[tuple[Stage | None, Any]] = deque()
    for input_ in heard[Step.INGEST]:
        waiting += [(None, item) for item in running[Step.INGEST].process(input_)]
    waiting += [(None, item) for item in running[Step.INGEST].finish()]
    while waiting:
        sender, item = waiting.popleft()
        if isinstance(item, Leaving):
            continue
        to, _, message = addressed(sender, item) if sender else (item[1].stage, *item)
        if to is not None:
            heard[to].append(message)
            waiting += [(_stages().stage(to), answer) for answer in running[to].process(message)]
    return heard


def _before_and_after(name: str, size: Size) -> tuple[Any, list[Any]]:
    """The operator in the middle of its run, with a pane half full, and what it is told from there on."""
    messages = _heard(size(8_192, 200_000))[name]
    middle = len(messages) * 4 // 5
    operator = _built(name)
    for message in messages[:middle]:
        operator.process(message)
    return operator, messages[middle:]


def _told(operator: Any, messages: Sequence[Any]) -> str:
    """Fingerprint of everything that an operator answers."""
    parts: list[Any] = []
    for message in messages:
        for item in operator.process(message):
            match item:
                case Counts(added=added):
                    parts.append(sorted(added.items()))
                case Output(stream, records):
                    parts += [str(stream), [r.get("alert_id", r.get("event_id", "")) for r in records]]
                case (int(group), GroupInput(batch=batch)):
                    parts += [group, [] if batch is None else batch.event_key]
                case (str(cohort), CohortInput(rows=rows)):
                    parts += [cohort, *(part for r in rows for part in (r.end_us, r.subject, r.x))]
                case PolicyInput(candidates=candidates):
                    parts += [(c.subject, c.window, c.end_us) for c in candidates]
    return fingerprint(*parts)


def _about(name: str, blob: bytes, operator: Any, size: Size) -> dict[str, Any]:
    """Sizes; of the subject stage, which holds the users, also per user."""
    about: dict[str, Any] = {"operator": name, "bytes": len(blob), "events": size(8_192, 200_000)}
    if name == "subject":
        users = SCENARIOS["uniform"].users_of(about["events"])
        about |= {"users": users, "bytes_per_user": len(blob) / users, "rows_waiting": operator.rows_waiting}
    return about


@pytest.mark.benchmark(group="snapshot")
@pytest.mark.parametrize("name", _names())
def test_snapshot(benchmark: BenchmarkFixture, size: Size, name: str) -> None:
    """An operator's whole state as bytes."""
    operator, rest = _before_and_after(name, size)
    blob = benchmark(whole, operator)
    about = _about(name, blob, operator, size)
    assert whole(operator) == blob, "taking a snapshot changed the state"
    tell(benchmark, per="snapshot", n=1, result=_told(operator, rest), **about)


@pytest.mark.benchmark(group="restore")
@pytest.mark.parametrize("name", _names())
def test_restore(benchmark: BenchmarkFixture, size: Size, name: str) -> None:
    """Bytes to an operator that goes on as if nothing had happened."""
    operator, rest = _before_and_after(name, size)
    blob = whole(operator)
    about = _about(name, blob, operator, size)
    restored = benchmark(_built, name, blob)
    assert whole(restored) == blob
    told = _told(restored, rest)
    assert told == _told(operator, rest)
    tell(benchmark, per="restore", n=1, result=told, **about)
