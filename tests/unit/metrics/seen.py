"""Runs as the supervising process hears of them, without processes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.config import load
from flows.metrics.facts import Facts
from flows.metrics.observation import Observation
from flows.metrics.overview import Overview
from flows.streams import Stream

DEPLOY = Path(__file__).parents[3] / "deploy"
PARTITIONS = {f"events/plays/{i}": "events" for i in range(4)} | {
    "labels/labels/0": "labels",
    "control/control/0": "control",
}


class Clock:
    """Stands still until it is told to move."""

    def __init__(self, now_s: float = 1_000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def shipped(**changes: Any) -> Facts:
    """The shipped job of deploy/: six partitions, two processes."""
    config = load(DEPLOY / "fraud.toml", environ={})
    sinks = {f"{stream.value}.{i}": stream for stream in Stream for i, _ in enumerate(config.sinks.of(stream))}
    what: dict[str, Any] = {
        "run": "r1",
        "version": "1.2.3",
        "live": True,
        "partitions": PARTITIONS,
        "processes": (0, 1),
        "stages": ("subject", "population", "alerts"),
        "sinks": sinks,
        "elsewhere": False,
    }
    return Facts.of_job(config.job(), **(what | changes))


def begun(clock: Clock, totals: Mapping[str, int] | None = None, **changes: Any) -> Overview:
    """Of the shipped job, whose processes are being started.  totals: from which it goes on."""
    overview = Overview(clock)
    overview.begin(shipped(**changes), totals or {}, None, lambda: None)
    overview.start()
    return overview


def seen(clock: Clock, **fields: Any) -> Observation:
    """What a process that is at work tells."""
    observation = Observation(clock(), begun=True)
    for name, value in fields.items():
        setattr(observation, name, value)
    return observation
