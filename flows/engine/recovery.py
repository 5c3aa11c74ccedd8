"""The state directory: ours to lock, and to check that what is saved there belongs to this job."""

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from bytewax.recovery import RecoveryConfig, init_db_dir

from flows.engine.shape import check_shape
from flows.engine.stages import Stages
from state.errors import SnapshotError
from state.segments import Segments

_STORE: Final = "store"
_CHUNKS: Final = "chunks"
_COPYING: Final = "copying.lock"
_PARTS: Final = 4
"""Files of a new store, for its whole life: more of them resume faster, each costs some milliseconds per epoch."""


@contextmanager
def locked_state(directory: Path, stages: Stages, partitions: Sequence[str]) -> Iterator[Path]:
    """Creates or checks a state directory, and holds it.  Yields the path of Bytewax's recovery store in it.

    Raises SnapshotError when another run holds it, or when it is the state of a job of another shape.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SnapshotError(f"state directory {directory}: another run is using it; stop that one first") from None
        check_shape(directory, stages, partitions)
        yield _store(directory)


def recovery_config(store: Path | None) -> RecoveryConfig | None:
    """What Bytewax's entry points take."""
    return None if store is None else RecoveryConfig(store)  # type: ignore[no-untyped-call]


def chunks_beside(store: Path) -> Callable[[str, Any], Segments]:
    """(step, who) -> the chunks of that operator's snapshots, beside Bytewax's recovery store, which has the roots."""

    def chunks_of(step: str, who: Any) -> Segments:
        name = step if who is None else f"{step}-{quote(str(who), safe='')}"
        return Segments(store.with_name(_CHUNKS) / name, deleting=lambda: _deleting(store.with_name(_COPYING)))

    return chunks_of


@contextmanager
def copying(directory: Path) -> Iterator[None]:
    """While the files of a state directory are copied: a run that goes on meanwhile deletes none."""
    with (directory / _COPYING).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _deleting(file: Path) -> Iterator[bool]:
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _store(directory: Path) -> Path:
    store = directory / _STORE
    if not store.exists():
        # Renamed when complete: a kill in between must not leave half a set of files, which Bytewax refuses.
        fresh = directory / f"{_STORE}.new"
        if fresh.exists():
            for part in fresh.iterdir():
                part.unlink()
        fresh.mkdir(exist_ok=True)
        init_db_dir(fresh, _PARTS)  # type: ignore[no-untyped-call]
        fresh.rename(store)
    return store
