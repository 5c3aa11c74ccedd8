"""What the models of a window say of a round's rows, as arrays and as records."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.base import FeatureInfo
from flows.operators.rows import FeatureRows
from state.times import iso
from state.types import F64, I64


@dataclass(slots=True)
class Verdict:
    """What the models say of a round's rows.

    p: (n,) how often a genuine subject shows as much in a day, nan for "not yet".  score, tail: one (n,) array per
    detector, in the job's order; the tails are such probabilities, each of one detector alone.
    """

    p: F64
    score: dict[str, F64]
    tail: dict[str, F64]

    def take(self, at: I64) -> "Verdict":
        """Of some of the rows.  at: their positions."""
        score = {name: s[at] for name, s in self.score.items()}
        return Verdict(self.p[at], score, {name: p[at] for name, p in self.tail.items()})


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
