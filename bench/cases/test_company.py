"""How cost grows with what is company: kinds of subjects, entities, one that is hot, members of a campaign."""

import numpy as np
import pytest

from bench.growth.company import KINDS, campaign, on_devices, shipped_with_kinds, with_campaigns, with_devices
from bench.growth.measures import Point, steady_lines
from bench.growth.streams import simulated
from state.types import DAY_US, MINUTE_US

pytestmark = pytest.mark.benchmark(group="growth")

_PANE_US = 5 * MINUTE_US


@pytest.mark.parametrize("kinds", range(KINDS + 1))
def test_kinds(point: Point, kinds: int) -> None:
    """A simulated day through the shipped configuration, with further kinds of subjects that lend to users."""
    settings = ("job.key_groups=1", 'time.ahead_max="0s"') if point.smoke else ()
    lines = simulated(point.size(4_000, least=50), point.size(DAY_US, 40 * MINUTE_US))
    run = point.run(shipped_with_kinds(kinds, *settings).job(), lines, rounds=2)
    more = {"times_loads": run.cpu_s / run.events / run.loads_us * 1e6}
    point.tell("kinds of subjects", "kinds, with users", 1 + kinds, run.result, run.metrics | more)


@pytest.mark.parametrize("entities", [5_000, 10_000, 20_000, 40_000])
def test_entities(point: Point, entities: int) -> None:
    """More devices, each with four events in each window, and users as many as there are."""
    m = point.size(entities)
    _, lines = steady_lines(8 * m, m, 2 * _PANE_US)
    device = np.random.default_rng(m).permutation(np.repeat(np.arange(m), 8))
    run = point.run(with_devices(), on_devices(lines, device))
    assert run.counts["phone_subject/rows.w5m"] > m // 2
    point.tell("entities", "entities", m, run.result, run.metrics)


@pytest.mark.parametrize("events", [50_000, 100_000, 200_000, 400_000])
def test_hot_entity(point: Point, events: int) -> None:
    """One device that half of all events are on, beside ordinary ones; the events grow."""
    n, users = point.size(events), point.size(10_000)
    _, lines = steady_lines(n, users, 3 * _PANE_US)
    rng = np.random.default_rng(n)
    device = np.where(rng.random(n) < 0.5, users, rng.integers(0, users, n))
    run = point.run(with_devices(), on_devices(lines, device))
    point.tell("hot entity", "events", n, run.result, run.metrics)


@pytest.mark.parametrize("members", [64, 128, 256, 512])
def test_members(point: Point, members: int) -> None:
    """A campaign of more members over more tracks, for a day."""
    m = point.size(members, least=16)
    run = point.run(with_campaigns(), campaign(m, point.size(24, least=6)), rounds=1)
    point.tell("members of a campaign", "members", m, run.result, run.metrics)
