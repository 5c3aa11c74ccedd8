"""Sizes: smoke under `--benchmark-disable` (part of the tests, so that no benchmark rots), real otherwise."""

import gc
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.growth.measures import Point
from bench.scenarios import SCENARIOS
from flows.job import Job

T = TypeVar("T")


@pytest.fixture(scope="session")
def smoke(pytestconfig: pytest.Config) -> bool:
    """Whether the smoke size is wanted."""
    return bool(pytestconfig.getoption("benchmark_disable"))


@pytest.fixture(scope="session")
def size(smoke: bool) -> Callable[[T, T], T]:
    """The smoke size or the real one."""
    return lambda small, real: small if smoke else real


@pytest.fixture(scope="session")
def job() -> Job:
    """The canonical job."""
    return SCENARIOS["uniform"].job()


@pytest.fixture
def point(benchmark: BenchmarkFixture, smoke: bool) -> Point:
    """The point of a curve that a case of growth is."""
    return Point(benchmark, smoke)


@pytest.fixture(autouse=True)
def _quiet_collector(smoke: bool) -> Iterator[None]:
    """Keep what exists out of the cyclic collector's way while something is measured."""
    if smoke:
        yield
        return
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
