"""The first stage of what people tell a running job, one per source partition: lines to labels and commands.

Nobody waits for them: a partition of labels that is silent holds no window open.
"""

from typing import Any, ClassVar, Final

import numpy as np

from flows.job import Job
from flows.operators.ingest import Emitted, Ingest, dead_letter
from flows.operators.messages import GroupInput, Output, Stream
from flows.sources.base import Lines
from flows.wire.reject import BadLineError, Reject
from flows.wire.told import Command, Label, read_command, read_label
from state.keygroup import key_group
from state.snapshot import pack, unpack
from state.types import END_OF_TIME_US
from state.watermark import PartitionClock

_VERSION: Final = 1


class Told:
    """Reads a partition's lines; each takes effect at the end of the pane that it was told in, or falls in later.

    A label goes to the group of its subject, a command to the first one; each hands it to all cohorts.
    """

    awaited: ClassVar[bool] = False

    def __init__(self, job: Job, partition: str, reads: str, resume: bytes | None = None) -> None:
        """reads: "labels" or "control".  resume: a `snapshot()`; raises SnapshotError."""
        self._partition = partition
        self._reads = reads
        self._groups = job.key_groups
        self._pane_us = job.pane_us
        self._clock = PartitionClock(job.time.out_of_orderness_us, job.pane_us, job.time.allowed_lateness_us)
        self._told_us = self._clock.closed_us
        if resume is not None:
            _, meta, _ = unpack(resume, "told", (_VERSION,))
            self._clock.advance(meta["watermark_us"])
            self._told_us = meta["told_us"]

    @property
    def watermark_us(self) -> int:
        """How far the partition has come in event time."""
        return self._clock.watermark_us

    def process(self, lines: Lines) -> list[Emitted]:
        """Labels and commands to their groups; bad lines to their stream; counts such as labels.read."""
        by_group: dict[int, list[Label | Command]] = {}
        rejects: list[Reject] = []
        for row, line in enumerate(lines.lines):
            try:
                at_us, told = self._read(row, line, lines)
            except BadLineError as error:
                rejects.append(Reject(row, *error.why))
                continue
            # From the partition alone, so that it does not matter how partitions are interleaved.
            effect_us = max(at_us, self._clock.watermark_us)
            told = told._replace(end_us=(effect_us // self._pane_us + 1) * self._pane_us)
            self._clock.observe(np.array([at_us]))
            subject = np.array([told.subject if isinstance(told, Label) else 0], np.uint64)
            group = int(key_group(subject, self._groups)[0])
            by_group.setdefault(group, []).append(told)
        out: list[Emitted] = list(self._send(by_group))
        if rejects:
            out.append(Output(Stream.REJECTS, [dead_letter(lines, reject) for reject in rejects]))
        counts = {f"{self._reads}.read": len(lines.lines), f"{self._reads}.rejected": len(rejects)}
        out.append(Output(Stream.COUNTS, [{name: n for name, n in counts.items() if n}]))
        return out

    def _read(self, row: int, line: bytes, lines: Lines) -> tuple[int, Any]:
        if row in lines.refused:
            raise BadLineError(lines.refused[row])
        if self._reads == "labels":
            return read_label(line)
        return read_command(line, lines.source, int(lines.offsets[row]))

    def advance(self, watermark_us: int) -> list[Emitted]:
        """Moves the watermark without a line."""
        self._clock.advance(watermark_us)
        return list(self._send({}))

    def finish(self) -> list[Emitted]:
        """Tells all groups that nothing follows."""
        return self.advance(END_OF_TIME_US)

    def snapshot(self) -> bytes:
        """What `resume` takes."""
        return pack("told", _VERSION, {"watermark_us": self.watermark_us, "told_us": self._told_us}, {})

    def _send(self, by_group: dict[int, list[Label | Command]]) -> list[tuple[int, GroupInput]]:
        closed_us = self._clock.closed_us
        groups = range(self._groups) if closed_us > self._told_us else sorted(by_group)
        self._told_us = max(closed_us, self._told_us)
        return [(g, GroupInput(self._partition, self.watermark_us, told=by_group.get(g, []))) for g in groups]


def first_stage(job: Job, partition: str, reads: str, resume: bytes | None = None) -> Ingest | Told:
    """The operator of a source partition.  reads: "events", "labels" or "control"."""
    return Ingest(job, partition, resume) if reads == "events" else Told(job, partition, reads, resume)
