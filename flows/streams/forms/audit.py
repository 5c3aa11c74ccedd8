"""What records of the audit stream look like: commands to detectors, exemptions of subjects."""

from typing import Final, get_args

from detectors.alerting.exempt import Origin
from flows.streams.fields import Field, Form, Free, ListOf, Moment, Table, Text
from flows.streams.forms.parts import COUNT, ID
from flows.wire.told import OF_SUBJECTS, Verb

COMMANDED: Final = Form(
    (
        Field("audit_id", ID, "of the command and the cohort: the same in every replay"),
        Field("at", Moment(), "when the command was given"),
        Field("effective", Moment(), "the end of the last round that it did not affect"),
        Field("command", Text(words=tuple(verb for verb in get_args(Verb) if verb not in OF_SUBJECTS))),
        Field("detector", Text(), "its name"),
        Field("kind", Text(), "what the subjects of the population are"),
        Field("cohort", Text(), "the population"),
        Field("windows", ListOf(Text()), "the window kinds that have the detector"),
        Field("outcome", Text(words=("applied", "refused"))),
        Field("detail", Text(), "why it was refused"),
        Field("before", Free(), "settings before"),
        Field("after", Free(), "settings after"),
        Field("by", Text(), "who gave it"),
        Field("reason", Text(), "why"),
        Field("source", Text(), "file, or topic/partition"),
        Field("offset", COUNT, "where the command stands there"),
    ),
    title="Command to a detector",
)

_HOLDS: Final = Table(
    (
        Field("since", Moment(), "when it begins", optional=True),
        Field("until", Moment(), "when it ends", optional=True),
    )
)

EXEMPTED: Final = Form(
    (
        Field("audit_id", ID, "of what it is about: the same in every replay"),
        Field(
            "at",
            Moment(),
            "when the command was given, the alert would have been raised, or the exemption began or ended",
        ),
        Field("effective", Moment(), "the end of the round in which it counted"),
        Field("command", Text(words=OF_SUBJECTS)),
        Field("detector", Text(words=("",)), "none"),
        Field("kind", Text(), "what the subject is"),
        Field("subject", Text(filled=True), "the subject's id"),
        Field("cohort", Text(), "of an alert that was kept back, the population; else empty: exemptions hold in all"),
        Field(
            "outcome",
            Text(words=("applied", "refused", "spared", "ended")),
            "applied: it holds, or is over, from then on; refused: nothing has changed; spared: an alert was kept back;"
            " ended: its time is over, or its line is no longer in the list",
        ),
        Field("detail", Text(), "why it was refused, or has ended"),
        Field(
            "origin",
            Text(words=tuple(Origin)),
            "who vouches: the list, a command, a label genuine; or it is a member of a campaign that was told",
        ),
        Field("before", _HOLDS, "the exemption before; empty for none"),
        Field("after", _HOLDS, "and after"),
        Field("by", Text(), "who vouches, or gave the command"),
        Field("reason", Text(), "why"),
        Field("source", Text(), "of a command: file, or topic/partition", optional=True),
        Field("offset", COUNT, "where the command stands there", optional=True),
        Field("alert", Free(like="alert.json"), "of spared: the alert that was kept back", optional=True),
    ),
    title="Exemption of a subject from alerts",
    also={
        "if": {"properties": {"outcome": {"const": "spared"}}},
        "then": {"required": ["alert"]},
        "else": {"not": {"required": ["alert"]}},
    },
)
