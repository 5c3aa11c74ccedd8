"""Whatever ids are called, every command shows them as they are, and the terminal stays what it was."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Cli

ODD = ["[/x]", "[red]alice[/red]", "[bold", "a\x1b[31mb", "two\nlines", "x" * 500, "J\u00fcrgen"]
CONFIG = """
[job]
extends = "none"
[event]
id = "id"
subject = "user"
time = { path = "t", unit = "ms" }
[features]
"count[/b]" = { kind = "count" }
[windows]
h1 = { kind = "tumbling", size = "1h" }
[detectors]
rules = { type = "rules", params = { rules = [{ name = "many[/]", feature = "count[/b]", above = 10, p = 1e-9 }] } }
[sinks]
alerts = { kind = "sqlite", path = "alerts.db" }
"""


@pytest.fixture
def store(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The alerts of users with odd names."""
    monkeypatch.chdir(tmp_path)
    events = [
        {"id": f"{user}{k}", "user": user, "t": 1_772_409_600_000 + k * 1000} for k in range(20) for user in ODD
    ] + [{"id": f"p{k}", "user": f"p{k}", "t": 1_772_409_600_000 + k * 90_000} for k in range(80)]
    events.sort(key=lambda event: event["t"])
    Path("events[1].jsonl").write_text("\n".join(map(json.dumps, events)))
    Path("job.toml").write_text(CONFIG)
    done = cli("replay", "events[[]1].jsonl", "-c", "job.toml")
    assert done.code == 0, done.err


@pytest.mark.usefixtures("store")
def test_ids_are_shown_as_they_are(cli: Cli) -> None:
    """In the list, in one alert, and where its state is rebuilt."""
    listed = cli("alerts", "list", "--db", "alerts.db")
    assert listed.code == 0
    found = json.loads(cli("alerts", "list", "--db", "alerts.db", "--json").out)
    assert sorted(alert["subject"] for alert in found) == sorted(ODD)
    for alert in found:
        name = alert["subject"].replace("\x1b", "?").replace("\n", "?")
        assert f"  {name[:39]}" in listed.out
        for command in (["alerts", "show"], ["explain", "--input", "events[[]1].jsonl"]):
            shown = cli(*command, alert["alert_id"], "--db", "alerts.db")
            assert shown.code == 0, shown.err
            assert f"critical: {name[:80]}" in shown.out
            assert "many[/]" in shown.out
            assert "\x1b" not in shown.out
    assert "2.4e-08  many[/], count[/b] 20" in listed.out
