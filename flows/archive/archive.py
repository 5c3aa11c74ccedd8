"""The archive of one run: taken, restored from where there is no state, written beside the run, and let go.

All of it happens in the supervising process, in threads of its own: no process that works waits for an object store.
While the store is away the run goes on, says so, and what was not archived is when the store is there again.
"""

import logging
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

from flows.archive.claim import Claim, TakenOverError
from flows.archive.copier import Copier
from flows.archive.head import Entry, read_head
from flows.archive.note import noted_id, write_note
from flows.archive.restore import assemble, found_in, sync
from flows.engine.lock import is_held
from flows.engine.store import read_checkpoint
from flows.metrics import catalogue as c
from flows.metrics.catalogue import Numbers
from flows.objects import Objects
from flows.savepoint.manifest import NAME
from state.errors import CheckpointError, DriftnetError, SnapshotError

_log: Final = logging.getLogger("driftnet.archive")
_STORE: Final = "store"
_RESTORED: Final = "restored.new"
_LAST_S: Final = 8.0
"""So long the last checkpoint may take when the run has ended; whoever stops it waits for it."""
_RELEASE_S: Final = 4.0
"""So long, after that, it may take to say so."""
_RENEW_S_LEAST: Final = 5.0
"""Whoever takes an archive waits for four times as long: longer than processes that have lost their parent go on."""
_PAUSE_S: Final = 1.0
_PAUSE_S_MAX: Final = 60.0
_SAY_S: Final = 300.0
"""How often it is said again that the store is away."""


@dataclass(frozen=True, slots=True)
class ArchiveOptions:
    """url: where to.  every_s: time between copies, at least.  keep: checkpoints that stay there."""

    url: str
    every_s: float = 10.0
    keep: int = 3


@dataclass
class _Known:
    """What is told of it, for people and metrics.  done_s: when the last checkpoint that was archived was taken, or
    this run took the archive.  error: of the last attempt, "" where that went well.
    """

    done_s: float = 0.0
    errors: int = 0
    error: str = ""
    last: Entry | None = None
    said_s: float = field(default=0.0)


