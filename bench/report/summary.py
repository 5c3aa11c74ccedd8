"""The figures of a run that outlive it, as JSON: what the history keeps and other programs read."""

from typing import Any

from bench.report import company, verdicts
from bench.report.growth import curves
from bench.report.layers import layer_id, ns_per_unit
from bench.results import Case, Results

HEADLINE_SCENARIO = "zipf"
"""The canonical workload."""
SHIPPED_SCENARIO = "shipped"
"""The one that people run."""
_KEPT = (
    "events",
    "users",
    "rows",
    "ratio",
    "events_per_s",
    "event_ns",
    "peak_rss_bytes",
    "bytes_per_user",
    "snapshot_bytes",
    "snapshot_bytes_per_user",
    "snapshot_ms",
    "restore_ms",
    "evictions",
    "rejects",
    "late",
    "alerts",
    "latency",
    "result",
)


def summary(results: Results) -> dict[str, Any]:
    """Plain values only; figures that were not measured are absent."""
    return {
        "version": results.versions.get("driftnet", ""),
        "commit": results.commit.get("id", ""),
        "dirty": bool(results.commit.get("dirty", False)),
        "date": results.date,
        "smoke": results.smoke,
        "machine": results.machine_line,
        "versions": results.versions,
        "scenarios": {c.info["scenario"]: {k: c.info[k] for k in _KEPT if k in c.info} for c in results.of("scenario")},
        "layers": {layer_id(case): ns_per_unit(case) for case in results.of("layer")},
        "growth": {
            c.name: {
                "metric": c.metric,
                "exponent": c.fit.exponent,
                "exponent_upper": c.upper.exponent,
                "expect": c.expect,
                "r2": c.fit.r2,
                "worse": c.worse,
            }
            for c in curves(results)
        },
        "others": [
            {
                key: case.info[key]
                for key in ("system", "job", "events", "cpu_s", "wall_s", "peak_rss_bytes", "equal_rows")
            }
            for case in results.of("others")
        ],
        "quality": {
            case.name.removeprefix("test_"): {
                k: case.info[k] for k in ("precision", "recall", "alerts", "events_per_s")
            }
            for case in results.of("quality")
        },
        "verdicts": verdicts.summary(results.of("verdicts")),
        "company": company.summary(results.of("company")),
    }


def headline_case(results: Results) -> Case | None:
    """The scenario that the headline is about: the canonical one, or the first that ran."""
    cases = results.of("scenario")
    return scenario(results, HEADLINE_SCENARIO) or (cases[0] if cases else None)


def scenario(results: Results, name: str) -> Case | None:
    """The scenario of this id, if it ran."""
    return next((case for case in results.of("scenario") if case.info["scenario"] == name), None)
