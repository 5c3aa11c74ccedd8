"""A few lives of `make chaos`."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.engine.scenarios import SCENARIOS
from tests.simulation.chaos import reference


@pytest.mark.parametrize(("seed", "scenario"), [(13, "hot_card"), (5, "spoilt"), (3, "company")])
def test_kills_change_nothing(seed: int, scenario: str) -> None:
    """Runs killed at seeded places and moments, resumed on other numbers of workers, say what a quiet run says."""
    command = [sys.executable, "-m", "tests.simulation.chaos", "--kills", "12", "--seed", str(seed)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"life {seed}: {scenario}," in done.stdout
    survived = re.search(r"(\d+) kills survived in \d+ lives", done.stdout)
    assert survived is not None
    assert int(survived[1]) >= 12


def test_strangers_are_among_them() -> None:
    """A quiet run of that is one in which something of each kind is set aside, and the rest counts."""
    (records, totals), audit = reference("hot_card")
    rejects = Counter((Path(r["source"]).stem, r["reason"]) for r in map(json.loads, records["rejects"]))
    assert sum(n for (source, _), n in rejects.items() if source == "garbage") == 500
    for source in ("events-0", "events-1", "labels", "control"):
        assert rejects[source, "ahead"] > 0
    assert totals["balanced"]
    assert sum(totals["labelled"].values()) > 100
    assert len(records["alerts"]) > 100
    refused = {r["detail"].split(";")[0] for r in map(json.loads, audit) if r["outcome"] == "refused"}
    assert refused == {
        "path: which code runs is set in the configuration",
        "no detector 'nobody' here",
        "it needs more than 512 MiB to be built and used",
        "height: half_space_trees.height: seen 16, allowed: 1 to 15",
        "ready: seen 'many', allowed: an integer",
        "it was not exempt",
        "until: found 2023-11-14T22:13:21.000000Z, which is over before it begins",
    }
    applied = {(r["command"], r["detector"]) for r in map(json.loads, audit) if r["outcome"] == "applied"}
    assert applied - {("exempt", ""), ("unexempt", "")} == {
        ("pause", "trees"),
        ("resume", "trees"),
        ("tune", "trees"),
        ("disable", "history"),
    }


@pytest.mark.parametrize("name", SCENARIOS)
def test_accounts_are_exempt_in_each_way(name: str) -> None:
    """By list, command and label: each begins, keeps alerts back, and some of them end."""
    (_, totals), audit = reference(name)
    assert set(totals["spared"]) == {"file", "command", "label"}
    told = Counter(
        (r["command"], r["origin"], r["outcome"])
        for r in map(json.loads, audit)
        if r["command"] in ("exempt", "unexempt") and r["outcome"] != "spared"
    )
    assert told == {
        ("exempt", "file", "applied"): 2,
        ("exempt", "file", "ended"): 1,
        ("exempt", "command", "applied"): 2,
        ("exempt", "command", "ended"): 1,
        ("exempt", "command", "refused"): 1,
        ("unexempt", "command", "applied"): 2,
        ("unexempt", "command", "refused"): 1,
    }


def test_what_does_not_count_is_told_by_account() -> None:
    """A quiet run alerts accounts for their rejected lines and for ids used again, and says how many it were."""
    (records, _), _ = reference("spoilt")
    seen: dict[str, set[str]] = {"bad": set(), "again": set()}
    for alert in map(json.loads, records["alerts"]):
        for reason in alert["reasons"]:
            if reason["feature"] in seen and reason["seen"] > 3:
                seen[reason["feature"]].add(alert["subject"])
    assert {"broken0", "broken1", "broken2"} <= seen["bad"]
    assert {"bot", "flood", "two ids"} <= seen["again"]
