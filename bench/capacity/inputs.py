"""The measured figures that the capacity page is made of: taken from the growth cases, kept in inputs.json."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from bench.measure.fit import Fit, fit_power, upper_half
from bench.results import BenchError, Case, Results

FILE: Final = Path(__file__).with_name("inputs.json")
_DAY_BOUNDARIES: Final = 288
_SHIPPED_GROUPS: Final = 8


@dataclass(frozen=True, slots=True)
class Profile:
    """What one configuration costs, measured.

    decode_us, subject_us: CPU per event.  population_us: CPU per window row.  boundary_us: CPU per pane boundary and
    key group, whatever the number of events.  account_bytes: state of an account, open_event_bytes: more for each event
    in a window that is still open; both again in saved state.  idle_bytes: of an account that no window holds any more.
    checkpoint_bytes_per_event: written by checkpoints for each event since the one before.
    """

    decode_us: float
    subject_us: float
    population_us: float
    rows_per_event: float
    boundary_us: float
    account_bytes: float
    account_snapshot_bytes: float
    open_event_bytes: float
    open_event_snapshot_bytes: float
    idle_bytes: float
    checkpoint_bytes_per_event: float


@dataclass(frozen=True, slots=True)
class Curve:
    """One cost against one size, x ascending.  expect: the exponent that is right."""

    name: str
    axis: str
    metric: str
    expect: float
    x: tuple[float, ...]
    y: tuple[float, ...]

    @property
    def fit(self) -> Fit:
        """Over all points."""
        return fit_power(self.x, self.y)

    @property
    def upper(self) -> Fit:
        """Over the upper half, where fixed costs no longer count."""
        return fit_power(*upper_half(self.x, self.y))


@dataclass(frozen=True, slots=True)
class Inputs:
    """machine, date, commit, python: where and when.

    exchange: CPU of two processes over that of one.  speed_up: wall time of one process over that of two.  resident:
    memory that a process grows by, over the state in it.  process_bytes: before it has any.  checkpoint_s_per_gb: CPU
    per byte that checkpoints write.  restore_s_per_gb: time per byte of saved state.  disk: bytes on the disk over
    those of saved state.  kind_in_loads: CPU of a further kind of subjects, over that of `orjson.loads` on the same
    lines.  silent_entity_bytes, active_entity_bytes: state of an entity that was seen once, long ago or in the window
    that is open; both again in saved state.
    """

    machine: str
    date: str
    commit: str
    one_window: Profile
    shipped: Profile
    shipped_events_per_account: float
    exchange: float
    speed_up: float
    resident: float
    process_bytes: float
    restore_s_per_gb: float
    checkpoint_s_per_gb: float
    disk: float
    kind_in_loads: float
    silent_entity_bytes: float
    silent_entity_snapshot_bytes: float
    active_entity_bytes: float
    active_entity_snapshot_bytes: float
    curves: tuple[Curve, ...]


def save(inputs: Inputs, file: Path = FILE) -> None:
    """Writes the file, figures to five digits."""
    file.write_bytes(orjson.dumps(_rounded(asdict(inputs)), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def load(file: Path = FILE) -> Inputs:
    """Reads what `save` wrote."""
    table = orjson.loads(file.read_bytes())
    curves = tuple(Curve(**curve | {"x": tuple(curve["x"]), "y": tuple(curve["y"])}) for curve in table["curves"])
    profiles = {name: Profile(**table[name]) for name in ("one_window", "shipped")}
    return Inputs(**table | profiles | {"curves": curves})


def of_results(results: Results) -> Inputs:
    """From a run of the growth cases at their real size.  Raises BenchError naming the curve that is missing."""
    points = _points(results)
    events, memory, idle = (_last(points, name) for name in ("events", "memory", "idle memory"))
    saving, back = _last(points, "checkpoints"), _last(points, "restore")
    day = _last(points, "shipped memory")
    one, two = (_at(points, "processes", x) for x in (1, 2))
    return Inputs(
        machine=results.machine_line,
        date=results.date[:10],
        commit=str(results.commit.get("id", ""))[:12] + "*" * bool(results.commit.get("dirty")),
        one_window=_one_window(events, memory, idle, _last(points, "pane boundaries"), saving),
        shipped=_shipped(points),
        shipped_events_per_account=_last(points, "shipped configuration")["events"] / day["users"],
        exchange=two["tree_cpu_s"] / one["tree_cpu_s"],
        speed_up=one["wall_s"] / two["wall_s"],
        resident=max(m["rss_bytes"] / m["state_bytes"] for m in (memory, day)),
        process_bytes=memory["baseline_rss_bytes"],
        restore_s_per_gb=back["restore_s"] / back["state_bytes"] * 1e9,
        checkpoint_s_per_gb=saving["cpu_s"] / saving["written_bytes"] * 1e9,
        disk=saving["disk_bytes"] / saving["state_bytes"],
        **_of_company(points),
        curves=_curves(results),
    )


def _one_window(
    events: Mapping[str, float],
    memory: Mapping[str, float],
    idle: Mapping[str, float],
    panes: Mapping[str, float],
    saving: Mapping[str, float],
) -> Profile:
    def per_open_event(what: str) -> float:
        return (memory[what] - idle[f"{what}_per_user"] * memory["users"]) / memory["open_events"]

    return Profile(
        decode_us=events["decode_s"] / events["events"] * 1e6,
        subject_us=(events["windows_s"] - events["decode_s"]) / events["events"] * 1e6,
        population_us=(events["cpu_s"] - events["windows_s"]) / events["rows"] * 1e6,
        rows_per_event=events["rows"] / events["events"],
        boundary_us=panes["cpu_us_per_boundary_and_group"],
        account_bytes=idle["state_bytes_per_user"],
        account_snapshot_bytes=idle["snapshot_bytes_per_user"],
        open_event_bytes=per_open_event("state_bytes"),
        open_event_snapshot_bytes=per_open_event("snapshot_bytes"),
        idle_bytes=idle["state_bytes_per_user"],
        checkpoint_bytes_per_event=saving["bytes_per_event"],
    )


def _shipped(points: Mapping[str, dict[float, Mapping[str, float]]]) -> Profile:
    """Per event, the costs between the two largest days: what both of them pay for closing panes cancels out."""
    large = _last(points, "shipped configuration")
    small = _at(points, "shipped configuration", sorted(points["shipped configuration"])[-2])
    more = {name: large[name] - small[name] for name in ("events", "decode_s", "windows_s")}
    memory, idle = _last(points, "shipped memory"), _last(points, "shipped idle memory")
    fixed_s = large["windows_s"] - more["windows_s"] / more["events"] * large["events"]
    return Profile(
        decode_us=more["decode_s"] / more["events"] * 1e6,
        subject_us=(more["windows_s"] - more["decode_s"]) / more["events"] * 1e6,
        population_us=(large["cpu_s"] - large["windows_s"]) / large["rows"] * 1e6,
        rows_per_event=large["rows"] / large["events"],
        boundary_us=max(0.0, fixed_s) / (_DAY_BOUNDARIES * _SHIPPED_GROUPS) * 1e6,
        account_bytes=memory["state_bytes_per_user"],
        account_snapshot_bytes=memory["snapshot_bytes_per_user"],
        open_event_bytes=0.0,
        open_event_snapshot_bytes=0.0,
        idle_bytes=idle["state_bytes_per_user"],
        checkpoint_bytes_per_event=_last(points, "shipped checkpoints")["bytes_per_event"],
    )


def _of_company(points: Mapping[str, dict[float, Mapping[str, float]]]) -> dict[str, float]:
    most = _last(points, "kinds of subjects")
    users, kinds = min(points["kinds of subjects"]), max(points["kinds of subjects"])
    alone = _at(points, "kinds of subjects", users)
    silent, active = (_last(points, f"memory of {which} entities") for which in ("silent", "active"))
    return {
        "kind_in_loads": (most["times_loads"] - alone["times_loads"]) / (kinds - users),
        "silent_entity_bytes": silent["state_bytes_per_entity"],
        "silent_entity_snapshot_bytes": silent["snapshot_bytes_per_entity"],
        "active_entity_bytes": active["state_bytes_per_entity"],
        "active_entity_snapshot_bytes": active["snapshot_bytes_per_entity"],
    }


def _points(results: Results) -> dict[str, dict[float, Mapping[str, float]]]:
    """Metrics by curve and x."""
    found: dict[str, dict[float, Mapping[str, float]]] = {}
    for case in results.of("growth"):
        found.setdefault(case.info["curve"], {})[case.info["x"]] = case.info["metrics"]
    return found


def _last(points: Mapping[str, dict[float, Mapping[str, float]]], curve: str) -> Mapping[str, float]:
    return _at(points, curve, max(points.get(curve, {0.0: {}})))


def _at(points: Mapping[str, dict[float, Mapping[str, float]]], curve: str, x: float) -> Mapping[str, float]:
    try:
        return points[curve][x]
    except KeyError:
        raise BenchError(f"the run has no growth curve {curve!r} at {x:g}; run all growth cases") from None


def _curves(results: Results) -> tuple[Curve, ...]:
    cases: dict[str, list[Case]] = {}
    for case in results.of("growth"):
        cases.setdefault(case.info["curve"], []).append(case)
    found = []
    for name, members in cases.items():
        about = members[0].info
        pairs = sorted((c.info["x"], c.info["metrics"][about["fit_metric"]]) for c in members)
        x, y = zip(*pairs, strict=True)
        found.append(Curve(name, about["axis"], about["fit_metric"], about["expect"], x, y))
    return tuple(found)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(inner) for inner in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value
