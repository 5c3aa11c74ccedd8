"""Layers: what each piece costs per unit of work.  What differs between its cases makes columns, the rest a note."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from bench.report.tables import Column, Section, Table
from bench.report.units import number, percent, whole
from bench.results import Case, Results

_BATCH = "batch"
"""The parameter that says how many units are handled at once; its values stand side by side."""


def sections(results: Results) -> list[Section]:
    """One section with a table per layer; nothing when no layer ran."""
    by_layer: dict[str, list[Case]] = defaultdict(list)
    for case in results.of("layer"):
        by_layer[case.info["layer"]].append(case)
    if not by_layer:
        return []
    text = "CPU nanoseconds per unit, the smallest round; each piece alone, fed from memory."
    return [Section("layers", "Layers", text, [_table(layer, cases) for layer, cases in sorted(by_layer.items())])]


def ns_per_unit(case: Case) -> float:
    """Nanoseconds for one unit of the case's work."""
    return case.min_s * 1e9 / case.info["n"]


def layer_id(case: Case) -> str:
    """A name that lasts: "detectors: detector[ecod-score-32]"."""
    return f"{case.info['layer']}: {case.name.removeprefix('test_')}"


def _table(layer: str, cases: Sequence[Case]) -> Table:
    about = [_about(case) for case in cases]
    keys = list(dict.fromkeys(key for of in about for key in of))
    differing = [key for key in keys if len({of.get(key) for of in about}) > 1]
    same = [key for key in keys if key not in differing and about[0][key]]
    note = ", ".join(f"{key} {about[0][key]}" for key in same if key != "case")
    batches = list(dict.fromkeys(of[_BATCH] for of in about)) if _BATCH in differing else []
    if batches and all(_BATCH in of for of in about):
        rows: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
        told = [key for key in differing if key not in (_BATCH, "units a call")]
        for of, case in zip(about, cases, strict=True):
            rows[tuple(of.get(key, "") for key in told)][of[_BATCH]] = number(ns_per_unit(case))
        columns = [*(Column(key, left=True) for key in told), *(Column(f"{batch} at once, ns") for batch in batches)]
        lines = [[*names, *(by_batch.get(batch, "") for batch in batches)] for names, by_batch in rows.items()]
        return Table(layer.capitalize(), columns, lines, note)
    told = differing or ["case"]
    columns = [*(Column(key, left=True) for key in told), Column("ns"), Column("spread")]
    return Table(
        layer.capitalize(),
        columns,
        [
            [*(of.get(key, "") for key in told), number(ns_per_unit(case)), percent(case.spread)]
            for of, case in zip(about, cases, strict=True)
        ],
        note,
    )


def _about(case: Case) -> dict[str, str]:
    """Everything that tells one case from another, in words."""
    name = case.name.partition("[")[0].removeprefix("test_").replace("_", " ")
    params = {key.replace("_", " "): _word(value) for key, value in case.info["params"].items()}
    return {"case": name, **params, "units a call": whole(case.info["n"]), "unit": str(case.info["per"])}


def _word(value: Any) -> str:
    """Of a list of times the smallest."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return whole(value)
        case float():
            return number(value)
        case list():
            return number(min(value)) if value else ""
        case _:
            return str(value)
