"""The state directory: ours to lock, and to check that what is saved there belongs to this job."""

import errno
import logging
import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from bytewax.recovery import (
    InconsistentPartitionsError,
    MissingPartitionsError,
    NoPartitionsError,
    RecoveryConfig,
    init_db_dir,
)

from flows.engine.lock import deleting, held_by_run
from flows.engine.names import key_name
from flows.engine.shape import check_shape
from flows.engine.store import PARTS, discard_keys, discard_uncommitted
from flows.filesystem import OF_ALL_HOSTS, OF_ONE_HOST, network_type
from flows.private import close_directory
from flows.stages import Stages
from state.errors import CheckpointError, SnapshotError
from state.segments import Segments

RECOVERY_ERRORS: Final = (InconsistentPartitionsError, MissingPartitionsError, NoPartitionsError)
"""What Bytewax says of a store that it cannot go on from."""
_log: Final = logging.getLogger("driftnet.engine")
_STORE: Final = "store"
CHUNKS: Final = "chunks"
_FILE_BYTES_MIN: Final = 64 << 20
"""What a file must be allowed to grow to: the engine ends without a word when one of its own may not."""


@contextmanager
def locked_state(
    directory: Path,
    stages: Stages,
    partitions: Sequence[str],
    host: int | None = None,
    *,
    network: bool = False,
) -> Iterator[Path]:
    """Creates or checks a state directory, and holds it.  Yields the path of Bytewax's recovery store in it.

    host: which one of several that form one cluster, and see the same directory; the first makes what is missing.
    network: somebody has said that no other host uses the network file system that it is on.  Raises SnapshotError when
    another run holds it, or when it is the state of a job of another shape; CheckpointError when it cannot be written,
    or is where the recovery store cannot work.
    """
    _check_place(directory, several=host is not None, alone=network)
    with ExitStack() as stack:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            close_directory(directory)
            _check_file_limit(directory)
            stack.enter_context(held_by_run(directory, host))
            if host:
                _wait_for(directory / _STORE)
            check_shape(directory, stages, partitions, note=not host)
            store = _store(directory)
        except OSError as error:
            raise CheckpointError(
                f"state directory {directory} cannot be written: {error.strerror}; make it writable, or name another"
            ) from error
        yield store


def _check_place(directory: Path, *, several: bool, alone: bool) -> None:
    """Refuses a network file system on which the recovery store cannot work: SQLite's write-ahead log needs locks, and
    memory that all processes map, and most of these file systems have them within one host at best.
    """
    kind = network_type(directory)
    if kind is None or kind in OF_ALL_HOSTS:
        return
    found = f"state directory {directory} is on a network file system ({kind})"
    if several:
        raise CheckpointError(
            f"{found}, where SQLite's write-ahead log cannot be shared by several hosts: the recovery store would be"
            f" damaged. Allowed for --addresses: {' and '.join(sorted(OF_ALL_HOSTS))}, whose mapped memory is that of"
            " all hosts; else run on one host with a disk of its own, see docs/deployment.md"
        )
    advice = "name one on a disk of this host; with --archive s3://... another host goes on from a copy of it"
    if kind not in OF_ONE_HOST:
        raise CheckpointError(f"{found} without the locks and the mapped memory that SQLite needs; {advice}")
    if not alone:
        raise CheckpointError(
            f"{found}, which SQLite's write-ahead log does not support; {advice}. If no other host ever uses the"
            " directory: --network-state"
        )
    _log.warning("%s; it works only as long as no other host opens anything in it", found)


def _check_file_limit(directory: Path) -> None:
    """Warns of a limit to the size of files, and refuses one that would soon be reached."""
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit == resource.RLIM_INFINITY:
        return
    found = f"state directory {directory}: files may not grow past {limit:,} bytes here (ulimit -f)"
    if limit < _FILE_BYTES_MIN:
        raise CheckpointError(f"{found}, expected no limit, or at least {_FILE_BYTES_MIN:,} bytes; raise it")
    _log.warning("%s; the engine is aborted when one does: better no limit", found)


def _wait_for(store: Path, patience_s: float = 120.0) -> None:
    until_s = time.monotonic() + patience_s
    while not store.exists():
        if time.monotonic() > until_s:
            raise SnapshotError(
                f"{store} does not exist after {patience_s:.0f} s: host 0 of the cluster makes it; is it started, and"
                " does it see the same directory?"
            )
        time.sleep(0.2)


def make_ready(store: Path, stages: Stages) -> None:
    """Deletes from a store what must not be there when processes begin: states of epochs that were not committed, and
    of keys that are gone, which are cohorts.
    """
    discard_uncommitted(store)
    for stage in stages.keyed:
        discard_keys(store, stage.name, {key_name(number) for number in stage.keys.values()})


def recovery_config(store: Path | None, epoch: timedelta) -> RecoveryConfig | None:
    """What Bytewax's entry points take.

    A process forgets older roots when an epoch is done in all of them, and may do so before another one has written
    down that it is: if that one is killed just then, the store is of no use any more. So roots stay for two epochs.
    """
    return None if store is None else RecoveryConfig(store, 2 * epoch)  # type: ignore[no-untyped-call]


def chunks_beside(store: Path) -> Callable[[str, Any], Segments]:
    """(step, who) -> the chunks of that operator's snapshots, beside Bytewax's recovery store, which has the roots."""

    def chunks_of(step: str, who: Any) -> Segments:
        return Segments(chunk_folder(store, step, who), deleting=lambda: deleting(store.parent))

    return chunks_of


def chunk_folder(store: Path, step: str, who: Any) -> Path:
    """Where the chunks of one operator are."""
    return store.with_name(CHUNKS) / folder_name(step, who)


def folder_name(step: str, who: Any) -> str:
    """What that folder is called."""
    return step if who is None else f"{step}-{quote(str(who), safe='')}"


def _store(directory: Path) -> Path:
    store = directory / _STORE
    if not store.exists():
        # Renamed when complete: a kill in between must not leave half a set of files, which Bytewax refuses.
        fresh = directory / f"{_STORE}.new"
        if fresh.exists():
            for part in fresh.iterdir():
                part.unlink()
        fresh.mkdir(exist_ok=True)
        try:
            init_db_dir(fresh, PARTS)  # type: ignore[no-untyped-call]
        except BaseException as error:  # a panic of Rust is no Exception
            if "disk is full" in str(error):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
            raise
        fresh.rename(store)
    return store
