"""The capacity page: its figures come from a run, its arithmetic adds up, and it is what the figures say."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.capacity.__main__ import PAGE, main
from bench.capacity.inputs import Curve, Inputs, Profile, load, of_results, save
from bench.capacity.page import page
from bench.capacity.plan import BUSY, FULL, GROUPS, PROCESSES, RATES, SLOTS, exchange, plan
from bench.results import BenchError, Case, Results
from state.slots import SlotTable

PROFILE = Profile(
    decode_us=2.0,
    subject_us=1.0,
    population_us=4.0,
    rows_per_event=0.25,
    boundary_us=300.0,
    account_bytes=200.0,
    account_snapshot_bytes=100.0,
    open_event_bytes=80.0,
    open_event_snapshot_bytes=60.0,
    idle_bytes=200.0,
    checkpoint_bytes_per_event=150.0,
)
INPUTS = Inputs(
    machine="a machine",
    date="2026-01-31",
    commit="0123456789ab",
    one_window=PROFILE,
    shipped=replace(PROFILE, account_bytes=2_000.0, open_event_bytes=0.0, population_us=10.0),
    shipped_events_per_account=50.0,
    exchange=1.2,
    speed_up=1.7,
    resident=1.5,
    process_bytes=1e8,
    restore_s_per_gb=2.0,
    checkpoint_s_per_gb=8.0,
    disk=2.0,
    kind_in_loads=1.2,
    silent_entity_bytes=120.0,
    silent_entity_snapshot_bytes=60.0,
    active_entity_bytes=400.0,
    active_entity_snapshot_bytes=300.0,
    curves=(
        Curve("users", "users", "cpu_s", 1.0, (1e3, 1e6), (0.01, 10.0)),
        Curve("bad", "x", "y", 0.0, (1, 10), (1, 3)),
    ),
)


def test_page_is_what_the_figures_say() -> None:
    """docs/capacity.md is what `python -m bench.capacity` writes from the figures that are kept."""
    assert PAGE.read_text() == page(load())


def test_figures_survive_the_file(tmp_path: Path) -> None:
    """What is kept is what was measured, to five digits."""
    save(INPUTS, tmp_path / "inputs.json")
    assert load(tmp_path / "inputs.json") == INPUTS


def test_one_small_job() -> None:
    """A thousand events per second: one process; checkpoints cost what happens, not what there is."""
    p = plan(INPUTS, PROFILE, 1_000)
    assert (p.accounts, p.jobs, p.processes_per_job, p.cores, p.groups_per_job) == (700_000, 1, 1, 1, 8)
    assert p.subject_cores == pytest.approx(1_000 * 3e-6)
    assert p.population_cores == pytest.approx(250 * 4e-6)
    assert p.state_bytes == pytest.approx(700_000 * 200 + 300_000 * 80)
    assert p.snapshot_bytes == pytest.approx(700_000 * 100 + 300_000 * 60)
    assert p.memory_bytes == pytest.approx(p.state_bytes * 1.5 + 1e8)
    assert p.written_bytes_per_s == pytest.approx(1_000 * 150)
    assert p.checkpoint_cores == pytest.approx(150e3 / 1e9 * 8)
    assert p.pause_s == pytest.approx(150e3 * 5 / 8 / 1e9 * 8)
    assert p.disk_bytes == pytest.approx(2 * p.snapshot_bytes)


@pytest.mark.parametrize("profile", [INPUTS.one_window, INPUTS.shipped], ids=["one window", "shipped"])
@pytest.mark.parametrize("rate", RATES)
def test_no_limit_is_broken(profile: Profile, rate: int) -> None:
    """Whatever the rate: no core too busy, no key group too full, names that spread evenly, one fewer would not do."""
    p = plan(INPUTS, profile, rate)
    more = exchange(INPUTS, p.processes_per_job)
    busiest = more * ((p.subject_cores + p.checkpoint_cores) / p.cores + p.population_cores / p.jobs)
    assert busiest <= BUSY + 1e-9
    assert p.accounts_per_group <= SLOTS * FULL
    assert p.groups_per_job <= GROUPS
    assert p.groups_per_job >= 4 * p.processes_per_job
    assert p.processes_per_job <= PROCESSES
    if p.processes_per_job > 1:
        one_fewer = p.processes_per_job - 1
        share = (p.subject_cores + p.checkpoint_cores) / p.jobs / one_fewer + p.population_cores / p.jobs
        assert exchange(INPUTS, one_fewer) * share > BUSY


def test_costs_are_linear_where_the_work_is() -> None:
    """A thousand times the events need at least a thousand times the busy cores, state and disk."""
    small, large = plan(INPUTS, PROFILE, RATES[0]), plan(INPUTS, PROFILE, RATES[-1])
    for name in ("accounts", "subject_cores", "population_cores", "state_bytes", "disk_bytes"):
        assert getattr(large, name) == pytest.approx(1_000 * getattr(small, name)), name


def test_limits_are_those_of_the_code() -> None:
    """The page's limits are read from the code; the slot table agrees."""
    table = SlotTable(SLOTS, 1)
    assert table.capacity == SLOTS == 1_048_576
    text = page(INPUTS)
    assert f"{SLOTS:,} accounts" in text
    assert f"{GROUPS} key groups spread evenly" in text


