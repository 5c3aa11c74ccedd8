"""The first stage, one per source partition: lines to rows, lateness, routing to key groups."""

import base64
from collections import Counter
from dataclasses import replace
from typing import Any, ClassVar, Final

import numpy as np

from flows.job import Job
from flows.operators.messages import GroupInput, Output, Stream
from flows.sources.base import Lines
from flows.wire.decode import Decoded, Decoder
from flows.wire.reject import Reject
from state.batch import MicroBatch
from state.keygroup import key_group
from state.snapshot import pack, unpack
from state.types import END_OF_TIME_US, I64, SECOND_US, Bool
from state.watermark import PartitionClock

RAW_BYTES_MAX: Final = 65_536
"""How much of a rejected line the dead-letter stream keeps."""
_KIND: Final = "ingest"
_VERSION: Final = 1

Emitted = tuple[int, GroupInput] | Output
"""A message with its key group, or a record for an output stream."""


class Ingest:
    """Decodes a partition's lines, sets bad and late ones aside, and sends the rest to their key groups.

    A group hears from the partition when it gets rows, and every group whenever the watermark lets a pane close.
    """

    awaited: ClassVar[bool] = True

    def __init__(self, job: Job, partition: str, resume: bytes | None = None) -> None:
        """partition: the name under which messages are sent.  resume: a `snapshot()`; raises SnapshotError."""
        self._partition = partition
        self._groups = job.key_groups
        self._columns = job.columns
        self._decoder = Decoder(job.wire)
        self._clock = PartitionClock(job.time.out_of_orderness_us, job.pane_us, job.time.allowed_lateness_us)
        self._told_us = self._clock.closed_us
        self.read = self.late = self.rejected = 0
        if resume is not None:
            _, meta, _ = unpack(resume, _KIND, (_VERSION,))
            self._clock.advance(meta["watermark_us"])
            self._told_us = meta["told_us"]
            self.read, self.late, self.rejected = meta["read"], meta["late"], meta["rejected"]

    @property
    def watermark_us(self) -> int:
        """How far the partition has come in event time."""
        return self._clock.watermark_us

    def process(self, lines: Lines) -> list[Emitted]:
        """Rows to their groups; bad and late lines to their streams; counts of what was read, late and rejected.

        Rejected lines are counted together, and by reason as in "rejected.not_json".
        """
        if not lines.lines:
            return []
        decoded = self._decode(lines)
        before_us = self._clock.before(decoded.batch.event_time_us)
        late = self._clock.observe(decoded.batch.event_time_us)
        late_count = int(np.count_nonzero(late))
        on_time = decoded.batch.take(~late) if late_count else decoded.batch
        emitted: list[Emitted] = list(self._send(on_time))
        if decoded.rejects:
            emitted.append(Output(Stream.REJECTS, [dead_letter(lines, reject) for reject in decoded.rejects]))
        if late_count:
            emitted.append(Output(Stream.LATE, _late_records(lines, decoded.batch, decoded.row, before_us, late)))
        counts = {"read": len(lines.lines), "late": late_count, "rejected": len(decoded.rejects)}
        self.read += counts["read"]
        self.late += counts["late"]
        self.rejected += counts["rejected"]
        reasons = Counter(f"rejected.{reject.reason.value}" for reject in decoded.rejects)
        emitted.append(Output(Stream.COUNTS, [counts | reasons]))
        return emitted

    def _decode(self, lines: Lines) -> Decoded:
        """Decodes what the source did not refuse itself."""
        if not lines.refused:
            return self._decoder.decode(lines.lines, self._columns)
        at = np.delete(np.arange(len(lines.lines)), list(lines.refused))
        rest = self._decoder.decode([lines.lines[row] for row in at.tolist()], self._columns)
        rejects = [replace(reject, row=int(at[reject.row])) for reject in rest.rejects]
        rejects += [Reject(row, *why) for row, why in lines.refused.items()]
        return Decoded(rest.batch, at[rest.row], sorted(rejects, key=lambda reject: reject.row))

    def advance(self, watermark_us: int) -> list[Emitted]:
        """Moves the watermark without rows: what wall-clock time does to an idle partition of a live run."""
        return list(self._advanced(watermark_us))

    def finish(self) -> list[Emitted]:
        """Tells all groups that nothing follows, and where it ended; lines that came nevertheless would all be late."""
        last_us = self._clock.largest_us
        return [(group, replace(message, last_us=last_us)) for group, message in self._advanced(END_OF_TIME_US)]

    def _advanced(self, watermark_us: int) -> list[tuple[int, GroupInput]]:
        self._clock.advance(watermark_us)
        return self._send(None)

    def snapshot(self) -> bytes:
        """What `resume` takes."""
        counts = {"read": self.read, "late": self.late, "rejected": self.rejected}
        return pack(_KIND, _VERSION, {"watermark_us": self.watermark_us, "told_us": self._told_us, **counts}, {})

    def _send(self, batch: MicroBatch | None) -> list[tuple[int, GroupInput]]:
        parts = _split(batch, self._groups) if batch else {}
        closed_us = self._clock.closed_us
        groups = range(self._groups) if closed_us > self._told_us else sorted(parts)
        self._told_us = max(closed_us, self._told_us)
        return [(g, GroupInput(self._partition, self.watermark_us, parts.get(g))) for g in groups]


def _split(batch: MicroBatch, groups: int) -> dict[int, MicroBatch]:
    """The rows of each key group that has any, in their order."""
    group = key_group(batch.subject, groups)
    order = np.argsort(group.astype(np.uint16) if groups <= 1 << 16 else group, kind="stable")  # 16 bits: a radix sort
    ends = np.cumsum(np.bincount(group, minlength=groups)).tolist()
    rows = batch.take(order)
    return {g: rows.take(slice(a, b)) for g, (a, b) in enumerate(zip([0, *ends], ends, strict=False)) if a < b}


def dead_letter(lines: Lines, reject: Reject) -> dict[str, Any]:
    """The record of a rejected line: where it stands, why, and what it says."""
    line = lines.lines[reject.row]
    head = {"source": lines.source, "offset": int(lines.offsets[reject.row])}
    return head | {"reason": reject.reason.value, "detail": reject.detail, **_raw(line), "raw_bytes": len(line)}


def _late_records(lines: Lines, batch: MicroBatch, row: I64, before_us: I64, late: Bool) -> list[dict[str, Any]]:
    """lateness_s: how far the partition's watermark was past the event."""
    late_batch = batch.take(late)
    behind_s = (before_us[late] - late_batch.event_time_us) / SECOND_US
    times = np.datetime_as_string(late_batch.event_time_us.view("datetime64[us]"), timezone="UTC")
    return [
        {
            "source": lines.source,
            "offset": int(lines.offsets[at]),
            "lateness_s": lateness_s,
            "event_time": str(time),
            "subject": subject,
            **_raw(lines.lines[at]),
        }
        for at, lateness_s, time, subject in zip(
            row[late].tolist(), behind_s.tolist(), times, late_batch.subject_name, strict=True
        )
    ]


def _raw(line: bytes) -> dict[str, str]:
    """The line's beginning as text, or in base64 where it is not UTF-8."""
    try:
        return {"raw": line[:RAW_BYTES_MAX].decode()}
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and len(line) > RAW_BYTES_MAX:  # the cut went through a character
            return {"raw": line[: error.start].decode()}
        return {"raw": base64.b64encode(line[:RAW_BYTES_MAX]).decode(), "raw_encoding": "base64"}
