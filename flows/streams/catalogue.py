"""The output streams: the one place that says which there are; what their records look like is in `forms`.

Sinks, command line, configuration, documentation and schemas read it: a further stream is one more member here, and an
operator that emits it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from flows.streams import lines
from flows.streams.fields import Field, Form
from flows.streams.forms.alert import ALERT
from flows.streams.forms.audit import COMMANDED, EXEMPTED
from flows.streams.forms.campaign import CAMPAIGN
from flows.streams.forms.drift import DRIFT
from flows.streams.forms.line import LATE, REJECT
from flows.streams.forms.score import FEATURES, SCORE
from flows.streams.forms.standing import STANDING


@dataclass(frozen=True, slots=True)
class Store:
    """A stream's table in the SQLite store.

    columns: fields of its records that are columns of their own, beside id, run_id and record (the JSON text).
    indexed: some of them.
    """

    columns: tuple[str, ...]
    indexed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Records:
    """What a stream's records are.

    about: what they are for, in a few words.  schema: the name of the file in docs/schemas.  title, description: of
    that schema.  forms: what a record may look like.  id: the field that says which record it is, whatever else
    changes; "" where that is the whole record.  key: the fields that make up the key of a Kafka message: records of one
    key keep their order.  time: the field that says when, in event time; "" where there is none.  store: its table, or
    why it has none.  line: the record for people.  told_again: whether a later record of the same id is the same thing
    with more known of it, by the configuration whose digest it has; the store keeps the last.  latest: whether it takes
    the place of all before it of its id, whichever run and configuration they are of.
    """

    about: str
    schema: str
    title: str
    description: str
    forms: tuple[Form, ...]
    id: str
    key: tuple[str, ...]
    time: str
    store: Store | str
    line: Callable[[lines.Record], str]
    told_again: bool = False
    latest: bool = False

    @property
    def refuses(self) -> dict[str, str]:
        """The kinds of sink that cannot take such records, each with the reason."""
        no_table = {"sqlite": self.store} if isinstance(self.store, str) else {}
        return no_table | ({} if self.time else {"parquet": "its records have no event time, and so no day"})

    @property
    def fields(self) -> tuple[Field, ...]:
        """All that a record may have, each name once."""
        return tuple({f.name: f for form in reversed(self.forms) for f in form.fields}.values())


class Stream(StrEnum):
    """The output streams, each with the same sinks to choose from."""

    ALERTS = (
        "alerts",
        Records(
            about="what analysts read",
            schema="alert",
            title="Alert",
            description="One record of the alerts stream.",
            forms=(ALERT,),
            id="alert_id",
            key=("subject",),
            time="raised",
            store=Store(
                ("raised", "severity", "subject", "cohort", "window", "tail_probability"), indexed=("raised", "subject")
            ),
            line=lines.alert_line,
            told_again=True,
        ),
    )
    DRIFT = (
        "drift",
        Records(
            about="changes of the world under the models",
            schema="drift",
            title="Drift event",
            description="One record of the drift stream: a change that a monitor is sure of.",
            forms=(DRIFT,),
            id="event_id",
            key=("cohort", "name"),
            time="at",
            store=Store(("at", "what", "name", "cohort", "window", "size"), indexed=("at",)),
            line=lines.drift_line,
        ),
    )
    LATE = (
        "late",
        Records(
            about="events that came after their windows had closed",
            schema="late",
            title="Late event",
            description="One record of the late stream: an event that came after its windows had closed.",
            forms=(LATE,),
            id="",
            key=("subject",),
            time="event_time",
            store=Store(("source", "offset", "subject", "event_time")),
            line=lines.late_line,
        ),
    )
    REJECTS = (
        "rejects",
        Records(
            about="lines that could not be read, with the reason and the raw text",
            schema="reject",
            title="Rejected line",
            description="One record of the rejects stream: a line that could not be read, or a detector that failed"
            " in a round.",
            forms=(REJECT,),
            id="",
            key=("source",),
            time="",
            store=Store(("source", "offset", "reason")),
            line=lines.reject_line,
        ),
    )
    AUDIT = (
        "audit",
        Records(
            about="what was done at run time, to which detector, by whom, and what came of it",
            schema="audit",
            title="Audit record",
            description="One record of the audit stream: a command to a detector, and what came of it in one cohort; or"
            " what became of an exemption from alerts.",
            forms=(COMMANDED, EXEMPTED),
            id="audit_id",
            key=("detector",),
            time="at",
            store=Store(("at", "detector", "cohort", "command", "outcome")),
            line=lines.audit_line,
        ),
    )
    SCORES = (
        "scores",
        Records(
            about="every window row's score; large, so only computed into records if asked for",
            schema="score",
            title="Score",
            description="One record of the scores stream: a subject's window, scored; null stands for not yet.",
            forms=(SCORE,),
            id="",
            key=("subject",),
            time="end",
            store=Store(("end", "subject", "window", "tail_probability"), indexed=("subject",)),
            line=lines.score_line,
        ),
    )
    FEATURES = (
        "features",
        Records(
            about="every window row with the values of all its features, and its scores; larger still, and made only if"
            " asked for",
            schema="features",
            title="Features",
            description="One record of the features stream: a subject's window with the values of its features, and"
            " what was said of it before anything was learned from it; null stands for no value, or not yet.",
            forms=(FEATURES,),
            id="",
            key=("subject",),
            time="end",
            store="a row per subject and window, as wide as the job has features, is for files of columns",
            line=lines.features_line,
        ),
    )
    STANDINGS = (
        "standings",
        Records(
            about="what is known of each subject now, told again whenever it changes; only made if asked for",
            schema="standing",
            title="Standing",
            description="One record of the standings stream: what is known of a subject as of a round. It takes the"
            " place of all before it of the same standing_id. Who never had a suspicious window nor a label, and"
            " was in no campaign, has none.",
            forms=(STANDING,),
            id="standing_id",
            key=("kind", "subject"),
            time="judged",
            store=Store(("judged", "kind", "subject", "severity", "tail_probability"), indexed=("subject",)),
            line=lines.standing_line,
            latest=True,
        ),
    )
    CAMPAIGNS = (
        "campaigns",
        Records(
            about="accounts that coincide again and again, as campaigns that are found, change and end",
            schema="campaign",
            title="Campaign",
            description="One record of the campaigns stream: what has become of a campaign; the last one of an id says"
            " how it stands.",
            forms=(CAMPAIGN,),
            id="campaign_id",
            key=("campaign_id",),
            time="at",
            store=Store(("at", "change", "since", "size", "tail_probability"), indexed=("at",)),
            line=lines.campaign_line,
            told_again=True,
        ),
    )
    records: Records
    """What its records are."""

    def __new__(cls, name: str, records: Records | None = None) -> Self:
        """A member by its name."""
        member = str.__new__(cls, name)
        member._value_ = name
        if records is not None:
            member.records = records
        return member

    @property
    def stored(self) -> Store | None:
        """Its table in the SQLite store, if it has one."""
        return self.records.store if isinstance(self.records.store, Store) else None


STREAMS: Final = tuple(Stream)
"""All of them, in the order in which they are listed."""
TABLES: Final[Mapping[Stream, Store]] = {s: table for s in STREAMS if (table := s.stored) is not None}
"""Those with a table in the SQLite store."""


def json_schema(stream: Stream) -> dict[str, Any]:
    """The JSON Schema of a stream's records."""
    told = stream.records
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": told.title,
        "description": told.description,
        "type": "object",
    }
    if len(told.forms) == 1:
        return head | told.forms[0].schema()
    return head | {"oneOf": [form.schema() for form in told.forms]}
