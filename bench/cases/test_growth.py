"""How cost grows: one thing grows, all others stay.  Each case is a point; the report fits a power law through a curve.

`expect` is the exponent that is right: 1 (if not said) where twice as much is asked for, 0 where the work is the same.
"""

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from bench.growth.engine import Ran, run_engine
from bench.growth.jobs import sliding, tumbling, with_detectors, with_features, with_windows
from bench.growth.measures import Point, footprint_metrics, steady_lines
from bench.growth.streams import simulated, steady, write_parts
from bench.measure.checkpoints import checkpointed
from bench.scenarios import SCENARIOS
from flows.config.load import load
from flows.counters import ACCEPTED, ROWS
from flows.engine.plan import Options
from flows.job import Job
from flows.simulate.config import MONDAY_US
from flows.sources.files import FilesSpec
from state.types import DAY_US, HOUR_US, MINUTE_US

pytestmark = pytest.mark.benchmark(group="growth")

_PANE_US = 5 * MINUTE_US


@pytest.fixture
def job(smoke: bool) -> Job:
    """The canonical job; its 16 key groups cost too much for the smoke size."""
    job = SCENARIOS["uniform"].job()
    job = job.with_stream(
        time=replace(job.stream.time, ahead_max_us=0)
    )  # at the smallest sizes nobody bears out a first event
    return job.with_stream(key_groups=2) if smoke else job