def test_exchange_is_never_a_gain() -> None:
    """One process exchanges nothing; two what was measured; noise below 1 counts as 1."""
    assert exchange(INPUTS, 1) == 1.0
    assert exchange(INPUTS, 2) == pytest.approx(1.2)
    assert 1.37 < exchange(INPUTS, 16) < 1.4
    assert exchange(replace(INPUTS, exchange=0.9), 16) == 1.0


def test_what_follows_is_worked_out() -> None:
    """One cohort takes as many events as its operator can judge rows of; entities are told with their bytes."""
    text = page(INPUTS)
    assert "events per second | 1,000,000 | 400,000 |" in text
    assert "cost\n1.2 times the CPU" in text
    assert "| seen once, in the window that is open | 400 B | 300 B |" in text


def test_growth_beyond_the_expected_is_marked() -> None:
    """A curve that is too steep is called a defect, the others are not."""
    marked = [line for line in page(INPUTS).splitlines() if "**defect**" in line]
    assert len(marked) == 1
    assert marked[0].startswith("| bad |")


def _case(curve: str, x: float, metrics: dict[str, float], fit: str = "cpu_s") -> Case:
    info: dict[str, Any] = {"kind": "growth", "curve": curve, "axis": "users", "x": x, "fit_metric": fit, "expect": 1.0}
    return Case(curve, curve, 1.0, 1.0, {**info, "metrics": metrics})


def _footprint(users: float, state: float, snapshot: float) -> dict[str, float]:
    sizes = {
        "users": users,
        "state_bytes": users * state,
        "snapshot_bytes": users * snapshot,
        "rss_bytes": users * 2 * state,
    }
    each = {"state_bytes_per_user": state, "snapshot_bytes_per_user": snapshot}
    times = {
        "baseline_rss_bytes": 5e7,
        "snapshot_ms_total": users * snapshot * 3e-6,
        "restore_ms": users * snapshot * 2e-6,
    }
    return sizes | each | times


def _saved(users: float, events: float) -> dict[str, float]:
    written, state = events * 150, users * 100
    sizes = {"written_bytes": written, "state_bytes": state, "disk_bytes": 2 * state}
    return sizes | {"cpu_s": written * 8e-9, "restore_s": state * 2e-9}


_EACH = "state_bytes_per_entity"


