"""The names that may be relied on: there, documented, and doing what the command line does."""

import doctest
import gzip
import importlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import driftnet
import driftnet.checks
import driftnet.kit
from driftnet import _reference
from flows.cli import main
from tests.docs.pages import ROOT, blocks
from tests.small import BASE

JOB = (
    BASE.partition("[sources.main]")[0]
    + """
[calibration]
ready = 64
[drift]
monitors = {}
"""
)


class Kept:
    """A sink of somebody's own."""

    def __init__(self) -> None:
        self.records: list[driftnet.kit.Record] = []
        self.flushed = False

    def write(self, records: list[driftnet.kit.Record]) -> None:
        self.records += records

    def flush(self) -> None:
        self.flushed = True

    def close(self) -> None:
        """Nothing is held."""


class Frame:
    """What data frames have in common."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self._columns = columns
        self.columns = list(columns)

    def __getitem__(self, name: str) -> Any:
        return self._columns[name]


MODULES = (driftnet, driftnet.kit, driftnet.checks)


def events(users: int = 80, rounds: int = 12) -> list[dict[str, Any]]:
    """One play each in every window, but for one who plays a hundred times in the last one."""
    return [
        {
            "event_id": f"{r}-{u}-{n}",
            "user_id": f"u{u}",
            "event_time": 1_700_000_100_000 + r * 300_000 + n,
            "type": "play",
            "track_id": f"t{n}",
        }
        for r in range(rounds)
        for u in range(users)
        for n in range(100 if u == 7 and r == rounds - 1 else 1 + (u + r) % 3)
    ]


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__)
def test_names_are_there(module: ModuleType) -> None:
    """Every listed name can be had, and there are no others but the package's own modules."""
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        driftnet.nothing  # noqa: B018


def test_importing_is_cheap() -> None:
    """Models, their detectors and the engine are imported when they are needed."""
    code = "import sys, driftnet; sys.exit(bool({'river', 'pydantic', 'bytewax', 'scipy'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_name_is_on_a_page() -> None:
    """docs/api.md and docs/plug_ins.md are about all names, each once."""
    for module, parts in zip(MODULES, (_reference.API, _reference.KIT, _reference.CHECKS), strict=True):
        assert sorted(_reference.names(parts)) == sorted(module.__all__)


@pytest.mark.parametrize("module", ["", "._replay", "._table", ".kit", ".checks"])
def test_examples(module: str) -> None:
    """What docstrings show is what comes out."""
    done = doctest.testmod(importlib.import_module(f"driftnet{module}"))
    assert done.attempted > 0
    assert done.failed == 0


def test_memory_files_and_the_command_line_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alerts are equal to the bit, whether events come as mappings, as bytes, as text, or from a file."""
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps(event).encode() for event in events()]
    Path("events.jsonl").write_bytes(b"\n".join(lines))
    Path("job.toml").write_text(JOB)
    out = '--set=sinks.alerts=[{ kind = "jsonl", path = "alerts.jsonl" }]'
    with pytest.raises(SystemExit) as ended:
        main(["replay", "events.jsonl", "-c", "job.toml", "--json", out])
    assert not ended.value.code
    expected = [json.loads(line) for line in Path("alerts.jsonl").read_text().splitlines()]
    assert [alert["subject"] for alert in expected].count("u7") == 1
    config = driftnet.loads(JOB)
    for given in (events(), iter(lines), [line.decode() for line in lines], driftnet.files("events.jsonl")):
        found = driftnet.replay(given, config)
        assert found.alerts == expected
        assert found.summary.read == len(lines)
        assert found.summary.balanced
    assert driftnet.replay(events(), "job.toml").alerts == expected
    assert not list(tmp_path.glob("*.db")), "nothing is written"


def test_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its Python does what it says, with a configuration and two days of files."""
    monkeypatch.chdir(tmp_path)
    Path("fraud.toml").write_text(JOB)
    Path("events").mkdir()
    lines = [json.dumps(event).encode() for event in events()]
    for day, part in (("01", lines[:500]), ("02", lines[500:])):
        Path(f"events/2026-03-{day}.jsonl.gz").write_bytes(gzip.compress(b"\n".join(part)))
    (code,) = (block.text for block in blocks((ROOT / "README.md").read_text()) if block.language == "python")
    exec(code, {})
    assert any(line.startswith("u7 ") and "plays" in line for line in capsys.readouterr().out.splitlines())


