"""How each scenario runs as a whole: from memory, as a replay of files, in a fresh process."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from gzip import GzipFile
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from shutil import rmtree
from typing import Any, Protocol

import numpy as np
import orjson

from bench.pipeline import BATCH_LINES, Memory, Outcome, run
from bench.scenarios import Scenario
from flows.config.endpoints import FilesConfig
from flows.counters import REJECTED
from flows.drive.assembly import Assembly
from flows.drive.local import LocalDriver
from flows.job import Job
from flows.operators.population.verdict import Verdict
from flows.operators.population.window_models import WindowModels
from flows.operators.rows import FeatureRows
from flows.sinks import JsonlSink
from flows.streams import Stream

_FILES = 6


class Body(Protocol):
    """A scenario, ready to run as often as wanted."""

    def run(self) -> Outcome:
        """Once, from nothing."""


def prepared(scenario: Scenario, lines: list[bytes], scratch: Path) -> Body:
    """The scenario's whole run.  Files that it reads are written to the directory `scratch` now."""
    match scenario.runs:
        case "memory":
            return InMemory(scenario.job(), lines)
        case "archive":
            return Replay(scenario, write_archive(lines, scratch), scratch / "out")
        case "process":
            return Cold(scenario, write_plain(lines, scratch / "events.jsonl"))


@dataclass(frozen=True, slots=True)
class InMemory:
    """Lines that are in memory already, findings that stay there."""

    job: Job
    lines: list[bytes]

    def run(self) -> Outcome:
        """Once, from nothing."""
        return run(self.job, [Memory(self.lines)])


class Replay:
    """Everything as `driftnet replay --per-file` does it: files, merged by event time, to sinks on the disk."""

    def __init__(self, scenario: Scenario, files: Sequence[Path], out: Path) -> None:
        store = f'[{{kind="sqlite",path="{out}/driftnet.db"}}]'
        written = [f'sinks.{s}=[{{kind="jsonl",path="{out}/{s}.jsonl"}}]' for s in ("late", "rejects")]
        source = FilesConfig(kind="files", paths=tuple(map(str, files)), partitions="per_file")
        config = scenario.config(f"sinks.alerts={store}", f"sinks.drift={store}", *written)
        self._config = config.model_copy(update={"sources": {"replay": source}})
        self._job = config.job()
        self._out = out

    def run(self) -> Outcome:
        """Once, into an empty directory."""
        rmtree(self._out, ignore_errors=True)
        copies = {stream: self._out / f"{stream}-copy.jsonl" for stream in (Stream.ALERTS, Stream.DRIFT)}
        assembly = Assembly(self._config, {stream: [JsonlSink(str(path))] for stream, path in copies.items()})
        assembly.record()
        sinks = assembly.sinks()
        try:
            driver = LocalDriver(self._job, assembly.partitions(), sinks, batch_lines=BATCH_LINES)
            summary = driver.run()
        finally:
            for sink in (sink for of_stream in sinks.values() for sink in of_stream):
                sink.close()
        assert summary.balanced, "lines were lost"
        rejects = (self._out / "rejects.jsonl").read_bytes().count(b"\n")
        assert rejects == summary.total(REJECTED), "rejected lines are missing in their sink"
        alerts, drift = ([orjson.loads(x) for x in path.read_bytes().splitlines()] for path in copies.values())
        return Outcome.of(driver.outputs.counts, alerts, drift)


class Cold:
    """The run in an interpreter that starts each time.  phases: of each run, seconds by phase (bench.measure.cold)."""

    def __init__(self, scenario: Scenario, file: Path) -> None:
        self._arguments = (str(scenario.job_file), str(file), *scenario.settings)
        self.phases: list[dict[str, float]] = []

    def run(self) -> Outcome:
        """Once, to the end of the process."""
        marks = {"": time.monotonic()}
        told = child("bench.measure.cold", *self._arguments)
        marks |= {**told["marks"], "exit": time.monotonic()}
        ends = list(marks.items())
        self.phases.append({name: end - begin for (_, begin), (name, end) in pairwise(ends)})
        return Outcome(told["counts"], told["findings"])


def write_plain(lines: list[bytes], path: Path) -> Path:
    """One file of the lines."""
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def write_archive(lines: list[bytes], directory: Path, files: int = _FILES) -> list[Path]:
    """Gzipped files that were written side by side: every file has its share of every moment's lines."""
    paths = [directory / f"part-{part:02d}.jsonl.gz" for part in range(files)]
    for part, path in enumerate(paths):
        with path.open("wb") as raw, GzipFile("", "wb", 3, raw, mtime=0) as packed:
            packed.write(b"\n".join(lines[part::files]) + b"\n")
    return paths


def child(module: str, *arguments: str) -> Any:
    """What `python -m module` prints as JSON, with this process's import path.  Raises CalledProcessError."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, env=environment, cwd=root, check=True
    )
    return orjson.loads(done.stdout)


def rows_digest(job: Job, lines: list[bytes]) -> tuple[str, Outcome]:
    """A hash of all window rows with their scores, and what the run that it is of gave.

    Numbers are rounded to float32 first: the last bits of a sum depend on the order of additions.
    """
    digest = blake2b(digest_size=8)

    def see(rows: FeatureRows, verdict: Verdict, models: WindowModels) -> None:
        del models
        digest.update(f"{rows.window} {rows.end_us}".encode())
        digest.update(rows.subject.tobytes())
        for values in (rows.x, verdict.p):
            rounded = values.astype(np.float32) + np.float32(0.0)  # one zero
            digest.update(np.where(np.isnan(rounded), np.float32(np.nan), rounded).tobytes())

    outcome = run(job, [Memory(lines)], see)
    return digest.hexdigest(), outcome
