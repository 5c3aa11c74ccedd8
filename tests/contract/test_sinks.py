"""Every sink of ours that needs no server keeps the contract that plug-ins are held to."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flows.config.endpoints import ConsoleConfig, JsonlConfig, ParquetConfig, SqliteConfig
from flows.contract.trial import SinkTrial
from flows.sinks import parts
from tests.contract.trials import Places, ids, trials

OUTAGE_S = 1.0


@contextmanager
def in_the_way(path: str) -> Iterator[None]:
    """A file where a folder was: what is opened there cannot be, and what is open is not found."""
    folder = Path(path).parent
    aside = folder.with_name(f"{folder.name}.aside")
    folder.rename(aside)
    folder.touch()
    try:
        yield
    finally:
        folder.unlink()
        aside.rename(folder)


def jsonl(place: Places) -> SinkTrial:
    return SinkTrial(
        fresh=lambda: JsonlConfig(kind="jsonl", path=str(place.new() / "alerts.jsonl")),
        read=lambda settings: [json.loads(line) for line in Path(settings.path).read_bytes().splitlines()],
        outage=lambda settings: in_the_way(settings.path),
        outage_s=OUTAGE_S,
        broken=lambda: JsonlConfig(kind="jsonl", path="/proc/no/such/folder.jsonl"),
    )


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Somebody writes, and does not end."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.rollback()
        other.close()


def stored(settings: SqliteConfig) -> list[Any]:
    with sqlite3.connect(settings.path) as db:
        return [json.loads(record) for (record,) in db.execute("SELECT record FROM alerts ORDER BY rowid")]


def sqlite(place: Places) -> SinkTrial:
    return SinkTrial(
        fresh=lambda: SqliteConfig(kind="sqlite", path=str(place.new() / "store.db")),
        read=stored,
        outage=lambda settings: locked(settings.path),
        outage_s=OUTAGE_S,
        broken=lambda: SqliteConfig(kind="sqlite", path="/proc/no/such/store.db"),
    )


def rows(settings: ParquetConfig) -> list[Any]:
    """Of all files, by when they were raised; without the columns that Parquet has otherwise."""
    found = [row for part in parts.finished(Path(settings.path)) for row in parts.read(part.file).to_pylist()]
    told = [
        {key: row[key] for key in ("alert_id", "subject", "cohort", "severity")}
        | {"raised": row["raised"].strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
        for row in found
    ]
    return sorted(told, key=lambda row: row["raised"])


def parquet(place: Places) -> SinkTrial:
    return SinkTrial(
        fresh=lambda: ParquetConfig(kind="parquet", path=str(place.new() / "alerts"), rows_max=12),
        read=rows,
        whole=False,
        ordered=False,
        broken=lambda: ParquetConfig(kind="parquet", path="/proc/no/such/folder"),
    )


def console(place: Places) -> SinkTrial:
    """Its lines are for people; processes of their own write to this one's standard output."""
    line = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d)  .*?(u\d+) ")

    def read(settings: ConsoleConfig) -> list[dict[str, str]]:
        found = [line.match(text) or re.match(r"(\S+) (\S+)  (.*)", text) for text in place.said()]
        return [{"raised": f"{m[1]}T{m[2]}:00.000000Z", "subject": m[3]} for m in found if m]

    def fresh() -> ConsoleConfig:
        place.said()
        return ConsoleConfig(kind="console")

    return SinkTrial(fresh=fresh, read=read, whole=False)


@pytest.mark.parametrize("check", trials(jsonl, sqlite, parquet, console), ids=ids)
def test_contract(check: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What a job relies on."""
    check(Places(tmp_path, capfd))
