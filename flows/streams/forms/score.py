"""What records of the streams of scores and features look like."""

from typing import Final

from flows.streams.fields import Field, Form, Moment, Named, Number, Text

SCORE: Final = Form(
    (
        Field("kind", Text(), "what the subject is"),
        Field("subject", Text(), "its id"),
        Field("window", Text(), "the window kind"),
        Field("start", Moment(), "the window's first bound"),
        Field("stop", Moment(), "its last bound"),
        Field("end", Moment(), "the round in which it closed"),
        Field("cohort", Text(), "the population"),
        Field(
            "tail_probability",
            Number(0, 1, unknown=True),
            "how often a genuine subject shows as much in a day, all detectors together",
        ),
        Field("scores", Named("detectors", "score."), "detector -> raw score"),
        Field("tails", Named("detectors", "tail."), "detector -> the same by this detector alone"),
    )
)

FEATURES: Final = Form((*SCORE.fields, Field("values", Named("features"), "feature -> its value in this window")))
