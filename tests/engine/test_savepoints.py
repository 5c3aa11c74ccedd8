"""Savepoints: taken while a run goes on or after it, looked into, compared, and started from."""

import multiprocessing
import shutil
import time
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest

from detectors.ecod import EcodSpec
from flows.config import loads
from flows.config.models import Config
from flows.engine.plan import Options, Plan
from flows.engine.run import execute
from flows.evolution.saved_job import CONFIG_NOTE
from flows.savepoint.compare import compare
from flows.savepoint.copy import create, start
from flows.savepoint.look import opened
from flows.savepoint.manifest import damaged, read
from flows.savepoint.reset import reset_time
from flows.sources.base import Lines, Partition, Source
from state.chunks import Bundle
from state.errors import SnapshotError
from tests.engine.interrupted import run_until
from tests.engine.scenarios import SCENARIOS, Told, bytewax_plan, run_bytewax, run_local, same, write_files

NAME = "hot_card"


@cache
def config() -> Config:
    return loads(SCENARIOS[NAME].config, "scenario")


@cache
def job() -> Any:
    return config().job()


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Told:
    place = tmp_path_factory.mktemp("reference")
    return run_local(job(), write_files(NAME, 2, place), place / "out", 8192)


def options(state: Path, **more: Any) -> Options:
    return Options(**{"batch_lines": 200, "epoch_s": 0.0, "state_dir": state} | more)


@pytest.fixture
def half(tmp_path: Path) -> Path:
    """The state directory of a run that was stopped in the middle."""
    state = tmp_path / "state"
    run_until(6, job(), write_files(NAME, 2, tmp_path), tmp_path / "out", options(state))
    (state / CONFIG_NOTE).write_text(config().to_toml())
    return state


@dataclass(frozen=True)
class Slow:
    """A source that takes its time, so that there is some to copy in."""

    source: Source

    def partition_names(self) -> list[str]:
        return self.source.partition_names()

    def open(self, name: str) -> Partition:
        partition = self.source.open(name)
        read_fast = partition.read

        def read_slowly(max_lines: int) -> Lines | None:
            time.sleep(0.05)
            return read_fast(max_lines)

        partition.read = read_slowly  # type: ignore[method-assign]
        return partition


def _run(source: Source, place: Path) -> None:
    plan: Plan = bytewax_plan(job(), Slow(source), place / "out", options(place / "state", batch_lines=100))
    execute(replace(plan, notes={CONFIG_NOTE: config().to_toml()}))


@pytest.mark.parametrize("workers", [1, 3])
def test_taken_while_the_run_goes_on(tmp_path: Path, reference: Told, workers: int) -> None:
    """Copies of a run at work are whole; a run from each of them, on as many workers as one likes, says what a run that
    was never interrupted says; and the first run does not notice.
    """
    source = write_files(NAME, 2, tmp_path)
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(source, tmp_path))
    process.start()
    taken: list[Path] = []
    while process.is_alive() and len(taken) < 3:
        try:
            create(tmp_path / "state", tmp_path / f"copy{len(taken)}")
        except SnapshotError:  # before the first checkpoint
            time.sleep(0.05)
        else:
            taken.append(tmp_path / f"copy{len(taken)}")
            time.sleep(0.4)
    process.join()
    assert process.exitcode == 0
    assert len(taken) == 3
    epochs = [read(path).epoch for path in taken]
    assert epochs == sorted(set(epochs))
    for path in taken:
        assert list(damaged(path, read(path))) == []
        shutil.copytree(tmp_path / "out", tmp_path / f"out-{path.name}")
        start(path, tmp_path / f"state-{path.name}", positions=None)
        again = Options(state_dir=tmp_path / f"state-{path.name}", workers=workers)
        found, totals = run_bytewax(job(), source, tmp_path / f"out-{path.name}", again)
        same((found, totals), reference)


def test_sinks_are_left_as_they_are(tmp_path: Path, half: Path, reference: Told) -> None:
    """Unless they are to be cut back, files go on from where they stand: what follows the savepoint is added, and a
    restart does not add it twice.
    """
    source = write_files(NAME, 2, tmp_path)
    create(half, tmp_path / "copy")
    out = tmp_path / "elsewhere"
    out.mkdir()
    (out / "alerts.jsonl").write_text('{"of": "another run"}\n')
    stand = {stream: {"bytes": 0} for stream in ("drift", "late", "rejects", "scores")} | {"alerts": {"bytes": 22}}
    start(tmp_path / "copy", tmp_path / "state2", positions=lambda: stand)
    run_until(3, job(), source, out, options(tmp_path / "state2"))
    found, _ = run_bytewax(job(), source, out, options(tmp_path / "state2"))
    before = (tmp_path / "out" / "scores.jsonl").read_text().splitlines()
    assert sorted(before + found["scores"]) == reference[0]["scores"]
    assert found["alerts"].count('{"of": "another run"}') == 1
    assert set(found["alerts"]) - {'{"of": "another run"}'} <= set(reference[0]["alerts"])


def test_started_once(tmp_path: Path, half: Path) -> None:
    """The same start again goes on from what there is; another savepoint, or a directory in use, is refused."""
    create(half, tmp_path / "one")
    start(tmp_path / "one", tmp_path / "new", positions=None)
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "new").rglob("*")}
    start(tmp_path / "one", tmp_path / "new", positions=None)
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "new").rglob("*")} == before
    with pytest.raises(SnapshotError, match="has state of its own"):
        start(tmp_path / "one", half, positions=None)
    with pytest.raises(SnapshotError, match="exists; choose another name"):
        create(half, tmp_path / "one")