class Archive:
    """Of one state directory.  job: its name.  run: of this run."""

    def __init__(self, options: ArchiveOptions, directory: Path, *, job: str, run: str) -> None:
        """Raises ConfigError for a URL that is none, and where obstore is not installed."""
        self._options, self._directory, self._job, self._run = options, directory, job, run
        self._objects = Objects(options.url)
        self._id = noted_id(directory) or uuid4().hex
        self._renew_s = max(options.every_s, _RENEW_S_LEAST)
        self._claim: Claim | None = None
        self._copier: Copier | None = None
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._failed: TakenOverError | None = None
        self._known = _Known()
        self.restored = False
        """Whether the state directory has what the archive had."""

    @property
    def _where(self) -> str:
        return f"archive {self._objects.url}"

    @contextmanager
    def held(self) -> Iterator["Archive"]:
        """For the life of a run: what was taken is said to be taken, until the end."""
        beat = threading.Thread(target=self._beat, name="driftnet-archive-beat", daemon=True)
        beat.start()
        try:
            yield self
        finally:
            self._over.set()
            beat.join(_RELEASE_S)

    def restore(self) -> bool:
        """Where the state directory has no state, and the archive has: takes the archive, and puts its last checkpoint
        into the directory.  Whether it did.

        Raises SnapshotError where the archive is another job's, is being written, or damaged; ObjectsError;
        CheckpointError where the directory cannot be written.
        """
        store = self._directory / _STORE
        if store.exists() and (is_held(self._directory) or read_checkpoint(store) is not None):
            return False
        found = read_head(self._objects)
        if found is None or not found[0].checkpoints:
            return False
        self._id = uuid4().hex
        _log.info("%s: nothing is in %s, the last checkpoint is fetched", self._where, self._directory)
        self._take(fetches=True)
        began_s = time.monotonic()
        try:
            entry = self._fetch()
        except OSError as error:
            raise CheckpointError(
                f"state directory {self._directory} cannot be written: {error.strerror or error}; make room, or name"
                " another"
            ) from error
        _log.info(
            "%s: going on from the checkpoint of %s, epoch %d, %s lines read: %s bytes in %.1f s",
            self._where, entry.taken, entry.epoch, f"{entry.read:,}", f"{entry.bytes:,}", time.monotonic() - began_s,
        )  # fmt: skip
        self.restored = True
        return True

    def _fetch(self) -> Entry:
        assert self._claim is not None
        fresh = self._directory / _RESTORED
        for found in found_in(self._objects, self._claim.head):
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
            try:
                assemble(self._objects, found, fresh)
            except SnapshotError as error:
                shutil.rmtree(fresh, ignore_errors=True)
                if found.entry is self._claim.head.checkpoints[0]:
                    raise
                _log.error("%s; the one before it is tried, from which more is read again", error)
                continue
            if found.archived.started_from is not None:
                (fresh / NAME).write_text(found.archived.started_from)
            if found.entry is not self._claim.head.checkpoints[-1]:  # what is damaged is not built upon
                good = self._claim.head.checkpoints
                self._claim.commit(good[: good.index(found.entry) + 1])
            sync(fresh)
            self._put_in_place(fresh)
            return found.entry
        raise AssertionError("an archive without checkpoints was taken to go on from")

    def _put_in_place(self, fresh: Path) -> None:
        """The store comes last: a directory without one has no state."""
        self._note()
        for path in sorted(fresh.iterdir(), key=lambda path: path.name == _STORE):
            there = self._directory / path.name
            if path.is_dir():
                shutil.rmtree(there, ignore_errors=True)
            path.replace(there)
        fresh.rmdir()
        sync(self._directory)

    def _take(self, *, fetches: bool) -> None:
        claim = Claim(self._objects, directory=self._id, job=self._job, run=self._run, renew_s=self._renew_s)
        head = claim.take(fetches=fetches)
        self._claim = claim
        self._known.last = head.checkpoints[-1] if head.checkpoints else None
        self._known.done_s = time.time()

    def _beat(self) -> None:
        while not self._over.wait(self._renew_s / 4):
            if self._claim is not None and self._failed is None:
                try:
                    self._claim.renew()
                except TakenOverError as error:
                    self._failed = error
                except DriftnetError as error:
                    _log.debug("%s: %s", self._where, error)  # whoever copies says so
        if self._claim is not None and self._failed is None:
            try:
                self._claim.release()
            except DriftnetError as error:
                _log.warning("%s: could not be told that this run has ended: %s", self._where, error)

    @contextmanager
    def running(self) -> Iterator[None]:
        """While the state directory is this run's: takes the archive, if that is not done, and copies each checkpoint
        that it has time for; at the end the last one.

        Raises SnapshotError where the archive is of another job, has other state, or is being written; ObjectsError
        where the store does not answer now: nobody knows whether another run has gone on.
        """
        if self._claim is None:
            self._take(fetches=False)
        assert self._claim is not None
        self._note()
        if self._copier is None:
            self._copier = Copier(self._objects, self._claim, self._directory, self._options.keep)
        if self._thread is not None:
            self._thread.join()
        over = threading.Event()
        thread = threading.Thread(target=self._work, args=(over,), name="driftnet-archive", daemon=True)
        thread.start()
        self._thread = thread
        try:
            yield
        finally:
            over.set()
            thread.join(_LAST_S)
            if thread.is_alive() or self._known.error:
                _log.warning(
                    "%s: the last checkpoint is not there (%s); it is on the disk, and archived when the run goes on",
                    self._where, self._known.error or "it takes too long",
                )  # fmt: skip

    def check(self) -> None:
        """Raises TakenOverError when another run has taken the archive."""
        if self._failed is not None:
            raise self._failed

    def started(self) -> None:
        """Processes are about to be started, on what is in the state directory."""
        if self._copier is not None:
            self._copier.doubt()

    def _work(self, over: threading.Event) -> None:
        wait_s, pause_s = min(self._options.every_s, _PAUSE_S), _PAUSE_S
        while not over.wait(wait_s):
            if self._attempt():
                wait_s, pause_s = self._options.every_s, _PAUSE_S
            else:
                wait_s, pause_s = pause_s, min(2 * pause_s, _PAUSE_S_MAX)
        until_s = time.monotonic() + _LAST_S / 2
        while not self._attempt() and time.monotonic() < until_s:
            time.sleep(_PAUSE_S)

    def _attempt(self) -> bool:
        """Copies what is new; whether that went well, or there is nothing more to do."""
        assert self._copier is not None
        if self._failed is not None:
            return True
        known = self._known
        try:
            entry = self._copier.copy()
        except TakenOverError as error:
            self._failed = error
            return True
        except (DriftnetError, OSError) as error:
            known.errors, known.error = known.errors + 1, str(error)
            self._note()
            if time.monotonic() - known.said_s > _SAY_S or not known.said_s:
                known.said_s = time.monotonic()
                ago = f"{max(time.time() - known.done_s, 0):.0f} s ago"
                _log.warning(
                    "%s: cannot be written now, the last checkpoint there is of %s: %s", self._where, ago, error
                )
            return False
        except Exception:  # of ours; the run is not to end for it
            known.errors, known.error = known.errors + 1, "an error of Driftnet's own, see the log"
            _log.exception("%s: the copy ended with an error", self._where)
            return False
        if known.said_s:
            _log.info("%s: is written again", self._where)
        known.error, known.said_s = "", 0.0
        if entry is not None:
            known.last, known.done_s = entry, _seconds(entry.taken)
            _log.debug("%s: epoch %d is there", self._where, entry.epoch)
            self._note()
        return True

    def numbers(self) -> Numbers:
        """What metrics say of it."""
        return {
            c.ARCHIVED.key(): self._known.done_s,
            c.ARCHIVE_ERRORS.key(): float(self._known.errors),
            c.ARCHIVE_BYTES.key(): float(self._copier.bytes if self._copier is not None else 0),
        }

    def _note(self) -> None:
        known = self._known
        write_note(self._directory, self._objects.url, self._id, known.last, known.errors, known.error)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
