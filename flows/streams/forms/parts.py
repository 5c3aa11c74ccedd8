"""What records of several streams have in common."""

from typing import Final

from flows.streams.fields import Field, ListOf, Moment, Number, Table, Text

ID: Final = Text(pattern="^[0-9a-f]{16}$")

SHARE: Final = Number(low=0, high=1)

COUNT: Final = Number(low=0, whole=True)

EVIDENCE: Final = Table(
    (
        Field("window", Text(), "the window kind"),
        Field("tail_probability", SHARE, "of that window"),
        Field("end", Moment(), "when it closed"),
    )
)

SHARED: Final = (
    Field("closure", SHARE, "of the coincidences on its objects, the share among its members"),
    Field("coincidences", COUNT, "among the members, that have not expired"),
    Field("at_stake", COUNT, "visits of members to objects, such as plays of tracks, in these coincidences"),
    Field("shared", COUNT, "objects that members coincided on"),
    Field(
        "objects",
        ListOf(
            Table(
                (
                    Field("column", Text(), "of the objects"),
                    Field("object", Text(), "its id, as in the events"),
                    Field("members", COUNT, "how many members coincided on it"),
                    Field("pairs", COUNT, "of members, that did"),
                    Field("last", Moment(), "the end of the bucket in which they did last"),
                )
            )
        ),
        "the twenty on which most pairs coincided",
    ),
)
"""What is told of what the members of a campaign have in common."""
