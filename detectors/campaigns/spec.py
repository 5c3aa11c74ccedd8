"""CampaignSpec: what counts as a coincidence, and when coincidences make a campaign."""

from dataclasses import dataclass

from state.errors import ConfigError
from state.types import DAY_US, HOUR_US, MINUTE_US


@dataclass(frozen=True, slots=True)
class CampaignSpec:
    """Durations in microseconds.

    bucket_us: accounts on one object in the same bucket, or in neighbouring ones, coincide.  expire_us: so long a
    coincidence is evidence.  review_us: how often communities are sought; a multiple of the bucket.  accounts_max: an
    object with more accounts than this in a bucket tells nothing of any two of them.  visits_max: nor does one with
    more visits a day; a visit is an account in a bucket, and in those that follow without a break.
    popularity_half_us: visits of so long ago count half.  links: different objects on which two accounts must have
    coincided to be linked.  p: a link is less probable than this under independence.  partners: a link counts where
    each of the two is among so many strongest partners of the other.  triangles: common partners that a link must
    have.  belonging: the share of an account's coincidences that are with a community, relative to the community's
    median, from which it is a member.  closure: of the coincidences on a community's objects, the share that is its
    own, from which it is a campaign.  repetition: so many of its objects per parent (tracks per artist) it must have
    in common, on average over its coincidences; fewer the more closed it is.  members_min: a smaller community is none.
    objects_min: nor is one whose members coincided on fewer objects.  awake_us: accounts that coincide with others in
    so much of the last day are no people: a community of these needs no closure, and one parent will do.  stay_us: a
    member that is not confirmed for so long has left, and a campaign without members has ended.

    Raises ConfigError naming the field, the value seen and what is allowed.
    """

    bucket_us: int = 30 * MINUTE_US
    expire_us: int = 3 * DAY_US
    review_us: int = 2 * HOUR_US
    accounts_max: int = 16
    visits_max: float = 150.0
    popularity_half_us: int = 12 * HOUR_US
    links: int = 3
    p: float = 1e-3
    partners: int = 5
    triangles: int = 1
    belonging: float = 0.65
    closure: float = 0.3
    repetition: float = 6.5
    members_min: int = 5
    objects_min: int = 30
    awake_us: int = 18 * HOUR_US
    stay_us: int = 6 * HOUR_US

    def __post_init__(self) -> None:
        bounds: dict[str, tuple[float, float]] = {
            "bucket_us": (MINUTE_US, DAY_US),
            "expire_us": (self.bucket_us, 90 * DAY_US),
            "review_us": (self.bucket_us, self.expire_us),
            "accounts_max": (2, 256),
            "visits_max": (1, 1e6),
            "popularity_half_us": (self.bucket_us, 30 * DAY_US),
            "links": (1, 1000),
            "p": (1e-300, 1),
            "partners": (2, 64),
            "triangles": (0, 16),
            "belonging": (0, 1),
            "closure": (0, 1),
            "repetition": (0, 1000),
            "members_min": (3, 1000),
            "objects_min": (1, 100_000),
            "awake_us": (HOUR_US, 2 * DAY_US),
            "stay_us": (0, 90 * DAY_US),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if not low <= value <= high:
                key = name.removesuffix("_us")
                raise ConfigError(f"campaigns.{key} is {value!r}; it must lie between {low:g} and {high:g}")
        if self.review_us % self.bucket_us:
            raise ConfigError(f"campaigns.review is {self.review_us!r}; it must be a multiple of the bucket")
