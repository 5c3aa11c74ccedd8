"""A campaign's alert from a terminal: listed, shown, and found again in the run's input."""

import json
import os
from pathlib import Path
from typing import Final

from tests.engine.scenarios import write_files
from tests.engine.test_campaigns import CAMPAIGNS, NAME, SCENARIOS
from tests.unit.cli.conftest import Cli, cli

__all__ = ["cli"]  # a fixture

SINKS: Final = '[[sinks.alerts]]\nkind = "sqlite"\npath = "driftnet.db"\n'


def test_a_campaign_from_a_terminal(cli: Cli, tmp_path: Path) -> None:
    """The store has it as it was told last; its members stand in it, and a replay says the same to the bit."""
    source = write_files(NAME, 2, tmp_path)
    Path("job.toml").write_text(SCENARIOS[NAME].config + CAMPAIGNS.replace("unused", "standings") + SINKS)
    files = [os.path.relpath(path) for path in source.paths]
    done = cli("replay", *files, "--per-file", "--config", "job.toml", "--no-print", "--json")
    assert done.code == 0
    told = json.loads(done.out)["summary"]
    found = [a for a in json.loads(cli("alerts", "list", "--json", "--limit", 0).out) if a["kind"] == "campaign"]
    assert told["campaign_alerts"] == len({a["alert_id"] for a in found}) == len(found) > 0
    one = max(found, key=lambda a: (a["campaign"]["size"], a["alert_id"]))
    shown = cli("alerts", "show", one["alert_id"]).out
    assert f"campaign:{one['alert_id']}" in shown
    assert all(m["subject"] in shown for m in one["campaign"]["members"])
    assert f"{one['campaign']['objects'][0]['column']} {one['campaign']['objects'][0]['object']}" in shown
    assert f"campaign:{one['alert_id']}" in cli("alerts", "list", "--limit", 0).out
    named = [part for path in files for part in ("--input", path)]
    again = cli("explain", one["alert_id"], *named)
    assert (again.code, "the same to the bit" in again.out) == (0, True)
    assert json.loads(cli("explain", one["alert_id"], "--json", *named).out)["reproduced"] is True
