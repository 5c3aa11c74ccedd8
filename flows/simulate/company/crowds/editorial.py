"""editorial_playlist: a list that many hear from the top, in its order, at any time of the day."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Self

import numpy as np

from flows.simulate.calendar import Day
from flows.simulate.company.crowds.base import Candidates, Crowd
from flows.simulate.company.draft import Draft
from flows.simulate.company.premises import Premises
from flows.simulate.people import People
from state.types import I32

if TYPE_CHECKING:
    from flows.simulate.world import World

_SIZE: Final = 60
_TRACKS: Final = 50
_OBSCURE_RANKS: Final = (500, 1000)
"""A tenth of the list is new names; thousandths of the artists, by rank."""
_LOYAL: Final = 0.4


@dataclass(frozen=True, slots=True)
class EditorialPlaylist(Crowd):
    """60 regular listeners of a list of 50 tracks.  tracks: in order.  playlist: its context."""

    tracks: I32
    playlist: int

    kind: ClassVar[str] = "editorial_playlist"

    @classmethod
    def gather(
        cls, rng: np.random.Generator, number: int, people: People, candidates: Candidates, premises: Premises
    ) -> Self:
        del people
        catalogue = premises.catalogue
        artists = catalogue.popular_artists(rng, _TRACKS)
        low, high = (rank * len(catalogue.popularity) // 1000 for rank in _OBSCURE_RANKS)
        artists[::10] = rng.integers(low, high, len(artists[::10]))
        tracks = catalogue.tracks_of(rng, artists)
        return cls(number, candidates.take(_SIZE), tracks, catalogue.some_playlist(rng))

    def rewrite(self, world: "World", day: Day, draft: Draft, rng: np.random.Generator) -> None:
        """Two in five of their sittings are the list from its top, the rest of the sitting included."""
        del world, day
        at, _ = draft.plays_of(self.members)
        number, count = draft.sittings(at)
        nth = np.arange(len(at)) - np.searchsorted(number, number)
        heard = (rng.random(count) < _LOYAL)[number] & (nth < len(self.tracks))
        draft.track[at[heard]] = self.tracks[nth[heard]]
        draft.context[at[heard]] = self.playlist
