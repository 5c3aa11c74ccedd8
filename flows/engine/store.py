"""What Bytewax's recovery store holds, read without Bytewax; and what must not be in it when a run begins.

Not for a process in which a dataflow runs on the store: Bytewax brings an SQLite of its own, and when one library
closes a file, the locks that the other has on it are gone (POSIX).
"""

import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from flows.counters import restored
from flows.steps import Step
from state.errors import CheckpointError, SnapshotError
from state.pickles import dump_plain, load_plain

PARTS: Final = 4
"""Files of a store, for its whole life: more of them resume faster, each costs some milliseconds per epoch."""
_TABLES: Final = ("commits", "exs", "fronts", "parts", "snaps")
"""What Bytewax makes in each; triggers and views would be somebody else's."""


class NothingSavedError(SnapshotError):
    """No checkpoint is complete yet."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state that a run on the store would go on from.

    epoch: the first one that is not committed.  states: (step, key) -> what our snapshot() gave.
    """

    epoch: int
    states: Mapping[tuple[str, str], Any]

    def of_step(self, step: str) -> dict[str, Any]:
        """Key -> state, of the step of this name."""
        return {key: state for (name, key), state in self.states.items() if name.split(".")[-1] == step}


def read_checkpoint(store: Path, *, frozen: bool = False) -> Checkpoint | None:
    """None when nothing is committed yet.

    frozen: nobody has the files open, as those of a savepoint; then none is made beside them.  Raises SnapshotError for
    files that cannot be read, and for rows that are not plain values: Bytewax would run what they say.

    Epochs: a worker writes at the end of an epoch which one it begins; the cluster goes on from the least of them.
    """
    with ExitStack() as stack:
        parts = [stack.enter_context(closing(_open(path, frozen=frozen))) for path in _files(store)]
        with _reading(store):
            epoch = _resume_epoch(parts)
            states = _states(parts, epoch) if epoch is not None else {}
    return Checkpoint(epoch, states) if epoch is not None and states else None


