"""The last checkpoint of an archive as files: found, put together, and compared with its checksums."""

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from flows.archive.head import Archived, Entry, Head, read_archived, read_head
from flows.objects import MissingObjectError, Objects, in_parallel
from flows.savepoint.manifest import Manifest, damaged
from state.errors import SnapshotError

_AT_ONCE = 4
"""Packs, each of which is in memory as a whole."""


class Found(NamedTuple):
    """A checkpoint of an archive, not read yet."""

    entry: Entry
    archived: Archived
    manifest: Manifest


def found_in(objects: Objects, head: Head) -> Iterator[Found]:
    """The checkpoints of an archive, the last one first.  Raises SnapshotError for a damaged one, ObjectsError."""
    for entry in reversed(head.checkpoints):
        try:
            archived = read_archived(objects, entry.key)
        except MissingObjectError as error:
            raise SnapshotError(f"archive {objects.url}: a checkpoint that it names is not there: {error}") from error
        yield Found(entry, archived, archived.manifest(f"archive {objects.url}"))


def latest(objects: Objects) -> Found | None:
    """The last one; None where there is no archive.  Raises SnapshotError for one that is empty, or damaged."""
    read = read_head(objects)
    if read is None:
        return None
    found = next(found_in(objects, read[0]), None)
    if found is None:
        raise SnapshotError(f"archive {objects.url}: nothing is archived there yet; wait for the first checkpoint")
    return found


def assemble(objects: Objects, found: Found, target: Path) -> None:
    """Puts its files together in a directory.  Raises SnapshotError where they are not as they were, ObjectsError."""
    by_pack: dict[str, list[tuple[Path, int, int, int]]] = defaultdict(list)
    for name in found.manifest.files:
        path, at = target / name, 0
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        for pack, offset, size in found.archived.pieces[name]:
            by_pack[pack].append((path, at, offset, size))
            at += size

    def spread(pack: str) -> None:
        data = memoryview(objects.get(pack))
        for path, at, offset, size in by_pack[pack]:
            with path.open("r+b") as file:
                file.seek(at)
                file.write(data[offset : offset + size])

    try:
        in_parallel(spread, sorted(by_pack), _AT_ONCE)
    except MissingObjectError as error:
        raise SnapshotError(
            f"archive {objects.url}: a part of its checkpoint of {found.entry.taken} is not there: {error}; while a run"
            " writes to it, try again"
        ) from error
    if lines := list(damaged(target, found.manifest)):
        more = f" and {len(lines) - 5} more" if len(lines) > 5 else ""
        raise SnapshotError(
            f"archive {objects.url}: its checkpoint of {found.entry.taken} is damaged: {'; '.join(lines[:5])}{more}"
        )


def sync(directory: Path) -> None:
    """Makes what is in it durable."""
    for path in (*directory.rglob("*"), directory):
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
