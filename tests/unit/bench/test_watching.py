"""`python -m bench.watching` at a smoke size."""

import json
import subprocess
import sys


def test_what_being_watched_costs_is_told() -> None:
    """All that is called is timed, and a run answers while it works."""
    command = [sys.executable, "-m", "bench.watching", "--events", "3000", "--scrapes", "2"]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)
    cost, metrics = told["cost"], told["metrics"]
    assert cost["events"] == 3_000
    assert cost["calls"] > 20
    assert 0 < cost["watching_s"] < cost["cpu_s"]
    assert cost["scrape_cpu_ms"] > 0
    assert metrics["scrapes"] == 2
    assert 200 < metrics["series"] < 500
    assert all(0 < metrics[how]["p50"] <= metrics[how]["max"] for how in ("kept_ms", "new_ms"))
