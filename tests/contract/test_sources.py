"""Every source of ours that needs no broker keeps the contract that plug-ins are held to."""

import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from flows.config.endpoints import FilesConfig, SimulatorConfig, StdinConfig
from flows.contract.job import events
from flows.contract.trial import SourceTrial
from flows.sources.base import Asked
from tests.contract.trials import Places, ids, trials

LINES = [*events()[:60], b"not JSON", *events()[60:100]]


def files(place: Places) -> SourceTrial:
    """Days that follow each other, one of them packed."""
    folder = place.new()
    (folder / "day-2.jsonl").write_bytes(b"\n".join(LINES[:37]) + b"\n\n")
    (folder / "day-10.jsonl.gz").write_bytes(gzip.compress(b"\n".join(LINES[37:])))
    return SourceTrial(lambda: FilesConfig(kind="files", paths=(str(folder),)), LINES)


def side_by_side(place: Places) -> SourceTrial:
    """A partition per file."""
    folder = place.new()
    for number in range(3):
        (folder / f"{number}.jsonl").write_bytes(b"\n".join(LINES[number * 30 : number * 30 + 30]) + b"\n")
    return SourceTrial(lambda: FilesConfig(kind="files", paths=(f"{folder}/*",), partitions="per_file"), LINES[:90])


def followed(place: Places) -> SourceTrial:
    """A file that others append to, until what is there now."""
    file = place.new() / "live.jsonl"
    file.write_bytes(b"\n".join(LINES) + b"\n")
    return SourceTrial(lambda: FilesConfig(kind="files", paths=(str(file),), follow=True), LINES)


def stdin(place: Places) -> SourceTrial:
    """A file as standard input, which each trial begins anew."""
    file = place.new() / "input.jsonl"
    file.write_bytes(b"\n".join(LINES) + b"\n")

    def fresh() -> StdinConfig:
        if not place.names_only:
            fd = os.open(file, os.O_RDONLY)
            os.dup2(fd, 0)
            os.close(fd)
        return StdinConfig(kind="stdin")

    return SourceTrial(fresh, LINES)


def simulator(place: Places) -> SourceTrial:
    """A small platform for forty minutes."""
    table = SimulatorConfig.model_validate({"kind": "simulator", "users": 50, "duration": "40m", "attackers": 0.0})
    source = table.source("simulator", Asked())
    lines = list[bytes]()
    for name in source.partition_names():
        reader = source.open(name)
        while (found := reader.read(10_000)) is not None:
            lines += found.lines
    return SourceTrial(lambda: table, lines)


@pytest.fixture
def standard_input() -> Any:
    """As it was."""
    kept = os.dup(0)
    yield
    os.dup2(kept, 0)
    os.close(kept)


@pytest.mark.usefixtures("standard_input")
@pytest.mark.parametrize("check", trials(files, side_by_side, followed, stdin, simulator), ids=ids)
def test_contract(check: Any, tmp_path: Path) -> None:
    """What a job relies on."""
    check(Places(tmp_path))
