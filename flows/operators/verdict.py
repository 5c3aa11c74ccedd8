"""What the models of a window say of a round's rows, as arrays and as records."""

from dataclasses import dataclass
from typing import Any

import numpy as np

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
    p = verdict.p.tolist()
    scores = {name: s.tolist() for name, s in verdict.score.items()}
    tails = {name: p.tolist() for name, p in verdict.tail.items()}
    names, starts, stops = rows.name.tolist(), rows.start_us.tolist(), rows.stop_us.tolist()
    return [
        {
            "subject": names[i],
            "window": rows.window,
            "start": iso(starts[i]),
            "stop": iso(stops[i]),
            "end": end,
            "cohort": cohort,
            "tail_probability": known(p[i]),
            "scores": {name: known(s[i]) for name, s in scores.items()},
            "tails": {name: known(tail[i]) for name, tail in tails.items()},
        }
        for i in range(len(rows))
    ]


def known(value: float) -> float | None:
    """The value as JSON has it: null for nan."""
    return None if np.isnan(value) else float(value)