@contextmanager
def _reading(store: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise SnapshotError(
            f"recovery store {store}: cannot be read: {error}; start from a savepoint, or in an empty directory"
        ) from error
    except SnapshotError as error:
        raise SnapshotError(
            f"recovery store {store}: {error}; start from a savepoint, or in an empty directory"
        ) from error


def sink_state(checkpoint: Checkpoint) -> dict[str, Any]:
    """What the sinks' snapshot gave: totals (`totals_in`), and "positions"."""
    return next(iter(checkpoint.of_step(Step.SINKS).values()), {})


def totals_in(state: Mapping[str, Any]) -> dict[str, int]:
    """The totals of a run, by key (flows.counters), in what the sinks' snapshot gave."""
    return restored(state.get("counts", {}), state.get("version", 1))


def copy_store(store: Path, target: Path, tries: int = 20) -> Checkpoint:
    """A copy of all parts as of one moment, also while a run writes to them; the checkpoint that is in it.

    Parts are files of their own, opened one after the other.  So the epoch is looked up before the first is opened:
    what it refers to is in all of them by then, whatever is written meanwhile, and what came later is taken out of the
    copy.  Of an epoch that was told in the last part, when the first was open already, a key's state may be missing in
    there: its lines would be neither in the state nor read again.  Where a part has forgotten meanwhile what the epoch
    still needs, or another run has begun, all is looked at again.

    Raises NothingSavedError when nothing is committed yet, SnapshotError.
    """
    for _ in range(tries):
        with _reading(store):
            run, epoch = _glance(store)
        if epoch is None:
            raise _nothing_saved(store)
        with ExitStack() as stack:
            parts = {path.name: stack.enter_context(closing(_open(path))) for path in _files(store)}
            with _reading(store):
                states = _states(list(parts.values()), epoch)
            commits = [c for db in parts.values() for (c,) in db.execute("SELECT commit_epoch FROM commits")]
            if max(commits, default=0) < epoch and _latest_run(parts.values()) == run:
                if not states:
                    raise _nothing_saved(store)
                target.mkdir(parents=True, exist_ok=True)
                for name, db in parts.items():
                    with closing(sqlite3.connect(target / name)) as copy:
                        db.backup(copy)
                        with copy:
                            copy.execute("DELETE FROM snaps WHERE snap_epoch >= ?", [epoch])
                            copy.execute("UPDATE fronts SET worker_frontier = min(worker_frontier, ?)", [epoch])
                return Checkpoint(epoch, states)
        time.sleep(0.05)
    raise SnapshotError(
        f"recovery store {store}: its parts were never seen at one epoch; try again, or stop the run first"
    )


def _nothing_saved(store: Path) -> NothingSavedError:
    return NothingSavedError(f"recovery store {store}: nothing is saved yet; wait for the first checkpoint")


def _glance(store: Path) -> tuple[int | None, int | None]:
    """The number of the latest run on the store, and the epoch that one would go on from; the files are not checked."""
    with ExitStack() as stack:
        uris = [f"{path.absolute().as_uri()}?mode=ro" for path in _files(store)]
        parts = [stack.enter_context(closing(sqlite3.connect(uri, uri=True))) for uri in uris]
        return _latest_run(parts), _resume_epoch(parts)


def _latest_run(parts: Iterable[sqlite3.Connection]) -> int | None:
    return max((number for db in parts for (number,) in db.execute("SELECT ex_num FROM exs")), default=None)


def _files(store: Path) -> list[Path]:
    """All parts, each once: Bytewax would take a copy that lies beside them for a further part."""
    found = sorted(store.glob("*.sqlite3"))
    expected = [store / f"part-{i}.sqlite3" for i in range(PARTS)]
    if found != expected:
        gone = ", ".join(path.name for path in expected if path not in found)
        stray = ", ".join(path.name for path in found if path not in expected)
        what = "; ".join([f"{gone} missing"] * bool(gone) + [f"{stray} does not belong there"] * bool(stray))
        raise SnapshotError(
            f"recovery store {store}: {what}; put the directory back as it was, or start from a savepoint"
        )
    return expected


def _open(path: Path, *, frozen: bool = False) -> sqlite3.Connection:
    how = "immutable=1" if frozen else "mode=ro"
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=10.0, isolation_level=None)
        db.execute("PRAGMA trusted_schema=OFF")
        db.execute("BEGIN")
        ((found,),) = db.execute("PRAGMA quick_check(1)")  # from here on the connection sees one moment
        if found != "ok":
            raise sqlite3.DatabaseError(" ".join(found.split()))
        there = {name: kind for kind, name in db.execute("SELECT type, name FROM sqlite_schema WHERE type <> 'index'")}
        if there != dict.fromkeys(_TABLES, "table"):
            raise sqlite3.DatabaseError(f"has {', '.join(sorted(there)) or 'no tables'}, expected {', '.join(_TABLES)}")
    except (sqlite3.Error, UnicodeDecodeError) as error:  # names and messages may hold any bytes
        raise SnapshotError(
            f"recovery store {path}: {' '.join(str(error).split())}; put the file back as it was, start from a"
            " savepoint, or in an empty directory"
        ) from error
    return db


def discard_uncommitted(store: Path) -> int:
    """Deletes the states of epochs that were not committed, and returns how many there were.

    Bytewax leaves them where they are.  A run that goes on counts the same epochs again, and where a key has nothing to
    do in one of them its old row is not replaced: once that epoch is committed the row would be taken for the key's
    state, although it knows of lines that are read again.  Only while no process works on the store.
    """
    with ExitStack() as stack, _reading(store):
        epoch = _resume_epoch([stack.enter_context(closing(_open(path))) for path in _files(store)])
    if epoch is None:
        return 0
    found = 0
    try:
        for path in _files(store):
            with closing(sqlite3.connect(path, timeout=10.0)) as db, db:
                found += db.execute("DELETE FROM snaps WHERE snap_epoch >= ?", [epoch]).rowcount
    except sqlite3.Error as error:
        raise CheckpointError(f"recovery store {store} cannot be written: {error}; make it writable") from error
    return found


def discard_keys(store: Path, step: str, kept: Collection[str]) -> None:
    """Deletes what there is of the other keys of a step, which are gone for good.  Only while no process works on the
    store.
    """
    try:
        for path in _files(store):
            with closing(sqlite3.connect(path, timeout=10.0)) as db, db:
                found = db.execute("SELECT DISTINCT step_id, state_key FROM snaps").fetchall()
                gone = [(name, key) for name, key in found if name.split(".")[-1] == step and key not in kept]
                db.executemany("DELETE FROM snaps WHERE step_id = ? AND state_key = ?", gone)
    except sqlite3.Error as error:
        raise CheckpointError(f"recovery store {store} cannot be written: {error}; make it writable") from error


