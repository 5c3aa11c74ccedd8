"""The command line, called as a person calls it, in a directory of its own."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.cli import main

SMALL = """
[job]
name = "small"
extends = "none"
key_groups = 2
[event]
id = "event_id"
time = { path = "event_time", unit = "ms" }
[event.columns]
type = { kind = "enum", required = true, values = ["play", "skip"] }
track = { path = "track_id", kind = "id" }
[features]
plays = { kind = "count", where = { type = "play" }, log = true }
tracks = { kind = "nunique", column = "track", log = true }
[windows]
w5m = { kind = "tumbling", size = "5m" }
[detectors]
extremes = { type = "ecod", params = { ready = 8 } }
[calibration]
ready = 64
[drift]
monitors = {}
[alerts]
line = 0.3
candidate_line = 0.5
[sources.main]
kind = "simulator"
users = 600
duration = "2h"
tracks = 2000
campaigns = ["loop_bot"]
[sinks]
alerts = [{ kind = "sqlite", path = "driftnet.db" }]
"""
"""One window, one detector, and a line so high that an hour of events gives alerts."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str


Cli = Callable[..., Done]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """Runs `driftnet ARGUMENTS` in an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run(*arguments: object) -> Done:
        with pytest.raises(SystemExit) as ended:
            main([str(a) for a in arguments])
        text = capfd.readouterr()
        return Done(int(ended.value.code or 0), text.out, text.err)

    yield run
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A configuration that is quick to run."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path
