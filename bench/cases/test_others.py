"""The job of bench/others/SPECIFICATION.md in Driftnet and in other systems, each in a process tree of its own.

All systems take turns on one input, so they are run by the first case of a job that asks; each case then plays its
system's rounds back to pytest-benchmark, whose clock here is the wall clock of those runs.
DRIFTNET_BENCH_OTHERS_EVENTS: events at the real size.  DRIFTNET_BENCH_VENVS: see bench/others/systems.py.
"""

import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.others import driftnet, idiomatic_bytewax, plain_script
from bench.others.cli import JOBS
from bench.others.equality import compare, read_rows
from bench.others.events import write_events
from bench.others.features import window_features
from bench.others.meter import measure
from bench.others.run import Arena, Measured
from bench.others.systems import HERE, SYSTEMS

EVENTS: Final = "DRIFTNET_BENCH_OTHERS_EVENTS"
_JOB_NAMES: Final = {"windows": "windows", "hst": "windows+hst"}
_LEFT_OUT: Final = ("driftnet, local driver",)
"""`python -m bench.others run` has it; beside the others stands what `driftnet run` does."""
_CASES: Final = [name for name in SYSTEMS if name not in _LEFT_OUT]

Figures = Callable[[str, str], Measured]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The smoke size leaves out systems that need environments of their own, and the job that the other one holds."""
    if "system" in metafunc.fixturenames:
        smoke = metafunc.config.getoption("benchmark_disable")
        metafunc.parametrize("system", [name for name in _CASES if name in HERE or not smoke])
        metafunc.parametrize("job_name", JOBS[1:] if smoke else JOBS)


class Playback:
    """A clock that stands still but for what is played."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def play(self, seconds: float) -> None:
        """Lets so much time pass."""
        self.now_s += seconds


_PLAYBACK: Final = Playback()


def recorded_wall_clock() -> float:
    """The timer of the cases."""
    return _PLAYBACK.now_s


@pytest.fixture(scope="module")
def arena(smoke: bool, tmp_path_factory: pytest.TempPathFactory) -> Arena:
    """The input; 200,000 events let the slowest system end within a minute."""
    return Arena(tmp_path_factory.mktemp("others"), 3_000 if smoke else int(os.environ.get(EVENTS, "200000")))


@pytest.fixture(scope="module")
def figures(arena: Arena, smoke: bool, request: pytest.FixtureRequest) -> Figures:
    """(system, job) -> its figures.  At the real size all systems whose cases were selected are run in turns."""
    found: dict[tuple[str, str], Measured] = {}
    selected = {item.callspec.params.get("system") for item in request.session.items if hasattr(item, "callspec")}
    rounds = 1 if smoke else request.config.getoption("benchmark_min_rounds")

    def of(system: str, job: str) -> Measured:
        if (system, job) not in found:
            names = [system] if smoke else [n for n in _CASES if n in selected and not SYSTEMS[n].missing()]
            for name, measured in arena.rounds([SYSTEMS[n] for n in names], job, rounds).items():
                found[name, job] = measured
                if not smoke and not measured.failed:
                    measured.start_up_cpu_s = arena.start_up(SYSTEMS[name], job)
        return found[system, job]

    return of


@pytest.mark.benchmark(group="others", timer=recorded_wall_clock)
def test_job(benchmark: BenchmarkFixture, arena: Arena, figures: Figures, system: str, job_name: str) -> None:
    """The job from file to file, start-up included; every row compared with the plain script's."""
    if why := SYSTEMS[system].missing():
        pytest.skip(why)
    measured = figures(system, job_name)
    assert not measured.failed, measured.failed
    wall_s = iter(measured.wall_s)
    benchmark.pedantic(  # type: ignore[no-untyped-call]
        lambda: _PLAYBACK.play(next(wall_s)), rounds=len(measured.wall_s)
    )
    benchmark.extra_info.update(
        kind="others",
        result=arena.digest(job_name),
        system=system,
        job=_JOB_NAMES[job_name],
        events=arena.events,
        cpu_s=measured.cpu_s,
        wall_s=measured.wall_s,
        start_up_cpu_s=measured.start_up_cpu_s,
        peak_rss_bytes=measured.peak_rss_bytes,
        rows=measured.rows,
        equal_rows=measured.equal_rows,
    )
    assert measured.rows > arena.events / 4
    assert any(score is not None for _, score in arena.reference(job_name).values()) == (job_name == "hst")


