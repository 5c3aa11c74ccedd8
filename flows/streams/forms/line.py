"""What is told of lines that came too late or could not be read."""

from typing import Final

from flows.streams.fields import Field, Form, Moment, Number, Text
from flows.streams.forms.parts import COUNT, ID
from flows.wire.reject import Reason

_RAW: Final = (
    Field("raw", Text(), "the beginning of the line, as text or as raw_encoding says", optional=True),
    Field("raw_encoding", Text(words=("base64",)), "where the line is not UTF-8", optional=True),
)

LATE: Final = Form(
    (
        Field("source", Text(), "file, or topic/partition", optional=True),
        Field("offset", COUNT, "where it stands there", optional=True),
        Field(
            "event_key",
            ID,
            "in place of source, offset and raw, of an event that only its key group found late",
            optional=True,
        ),
        Field("subject", Text(), "its subject"),
        Field("event_time", Moment(), "when it happened"),
        Field("lateness_s", Number(), "seconds that the watermark was past it"),
        *_RAW,
    ),
    also={"anyOf": [{"required": ["source", "offset", "raw"]}, {"required": ["event_key"]}]},
)

REJECT: Final = Form(
    (
        Field("source", Text(), 'file, or topic/partition; "detector NAME" for a detector'),
        Field("offset", COUNT, "where it stands there; of a detector, the end of the round in microseconds"),
        Field("reason", Text(words=(*Reason, "detector_fault", "detector_off")), "the kind of fault"),
        Field("detail", Text(), "what was seen, and what was expected"),
        *_RAW,
        Field("raw_bytes", COUNT, "length of the whole line", optional=True),
    )
)
