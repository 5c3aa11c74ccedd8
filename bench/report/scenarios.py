"""Whole scenarios: the multiple of `orjson.loads`, where the time goes, latency, and what state costs."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench.report.drawing import GRID, INK, MUTED, log_ticks, note, plot, series, sheet
from bench.report.summary import HEADLINE_SCENARIO
from bench.report.tables import Cell, Column, Flames, Plot, Section, Table
from bench.report.units import NONE, duration, number, percent, size, times
from bench.results import Case, Results, spread

PIECES = ("decode", "windows", "whole")
"""Growing pieces of the flow, each timed beside `orjson.loads` on the same lines."""
_STAGES_DRAWN = 9
_PAST_THE_EDGE = 3.0
"""Bars are cut at so many times the middle one, so that a single slow scenario does not flatten the others."""
Stages = Mapping[str, Mapping[str, Any]]
_QUANTILES = (("p50_us", "p50"), ("p99_us", "p99"), ("p999_us", "p99.9"), ("max_us", "longest"))


def sections(results: Results) -> list[Section]:
    """What there is to say about the scenarios; nothing when none ran."""
    cases = results.of("scenario")
    found = [speed(cases), stages(cases), latency(cases), state(cases)] if cases else []
    return [section for section in found if section is not None]


def speed(cases: Sequence[Case]) -> Section:
    """Multiples of the reference, events per second, nanoseconds per event."""
    columns = [Column("scenario", left=True), Column("", left=True), Column("events"), Column("users")]
    columns += [Column(f"{piece}, ×\u00a0loads") for piece in PIECES]
    columns += [Column("ns per event"), Column("events/s"), Column("spread")]
    rows = [
        [
            case.info["scenario"],
            Cell(case.info["summary"], "quiet"),
            f"{case.info['events']:,}",
            f"{case.info['users']:,}",
            *(times(case.info["ratio"].get(piece)) for piece in PIECES),
            number(case.info.get("event_ns")),
            number(case.info.get("events_per_s")),
            percent(spread(case.info["cpu_s"]["whole"])),
        ]
        for case in cases
    ]
    note = (
        "× loads: CPU time as a multiple of orjson.loads on the same lines, in turns in one process, smallest of each. "
        "Spread: how far the middle round of the whole flow lies above the smallest."
    )
    return Section(
        "speed",
        "Speed",
        "JSON parsing is the floor of every pipeline that reads JSON, so the flow is measured as a multiple of it: "
        "decode is lines to columns, windows adds features of windows, whole adds detectors, calibration and alerts.",
        [Table("CPU as a multiple of orjson.loads", columns, rows, note), _ratio_plot(cases)],
    )


def _ratio_plot(cases: Sequence[Case]) -> Plot:
    with sheet(0.9 + 0.5 * len(cases)) as drawn:
        axes = drawn.axes[0]
        edge = _PAST_THE_EDGE * median(case.info["ratio"]["whole"] for case in cases)
        for index, case in enumerate(cases):
            for turn, piece in enumerate(PIECES):
                ratio = case.info["ratio"].get(piece, 0.0)
                at, end = index + (turn - 1) * 0.26, min(ratio, edge)
                axes.barh(at, end, 0.24, color=series(turn), label=piece if index == 0 else None)
                note(axes, f"{ratio:.2f}{' →' if ratio > edge else ''}", end, at, INK if piece == "whole" else MUTED)
        axes.axvline(1, color=INK, linewidth=0.9, linestyle=(0, (4, 3)), label="orjson.loads")
        axes.set_yticks(range(len(cases)), [case.info["scenario"] for case in cases])
        axes.tick_params(axis="y", labelcolor=INK)
        axes.grid(visible=False, axis="y")
        axes.invert_yaxis()
        axes.set_xlabel("CPU time, multiple of orjson.loads on the same lines (less is better)")
        drawn.legend()
        return plot(drawn, "CPU time of decode, windows and the whole flow per scenario, as a multiple of orjson.loads")


def stages(cases: Sequence[Case]) -> Section | None:
    """Where an event's microsecond goes."""
    cases = [case for case in cases if case.info.get("stages")]
    if not cases:
        return None
    found = {case.info["scenario"]: {s["stage"]: s for s in case.info["stages"]} for case in cases}
    first = HEADLINE_SCENARIO if HEADLINE_SCENARIO in found else next(iter(found))
    flames = {case.info["scenario"]: case.info["flame"] for case in cases if case.info.get("flame")}
    parts: list[Table | Plot | Flames] = [_one_table(first, found[first])]
    # A scenario that starts a process has phases instead of stages.
    alike = {name: of for name, of in found.items() if of.keys() & found[first].keys()}
    if len(alike) > 1:
        parts += [_stage_plot(alike), _all_table(alike)]
    parts += [_one_table(name, of) for name, of in found.items() if name not in alike]
    parts += [Flames({first: flames[first], **flames} if first in flames else flames)] if flames else []
    return Section("stages", "Where an event's time goes", "Shares of the CPU time of the whole flow, by stage.", parts)


def _one_table(scenario: str, by_name: Stages) -> Table:
    rows: list[list[Cell | str]] = [
        [name, Cell(percent(s["share"]), share=s["share"]), f"{s['ns_per_event']:,.0f}"] for name, s in by_name.items()
    ]
    rows.append(["together", "100 %", f"{sum(s['ns_per_event'] for s in by_name.values()):,.0f}"])
    return Table(scenario, [Column("stage", left=True), Column("share of the CPU time"), Column("ns per event")], rows)


