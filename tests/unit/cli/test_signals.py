"""A live worker that is asked to stop."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(("signum", "durable"), [(signal.SIGTERM, True), (signal.SIGINT, False)])
def test_a_signal_drains_a_live_run(small: Path, tmp_path: Path, signum: signal.Signals, durable: bool) -> None:
    """SIGTERM and SIGINT end a live run in good order: exit code 0, and every line read is accounted for.

    With a state directory, what is open stays open for the next run; without one it is finished.
    """
    command = [sys.executable, "-m", "flows.cli", "run", str(small), "--set", "sources.main.kind=stdin", "--json"]
    command += ["--status-every", "100ms", "--epoch", "100ms"]
    command += ["--state-dir", "state"] if durable else []
    environment = os.environ | {"PYTHONPATH": str(_ROOT), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, env=environment
    ) as worker:
        assert worker.stdin is not None
        assert worker.stderr is not None
        event = {"event_id": "e", "event_time": 1_772_409_600_000, "user_id": "u", "type": "play", "track_id": "t"}
        for i in range(20):
            line = event | {"event_id": str(i), "event_time": event["event_time"] + i * 60_000}  # type: ignore[operator]
            worker.stdin.write(json.dumps(line).encode() + b"\n")
        worker.stdin.write(b"not an event\n")
        worker.stdin.flush()
        while b"21 events" not in (status := worker.stderr.readline()):
            assert status, "the worker ended too early"
        worker.send_signal(signum)
        out, err = worker.communicate(timeout=60)
    assert worker.returncode == 0, err.decode()
    summary = json.loads(out)["summary"]
    assert summary["read"] == 21
    assert summary["rejected"] == 1
    assert summary["balanced"], summary
    assert summary["accepted"] + summary["open"] == 20
    assert (summary["open"] > 0) == durable
