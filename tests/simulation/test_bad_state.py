"""State directories that are full, read-only or damaged: said at once, with what to do, and nothing is made worse."""

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from flows.engine.plan import Options
from flows.engine.run import execute
from flows.engine.store import read_checkpoint
from state.errors import CheckpointError, DriftnetError, SnapshotError
from tests.engine.interrupted import run_until
from tests.engine.scenarios import SCENARIOS, Told, bytewax_plan, run_bytewax, run_local, same, write_files

NAME = "hot_card"
JOB = cache(SCENARIOS[NAME].job)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Told:
    place = tmp_path_factory.mktemp("reference")
    return run_local(JOB(), write_files(NAME, 2, place), place / "out", 8192)


@contextmanager
def small_disk(place: Path, options: str) -> Iterator[Path]:
    """A file system of its own; skips the test where none can be made."""
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"no file system can be mounted here: {made.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)


def contents(directory: Path) -> tuple[dict[str, bytes], object]:
    """All files but locks, the note of how the last run went, and Bytewax's store, in which a start leaves its number;
    what the store would go on from.
    """
    files = {
        str(file.relative_to(directory)): file.read_bytes()
        for file in sorted(directory.rglob("*"))
        if file.is_file() and file.parent.name != "store" and "lock" not in file.name and file.name != "run.json"
    }
    try:
        return files, read_checkpoint(directory / "store")
    except SnapshotError as error:
        return files, str(error)


@pytest.mark.parametrize(("processes", "size"), [(1, "700k"), (1, "1200k"), (2, "700k")])
def test_full_disk(tmp_path: Path, reference: Told, processes: int, size: str) -> None:
    """The run ends with a message, whether it is our files or the engine's that find no room; when there is room again
    the next one goes on, and nothing is lost or repeated.
    """
    source = write_files(NAME, 2, tmp_path)
    with small_disk(tmp_path / "disk", f"size={size}") as disk:
        options = Options(processes=processes, batch_lines=100, epoch_s=0.0, state_dir=disk / "state")
        with pytest.raises(CheckpointError, match=r"^[^\n]*(No space left on device|disk is full)[^\n]*$"):
            run_bytewax(JOB(), source, tmp_path / "out", options)
        remount(disk, "size=64m")
        same(run_bytewax(JOB(), source, tmp_path / "out", options), reference)


@pytest.mark.parametrize("size", ["60k", "200k"])
def test_disk_that_is_full_at_the_start(tmp_path: Path, size: str) -> None:
    """One line, whether there is no room for the engine's files or for the first of ours."""
    source = write_files(NAME, 2, tmp_path)
    with small_disk(tmp_path / "disk", f"size={size}") as disk:
        plan = bytewax_plan(JOB(), source, tmp_path / "out", Options(batch_lines=100, state_dir=disk / "state"))
        plan = replace(plan, notes={"config.toml": "#" * 200_000})
        with pytest.raises(CheckpointError, match=r"^state directory .* cannot be written: No space left on device"):
            execute(plan)


@pytest.mark.parametrize(("limit", "code"), [(1 << 20, 2), (1 << 30, 0)])
def test_files_that_may_not_grow(tmp_path: Path, limit: int, code: int) -> None:
    """A small limit is refused before anything is written, one that may do is told of."""
    (tmp_path / "events.jsonl").write_text("")
    config = '[sources.main]\nkind = "files"\npaths = ["events.jsonl"]\n[sinks]\nalerts = { kind = "console" }\n'
    (tmp_path / "job.toml").write_text(config)
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "run", "job.toml", "--state-dir", "state"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}, capture_output=True, text=True,
        check=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert f"files may not grow past {limit:,} bytes here (ulimit -f)" in done.stderr
    assert (tmp_path / "state" / "store").exists() == (not code)


def test_read_only_directory(tmp_path: Path) -> None:
    """Named before anything is read."""
    source = write_files(NAME, 2, tmp_path)
    with small_disk(tmp_path / "disk", "size=16m") as disk:
        run_until(3, JOB(), source, tmp_path / "out", Options(batch_lines=200, state_dir=disk / "state"))
        remount(disk, "ro")
        with pytest.raises(
            CheckpointError, match=r"state directory .*/disk/state cannot be written: Read-only file system"
        ):
            run_bytewax(JOB(), source, tmp_path / "out", Options(state_dir=disk / "state"))


def _flip(file: Path) -> None:
    """A bit in every kilobyte: somewhere is a chunk that is needed."""
    data = bytearray(file.read_bytes())
    data[500::1000] = bytes(byte ^ 1 for byte in data[500::1000])
    file.write_bytes(data)


def _largest(state: Path, pattern: str) -> Path:
    return max(state.glob(pattern), key=lambda file: file.stat().st_size)


def _checkpointed(state: Path) -> None:
    """All of Bytewax's log into the files themselves, so that damage to these is damage."""
    for part in state.glob("store/*.sqlite3"):
        with closing(sqlite3.connect(part)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "chunk flipped": (
        lambda s: _flip(_largest(s, "chunks/*/*.seg")),
        "corrupted snapshot: |not a snapshot frame|torn snapshot",
    ),
    "segment cut": (
        lambda s: os.truncate(_largest(s, "chunks/subject-0/*.seg"), 100),
        "ends at byte .* savepoint",
    ),
    "segments gone": (
        lambda s: shutil.rmtree(s / "chunks" / "population-all"),
        "cannot be read: No such file .* savepoint",
    ),
    "store cut": (
        lambda s: os.truncate(s / "store" / "part-2.sqlite3", 5000),
        "recovery store .*part-2.sqlite3.*savepoint",
    ),
    "store overwritten": (
        lambda s: (s / "store" / "part-1.sqlite3").write_bytes(b"no database" * 999),
        "recovery store .*part-1.sqlite3: file is not a database",
    ),
    "part gone": (lambda s: (s / "store" / "part-3.sqlite3").unlink(), "part-3.sqlite3 missing"),
    "stray copy": (
        lambda s: shutil.copy(s / "store" / "part-0.sqlite3", s / "store" / "part-0 copy.sqlite3"),
        "part-0 copy.sqlite3 does not belong there",
    ),
    "shape cut": (lambda s: os.truncate(s / "shape.json", 40), "shape.json is damaged"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_refused(tmp_path: Path, reference: Told, damage: str) -> None:
    """What is wrong and what to do is said; nothing is overwritten; with the files put back the run goes on."""
    source, state = write_files(NAME, 2, tmp_path), tmp_path / "state"
    options = Options(batch_lines=200, epoch_s=0.0, state_dir=state)
    run_until(6, JOB(), source, tmp_path / "out", options)
    _checkpointed(state)
    shutil.copytree(state, tmp_path / "kept")
    work, message = DAMAGE[damage]
    work(state)
    before = contents(state)
    with pytest.raises(DriftnetError, match=message) as caught:
        run_bytewax(JOB(), source, tmp_path / "out", options)
    assert isinstance(caught.value, SnapshotError)
    assert contents(state) == before
    shutil.rmtree(state)
    shutil.move(tmp_path / "kept", state)
    same(run_bytewax(JOB(), source, tmp_path / "out", options), reference)
