"""Sinks: records into SQLite, JSON Lines and console lines, and back again.

The timer of the layers counts CPU: waiting for the disk is not in these figures.
"""

from collections.abc import Callable
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.cases.layers import Size, candidate, fingerprint, fresh, tell
from detectors.alerting.alert import Alert, Evidence
from flows.sinks.base import Record, Sink
from flows.sinks.console import ConsoleWriter
from flows.sinks.specs import JsonlSink, SqliteSink, open_sink
from flows.sinks.store import AlertStore
from flows.streams import Stream
from state.times import iso
from state.types import MINUTE_US

_WRITE = 64
"""Records of one write: about what a round brings."""

Open = tuple[Sink, Callable[[], list[Any]]]
"""A sink, and how to read what is in it once it is closed."""


def _alert(number: int) -> Record:
    end_us = (number // 100 + 1) * 5 * MINUTE_US
    found = candidate(number, end_us, 1e-6)
    evidence = (Evidence("w5m", 1e-6, end_us),)
    start_us = found.start_us
    return Alert("bench", "0" * 16, found, "critical", 1e-6, evidence, end_us, 0, start_us, end_us).to_record()


def _score(number: int) -> Record:
    end_us = (number // 100 + 1) * 5 * MINUTE_US
    return {
        "subject": f"u{number}",
        "window": "w5m",
        "start": iso(end_us - 5 * MINUTE_US),
        "stop": iso(end_us),
        "end": iso(end_us),
        "cohort": "all",
        "tail_probability": 1 / (1 + number),
        "scores": {"trees": number / 7, "history": number / 3},
        "tails": {"trees": 1 / (2 + number), "history": None},
    }


_RECORDS: dict[str, Callable[[int], Record]] = {"alerts": _alert, "scores": _score}


def _sqlite(path: Path, stream: str) -> Open:
    file = str(path.with_suffix(".sqlite"))
    return open_sink(SqliteSink(file), stream), lambda: AlertStore(file).records(stream, None)[::-1]


def _jsonl(path: Path, stream: str) -> Open:
    file = path.with_suffix(".jsonl")
    return open_sink(JsonlSink(str(file)), stream), lambda: [orjson.loads(x) for x in file.read_bytes().splitlines()]


def _console(_: Path, stream: str) -> Open:
    out = StringIO()
    return ConsoleWriter("stdout", Stream(stream), out), lambda: out.getvalue().splitlines()


_SINKS: dict[str, Callable[[Path, str], Open]] = {"sqlite": _sqlite, "jsonl": _jsonl, "console": _console}


@pytest.mark.benchmark(group="sinks")
@pytest.mark.parametrize("stream", list(_RECORDS))
@pytest.mark.parametrize("kind", list(_SINKS))
def test_sink(benchmark: BenchmarkFixture, size: Size, tmp_path: Path, kind: str, stream: str) -> None:
    """Records written 64 at a time, then made durable and closed."""
    records = [_RECORDS[stream](number) for number in range(size(256, 8_192))]
    writes = [records[at : at + _WRITE] for at in range(0, len(records), _WRITE)]
    paths = (tmp_path / str(number) for number in count())

    def write(opened: Open) -> Callable[[], list[Any]]:
        sink, read = opened
        for part in writes:
            sink.write(part)
        sink.flush()
        sink.close()
        return read

    stored = fresh(benchmark, lambda: _SINKS[kind](next(paths), stream), write)()
    if kind == "console":
        assert len(stored) == len(records)
        assert all(record["subject"] in line for record, line in zip(records, stored, strict=True))
    else:
        assert stored == [orjson.loads(orjson.dumps(record)) for record in records]
    bytes_ = sum(len(orjson.dumps(record)) for record in records)
    tell(
        benchmark,
        per="record",
        n=len(records),
        result=fingerprint(repr(stored)),
        sink=kind,
        stream=stream,
        json_bytes_per_record=round(bytes_ / len(records)),
    )
