"""Chunks: the bulk of saved state, in frames that are written once and referenced as long as they are true.

A snapshot is a small root frame and the chunks that it refers to. What never changes again, such as the cells of a
closed pane, is written once; arrays by slot are written where they changed (state.slot_columns); what is replaced as a
whole is written when its bytes differ. So a snapshot costs what happened since the one before, not what there is.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Generic, Protocol, TypeVar

import numpy as np

from state.snapshot import pack, squeezed, unpack, whole
from state.types import I64

T = TypeVar("T")
_VERSION: Final = 1


@dataclass(eq=False, slots=True)
class Ref:
    """Where a chunk is.  Whoever wrote it holds this very object: its store may move the chunk, and says so here."""

    store: "Chunks"
    segment: int
    offset: int
    size: int


class Chunks(ABC):
    """Where one operator's chunks are kept."""

    @abstractmethod
    def put(self, frame: bytes) -> Ref:
        """Writes a chunk, as part of the snapshot that is being taken."""

    @abstractmethod
    def get(self, ref: Ref) -> bytes:
        """The chunk.  Raises SnapshotError when it cannot be read."""

    def keep(self, ref: Ref) -> bool:
        """Makes a chunk part of the snapshot that is being taken; False when it was written elsewhere."""
        return ref.store is self

    def refs(self, table: I64) -> list[Ref]:
        """What `table_of` gave."""
        return [Ref(self, *row) for row in table.tolist()]


@dataclass(frozen=True, slots=True)
class Saved:
    """What an operator is built from again: the root frame of its snapshot, and where its chunks are."""

    root: bytes
    chunks: Chunks


class Operator(Protocol):
    """What is saved in chunks."""

    def snapshot(self, chunks: Chunks, /) -> bytes:
        """The root frame; its chunks go where they are told."""


def table_of(refs: Iterable[Ref]) -> I64:
    """Refs as (n, 3) int64, for a frame."""
    return np.array([(r.segment, r.offset, r.size) for r in refs], np.int64).reshape(-1, 3)


class Sealed(Generic[T]):
    """Remembers where things that never change were written, by their identity.

    frame: a thing's bytes.  Things that are gone are let go with the next snapshot.
    """

    def __init__(self, frame: Callable[[T], bytes]) -> None:
        self._frame = frame
        self._known: dict[int, tuple[T, Ref]] = {}
        self._kept: dict[int, tuple[T, Ref]] = {}
        """Those of the snapshot that is being taken."""

    def put(self, chunks: Chunks, things: Iterable[T]) -> list[Ref]:
        """The chunk of each thing, written if it is new: all that are in this snapshot."""
        refs = self.add(chunks, things)
        self.settle()
        return refs

    def add(self, chunks: Chunks, things: Iterable[T]) -> list[Ref]:
        """The same of some of those that are in this snapshot."""
        refs = []
        for thing in things:
            before = self._kept.get(id(thing)) or self._known.get(id(thing))
            if before is None or not chunks.keep(before[1]):
                before = thing, chunks.put(self._frame(thing))
            self._kept[id(thing)] = before
            refs.append(before[1])
        return refs

    def settle(self) -> None:
        """The snapshot has all things that were added."""
        self._known, self._kept = self._kept, {}

    def rename(self, thing: T, other: T) -> None:
        """Another thing has the same bytes."""
        if id(thing) in self._known:
            self._known[id(other)] = other, self._known[id(thing)][1]

    def know(self, things: Sequence[T], refs: Sequence[Ref]) -> None:
        """These were read from there."""
        self._known |= {id(thing): (thing, ref) for thing, ref in zip(things, refs, strict=True)}


class Latest:
    """Named frames that are written again when their bytes differ from last time."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[bytes, Ref]] = {}

    def put(self, chunks: Chunks, frames: Mapping[str, bytes]) -> list[Ref]:
        """The chunk of each frame, in order."""
        known: dict[str, tuple[bytes, Ref]] = {}
        for name, frame in frames.items():
            digest = blake2b(frame, digest_size=16).digest()
            before = self._known.get(name)
            if before is None or before[0] != digest or not chunks.keep(before[1]):
                before = digest, chunks.put(squeezed(frame))
            known[name] = before
        self._known = known
        return [ref for _, ref in known.values()]

    def get(self, chunks: Chunks, names: Sequence[str], refs: Sequence[Ref]) -> dict[str, bytes]:
        """The frames, which are remembered as written there."""
        frames = {name: whole(chunks.get(ref), name) for name, ref in zip(names, refs, strict=True)}
        digests = (blake2b(frame, digest_size=16).digest() for frame in frames.values())
        self._known = dict(zip(names, zip(digests, refs, strict=True), strict=True))
        return frames


class Sized(Chunks):
    """Keeps no chunk, and counts their bytes."""

    def __init__(self) -> None:
        self.bytes = 0

    def put(self, frame: bytes) -> Ref:
        self.bytes += len(frame)
        return Ref(self, 0, 0, len(frame))

    def get(self, ref: Ref) -> bytes:
        raise NotImplementedError("what is only counted cannot be read")


class Bundle(Chunks):
    """All chunks of one snapshot beside its root in one frame: state as bytes that need nothing else."""

    def __init__(self, frames: Iterable[bytes] = ()) -> None:
        self._frames = list(frames)

    def put(self, frame: bytes) -> Ref:
        self._frames.append(frame)
        return Ref(self, 0, len(self._frames) - 1, len(frame))

    def get(self, ref: Ref) -> bytes:
        return self._frames[ref.offset]

    @staticmethod
    def of(operator: Operator) -> bytes:
        """An operator's whole state: the same bytes for the same state, whatever was saved before."""
        chunks = Bundle()
        frames = [operator.snapshot(chunks), *chunks._frames]
        ends = np.cumsum([len(frame) for frame in frames])
        return pack("bundle", _VERSION, {}, {"ends": ends, "frames": np.frombuffer(b"".join(frames), np.uint8)})

    @staticmethod
    def open(blob: bytes) -> Saved:
        """What `of` gave.  Raises SnapshotError for other bytes."""
        _, _, arrays = unpack(blob, "bundle", (_VERSION,))
        ends = arrays["ends"].tolist()
        joined = arrays["frames"].tobytes()
        root, *frames = (joined[start:end] for start, end in zip([0, *ends], ends, strict=False))
        return Saved(root, Bundle(frames))
