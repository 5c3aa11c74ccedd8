"""The flow stage by stage, in one group with `orjson.loads`, whose CPU time is the yardstick."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.pipeline import decode_only, reference, whole, windows_only
from bench.scenarios import SCENARIOS
from flows.job import Job

Size = Callable[[int, int], int]


@pytest.mark.benchmark(group="flow")
def test_orjson_loads(benchmark: BenchmarkFixture, size: Size) -> None:
    """The reference: every line parsed once."""
    benchmark(reference, SCENARIOS["uniform"].lines(size(4_000, 200_000)))


@pytest.mark.benchmark(group="flow")
def test_decode(benchmark: BenchmarkFixture, size: Size, job: Job) -> None:
    """Lines to columns, lateness, routing."""
    benchmark(decode_only, job, SCENARIOS["uniform"].lines(size(4_000, 200_000)))


@pytest.mark.benchmark(group="flow")
def test_windows(benchmark: BenchmarkFixture, size: Size, job: Job) -> None:
    """Decoding, windows and 12 features."""
    events = size(4_000, 200_000)
    rows = benchmark(windows_only, replace(job, detectors=()), SCENARIOS["uniform"].lines(events))
    # 20 events a user over 6 windows: a user is in a window with a chance of 1 - exp(-20 / 6).
    assert rows == pytest.approx(0.9643 * 6 * events / 20, rel=0.05)


@pytest.mark.benchmark(group="flow")
def test_whole(benchmark: BenchmarkFixture, size: Size, job: Job) -> None:
    """Decoding, windows, Half-Space Trees, calibration, drift, alerts."""
    events = size(4_000, 200_000)
    counts = benchmark(whole, job, SCENARIOS["uniform"].lines(events))
    assert counts["accepted"] == events
