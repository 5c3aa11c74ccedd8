"""How true the verdicts are: by scenario, by day, by kind of campaign and of person; what earlier alerts cost."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.report.tables import Cell, Column, Section, Table, Tone
from bench.report.units import NONE, number, percent, span
from bench.results import Case, Results

_FALSE_PER_1000 = 1.0
"""False alerts per 1,000 genuine subject-days that a day without an attack may have."""
_WORST = (1e-2, 1e-3)
"""Probabilities whose worst day is shown."""
_FACTOR = 2.0
"""Between how often a probability is reached and what it says."""


def sections(results: Results) -> list[Section]:
    """All tables; nothing when no scenario ran."""
    cases = results.of("verdicts")
    if not cases:
        return []
    text = (
        "Simulated platforms, judged day by day against the truth. Seeds that were looked at while the detectors were "
        "chosen are marked; what counts is the others."
    )
    return [Section("verdicts", "Verdicts that are true every day", text, tables([case.info for case in cases]))]


def tables(found: Sequence[Mapping[str, Any]]) -> list[Table]:
    """found: figures of scenarios, as from bench.quality.measure."""
    made = [_whole(found), _calibration(found), _days(found), _kinds(found), _roles(found)]
    return [table for table in [*made, *(_curve(f) for f in found if f["curve"])] if table.rows]


def _columns(*titles: str) -> list[Column]:
    return [Column("scenario", left=True), Column("seed", left=True), *(Column(title) for title in titles)]


def _head(found: Mapping[str, Any]) -> list[Cell | str]:
    name = f"{found['attack']}, {found['users']:,}"
    return [name, Cell(f"{found['seed']}, tuned on", "quiet") if found["tuned"] else str(found["seed"])]


def _whole(scenarios: Sequence[Mapping[str, Any]]) -> Table:
    rows: list[list[Cell | str]] = [
        [
            *_head(found),
            str(len(found["days"])),
            f"{found['budget']:,}",
            f"{found['alerts']:,}",
            f"{found['false_alerts']:,}",
            _false(found["false_per_1000"], found),
            _false(found["worst_false_per_1000"], found),
            percent(found["false_share"]) if found["attackers_acting"] else NONE,
            percent(found["recall"]),
            f"{found['withheld']:,}",
            NONE if found["odd_after_h"] is None else span(3600 * found["odd_after_h"]),
            _wave(found),
        ]
        for found in scenarios
    ]
    titles = (
        "days",
        "budget",
        "alerts",
        "false",
        "per 1,000",
        "worst day",
        "false of all",
        "recall",
        "withheld",
        "five odd",
        "wave",
    )
    targets = sorted({found["false_discovery"] for found in scenarios})
    note = (
        "per 1,000: false alerts per 1,000 genuine subject-days, repeats included; false of all: share of the alerts "
        f"(alerts.false_discovery: {', '.join(percent(t, 0) for t in targets)}); withheld: subjects that the "
        "budget had no room for; five odd: when five attackers had evidence of their own at or below "
        "alerts.candidate_line, and wave: the first attack-wave event, both after the first act of any campaign"
    )
    return Table("By scenario", _columns(*titles), rows, note)


def _wave(found: Mapping[str, Any]) -> Cell | str:
    if not found["waves"]:
        return NONE
    first = found["waves"][0]
    if first["after_h"] is None or first["after_h"] < 0:
        return Cell(f"day {first['day']}, no attack", "bad")
    return f"{span(3600 * first['after_h'])}, {percent(first['share'], 0)}"


def _calibration(scenarios: Sequence[Mapping[str, Any]]) -> Table:
    levels = [point["level"] for point in scenarios[0]["calibration"]]
    rows = [
        [
            *_head(found),
            f"{found['genuine_days']:,}",
            *(_as_often(p["share"], p["level"], found["genuine_days"]) for p in found["calibration"]),
            *(_as_often(*_worst(found, level)) for level in _WORST),
        ]
        for found in scenarios
        if found["genuine_days"]
    ]
    titles = [
        "genuine days",
        *(f"p ≤ {level:g}" for level in levels),
        *(f"worst day, p ≤ {level:g}" for level in _WORST),
    ]
    note = (
        "Share of genuine subject-days whose smallest probability of the day, all windows together, is at most that; "
        f"marked: more than {_FACTOR:g} times as many, with more than two standard deviations to spare"
    )
    return Table("Calibration", _columns(*titles), rows, note)


def _worst(found: Mapping[str, Any], level: float) -> tuple[float, float, int]:
    """(share, level, genuine subjects) of the day on which it is reached most often."""
    shares = [
        (point["share"], level, day["genuine"])
        for day in found["days"]
        for point in day["calibration"]
        if day["genuine"] and point["level"] == level
    ]
    return max(shares)


def _as_often(share: float, level: float, days: int) -> Cell:
    expected = _FACTOR * level * days
    return Cell(percent(share, 2 if level < 0.1 else 1), "bad" if share * days > expected + 2 * expected**0.5 else "")


def _days(scenarios: Sequence[Mapping[str, Any]]) -> Table:
    rows = [
        [
            *_head(found),
            str(number_of),
            f"{day['genuine']:,}",
            f"{day['true']:,}",
            f"{day['false']:,}",
            _false(day["false_per_1000"], found),
            percent(day["precision"]),
            percent(day["recall"]),
            percent(day["baseline"]["precision"]),
            percent(day["baseline"]["recall"]),
        ]
        for found in scenarios
        for number_of, day in enumerate(found["days"], 1)
    ]
    titles = (
        "day",
        "genuine",
        "true",
        "false",
        "per 1,000",
        "precision",
        "recall",
        "by plays: precision",
        "by plays: recall",
    )
    note = (
        "recall: of the attackers that had begun by the end of that day, those found by then; by plays: as many "
        "accounts a day, those with the most plays in 24 hours"
    )
    return Table("By day", _columns(*titles), rows, note)


def _kinds(scenarios: Sequence[Mapping[str, Any]]) -> Table:
    kinds = sorted({c["name"] for found in scenarios for c in found["campaigns"]})
    rows: list[list[Cell | str]] = []
    for found in scenarios:
        by_name = {c["name"]: c for c in found["campaigns"]}
        if by_name:
            rows.append([*_head(found), *(_campaign(by_name.get(kind)) for kind in kinds)])
    note = "attackers found of those there are, and the median time from an account's first act to its first alert"
    return Table("By kind of campaign", _columns(*(kind.replace("_", " ") for kind in kinds)), rows, note)


def _campaign(kind: Mapping[str, Any] | None) -> str:
    return NONE if kind is None else f"{kind['found']}/{kind['accounts']}, {span(kind['median_ttd_s'])}"


def _roles(scenarios: Sequence[Mapping[str, Any]]) -> Table:
    roles = sorted({r["name"] for found in scenarios for r in found["roles"]})
    rows = [
        [*_head(found), *(_role(next((r for r in found["roles"] if r["name"] == role), None)) for role in roles)]
        for found in scenarios
    ]
    note = "people that were alerted at least once, of those there are"
    return Table("By kind of person", _columns(*(role.replace("_", " ") for role in roles)), rows, note)


def _role(role: Mapping[str, Any] | None) -> str:
    return NONE if role is None else f"{role['alerted']:,}/{role['accounts']:,}"


def _curve(found: Mapping[str, Any]) -> Table:
    kinds = sorted({kind for point in found["curve"] for kind in point["median_ttd_s"]})
    columns = [
        Column("line"),
        Column("false discovery"),
        Column("false per 1,000"),
        Column("precision"),
        Column("recall"),
    ]
    columns += [Column("slowest kind"), *(Column(kind.replace("_", " ")) for kind in kinds)]
    rows = [
        [
            f"{point['line']:g}",
            percent(point["false_discovery"], 0) if point["false_discovery"] else NONE,
            number(point["false_per_1000"]),
            percent(point["precision"]),
            percent(point["recall"]),
            span(point["slowest_s"]),
            *(span(point["median_ttd_s"].get(kind)) for kind in kinds),
        ]
        for point in sorted(found["curve"], key=lambda point: (point["false_per_1000"], point["line"]))
    ]
    note = "The same evidence under other lines: median time to detection against false alerts, of the whole run"
    name = f"{found['attack']}, {found['users']:,} users, seed {found['seed']}"
    return Table(f"Time to detection and its price: {name}", columns, rows, note)


def _false(rate: float | None, found: Mapping[str, Any]) -> Cell:
    tone: Tone = "bad" if not found["attackers"] and (rate or 0.0) > _FALSE_PER_1000 else ""
    return Cell(number(rate, 2), tone)


def summary(cases: Sequence[Case]) -> dict[str, Any]:
    """Per scenario what outlives a run."""
    kept = (
        "tuned", "genuine_days", "false_alerts", "false_per_1000", "worst_false_per_1000", "precision", "recall",
        "mistakes", "campaigns",
    )  # fmt: skip
    return {
        case.info["scenario"]: {**{key: case.info[key] for key in kept}, "days": len(case.info["days"])}
        for case in cases
    }
