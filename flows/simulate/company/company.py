"""Company: everything that the harder world adds to the plain one, drawn once from the seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from flows.simulate.calendar import Day
from flows.simulate.campaigns.base import Campaign, Crew
from flows.simulate.company.audiences import Audience, organic
from flows.simulate.company.crowds import CROWDS
from flows.simulate.company.crowds.base import Candidates, Crowd
from flows.simulate.company.draft import Draft
from flows.simulate.company.families import household_devices, share_devices
from flows.simulate.company.farms import Farm, FarmCrew
from flows.simulate.company.layout import BLOCK_HOSTS, Block, Layout
from flows.simulate.company.premises import Premises
from flows.simulate.company.settings import CompanySettings, spread
from flows.simulate.geography import Pools
from flows.simulate.people import People, Persona
from flows.simulate.rows import Rows, Type
from flows.simulate.seeds import stream
from state.types import DAY_US, I16, I32, I64, Bool

if TYPE_CHECKING:
    from flows.simulate.world import World

_USERS_PER_CROWD: Final = 5000


@dataclass(frozen=True, slots=True)
class Company:
    """crowds: of innocents.  organic: by campaign id, who finds its tracks by themselves: many a little, few a lot.

    farms: those of the campaigns that live as people do.  shared: (accounts,) device of the household, NOTHING for
    none.  blocks: addresses that are held together.  addresses: how many there are on the first day.
    """

    settings: CompanySettings
    crowds: tuple[Crowd, ...]
    organic: dict[str, tuple[Audience, Audience]]
    farms: tuple[tuple[Farm, FarmCrew], ...]
    shared: I32
    blocks: tuple[Block, ...]
    addresses: int

    @classmethod
    def gather(
        cls, people: People, crews: Sequence[tuple[Campaign, Crew]], premises: Premises, attack_us: int
    ) -> "Company":
        """Find crowds, audiences and families among the people of the first day; rows of `people` are rewritten."""
        settings, seed = premises.settings, premises.seed
        free = people.created_us < attack_us
        for _, crew in crews:
            free[crew.user] = False
        candidates = Candidates(stream(seed, "candidates"), people, free)
        crowds = [
            kind.gather(stream(seed, f"crowd {kind.kind}", number), number, people, candidates, premises)
            for kind in CROWDS
            for number in range(1, crowds_of_a_kind(len(people), settings) + 1)
        ]
        for crowd in crowds:
            free[crowd.members] = False
        audiences = {}
        for campaign, crew in crews:
            rng = stream(seed, f"organic {campaign.campaign_id}")
            plays = float(spread(rng, settings.organic, 1)[0]) * _daily_plays(campaign, crew, premises, attack_us)
            audiences[campaign.campaign_id] = organic(rng, crew.tracks, plays, people, free, settings)
        return cls(
            settings,
            tuple(crowds),
            audiences,
            tuple((c, crew) for c, crew in crews if isinstance(c, Farm) and isinstance(crew, FarmCrew)),
            household_devices(stream(seed, "household devices"), people, premises),
            (*_gateways(premises.carriers), *premises.blocks),
            premises.addresses.size,
        )

    def layout(self, seed: int, country: I16) -> Layout:
        """How addresses lie beside each other.  country: (addresses,) code, of all there are."""
        return Layout.build(stream(seed, "layout"), country, self.addresses, self.blocks)

    def quotas(self, day: Day, count: I64) -> None:
        """Change how often farms' and some crowds' accounts play on the day.  count: (accounts,)."""
        for farm, crew in self.farms:
            farm.quota(crew, day, count, day.rng(f"quota {farm.campaign_id}"))
        for crowd in self.crowds:
            crowd.quota(day, count, day.rng(f"quota {crowd.name}"))

    def rewrite(self, world: "World", day: Day, draft: Draft) -> None:
        """Change what is heard on the day, from where and on what: by audiences, families, crowds, then farms."""
        for name, audiences in self.organic.items():
            rng = day.rng(f"organic {name}")
            for audience in audiences:
                audience.listen(draft, world.catalogue, rng)
        share_devices(draft, world.people, self.shared, day.rng("household devices"))
        for crowd in self.crowds:
            crowd.rewrite(world, day, draft, day.rng(f"crowd {crowd.name}"))
        for farm, crew in self.farms:
            farm.rewrite(crew, draft, world.catalogue, day.rng(f"farm {farm.campaign_id}"))

    def awake(self, world: "World", plays: Rows) -> Bool:
        """(n,) False where a farm's account would still play at night."""
        rest_us, resting_us = (np.zeros(len(world.people), np.int64) for _ in range(2))
        for _, crew in self.farms:
            rest_us[crew.user], resting_us[crew.user] = crew.rest_us, crew.resting_us
        up: Bool = (plays.time_us - rest_us[plays.user]) % DAY_US >= resting_us[plays.user]
        return up

    def acts(self, world: "World", day: Day) -> list[Rows]:
        """What crowds do together on the day."""
        return [rows for c in self.crowds for rows in c.acts(world, day, day.rng(f"acts {c.name}"))]

    def thinned(self, campaign: Campaign, rows: Rows, rng: np.random.Generator) -> Rows:
        """What is left of a campaign's acts: all of a farm's, and of the others' plays and likes a share."""
        if isinstance(campaign, Farm):
            return rows
        played = np.isin(rows.type, (Type.PLAY, Type.LIKE))
        return rows.take(~played | (rng.random(len(rows)) < self.settings.thinned))

    def crowd_names(self, people: People) -> dict[int, str]:
        """Account -> the crowd it belongs to, households, shared homes and campaigns' fervent listeners included."""
        named = {
            user: f"listeners of {name}"
            for name, (_, heavy) in self.organic.items()
            for user in heavy.listeners.tolist()
        }
        for persona in (Persona.FAMILY_MEMBER, Persona.NAT_USER):
            members, kind = people.are(persona), persona.name.lower()
            _, home = np.unique(people.home[members], return_inverse=True)
            named |= {
                user: f"{kind}-{number + 1}" for user, number in zip(members.tolist(), home.tolist(), strict=True)
            }
        return named | {user: crowd.name for crowd in self.crowds for user in crowd.members.tolist()}


def crowds_of_a_kind(users: int, settings: CompanySettings) -> int:
    """One for every 5,000 accounts, times the factor; at least one, unless the factor is 0."""
    return max(1, round(settings.crowds * users / _USERS_PER_CROWD)) if settings.crowds else 0


def _daily_plays(campaign: Campaign, crew: Crew, premises: Premises, attack_us: int) -> float:
    """Plays of its own tracks on a full day."""
    if isinstance(campaign, Farm) and isinstance(crew, FarmCrew):
        return campaign.daily_plays(crew)
    rng = stream(premises.seed, f"volume {campaign.campaign_id}")
    rows = campaign.rows(crew, premises.catalogue, attack_us + DAY_US, rng)
    return premises.settings.thinned * float(np.isin(rows.track, crew.tracks).sum())


def _gateways(carriers: Pools) -> list[Block]:
    """Each country's gateways, in as many /24s as they need."""
    return [
        Block(np.arange(at, min(at + BLOCK_HOSTS, first + count), dtype=np.int32), six=False)
        for first, count in zip(carriers.first.tolist(), carriers.count.tolist(), strict=True)
        for at in range(first, first + count, BLOCK_HOSTS)
    ]
