"""Records of lines that are set aside: rejected, or late."""

import base64
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from flows.wire.reject import Reason
from state.batch import MicroBatch
from state.times import isos
from state.types import I64, SECOND_US

RAW_BYTES_MAX: Final = 65_536
"""How much of a rejected line the dead-letter stream keeps."""


class Line(NamedTuple):
    """A line of the input, and where it stands."""

    source: str
    offset: int
    raw: bytes


def dead_letter(line: Line, reason: Reason, detail: str) -> dict[str, Any]:
    """The record of a rejected line: where it stands, why, and what it says."""
    head = {"source": line.source, "offset": line.offset}
    return head | {"reason": reason.value, "detail": detail, **_raw(line.raw), "raw_bytes": len(line.raw)}


def late_records(lines: Sequence[Line], batch: MicroBatch, watermark_us: I64) -> list[dict[str, Any]]:
    """Of late rows.  watermark_us: (n,) what each of them met; lateness_s is how far that was past the event."""
    behind_s = (watermark_us - batch.event_time_us) / SECOND_US
    times = isos(batch.event_time_us)
    return [
        {
            "source": line.source,
            "offset": line.offset,
            "lateness_s": lateness_s,
            "event_time": str(time),
            "subject": subject,
            **_raw(line.raw),
        }
        for line, lateness_s, time, subject in zip(lines, behind_s.tolist(), times, batch.subject_name, strict=True)
    ]


def _raw(line: bytes) -> dict[str, str]:
    """The line's beginning as text, or in base64 where it is not UTF-8."""
    try:
        return {"raw": line[:RAW_BYTES_MAX].decode()}
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and len(line) > RAW_BYTES_MAX:  # the cut went through a character
            return {"raw": line[: error.start].decode()}
        return {"raw": base64.b64encode(line[:RAW_BYTES_MAX]).decode(), "raw_encoding": "base64"}
