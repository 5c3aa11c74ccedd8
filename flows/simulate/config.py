"""SimulationSpec: everything that a simulated stream depends on."""

from dataclasses import dataclass, replace
from typing import Final

from flows.simulate.campaigns import DEFAULT_CAMPAIGNS
from flows.simulate.campaigns.base import Campaign
from flows.simulate.company.settings import CompanySettings
from flows.simulate.seeds import stream
from state.errors import ConfigError
from state.types import DAY_US, HOUR_US, SECOND_US

MONDAY_US: Final = 1_772_409_600 * SECOND_US
"""2026-03-02T00:00:00Z."""
_CAMPAIGNS_MAX: Final = 16
_DELAY_MOST_US: Final = 6 * HOUR_US
_COMPANY_USERS: Final = 1000
_TWO_CAMPAIGNS: Final = 8
"""Accounts of a kind which are two campaigns in the world of company."""


@dataclass(frozen=True, slots=True)
class SimulationSpec:
    """A platform, its attackers and the way its events arrive.  Times and durations in microseconds.

    users: accounts of the first day, attackers included.  active_share: of plain people, those who listen on most days
    (personas that look like fraud always do).  tracks: size of the genuine catalogue.  partition_by: "user" keeps an
    account's events in one partition, "event" spreads them.  disorder_us: an event arrives less than this after its
    time; a duplicate too.  duplicate_share: of events, sent twice.  bad_line_share: extra broken lines of each kind per
    good line.  attackers: factor on the accounts of all campaigns.  attack_day: the day on which they begin, 1 for the
    first.  campaign_accounts: a campaign with more is several of its kind, at most 16.

    What makes days differ; weekends aside, the first day does not depend on it.  weekends: whether people rest on
    Saturdays and Sundays.  holidays: days per year on which a country rests as well.  outage_us: once a week nothing is
    heard for so long; 0 for never.  hit: share of the people who cannot get enough of the song that comes out on
    Fridays.  taste: share of everybody's favourites that changes in a day.  growth: accounts that sign up on each day
    after the first, as a share of `users` and beyond them.

    company: the settings of the harder world, in which campaigns hide among people and people keep company; None for
    the plain one.  It goes with the campaigns of company.kinds.campaigns_of, wants 1,000 users, and has `tracks` grow
    with the users instead.
    Raises ConfigError naming the field, the value seen and what is allowed.
    """

    users: int = 5000
    duration_us: int = DAY_US
    start_us: int = MONDAY_US
    seed: int = 1
    campaigns: tuple[Campaign, ...] = DEFAULT_CAMPAIGNS
    attackers: float = 1.0
    attack_day: int = 1
    campaign_accounts: int = 25
    active_share: float = 0.28
    tracks: int = 40_000
    partitions: int = 2
    partition_by: str = "user"
    disorder_us: int = 10 * SECOND_US
    duplicate_share: float = 0.002
    bad_line_share: float = 0.0
    weekends: bool = True
    holidays: float = 13.0
    outage_us: int = HOUR_US
    hit: float = 0.2
    taste: float = 0.01
    growth: float = 0.004
    company: CompanySettings | None = None

    def __post_init__(self) -> None:
        ranges: dict[str, tuple[float, float]] = {
            "users": (50, 5_000_000),
            "duration_us": (1000, 366 * DAY_US),
            "start_us": (0, 4_000_000_000 * SECOND_US),
            "seed": (0, 2**63 - 1),
            "active_share": (0.0, 1.0),
            "tracks": (2_000, 5_000_000),
            "partitions": (1, 256),
            "disorder_us": (0, DAY_US),
            "duplicate_share": (0.0, 0.5),
            "bad_line_share": (0.0, 0.5),
            "attackers": (0.0, 100.0),
            "attack_day": (1, 366),
            "campaign_accounts": (1, 1_000_000),
            "holidays": (0.0, 365.0),
            "outage_us": (0, 6 * HOUR_US),
            "hit": (0.0, 1.0),
            "taste": (0.0, 1.0),
            "growth": (0.0, 1.0),
        }
        for key, (low, high) in ranges.items():
            value = getattr(self, key)
            if not low <= value <= high:
                raise ConfigError(f"simulation.{key} is {value!r}; it must lie between {low:g} and {high:g}")
        if self.partition_by not in ("user", "event"):
            raise ConfigError(f'simulation.partition_by is {self.partition_by!r}; it must be "user" or "event"')
        if self.attack_us >= self.stop_us:
            raise ConfigError(
                f"simulation.attack_day is {self.attack_day}, but the simulation ends on day "
                f"{-(-self.duration_us // DAY_US)}; simulate longer, or set attackers = 0 for none"
            )
        if self.company and self.users < _COMPANY_USERS:
            raise ConfigError(
                f"simulation.users is {self.users}; with company it must be at least {_COMPANY_USERS}, of whom the "
                "crowds are made"
            )
        if self.company and self.genuine_tracks < ranges["tracks"][0]:
            raise ConfigError(
                f"simulation.company.tracks_per_user is {self.company.tracks_per_user:g}, which makes "
                f"{self.genuine_tracks} tracks for {self.users} users; {ranges['tracks'][0]:g} are needed"
            )
        self._check_campaigns()

    def _check_campaigns(self) -> None:
        seen = [c.name for c in self.campaigns]
        for name in seen:
            if seen.count(name) > 1:
                raise ConfigError(
                    f"simulation.campaigns has two named {name!r}; names must differ, so that truth can tell"
                )
        for c in self.campaigns:
            if c.start_us < 0 or not 0 <= c.share <= 1 or c.users < 0 or c.per_address < 1:
                raise ConfigError(
                    f"simulation.campaigns.{c.name}: start_us {c.start_us}, share {c.share}, users {c.users}, "
                    f"per_address {c.per_address}; none may be negative, share at most 1, per_address at least 1"
                )
        attackers = sum(self.crew_sizes())
        if attackers > self.users // 4:
            raise ConfigError(
                f"simulation.campaigns hold {attackers} of {self.users} accounts at attackers = {self.attackers:g}; "
                "at most a quarter may be attackers"
            )

    def crew_sizes(self) -> list[int]:
        """How many accounts each kind of campaign holds: `attackers` times what it would have, the sum rounded once.

        The accounts that rounding down leaves over go to the campaigns that it took most from, so a small factor
        leaves some campaigns out rather than the sum wrong.
        """
        exact = [round(self.attackers * c.size(self.users), 6) for c in self.campaigns]
        sizes = [int(size) for size in exact]
        short = sorted(range(len(sizes)), key=lambda i: sizes[i] - exact[i])
        for i in short[: round(sum(exact)) - sum(sizes)]:
            sizes[i] += 1
        return sizes

    def crews(self) -> list[tuple[Campaign, int]]:
        """Every single campaign and how many accounts it holds: the first of each kind, then the further ones.

        Further ones have owners, addresses and devices of their own, and begin up to six hours after the first.
        """
        first, further = [], []
        for campaign, size in zip(self.campaigns, self.crew_sizes(), strict=True):
            count = max(self._campaigns_least(size), min(_CAMPAIGNS_MAX, -(-size // self.campaign_accounts)))
            edges = [size * i // count for i in range(count + 1)]
            first.append((campaign, edges[1]))
            for number in range(2, count + 1):
                delay_us = int(stream(self.seed, f"delay {campaign.name}", number).integers(_DELAY_MOST_US))
                another = replace(campaign, number=number, start_us=campaign.start_us + delay_us)
                further.append((another, edges[number] - edges[number - 1]))
        return first + further

    def _campaigns_least(self, size: int) -> int:
        return 2 if self.company and size >= _TWO_CAMPAIGNS else 1

    @property
    def genuine_tracks(self) -> int:
        """Size of the genuine catalogue."""
        return round(self.company.tracks_per_user * self.users) if self.company else self.tracks

    def newcomers_by(self, number: int) -> int:
        """How many accounts have signed up beyond `users` by the end of day `number`; the first is day 0."""
        return int(round(self.users * self.growth * max(0, number), 6))

    @property
    def attack_us(self) -> int:
        """Begin of the day of the attack, from which the campaigns' own starts count."""
        return self.start_us + (self.attack_day - 1) * DAY_US

    @property
    def stop_us(self) -> int:
        """End of the simulation: no event is at or after it."""
        return self.start_us + self.duration_us
