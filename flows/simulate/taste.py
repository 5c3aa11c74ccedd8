"""What people love moves on: now and then a favourite gives way to an artist who was less known before."""

from typing import Final

import numpy as np

from flows.simulate.catalogue import Catalogue
from flows.simulate.people import FAVOURITES, People
from flows.simulate.seeds import stream
from state.types import I32

_RISE_RANKS: Final = 100


def favourites_on(people: People, catalogue: Catalogue, seed: int, share: float, number: int) -> I32:
    """(n, FAVOURITES) the favourites of day `number`, of which `share` are replaced each day after the first.

    Each place in somebody's list changes every 1 / share days, at a moment of its own.  Who comes in is drawn by a
    popularity that has moved on by 100 ranks since the one before, so that the platform's charts move too.
    """
    if number <= 0 or not share:
        return people.favourites
    shape = (len(people), FAVOURITES)
    turn = np.floor(stream(seed, "taste").random(shape, np.float32) + number * share).astype(np.int64)
    found = people.favourites.copy()
    for newest in range(1, int(turn.max()) + 1):
        changed = turn == newest
        if changed.any():
            level = stream(seed, "taste", newest).random(shape, np.float32)[changed]
            rank = np.searchsorted(catalogue.popularity, level)
            found[changed] = (rank + newest * _RISE_RANKS) % len(catalogue.popularity)
    return found