@pytest.mark.parametrize("job", JOBS)
def test_late_events_are_left_out_alike(tmp_path: Path, job: str) -> None:
    """Disorder of two minutes, where the specification allows 30 seconds."""
    source = tmp_path / "events.jsonl"
    write_events(source, 3_000)
    lines = source.read_bytes().splitlines(keepends=True)
    rng = random.Random(1)
    moved = sorted(range(len(lines)), key=lambda i: i + rng.random() * len(lines) / 15)
    source.write_bytes(b"".join(lines[i] for i in moved))
    plain_script.work(str(source), str(tmp_path / "plain"), job == "hst")
    driftnet.work(str(source), str(tmp_path / "ours"), job, "local")
    reference = read_rows(tmp_path / "plain")
    assert sum(values[0] or 0 for values, _ in reference.values()) < 3_000
    assert compare(reference, tmp_path / "ours").same


def test_windows_are_alike(tmp_path: Path) -> None:
    """The job without a model, in this process."""
    source = tmp_path / "events.jsonl"
    write_events(source, 2_000)
    plain_script.work(str(source), str(tmp_path / "plain"), False)
    reference = read_rows(tmp_path / "plain")
    driftnet.work(str(source), str(tmp_path / "ours"), "windows", "bytewax")
    assert compare(reference, tmp_path / "ours").same
    idiomatic_bytewax.work(str(source), str(tmp_path / "bytewax"), False)
    assert compare(reference, tmp_path / "bytewax").same


def test_gaps_cross_windows_and_end_at_half_an_hour() -> None:
    """1, then 29 minutes after the last play of the windows before; a pause of 31 minutes is no gap."""
    minute = 60_000

    def play(at: int) -> tuple[int, str, int, str, str, str]:
        return at * minute, "play", 0, "t", "a", "r"

    values, last = window_features([play(30), play(1)], last_play_ms=0)
    assert (values[10], last) == (900.0, 30 * minute)
    assert window_features([play(61)], last)[0][10] is None


def test_planted_differences_are_found(tmp_path: Path) -> None:
    """A value, a missing row, a surplus row; rounding is none."""
    source = tmp_path / "events.jsonl"
    write_events(source, 200)
    plain_script.work(str(source), str(tmp_path / "plain"), False)
    lines = (tmp_path / "plain").read_bytes().splitlines(keepends=True)
    reference = read_rows(tmp_path / "plain")

    def difference(*changed: bytes) -> str:
        (tmp_path / "changed").write_bytes(b"".join(changed))
        return compare(reference, tmp_path / "changed").difference

    at = next(i for i, line in enumerate(lines) if b":[1," in line)
    assert difference(*reversed(lines)) == ""
    assert difference(*lines[:at], lines[at].replace(b":[1,", b":[1.0000000001,"), *lines[at + 1 :]) == ""
    assert "events is 1.00001" in difference(*lines[:at], lines[at].replace(b":[1,", b":[1.00001,"), *lines[at + 1 :])
    assert "is missing" in difference(*lines[:-1])
    assert "not in the reference" in difference(*lines, lines[0].replace(b'"user_id":"', b'"user_id":"x'))


def test_the_meter_counts_orphans(tmp_path: Path) -> None:
    """The CPU of a grandchild that outlives its parent."""
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    leave = f"import subprocess, sys; subprocess.Popen([sys.executable, '-S', '-c', {burn!r}])"
    usage = measure([sys.executable, "-S", "-c", leave], os.environ, tmp_path, timeout_s=60)
    assert (usage.code, usage.cpu_s > 0.3, usage.peak_rss_bytes > 1_000_000) == (0, True, True)


def test_the_meter_gives_up(tmp_path: Path) -> None:
    """What hangs is stopped."""
    with pytest.raises(TimeoutError, match="still running"):
        measure([sys.executable, "-S", "-c", "import time; time.sleep(60)"], os.environ, tmp_path, timeout_s=0.2)
