"""The scenarios: what is run, under permanent ids. A changed workload gets a new id, so histories stay comparable."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flows.config.load import load
from flows.job import Job
from flows.simulate.workload import uniform_plays
from state.types import MINUTE_US

_JOBS = Path(__file__).parent / "jobs"


@dataclass(frozen=True)
class Scenario:
    """One workload and the job that runs on it.

    generate: (events, users) -> lines. events, users: at the real size; users scale with the events. smoke_events: the
    size that runs with the tests.
    """

    id: str
    summary: str
    job_file: Path
    generate: Callable[[int, int], Iterable[bytes]]
    events: int = 1_000_000
    users: int = 50_000
    smoke_events: int = 4_000

    def lines(self, events: int | None = None) -> list[bytes]:
        """The events, one JSON object each: a function of the id and the number alone.  Kept for the next caller."""
        return _lines(self, events or self.events)

    def job(self) -> Job:
        """The job, built anew."""
        return load(self.job_file, environ={}).job()


@cache
def _lines(scenario: Scenario, events: int) -> list[bytes]:
    return list(scenario.generate(events, max(1, scenario.users * events // scenario.events)))


def _uniform(events: int, users: int) -> Iterable[bytes]:
    return (line for batch in uniform_plays(events, users, 30 * MINUTE_US) for line in batch)


_ALL = (Scenario("uniform", "Every user as busy as any other", _JOBS / "uniform.toml", _uniform),)
SCENARIOS = {scenario.id: scenario for scenario in _ALL}
"""Scenarios by id."""
