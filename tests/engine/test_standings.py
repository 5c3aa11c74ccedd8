"""Standings of whole runs: the same records however a run is driven, cut and killed, and one row per subject."""

import json
import multiprocessing
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from flows.counters import OUT
from flows.drive.assembly import Opener
from flows.drive.local import LocalDriver
from flows.drive.worker import JobStages
from flows.engine.plan import Options, Plan, partitions_of
from flows.engine.run import execute
from flows.sinks import JsonlSink, SqliteSink
from flows.sources.base import Source
from flows.streams import Stream
from tests.engine.interrupted import AtRead, die
from tests.engine.scenarios import SCENARIOS, write_files

JOB = SCENARIOS["hot_card"].job().with_judgement(asked=frozenset({Stream.STANDINGS}))


def openers(folder: Path, run_id: str) -> dict[str, tuple[Stream, Opener]]:
    specs = {"store": SqliteSink(str(folder / "store.db")), "lines": JsonlSink(str(folder / "standings.jsonl"))}
    return {name: (Stream.STANDINGS, Opener(spec, Stream.STANDINGS, run_id)) for name, spec in specs.items()}


def run(source: Source, folder: Path, run_id: str, options: Options) -> None:
    sources = partitions_of([source])
    execute(Plan(JobStages(JOB, tuple(sources)).stages(), sources, openers(folder, run_id), options))


def stored(folder: Path) -> dict[str, str]:
    with closing(sqlite3.connect(folder / "store.db")) as db:
        return dict(db.execute("SELECT id, record FROM standings"))


def written(folder: Path) -> list[str]:
    return (folder / "standings.jsonl").read_text().splitlines()


@pytest.mark.parametrize(
    ("epoch_s", "workers", "deaths"),
    [(0.0, 1, [9, 9]), (0.05, 2, [7])],
    ids=["a checkpoint per batch, two kills", "two workers"],
)
def test_kill_changes_nothing(tmp_path: Path, epoch_s: float, workers: int, deaths: list[int]) -> None:
    """Each change is told once, in the order of rounds; the store has the last of each subject, of the last run."""
    source, whole, out = write_files("hot_card", 2, tmp_path), tmp_path / "whole", tmp_path / "out"
    whole.mkdir()
    sinks = [opener() for _, opener in openers(whole, "whole").values()]
    LocalDriver(JOB, [source.open(name) for name in source.partition_names()], {Stream.STANDINGS: sinks}).run()
    for sink in sinks:
        sink.close()
    told = [json.loads(line) for line in written(whole)]
    subjects = Counter(record["subject"] for record in told)
    assert max(subjects.values()) > 1
    assert any(record["open_alerts"] for record in told)
    assert [record["judged"] for record in told] == sorted(record["judged"] for record in told)
    assert {i: json.loads(r) for i, r in stored(whole).items()} == {r["standing_id"]: r for r in told}
    out.mkdir()
    options = Options(workers=workers, batch_lines=200, epoch_s=epoch_s, state_dir=tmp_path / "state")
    for reads in deaths:
        arguments = AtRead(source, reads, die), out, "first", options
        process = multiprocessing.get_context("spawn").Process(target=run, args=arguments)
        process.start()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        process.close()
    run(source, out, "last", options)
    assert written(out) == written(whole)
    assert stored(out) == stored(whole)
    with closing(sqlite3.connect(out / "store.db")) as db:
        assert ("last",) in db.execute("SELECT DISTINCT run_id FROM standings").fetchall()


def test_nobody_asks(tmp_path: Path) -> None:
    """Then none are made."""
    source = write_files("hot_card", 1, tmp_path)
    driver = LocalDriver(SCENARIOS["hot_card"].job(), [source.open(name) for name in source.partition_names()], {})
    assert OUT.of(driver.run().totals, "standings") == 0
