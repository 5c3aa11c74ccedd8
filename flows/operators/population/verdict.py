"""What the models of a window say of a round's rows, as arrays and as records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.base import FeatureInfo
from flows.operators.rows import FeatureRows
from state.times import iso, isos
from state.types import F64, I64


@dataclass(slots=True)
class Verdict:
    """What the models say of a round's rows.

    p: (n,) how often a genuine subject shows as much in a day, nan for "not yet".  learned: the same by what was
    learned alone, before what is declared comes on top.  score, tail: one (n,) array per detector, in the job's order;
    the tails are such probabilities, each of one detector alone.
    """

    p: F64
    learned: F64
    score: dict[str, F64]
    tail: dict[str, F64]

    def take(self, at: I64) -> "Verdict":
        """Of some of the rows.  at: their positions."""
        score = {name: s[at] for name, s in self.score.items()}
        return Verdict(self.p[at], self.learned[at], score, {name: p[at] for name, p in self.tail.items()})


def score_records(rows: FeatureRows, verdict: Verdict, whose: tuple[str, str]) -> list[dict[str, Any]]:
    """Per row: kind, subject, window, start, stop, end, cohort, tail_probability (how often a genuine subject shows as
    much in a day), scores and tails by detector; null for "not yet".  whose: kind of the subjects, and cohort.
    """
    end, window, (kind, cohort) = iso(rows.end_us), rows.window, whose
    return [
        {
            "kind": kind,
            "subject": name,
            "window": window,
            "start": start,
            "stop": stop,
            "end": end,
            "cohort": cohort,
            "tail_probability": p,
            "scores": score,
            "tails": tail,
        }
        for name, start, stop, p, score, tail in zip(
            rows.name.tolist(),
            isos(rows.start_us).tolist(),
            isos(rows.stop_us).tolist(),
            known_values(verdict.p),
            _by_name(verdict.score, len(rows)),
            _by_name(verdict.tail, len(rows)),
            strict=True,
        )
    ]


def feature_records(
    rows: FeatureRows, verdict: Verdict, whose: tuple[str, str], features: Sequence[FeatureInfo]
) -> list[dict[str, Any]]:
    """The same with the values of all features by name.  features: of the window, in matrix order."""
    names = [feature.name for feature in features]
    scored = score_records(rows, verdict, whose)
    for record, row in zip(scored, rows.x.tolist(), strict=True):
        record["values"] = {name: v if v == v else None for name, v in zip(names, row, strict=True)}
    return scored


def _by_name(values: Mapping[str, F64], rows: int) -> list[dict[str, float | None]]:
    """Per row, what each detector says."""
    names = tuple(values)
    if not names:
        return [{} for _ in range(rows)]
    return [dict(zip(names, row, strict=True)) for row in zip(*map(known_values, values.values()), strict=True)]


def known_values(values: F64) -> list[float | None]:
    """(n,) values as JSON has them: null for nan."""
    return [value if value == value else None for value in values.tolist()]


def known(value: float) -> float | None:
    """The value as JSON has it: null for nan."""
    return None if np.isnan(value) else float(value)
