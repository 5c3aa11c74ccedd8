"""Driftnet itself, through the whole flow of bench/jobs/uniform.toml: Bytewax with one worker, or the local driver.

It does more than the specification asks: deduplication, dead letters, calibration, drift monitors, alerts.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson

from bench.others.cli import JOBS
from detectors.drift.spec import DriftSpec
from flows.config.load import load
from flows.drive.local import LocalDriver
from flows.engine.plan import Options, Plan
from flows.engine.run import execute
from flows.job import Job
from flows.job_stages import Entry, JobStages
from flows.operators.population.operator import PopulationOperator, RoundObserver
from flows.operators.population.verdict import Verdict
from flows.operators.population.window_models import WindowModels
from flows.operators.rows import FeatureRows
from flows.sources.files import FilesSpec
from flows.stages import Operator
from state.chunks import Saved
from state.types import MS_US

JOB = Path(__file__).parent.parent / "jobs" / "uniform.toml"
_SOURCE = "main"


def job_of(name: str) -> Job:
    """windows: no detector, hence nothing to watch for drift."""
    job = load(JOB, environ={}).job()
    if name == "windows":
        return job.with_judgement(detectors=(), drift=DriftSpec(monitors=()))
    return job


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes each round's rows."""

    out: BinaryIO

    def __call__(self, rows: FeatureRows, verdict: Verdict, models: WindowModels) -> None:  # noqa: ARG002
        end_ms = rows.end_us // MS_US
        names, values = rows.name.tolist(), rows.x.tolist()
        records: Sequence[dict[str, object]]
        if verdict.score:
            # River's scale: the detector's is -log(1 - it).
            scores = (-np.expm1(-verdict.score["population"])).tolist()
            records = [
                {"user_id": name, "window_end": end_ms, "features": x, "score": score}
                for name, x, score in zip(names, values, scores, strict=True)
            ]
        else:
            records = [
                {"user_id": name, "window_end": end_ms, "features": x} for name, x in zip(names, values, strict=True)
            ]
        self.out.writelines(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in records)


@dataclass(frozen=True, slots=True)
class ObservedStages(JobStages):
    """The stages of a job with an eye on the rounds."""

    observer: RoundObserver | None = None

    def operator(self, entry: Entry, who: Any, resume: Saved | None) -> Operator:
        built = JobStages.operator(self, entry, who, resume)
        if isinstance(built, PopulationOperator):
            built.observer = self.observer
        return built


def work(source: str, target: str, name: str, engine: str) -> None:
    """engine: "bytewax" is what `driftnet run` uses, "local" what replays use."""
    job = job_of(name)
    spec = FilesSpec((source,), name=_SOURCE)
    with Path(target).open("wb") as out:
        if engine == "local":
            summary = LocalDriver(job, [spec.open(_SOURCE)], {}, observer=Writer(out)).run()
        else:
            stages = ObservedStages(job, (_SOURCE,), observer=Writer(out)).stages()
            summary = execute(Plan(stages, {_SOURCE: spec}, {}, Options()))
    assert summary.balanced, "lines were lost"


def _main() -> None:
    parser = argparse.ArgumentParser(description="The job of bench/others/SPECIFICATION.md")
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--job", choices=JOBS, default="windows")
    parser.add_argument("--engine", choices=("bytewax", "local"), default="bytewax")
    given = parser.parse_args()
    work(given.input, given.output, given.job, given.engine)


if __name__ == "__main__":
    _main()
