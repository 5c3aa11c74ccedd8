"""Recordings: what the subject stage says of a simulation, kept, so that everything after it can be run again alone.

Simulating, decoding and windows take most of a run, and are the same whatever detectors and policies are tried.
"""

import pickle
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import orjson

from bench.quality.scenarios import Scenario
from detectors.base import Scope
from flows.drive.assembly import Assembly
from flows.evolution.layout import detector_settings, settings_of, state_settings
from flows.job import Job
from flows.operators.ingest.operator import Ingest
from flows.operators.messages import CohortInput
from flows.operators.subject.operator import SubjectOperator
from flows.simulate.platform import Platform
from flows.sources.base import Partition

_ROOT: Final = Path(__file__).parents[2]
_BEFORE: Final = (
    "state",
    "flows/simulate",
    "flows/sources",
    "flows/wire",
    "flows/operators/ingest/operator.py",
    "flows/operators/subject/operator.py",
    "flows/operators/subject/closing.py",
    "flows/operators/subject/counting.py",
    "flows/operators/messages.py",
    "detectors/features",
    "detectors/base.py",
    "detectors/baseline.py",
    "detectors/rolling.py",
)
"""The code that a recording depends on."""
_FORMAT: Final = 1
"""Of the file; another one is not read."""
_BATCH_LINES: Final = 8192


@dataclass(frozen=True, slots=True)
class Recording:
    """All messages from the subject stage to the cohorts, in a file.

    made_for: what it depends on.  truth: as from the simulator.  start_us, days: of the simulation.
    """

    path: Path
    made_for: str
    truth: list[dict[str, Any]]
    start_us: int
    days: int

    def messages(self) -> Iterator[tuple[str, CohortInput]]:
        """(cohort, message) in the order in which they were sent, one in memory at a time."""
        with self.path.open("rb") as file:
            pickle.load(file)
            with suppress(EOFError):
                while True:
                    yield pickle.load(file)


def recorded(scenario: Scenario, path: Path) -> Recording:
    """The recording in that file; made, over whatever is there, if it is not of this scenario and this code."""
    made_for = made_of(scenario)
    if path.exists():
        with path.open("rb") as file:
            head = pickle.load(file)
        if head["made_for"] == made_for:
            return Recording(path, **head)
    return _record(scenario, path, made_for)


def made_of(scenario: Scenario) -> str:
    """A digest of the simulation, of the settings of all that is before the population stage, and of its code."""
    job = scenario.config.job()
    uses = [use for use in job.detectors if use.spec.scope is Scope.SUBJECT]
    own = [[use.windows, detector_settings(use)] for use in uses]
    whole = [settings_of(part) for part in (scenario.simulation, job.wire, job.time, job.state)]
    parts = [*whole, job.key_groups, state_settings(job), own]
    return blake2b(orjson.dumps([_FORMAT, *parts, code_digest(*_BEFORE)]), digest_size=8).hexdigest()


def code_digest(*parts: str) -> str:
    """Of all Python and TOML in these packages and files of the repository."""
    digest = blake2b(digest_size=8)
    for part in parts:
        root = _ROOT / part
        files = [root] if root.is_file() else [p for p in sorted(root.rglob("*")) if p.suffix in (".py", ".toml")]
        for file in files:
            digest.update(f"{file.relative_to(_ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _record(scenario: Scenario, path: Path, made_for: str) -> Recording:
    path.parent.mkdir(parents=True, exist_ok=True)
    simulation = scenario.simulation
    truth = Platform(simulation).truth()
    head: dict[str, Any] = {
        "made_for": made_for,
        "truth": truth,
        "start_us": simulation.start_us,
        "days": scenario.days,
    }
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        pickle.dump(head, file, protocol=5)
        for message in _messages(scenario.config.job(), Assembly(scenario.config).partitions()):
            pickle.dump(message, file, protocol=5)
    unfinished.rename(path)
    return Recording(path, **head)


def _messages(job: Job, partitions: Sequence[Partition]) -> Iterator[tuple[str, CohortInput]]:
    """Of all key groups, the partition that is furthest behind in event time read first, as by the local driver."""
    readers = {p.name: (p, Ingest(job, p.name)) for p in partitions}
    subjects = [SubjectOperator(job, group, tuple(readers)) for group in range(job.key_groups)]
    while readers:
        name = min(readers, key=lambda n: readers[n][1].watermark_us)
        partition, ingest = readers[name]
        lines = partition.read(_BATCH_LINES)
        if lines is None:
            del readers[name]
        for sent in ingest.finish() if lines is None else ingest.process(lines):
            if isinstance(sent, tuple):
                for out in subjects[sent[0]].process(sent[1]):
                    if isinstance(out, tuple):
                        yield out
