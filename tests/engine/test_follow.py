"""A job that follows files, as analysts use it: an alert, a label from a terminal, what comes of it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_CONFIG = """
[job]
name = "cards"
extends = "none"
key_groups = 2
[event]
id = "id"
time = { path = "at", unit = "s" }
subject = "card"
[event.columns]
amount = { kind = "number" }
[time]
out_of_orderness = "5s"
idle_timeout = "1h"
[features]
count = { kind = "count" }
[windows]
w5m = { kind = "tumbling", size = "5m" }
[detectors.flood]
type = "rules"
params = { rules = [{ name = "flood", feature = "count", above = 20, p = 1e-7 }] }
[alerts]
suppress = "0s"
[labels]
trust = "30m"
[sources.events]
kind = "files"
paths = ["events.jsonl"]
follow = true
[sources.labels]
kind = "files"
paths = ["labels.jsonl"]
follow = true
reads = "labels"
[sources.control]
kind = "files"
paths = ["control.jsonl"]
follow = true
reads = "control"
[sinks]
alerts = [{ kind = "jsonl", path = "alerts.jsonl" }]
audit = [{ kind = "jsonl", path = "audit.jsonl" }]
"""
_BEGAN = 1_700_000_100
_DRIFTNET = (sys.executable, "-m", "flows.cli")
_PATIENCE_S = 60.0


class Job:
    """`driftnet run` in a directory of its own, with two cards that flood and some that do not."""

    def __init__(self, place: Path, *options: str) -> None:
        self.place = place
        self.options = options
        (place / "job.toml").write_text(_CONFIG)
        self.minute = 0

    def start(self) -> None:
        self.process = subprocess.Popen(
            [*_DRIFTNET, "run", "job.toml", "--json", "--epoch", "0.2s", *self.options],
            cwd=self.place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        )  # fmt: skip

    def play(self, minutes: int) -> None:
        """So many minutes of events, appended in pieces that end anywhere."""
        lines = []
        for minute in range(self.minute, self.minute + minutes):
            cards = [*(f"card{i}" for i in range(6)), *["eve", "mallory"] * 8]
            for i, card in enumerate(cards):
                event = {"id": f"{minute}-{i}", "card": card, "at": _BEGAN + minute * 60 + i, "amount": 1}
                lines.append(json.dumps(event).encode() + b"\n")
        self.minute += minutes
        text = b"".join(lines)
        with (self.place / "events.jsonl").open("ab") as file:
            for part in (text[: len(text) // 2 + 3], text[len(text) // 2 + 3 :]):
                file.write(part)
                file.flush()
                time.sleep(0.2)

    def records(self, name: str) -> list[dict[str, Any]]:
        file = self.place / f"{name}.jsonl"
        text = file.read_bytes() if file.exists() else b""
        return [json.loads(line) for line in text.split(b"\n")[:-1]]

    def wait(self, is_there: Callable[[], Any]) -> None:
        began = time.monotonic()
        while not is_there():
            assert time.monotonic() < began + _PATIENCE_S, self.process.poll()
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.05)

    def wait_for_windows(self) -> None:
        """Until the last window is judged that can be: somebody floods in each, alerted or kept back."""
        end = _iso(_BEGAN + (self.minute - 1) * 60 - 300)
        self.wait(lambda: max([r["at"] for r in self.records("audit") if r["outcome"] == "spared"]
                              + [a["raised"] for a in self.records("alerts")], default="") >= end)  # fmt: skip

    def tell(self, *arguments: str) -> dict[str, Any]:
        done = subprocess.run(
            [*_DRIFTNET, *arguments, "--config", "job.toml", "--json"],
            cwd=self.place, capture_output=True, text=True, check=False,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def stop(self) -> dict[str, Any]:
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=_PATIENCE_S)
        assert self.process.returncode == 0, err
        return dict(json.loads(out)["summary"])


def _iso(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


@pytest.mark.parametrize("options", [(), ("--state-dir", "state")], ids=["memory", "state"])
def test_label_and_exemption_reach_a_job_that_runs(tmp_path: Path, options: tuple[str, ...]) -> None:
    """From the alert to the summary: the label is joined with rows, one card is spared because of it, one by command;
    with a state directory over a stop in between.
    """
    job = Job(tmp_path, *options)
    job.start()
    try:
        job.play(16)
        job.wait_for_windows()
        alerts = {a["subject"]: a for a in job.records("alerts")}
        assert set(alerts) == {"eve", "mallory"}
        told = job.tell(
            "label", alerts["eve"]["alert_id"][:12], "genuine", "--by", "ann", "--reason", "called back",
            "--at", alerts["eve"]["raised"],
        )  # fmt: skip
        assert told["place"] == "labels.jsonl"
        assert told["record"]["subject"] == "eve"
        until = _iso(_BEGAN + 2400)
        job.tell(
            "exempt", "mallory", "--until", until, "--by", "ann", "--reason", "a test", "--at", alerts["eve"]["raised"]
        )
        job.wait(lambda: [r["outcome"] for r in job.records("audit")] == ["applied"] or job.play(1))
        if options:
            job.stop()
            job.start()
        job.play(15)
        job.wait_for_windows()
        quiet = [a for a in job.records("alerts") if a["raised"] > _iso(_BEGAN + 1500)]
        assert quiet == []
        job.play(20)
        job.wait_for_windows()
        summary = job.stop()
    finally:
        job.process.kill()
        job.process.wait()
    assert summary["balanced"]
    assert summary["labels"] == {"read": 1}
    assert summary["labelled"].keys() == {"genuine_suspected"}
    assert summary["labelled"]["genuine_suspected"] >= 2
    assert set(summary["spared"]) == {"label", "command"}
    assert set(summary["spared_subjects"]) == {"eve", "mallory"}
    spared = [r for r in job.records("audit") if r["outcome"] == "spared"]
    assert len(spared) == sum(summary["spared"].values())
    assert {(r["subject"], r["by"], r["reason"]) for r in spared} == {
        ("eve", "ann", "called back"),
        ("mallory", "ann", "a test"),
    }
    # The command ends first: from then on that card is alerted again.
    later = [a["subject"] for a in job.records("alerts") if a["raised"] > until]
    assert "mallory" in later
