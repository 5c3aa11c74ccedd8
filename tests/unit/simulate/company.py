"""The world of company, and what tests measure on it."""

from dataclasses import replace
from typing import Any

import numpy as np

from flows.simulate.campaigns.base import Campaign, Crew
from flows.simulate.company.kinds import campaigns_of
from flows.simulate.company.settings import CompanySettings
from flows.simulate.config import SimulationSpec
from flows.simulate.platform import Platform
from flows.simulate.rows import Rows, Type
from state.types import DAY_US, I64, MS_US


def spec(users: int = 3000, days: int = 2, seed: int = 5, **settings: Any) -> SimulationSpec:
    """A simulation with company; settings: of CompanySettings."""
    chosen = CompanySettings(**settings)
    return SimulationSpec(
        users=users, duration_us=days * DAY_US, seed=seed, company=chosen, campaigns=campaigns_of(chosen)
    )


def only(simulation: SimulationSpec, *names: str, share: float | None = None) -> SimulationSpec:
    """The same with some kinds of campaign; share: of the accounts that each has."""
    kept = [c for c in simulation.campaigns if c.name in names]
    return replace(simulation, campaigns=tuple(replace(c, share=share or c.share) for c in kept))


def plays_on(platform: Platform, day: int) -> Rows:
    """All plays of a day."""
    rows = platform.days.day(day)[0]
    return rows.take(rows.type == Type.PLAY)


def crews(platform: Platform, name: str) -> list[tuple[Campaign, Crew]]:
    """The campaigns of one kind."""
    found = [(c, crew) for c, crew in platform.world.crews if c.name == name]
    assert found
    return found


def own(plays: Rows, crew: Crew) -> Rows:
    """The crew's plays of its own tracks."""
    return plays.take(np.isin(plays.user, crew.user) & np.isin(plays.track, crew.tracks))


def begin_us(plays: Rows) -> I64:
    """(n,) when each play began."""
    return plays.time_us - plays.ms.astype(np.int64) * MS_US


def accounts_per(thing: Any, user: Any) -> dict[int, int]:
    """Device or address -> how many accounts are seen there."""
    pairs = np.unique(np.stack((thing, user)), axis=1)
    return {int(x): int(n) for x, n in zip(*np.unique(pairs[0], return_counts=True), strict=True)}


def overlaps(plays: Rows) -> int:
    """How many plays begin before the account's previous one has ended."""
    order = np.lexsort((begin_us(plays), plays.user))
    user, begin, end = plays.user[order], begin_us(plays)[order], plays.time_us[order]
    return int(((user[1:] == user[:-1]) & (begin[1:] < end[:-1])).sum())
