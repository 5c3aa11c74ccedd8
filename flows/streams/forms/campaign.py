"""What a record of the campaigns stream looks like."""

from typing import Final

from detectors.campaigns.lives import Change
from flows.streams.fields import Field, Form, ListOf, Moment, Table, Text
from flows.streams.forms.parts import COUNT, ID, SHARE, SHARED

CAMPAIGN: Final = Form(
    (
        Field(
            "campaign_id", ID, "of the campaign: it stays, whatever joins, leaves or merges; the same in every replay"
        ),
        Field("change", Text(words=tuple(Change)), "what has become of it since the last record"),
        Field("at", Moment(), "the review that saw it"),
        Field("since", Moment(), "the review that found the campaign"),
        Field("kind", Text(), "what its members are"),
        Field("size", COUNT, "how many members it has"),
        Field(
            "members",
            ListOf(
                Table(
                    (
                        Field("subject", Text(), "the member's id, as in the events"),
                        Field("joined", Moment(), "the review that saw it first"),
                        Field("confirmed", Moment(), "the review that saw it last"),
                        Field("partners", COUNT, "members that it coincided with"),
                    )
                )
            ),
            "who it is, those that joined first before the others",
        ),
        Field("joined", ListOf(Text()), "ids of members that are new"),
        Field("left", ListOf(Text()), "ids of accounts that are no longer members"),
        Field("absorbed", ListOf(ID), "younger campaigns that are part of it from now on"),
        Field("into", Text(), "of one that merged: the older campaign that goes on; else empty"),
        Field(
            "tail_probability", SHARE, "of so many coincidences among the members under independence, at least 1e-300"
        ),
        *SHARED,
        Field("job", Text(), "name of the job"),
        Field("config_digest", ID, "of the configuration that found it"),
    )
)
