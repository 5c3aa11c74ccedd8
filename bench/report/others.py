"""Beside the others: the same job and input in other systems, the process tree's CPU and the wall clock."""

from collections.abc import Sequence
from statistics import median

from bench.report.drawing import INK, MUTED, log_ticks, note, plot, series, sheet
from bench.report.tables import Cell, Column, Plot, Section, Table
from bench.report.units import duration, number, percent, size, times
from bench.results import Case, Results, spread


def sections(results: Results) -> list[Section]:
    """A table per job and a plot; nothing when no other system ran."""
    by_job: dict[str, list[Case]] = {}
    for case in results.of("others"):
        by_job.setdefault(case.info["job"], []).append(case)
    if not by_job:
        return []
    text = (
        "One written specification, one generated input. Outputs are compared row by row before any time counts; "
        "runs are interleaved; one worker each; CPU is of the whole process tree."
    )
    parts: list[Table | Plot] = [_table(job, cases) for job, cases in by_job.items()]
    return [Section("others", "Beside the others", text, [*parts, _plot(by_job)])]


def _table(job: str, cases: Sequence[Case]) -> Table:
    ours = next((min(c.info["cpu_s"]) for c in cases if c.info["system"] == "driftnet"), None)
    columns = [Column("system", left=True), Column("CPU, median"), Column("spread"), Column("CPU, × Driftnet")]
    columns += [Column("of it start-up"), Column("wall, median"), Column("spread"), Column("events/s")]
    columns += [Column("peak RSS"), Column("equal rows")]
    rows = []
    for case in cases:
        info = case.info
        same = info["equal_rows"] == info["rows"]
        rows.append(
            [
                info["system"],
                duration(median(info["cpu_s"])),
                percent(spread(info["cpu_s"])),
                times(min(info["cpu_s"]) / ours if ours else None),
                duration(info.get("start_up_cpu_s")),
                duration(median(info["wall_s"])),
                percent(spread(info["wall_s"])),
                number(info["events"] / median(info["wall_s"])),
                size(info["peak_rss_bytes"]),
                Cell(f"{info['equal_rows']:,} of {info['rows']:,}", "" if same else "bad"),
            ]
        )
    note = f"{cases[0].info['events']:,} events. × Driftnet: smallest over smallest. Start-up: with next to no input."
    return Table(job.capitalize(), columns, rows, note)


def _plot(by_job: dict[str, list[Case]]) -> Plot:
    systems = list(dict.fromkeys(case.info["system"] for cases in by_job.values() for case in cases))
    with sheet(0.9 + 0.36 * len(systems), columns=len(by_job), sharey=True, sharex=True) as drawn:
        for axes, (job, cases) in zip(drawn.axes, by_job.items(), strict=True):
            for case in cases:
                row = systems.index(case.info["system"])
                for turn, (key, title) in enumerate((("cpu_s", "CPU"), ("wall_s", "wall clock"))):
                    taken, at = sorted(case.info[key]), row + (turn - 0.5) * 0.3
                    axes.plot([taken[0], taken[-1]], [at, at], color=series(turn), linewidth=5, alpha=0.35)
                    axes.scatter(median(taken), at, 24, color=series(turn), label=title if case is cases[0] else None)
                    if key == "cpu_s":
                        note(axes, duration(median(taken)), taken[-1], at, MUTED)
            axes.set_title(job)
            axes.set_xscale("log")
            log_ticks(axes.xaxis)
            axes.margins(x=0.16)
            axes.set_xlabel("seconds: median, smallest to largest (less is better)")
        first = drawn.axes[0]
        first.set_yticks(range(len(systems)), systems)
        first.tick_params(axis="y", labelcolor=INK)
        first.invert_yaxis()
        drawn.legend()
        return plot(drawn, "CPU and wall-clock seconds of each system, per job")
