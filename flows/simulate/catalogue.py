"""Tracks, artists, rights holders, and the albums, playlists and radios they are played from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from state.types import F64, I32

ALBUM_TRACKS: Final = 12
_PLAYLISTS_PER_ARTIST: Final = 0.75
_HOLDERS_PER_ARTIST: Final = 0.1
_NEW_ALBUM_RANK: Final = 3
_SLEEP_RANKS: Final = slice(150, 162)


@dataclass(frozen=True, slots=True)
class Owner:
    """What a campaign earns with: tracks of ms_min to ms_max milliseconds, spread evenly over artists and holders."""

    tracks: int
    artists: int = 1
    holders: int = 1
    ms_min: int = 120_000
    ms_max: int = 240_000


@dataclass(frozen=True, slots=True)
class Catalogue:
    """An artist's tracks are neighbours; artists come by falling popularity, the campaigns' owners last.

    artist, ms, album: (tracks,).  holder, first, size: (artists,).  popularity: cumulated, of those that people come
    across.  owned: per owner, its tracks.
    Contexts are numbered: albums, then playlists (the last ones are the owners', one each), then one radio per artist.
    Lengths: log-normal around 202 s, as on 174,000 real plays of known tracks (quartiles 174 and 234 s).
    """

    artist: I32
    ms: I32
    album: I32
    holder: I32
    first: I32
    size: I32
    popularity: F64
    owned: tuple[I32, ...]
    albums: int
    playlists: int

    @classmethod
    def build(cls, rng: np.random.Generator, tracks: int, owners: Sequence[Owner], found: int) -> "Catalogue":
        """About `tracks` tracks of genuine artists (ten each), and the owners' tracks behind them.

        People come across the first `found` owners now and then, never across the others.
        """
        artists = tracks // 10
        size = np.clip(rng.lognormal(1.9, 0.9, artists), 1, 150).astype(np.int32)
        size[:100] += 20  # nobody becomes popular with one track
        holders = max(3, int(artists * _HOLDERS_PER_ARTIST))
        holder = (holders * rng.random(artists) ** 3).astype(np.int32)  # three majors hold a fifth
        ms = np.clip(rng.lognormal(np.log(202_000), 0.25, int(size.sum())), 35_000, 1_500_000)
        sizes, held, lengths, owned = [size], [holder], [ms], []
        start = int(size.sum())
        for owner in owners:
            edges = np.arange(owner.artists + 1) * owner.tracks // owner.artists
            each = (edges[1:] - edges[:-1]).astype(np.int32)
            sizes.append(each)
            held.append((holders + np.arange(owner.artists) % owner.holders).astype(np.int32))
            lengths.append(rng.integers(owner.ms_min, owner.ms_max + 1, owner.tracks).astype(np.float64))
            owned.append(np.arange(start, start + owner.tracks, dtype=np.int32))
            start += owner.tracks
            holders += owner.holders
        size = np.concatenate(sizes)
        first = (np.cumsum(size) - size).astype(np.int32)
        artist = np.repeat(np.arange(len(size), dtype=np.int32), size)
        albums_of = -(-size // ALBUM_TRACKS)
        album = (np.cumsum(albums_of) - albums_of)[artist] + (np.arange(start) - first[artist]) // ALBUM_TRACKS
        weight = 1 / (np.arange(artists + sum(owner.artists for owner in owners[:found])) + 30.0)
        return cls(
            artist,
            np.concatenate(lengths).astype(np.int32),
            album.astype(np.int32),
            np.concatenate(held),
            first,
            size,
            np.cumsum(weight) / weight.sum(),
            tuple(owned),
            int(albums_of.sum()),
            int(artists * _PLAYLISTS_PER_ARTIST) + len(owners),
        )

    def popular_artists(self, rng: np.random.Generator, shape: int | tuple[int, ...]) -> I32:
        """Artists by popularity, 1 / (rank + 30)."""
        return np.searchsorted(self.popularity, rng.random(shape)).astype(np.int32)

    def tracks_of(self, rng: np.random.Generator, artist: I32) -> I32:
        """A track of each artist, the first ones being the hits."""
        return self.first[artist] + (self.size[artist] * rng.random(len(artist)) ** 1.3).astype(np.int32)

    @property
    def new_album(self) -> I32:
        """The tracks of the album that a popular artist releases on the first day."""
        return self.first_album(_NEW_ALBUM_RANK)

    def first_album(self, artist: int) -> I32:
        """The tracks of a popular artist's first album, in order."""
        return np.arange(ALBUM_TRACKS, dtype=np.int32) + np.int32(self.first[artist])

    @property
    def sleep_tracks(self) -> I32:
        """Rain and noise: tracks that some people play all night."""
        return np.concatenate([self.first[a] + np.arange(self.size[a]) for a in range(*_SLEEP_RANKS.indices(10**6))])

    def playlist(self, number: int) -> int:
        """The context of playlist `number`."""
        return self.albums + number

    def some_playlist(self, rng: np.random.Generator) -> int:
        """The context of a playlist that is no owner's."""
        return self.playlist(int(rng.integers(self.playlists - len(self.owned))))

    def owner_playlist(self, owner: int) -> int:
        """The context of an owner's own playlist."""
        return self.albums + self.playlists - len(self.owned) + owner

    def radio(self, artist: I32) -> I32:
        """The context of each artist's radio."""
        return np.int32(self.albums + self.playlists) + artist
