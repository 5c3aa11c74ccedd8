"""Who may use a state directory: one run at a time, on one host or on several, and no process that an earlier one left.

Locks are `flock`s: they end with the process that holds them, however it ends. Files are opened for reading and
writing: NFS grants a shared lock for the one and an exclusive lock for the other only.

A process of a run whose parent was killed may still be starting, with no lock yet, when the next run looks. So a run
first writes its name into the file that it holds, and then waits for the locks of processes that are at work; a process
first takes its lock, and then reads whose run it is. Whatever the order, one of them sees the other.
"""

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Final

from state.errors import SnapshotError

_RUN: Final = "lock"
_COPYING: Final = "copying.lock"
_TICK_S: Final = 0.1


@contextmanager
def held_by_run(directory: Path, host: int | None = None, patience_s: float = 30.0) -> Iterator[None]:
    """For the life of a run.  host: which one of several that form one cluster, None for a run on one host.

    Raises SnapshotError when another run holds the directory, or when processes of an earlier one stay longer than
    patience_s.
    """
    with ExitStack() as stack:
        run = stack.enter_context((directory / _RUN).open("a+"))
        if not _taken(run, fcntl.LOCK_EX if host is None else fcntl.LOCK_SH):
            raise SnapshotError(f"state directory {directory}: another run is using it; stop that one first")
        if host is not None:
            run = stack.enter_context(_run_file(directory, host).open("a+"))
            if not _taken(run):
                raise SnapshotError(
                    f"state directory {directory}: another run is using it as host {host} of its cluster"
                )
        run.truncate(0)
        run.write(secrets.token_hex(8))
        run.flush()
        left = directory.glob("member-*.lock") if host is None else [_member(directory, host)]
        for file in left:
            _wait_until_free(directory, file, patience_s)
        yield


def is_held(directory: Path) -> bool:
    """Whether a run is using the directory, by the system's table of locks: to try would be to take it for a moment."""
    try:
        file, table = (directory / _RUN).stat(), Path("/proc/locks").read_text()
    except FileNotFoundError:
        return False
    where = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    return any(line.split()[1] == "FLOCK" and line.split()[5] == where for line in table.splitlines())


def run_holding(directory: Path, host: int | None = None) -> str:
    """The name of the run that holds the directory, or held it last; no two have the same."""
    return _run_file(directory, host).read_text()


@contextmanager
def held_by_member(directory: Path, index: int, run: str, host: int | None = None, since: int = -1) -> Iterator[None]:
    """For the life of one process of a run.  run: what `run_holding` said to its parent.  since: the latest execution
    when it was started.

    Raises SnapshotError when another run has the directory now, or a process of an earlier one.
    """
    with _member(directory, index).open("a+") as lock:
        if not _taken(lock):
            raise SnapshotError(f"state directory {directory}: process {index} of an earlier run is still at work")
        if run_holding(directory, host) != run:
            raise SnapshotError(f"state directory {directory}: another run has taken it over while this one started")
        lock.truncate(0)
        lock.write(str(since))
        lock.flush()
        yield


def wait_for_other_hosts(directory: Path, host: int, latest: int, patience_s: float = 60.0) -> None:
    """Returns when all processes of other hosts that took part in the latest execution have ended; those that were
    started since then wait for this host's.  Raises SnapshotError when one does not end.
    """
    for file in directory.glob("member-*.lock"):
        if file != _member(directory, host):
            _wait_until_free(directory, file, patience_s, unless=str(latest))


@contextmanager
def copying(directory: Path) -> Iterator[None]:
    """While files of the directory are copied: a run that goes on meanwhile deletes none."""
    with (directory / _COPYING).open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def deleting(directory: Path) -> Iterator[bool]:
    """Around the deletion of files; False while they are being copied."""
    with (directory / _COPYING).open("a+") as lock:
        yield _taken(lock, fcntl.LOCK_SH)


def _run_file(directory: Path, host: int | None) -> Path:
    return directory / (_RUN if host is None else f"{_RUN}-{host}")


def _member(directory: Path, index: int) -> Path:
    return directory / f"member-{index}.lock"


def _wait_until_free(directory: Path, file: Path, patience_s: float, unless: str = "never") -> None:
    """The processes of a run whose parent was killed stop by themselves, after a last checkpoint."""
    until_s = time.monotonic() + patience_s
    with file.open("a+") as lock:
        while not _taken(lock) and file.read_text() != unless:
            if time.monotonic() > until_s:
                raise SnapshotError(
                    f"state directory {directory}: a process of an earlier run has not stopped ({file.name} is held);"
                    " end it, then start again"
                )
            time.sleep(_TICK_S)


def _taken(lock: IO[str], how: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