def test_what_is_no_savepoint(tmp_path: Path, half: Path) -> None:
    """Damage, a newer format and other directories are named."""
    create(half, tmp_path / "copy")
    (segment,) = list((tmp_path / "copy" / "chunks" / "subject-0").glob("*.seg"))[:1]
    data = segment.read_bytes()
    segment.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(SnapshotError, match=r"is damaged: chunks/subject-0/\d+.seg was changed"):
        start(tmp_path / "copy", tmp_path / "new", positions=None)
    assert not (tmp_path / "new").exists()
    manifest = tmp_path / "copy" / "savepoint.json"
    manifest.write_bytes(orjson.dumps(orjson.loads(manifest.read_bytes()) | {"format": 2}))
    with pytest.raises(SnapshotError, match="has format 2, this build reads 1"):
        start(tmp_path / "copy", tmp_path / "new", positions=None)
    with pytest.raises(SnapshotError, match="is no savepoint"):
        start(tmp_path / "out", tmp_path / "new", positions=None)
    with pytest.raises(SnapshotError, match="is no state directory"):
        create(tmp_path / "out", tmp_path / "copy2")
    assert not list(tmp_path.glob("*.new"))


def test_looking_changes_nothing(tmp_path: Path, half: Path) -> None:
    """Groups, users and models are told, and what is known of a user; the hot card has rows in open windows; a card
    that was never seen is not known.
    """
    create(half, tmp_path / "copy")
    before = {file: file.read_bytes() for file in (tmp_path / "copy").rglob("*") if file.is_file()}
    with opened(tmp_path / "copy") as look:
        described, hot, nobody = look.describe(), look.look_up("hot"), look.look_up("nobody")
    with opened(half) as live:
        assert live.describe() == described
    assert nobody is None
    assert hot is not None
    assert hot["name"] == "hot"
    assert sum(hot["windows"].values()) > 0
    assert set(hot["own_history"]["w10m"]["history"]["count"]) == {"mean", "var", "count"}
    assert described["users"] == sum(group["users"] for group in described["groups"].values()) > 10
    assert set(described["groups"]) == {"0", "1", "2"}
    assert set(described["cohorts"]["all"]["windows"]) == {"w10m", "visit"}
    assert described["cohorts"]["all"]["windows"]["w10m"]["model.trees.detector"] > 1000
    assert {f: f.read_bytes() for f in (tmp_path / "copy").rglob("*") if f.is_file() and f in before} == before


def test_what_the_state_of_users_consists_of_adds_up(half: Path) -> None:
    """Part by part, to nearly what a whole snapshot takes; users in windows are counted once."""
    with opened(half) as look:
        for operator in look.subjects.values():
            sizes = operator.sizes()
            assert {"open panes and event ids", "subjects", "window w10m", "window visit", "own history"} <= set(sizes)
            whole = len(Bundle.of(operator))
            assert 0.8 * whole < sum(sizes.values()) < 1.2 * whole
            assert 0 < operator.active() <= operator.users


def test_the_difference_is_told(tmp_path: Path, half: Path) -> None:
    """What grew, and what was set otherwise."""
    create(half, tmp_path / "copy")
    other = config().model_copy(deep=True)
    source = write_files(NAME, 2, tmp_path)
    uses = (*job().judgement.detectors, replace(job().judgement.detectors[0], name="more", spec=EcodSpec()))
    run_until(4, job().with_judgement(detectors=uses), source, tmp_path / "out", options(half))
    (half / CONFIG_NOTE).write_text(other.to_toml())
    with opened(tmp_path / "copy") as one, opened(half) as two:
        found = compare(one, two)
        assert compare(one, one) == {"figures": {}, "settings": []}
    assert found["settings"] == ["detector more is new"]
    before, after = found["figures"]["read"]
    assert before < after
    assert any(name.endswith("watermark_us") for name in found["figures"])


def test_a_partition_is_set_back(tmp_path: Path, half: Path, reference: Told) -> None:
    """As far as windows are closed, and no further; the run goes on from there, and says what it would have said."""
    with opened(half) as look:
        told = look.describe()
        times = {name: partition["watermark_us"] for name, partition in told["partitions"].items()}
        closed_us = max(operator._closed_us for operator in look.subjects.values())
    ahead = max(times, key=lambda name: times[name])
    done = reset_time(half, ahead)
    assert (done.before_us, done.after_us) == (times[ahead], closed_us)
    with opened(half) as look:
        now = look.describe()["partitions"]
    assert {name: p["watermark_us"] for name, p in now.items()} == times | {ahead: closed_us}
    source = write_files(NAME, 2, tmp_path)
    same(run_bytewax(job(), source, tmp_path / "out", options(half)), reference)


def test_what_cannot_be_set_back_is_refused(half: Path) -> None:
    """An unknown partition, a time before closed windows, a time that is no step back: nothing is changed."""
    with opened(half) as look:
        name, partition = next(iter(look.describe()["partitions"].items()))
    for of, to_us, said in (
        ("nobody", None, "no source partition 'nobody'; there are "),
        (name, 1, "windows are closed up to "),
        (name, partition["watermark_us"], "which is not after"),
    ):
        with pytest.raises(SnapshotError, match=said):
            reset_time(half, of, to_us)
    with opened(half) as look:
        assert look.describe()["partitions"][name] == partition
