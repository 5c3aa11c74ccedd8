"""A few lives of `make chaos`."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.simulation.chaos import reference


def test_kills_change_nothing() -> None:
    """Runs killed at seeded places and moments, resumed on other numbers of workers, say what a quiet run says."""
    command = [sys.executable, "-m", "tests.simulation.chaos", "--kills", "12", "--seed", "21"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
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
    assert totals["labels"]["rows"] > 100
    assert len(records["alerts"]) > 100
    refused = {r["detail"].split(";")[0] for r in map(json.loads, audit) if r["outcome"] == "refused"}
    assert refused == {
        "path: which code runs is set in the configuration",
        "no detector 'nobody' here",
        "it needs more than 512 MiB to be built and used",
        "height: half_space_trees.height: seen 16, allowed: 1 to 15",
        "ready: seen 'many', allowed: a value like 1",
    }
    applied = {(r["command"], r["detector"]) for r in map(json.loads, audit) if r["outcome"] == "applied"}
    assert applied == {("pause", "trees"), ("resume", "trees"), ("tune", "trees"), ("disable", "history")}