@pytest.mark.parametrize("events", [125_000, 250_000, 500_000, 1_000_000])
def test_events(point: Point, job: Job, events: int) -> None:
    """A longer stream of 20,000 users, four events each per window; with the stages one by one."""
    n, users = point.size(events), point.size(20_000)
    stream, lines = steady_lines(n, users, n * _PANE_US // (4 * users))
    run = point.run(job, lines, stream, stages=True)
    point.tell("events", "events", n, run.result, run.metrics)


@pytest.mark.parametrize("events", [125_000, 250_000, 500_000, 1_000_000])
def test_density(point: Point, job: Job, events: int) -> None:
    """More events of 20,000 users in half an hour: windows fill up, their number stays."""
    n = point.size(events)
    stream, lines = steady_lines(n, point.size(20_000), 30 * MINUTE_US)
    run = point.run(job, lines, stream)
    point.tell("events per window", "events", n, run.result, run.metrics)


@pytest.mark.parametrize("events", [250_000, 500_000, 1_000_000, 2_000_000])
def test_pane(point: Point, job: Job, events: int) -> None:
    """More events in one pane of one key group: a long window, a busy stream."""
    job = with_windows(job, tumbling(HOUR_US)).with_stream(key_groups=1)
    n = point.size(events)
    stream, lines = steady_lines(n, point.size(20_000), 59 * MINUTE_US)
    run = point.run(job, lines, stream)
    point.tell("events per pane and group", "events", n, run.result, run.metrics)


@pytest.mark.parametrize("users", [1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000])
def test_users(point: Point, job: Job, users: int) -> None:
    """More users, two events each in ten minutes."""
    m = point.size(users)
    stream, lines = steady_lines(2 * m, m, 2 * _PANE_US)
    run = point.run(job, lines, stream)
    point.tell("users", "users", m, run.result, run.metrics)


@pytest.mark.parametrize("users", [1_000, 10_000, 100_000, 1_000_000])
def test_spread(point: Point, job: Job, users: int) -> None:
    """The same million events of more users: at the end one each, and a window row for every event."""
    m = point.size(users)
    stream, lines = steady_lines(point.size(1_000_000), m, 30 * MINUTE_US)
    run = point.run(job, lines, stream)
    point.tell("users, same events", "users", m, run.result, run.metrics, expect=0.3)


@pytest.mark.parametrize("users", [1_000, 10_000, 100_000, 1_000_000])
def test_memory(point: Point, job: Job, tmp_path: Path, users: int) -> None:
    """State of more users, each with one event in the open window; snapshot and restore."""
    m = point.size(users)
    stream = steady(2 * m, m, 2 * _PANE_US - MINUTE_US)
    found = point.memory(job, stream.lines(), tmp_path)
    assert found.users == m
    open_events = {"open_events": float((stream.time_us >= MONDAY_US + _PANE_US).sum())}
    point.tell("memory", "users", m, found.digest, footprint_metrics(found) | open_events, fit="state_bytes")


@pytest.mark.parametrize("arrivals", [False, True], ids=["known", "arrivals"])
@pytest.mark.parametrize("known", [1_000, 10_000, 100_000, 1_000_000])
def test_idle(point: Point, job: Job, known: int, arrivals: bool) -> None:
    """A thousand active users among more that are silent; with arrivals, one event in a hundred is of a new user.

    What an hour of the active ones costs must not depend on how many are silent since three hours.
    """
    m, n, batch = point.size(known), point.size(200_000), point.batch_lines
    # The first batch of the active ones closes the pane of the others; the hour after it is what counts.
    skip = (m // batch + 2) * batch
    more = skip - m + n
    later = steady(more, point.size(1_000), HOUR_US * more // n, MONDAY_US + 3 * HOUR_US)
    stream = steady(m, m, _PANE_US).then(later.with_arrivals(100, m) if arrivals else later)
    run = point.run(job, stream.lines(), stream, skip=skip)
    curve = "idle users, and arrivals" if arrivals else "idle users"
    point.tell(curve, "known users", m, run.result, run.metrics, expect=0.0)


@pytest.mark.parametrize("known", [1_000, 10_000, 100_000, 1_000_000])
def test_idle_memory(point: Point, job: Job, tmp_path: Path, known: int) -> None:
    """State of users whose last event was three hours ago, while 16 go on."""
    m = point.size(known)
    stream = steady(m, m, _PANE_US).then(steady(16, 16, _PANE_US, MONDAY_US + 3 * HOUR_US))
    found = point.memory(job, stream.lines(), tmp_path)
    point.tell("idle memory", "users", m, found.digest, footprint_metrics(found), fit="state_bytes")


@pytest.mark.parametrize("minutes", [5, 30, 120, 480, 1440])
def test_length(point: Point, job: Job, minutes: int) -> None:
    """A longer tumbling window over two days of 4,000 users, one event in half an hour each."""
    stream, lines = steady_lines(point.size(384_000), point.size(4_000), point.size(2 * DAY_US, 3 * HOUR_US))
    run = point.run(with_windows(job, tumbling(minutes * MINUTE_US)), lines, stream)
    point.tell("window length", "minutes", minutes, run.result, run.metrics, expect=0.0)


@pytest.mark.parametrize("ratio", [1, 3, 12, 48, 96, 288])
@pytest.mark.parametrize("busy", [True, False], ids=["busy", "sparse"])
def test_sliding(point: Point, job: Job, busy: bool, ratio: int) -> None:
    """A window longer than its slide of five minutes, over a day and a half of 86,400 events.

    200 busy users are in every pane: the rows stay, and each is made of more panes.  Of 2,000 others one in ten is.
    """
    window = sliding(ratio * _PANE_US, _PANE_US)
    users = point.size(200 if busy else 2_000)
    stream, lines = steady_lines(point.size(86_400), users, point.size(36 * HOUR_US, HOUR_US))
    run = point.run(with_windows(job, window).with_stream(key_groups=1), lines, stream, rounds=1)
    curve = "slides per window" if busy else "slides per window, sparse users"
    point.tell(curve, "size / slide", ratio, run.result, run.metrics)


@pytest.mark.parametrize("windows", [1, 2, 4, 8])
def test_windows(point: Point, job: Job, windows: int) -> None:
    """More windows of different lengths, 5 minutes to 4 hours."""
    specs = [tumbling(minutes * MINUTE_US) for minutes in (5, 10, 15, 20, 30, 60, 120, 240)[:windows]]
    stream, lines = steady_lines(point.size(200_000), point.size(10_000), point.size(4 * HOUR_US, HOUR_US))
    run = point.run(with_windows(job, *specs), lines, stream)
    point.tell("windows", "windows", windows, run.result, run.metrics)


@pytest.mark.parametrize("features", [1, 4, 8, 16, 32, 48])
def test_features(point: Point, job: Job, features: int) -> None:
    """More features, none of which shares work with another."""
    stream, lines = steady_lines(point.size(200_000), point.size(10_000), 30 * MINUTE_US)
    run = point.run(with_features(job, features), lines, stream)
    point.tell("features", "features", features, run.result, run.metrics)


@pytest.mark.parametrize("detectors", [1, 2, 4, 8])
def test_detectors(point: Point, job: Job, detectors: int) -> None:
    """More Half-Space Trees on the same rows."""
    stream, lines = steady_lines(point.size(200_000), point.size(10_000), 30 * MINUTE_US)
    run = point.run(with_detectors(job, detectors), lines, stream)
    point.tell("detectors", "detectors", detectors, run.result, run.metrics)


@pytest.mark.parametrize("groups", [1, 4, 16, 64, 128])
def test_key_groups(point: Point, job: Job, groups: int) -> None:
    """More key groups for the same users: smaller messages, more operators that close each pane."""
    stream, lines = steady_lines(point.size(500_000), point.size(25_000), point.size(30 * MINUTE_US, _PANE_US))
    run = point.run(job.with_stream(key_groups=groups), lines, stream)
    point.tell("key groups", "key groups", groups, run.result, run.metrics, expect=0.1)


@pytest.mark.parametrize("boundaries", [100, 200, 400, 800, 1_600])
def test_boundaries(point: Point, job: Job, boundaries: int) -> None:
    """64 users over a longer time: hardly an event in a pane, what is left is the cost of closing it."""
    b, groups = point.size(boundaries, factor=100), 4
    stream, lines = steady_lines(64 * b, 64, b * _PANE_US)
    run = point.run(job.with_stream(key_groups=groups), lines, stream, rounds=1)
    per_pane = {"cpu_us_per_boundary_and_group": run.cpu_s / (b * groups) * 1e6}
    point.tell("pane boundaries", "boundaries", b, run.result, run.metrics | per_pane)


@pytest.mark.parametrize("processes", [1, 2])
def test_processes(point: Point, job: Job, tmp_path: Path, processes: int) -> None:
    """The same two files in one process and in two: wall time, and CPU of all of them, without what starting and ending
    take, by what twice the events take longer; the fastest of three runs.  (Less what an empty run takes is less than
    that: a part of it happens while others work, and two processes seemed to be three times as fast.)

    For smoke, two threads stand for two processes: the tests of the engine start clusters enough.
    """
    options = Options(workers=processes) if point.smoke else Options(processes=processes)
    n = point.size(10_000_000)
    streams = [steady(events, point.size(50_000), 30 * MINUTE_US) for events in (n, n // 2)]
    whole, half = (write_parts(s, 2, tmp_path / name) for s, name in zip(streams, ("whole", "half"), strict=True))

    def fastest(source: FilesSpec) -> Ran:
        return min((run_engine(job, source, options) for _ in range(1 if point.smoke else 3)), key=lambda r: r.wall_s)

    less, ran = fastest(half), point.once(fastest, whole)
    window = job.stream.windows[0].window
    assert ran.summary.total(ACCEPTED) == n
    assert ran.summary.by_label(ROWS) == {window.name: streams[0].rows(window.size_us, window.slide_us)}
    wall_s, tree_s = ran.wall_s - less.wall_s, ran.cpu_s - less.cpu_s
    metrics = {"wall_s": wall_s, "tree_cpu_s": tree_s, "cpu_us_per_event": tree_s / (n - n // 2) * 1e6, "events": n}
    metrics |= {"start_wall_s": less.wall_s - wall_s, "start_cpu_s": less.cpu_s - tree_s}
    point.tell("processes", "processes", processes, str(ran.summary.by_label(ROWS)), metrics, fit="wall_s", expect=-0.8)


@pytest.mark.parametrize("known", [1_000, 10_000, 100_000, 1_000_000])
def test_checkpoints(point: Point, job: Job, tmp_path: Path, known: int) -> None:
    """A thousand active users among more that are silent: what checkpoints write must not depend on how many are."""
    m, n, batch = point.size(known), point.size(200_000), point.batch_lines
    skip = (m // batch + 2) * batch
    more = skip - m + n
    later = steady(more, point.size(1_000), HOUR_US * more // n, MONDAY_US + 3 * HOUR_US)
    lines = steady(m, m, _PANE_US).then(later).lines()
    told = point.once(checkpointed, job, lines, skip, batch, tmp_path)
    metrics = asdict(told) | {"bytes_per_event": told.written_bytes / told.events}
    metrics |= {"cpu_us_per_event": told.cpu_s / told.events * 1e6, "disk_ratio": told.disk_bytes / told.state_bytes}
    axis = "known users"
    point.tell("checkpoints", axis, m, str(told.users), metrics, fit="bytes_per_event", expect=0.0)


@pytest.mark.parametrize("users", [1_000, 10_000, 100_000, 1_000_000])
def test_restore(point: Point, job: Job, tmp_path: Path, users: int) -> None:
    """Back from files: more users, each with one event in the open window."""
    m = point.size(users)
    lines = steady(2 * m, m, 2 * _PANE_US - MINUTE_US).lines()
    told = point.once(checkpointed, job, lines, 0, point.batch_lines, tmp_path)
    assert told.users == m
    point.tell("restore", "users", m, str(told.users), asdict(told), fit="restore_s")


@pytest.mark.parametrize("users", [1_000, 4_000, 12_000])
def test_shipped(point: Point, users: int) -> None:
    """A simulated day of more users through the configuration that Driftnet ships: four windows, six detectors."""
    m, job = point.size(users, least=50 + users // 1_000), _shipped(point)
    lines = simulated(m, point.size(DAY_US, 40 * MINUTE_US))
    run = point.run(job, lines, rounds=2, stages=True)
    point.tell("shipped configuration", "users", m, run.result, run.metrics)


@pytest.mark.parametrize("users", [4_000, 12_000])
def test_shipped_memory(point: Point, tmp_path: Path, users: int) -> None:
    """What the shipped configuration holds at the end of that day, all of which is in the longest window."""
    m = point.size(users, least=50 + users // 1_000)
    found = point.memory(_shipped(point), simulated(m, point.size(DAY_US, 40 * MINUTE_US)), tmp_path)
    point.tell("shipped memory", "users", m, found.digest, footprint_metrics(found), fit="state_bytes")


@pytest.mark.parametrize("users", [4_000, 12_000])
def test_shipped_checkpoints(point: Point, tmp_path: Path, users: int) -> None:
    """What checkpoints write for an event of that day's second half."""
    m = point.size(users, least=50 + users // 1_000)
    lines = simulated(m, point.size(DAY_US, 40 * MINUTE_US))
    # So few lines that no two panes end between two checkpoints, as in a live run.
    told = point.once(checkpointed, _shipped(point), lines, len(lines) // 2, point.size(512, 64), tmp_path)
    metrics = asdict(told) | {"bytes_per_event": told.written_bytes / told.events}
    point.tell("shipped checkpoints", "users", m, str(told.users), metrics, fit="bytes_per_event", expect=0.0)


@pytest.mark.parametrize("known", [5_000, 50_000])
def test_shipped_idle_memory(point: Point, tmp_path: Path, known: int) -> None:
    """What it holds of users whose last event was two days ago."""
    m = point.size(known)
    stream = steady(m, m, _PANE_US).then(steady(16, 16, _PANE_US, MONDAY_US + 2 * DAY_US))
    found = point.memory(_shipped(point), stream.lines(), tmp_path)
    point.tell("shipped idle memory", "users", m, found.digest, footprint_metrics(found), fit="state_bytes")


def _shipped(point: Point) -> Job:
    """Each user alone: what company costs has cases of its own.  No bound on events ahead: nobody bears out a first
    event of a small stream, or those after a silence of days.
    """
    job = load(None, environ={}, settings=["campaigns=false"]).job()
    job = job.with_stream(time=replace(job.stream.time, ahead_max_us=0))
    return job.with_stream(key_groups=1) if point.smoke else job
