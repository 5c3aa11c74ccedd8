"""Savepoints of all versions are read by this build, and go on as if nothing had happened."""

import json
import multiprocessing
import signal
import tarfile
from pathlib import Path

import pytest

from flows.config import loads
from flows.engine.plan import Options, Plan, partitions_of
from flows.engine.run import execute
from flows.evolution.fates import FateKind
from flows.evolution.saved_job import CONFIG_NOTE, fates_against, unsaid_layout
from flows.job_stages import JobStages
from flows.savepoint.copy import start
from flows.savepoint.look import opened
from flows.sources.base import Source
from flows.stages import Stages
from state.errors import SnapshotError, SnapshotVersionError
from state.snapshot import pack, unpack
from tests.engine.interrupted import AtRead, die
from tests.engine.scenarios import SCENARIOS, STREAMS, openers, run_bytewax, run_local, told
from tests.golden.make import FOLDER, SCENARIO, source

FATES = ("read", "accepted", "late", "duplicate", "rejected", "balanced", "evicted")
VERSIONS = sorted(FOLDER.glob("v*.tar.gz"))


@pytest.fixture(params=VERSIONS, ids=lambda path: path.name.partition(".")[0])
def savepoint(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path, filter="data")
    (tmp_path / request.param.name.partition(".")[0]).touch()
    return tmp_path / "savepoint"


def test_it_goes_on(savepoint: Path, tmp_path: Path) -> None:
    """What was written before the savepoint and what is written after it are together what a quiet run writes.

    But for version 1, whose probabilities meant something else: its models and counts go on, its calibration and its
    evidence start cold.
    """
    files, job = source(tmp_path), SCENARIOS[SCENARIO].job()
    quiet, quiet_totals = run_local(job, files, tmp_path / "quiet", 8192)
    start(savepoint, tmp_path / "state", positions=lambda: dict.fromkeys(quiet))
    found, totals = run_bytewax(job, files, tmp_path / "out", Options(workers=2, state_dir=tmp_path / "state"))
    assert {name: totals[name] for name in FATES} == {name: quiet_totals[name] for name in FATES}
    if savepoint.with_name("v1").exists():
        assert 0 < len(found["scores"]) < len(quiet["scores"])
        return
    assert totals == quiet_totals
    for stream, records in found.items():
        assert set(records) <= set(quiet[stream])
    assert 0 < len(found["scores"]) < len(quiet["scores"])
    assert len(found["alerts"]) >= 10


def test_it_goes_on_with_one_more_feature(savepoint: Path, tmp_path: Path) -> None:
    """Of state that does not say what it is made of, the configuration beside it does; also after a kill, when some of
    it says so, and some does not.
    """
    files, before = source(tmp_path), loads(SCENARIOS[SCENARIO].config, "scenario")
    large = '[features.large]\nkind = "max"\ncolumn = "amount"\n'
    more = SCENARIOS[SCENARIO].config.replace("[features.shops]", f"{large}[features.shops]")
    config = loads(more + '[detectors.amounts]\ntype = "ecod"\nfeatures = ["count", "total"]\n', "scenario")
    state = tmp_path / "state"
    start(savepoint, state, positions=lambda: dict.fromkeys(map(str, STREAMS)))
    assert [fate.why for fate in fates_against(savepoint, config) if fate.kind is FateKind.COLD] == [
        "feature large is new: it has no value in windows that began before (w10m, visit)",
        "detector amounts is new: it starts cold",
        "detector trees on w10m, visit: its features are others: it starts cold there",
        "detector history on w10m: its features are others: it starts cold there",
    ]
    options = Options(workers=2, batch_lines=100, epoch_s=0.0, state_dir=state)

    def stages() -> Stages:
        return JobStages(config.job(), tuple(files.partition_names()), unsaid=unsaid_layout(state, config)).stages()

    def plan(files: Source) -> Plan:
        notes = {CONFIG_NOTE: config.to_toml()}
        return Plan(stages(), partitions_of([files]), openers(tmp_path / "out"), options, notes)

    for reads in (1, 2):
        spawned = multiprocessing.get_context("spawn").Process(target=execute, args=(plan(AtRead(files, reads, die)),))
        spawned.start()
        spawned.join(60)
        assert spawned.exitcode == -signal.SIGKILL
    found, totals = told(tmp_path / "out", execute(plan(files)))
    quiet = run_local(before.job(), files, tmp_path / "quiet", 8192)
    assert {name: totals[name] for name in FATES} == {name: quiet[1][name] for name in FATES}
    assert 0 < len(found["scores"]) < len(quiet[0]["scores"])
    assert {key(r) for r in found["scores"]} <= {key(r) for r in quiet[0]["scores"]}


def key(record: str) -> tuple[str, str, str]:
    told = json.loads(record)
    return told["window"], told["end"], told["subject"]


def test_it_can_be_looked_into(savepoint: Path) -> None:
    """Users and models are there."""
    with opened(savepoint) as look:
        told = look.describe()
        assert told["users"] > 20
        assert look.look_up("hot") is not None
    assert told["read"] >= 2000


def test_a_newer_frame_is_refused(savepoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frame, its version and the ones that are read are named; the state is as it was."""
    files, job = source(tmp_path), SCENARIOS[SCENARIO].job()
    start(savepoint, tmp_path / "state", positions=lambda: dict.fromkeys(map(str, STREAMS)))
    options = Options(state_dir=tmp_path / "state")
    with monkeypatch.context() as build:
        build.setattr("flows.operators.subject.operator._VERSION", 0)  # one that knows less
        message = "subject: saved state is v1, this build reads v0; use a build that knows v1"
        with pytest.raises(SnapshotVersionError, match=message):
            run_bytewax(job, files, tmp_path / "out", options)
    assert run_bytewax(job, files, tmp_path / "out", options)[1]["balanced"]


def test_versions_are_dispatched() -> None:
    """A reader says which versions it reads, and is told which one it has."""
    frame = pack("thing", 3, {"a": 1}, {})
    assert unpack(frame, "thing", (2, 3))[:2] == (3, {"a": 1})
    with pytest.raises(SnapshotError, match="this build reads v1, v2"):
        unpack(frame, "thing", (1, 2))


def test_there_is_one_of_this_version() -> None:
    """A build whose format is new comes with a savepoint of it."""
    assert [path.name for path in VERSIONS][-1] == "v4.tar.gz"
