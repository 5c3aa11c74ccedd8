"""Copies of a state directory: out of it, also while a run goes on, and into a new one."""

import logging
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from flows.engine.lock import copying
from flows.engine.store import copy_store, read_checkpoint, sink_state, totals_in
from flows.private import close_directory
from flows.savepoint.manifest import NAME, Manifest, describe, read, require_whole
from state.errors import SnapshotError

SINKS: Final = "sinks.json"
"""In a directory that was started from a savepoint: where its sinks begin instead of where the savepoint's stood."""
_STORE: Final = "store"
ARCHIVE_NOTE: Final = "archive.json"
"""In the state directory of a run that is archived: what it is called there (flows.archive)."""
SEEN: Final = "alerts-seen.jsonl"
"""In the state directory of a simulation: what was alerted, for the evaluation at its end."""
_LEFT_OUT: Final = shutil.ignore_patterns("*.lock", "lock*", "savepoints", "*.new", _STORE, ARCHIVE_NOTE)
_log: Final = logging.getLogger("driftnet")


def create(state_dir: Path, target: Path) -> Manifest:
    """A savepoint of the last checkpoint, complete or not at all.

    Raises SnapshotError when the target exists, or when there is no checkpoint yet.
    """
    inside = state_dir.resolve() in target.resolve().parents
    if not str(target).isprintable():
        raise SnapshotError(f"{str(target)!r} is no name for a savepoint; choose one of letters, digits and dashes")
    if inside and target.resolve().parent != (state_dir / "savepoints").resolve():
        raise SnapshotError(f"{target} would be a part of the state itself; give a name, or a path outside {state_dir}")
    if target.exists():
        raise SnapshotError(f"{target} exists; choose another name, savepoints are never overwritten")
    if not (state_dir / _STORE).is_dir():
        raise SnapshotError(f"{state_dir} is no state directory: it has no {_STORE}/; name the --state-dir of a run")
    fresh = target.with_name(f"{target.name}.new")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(fresh, ignore_errors=True)
        with copying(state_dir):
            # First the roots, then what they refer to: it is all there, and stays while we hold the lock.
            fresh.mkdir()
            checkpoint = copy_store(state_dir / _STORE, fresh / _STORE)
            shutil.copytree(state_dir, fresh, ignore=_LEFT_OUT, dirs_exist_ok=True)
        (fresh / NAME).unlink(missing_ok=True)
        close_directory(fresh)
        manifest = describe(fresh, checkpoint.epoch, totals_in(sink_state(checkpoint)))
        manifest.write(fresh)
        fresh.rename(target)
    except (OSError, shutil.Error) as error:
        why = error.strerror or error
        raise SnapshotError(f"{target} cannot be written: {why}; choose another place, or make room there") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return manifest


def start(savepoint: Path, state_dir: Path, positions: Callable[[], Mapping[str, Any]] | None) -> None:
    """Makes state_dir a copy of a savepoint; does nothing when it is one already, so that a start may be repeated.

    positions: where the run's sinks stand now, and are to go on; None to cut them back to where the savepoint left
    them.  Raises SnapshotError for a savepoint that is damaged, and for a directory that has other state.
    """
    manifest = read(savepoint)
    if goes_on(manifest, str(savepoint), state_dir):
        return
    require_whole(savepoint)
    fresh = made_anew(state_dir)
    for name in (NAME, *manifest.files):
        (fresh / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(savepoint / name, fresh / name)
    put_in_place(fresh, state_dir, positions)
    _log.info("%s starts from savepoint %s", state_dir, savepoint)


def goes_on(manifest: Manifest, savepoint: str, state_dir: Path) -> bool:
    """Whether state_dir was started from that savepoint before.  Raises SnapshotError where it has other state."""
    if not (state_dir / _STORE).exists():
        return False
    if (state_dir / NAME).exists() and read(state_dir) == manifest:
        _log.info("%s was started from savepoint %s before, and goes on", state_dir, savepoint)
        return True
    raise SnapshotError(
        f"state directory {state_dir} has state of its own: to go on from it leave out --from-savepoint; to start"
        f" from {savepoint} name an empty one"
    )


def made_anew(state_dir: Path) -> Path:
    """An empty directory beside it, to put together there what it is to be."""
    fresh = state_dir.with_name(f"{state_dir.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    return fresh


def put_in_place(fresh: Path, state_dir: Path, positions: Callable[[], Mapping[str, Any]] | None) -> None:
    """Makes the copy the state directory.  positions: see `start`."""
    if positions is None:
        (fresh / SINKS).unlink(missing_ok=True)
    else:
        checkpoint = read_checkpoint(fresh / _STORE, frozen=True)
        assert checkpoint is not None
        saved = sink_state(checkpoint).get("positions", {})
        moved = {"instead_of": saved, "now": {**saved, **positions()}}
        (fresh / SINKS).write_bytes(orjson.dumps(moved))
    if state_dir.exists():
        state_dir.rmdir()
    fresh.rename(state_dir)
