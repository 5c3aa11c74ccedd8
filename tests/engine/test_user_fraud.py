"""The flow under Bytewax's own runner."""

import os
import subprocess
import sys
from pathlib import Path

from tests.engine.scenarios import SCENARIOS, run_local, write_files

SINKS = """
[sinks]
alerts = [{{ kind = "jsonl", path = "{out}" }}]
[sources.main]
kind = "files"
paths = ["{events}"]
"""


def bytewax_run(directory: Path, *options: str) -> str:
    environ = os.environ | {"DRIFTNET_CONFIG": str(directory / "job.toml")}
    command = [sys.executable, "-m", "bytewax.run", "flows.user_fraud", *options]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_importing_builds_nothing() -> None:
    """Importing the module neither reads a configuration nor loads Bytewax: tools may look at it."""
    code = "import sys, flows.user_fraud; sys.exit('bytewax' in sys.modules or 'flows.config' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_bytewax_runner(tmp_path: Path) -> None:
    """`python -m bytewax.run flows.user_fraud` gives the local driver's alerts; with -r, a second run adds nothing."""
    source = write_files("hot_card", 1, tmp_path)
    out = tmp_path / "alerts.jsonl"
    sections = SINKS.format(out=out, events=source.paths[0])
    config = SCENARIOS["hot_card"].config.partition("[sinks]")[0] + sections
    (tmp_path / "job.toml").write_text(config)
    store = tmp_path / "store"
    store.mkdir()
    subprocess.run([sys.executable, "-m", "bytewax.recovery", str(store), "1"], check=True)
    records, _ = run_local(SCENARIOS["hot_card"].job(), source, tmp_path / "local", 8192)
    for _ in range(2):
        log = bytewax_run(tmp_path, "-r", str(store), "-s", "1", "-b", "0", "-w", "2")
        assert sorted(out.read_text().splitlines()) == records["alerts"]
        assert "6,000 read = 6,000 accepted" in log
