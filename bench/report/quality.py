"""Quality beside speed: what is found at the alert budget, with the throughput of the same run."""

from bench.report.tables import Column, Section, Table
from bench.report.units import number, percent, span, times
from bench.results import Results


def sections(results: Results) -> list[Section]:
    """The table of runs, and of the campaigns of each; nothing when none ran."""
    cases = results.of("quality")
    if not cases:
        return []
    columns = [Column("run", left=True)]
    columns += [Column(t) for t in ("precision", "recall", "alerts", "events", "events/s", "whole, × loads")]
    rows = [
        [
            case.name.removeprefix("test_").replace("_", " "),
            percent(case.info["precision"]),
            percent(case.info["recall"]),
            f"{case.info['alerts']:,}",
            f"{case.info['events']:,}",
            number(case.info["events_per_s"]),
            times(case.info.get("ratio", {}).get("whole")),
        ]
        for case in cases
    ]
    tables = [Table("At the alert budget", columns, rows)]
    for case in cases:
        found = [[c["name"], percent(c["recall"]), span(c["median_ttd_s"])] for c in case.info.get("campaigns", ())]
        if found:
            titles = [Column("campaign", left=True), Column("accounts found"), Column("median time to detection")]
            name = "" if len(cases) == 1 else f", {case.name.removeprefix('test_')}"
            tables.append(Table(f"Simulated campaigns{name}", titles, found))
    text = (
        "A speed-up that finds less is none: what is found of simulated campaigns, with the throughput of the same run."
    )
    return [Section("quality", "Quality beside speed", text, tables)]
