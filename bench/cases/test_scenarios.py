"""The scenarios: each with its speed beside `orjson.loads`, its stages, its memory, its snapshots and its latency."""

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.measure.latency import latency
from bench.measure.memory import Footprint, measure
from bench.measure.stages import profile
from bench.measure.turns import Turns
from bench.pipeline import Memory, decode_only, reference, run, total, windows_only
from bench.runs import Body, Cold, child, prepared, rows_digest, write_plain
from bench.scenarios import SCENARIOS, Scenario

Size = Callable[[Any, Any], Any]


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A directory that is gone at once: pytest would keep hundreds of megabytes of its own for three runs."""
    with TemporaryDirectory(prefix="driftnet-bench-") as directory:
        yield Path(directory)


@pytest.mark.benchmark(group="scenarios")
@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_scenario(
    benchmark: BenchmarkFixture,
    pytestconfig: pytest.Config,
    scratch: Path,
    smoke: bool,
    size: Size,
    scenario: Scenario,
) -> None:
    """Every run gives the same rows, counts and findings, and loses no line."""
    events = size(scenario.smoke_events, scenario.events)
    lines, job = scenario.lines(events), scenario.job()
    body = prepared(scenario, lines, scratch)
    rows: set[int] = set()
    plain = job.with_judgement(detectors=())
    turns = Turns(
        {
            "orjson.loads": lambda: reference(lines),
            "decode": lambda: decode_only(job, lines),
            "windows": lambda: rows.add(windows_only(plain, lines)),
        },
        body.run,
    )
    rounds = pytestconfig.getoption("benchmark_min_rounds")
    outcome = benchmark.pedantic(turns.main, setup=turns.before, teardown=turns.after, rounds=rounds)  # type: ignore[no-untyped-call]
    digest, checked = rows_digest(job, lines)
    counts = outcome.counts
    assert all(result == checked for result in turns.results)
    assert rows == {total(counts, "rows")}
    assert counts["read"] == events
    event_ns = min(turns.cpu_s["whole"]) / events * 1e9
    wall_s = statistics.median(turns.wall_s)
    sustained_s = wall_s if not isinstance(body, Cold) else _wall_s(lambda: run(job, [Memory(lines)]))
    benchmark.extra_info.update(
        kind="scenario",
        result=f"{digest} {outcome.digest}",
        scenario=scenario.id,
        summary=scenario.summary,
        events=events,
        users=scenario.users_of(events),
        rows=total(counts, "rows"),
        cpu_s=turns.cpu_s,
        ratio=turns.ratios("orjson.loads"),
        events_per_s=events / wall_s,
        event_ns=event_ns,
        **_stages(body, event_ns),
        **_memory(scenario, write_plain(lines, scratch / "lines.jsonl"), in_child=not smoke),
        evictions=counts.get("evicted", 0),
        rejects=total(counts, "rejected"),
        late=counts.get("late", 0),
        alerts=counts.get("out.alerts", 0),
        latency=latency(job, lines, events / sustained_s, seconds_max=size(0.05, 10.0)),
    )


def _stages(body: Body, event_ns: float) -> dict[str, Any]:
    """Of a process that starts cold, its phases; else samples."""
    if isinstance(body, Cold):
        names = list(body.phases[0])
        taken_s = {name: statistics.median(phases[name] for phases in body.phases) for name in names}
        shares = {name: s / sum(taken_s.values()) for name, s in taken_s.items()}
        flame = [{"name": name, "value": share, "children": []} for name, share in shares.items()]
        return {
            "stages": [{"stage": s, "share": x, "ns_per_event": x * event_ns} for s, x in shares.items()],
            "flame": {"name": "whole", "value": 1.0, "children": flame},
            "cold_ms": {name: s * 1e3 for name, s in taken_s.items()},
            "first_score_ms": sum(taken_s[name] for name in names[: names.index("first score") + 1]) * 1e3,
        }
    found = profile(body.run)
    assert found.covered > 0.8, "the map of stages no longer covers the flow"
    return {"stages": found.table(event_ns), "flame": found.flame, "collector_share": found.collector}


def _memory(scenario: Scenario, file: Path, *, in_child: bool) -> dict[str, Any]:
    """In a process of its own, save where only the body is tried."""
    told = (
        Footprint(**child("bench.measure.memory", str(scenario.job_file), str(file), *scenario.settings))
        if in_child
        else measure(scenario.job(), file)
    )
    return {
        "peak_rss_bytes": told.peak_rss_bytes,
        "baseline_rss_bytes": told.baseline_rss_bytes,
        "state_bytes": told.state_bytes,
        "array_bytes": told.array_bytes,
        "live_users": told.users,
        "bytes_per_user": told.state_bytes / told.users,
        "rss_bytes_per_user": (told.peak_rss_bytes - told.baseline_rss_bytes) / told.users,
        "snapshot_bytes": told.snapshot_bytes,
        "snapshot_bytes_per_user": told.snapshot_bytes / told.users,
        "snapshot_ms": {"max": told.snapshot_ms_max, "total": told.snapshot_ms_total},
        "restore_ms": told.restore_ms,
    }


def _wall_s(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
