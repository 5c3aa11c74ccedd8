"""Sizes: smoke under `--benchmark-disable` (part of the tests, so that no benchmark rots), real otherwise."""

import gc
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from bench.throughput import JOB
from flows.config.load import load
from flows.job import Job
from flows.simulate.workload import uniform_plays
from state.types import MINUTE_US


@pytest.fixture(scope="session")
def size(pytestconfig: pytest.Config) -> Callable[[int, int], int]:
    """The smoke size or the real one."""
    smoke = pytestconfig.getoption("benchmark_disable")
    return lambda small, real: small if smoke else real


@pytest.fixture(scope="session")
def job() -> Job:
    """The canonical job."""
    return load(JOB, environ={}).job()


@cache
def plays(events: int) -> list[bytes]:
    """Lines of the canonical workload, at 20 events a user in half an hour."""
    return [line for batch in uniform_plays(events, events // 20, 30 * MINUTE_US) for line in batch]


@pytest.fixture(autouse=True)
def _quiet_collector() -> Iterator[None]:
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
