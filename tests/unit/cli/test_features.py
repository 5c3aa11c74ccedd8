"""`driftnet features`: the command around training sets."""

import json
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from tests.small import SMALL
from tests.unit.cli.conftest import Cli


@pytest.fixture
def events(cli: Cli, tmp_path: Path) -> Path:
    """Two files of a simulated platform, and a configuration for them."""
    (tmp_path / "job.toml").write_text(SMALL)
    settings = ("--users", "300", "--duration", "1h", "--set", "sources.main.tracks=2000")
    assert cli("simulate", "events", *settings).code == 0
    return tmp_path / "job.toml"


def test_a_training_set(cli: Cli, events: Path) -> None:
    """Rows, their labels, and what was read; nothing goes to the sinks of the configuration."""
    truth = [json.loads(line) for line in Path("events/truth.jsonl").read_text().splitlines()]
    labels = [{"subject": t["user_id"], "label": int(t["is_attacker"]), "at": "2026-03-09T00:00:00Z"} for t in truth]
    Path("labels.jsonl").write_text("\n".join(map(json.dumps, labels[:50])))
    command = ("features", "events/part-*.jsonl", "--per-file", "-c", events)
    done = cli(*command, "-o", "set", "--labels", "labels.jsonl", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    found = ds.dataset("set", partitioning="hive").to_table()
    assert told["rows"] == {"w5m": len(found)}
    assert sum(told["labels"].values()) == len(found)
    assert found["label"].null_count == told["labels"]["unknown"]
    assert {"plays", "tracks", "score.extremes", "label_at", "day"} <= set(found.column_names)
    assert not Path("driftnet.db").exists()
    again = cli(*command, "-o", "set")
    assert again.code == 2
    assert "set: is there, and not empty" in again.err


def test_for_people(cli: Cli, events: Path) -> None:
    """How many rows, of which windows, from when to when."""
    done = cli("features", "events/part-*.jsonl", "--per-file", "-c", events, "-o", "set", "--no-scores")
    assert done.code == 0, done.err
    found = ds.dataset("set", partitioning="hive").to_table()
    assert f"{len(found):,} rows in set: w5m {len(found):,}; 2026-03-02 00:" in done.out
    assert "score.extremes" not in found.column_names


def test_nothing_to_write(cli: Cli, events: Path) -> None:
    """Without an event there is no row, which is said."""
    Path("empty.jsonl").touch()
    done = cli("features", "empty.jsonl", "-c", events, "-o", "set")
    assert done.code == 0, done.err
    assert "no row was written" in done.out
