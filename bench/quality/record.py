"""Recordings: what the subject stage says of a simulation, kept, so that everything after it can be run again alone.

Simulating, decoding and windows take most of a run, and are the same whatever detectors and policies are tried.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from bench.quality.scenarios import Scenario
from detectors.base import Scope
from flows.drive.assembly import Assembly
from flows.evolution.layout import detector_settings, form_of, settings_of, state_settings
from flows.job import Job
from flows.operators.ingest.operator import Ingest
from flows.operators.messages import CohortInput
from flows.operators.rows import FeatureRows
from flows.operators.subject.operator import SubjectOperator
from flows.simulate.platform import Platform
from flows.sources.base import Partition
from flows.wire.told import told_from, told_state
from state.snapshot import pack_frames, unpack_frames

_ROOT: Final = Path(__file__).parents[2]
_BEFORE: Final = (
    "state",
    "flows/simulate",
    "flows/sources",
    "flows/wire",
    "flows/operators/ingest",
    "flows/operators/subject",
    "flows/operators/messages.py",
    "flows/operators/rows.py",
    "detectors/features",
    "detectors/base.py",
    "detectors/baseline.py",
    "detectors/rolling.py",
    "detectors/rolling_base.py",
)
"""The code that a recording depends on."""
_FORMAT: Final = 2
_MAGIC: Final = b"driftnet recording %d\n" % _FORMAT
"""How a file begins; another one is not read."""
_LENGTH_BYTES: Final = 8
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
            _head(file)
            while (blob := _next(file)) is not None:
                yield _unpacked(blob)


def recorded(scenario: Scenario, path: Path) -> Recording:
    """The recording in that file; made, over whatever is there, if it is not of this scenario and this code."""
    made_for = made_of(scenario)
    if path.exists():
        with path.open("rb") as file:
            head = _head(file)
        if head.get("made_for") == made_for:
            return Recording(path, **head)
    return _record(scenario, path, made_for)


def made_of(scenario: Scenario) -> str:
    """A digest of the simulation, of the settings of all that is before the population stage, and of its code."""
    job = scenario.config.job()
    uses = [use for use in job.judgement.detectors if use.spec.scope is Scope.SUBJECT]
    own = [[use.windows, detector_settings(use)] for use in uses]
    whole = [settings_of(part) for part in (scenario.simulation, job.stream.wire, job.stream.time, job.stream.state)]
    parts = [*whole, job.stream.key_groups, state_settings(job), own]
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
        file.write(_MAGIC)
        _put(file, orjson.dumps(head))
        for cohort, message in _messages(scenario.config.job(), Assembly(scenario.config).partitions()):
            _put(file, _packed(cohort, message))
    unfinished.rename(path)
    return Recording(path, **head)


def _head(file: BinaryIO) -> dict[str, Any]:
    """What comes before the messages; nothing in a file of another format."""
    if file.read(len(_MAGIC)) != _MAGIC:
        return {}
    head: dict[str, Any] = orjson.loads(_next(file) or b"{}")
    return head


def _put(file: BinaryIO, blob: bytes) -> None:
    file.write(len(blob).to_bytes(_LENGTH_BYTES, "little") + blob)


def _next(file: BinaryIO) -> bytes | None:
    """The next blob; None at the end."""
    length = file.read(_LENGTH_BYTES)
    return file.read(int.from_bytes(length, "little")) if length else None


def _packed(cohort: str, message: CohortInput) -> bytes:
    meta = {
        "cohort": cohort,
        "sender": message.sender,
        "watermark_us": message.watermark_us,
        **told_state(message.told),
    }
    return pack_frames("message", _FORMAT, meta, {str(i): rows.pack() for i, rows in enumerate(message.rows)})


def _unpacked(blob: bytes) -> tuple[str, CohortInput]:
    meta, frames = unpack_frames(blob, "message", (_FORMAT,))
    rows = [FeatureRows.unpack(frames[str(i)]) for i in range(len(frames))]
    return meta["cohort"], CohortInput(meta["sender"], meta["watermark_us"], rows, told_from(meta))


def _messages(job: Job, partitions: Sequence[Partition]) -> Iterator[tuple[str, CohortInput]]:
    """Of all key groups, the partition that is furthest behind in event time read first, as by the local driver."""
    readers = {p.name: (p, Ingest(job.stream, job.columns, p.name)) for p in partitions}
    subjects = [
        SubjectOperator(job.stream, job.judgement.audience, form_of(job), group, tuple(readers))
        for group in range(job.stream.key_groups)
    ]
    while readers:
        name = min(readers, key=lambda n: readers[n][1].watermark_us)
        partition, ingest = readers[name]
        lines = partition.read(_BATCH_LINES)
        if lines is None:
            del readers[name]
        for sent in ingest.finish() if lines is None else ingest.process(lines):
            if isinstance(sent, tuple):
                for out in subjects[sent[0]].process(sent[1]):
                    if isinstance(out, tuple) and isinstance(out[1], CohortInput):
                        yield out[0], out[1]
