"""Promise P3 for files of columns: kill a run at any time, start it again, and each row is in them once."""

import multiprocessing
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from flows.drive.assembly import Opener
from flows.drive.local import LocalDriver
from flows.drive.worker import JobStages
from flows.engine.plan import Options, Plan, partitions_of
from flows.engine.run import execute
from flows.sinks import ParquetSink, parts
from flows.sources.base import Source
from flows.streams import Stream
from tests.engine.interrupted import AtRead, die
from tests.engine.scenarios import SCENARIOS, write_files

JOB = SCENARIOS["hot_card"].job().with_judgement(asked=frozenset({Stream.FEATURES}))


def opener(folder: Path) -> Opener:
    return Opener(ParquetSink(str(folder), rows_max=500), Stream.FEATURES, "run", JOB.names)


def run(source: Source, folder: Path, options: Options) -> None:
    sources = partitions_of([source])
    stages = JobStages(JOB, tuple(sources)).stages()
    execute(Plan(stages, sources, {"features": (Stream.FEATURES, opener(folder))}, options))


def rows(folder: Path) -> "Counter[tuple[Any, ...]]":
    found: Counter[tuple[Any, ...]] = Counter()
    for part in parts.finished(folder):
        found.update(tuple(row.items()) for row in pq.read_table(part.file).to_pylist())
    return found


@pytest.mark.parametrize(
    ("epoch_s", "workers", "deaths"),
    [(0.0, 1, [9, 9]), (0.05, 2, [7])],
    ids=["a checkpoint per batch, two kills", "two workers"],
)
def test_kill_changes_nothing(tmp_path: Path, epoch_s: float, workers: int, deaths: list[int]) -> None:
    """Files that were finished when a run was killed stay, byte for byte; all rows are those of one run."""
    source = write_files("hot_card", 2, tmp_path)
    sink = opener(tmp_path / "whole")()
    LocalDriver(JOB, [source.open(name) for name in source.partition_names()], {Stream.FEATURES: [sink]}).run()
    sink.close()
    expected = rows(tmp_path / "whole")
    assert sum(expected.values()) > 2_000
    options = Options(workers=workers, batch_lines=200, epoch_s=epoch_s, state_dir=tmp_path / "state")
    for reads in deaths:
        arguments = AtRead(source, reads, die), tmp_path / "out", options
        process = multiprocessing.get_context("spawn").Process(target=run, args=arguments)
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        process.close()
    early = {part.file: part.file.read_bytes() for part in parts.finished(tmp_path / "out")}
    assert early or epoch_s
    run(source, tmp_path / "out", options)
    assert rows(tmp_path / "out") == expected
    assert all(file.read_bytes() == content for file, content in early.items())
    assert not any(file.is_file() for file in (tmp_path / "out").iterdir())
