"""Copies checkpoints of a state directory into an archive, each as what is new in it."""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from flows.archive.claim import Claim
from flows.archive.head import CHECKPOINTS, PACKS, Archived, Entry, Head, entry_name, read_archived
from flows.archive.pieces import PACK_BYTES, KnownFile, joined, sparse
from flows.engine.lock import copying
from flows.engine.recovery import CHUNKS
from flows.engine.store import Checkpoint, NothingSavedError, copy_store, saved_epoch, sink_state, totals_in
from flows.objects import MissingObjectError, Objects, ObjectsError
from flows.savepoint.copy import ARCHIVE_NOTE, SEEN
from flows.savepoint.manifest import NAME, manifest_of
from state.errors import SnapshotError

_log: Final = logging.getLogger("driftnet.archive")
_STORE: Final = "store"
_SCRATCH: Final = "archive.new"
_SEGMENT: Final = ".seg"
_NOTES: Final = (".json", ".toml")
"""Ends of what a run notes beside its state."""
_AGAIN_BYTES: Final = 64 << 20
"""So much of what lies in sparse packs is written again by one copy, about."""


class Copier:
    """Of one state directory into one archive that this run has taken.  keep: checkpoints that stay.

    Only what has changed is written, from a copy as of one moment: files that only grow are linked, so that the run may
    delete them meanwhile.  What was written stays known when a copy fails, and is not written again.
    """

    def __init__(self, objects: Objects, claim: Claim, directory: Path, keep: int) -> None:
        """Looks at what is there.  Raises ObjectsError."""
        self._objects, self._claim, self._directory, self._keep = objects, claim, directory, keep
        self._scratch = directory / _SCRATCH
        self._files: dict[str, KnownFile] = {}
        self._packs = objects.names(PACKS)
        self._kept: dict[tuple[int, int], frozenset[str]] = {}
        """`Entry.key` of a checkpoint that is there -> the packs that it needs."""
        self._strays = set(objects.names(CHECKPOINTS)) - {entry_name(entry.key) for entry in claim.head.checkpoints}
        """Objects of checkpoints that were never completed, or are not named any more."""
        self._next = 1
        self._doubt = True
        self._last_epoch: int | None = None
        self.bytes = 0
        """Written so far."""
        self._know(claim.head)

    def _know(self, head: Head) -> None:
        """Of checkpoints that cannot be read, or are not sealed with the key of now, nothing is built upon."""
        for entry in head.checkpoints:
            self._files, self._kept[entry.key] = {}, frozenset()
            try:
                archived = read_archived(self._objects, entry.key)
                self._kept[entry.key] = frozenset(archived.packs)
                files = archived.manifest(f"archive {self._objects.url}").files
            except (SnapshotError, MissingObjectError) as error:
                _log.warning("%s; the next checkpoint is written as a whole", error)
                continue
            self._files = {
                name: KnownFile(size, digest, list(archived.pieces.get(name, ())), None)
                for name, (size, digest) in files.items()
            }

    def doubt(self) -> None:
        """Processes are started again: they may write other segments under names that were used and deleted."""
        self._doubt = True

    def copy(self) -> Entry | None:
        """Copies the last checkpoint; None where there is none, or it is there already.

        Raises TakenOverError, ObjectsError, SnapshotError for state that cannot be read, OSError for want of room.
        """
        saved = saved_epoch(self._directory / _STORE)
        if saved is None or saved[0] == self._last_epoch:
            return None
        try:
            return self._copy()
        except NothingSavedError:
            return None
        finally:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _copy(self) -> Entry:
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir()
        with copying(self._directory):
            doubt, self._doubt = self._doubt, False
            if doubt:
                for known in self._files.values():
                    known.doubt()
            # First the roots, then what they refer to: it is all there, and stays while we hold the lock.
            checkpoint = copy_store(self._directory / _STORE, self._scratch / _STORE)
            segments, others = self._look()
        self._files = {name: self._files.get(name) or KnownFile() for name in (*segments, *others)}
        self._write(self._grown(segments))
        self._write(self._changed(others))
        entry = self._commit(checkpoint)
        self._let_go()
        return entry

    def _look(self) -> tuple[dict[str, int], list[str]]:
        """Makes links or copies of what is to be looked at.  Segments with their sizes now; and all other files."""
        thin, left = sparse(self._files.values(), self._packs), _AGAIN_BYTES
        segments: dict[str, int] = {}
        others = [f"{_STORE}/{path.name}" for path in sorted((self._scratch / _STORE).glob("*.sqlite3"))]
        for name in self._names():
            here, there = self._directory / name, self._scratch / name
            if not name.endswith(_SEGMENT):
                there.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(here, there)
                others.append(name)
                continue
            size, known = here.stat().st_size, self._files.get(name)
            segments[name] = size
            if known is not None and left > 0 and any(pack in thin for pack, _, _ in known.pieces):
                left -= known.size
                known.forget()
            if known is None or known.checksum is None or known.size != size or len(known.pieces) > 1:
                there.parent.mkdir(parents=True, exist_ok=True)
                _link(here, there)
        return segments, others

    def _names(self) -> Iterator[str]:
        """Of all files that are archived, but for the store's: outputs that somebody put there are none of them."""
        for path in sorted(self._directory.glob("*")):
            known = path.suffix in _NOTES or path.name == SEEN
            if known and path.is_file() and path.name not in (NAME, ARCHIVE_NOTE):
                yield path.name
        for path in sorted((self._directory / CHUNKS).glob(f"*/*{_SEGMENT}")):
            yield path.relative_to(self._directory).as_posix()

    def _grown(self, segments: dict[str, int]) -> Iterator[tuple[KnownFile, int, bytes]]:
        """What is to be written of segments: of which file, how many of its pieces stay, and what follows them."""
        newest: dict[str, int] = {}
        for name in segments:
            folder, number = name.rsplit("/", 1)
            newest[folder] = max(newest.get(folder, 0), int(number.removesuffix(_SEGMENT)))
        for name, size in segments.items():
            path, known = self._scratch / name, self._files[name]
            if not path.exists():
                continue
            known.recognise(path)
            folder, number = name.rsplit("/", 1)
            closed = int(number.removesuffix(_SEGMENT)) < newest[folder]
            if size > known.size or (closed and len(known.pieces) > 1):
                sizes = [piece[2] for piece in known.pieces]
                yield from _parts(known, path, size, joined([*sizes, size - known.size], whole=closed))

    def _changed(self, others: list[str]) -> Iterator[tuple[KnownFile, int, bytes]]:
        """The same of files that may be others each time."""
        for name in others:
            path, known = self._scratch / name, self._files[name]
            size = path.stat().st_size
            known.doubt()
            known.recognise(path)
            if known.size != size:
                known.forget()
                yield from _parts(known, path, size, 0)

    def _write(self, parts: Iterator[tuple[KnownFile, int, bytes]]) -> None:
        """Puts them into packs.  A file knows a piece when its pack is there."""
        buffer, waiting = bytearray(), list[tuple[KnownFile, int, int, int]]()

        def flush() -> None:
            if not buffer:
                return
            name = f"{PACKS}/{self._claim.head.generation:08d}-{self._next:010d}"
            self._next += 1
            self._packs[name] = len(buffer)  # from here on it may be there, whatever is answered
            self._objects.put(name, bytes(buffer), fresh=True)
            self.bytes += len(buffer)
            for known, kept, offset, size in waiting:
                known.add(kept, (name, offset, size), buffer[offset : offset + size])
            buffer.clear()
            waiting.clear()
            self._claim.renew()

        for known, kept, data in parts:
            if buffer and len(buffer) + len(data) > PACK_BYTES:
                flush()
            waiting.append((known, kept, len(buffer), len(data)))
            buffer += data
        flush()

    def _commit(self, checkpoint: Checkpoint) -> Entry:
        files = {name: (known.size, known.digest) for name, known in sorted(self._files.items())}
        manifest = manifest_of(files, checkpoint.epoch, totals_in(sink_state(checkpoint)))
        pieces = {name: known.pieces for name, known in self._files.items()}
        packs = {pack: self._packs[pack] for of_file in pieces.values() for pack, _, _ in of_file}
        origin = self._directory / NAME
        head = self._claim.head
        entry = Entry(
            generation=head.generation,
            number=max([0, *(number for _, number in self._kept)]) + 1,
            epoch=checkpoint.epoch,
            taken=manifest.created,
            read=manifest.read,
            alerts=manifest.alerts,
            bytes=manifest.bytes,
        )
        archived = Archived(manifest.to_text(), pieces, packs, origin.read_text() if origin.exists() else None)
        data = archived.to_bytes()
        self._objects.put(entry_name(entry.key), data)
        self._kept[entry.key] = frozenset(packs)
        self.bytes += len(data)
        self._claim.commit((*head.checkpoints, entry)[-self._keep :])
        self._last_epoch = checkpoint.epoch
        return entry

    def _let_go(self) -> None:
        """Deletes what no checkpoint that stays needs.  What cannot be deleted now is deleted later."""
        stay = {entry.key for entry in self._claim.head.checkpoints}
        gone = sorted(self._kept.keys() - stay)
        needed = {pack for key in stay for pack in self._kept[key]}
        unused = sorted(self._packs.keys() - needed)
        try:
            self._objects.delete([*sorted(self._strays), *(entry_name(key) for key in gone), *unused])
        except ObjectsError as error:
            _log.info("archive %s: what is not needed any more could not be deleted: %s", self._objects.url, error)
            return
        self._strays.clear()
        for key in gone:
            del self._kept[key]
        for pack in unused:
            del self._packs[pack]


def _parts(known: KnownFile, path: Path, size: int, again: int) -> Iterator[tuple[KnownFile, int, bytes]]:
    """Of the bytes up to size: those of the last pieces, which are joined with what follows, or that alone."""
    kept = len(known.pieces) - again
    begin = known.size - sum(piece[2] for piece in known.pieces[kept:])
    with path.open("rb") as file:
        file.seek(begin)
        while begin < size:
            data = file.read(min(size - begin, PACK_BYTES))
            if not data:
                raise SnapshotError(f"{path.name} has {begin} bytes, expected {size}; is the disk well?")
            yield known, kept, data
            begin, kept = begin + len(data), kept + 1


def _link(here: Path, there: Path) -> None:
    with suppress(OSError):
        os.link(here, there)
        return
    shutil.copyfile(here, there)
