"""Crowd: people who have something in common that is no fraud."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from flows.simulate.calendar import Day
from flows.simulate.company.draft import Draft
from flows.simulate.company.premises import Premises
from flows.simulate.people import People, Persona
from flows.simulate.rows import Rows
from state.errors import ConfigError
from state.types import I32, I64, Bool

if TYPE_CHECKING:
    from flows.simulate.world import World


class Candidates:
    """Plain people who are in no campaign and no crowd yet."""

    def __init__(self, rng: np.random.Generator, people: People, free: Bool) -> None:
        """free: (accounts,) whom to ask."""
        self._people = people
        self._asked = rng.permutation(np.flatnonzero(free & (people.persona == Persona.PERSON)))

    def take(self, count: int) -> I32:
        """So many active ones, ascending; nobody is taken twice.  Raises ConfigError where they are too few."""
        return self._take(self._people.active[self._asked], count)

    def compatriots(self, rng: np.random.Generator, count: int, active: bool = True) -> tuple[I32, int]:
        """So many who live in one country, any that has them, and the country.  Raises ConfigError as `take`."""
        fit = self._people.active[self._asked] == active
        country = self._people.country[self._asked]
        residents = np.bincount(country[fit], minlength=1)
        enough = np.flatnonzero(residents >= count)
        chosen = int(rng.choice(enough)) if len(enough) else int(residents.argmax())
        return self._take(fit & (country == chosen), count), chosen

    def _take(self, fit: Bool, count: int) -> I32:
        at = np.flatnonzero(fit)[:count]
        if len(at) < count:
            raise ConfigError(
                f"simulation.company.crowds: a crowd of {count} is to be made of the {len(at)} people left who suit "
                "it; simulate more users or lower the factor"
            )
        found = self._asked[at]
        self._asked = np.delete(self._asked, at)
        return np.sort(found).astype(np.int32)


@dataclass(frozen=True, slots=True)
class Crowd(ABC):
    """number: of several of its kind, from 1.  members: ascending accounts.  It does nothing of its own by itself."""

    number: int
    members: I32

    kind: ClassVar[str]

    @property
    def name(self) -> str:
        """Which crowd it is, for the truth."""
        return f"{self.kind}-{self.number}"

    @classmethod
    @abstractmethod
    def gather(
        cls, rng: np.random.Generator, number: int, people: People, candidates: Candidates, premises: Premises
    ) -> "Crowd":
        """Find members and change what is different about them; their rows of `people` may be rewritten."""

    def quota(self, day: Day, count: I64, rng: np.random.Generator) -> None:  # noqa: B027
        """Put in how often members play by themselves, where that is not as of everybody.  count: (accounts,)."""

    def rewrite(self, world: "World", day: Day, draft: Draft, rng: np.random.Generator) -> None:  # noqa: B027
        """Put in what members hear, from where and on what, in their own sittings of the day."""

    def acts(self, world: "World", day: Day, rng: np.random.Generator) -> list[Rows]:
        """What members do together on the day, besides; their own plays give way to it."""
        del world, day, rng
        return []
