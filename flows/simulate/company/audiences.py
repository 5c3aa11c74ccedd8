"""Audiences: people who play some tracks now and then, in place of something else."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from flows.simulate.catalogue import Catalogue
from flows.simulate.company.draft import Draft
from flows.simulate.company.settings import CompanySettings
from flows.simulate.people import People
from flows.simulate.rows import NOTHING
from state.types import F64, I32, Bool

_FERVOUR: Final = 1.3
"""Of a repertoire the first tracks are played most, as in Catalogue.tracks_of."""
_UNIFORM_PLAYS, _HEAVY_PLAYS = 4, 25
_PEOPLE_PLAYS: Final = 68
"""Of an active account on a mean day."""
_MOST: Final = 0.02
_KEEN: Final = 1.28
"""One active account in ten, so that the fervent listeners of one campaign are often those of another, too."""
_LISTENERS_LEAST: Final = 4
"""Enough for some of them to play on any day."""


@dataclass(frozen=True, slots=True)
class Audience:
    """listeners: ascending accounts.  tracks: what they play.  plays: a day, all together, as far as they play."""

    listeners: I32
    tracks: I32
    plays: int

    def listen(self, draft: Draft, catalogue: Catalogue, rng: np.random.Generator) -> None:
        """Put the day's plays in."""
        at, _ = draft.plays_of(self.listeners)
        at = rng.choice(at, min(self.plays, len(at)), replace=False)
        draft.track[at] = self.tracks[favourite_first(rng, len(at), len(self.tracks))]
        draft.context[at] = np.where(rng.random(len(at)) < 0.5, catalogue.album[draft.track[at]], NOTHING)


def favourite_first(rng: np.random.Generator, count: int, size: int) -> I32:
    """(count,) places in a repertoire of that size."""
    level: F64 = rng.random(count) ** _FERVOUR
    return (size * level).astype(np.int32)


def organic(
    rng: np.random.Generator, tracks: I32, plays: float, people: People, free: Bool, settings: CompanySettings
) -> tuple[Audience, Audience]:
    """Those who find a campaign's tracks by themselves, and play them so often a day: many a little, a few a lot.

    free: (n,) accounts that may be among them.
    """
    active = np.flatnonzero(free & people.active)
    plays = min(plays, _MOST * _PEOPLE_PLAYS * len(active))
    keen = active[people.temperament[active] > _KEEN]
    audiences = []
    for total, each, pool in (
        (plays * (1 - settings.heavy), _UNIFORM_PLAYS, active),
        (plays * settings.heavy, _HEAVY_PLAYS, keen),
    ):
        count = min(len(pool), max(_LISTENERS_LEAST, -(-round(total) // each)))
        listeners = np.sort(rng.choice(pool, count, replace=False)).astype(np.int32)
        audiences.append(Audience(listeners, tracks, round(total)))
    return audiences[0], audiences[1]
