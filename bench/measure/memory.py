"""Memory and snapshots, taken just after the last line: open panes are as full as they get, nothing has been drained.

`python -m bench.measure.memory JOB FILE [SETTING...]` prints a Footprint as JSON. A process of its own, which reads the
lines from a file as a source would, so that its peak holds the pipeline and one batch of lines, and not the generator.
"""

import gc
import resource
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from statistics import median
from typing import Any, Final, TypeVar

import numpy as np

from bench.pipeline import BATCH_LINES
from flows.drive.local import LocalDriver
from flows.job import Job
from flows.job_stages import JobStages
from flows.operators.ingest.operator import Ingest
from flows.operators.ingest.told import Told
from flows.operators.subject.operator import SubjectOperator
from flows.sources.base import Lines
from flows.sources.files import FilesPartition
from state.chunks import Bundle, Saved

T = TypeVar("T")
_REPEATS: Final = 3
_NAME: Final = "memory"


Operator = Any
"""Of any stage, ingest too."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a run holds at its fullest.

    users: live ones.  peak_rss_bytes: resident memory of the process at its highest, before any snapshot;
    baseline_rss_bytes: the same after imports and configuration.  state_bytes: all objects that the operators reach
    and the job does not; array_bytes: of these, the arrays.  snapshot_bytes: of all operators.  snapshot_ms_max: the
    longest pause, that of one operator; snapshot_ms_total: of all, one after the other; restore_ms: building all again;
    medians of three.  digest: of the snapshots.
    """

    users: int
    peak_rss_bytes: int
    baseline_rss_bytes: int
    state_bytes: int
    array_bytes: int
    snapshot_bytes: int
    snapshot_ms_max: float
    snapshot_ms_total: float
    restore_ms: float
    digest: str


class _Held(FilesPartition):
    """A file that calls back between its last line and its end."""

    at_end: Callable[[], None]

    def read(self, max_lines: int) -> Lines | None:
        lines = super().read(max_lines)
        if lines is None:
            self.at_end()
        return lines


def measure(job: Job, file: Path) -> Footprint:
    """Runs the job on the lines of the file.  Raises AssertionError when restored state differs from what was saved."""
    baseline = peak_rss_bytes()
    partition = _Held(_NAME, [str(file)])
    driver = LocalDriver(job, [partition], {}, batch_lines=BATCH_LINES)
    found: list[Footprint] = []
    partition.at_end = lambda: found.append(_look(job, driver, baseline, peak_rss_bytes()))
    assert driver.run().balanced, "lines were lost"
    return found[0]


def _look(job: Job, driver: LocalDriver, baseline: int, peak: int) -> Footprint:
    parts = operators(driver)
    state_bytes, array_bytes = footprint(parts.values(), shared=(job, job.stream.plan))
    saved = {name: _timed(partial(whole, part)) for name, part in parts.items()}
    blobs = {name: blob for name, (blob, _) in saved.items()}
    restored = {name: _timed(partial(_rebuilt_whole, job, name, blob)) for name, blob in blobs.items()}
    digest = _digest(blobs)
    assert digest == _digest({name: whole(part) for name, (part, _) in restored.items()}), "restored state differs"
    return Footprint(
        users=live_users(driver),
        peak_rss_bytes=peak,
        baseline_rss_bytes=baseline,
        state_bytes=state_bytes,
        array_bytes=array_bytes,
        snapshot_bytes=sum(map(len, blobs.values())),
        snapshot_ms_max=max(ms for _, ms in saved.values()),
        snapshot_ms_total=sum(ms for _, ms in saved.values()),
        restore_ms=sum(ms for _, ms in restored.values()),
        digest=digest,
    )


def operators(driver: LocalDriver) -> dict[str, Operator]:
    """All of the driver's stages, by stage and key."""
    found: dict[str, Any] = {f"ingest/{name}": op for name, op in driver.ingests.items()}
    return found | {f"{stage}/{'' if who is None else who}": op for (stage, who), op in driver.operators.items()}


def whole(operator: Operator) -> bytes:
    """The whole state of a stage, as bytes that need nothing else."""
    return operator.snapshot() if isinstance(operator, Ingest | Told) else Bundle.of(operator)


def rebuilt(job: Job, name: str, saved: Saved) -> Operator:
    """A stage from its snapshot."""
    name, _, key = name.partition("/")
    stages = JobStages(job, (_NAME,))
    if name == "ingest":
        return stages.ingest(key, resume=saved.root)
    stage = stages.stages().stage(name)
    who = next(who for who in stage.keys if key == ("" if who is None else str(who)))
    return stage.build(who, resume=saved)


def _rebuilt_whole(job: Job, name: str, blob: bytes) -> Operator:
    return rebuilt(job, name, Saved(blob, Bundle()) if name.startswith("ingest") else Bundle.open(blob))


def live_users(driver: LocalDriver) -> int:
    """Subjects that have a slot."""
    return sum(op.users for op in driver.operators.values() if isinstance(op, SubjectOperator))


def footprint(roots: Iterable[object], shared: Iterable[object] = ()) -> tuple[int, int]:
    """Bytes of all objects that the roots reach, each counted once, and how many of them are arrays'.

    shared: what they reach is left out. So are classes, modules and functions. A view counts as all of its array.
    """
    seen: set[int] = set()
    _walk(shared, seen)
    return _walk(roots, seen)


def _walk(roots: Iterable[object], seen: set[int]) -> tuple[int, int]:
    total = arrays = 0
    waiting = list(roots)
    keep = [waiting.copy()]  # what is alive cannot lend its id to another object
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, _CODE):
            continue
        seen.add(id(thing))
        size = sys.getsizeof(thing)
        total += size
        if isinstance(thing, np.ndarray):
            arrays += size
            inner = [thing.base] if thing.base is not None else list(thing.flat) if thing.dtype.hasobject else []
        else:
            inner = gc.get_referents(thing)
        keep.append(inner)
        waiting += inner
    return total, arrays


_CODE: Final = (type, type(sys), type(_walk), type(len), type(_walk.__code__), np.dtype)


def peak_rss_bytes() -> int:
    """The highest resident memory of this process so far.

    Linux: VmHWM, which begins anew with a program; ru_maxrss also remembers the process that started it.
    """
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else ():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    """What it gives, and its milliseconds, the median of a few calls."""
    taken_ms = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        result = work()
        taken_ms.append((time.perf_counter() - start) * 1e3)
    return result, median(taken_ms)


def _digest(blobs: dict[str, bytes]) -> str:
    digest = blake2b(digest_size=8)
    for name, blob in sorted(blobs.items()):
        digest.update(name.encode())
        digest.update(blob)
    return digest.hexdigest()


def main(job_file: str, file: str, *settings: str) -> None:
    """Prints a Footprint as JSON."""
    import orjson

    from flows.config.load import load

    job = load(job_file, environ={}, settings=settings).job()
    print(orjson.dumps(asdict(measure(job, Path(file)))).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
