"""Promise P5: a detector that raises, answers with the wrong thing or never returns harms nobody but itself."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from detectors.base import Detector, DetectorSpec, FeatureInfo, Rows, Scope, SubjectDetector
from flows.engine.plan import Options
from flows.job import Job
from flows.judgement import DetectorUse
from state.slot_columns import SlotColumns
from state.types import F64, I64
from tests.engine.interrupted import run_until
from tests.engine.scenarios import SCENARIOS, Told, run_bytewax, run_local, same, write_files

NAME = "hot_card"
GOOD = ("trees", "history")


@dataclass(frozen=True, slots=True)
class BadSpec(DetectorSpec):
    """flaw: what it does from the fifth round on."""

    type: ClassVar[str] = "bad"
    flaw: str = ""

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> Detector:
        return Bad(self.flaw, int(resume or b"0"))


@dataclass(frozen=True, slots=True)
class BadOwnSpec(BadSpec):
    scope: ClassVar[Scope] = Scope.SUBJECT

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> Detector:
        return BadOwn(self.flaw, int(resume or b"0"))


class Bad(Detector):
    def __init__(self, flaw: str, rounds: int) -> None:
        self.flaw = flaw
        self.rounds = rounds

    def score(self, rows: Rows) -> F64:
        if self.rounds >= 5:
            match self.flaw:
                case "raises":
                    raise ValueError("no such thing")
                case "wrong shape":
                    return np.zeros(len(rows) + 1)
                case "never returns":
                    while True:
                        pass
        return np.full(len(rows), np.nan)

    def learn(self, rows: Rows) -> None:
        self.rounds += 1
        if self.flaw == "raises while it learns" and self.rounds >= 5:
            raise RuntimeError("half done")

    def explain(self, rows: Rows) -> F64:
        return np.zeros(rows.x.shape)

    def snapshot(self) -> bytes:
        if self.flaw == "cannot be saved" and self.rounds >= 5:
            raise OSError("no place")
        return b"%d" % self.rounds


class BadOwn(Bad, SubjectDetector):
    scope: ClassVar[Scope] = Scope.SUBJECT

    def __init__(self, flaw: str, rounds: int) -> None:
        super().__init__(flaw, rounds)
        self.columns = SlotColumns({})

    def typical(self, rows: Rows) -> F64:
        return np.full(rows.x.shape, np.nan)

    def forget(self, slots: I64) -> None:
        pass


@cache
def job() -> Job:
    return SCENARIOS[NAME].job()


def with_bad(spec: BadSpec, budget_s: float = 30.0) -> Job:
    use = DetectorUse("bad", spec, ("w10m",), budget_s=budget_s)
    return job().with_judgement(detectors=(*job().judgement.detectors, use))


def records(told: Told, stream: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told[0][stream]]


def others(told: Told) -> list[Any]:
    """All that was said without the bad detector: scores and tails of the good ones, alerts, drift of features."""
    scores = [
        [r["subject"], r["window"], r["end"], *({n: r[what].get(n) for n in GOOD} for what in ("scores", "tails"))]
        for r in records(told, "scores")
    ]
    alerts = [[a["alert_id"], a["tail_probability"], a["reasons"]] for a in records(told, "alerts")]
    return [sorted(scores, key=json.dumps), sorted(alerts, key=json.dumps)]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Told:
    place = tmp_path_factory.mktemp("reference")
    return run_local(job(), write_files(NAME, 2, place), place / "out", 8192)


@pytest.mark.parametrize("spec", [BadSpec, BadOwnSpec], ids=["cohort", "subject"])
@pytest.mark.parametrize("flaw", ["raises", "wrong shape", "raises while it learns"])
def test_only_the_bad_one_is_off(tmp_path: Path, reference: Told, spec: type[BadSpec], flaw: str) -> None:
    """It is told with its error, and off after three bad rounds; all others say the very same; each line is accounted
    for as before; and a run with restarts and more workers tells the same story.
    """
    source = write_files(NAME, 2, tmp_path)
    quiet = run_local(with_bad(spec("")), source, tmp_path / "quiet", 8192)
    told = run_local(with_bad(spec(flaw)), source, tmp_path / "local", 8192)
    assert others(told) == others(quiet)
    assert [told[1][fate] for fate in ("read", "accepted", "late", "duplicate", "rejected", "balanced")] == [
        reference[1][fate] for fate in ("read", "accepted", "late", "duplicate", "rejected", "balanced")
    ]
    faults = records(told, "rejects")
    places = {r["detail"].split(",")[0] for r in faults}
    assert len(places) == (job().stream.key_groups if spec is BadOwnSpec else 1)
    assert len(faults) == 3 * len(places)
    assert [r["reason"] for r in faults].count("detector_off") == len(places)
    assert all(
        "no such thing" in r["detail"] or "expected float64" in r["detail"] or "half done" in r["detail"]
        for r in faults
    )
    assert told[1]["detectors_off"] == {"bad": len(places)}
    options = Options(workers=2, batch_lines=200, epoch_s=0.02, state_dir=tmp_path / "state")
    run_until(5, with_bad(spec(flaw)), source, tmp_path / "out", options)
    again = Options(workers=1, state_dir=tmp_path / "state")
    same(run_bytewax(with_bad(spec(flaw)), source, tmp_path / "out", again), told)


@pytest.mark.parametrize("spec", [BadSpec, BadOwnSpec], ids=["cohort", "subject"])
def test_what_cannot_be_saved_starts_cold(tmp_path: Path, spec: type[BadSpec]) -> None:
    """Its checkpoints fail, and are told; those of all others do not, also across a restart."""
    source = write_files(NAME, 2, tmp_path)
    quiet = run_local(with_bad(spec("")), source, tmp_path / "quiet", 8192)
    options = Options(batch_lines=200, epoch_s=0.0, state_dir=tmp_path / "state")
    run_until(9, with_bad(spec("cannot be saved")), source, tmp_path / "out", options)
    told = run_bytewax(with_bad(spec("cannot be saved")), source, tmp_path / "out", options)
    assert others(told) == others(quiet)
    assert any("snapshot" in r["detail"] and "no place" in r["detail"] for r in records(told, "rejects"))


def test_what_never_returns_is_off(tmp_path: Path) -> None:
    """After its budget it is interrupted; the run ends in time and with the others' word."""
    source = write_files(NAME, 2, tmp_path)
    quiet = run_local(with_bad(BadSpec("")), source, tmp_path / "quiet", 8192)
    told = run_local(with_bad(BadSpec("never returns"), budget_s=0.05), source, tmp_path / "out", 8192)
    assert others(told) == others(quiet)
    assert told[1]["detectors_off"] == {"bad": 1}
    assert all("OvertimeError" in r["detail"] for r in records(told, "rejects"))
