"""Who may write an archive: one state directory of one job, by compare-and-swap on its head.

Each run that takes an archive raises its generation, and each change of the head asks that it is what this run left
there. So a run that was taken for dead, because it was cut off or asleep, finds out with its next write, and ends: what
it has written meanwhile nothing refers to.
"""

import logging
import socket
import threading
import time
from typing import Final

import msgspec

from flows.archive.head import HEAD, Entry, Head, read_head
from flows.objects import Objects, ObjectTakenError, Tag
from state.errors import SnapshotError

_PATIENCE: Final = 4
"""A run whose head does not change for so many of its periods is taken for dead."""
_TICK_S: Final = 0.5
_log: Final = logging.getLogger("driftnet.archive")


class TakenOverError(SnapshotError):
    """Another run has taken the archive: it goes on with the job, and this one must not."""


class Claim:
    """The right to change an archive's head.  For several threads.

    directory: the id of the state directory.  job: its name.  run: of this run.  renew_s: how often it will be renewed
    at least.
    """

    def __init__(self, objects: Objects, *, directory: str, job: str, run: str, renew_s: float) -> None:
        self._objects = objects
        self._directory, self._job, self._run, self._renew_s = directory, job, run, renew_s
        self._lock = threading.Lock()
        self._tag: Tag = {}
        self._head: Head | None = None
        self._written_s = 0.0

    @property
    def head(self) -> Head:
        """As this run left it; only after `take`."""
        assert self._head is not None
        return self._head

    def take(self, *, fetches: bool) -> Head:
        """Takes the archive, and returns its head.  fetches: whether the state directory is about to be filled from it;
        one that is not must be the one that was copied there, or the archive empty.

        Where another directory's run has not said that it has ended, waits until it can be taken for dead.  Raises
        SnapshotError where that goes on, and for an archive of another job or of other state; ObjectsError.
        """
        while True:
            found = read_head(self._objects)
            if found is None:
                taken = self._fresh()
            else:
                self._check(found[0], fetches=fetches)
                if found[0].directory != self._directory and not found[0].released:
                    self._wait_for(*found)
                taken = self._put(self._mine(found[0]), found[1])
            if taken:
                return self.head

    def _fresh(self) -> bool:
        head = Head(self._job, self._directory, 1, self._run, socket.gethostname(), self._renew_s)
        if not self._put(head, None):
            return False
        try:
            self._objects.put(HEAD, head.to_bytes(), fresh=True)
        except ObjectTakenError:
            return True
        raise SnapshotError(
            f"{self._objects.url}: the store writes over an object although it is told not to (If-None-Match), so that"
            " two runs could write one archive; use one that knows conditional writes, as S3 and Google's do"
        )

    def _mine(self, head: Head) -> Head:
        return msgspec.structs.replace(
            head,
            directory=self._directory,
            generation=head.generation + 1,
            run=self._run,
            host=socket.gethostname(),
            renew_s=self._renew_s,
            renewed=0,
            released=False,
        )

    def _check(self, head: Head, *, fetches: bool) -> None:
        where = f"archive {self._objects.url}"
        if head.job != self._job:
            raise SnapshotError(
                f"{where} is of the job {head.job!r}, this one is {self._job!r}; give each job an archive of its own."
                f" To begin this one with the state of that one: --from-savepoint {self._objects.url}"
            )
        if not fetches and head.directory != self._directory and head.checkpoints:
            raise SnapshotError(
                f"{where} has other state than the state directory: run {head.run} on host {head.host} has written it"
                f" since (checkpoint of {head.checkpoints[-1].taken}). To go on with what is archived, name an empty"
                " --state-dir; to go on with this directory, name another --archive"
            )

    def _wait_for(self, head: Head, tag: Tag) -> None:
        """Returns when a writer has been silent for long enough.  Raises SnapshotError when it is not."""
        wait_s = _PATIENCE * head.renew_s
        _log.info(
            "archive %s: run %s on host %s has not said that it has ended; waiting %.0f s to see whether it goes on",
            self._objects.url, head.run, head.host, wait_s,
        )  # fmt: skip
        until_s = time.monotonic() + wait_s
        while time.monotonic() < until_s:
            time.sleep(min(_TICK_S, head.renew_s))
            found = read_head(self._objects)
            if found is None or found[1] != tag:
                raise SnapshotError(
                    f"archive {self._objects.url} is being written by run {head.run} on host {head.host}; stop that one"
                    " first, or give this one an archive of its own"
                )

    def commit(self, entries: tuple[Entry, ...]) -> None:
        """The archive has these checkpoints now.  Raises TakenOverError, ObjectsError."""
        self._change(checkpoints=entries)

    def renew(self) -> None:
        """Says that this run goes on, if it has not just done so.  Raises TakenOverError, ObjectsError."""
        if time.monotonic() - self._written_s >= 0.6 * self._renew_s:
            self._change()

    def release(self) -> None:
        """Says that this run has ended.  Raises TakenOverError, ObjectsError."""
        self._change(released=True)

    def _change(self, **changes: object) -> None:
        with self._lock:
            head = self.head
            # Each version is unlike all others, so that one who watches sees that somebody is there.
            fresh = msgspec.structs.replace(head, renewed=head.renewed + 1, **changes)
            if not self._put(fresh, self._tag):
                found = read_head(self._objects)
                whose = f"run {found[0].run} on host {found[0].host}" if found else "somebody who deleted it"
                raise TakenOverError(
                    f"archive {self._objects.url} was taken over by {whose}: this run was ended, so that nothing is"
                    " done twice. If that was a mistake, stop the other one, and name another --archive for this state"
                    " directory"
                )

    def _put(self, head: Head, tag: Tag | None) -> bool:
        """False where the head was not what it should be."""
        data = head.to_bytes()
        try:
            self._tag = self._objects.put(HEAD, data, instead_of=tag, fresh=tag is None)
        except ObjectTakenError:
            # An answer that was lost: what was tried again had been done.
            found = self._objects.get_tagged(HEAD)
            if found[0] != data:
                return False
            self._tag = found[1]
        self._head, self._written_s = head, time.monotonic()
        return True
