"""A few lives of `make chaos`."""

import re
import subprocess
import sys
from pathlib import Path


def test_kills_change_nothing() -> None:
    """Runs killed at seeded places and moments, resumed on other numbers of workers, say what a quiet run says."""
    command = [sys.executable, "-m", "tests.simulation.chaos", "--kills", "12", "--seed", "21"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    survived = re.search(r"(\d+) kills survived in \d+ lives", done.stdout)
    assert survived is not None
    assert int(survived[1]) >= 12
