"""What an archive says of itself: its head, and its checkpoints."""

from typing import Final, TypeVar

import msgspec
import orjson

from flows.objects import MissingObjectError, Objects, Tag
from flows.savepoint.manifest import Manifest, lies_inside, parse
from state.errors import SnapshotError

T = TypeVar("T", "Head", "Archived")
HEAD: Final = "archive.json"
CHECKPOINTS: Final = "checkpoints"
PACKS: Final = "packs"
_FORMAT: Final = 1
_DAMAGED: Final = "use a savepoint, or name an empty place for --archive"


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A checkpoint that is there.  generation: of the run that wrote it.  number: rises with each.  taken: ISO 8601
    UTC.  bytes: of its files.
    """

    generation: int
    number: int
    epoch: int
    taken: str
    read: int
    alerts: int
    bytes: int

    @property
    def key(self) -> tuple[int, int]:
        """No other checkpoint of the archive has the same, not even one of a run that does not know yet that another
        has taken over.
        """
        return self.generation, self.number


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """directory: the id of the state directory that is copied there.  generation: rises with each run that takes it.
    run, host: who that is.  renew_s: it changes at least so often while that run goes on.  renewed: how often it did.
    released: whether that run has ended, and said so.  checkpoints: the oldest first.
    """

    job: str
    directory: str
    generation: int
    run: str
    host: str
    renew_s: float
    renewed: int = 0
    released: bool = False
    checkpoints: tuple[Entry, ...] = ()
    format: int = _FORMAT

    def to_bytes(self) -> bytes:
        """As it is stored."""
        return orjson.dumps(msgspec.to_builtins(self), option=orjson.OPT_INDENT_2)


Piece = tuple[str, int, int]
"""Bytes of a file: in which pack, where, how many."""


class Archived(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A checkpoint.  savepoint: its manifest, as savepoint.json has it.  pieces: of each file, in order.  packs: bytes
    of each that it needs.  started_from: the manifest of the savepoint that the state directory was started from.
    """

    savepoint: str
    pieces: dict[str, list[Piece]]
    packs: dict[str, int]
    started_from: str | None = None
    format: int = _FORMAT

    def to_bytes(self) -> bytes:
        """As it is stored."""
        return orjson.dumps(msgspec.to_builtins(self))

    def manifest(self, place: str) -> Manifest:
        """Raises SnapshotError for one that is damaged, not sealed as it should be, or does not fit the pieces."""
        found = parse(self.savepoint, place)
        for name, (size, _) in found.files.items():
            if not lies_inside(name) or sum(piece[2] for piece in self.pieces.get(name, ())) != size:
                raise SnapshotError(f"{place}: {name} is not of {size} bytes there; {_DAMAGED}")
        return found


def entry_name(key: tuple[int, int]) -> str:
    """Of the object that has a checkpoint."""
    generation, number = key
    return f"{CHECKPOINTS}/{generation:08d}-{number:010d}.json"


def read_head(objects: Objects) -> tuple[Head, Tag] | None:
    """None where there is no archive.  Raises SnapshotError for a damaged one, ObjectsError."""
    try:
        data, tag = objects.get_tagged(HEAD)
    except MissingObjectError:
        return None
    return _decoded(data, Head, f"archive {objects.url}"), tag


def read_archived(objects: Objects, key: tuple[int, int]) -> Archived:
    """Raises SnapshotError for a damaged one, MissingObjectError, ObjectsError."""
    return _decoded(objects.get(entry_name(key)), Archived, f"archive {objects.url}: {entry_name(key)}")


def _decoded(data: bytes, kind: type[T], where: str) -> T:
    try:
        found = msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise SnapshotError(f"{where} is damaged, or of another version: {error}; {_DAMAGED}") from error
    if found.format != _FORMAT:
        raise SnapshotError(
            f"{where} has format {found.format!r}, this build reads {_FORMAT}; use the build that wrote it"
        )
    return found
