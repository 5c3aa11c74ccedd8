"""How true campaigns are in harder worlds: put together, found through alerts, how soon, and by kind of attack."""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.report.tables import Cell, Column, Section, Table
from bench.report.units import NONE, percent
from bench.results import Case, Results

_F1 = 0.9
_PURITY = 0.95
_RECALL = 0.95


def sections(results: Results) -> list[Section]:
    """All tables; nothing when no world ran."""
    cases = results.of("company")
    if not cases:
        return []
    text = (
        "The simulator's harder worlds, where campaigns hide among people, under the shipped configuration. Seeds that "
        "rules were chosen on are marked; what counts is the others."
    )
    return [Section("company", "Campaigns in harder worlds", text, tables([case.info for case in cases]))]


def tables(found: Sequence[Mapping[str, Any]]) -> list[Table]:
    """found: figures of worlds, as from bench.quality.campaigns."""
    made = [_together(found), _alerts(found), _soon(found), _kinds(found)]
    return [table for table in made if table.rows]


def _columns(*titles: str) -> list[Column]:
    return [Column("world", left=True), Column("seed", left=True), *(Column(title) for title in titles)]


def _head(found: Mapping[str, Any]) -> list[Cell | str]:
    name = f"{found['world']}, {found['users']:,}"
    return [name, Cell(f"{found['seed']}, chosen on", "quiet") if found["tuned"] else str(found["seed"])]


def _together(worlds: Sequence[Mapping[str, Any]]) -> Table:
    rows = [
        [
            *_head(found),
            f"{found['campaigns']:,}",
            _share(found["pair_precision"]),
            _share(found["pair_recall"]),
            _share(found["pair_f1"], _F1),
            _share(found["purity"], _PURITY),
            _share(found["recall"]),
            _none(found["false"]),
            _none(found["false_ever"]),
            f"{found['people_ever']:,}",
        ]
        for found in worlds
    ]
    titles = ("campaigns", "pair precision", "pair recall", "pair F1", "purity", "recall", "false", "ever", "people")
    abouts = {found["world"]: found["about"] for found in worlds}
    note = (
        "at the end: pairs of accounts put together rightly; recall: of the attackers, those that are members; false: "
        "campaigns most of whose members are people, then those that ever were so; people: who ever were members. "
        + "; ".join(f"{name}: {about}" for name, about in abouts.items())
    )
    return Table("Put together", _columns(*titles), rows, note)


def _alerts(worlds: Sequence[Mapping[str, Any]]) -> Table:
    days = sorted({day["day"] for found in worlds for day in found["days"]})
    rows = []
    for found in worlds:
        recalls = {day["day"]: day["recall"] for day in found["days"]}
        through = [_share(recalls.get(day), _RECALL if day == days[-1] else 0.0) for day in days]
        alerts = f"{found['alerts']:,} ({found['alerts_of_campaigns']:,})"
        rows.append([*_head(found), alerts, _share(found["precision"]), *through, f"{found['people_alerted']:,}"])
    titles = ["alerts", "precision", *(f"recall, day {day}" for day in days), "people"]
    note = "alerts, those of campaigns among them; recall: of all attackers, those alerted alone or told as members"
    return Table("Through alerts", _columns(*titles), rows, note)


def _soon(worlds: Sequence[Mapping[str, Any]]) -> Table:
    rows = [
        [*_head(found), *(text for name in ("records", "alerted") for text in _early(found[name]))]
        for found in worlds
        if found["records"]["of"]
    ]
    titles = ("first record early", "median", "first alert early", "median")
    note = (
        "campaigns first told of before a tenth of their plays were over, and the median share of their plays until "
        "then: by a record, then by an alert, also of single accounts"
    )
    return Table("How soon", _columns(*titles), rows, note)


def _early(soon: Mapping[str, Any]) -> list[str]:
    return [f"{soon['early']}/{soon['of']}", percent(soon["median"])]


def _kinds(worlds: Sequence[Mapping[str, Any]]) -> Table:
    kinds = sorted({kind["name"] for found in worlds for kind in found["kinds"]})
    rows = []
    for found in worlds:
        by_name = {kind["name"]: kind for kind in found["kinds"]}
        if by_name:
            rows.append([*_head(found), *(_kind(by_name.get(name)) for name in kinds)])
    note = "attackers that are members at the end, those found through alerts and membership, all"
    return Table("By kind of attack", _columns(*(name.replace("_", " ") for name in kinds)), rows, note)


def _kind(kind: Mapping[str, Any] | None) -> str:
    return NONE if kind is None else f"{kind['members']}, {kind['found']}/{kind['accounts']}"


def _share(share: float | None, aim: float = 0.0) -> Cell | str:
    return NONE if share is None else Cell(f"{share:.3f}", "bad" if share < aim else "")


def _none(count: int) -> Cell:
    return Cell(str(count), "bad" if count else "")


def summary(cases: Sequence[Case]) -> dict[str, Any]:
    """Per world what outlives a run."""
    kept = ("tuned", "pair_f1", "purity", "recall", "alert_recall", "people_alerted", "mistakes")
    return {
        case.info["scenario"]: {
            **{key: case.info[key] for key in kept},
            "early": case.info["records"]["early"],
            "days": case.info["run_days"],
        }
        for case in cases
    }
