"""How cost grows with what is company: kinds of subjects, entities, one that is hot, members of a campaign."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.growth.company import KINDS, campaign, on_devices, shipped_with_kinds, with_campaigns, with_devices
from bench.growth.measures import Point, footprint_metrics, steady_lines
from bench.growth.streams import simulated, steady
from flows.simulate.config import MONDAY_US
from state.types import DAY_US, HOUR_US, MINUTE_US

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


@pytest.mark.parametrize("silent", [True, False], ids=["silent", "active"])
@pytest.mark.parametrize("entities", [10_000, 100_000])
def test_entity_memory(point: Point, tmp_path: Path, entities: int, silent: bool) -> None:
    """State of devices that were seen once, by few users: three hours ago, or in the window that is open."""
    m, users = point.size(entities), point.size(1_000)
    once, few = np.arange(m), np.zeros(16, np.int64)
    if silent:
        stream = steady(m, users, _PANE_US).then(steady(16, 16, _PANE_US, MONDAY_US + 3 * HOUR_US))
        lines = on_devices(stream.lines(), np.concatenate([once, few]))
    else:
        stream = steady(16, 16, _PANE_US).then(steady(m, users, _PANE_US - MINUTE_US, MONDAY_US + _PANE_US))
        lines = on_devices(stream.lines(), np.concatenate([few, once]))
    job = with_devices()
    # Nobody bears out the few events after the silence.
    found = point.memory(job.with_stream(time=replace(job.stream.time, ahead_max_us=0)), lines, tmp_path)
    per_entity = {f"{what}_per_entity": getattr(found, what) / m for what in ("state_bytes", "snapshot_bytes")}
    curve = f"memory of {'silent' if silent else 'active'} entities"
    point.tell(curve, "entities", m, found.digest, footprint_metrics(found) | per_entity, fit="state_bytes")


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
