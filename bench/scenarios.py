"""The scenarios: what is run, under permanent ids. A changed workload gets a new id, so histories stay comparable."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from bench.workloads import by_rank, delayed, evenly, one_is_half, passing, plays, soiled
from flows.config.load import load
from flows.config.models import Config
from flows.job import Job
from flows.simulate.config import MONDAY_US, SimulationSpec
from flows.simulate.platform import Platform
from state.types import DAY_US, HOUR_US, MINUTE_US

_JOBS = Path(__file__).parent / "jobs"
_PLAYS = _JOBS / "uniform.toml"
_HALF_HOUR_US = 30 * MINUTE_US


@dataclass(frozen=True)
class Scenario:
    """One workload and the job that runs on it.

    generate: (events, users) -> lines. events, users: at the real size; users scale with the events. smoke_events: the
    size that runs with the tests. settings: what the job says otherwise than its file. runs: "memory", lines that are
    in memory already; "archive", gzipped files read and sinks written as `driftnet replay` does; "process", a fresh
    interpreter each time.
    """

    id: str
    summary: str
    generate: Callable[[int, int], Iterable[bytes]]
    job_file: Path = _PLAYS
    settings: tuple[str, ...] = ()
    events: int = 400_000
    users: int = 20_000
    smoke_events: int = 4_000
    runs: Literal["memory", "archive", "process"] = "memory"

    def lines(self, events: int | None = None) -> list[bytes]:
        """The events, one JSON object each: a function of the id and the number alone.  Kept for the next caller."""
        return _lines(self, events or self.events)

    def users_of(self, events: int) -> int:
        """How many users a stream of so many events is drawn from."""
        return max(1, self.users * events // self.events)

    def config(self, *settings: str) -> Config:
        """The configuration, with further settings such as "state.capacity=64"."""
        return load(self.job_file, environ={}, settings=[*self.settings, *settings])

    def job(self) -> Job:
        """The job, built anew."""
        return self.config().job()


@lru_cache(maxsize=4)
def _lines(scenario: Scenario, events: int) -> list[bytes]:
    return list(scenario.generate(events, scenario.users_of(events)))


def _uniform(events: int, users: int) -> Iterable[bytes]:
    return plays(events, users, _HALF_HOUR_US, evenly(users))


def _zipf(events: int, users: int) -> Iterable[bytes]:
    return plays(events, users, _HALF_HOUR_US, by_rank(users, 1.1))


def _hot_user(events: int, users: int) -> Iterable[bytes]:
    return plays(events, users, _HALF_HOUR_US, one_is_half(users))


def _churn(events: int, users: int) -> Iterable[bytes]:
    return plays(events, users, _HALF_HOUR_US, passing(users, events, events / 30))


def _disorder(events: int, users: int) -> Iterable[bytes]:
    order = delayed(events, HOUR_US, 10 * MINUTE_US, 0.03, (15 * MINUTE_US, 25 * MINUTE_US))
    return plays(events, users, HOUR_US, evenly(users), order=order)


def _archive(events: int, users: int) -> Iterable[bytes]:
    return soiled(plays(events, users, _HALF_HOUR_US, evenly(users)), 0.001, 0.002)


def _day(events: int, users: int) -> Iterable[bytes]:
    # A day has 288 window ends, which cost the same however few the events are: too long for the smoke size.
    return plays(events, users, DAY_US if events >= 50_000 else 2 * HOUR_US, evenly(users))


def _platform(events: int, users: int) -> Iterable[bytes]:
    # People have some 50 events a day; the day ends early where they have more.
    platform = Platform(SimulationSpec(users=users, start_us=MONDAY_US, duration_us=DAY_US, partitions=1))
    return islice(chain.from_iterable(platform.lines(platform.partitions()[0])), events)


_ALL = (
    Scenario("uniform", "Every user as busy as any other", _uniform, events=1_000_000, users=50_000),
    Scenario(
        "zipf", "Users by Zipf's law, exponent 1.1: the first has a seventh", _zipf, events=1_000_000, users=50_000
    ),
    Scenario(
        "shipped",
        "A day of the simulated platform through the configuration that Driftnet ships",
        _platform,
        _JOBS / "shipped.toml",
        events=950_000,
    ),
    Scenario(
        "alone",
        "The same without campaigns: each user alone",
        _platform,
        _JOBS / "shipped.toml",
        events=950_000,
        settings=("campaigns=false",),
    ),
    Scenario("hot-user", "One account is half the batch", _hot_user),
    Scenario("churn", "Every user is new, stays for a minute and never returns", _churn, users=40_000),
    Scenario(
        "disorder",
        "Up to 10 minutes out of order, and 3 % later than that",
        _disorder,
        settings=("time.out_of_orderness=10m",),
    ),
    Scenario(
        "cold",
        "A fresh process: imports, configuration, the first scored row",
        _uniform,
        events=40_000,
        users=2_000,
        runs="process",
    ),
    Scenario(
        "full",
        "Room for a thousand of 200,000 users: evicting all the time",
        _uniform,
        settings=("state.capacity=64",),
        users=200_000,
    ),
    Scenario(
        "replay-archive",
        "Six gzipped files side by side, with broken and repeated lines, into SQLite and JSON Lines",
        _archive,
        runs="archive",
    ),
    Scenario("wide", "40 features instead of 12", _uniform, _JOBS / "wide.toml"),
    Scenario(
        "many-windows",
        "A day of events in four windows: 5 m, 1 h every 5 m, 24 h every 1 h, sessions",
        _day,
        settings=(
            "job.key_groups=4",
            'windows.w1h={kind="sliding",size="1h",slide="5m"}',
            'windows.w24h={kind="sliding",size="24h",slide="1h"}',
            'windows.session={kind="session",gap="30m",max="24h"}',
        ),
        events=200_000,
        users=2_000,
    ),
)
SCENARIOS = {scenario.id: scenario for scenario in _ALL}
"""Scenarios by id."""