def _results(*without: str) -> Results:
    day = {"events": 50e3, "rows": 60e3, "cpu_s": 5.0, "decode_s": 1.0, "windows_s": 3.5}
    longer = {"events": 150e3, "rows": 180e3, "cpu_s": 10.0, "decode_s": 1.4, "windows_s": 6.5}
    cases = [
        _case("events", 1e5, {"events": 1e5, "rows": 25e3, "cpu_s": 0.4, "decode_s": 0.2, "windows_s": 0.3}),
        _case("events", 1e6, {"events": 1e6, "rows": 250e3, "cpu_s": 4.0, "decode_s": 2.0, "windows_s": 3.0}),
        _case("memory", 1e6, _footprint(1e6, 300, 200) | {"open_events": 5e5}, "state_bytes"),
        _case("idle memory", 1e6, _footprint(1e6, 200, 100), "state_bytes"),
        _case("pane boundaries", 1600, {"cpu_s": 1.0, "cpu_us_per_boundary_and_group": 440.0}),
        _case("processes", 1, {"wall_s": 5.0, "tree_cpu_s": 5.0}, "wall_s"),
        _case("processes", 2, {"wall_s": 3.0, "tree_cpu_s": 5.5}, "wall_s"),
        _case("checkpoints", 1e6, _saved(1e6, 2e5) | {"bytes_per_event": 150.0}, "bytes_per_event"),
        _case("restore", 1e6, _saved(1e6, 2e6), "restore_s"),
        _case("shipped checkpoints", 3e3, _saved(3e3, 1e5) | {"bytes_per_event": 700.0}, "bytes_per_event"),
        _case("shipped configuration", 1e3, day),
        _case("shipped configuration", 3e3, longer),
        _case("shipped memory", 3e3, _footprint(3e3, 2_000, 1_500), "state_bytes"),
        _case("shipped idle memory", 1e5, _footprint(1e5, 400, 300), "state_bytes"),
        _case("kinds of subjects", 1, {"cpu_s": 5.0, "times_loads": 12.0}),
        _case("kinds of subjects", 3, {"cpu_s": 6.0, "times_loads": 15.0}),
        _case(
            "memory of silent entities", 1e5, {"state_bytes_per_entity": 130, "snapshot_bytes_per_entity": 60}, _EACH
        ),
        _case(
            "memory of active entities", 1e5, {"state_bytes_per_entity": 500, "snapshot_bytes_per_entity": 400}, _EACH
        ),
    ]
    commit = {"id": "0123456789abcdef", "dirty": True}
    return Results({}, commit, "2026-01-31T10:00:00", tuple(c for c in cases if c.info["curve"] not in without))


def test_figures_of_a_run() -> None:
    """Stages are differences; open events weigh what is beyond an idle account; the shipped day is one of two."""
    found = of_results(_results())
    one, shipped = found.one_window, found.shipped
    assert (one.decode_us, one.subject_us) == (pytest.approx(2.0), pytest.approx(1.0))
    assert (one.population_us, one.rows_per_event) == (pytest.approx(4.0), pytest.approx(0.25))
    assert (one.account_bytes, one.open_event_bytes) == (200, pytest.approx(200.0))
    assert (shipped.decode_us, shipped.subject_us) == (pytest.approx(4.0), pytest.approx(26.0))
    assert (shipped.population_us, shipped.rows_per_event) == (pytest.approx(3.5 / 180e3 * 1e6), pytest.approx(1.2))
    assert shipped.boundary_us == pytest.approx((6.5 - 30e-6 * 150e3) / (288 * 8) * 1e6)
    assert (found.shipped_events_per_account, found.exchange) == (50.0, pytest.approx(1.1))
    assert (found.resident, found.disk) == (2.0, pytest.approx(2.0))
    assert (found.checkpoint_s_per_gb, found.restore_s_per_gb) == (pytest.approx(8.0), pytest.approx(2.0))
    assert (one.checkpoint_bytes_per_event, shipped.checkpoint_bytes_per_event) == (150.0, 700.0)
    assert found.kind_in_loads == pytest.approx(1.5)
    assert (found.silent_entity_bytes, found.active_entity_snapshot_bytes) == (130, 400)
    assert (found.date, found.commit) == ("2026-01-31", "0123456789ab*")
    assert {c.name: len(c.x) for c in found.curves}["events"] == 2


@pytest.mark.parametrize(
    "curve", ["memory", "processes", "shipped configuration", "kinds of subjects", "memory of silent entities"]
)
def test_a_missing_curve_is_named(curve: str) -> None:
    """A run that lacks a curve is refused."""
    with pytest.raises(BenchError, match=f"no growth curve '{curve}'"):
        of_results(_results(curve))


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Anything else than the three forms prints them."""
    assert main(["sideways"]) == 2
    assert "python -m bench.capacity measure" in capsys.readouterr().err


def test_no_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is no run is refused in a line, and the page stays."""
    before = PAGE.read_text()
    assert main(["read", str(tmp_path / "none.json")]) == 2
    assert "none.json" in capsys.readouterr().err
    assert PAGE.read_text() == before
