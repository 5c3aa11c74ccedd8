"""What a run may find in Bytewax's store, and which of it counts."""

import pickle
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from bytewax.recovery import init_db_dir

from flows.engine import store as stores
from flows.engine.store import PARTS, copy_store, discard_uncommitted, latest_execution, read_checkpoint
from state.errors import SnapshotError
from tests.unit.state.test_pickles import Touches

Row = tuple[object, ...]


def store(place: Path, exs: list[Row], fronts: list[Row], snaps: list[Row]) -> Path:
    """Rows go to different parts, as they do in a real one.  exs: (number, workers, resume epoch); fronts: (number,
    worker, epoch); snaps: (key, epoch, state).
    """
    init_db_dir(place, PARTS)  # type: ignore[no-untyped-call]
    for table, columns, rows in (
        ("exs", "ex_num, worker_count, resume_epoch", exs),
        ("fronts", "ex_num, worker_index, worker_frontier", fronts),
        ("snaps", "step_id, state_key, snap_epoch, ser_change", [("f.s", k, e, pickle.dumps(s)) for k, e, s in snaps]),
    ):
        for i, row in enumerate(rows):
            with closing(sqlite3.connect(place / f"part-{i % PARTS}.sqlite3")) as db, db:
                marks = ", ".join("?" * len(row))
                db.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", row)
    return place


def test_what_was_not_committed_goes(tmp_path: Path) -> None:
    """Key b was saved at the end of epoch 7, which nobody committed.  The next run may have nothing for b in its epoch
    7, and must not find the old row once that is over.
    """
    rows: list[Row] = [("a", 5, 1), ("a", 6, 2), ("b", 5, 10), ("b", 7, 1000), ("a", 8, 3)]
    place = store(tmp_path, [(0, 2, 1), (1, 2, 4)], [(0, 0, 4), (0, 1, 4), (1, 0, 7), (1, 1, 8)], rows)
    assert discard_uncommitted(place) == 2
    checkpoint = read_checkpoint(place)
    assert checkpoint is not None
    assert (checkpoint.epoch, checkpoint.of_step("s")) == (7, {"a": 2, "b": 10})
    assert discard_uncommitted(place) == 0
    assert latest_execution(place) == 1


@pytest.mark.parametrize(
    ("fronts", "epoch"),
    [([(3, 0, 9), (3, 1, 8)], 8), ([(3, 0, 9)], 6), ([], 6), ([(2, 0, 6), (2, 1, 6)], 6)],
    ids=["all workers told", "one told nothing", "nobody told", "only of the run before"],
)
def test_where_bytewax_goes_on(tmp_path: Path, fronts: list[Row], epoch: int) -> None:
    """A worker that has not told its epoch yet is where the run began (measured on Bytewax 0.21.1)."""
    checkpoint = read_checkpoint(store(tmp_path, [(2, 1, 1), (3, 2, 6)], fronts, [("a", 1, 1)]))
    assert checkpoint is not None
    assert checkpoint.epoch == epoch


@pytest.mark.parametrize(("front", "state"), [(3, 0), (0, 3)], ids=["told too late", "written too late"])
def test_a_copy_while_a_run_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, front: int, state: int) -> None:
    """Between two parts that are opened the run ends epoch 5, in which key b has its first state: one part has the
    state, another one says that epoch 6 has begun.  The copy is of the epoch before, and has nothing of b.
    """
    (tmp_path / "store").mkdir()
    place = store(tmp_path / "store", [(0, 1, 1)], [], [("a", 4, 1)])

    def write(part: int, what: str, *values: object) -> None:
        with closing(sqlite3.connect(place / f"part-{part}.sqlite3")) as db, db:
            db.execute(what, values)

    write(front, "INSERT INTO fronts (ex_num, worker_index, worker_frontier) VALUES (0, 0, 5)")
    open_part, opened = stores._open, list[str]()

    def slowly(path: Path, *, frozen: bool = False) -> sqlite3.Connection:
        opened.append(path.name)
        if path.name == "part-2.sqlite3":
            saved = "INSERT INTO snaps (step_id, state_key, snap_epoch, ser_change) VALUES ('f.s', 'b', 5, ?)"
            write(state, saved, pickle.dumps(24))
            write(front, "UPDATE fronts SET worker_frontier = 6")
        return open_part(path, frozen=frozen)

    monkeypatch.setattr(stores, "_open", slowly)
    copied = copy_store(place, tmp_path / "copy")
    monkeypatch.undo()
    assert opened == [f"part-{i}.sqlite3" for i in range(PARTS)]
    assert (copied.epoch, copied.of_step("s")) == (5, {"a": 1})
    assert read_checkpoint(tmp_path / "copy") == copied
    now = read_checkpoint(place)
    assert now is not None
    assert (now.epoch, now.of_step("s")) == (6, {"a": 1, "b": 24})


@pytest.mark.parametrize("epoch", [1, 5, 99], ids=["old", "the latest", "never committed"])
def test_a_row_that_would_run_something_is_refused(tmp_path: Path, epoch: int) -> None:
    """Whichever row it is in: Bytewax, which reads rows without a list of what they may name, is not started on it."""
    rows: list[Row] = [("a", 3, 1), ("b", epoch, Touches(tmp_path / "made"))]
    place = store(tmp_path, [(0, 1, 1)], [(0, 0, 6)], rows)
    with pytest.raises(SnapshotError, match=rf"f.s, key 'b', epoch {epoch}: holds .*, expected plain values only"):
        read_checkpoint(place)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("CREATE TRIGGER t AFTER DELETE ON snaps BEGIN DELETE FROM exs; END", "commits, exs, fronts, parts, snaps, t"),
        ("CREATE VIEW snaps2 AS SELECT 1", "snaps2, expected"),
        ("DROP TABLE snaps", "has commits, exs, fronts, parts, expected"),
    ],
)
def test_tables_of_somebody_else(tmp_path: Path, statement: str, message: str) -> None:
    """A store has Bytewax's tables, nothing that acts by itself, and nothing missing."""
    place = store(tmp_path, [(0, 1, 1)], [(0, 0, 6)], [("a", 3, 1)])
    with closing(sqlite3.connect(place / "part-2.sqlite3")) as db, db:
        db.execute(statement)
    for use in (read_checkpoint, discard_uncommitted, latest_execution):
        with pytest.raises(SnapshotError, match=message):
            use(place)


def test_a_store_that_nobody_used(tmp_path: Path) -> None:
    """There is nothing to delete, and no execution."""
    place = store(tmp_path, [], [], [])
    assert discard_uncommitted(place) == 0
    assert latest_execution(place) == -1


@pytest.mark.parametrize("word", [b"table", b"snaps", b"CREATE", b"state_key"])
def test_words_that_are_no_text(tmp_path: Path, word: bytes) -> None:
    """What describes the tables may hold any bytes: it is damage like any other."""
    part = store(tmp_path, [(0, 1, 1)], [], [("a", 1, 1)]) / "part-0.sqlite3"
    whole = part.read_bytes()
    at = whole.index(b"snapssnaps") - len(b"table")
    at = whole.index(word, at)
    part.write_bytes(whole[:at] + b"\x80" + whole[at + 1 :])
    with pytest.raises(SnapshotError, match=r"^recovery store "):
        read_checkpoint(tmp_path)
