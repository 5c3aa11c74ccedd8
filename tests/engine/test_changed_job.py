"""A job that goes on otherwise than it was saved: more or fewer workers, other detectors."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from detectors.ecod import EcodSpec
from flows.engine.plan import Options
from flows.engine.store import read_checkpoint, sink_state
from flows.job import Job
from flows.judgement import DetectorUse
from tests.engine.interrupted import run_cluster_until, run_until
from tests.engine.scenarios import SCENARIOS, Told, run_bytewax, run_local, same, write_files

NAME = "hot_card"


@cache
def job() -> Job:
    return SCENARIOS[NAME].job()


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Told:
    place = tmp_path_factory.mktemp("reference")
    return run_local(job(), write_files(NAME, 2, place), place / "out", 8192)


def test_rescaled(tmp_path: Path, reference: Told) -> None:
    """One worker, two, four, one again: the records are those of a run that never stopped."""
    source = write_files(NAME, 2, tmp_path)
    for workers, reads in ((1, 3), (2, 4), (4, 4)):
        options = Options(workers=workers, batch_lines=200, epoch_s=0.02, state_dir=tmp_path / "state")
        run_until(reads, job(), source, tmp_path / "out", options)
    same(run_bytewax(job(), source, tmp_path / "out", Options(state_dir=tmp_path / "state")), reference)


def test_rescaled_in_processes(tmp_path: Path, reference: Told) -> None:
    """The same with processes: one, two, four, one again, each stopped as by SIGTERM."""
    source, so_far = write_files(NAME, 2, tmp_path), []
    for processes, reads in ((1, 3), (2, 4), (4, 4)):
        options = Options(processes=processes, batch_lines=100, epoch_s=0.02, state_dir=tmp_path / "state")
        run = run_until if processes == 1 else run_cluster_until
        run(reads, job(), source, tmp_path / "out", options)
        checkpoint = read_checkpoint(tmp_path / "state" / "store")
        assert checkpoint is not None
        so_far.append(sink_state(checkpoint)["counts"]["read"])
    assert 0 < so_far[0] < so_far[1] < so_far[2] < reference[1]["read"]
    same(run_bytewax(job(), source, tmp_path / "out", Options(state_dir=tmp_path / "state")), reference)


def scores(told: Told, detector: str) -> dict[tuple[str, str, str], float | None]:
    """(window, end, subject) -> the detector's score, in the windows that it looks at."""
    records = [json.loads(line) for line in told[0]["scores"]]
    return {(r["window"], r["end"], r["subject"]): r["scores"][detector] for r in records if detector in r["scores"]}


def test_detectors_come_and_go(tmp_path: Path, reference: Told, caplog: pytest.LogCaptureFixture) -> None:
    """One is dropped, one set otherwise, one added: the untouched one goes on as if nothing had happened, the others
    start cold, and it is said.
    """
    source = write_files(NAME, 2, tmp_path)
    options = Options(batch_lines=200, epoch_s=0.02, state_dir=tmp_path / "state")
    trees, history = job().judgement.detectors
    added = DetectorUse("ecod", EcodSpec(), ("w10m",))
    run_until(8, job().with_judgement(detectors=(trees, history, added)), source, tmp_path / "out", options)
    set_otherwise = replace(added, spec=EcodSpec(remember=512))
    again = DetectorUse("history2", history.spec, history.windows)
    told = run_bytewax(job().with_judgement(detectors=(set_otherwise, trees, again)), source, tmp_path / "out", options)
    assert [line.split(":")[0] for line in caplog.messages if "going on" not in line] == [
        "detector ecod", "detector history is gone", "detector history2 is new",
    ]  # fmt: skip
    assert scores(told, "trees") == scores(reference, "trees")
    # A cold detector has no opinion at first.
    first_end = min(end for _, end, _ in scores(told, "history2"))
    first = [v for (_, end, _), v in scores(told, "history2").items() if end == first_end]
    assert set(first) == {None}
    assert any(v is not None for v in scores(told, "history2").values())
    assert told[1]["balanced"]
