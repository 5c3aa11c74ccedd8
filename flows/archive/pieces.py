"""In which pieces files lie in an archive, and what of them is to be written next.

Packs are never changed.  What a file has grown by becomes a further piece; pieces are joined by eights, as a
log-structured merge tree does, so that a byte is written a few times and a file has some tens of pieces.  A pack of
which less than half is needed is let go: the files that have pieces in it are written anew.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from flows.archive.head import Piece
from flows.savepoint.manifest import new_checksum

PACK_BYTES: Final = 16 << 20
"""A pack has about so much at most, so that one is written with one request."""
_JOINED: Final = 8
_LEAST_BYTES: Final = 4096
_SPARSE: Final = 0.5
_READ_BYTES: Final = 1 << 20


@dataclass
class KnownFile:
    """What is archived of a file: its first bytes.  checksum: of them; None when they must be looked at again."""

    size: int = 0
    digest: str = field(default_factory=lambda: new_checksum().hexdigest())
    pieces: list[Piece] = field(default_factory=list)
    checksum: "hashlib.blake2b | None" = field(default_factory=new_checksum)

    def doubt(self) -> None:
        """Others may have written another file under this name."""
        self.checksum = None

    def recognise(self, path: Path) -> None:
        """Forgets what is archived if the file does not begin with it."""
        if self.checksum is not None and path.stat().st_size >= self.size:
            return
        found, left = new_checksum(), self.size
        with path.open("rb") as file:
            while left and (data := file.read(min(left, _READ_BYTES))):
                found.update(data)
                left -= len(data)
        if left or found.hexdigest() != self.digest:
            self.forget()
        else:
            self.checksum = found

    def forget(self) -> None:
        """Nothing of it is archived, as far as this goes."""
        self.size, self.pieces, self.checksum = 0, [], new_checksum()
        self.digest = self.checksum.hexdigest()

    def add(self, kept: int, piece: Piece, data: bytes | bytearray) -> None:
        """A piece is there, which follows the first `kept` ones.  data: its bytes."""
        assert self.checksum is not None
        self.pieces[kept:] = [piece]
        size = sum(there[2] for there in self.pieces)
        if size > self.size:
            self.checksum.update(data[self.size - size :])
            self.size, self.digest = size, self.checksum.hexdigest()


def joined(sizes: list[int], *, whole: bool) -> int:
    """How many of the last pieces are to be written again with what comes.  sizes: of the pieces, and of that.

    whole: the file does not grow any more, so that one piece is all it should have.
    """
    if whole:
        return len(sizes) - 1 if sum(sizes) <= PACK_BYTES else 0
    left = list(sizes)
    while len(left) >= _JOINED and all(_level(size) <= _level(left[-1]) for size in left[-_JOINED:]):
        together = sum(left[-_JOINED:])
        if together > PACK_BYTES:
            break
        left[-_JOINED:] = [together]
    return len(sizes) - len(left)


def _level(size: int) -> int:
    level = 0
    while size > _LEAST_BYTES:
        size, level = size // _JOINED, level + 1
    return level


def sparse(files: Iterable[KnownFile], packs: dict[str, int]) -> set[str]:
    """The packs of which little is needed, but something."""
    needed: Counter[str] = Counter()
    for file in files:
        for pack, _, size in file.pieces:
            needed[pack] += size
    return {pack for pack, size in needed.items() if size < _SPARSE * packs.get(pack, 0)}
