"""One simulated day, shared by the tests that only look at it."""

import numpy as np
import pytest

from flows.simulate.config import SimulationSpec
from flows.simulate.platform import Platform
from flows.simulate.rows import Rows, Type


@pytest.fixture(scope="session")
def platform() -> Platform:
    """3,000 users, a day, all campaigns."""
    return Platform(SimulationSpec(users=3000, seed=7))


@pytest.fixture(scope="session")
def day(platform: Platform) -> Rows:
    """All events of the day, by time."""
    return platform.days.day(0)[0]


@pytest.fixture(scope="session")
def plays(day: Rows) -> Rows:
    """Its plays."""
    return day.take(day.type == Type.PLAY)


@pytest.fixture(scope="session")
def role(platform: Platform) -> np.ndarray:
    """(users,) role of each account."""
    return np.array([record["role"] for record in platform.truth()])


@pytest.fixture(scope="session")
def genuine(platform: Platform) -> np.ndarray:
    """(users,) True for people."""
    return np.array([not record["is_attacker"] for record in platform.truth()])