def _all_table(found: Mapping[str, Stages]) -> Table:
    rows = [
        [
            name,
            *(Cell(percent(s["share"], 0), share=s["share"]) if (s := of.get(name)) else NONE for of in found.values()),
        ]
        for name in dict.fromkeys(name for of in found.values() for name in of)
    ]
    return Table("Shares in every scenario", [Column("stage", left=True), *(Column(name) for name in found)], rows)


def _stage_plot(found: Mapping[str, Stages]) -> Plot:
    weight: dict[str, float] = {}
    for of in found.values():
        for name, stage in of.items():
            weight[name] = weight.get(name, 0.0) + stage["share"]
    heaviest = sorted(weight, key=lambda name: -weight[name])[:_STAGES_DRAWN]
    drawn_names = [name for name in weight if name in heaviest]
    with sheet(1.5 + 0.3 * len(found)) as drawn:
        axes = drawn.axes[0]
        for row, of in enumerate(found.values()):
            left = 0.0
            for index, one in enumerate([*drawn_names, None]):
                label = one or "all others"
                ns = sum(s["ns_per_event"] for key, s in of.items() if (key == one if one else key not in heaviest))
                colour = series(index) if one else GRID
                axes.barh(row, ns, 0.7, left, color=colour, label=label if row == 0 else None)
                left += ns
        axes.set_yticks(range(len(found)), list(found))
        axes.tick_params(axis="y", labelcolor=INK)
        axes.grid(visible=False, axis="y")
        axes.invert_yaxis()
        axes.set_xlabel("CPU time per event (ns)")
        drawn.legend()
        return plot(drawn, "CPU time per event of each stage, stacked, per scenario")


def latency(cases: Sequence[Case]) -> Section | None:
    """Open-loop latency at shares of the sustained rate."""
    cases = [case for case in cases if case.info.get("latency")]
    if not cases:
        return None
    loads = _loads(cases)
    columns = [Column("scenario", left=True)]
    columns += [Column(f"{percent(load, 0)} load, {title}") for load in loads for _, title in _QUANTILES[:3]]
    rows = [[case.info["scenario"], *_quantiles(case, loads)] for case in cases]
    return Section(
        "latency",
        "Latency",
        "Open loop: events arrive on a fixed timetable at a share of the rate that the flow sustains, and an event's "
        "clock starts at its planned arrival, so a stall counts against everyone behind it.",
        [Table("From planned arrival to done", columns, rows), _latency_plot(cases)],
    )


def _loads(cases: Sequence[Case]) -> list[float]:
    return sorted({load["load"] for case in cases for load in case.info["latency"]})


def _quantiles(case: Case, loads: Sequence[float]) -> list[str]:
    by_load = {found["load"]: found for found in case.info["latency"]}
    wanted = [(by_load.get(load, {}), key) for load in loads for key, _ in _QUANTILES[:3]]
    return [duration(found[key] / 1e6 if key in found else None) for found, key in wanted]


def _latency_plot(cases: Sequence[Case]) -> Plot:
    loads = _loads(cases)
    with sheet(1.1 + 0.27 * len(cases), columns=len(loads), sharey=True, sharex=True) as drawn:
        for axes, load in zip(drawn.axes, loads, strict=True):
            for row, case in enumerate(cases):
                at = next((found for found in case.info["latency"] if found["load"] == load), None)
                if at is None:
                    continue
                ms = [at[key] / 1e3 for key, _ in _QUANTILES if key in at]
                axes.plot([ms[0], ms[-1]], [row, row], color=MUTED, linewidth=1, zorder=1)
                for turn, ((_, title), value) in enumerate(zip(_QUANTILES, ms, strict=False)):
                    axes.scatter(value, row, 26, color=series(turn), label=title if row == 0 else None, zorder=2)
            axes.set_title(f"{load:.0%} of the sustained rate")
            axes.set_xscale("log")
            axes.set_xlabel("latency (ms)")
        log_ticks(drawn.axes[0].xaxis)
        first = drawn.axes[0]
        first.set_yticks(range(len(cases)), [case.info["scenario"] for case in cases])
        first.tick_params(axis="y", labelcolor=INK)
        first.invert_yaxis()
        drawn.legend()
        return plot(drawn, "Latency quantiles per scenario at shares of the sustained rate")


def state(cases: Sequence[Case]) -> Section:
    """Memory, snapshots, and what was counted on the way."""
    columns = [Column("scenario", left=True)]
    columns += [Column(t) for t in ("peak RSS", "per user", "snapshot", "per user", "longest pause", "all", "restore")]
    columns += [Column(t) for t in ("rows", "alerts", "evicted", "late", "rejected")]
    rows = [_state_row(case.info) for case in cases]
    note = (
        "Peak RSS is of the whole process. Longest pause: the snapshot of the operator that takes longest; "
        "all: of all of them, one after the other."
    )
    return Section("state", "Memory and state", "", [Table("Memory, snapshot, restore", columns, rows, note)])


def _state_row(info: Mapping[str, Any]) -> list[Cell | str]:
    pause = info.get("snapshot_ms", {})
    return [
        info["scenario"],
        size(info.get("peak_rss_bytes")),
        size(info.get("bytes_per_user")),
        size(info.get("snapshot_bytes")),
        size(info.get("snapshot_bytes_per_user")),
        *(
            duration(None if ms is None else ms / 1e3)
            for ms in (pause.get("max"), pause.get("total"), info.get("restore_ms"))
        ),
        *(
            NONE if (n := info.get(key)) is None else f"{n:,}"
            for key in ("rows", "alerts", "evictions", "late", "rejects")
        ),
    ]
