"""Pieces: columns that only grow, saved as chunks of which there are few, and each row written a few times."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from state.chunks import Chunks, Ref, table_of
from state.snapshot import pack, squeezed, unpack
from state.types import I64

_TIER: Final = 8
"""So many pieces of one tier become one of the next."""
_VERSION: Final = 1


def joining(tiers: Sequence[int]) -> tuple[int, int]:
    """How many of the latest pieces a new one takes in, and the tier of what comes of it.  tiers: of those there are.

    With n pieces so far, each row is written log8(n) times, and 7 log8(n) pieces stay.
    Source: size-tiered compaction, O'Neil et al. 1996, The log-structured merge-tree.
    """
    count = tier = 0
    while (same := list(tiers[len(tiers) - count - _TIER + 1 : len(tiers) - count])) == [tier] * (_TIER - 1):
        count, tier = count + len(same), tier + 1
    return count, tier


@dataclass(slots=True)
class _Piece:
    tier: int
    ref: Ref


class Pieces:
    """The chunks of some columns.  What was written before is read again when it is joined, and not kept in memory."""

    def __init__(self, *, hashes: bool = False) -> None:
        """hashes: whether the columns hold nothing else, of which no bytes can be saved."""
        self._frame: Callable[[bytes], bytes] = bytes if hashes else squeezed
        self._pieces: list[_Piece] = []

    def keep(self, chunks: Chunks) -> bool:
        """Makes what was written part of the snapshot; False when it was written elsewhere, and is then forgotten."""
        if all(chunks.keep(piece.ref) for piece in self._pieces):
            return True
        self._pieces = []
        return False

    def add(self, chunks: Chunks, columns: Mapping[str, NDArray[Any]]) -> None:
        """Writes further rows."""
        count, tier = joining([piece.tier for piece in self._pieces])
        joined = self._pieces[len(self._pieces) - count :]
        parts = [*(_read(chunks, piece.ref) for piece in joined), columns]
        del self._pieces[len(self._pieces) - count :]
        whole = {name: np.concatenate([part[name] for part in parts]) for name in columns} if count else columns
        self._pieces.append(_Piece(tier, chunks.put(self._frame(pack("piece", _VERSION, {}, dict(whole))))))

    def table(self) -> I64:
        """Where they are, (n, 4) int64, for a root frame."""
        tiers = np.array([piece.tier for piece in self._pieces], np.int64)
        return np.column_stack([tiers, table_of(piece.ref for piece in self._pieces)])

    def read(self, chunks: Chunks, table: I64) -> list[dict[str, NDArray[Any]]]:
        """What `table` gave -> the columns of each piece, in the order of writing."""
        refs = chunks.refs(table[:, 1:])
        self._pieces = [_Piece(tier, ref) for tier, ref in zip(table[:, 0].tolist(), refs, strict=True)]
        return [_read(chunks, ref) for ref in refs]


def _read(chunks: Chunks, ref: Ref) -> dict[str, NDArray[Any]]:
    return unpack(chunks.get(ref), "piece", (_VERSION,))[2]
