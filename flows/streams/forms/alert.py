"""What a record of the alerts stream looks like."""

from typing import Final

from detectors.alerting.campaigns import EVIDENCE as TOLD_FOR_EVIDENCE
from detectors.campaigns.lives import Change
from flows.streams.fields import Field, Form, ListOf, Moment, Number, Table, Text
from flows.streams.forms.parts import COUNT, EVIDENCE, ID, SHARE, SHARED

_REASON: Final = Table(
    (
        Field("feature", Text(), "its name"),
        Field("seen", Number(), "its value"),
        Field("typical_own", Number(unknown=True), "the subject's usual value"),
        Field("typical_cohort", Number(unknown=True), "the cohort's usual value"),
        Field("share", SHARE, "of the evidence"),
        Field("detector", Text(), "that weighs it most"),
    )
)

_SAID: Final = Table(
    (
        Field("detector", Text(), "its name"),
        Field("version", Number(whole=True), "of its kind"),
        Field("score", Number(), "raw, higher is odder"),
        Field("tail_probability", SHARE, "of the score"),
    )
)

_COMPANY: Final = Table(
    (
        Field("change", Text(words=(*Change, TOLD_FOR_EVIDENCE)), "why it is told now"),
        Field("alerted", Moment(), "the round in which it was told first"),
        Field("kind", Text(), "what its members are"),
        Field("size", COUNT, "how many there are"),
        Field("suspicious", COUNT, "how many of them would be alerted alone"),
        Field(
            "members",
            ListOf(
                Table(
                    (
                        Field("subject", Text(), "the member's id, as in the events"),
                        Field("joined", Moment(), "the review that saw it first"),
                        Field("tail_probability", SHARE, "of all evidence against it alone; 1 for none"),
                        Field("rules", ListOf(Text()), "names of hard rules broken while it was a member"),
                    )
                )
            ),
            "who it is, those that joined first before the others; of one that is over, those that were told last",
        ),
        Field("joined", ListOf(Text()), "ids of members that are new since it was told before"),
        Field("left", ListOf(Text()), "ids of accounts that were told, and are no longer members"),
        Field("absorbed", ListOf(ID), "younger campaigns that have become part of it since then"),
        Field("into", Text(), "of one that merged: the older campaign that goes on; else empty"),
        *SHARED,
    )
)

ALERT: Final = Form(
    (
        Field("alert_id", ID, "of what the alert is about: the same in every replay"),
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
            SHARE,
            "of all evidence of the last day together; of a campaign, of what its members have in common and of the"
            " evidence against each together",
        ),
        Field("window_tail_probability", SHARE, "of this window alone"),
        Field("evidence", ListOf(EVIDENCE), "the strongest window of each kind"),
        Field("reasons", ListOf(_REASON), "the most telling first"),
        Field("rules", ListOf(Text()), "names of hard rules broken"),
        Field("detectors", ListOf(_SAID), "what each said"),
        Field(
            "suppressed_repeats",
            COUNT,
            "candidates folded away since the subject's previous alert; of a campaign, its members' since it was told"
            " before",
        ),
        Field("first", Moment(), "since when windows of the subject were suspicious, since its previous alert"),
        Field("last", Moment(), "until when"),
        Field("group", COUNT, "key group of the subject, for explain"),
        Field("job", Text(), "name of the job"),
        Field("config_digest", ID, "of the configuration that raised it"),
        Field("campaign", _COMPANY, "of a campaign: its members, and what they have in common", optional=True),
    )
)
