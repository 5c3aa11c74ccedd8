"""What a record of the drift stream looks like."""

from typing import Final

from detectors.drift.event import Watch
from flows.streams.fields import Field, Form, Moment, Number, Text
from flows.streams.forms.parts import ID

DRIFT: Final = Form(
    (
        Field("event_id", ID, "of what changed, where and when it was seen: the same in every replay"),
        Field("what", Text(words=(*Watch, "lines")), "what was watched"),
        Field(
            "name", Text(), "a feature, a detector, alert_rate; of lines, how they ended and in which source partition"
        ),
        Field("kind", Text(), "what the subjects are; not of lines", optional=True),
        Field("cohort", Text(), "the population; empty for lines"),
        Field("window", Text(), "the window kind; empty for lines"),
        Field("monitor", Text(), "the test that fired"),
        Field("at", Moment(), "the round that gave it away"),
        Field("since", Moment(), "the round in which the change most likely began"),
        Field("before", Number(), "the value expected since then"),
        Field("after", Number(), "the value seen"),
        Field("size", Number(), "the change in standard deviations of the population"),
        Field("reaction", Text(), "what was done about it"),
        Field("cause", Text(), "what it is put down to"),
        Field("evidence", Text(), "why"),
    )
)
