"""Servers for the tests of sinks: one of each for a test process, and a receiver of requests for each test."""

from collections.abc import Iterator

import pytest

from tests.servers.running import Receiver, Server, cache_server, postgres


@pytest.fixture(scope="session")
def database() -> Iterator[Server]:
    """A PostgreSQL server, which tests may stop if they start it again."""
    with postgres() as server:
        yield server


@pytest.fixture(scope="session", params=["valkey-server", "redis-server"])
def cache(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Valkey server, and a Redis server, which tests may stop if they start it again."""
    with cache_server(request.param, tmp_path_factory.mktemp(request.param)) as server:
        yield server


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A running HTTP server that takes everything."""
    found = Receiver()
    found.start()
    yield found
    found.stop()