def test_the_sources_of_the_configuration() -> None:
    """Without events, those are read that the configuration names."""
    config = driftnet.loads(f'{BASE}users = 60\nduration = "5m"\ncampaigns = []\n')
    assert driftnet.replay(config=config).summary.read > 0
    with pytest.raises(driftnet.ConfigError, match="labels without events"):
        driftnet.replay(config=config, labels=[])


def test_labels_and_streams() -> None:
    """Labels in memory are joined with rows as those in a file are; asked for, scores come for every row."""
    when = "2023-11-14T22:40:00Z"
    config = driftnet.loads(JOB)
    config.job()  # compiled once without labels
    found = driftnet.replay(
        events(), config, labels=[{"subject": "u3", "label": "fraud", "at": when}], streams=["scores", "alerts"]
    )
    totals = found.summary.to_json()
    assert totals["labels"] == {"read": 1}
    assert sum(totals["labelled"].values()) > 0
    assert len(found.records["scores"]) == sum(totals["windows"].values()) == 80 * 12
    assert "drift" not in found.records


def test_sinks_of_ones_own() -> None:
    """They get what a stream holds, and are flushed; another stream's name is refused."""
    mine = Kept()
    found = driftnet.replay(events(), driftnet.loads(JOB), sinks={"alerts": [mine]})
    assert mine.records == found.alerts != []
    assert mine.flushed
    with pytest.raises(driftnet.ConfigError, match="seen 'alarms', allowed: alerts, drift"):
        driftnet.replay([], streams=["alarms"])


@pytest.mark.parametrize("given", ["events.jsonl", Path("events.jsonl"), b"{}", {"user_id": "u"}], ids=repr)
def test_one_thing_is_not_many(given: Any) -> None:
    """A path or a single event where lines are expected is an error that says what to do."""
    with pytest.raises(driftnet.SourceError, match=r"expected lines one after the other; a file is driftnet\.files"):
        driftnet.replay(given, driftnet.loads(JOB))


def test_a_table_in_every_form(tmp_path: Path) -> None:
    """A mapping, Arrow, any other frame and a file give the same scores, by row, whatever the order in time."""
    rng = np.random.default_rng(1)
    n = 1500
    columns = {"amount": rng.lognormal(3, 1, n), "hour": rng.normal(14, 3, n), "at": np.arange(n)[::-1] * 60.0}
    columns["amount"][20], columns["hour"][20] = 20_000, 3  # the last but for twenty, by time
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    tables: Sequence[Any] = (columns, pa.table(columns), Frame(columns), tmp_path / "t.parquet")
    first, *others = (driftnet.score_table(table, ["amount", "hour"], time="at") for table in tables)
    assert int(np.nanargmin(first.tail_probability)) == 20
    assert 20 in first.candidates
    assert np.isnan(first.tail_probability[-20:]).all(), "the first by time"
    for other in others:
        np.testing.assert_array_equal(other.tail_probability, first.tail_probability)
        assert other.score.keys() == first.score.keys()


def test_tables_that_are_none() -> None:
    """Columns that are missing, of words, or of different lengths are named."""
    for table, features, text in (
        ({"a": [1.0]}, ["b"], "the table: no column 'b'; there are a"),
        ({"a": ["x"]}, ["a"], "column 'a' holds no numbers"),
        ({"a": [1.0], "b": [1.0, 2.0]}, [], "column 'b' has the shape"),
    ):
        with pytest.raises(driftnet.SourceError, match=text):
            driftnet.score_table(table, features)


def test_reading_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alerts and runs that the program wrote."""
    monkeypatch.chdir(tmp_path)
    Path("events.jsonl").write_text("\n".join(map(json.dumps, events())))
    Path("job.toml").write_text(JOB + '[sinks]\nalerts = [{ kind = "sqlite", path = "driftnet.db" }]\n')
    with pytest.raises(SystemExit):
        main(["replay", "events.jsonl", "-c", "job.toml", "--json"])
    store = driftnet.AlertStore("driftnet.db")
    (run,) = store.runs()
    assert isinstance(run, driftnet.Run)
    assert run.version == driftnet.__version__
    (found,) = store.list_alerts(subject="u7")
    assert found["run_id"] == run.run_id
