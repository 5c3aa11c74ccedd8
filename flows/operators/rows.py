"""Feature rows on their way through a round: put together, left out, made fit, saved, told as scores."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from detectors.alerting.alert import iso
from detectors.base import FeatureInfo
from flows.evolution import WindowFit
from flows.operators.messages import FeatureRows, OwnVerdict
from flows.operators.models import Verdict
from flows.wire.told import Command, Label
from state.snapshot import pack, unpack
from state.types import F64


def concat(parts: list[FeatureRows]) -> FeatureRows:
    """One round of one window: the groups' rows in group order."""
    first = parts[0]
    if len(parts) == 1:
        return first
    own = {
        name: OwnVerdict(
            np.concatenate([p.own[name].score for p in parts]),
            np.concatenate([p.own[name].typical for p in parts]),
            np.concatenate([p.own[name].share for p in parts]),
        )
        for name in first.own
    }
    return FeatureRows(
        first.window,
        first.end_us,
        -1,
        np.concatenate([p.subject for p in parts]),
        np.concatenate([p.name for p in parts]),
        np.concatenate([p.start_us for p in parts]),
        np.concatenate([p.stop_us for p in parts]),
        np.concatenate([p.x.T for p in parts], axis=1).T,
        own,
    )


def without(item: FeatureRows | Label | Command, subject: int) -> FeatureRows | Label | Command | None:
    """The item without one subject; None where nothing of it is left."""
    if not isinstance(item, FeatureRows):
        return None if item.subject == subject else item
    if len(stay := np.flatnonzero(item.subject != np.uint64(subject))) < len(item):
        return item.take(stay) if len(stay) else None
    return item


def fitted(rows: FeatureRows, fit: WindowFit | None, own: tuple[str, ...]) -> FeatureRows:
    """Rows that wait, with the features and the own-history detectors of now; new ones have said nothing of them."""
    if fit is not None:
        said = {name: OwnVerdict(v.score, fit(v.typical), fit(v.share, 0.0)) for name, v in rows.own.items()}
        rows = replace(rows, x=fit(rows.x), own=said)
    if rows.own.keys() >= set(own):
        return rows
    silent = OwnVerdict(np.full(len(rows), np.nan), np.full(rows.x.shape, np.nan), np.zeros(rows.x.shape))
    return replace(rows, own={name: rows.own.get(name, silent) for name in own})


def pack_rows(rows: FeatureRows) -> bytes:
    """A frame."""
    arrays = {
        "subject": rows.subject,
        "name": rows.name,
        "start_us": rows.start_us,
        "stop_us": rows.stop_us,
        "x": rows.x,
    }
    for name, v in rows.own.items():
        arrays |= {f"score/{name}": v.score, f"typical/{name}": v.typical, f"share/{name}": v.share}
    return pack("rows", 1, {"window": rows.window, "end_us": rows.end_us, "group": rows.group}, arrays)


def unpack_rows(blob: bytes) -> FeatureRows:
    """Takes what `pack_rows` gave."""
    _, meta, a = unpack(blob, "rows", (1,))
    own = {
        n.removeprefix("score/"): OwnVerdict(
            a[n], a[n.replace("score/", "typical/", 1)], a[n.replace("score/", "share/", 1)]
        )
        for n in a
        if n.startswith("score/")
    }
    return FeatureRows(
        meta["window"], meta["end_us"], meta["group"], a["subject"], a["name"], a["start_us"], a["stop_us"], a["x"], own
    )


def score_records(rows: FeatureRows, verdict: Verdict, cohort: str) -> list[dict[str, Any]]:
    """Per row: subject, window, start, stop, end, cohort, tail_probability (how often a genuine subject shows as much
    in a day), scores and tails by detector; null for "not yet".
    """
    end = iso(rows.end_us)
    p = _known(verdict.p)
    scores = [(name, _known(score)) for name, score in verdict.score.items()]
    tails = [(name, _known(tail)) for name, tail in verdict.tail.items()]
    names, starts, stops = rows.name.tolist(), rows.start_us.tolist(), rows.stop_us.tolist()
    return [
        {
            "subject": names[i],
            "window": rows.window,
            "start": iso(starts[i]),
            "stop": iso(stops[i]),
            "end": end,
            "cohort": cohort,
            "tail_probability": p[i],
            "scores": {name: score[i] for name, score in scores},
            "tails": {name: tail[i] for name, tail in tails},
        }
        for i in range(len(rows))
    ]


def feature_records(
    rows: FeatureRows, verdict: Verdict, cohort: str, features: Sequence[FeatureInfo]
) -> list[dict[str, Any]]:
    """The same with the values of all features by name.  features: of the window, in matrix order."""
    names = [feature.name for feature in features]
    scored = score_records(rows, verdict, cohort)
    return [
        score | {"values": dict(zip(names, row, strict=True))}
        for score, row in zip(scored, _known(rows.x), strict=True)
    ]


def _known(values: F64) -> list[Any]:
    """The values as JSON has them: null for nan."""
    found = values.astype(object)
    found[np.isnan(values)] = None
    return found.tolist()


def known(value: float) -> float | None:
    """The value as JSON has it: null for nan."""
    return None if np.isnan(value) else float(value)
