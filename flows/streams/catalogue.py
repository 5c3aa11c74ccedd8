"""The output streams: the one place that says which there are, and what their records look like.

Sinks, command line, configuration, documentation and schemas read it: a further stream is one more member here, and an
operator that emits it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self, get_args

from detectors.alerting.campaigns import EVIDENCE
from detectors.alerting.exempt import Origin
from detectors.campaigns.lives import Change
from detectors.drift.event import Watch
from flows.streams import lines
from flows.streams.fields import Field, Form, Free, ListOf, Moment, Named, Number, Table, Text
from flows.wire.reject import Reason
from flows.wire.told import OF_SUBJECTS, Verb

_ID: Final = Text(pattern="^[0-9a-f]{16}$")
_SHARE: Final = Number(low=0, high=1)
_COUNT: Final = Number(low=0, whole=True)
_MAYBE: Final = Number(unknown=True)

_EVIDENCE: Final = Table(
    (
        Field("window", Text(), "the window kind"),
        Field("tail_probability", _SHARE, "of that window"),
        Field("end", Moment(), "when it closed"),
    )
)
_REASON: Final = Table(
    (
        Field("feature", Text(), "its name"),
        Field("seen", Number(), "its value"),
        Field("typical_own", _MAYBE, "the subject's usual value"),
        Field("typical_cohort", _MAYBE, "the cohort's usual value"),
        Field("share", _SHARE, "of the evidence"),
        Field("detector", Text(), "that weighs it most"),
    )
)
_SAID: Final = Table(
    (
        Field("detector", Text(), "its name"),
        Field("version", Number(whole=True), "of its kind"),
        Field("score", Number(), "raw, higher is odder"),
        Field("tail_probability", _SHARE, "of the score"),
    )
)
_SHARED: Final = (
    Field("closure", _SHARE, "of the coincidences on its objects, the share among its members"),
    Field("coincidences", _COUNT, "among the members, that have not expired"),
    Field("at_stake", _COUNT, "visits of members to objects, such as plays of tracks, in these coincidences"),
    Field("shared", _COUNT, "objects that members coincided on"),
    Field(
        "objects",
        ListOf(
            Table(
                (
                    Field("column", Text(), "of the objects"),
                    Field("object", Text(), "its id, as in the events"),
                    Field("members", _COUNT, "how many members coincided on it"),
                    Field("pairs", _COUNT, "of members, that did"),
                    Field("last", Moment(), "the end of the bucket in which they did last"),
                )
            )
        ),
        "the twenty on which most pairs coincided",
    ),
)
"""What is told of what the members of a campaign have in common."""
_COMPANY: Final = Table(
    (
        Field("change", Text(words=(*Change, EVIDENCE)), "why it is told now"),
        Field("alerted", Moment(), "the round in which it was told first"),
        Field("kind", Text(), "what its members are"),
        Field("size", _COUNT, "how many there are"),
        Field("suspicious", _COUNT, "how many of them would be alerted alone"),
        Field(
            "members",
            ListOf(
                Table(
                    (
                        Field("subject", Text(), "the member's id, as in the events"),
                        Field("joined", Moment(), "the review that saw it first"),
                        Field("tail_probability", _SHARE, "of all evidence against it alone; 1 for none"),
                        Field("rules", ListOf(Text()), "names of hard rules broken while it was a member"),
                    )
                )
            ),
            "who it is, those that joined first before the others; of one that is over, those that were told last",
        ),
        Field("joined", ListOf(Text()), "ids of members that are new since it was told before"),
        Field("left", ListOf(Text()), "ids of accounts that were told, and are no longer members"),
        Field("absorbed", ListOf(_ID), "younger campaigns that have become part of it since then"),
        Field("into", Text(), "of one that merged: the older campaign that goes on; else empty"),
        *_SHARED,
    )
)
_ALERT: Final = Form(
    (
        Field("alert_id", _ID, "of what the alert is about: the same in every replay"),
        Field("severity", Text(), "a name of the configured severities"),
        Field(
            "kind",
            Text(),
            "what the subject is: what the configuration calls those that the stream is keyed by, one of [subjects], or"
            ' "campaign"',
        ),
        Field("subject", Text(), "the subject's id, as in the events; of a campaign its own"),
        Field("cohort", Text(), "the population that it was compared with; empty for a campaign"),
        Field("window", Text(), "the window kind"),
        Field("start", Moment(), "the window's first bound; for a session, its first row"),
        Field("stop", Moment(), "the window's last bound; for a session, its last row"),
        Field("end", Moment(), "the round in which the window closed"),
        Field(
            "raised",
            Moment(),
            "the round in which the alert found room in the budget; of a campaign, in which this was told of it",
        ),
        Field(
            "tail_probability",
            _SHARE,
            "of all evidence of the last day together; of a campaign, of what its members have in common and of the"
            " evidence against each together",
        ),
        Field("window_tail_probability", _SHARE, "of this window alone"),
        Field("evidence", ListOf(_EVIDENCE), "the strongest window of each kind"),
        Field("reasons", ListOf(_REASON), "the most telling first"),
        Field("rules", ListOf(Text()), "names of hard rules broken"),
        Field("detectors", ListOf(_SAID), "what each said"),
        Field(
            "suppressed_repeats",
            _COUNT,
            "candidates folded away since the subject's previous alert; of a campaign, its members' since it was told"
            " before",
        ),
        Field("first", Moment(), "since when windows of the subject were suspicious, since its previous alert"),
        Field("last", Moment(), "until when"),
        Field("group", _COUNT, "key group of the subject, for explain"),
        Field("job", Text(), "name of the job"),
        Field("config_digest", _ID, "of the configuration that raised it"),
        Field("campaign", _COMPANY, "of a campaign: its members, and what they have in common", optional=True),
    )
)
_DRIFT: Final = Form(
    (
        Field("event_id", _ID, "of what changed, where and when it was seen: the same in every replay"),
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
_RAW: Final = (
    Field("raw", Text(), "the beginning of the line, as text or as raw_encoding says", optional=True),
    Field("raw_encoding", Text(words=("base64",)), "where the line is not UTF-8", optional=True),
)
_LATE: Final = Form(
    (
        Field("source", Text(), "file, or topic/partition", optional=True),
        Field("offset", _COUNT, "where it stands there", optional=True),
        Field(
            "event_key",
            _ID,
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
_REJECT: Final = Form(
    (
        Field("source", Text(), 'file, or topic/partition; "detector NAME" for a detector'),
        Field("offset", _COUNT, "where it stands there; of a detector, the end of the round in microseconds"),
        Field("reason", Text(words=(*Reason, "detector_fault", "detector_off")), "the kind of fault"),
        Field("detail", Text(), "what was seen, and what was expected"),
        *_RAW,
        Field("raw_bytes", _COUNT, "length of the whole line", optional=True),
    )
)
_COMMANDED: Final = Form(
    (
        Field("audit_id", _ID, "of the command and the cohort: the same in every replay"),
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
        Field("offset", _COUNT, "where the command stands there"),
    ),
    title="Command to a detector",
)
_HOLDS: Final = Table(
    (
        Field("since", Moment(), "when it begins", optional=True),
        Field("until", Moment(), "when it ends", optional=True),
    )
)
_EXEMPTED: Final = Form(
    (
        Field("audit_id", _ID, "of what it is about: the same in every replay"),
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
        Field("offset", _COUNT, "where the command stands there", optional=True),
        Field("alert", Free(like="alert.json"), "of spared: the alert that was kept back", optional=True),
    ),
    title="Exemption of a subject from alerts",
    also={
        "if": {"properties": {"outcome": {"const": "spared"}}},
        "then": {"required": ["alert"]},
        "else": {"not": {"required": ["alert"]}},
    },
)
_CAMPAIGN: Final = Form(
    (
        Field(
            "campaign_id", _ID, "of the campaign: it stays, whatever joins, leaves or merges; the same in every replay"
        ),
        Field("change", Text(words=tuple(Change)), "what has become of it since the last record"),
        Field("at", Moment(), "the review that saw it"),
        Field("since", Moment(), "the review that found the campaign"),
        Field("kind", Text(), "what its members are"),
        Field("size", _COUNT, "how many members it has"),
        Field(
            "members",
            ListOf(
                Table(
                    (
                        Field("subject", Text(), "the member's id, as in the events"),
                        Field("joined", Moment(), "the review that saw it first"),
                        Field("confirmed", Moment(), "the review that saw it last"),
                        Field("partners", _COUNT, "members that it coincided with"),
                    )
                )
            ),
            "who it is, those that joined first before the others",
        ),
        Field("joined", ListOf(Text()), "ids of members that are new"),
        Field("left", ListOf(Text()), "ids of accounts that are no longer members"),
        Field("absorbed", ListOf(_ID), "younger campaigns that are part of it from now on"),
        Field("into", Text(), "of one that merged: the older campaign that goes on; else empty"),
        Field(
            "tail_probability", _SHARE, "of so many coincidences among the members under independence, at least 1e-300"
        ),
        *_SHARED,
        Field("job", Text(), "name of the job"),
        Field("config_digest", _ID, "of the configuration that found it"),
    )
)
_SCORE: Final = Form(
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
_FEATURES: Final = Form((*_SCORE.fields, Field("values", Named("features"), "feature -> its value in this window")))

_OPEN: Final = Table(
    (
        Field("alert_id", _ID, "which"),
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
_STANDING: Final = Form(
    (
        Field("standing_id", Text(filled=True), "kind and subject, with a colon between them"),
        Field("kind", Text(), "what the subject is"),
        Field("subject", Text(filled=True), "its id, as in the events"),
        Field("cohort", Text(), "the population of its last suspicious window or alert; empty where only labels are"),
        Field("severity", Text(), "a name of the configured severities, of all its evidence; empty for no evidence"),
        Field("tail_probability", _SHARE, "of all its evidence together; 1 for no evidence"),
        Field("window", Text(), "the kind of its strongest window; empty for no evidence"),
        Field("window_tail_probability", _SHARE, "of that window; 1 for no evidence"),
        Field("evidence", ListOf(_EVIDENCE), "the strongest window of each kind that counts now"),
        Field("until", Moment(), "until when all of that evidence counts; absent for no evidence", optional=True),
        Field("open_alerts", ListOf(_OPEN), "raised since the last label, the newest last; at most 20"),
        Field("label", _LABEL, "the last one; absent where there was none", optional=True),
        Field("campaign", _ID, "the campaign that it is a member of; absent for none", optional=True),
        Field("judged", Moment(), "the round in which this came to be so"),
        Field("job", Text(), "name of the job"),
        Field("config_digest", _ID, "of its configuration"),
    )
)


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
            forms=(_ALERT,),
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
            forms=(_DRIFT,),
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
            forms=(_LATE,),
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
            forms=(_REJECT,),
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
            forms=(_COMMANDED, _EXEMPTED),
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
            forms=(_SCORE,),
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
            forms=(_FEATURES,),
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
            forms=(_STANDING,),
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
            forms=(_CAMPAIGN,),
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
