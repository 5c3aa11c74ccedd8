"""State whose rows and checksums are right, and whose content nobody would have saved: the run says so in one line."""

import pickle
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flows.savepoint.copy import create
from flows.savepoint.look import opened
from flows.savepoint.manifest import damaged, read
from flows.savepoint.reset import reset_time
from state.errors import SnapshotError
from state.snapshot import pack
from tests.engine.scenarios import run_bytewax, write_files
from tests.engine.test_savepoints import NAME, config, half, job, options  # noqa: F401 - fixtures


def change(state: Path, step: str, to: Any) -> None:
    """Puts what `to` makes of them in the place of all states of a step."""
    changed = 0
    for part in (state / "store").glob("*.sqlite3"):
        with closing(sqlite3.connect(part)) as db, db:
            for row, name, blob in db.execute("SELECT rowid, step_id, ser_change FROM snaps").fetchall():
                if name.endswith(f".{step}") and blob and (was := pickle.loads(blob)):
                    db.execute("UPDATE snaps SET ser_change = ? WHERE rowid = ?", [pickle.dumps(to(was)), row])
                    changed += 1
    assert changed


@pytest.mark.parametrize(
    ("step", "to", "said"),
    [
        ("ingest", lambda was: was | {"position": {"file": 3}}, "partition .*: saved state that makes no sense"),
        ("ingest", lambda was: [1], "partition .*: saved state that makes no sense"),
        ("ingest", lambda was: was | {"ingest": pack("ingest", 1, {}, {})}, "partition .*: saved state that makes no"),
        ("subject", lambda was: (was[0], pack("subject", 1, {}, {})), "key group .: saved state that makes no sense"),
        ("subject", lambda was: (was[0], b"x"), "subject: not a snapshot frame"),
        ("population", lambda was: (was[0], pack("population", 2, {}, {})), "cohort all: saved state that makes no"),
        ("alerts", lambda was: (was[0], pack("alerts", 2, {}, {})), "alert policy: saved state that makes no sense"),
        ("subject", lambda was: (*was, 3), "subject: saved state that makes no sense"),
        ("alerts", lambda was: 7, "alerts: saved state that makes no sense"),
        ("sinks", lambda was: was | {"positions": 3}, "positions of the sinks: saved state that makes no sense"),
    ],
)
def test_it_is_refused(half: Path, tmp_path: Path, step: str, to: Any, said: str) -> None:  # noqa: F811
    """Whichever stage it is of."""
    change(half, step, to)
    with pytest.raises(SnapshotError, match=said) as error:
        run_bytewax(job(), write_files(NAME, 2, tmp_path), tmp_path / "out", options(half))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("step", "to"),
    [
        ("ingest", lambda was: was | {"ingest": pack("ingest", 1, {}, {})}),
        ("ingest", lambda was: was | {"ingest": pack("ingest", 99, {}, {})}),
        ("ingest", lambda was: was | {"ingest": was["ingest"][:40]}),
        ("ingest", lambda was: was | {"ingest": "text"}),
        ("ingest", lambda _: [1]),
        ("subject", lambda was: (was[0], pack("subject", 1, {}, {}))),
        ("subject", lambda was: (was[0], pack("subject", 99, {}, {}))),
        ("subject", lambda was: (*was, 3)),
    ],
)
def test_its_time_cannot_be_reset(half: Path, step: str, to: Any) -> None:  # noqa: F811
    """Frames that are cut, of another version, or hold something else."""
    with opened(half) as look:
        partitions = look.describe()["partitions"]
    change(half, step, to)
    refused(half, max(partitions, key=lambda name: partitions[name]["watermark_us"]))


def test_what_is_no_state_directory_has_no_time_to_reset(half: Path, tmp_path: Path) -> None:  # noqa: F811
    """A savepoint stays as it is; a store that is cut, one that is empty, a file, nothing at all."""
    create(half, tmp_path / "copy")
    assert "is a savepoint, which stays as it was written" in refused(tmp_path / "copy", "p")
    assert list(damaged(tmp_path / "copy", read(tmp_path / "copy"))) == []
    part = half / "store" / "part-1.sqlite3"
    part.write_bytes(part.read_bytes()[:-5000])
    refused(half, "p")
    (tmp_path / "empty" / "store").mkdir(parents=True)
    (tmp_path / "file").touch()
    for place in ("empty", "file", "nothing"):
        refused(tmp_path / place, "p")


def refused(state: Path, partition: str) -> str:
    """What is said, in one line."""
    with pytest.raises(SnapshotError) as error:
        reset_time(state, partition)
    assert "\n" not in str(error.value)
    return str(error.value)
