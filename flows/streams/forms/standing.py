"""What a record of the standings stream looks like."""

from typing import Final

from flows.streams.fields import Field, Form, ListOf, Moment, Table, Text
from flows.streams.forms.parts import EVIDENCE, ID, SHARE

_OPEN: Final = Table(
    (
        Field("alert_id", ID, "which"),
        Field("severity", Text(), "when it was raised"),
        Field("raised", Moment(), "when that was"),
    )
)

_LABEL: Final = Table(
    (
        Field("outcome", Text(words=("fraud", "genuine")), "what the subject is"),
        Field("at", Moment(), "the round after which it counted"),
        Field("by", Text(), "who said so"),
        Field("reason", Text(), "why"),
    )
)

STANDING: Final = Form(
    (
        Field("standing_id", Text(filled=True), "kind and subject, with a colon between them"),
        Field("kind", Text(), "what the subject is"),
        Field("subject", Text(filled=True), "its id, as in the events"),
        Field("cohort", Text(), "the population of its last suspicious window or alert; empty where only labels are"),
        Field("severity", Text(), "a name of the configured severities, of all its evidence; empty for no evidence"),
        Field("tail_probability", SHARE, "of all its evidence together; 1 for no evidence"),
        Field("window", Text(), "the kind of its strongest window; empty for no evidence"),
        Field("window_tail_probability", SHARE, "of that window; 1 for no evidence"),
        Field("evidence", ListOf(EVIDENCE), "the strongest window of each kind that counts now"),
        Field("until", Moment(), "until when all of that evidence counts; absent for no evidence", optional=True),
        Field("open_alerts", ListOf(_OPEN), "raised since the last label, the newest last; at most 20"),
        Field("label", _LABEL, "the last one; absent where there was none", optional=True),
        Field("campaign", ID, "the campaign that it is a member of; absent for none", optional=True),
        Field("judged", Moment(), "the round in which this came to be so"),
        Field("job", Text(), "name of the job"),
        Field("config_digest", ID, "of its configuration"),
    )
)