def replace_states(store: Path, checkpoint: Checkpoint, states: Mapping[tuple[str, str], Any]) -> None:
    """Puts other states in the place of some of a checkpoint, and removes what else there is of these keys for good,
    from the files' free pages too.  Only while no process works on the store.
    """
    try:
        for path in _files(store):
            with closing(sqlite3.connect(path, timeout=10.0, isolation_level=None)) as db:
                db.execute("PRAGMA secure_delete=ON")
                db.execute("BEGIN IMMEDIATE")
                for (step, key), state in states.items():
                    of_key = "FROM snaps WHERE step_id = ? AND state_key = ?"
                    latest = db.execute(
                        f"SELECT max(snap_epoch) {of_key} AND snap_epoch < ?", [step, key, checkpoint.epoch]
                    )
                    ((at,),) = latest.fetchall()
                    db.execute(f"DELETE {of_key} AND snap_epoch IS NOT ?", [step, key, at])
                    change = [dump_plain(state), step, key]
                    db.execute("UPDATE snaps SET ser_change = ? WHERE step_id = ? AND state_key = ?", change)
                db.execute("COMMIT")
                db.execute("VACUUM")
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise CheckpointError(f"recovery store {store} cannot be written: {error}; make it writable") from error


def latest_execution(store: Path) -> int:
    """Bytewax's number of the last run that began on the store, -1 for none."""
    with ExitStack() as stack:
        parts = [stack.enter_context(closing(_open(path))) for path in _files(store)]
        latest = _latest_run(parts)
    return -1 if latest is None else latest


def saved_epoch(store: Path) -> tuple[int, float] | None:
    """The epoch that a run would go on from, and when the files were last written (seconds since 1970); None where
    nothing is saved, or nobody can say now.  A glance: the files are not checked.
    """
    try:
        _, epoch = _glance(store)
        written = [p.stat().st_mtime for f in _files(store) for p in (f, Path(f"{f}-wal")) if p.exists()]
    except (sqlite3.Error, OSError, SnapshotError):
        return None
    return None if epoch is None else (epoch, max(written))


def saved_keys(store: Path, steps: Collection[str]) -> frozenset[tuple[str, str]]:
    """(step, key) of the states that a run will be given, of these steps.  After `discard_uncommitted`."""
    query = "SELECT DISTINCT step_id, state_key FROM snaps WHERE ser_change IS NOT NULL"
    with ExitStack() as stack, _reading(store):
        parts = [stack.enter_context(closing(_open(path))) for path in _files(store)]
        found = {(step.split(".")[-1], key) for db in parts for step, key in db.execute(query)}
    return frozenset(where for where in found if where[0] in steps)


def _resume_epoch(parts: list[sqlite3.Connection]) -> int | None:
    """Where Bytewax goes on: at the least epoch that a worker of the latest run has begun, those that have told none
    being where that run began.
    """
    runs = [row for db in parts for row in db.execute("SELECT ex_num, resume_epoch, worker_count FROM exs")]
    if not runs:
        return None
    latest, resumed, workers = max(runs)
    fronts = [
        epoch
        for db in parts
        for (epoch,) in db.execute("SELECT worker_frontier FROM fronts WHERE ex_num = ?", [latest])
    ]
    return min(fronts) if len(fronts) == workers else resumed


def _states(parts: list[sqlite3.Connection], epoch: int) -> dict[tuple[str, str], Any]:
    """All rows are looked at, also those that do not count: which ones Bytewax reads is its own affair."""
    query = "SELECT step_id, state_key, snap_epoch, ser_change FROM snaps ORDER BY snap_epoch"
    found: dict[tuple[str, str], Any] = {}
    for db in parts:
        for step, key, saved, change in db.execute(query):
            state = None if change is None else load_plain(change, f"{step}, key {key!r}, epoch {saved}")
            if saved < epoch:
                found[step, key] = state
    return {where: state for where, state in found.items() if state is not None}
