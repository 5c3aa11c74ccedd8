"""Popularity: how often the objects of one key group are visited, with decay."""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from state.types import DAY_US, F64, U64

_FORGOTTEN: Final = 1 / 16
"""Of a visit.  What is left of an object's visits when it is forgotten."""


@dataclass(slots=True)
class Popularity:
    """half_us: visits of so long ago count half.  object: (n,) sorted.  visits: (n,) as of `end_us`."""

    half_us: int
    end_us: int = 0
    object: U64 = field(default_factory=lambda: np.zeros(0, np.uint64))
    visits: F64 = field(default_factory=lambda: np.zeros(0))

    def visit(self, end_us: int, object_: U64, visits: F64) -> tuple[F64, F64]:
        """Adds the visits of the bucket that ends there; visits a day of these objects with and without them.

        object_: (m,) sorted, each once.  A steady stream of r visits a day comes to r.
        """
        faded = self.visits * 0.5 ** ((end_us - self.end_us) / self.half_us) if len(self.visits) else self.visits
        stay = faded >= _FORGOTTEN
        known, faded = self.object[stay], faded[stay]
        at = np.searchsorted(known, object_)
        there = at < len(known)
        there[there] = known[at[there]] == object_[there]
        before = np.zeros(len(object_))
        before[there] = faded[at[there]]
        faded[at[there]] += visits[there]
        self.object = np.insert(known, at[~there], object_[~there])
        self.visits = np.insert(faded, at[~there], visits[~there])
        self.end_us = end_us
        a_day = math.log(2) * DAY_US / self.half_us
        return (before + visits) * a_day, before * a_day
