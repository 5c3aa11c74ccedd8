"""A whole job in miniature, with operators of a few lines each: what the binding is tested with.

Lines are numbers. They go through a key group each, to every cohort, and become one "alert" per number and cohort.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from flows.counters import ACCEPTED, READ, Counts
from flows.engine.plan import Options, Plan
from flows.operators.messages import CohortInput, GroupInput, Leaving, Output, PolicyInput
from flows.sources.base import Lines, Unwatched
from flows.stages import Stage, Stages
from flows.steps import Step
from flows.streams import Stream
from state.chunks import Chunks, Saved, table_of
from state.errors import DetectorError
from state.types import END_OF_TIME_US, START_OF_TIME_US

GROUPS = 5
BEHIND = 6
COHORTS = ("left", "right", "other")
SHAPE: Mapping[str, Any] = {
    "key_groups": GROUPS,
    "cohorts": list(COHORTS),
    "cohort_numbers": {name: number for number, name in enumerate(COHORTS)},
    "layout": {},
    "replaceable": {},
}


@dataclass(frozen=True)
class Numbers:
    """A source of `partitions` partitions of `count` numbers each; with live, silent and never ending after them.

    With `pause_s` each read takes as long, and says so on the standard output of its process.
    """

    partitions: int = 1
    count: int = 100
    live: bool = False
    pause_s: float = 0.0

    def partition_names(self) -> list[str]:
        return [f"p{i}" for i in range(self.partitions)]

    def open(self, name: str) -> "NumbersPartition":
        return NumbersPartition(name, self)


@dataclass
class NumbersPartition(Unwatched):
    name: str
    spec: Numbers
    at: int = 0
    closed: bool = False

    @property
    def size_bytes(self) -> int:
        return self.spec.count

    @property
    def done_bytes(self) -> int:
        return self.at

    def read(self, max_lines: int) -> Lines | None:
        if self.spec.pause_s:
            print("asleep", flush=True)
            time.sleep(self.spec.pause_s)
        if self.at == self.spec.count:
            return Lines([], [], self.name) if self.spec.live else None
        numbers = range(self.at, min(self.at + max_lines, self.spec.count))
        self.at = numbers.stop
        return Lines([str(n).encode() for n in numbers], numbers, self.name)

    def position(self) -> int:
        return self.at

    def seek(self, position: int) -> None:
        self.at = position

    def close(self) -> None:
        self.closed = True


class _Json:
    """An operator whose state is its attributes."""

    kept: tuple[str, ...]

    def snapshot(self, chunks: Chunks | None = None) -> bytes:
        state = json.dumps({name: getattr(self, name) for name in self.kept}).encode()
        return state if chunks is None else table_of([chunks.put(state)]).tobytes()

    def _restore(self, resume: Saved | bytes | None) -> None:
        if isinstance(resume, Saved):
            (ref,) = resume.chunks.refs(np.frombuffer(resume.root, np.int64).reshape(-1, 3))
            resume = resume.chunks.get(ref)
        for name, value in (json.loads(resume) if resume else {}).items():
            setattr(self, name, value)


class Ingest(_Json):
    """Number n goes to group n % GROUPS, and moves the watermark to n - BEHIND; other lines are read and count not."""

    kept = ("watermark_us", "ends")
    awaited = True
    rows_waiting = 0
    accepted = 0

    def __init__(self, name: str, *, resume: bytes | None) -> None:
        self.name = name
        self.watermark_us = self.newest_us = START_OF_TIME_US
        self.ends = 0
        self._restore(resume)

    def silence(self, now_us: int) -> list[tuple[int, GroupInput] | Leaving]:
        return []

    def process(self, lines: Lines, now_us: int | None = None) -> list[tuple[int, GroupInput] | Leaving]:
        numbers = [int(line) for line in lines.lines if line.isdigit()]
        if not numbers:
            return []
        self.watermark_us = numbers[-1] - BEHIND
        self.accepted += len(numbers)
        groups = [[n for n in numbers if n % GROUPS == group] for group in range(GROUPS)]
        counts = Counts(Step.INGEST)
        counts.add(READ, len(numbers))
        return [counts, *((g, self._message(part)) for g, part in enumerate(groups))]

    def advance(self, watermark_us: int) -> list[tuple[int, GroupInput] | Leaving]:
        self.watermark_us = watermark_us
        return [(g, self._message([])) for g in range(GROUPS)]

    def rest(self) -> list[tuple[int, GroupInput] | Leaving]:
        return [(g, self._message([])) for g in range(GROUPS)]

    def finish(self) -> list[tuple[int, GroupInput] | Leaving]:
        self.ends += 1
        assert self.ends == 1, "the end of the input was sent twice"
        return self.advance(END_OF_TIME_US)

    def _message(self, numbers: list[int]) -> GroupInput:
        return GroupInput(self.name, self.watermark_us, numbers)  # type: ignore[arg-type]


class Subject(_Json):
    """Holds numbers until all partitions have passed them."""

    kept = ("watermarks", "waiting", "last")

    def __init__(self, partitions: tuple[str, ...], group: int, *, resume: Saved | None) -> None:
        self.group = group
        self.watermarks = dict.fromkeys(partitions, START_OF_TIME_US)
        self.waiting: list[tuple[int, str]] = []
        self.last = dict.fromkeys(partitions, -1)
        self._restore(resume)
        self.watermarks = dict.fromkeys(partitions, START_OF_TIME_US) | self.watermarks  # some may be new
        self.last = dict.fromkeys(partitions, -1) | self.last

    @property
    def rows_waiting(self) -> int:
        return len(self.waiting)

    def process(self, message: GroupInput) -> list[tuple[str, CohortInput] | Leaving]:
        numbers: Sequence[int] = message.batch  # type: ignore[assignment]
        for n in numbers:
            assert n % GROUPS == self.group
            assert n > self.last[message.sender], "out of order"
            self.last[message.sender] = n
            self.waiting.append((n, message.sender))
        self.watermarks[message.sender] = message.watermark_us
        limit = min(self.watermarks.values())
        passed = sorted((n, sender) for n, sender in self.waiting if n <= limit)
        self.waiting = [(n, sender) for n, sender in self.waiting if n > limit]
        rows: list[Any] = [f"{sender}:{n}" for n, sender in passed]
        out: list[tuple[str, CohortInput] | Leaving] = [(c, CohortInput(self.group, limit, rows)) for c in COHORTS]
        counts = Counts(Step.SUBJECT)
        counts.add(ACCEPTED, len(rows))
        return [*out, counts] if rows else out


class Population(_Json):
    """Fails on one row: with an error of ours in the cohort "left", with a bug in the others."""

    kept = ("seen",)

    def __init__(self, fail_on: str, cohort: str, *, resume: Saved | None) -> None:
        self.fail_on = fail_on
        self.cohort = cohort
        self.seen = 0
        self._restore(resume)

    def process(self, message: CohortInput) -> list[PolicyInput | Leaving]:
        if self.fail_on in (f"{self.cohort}/{row}" for row in message.rows):
            raise DetectorError("planned failure") if self.cohort == "left" else ZeroDivisionError("unplanned failure")
        self.seen += len(message.rows)
        return [PolicyInput(self.cohort, message.watermark_us, [f"{self.cohort}/{row}" for row in message.rows])]


class Alerts(_Json):
    """Every candidate is an alert."""

    kept = ("seen",)

    def __init__(self, _: None, *, resume: Saved | None) -> None:
        self.seen = 0
        self._restore(resume)

    def process(self, message: PolicyInput) -> list[Output]:
        self.seen += len(message.candidates)
        records = [{"id": c, "severity": "low", "reasons": []} for c in message.candidates]
        return [Output(Stream.ALERTS, records)] if records else []


@dataclass
class FileSink:
    """Appends ids to a file; goes back to the position it is opened at."""

    path: Path
    resume: int | None
    written: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.path.touch()
        self._file = self.path.open("r+")
        self._file.truncate(self.resume or 0)
        self._file.seek(0, 2)

    def write(self, records: Sequence[dict[str, Any]]) -> None:
        self._file.writelines(f"{record['id']}\n" for record in records)

    def flush(self) -> int:
        self._file.flush()
        return self._file.tell()

    def close(self) -> None:
        self._file.close()


def stages(partitions: Sequence[str], fail_on: str = "", idle_s: float = 0.1) -> Stages:
    groups = range(GROUPS)
    return Stages(
        ingest=Ingest,
        keyed=(
            Stage(
                "subject",
                dict(zip(groups, groups, strict=True)),
                partial(Subject, tuple(partitions)),
                {CohortInput: "population"},
                holds_lines=True,
                is_fed=True,
            ),
            Stage("population", SHAPE["cohort_numbers"], partial(Population, fail_on), {PolicyInput: "alerts"}),
            Stage("alerts", {None: 0}, Alerts),
        ),
        lead_us=50,
        out_of_orderness_us=BEHIND,
        idle_timeout_us=int(idle_s * 1e6),
        shape=SHAPE,
    )


def plan(source: Numbers, out: Path, options: Options, fail_on: str = "", idle_s: float = 0.1) -> Plan:
    names = source.partition_names()
    openers = {"file": (Stream.ALERTS, partial(FileSink, out))}
    return Plan(stages(names, fail_on, idle_s), dict.fromkeys(names, source), openers, options)


def expected(source: Numbers) -> set[str]:
    return {f"{c}/{p}:{n}" for c in COHORTS for p in source.partition_names() for n in range(source.count)}


def found(out: Path) -> list[str]:
    return out.read_text().split()
