"""`[campaigns]`: what accounts coincide on, and when that makes a campaign."""

from dataclasses import fields
from typing import Any

from pydantic import Field

from detectors.campaigns.spec import CampaignSpec
from flows.config.section import Section
from flows.config.where import WhereTable
from flows.durations import Duration

_SPEC = CampaignSpec()


class CampaignsConfig(Section):
    """Accounts that coincide again and again on rare objects; absent: nobody looks for any (docs/campaigns.md)."""

    objects: tuple[str, ...] = Field(min_length=1, description="id columns whose values accounts coincide on")
    parents: dict[str, str] = Field(
        {},
        description="object column -> the id column of what an object belongs to, such as a track's artist; absent:"
        " each object is its own",
    )
    where: WhereTable = Field((), description="the events that count")
    bucket: Duration = Field(
        _SPEC.bucket_us,
        description="accounts on one object in the same bucket of time, or in neighbouring ones, coincide; a multiple"
        " of the pane that the windows have",
    )
    expire: Duration = Field(_SPEC.expire_us, description="a coincidence is evidence for so long")
    review: Duration = Field(_SPEC.review_us, description="how often communities are sought; a multiple of bucket")
    accounts_max: int = Field(
        _SPEC.accounts_max, description="an object with more accounts in a bucket says nothing of any two of them"
    )
    visits_max: float = Field(
        _SPEC.visits_max,
        description="nor does an object with more visits a day; a visit is an account in a bucket, and in those that"
        " follow without a break",
    )
    popularity_half: Duration = Field(_SPEC.popularity_half_us, description="visits of so long ago count half")
    links: int = Field(
        _SPEC.links, description="so often two accounts have coincided before they are linked, on two objects at least"
    )
    p: float = Field(_SPEC.p, description="a link is less probable than this under independence")
    partners: int = Field(
        _SPEC.partners, description="a link counts if each end is among so many strongest partners of the other"
    )
    triangles: int = Field(_SPEC.triangles, description="so many partners the two ends of a link have in common")
    belonging: float = Field(
        _SPEC.belonging,
        description="a member's share of coincidences that are with its community, relative to the community's median",
    )
    closure: float = Field(
        _SPEC.closure, description="of the coincidences on a campaign's objects, the share that is its own"
    )
    repetition: float = Field(
        _SPEC.repetition,
        description="so many objects of one parent a campaign has in common, on average over its coincidences",
    )
    members_min: int = Field(_SPEC.members_min, description="a smaller community is no campaign")
    objects_min: int = Field(
        _SPEC.objects_min, description="nor is one whose members have fewer objects in common, such as a class's songs"
    )
    awake: Duration = Field(
        _SPEC.awake_us,
        description="accounts that coincide with others in so much of the last day are no people: such a campaign may"
        " have fewer objects, and one parent",
    )
    stay: Duration = Field(
        _SPEC.stay_us, description="a member that no review confirms for so long has left; without members it has ended"
    )

    def spec(self) -> CampaignSpec:
        """How campaigns are judged.  Raises ConfigError."""
        names = {f.name: f.name.removesuffix("_us") for f in fields(CampaignSpec)}
        given: dict[str, Any] = {field: getattr(self, key) for field, key in names.items()}
        return CampaignSpec(**given)
