"""The pipeline in growing pieces: the bodies that are timed against `orjson.loads` on the same lines."""

from collections.abc import Sequence

import orjson

from flows.job import Job
from flows.local import LocalDriver
from flows.operators.ingest import Ingest
from flows.operators.subject import SubjectOperator
from flows.sources.base import Lines

_BATCH = 8192


class Memory:
    """A partition that is already in memory, so that only the pipeline is timed."""

    name = "memory"
    size_bytes = done_bytes = None

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines
        self._next = 0

    def read(self, max_lines: int) -> Lines | None:
        start, self._next = self._next, self._next + max_lines
        lines = self._lines[start : self._next]
        return Lines(lines, range(start, start + len(lines)), "memory") if lines else None

    def position(self) -> int:
        return self._next

    def seek(self, position: int) -> None:
        self._next = position

    def close(self) -> None:
        """Nothing to let go of."""


def reference(lines: Sequence[bytes]) -> None:
    """What every JSON pipeline must do at least."""
    for line in lines:
        orjson.loads(line)


def decode_only(job: Job, lines: list[bytes]) -> None:
    """Decoding, lateness and routing."""
    ingest = Ingest(job, "memory")
    for start in range(0, len(lines), _BATCH):
        part = lines[start : start + _BATCH]
        ingest.process(Lines(part, range(start, start + len(part)), "memory"))


def windows_only(job: Job, lines: list[bytes]) -> int:
    """Decoding, windows and features; returns the number of window rows."""
    ingest = Ingest(job, "memory")
    subjects = [SubjectOperator(job, group, ("memory",)) for group in range(job.key_groups)]
    rows = 0
    for start in range(0, len(lines) + _BATCH, _BATCH):
        part = lines[start : start + _BATCH]
        sent = ingest.process(Lines(part, range(start, start + len(part)), "memory")) if part else ingest.finish()
        for message in sent:
            if isinstance(message, tuple):
                for out in subjects[message[0]].process(message[1]):
                    rows += sum(map(len, out[1].rows)) if isinstance(out, tuple) else 0
    return rows


def whole(job: Job, lines: list[bytes]) -> dict[str, int]:
    """Everything, through the local driver; returns the counts."""
    driver = LocalDriver(job, [Memory(lines)], {}, batch_lines=_BATCH)
    summary = driver.run()
    assert summary.balanced, "lines were lost"
    return dict(driver.outputs.counts)
