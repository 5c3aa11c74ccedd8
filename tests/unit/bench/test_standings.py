"""`python -m bench.standings` at a smoke size."""

import json
import subprocess
import sys


def test_every_question_is_answered() -> None:
    """Nine in ten are about somebody known; what is printed adds up."""
    sizes = ["--subjects", "200", "--rate", "100", "--seconds", "1", "--no-job"]
    command = [sys.executable, "-m", "bench.standings", *sizes]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)
    assert told["asked"] == sum(told["statuses"].values()) == 100
    assert told["statuses"].keys() == {"200", "404"}
    assert 0 < told["p50_ms"] <= told["p99_ms"] <= told["max_ms"]
