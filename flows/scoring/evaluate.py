"""Scores beside the truth: a table of detectors, a table of drift monitors."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson

from detectors.drift.event import Watch
from detectors.quality import DriftQuality, Ranking, drift_quality, rank_quality
from flows.convert.files import read_lines
from flows.printing import shown
from flows.scoring.prequential import Scores
from flows.scoring.table import Table
from flows.scoring.truth import read_truth
from state.errors import SourceError
from state.types import F64, Values

if TYPE_CHECKING:
    from rich.console import RenderableType

ALL: Final = "all together"
"""The name of the combined tail probability, beside the detectors'."""


@dataclass(frozen=True, slots=True)
class ScoreQuality:
    """rankings: detector -> quality of its score; last the combined one.  us_per_row: detector -> CPU.  drift: by what
    was watched.  unit: what is ranked, "rows" or "subjects".
    """

    rankings: Mapping[str, Ranking]
    us_per_row: Mapping[str, float]
    drift: Sequence[DriftQuality] = ()
    unit: str = "rows"

    def to_json(self) -> dict[str, Any]:
        """All figures as JSON values."""
        rankings = {name: asdict(r) | {"us_per_row": self.us_per_row.get(name)} for name, r in self.rankings.items()}
        return {"unit": self.unit, "detectors": rankings, "drift": [asdict(d) for d in self.drift]}

    def tables(self) -> "list[RenderableType]":
        """The same for people."""
        from rich.table import Table as Grid

        told: list[RenderableType] = []
        if self.rankings:
            grid = Grid("detector", box=None, padding=(0, 2, 0, 0))
            for title in ("ROC-AUC", "average precision", "µs per row", self.unit, "positive"):
                grid.add_column(title, justify="right")
            for name, r in self.rankings.items():
                cost = f"{self.us_per_row[name]:.1f}" if name in self.us_per_row else "-"
                grid.add_row(
                    shown(name),
                    _number(r.roc_auc),
                    _number(r.average_precision),
                    cost,
                    f"{r.rows:,}",
                    f"{r.positives:,}",
                )
            told.append(grid)
        if self.drift:
            grid = Grid("drift in", box=None, padding=(0, 2, 0, 0))
            grid.add_column("rows until each change was found")
            grid.add_column("false alarms", justify="right")
            for d in self.drift:
                delays = ", ".join("not found" if delay is None else f"{delay:,}" for delay in d.delays)
                grid.add_row(d.watch, delays or "-", str(d.false_alarms))
            told += ["", grid] if told else [grid]
        return told


def evaluation(
    table: Table, scores: Scores, changes: Sequence[int] | None = None, within: int = 1000, *, by_subject: bool = False
) -> ScoreQuality:
    """changes: rows where the world changed, None where that is not known.  within: rows in which a change counts as
    found.  by_subject: ranks subjects, each by its oddest row; a subject is positive when any of its rows is.
    """
    rankings = {}
    if table.label is not None:
        whole = {**scores.score, ALL: -scores.tail_probability}
        label = table.label
        if by_subject:
            if table.subject is None:
                raise SourceError("ranking subjects needs to know whose rows they are: --subject COLUMN")
            who = np.unique(table.subject.astype(str), return_inverse=True)[1]
            label, whole = _most(label, who), {name: _most(s, who) for name, s in whole.items()}
        rankings = {name: rank_quality(s, label) for name, s in whole.items()}
    cost = {name: 1e6 * spent / max(len(table), 1) for name, spent in scores.spent_s.items()}
    drift = [] if changes is None else _drift(scores.drift, changes, within)
    return ScoreQuality(rankings, cost, drift, "subjects" if by_subject else "rows")


def _drift(events: Sequence[Mapping[str, Any]], changes: Sequence[int], within: int) -> list[DriftQuality]:
    rows = {watch: [e["row"] for e in events if e["what"] == watch] for watch in Watch}
    return [drift_quality(str(watch), found, changes, within) for watch, found in rows.items()]


def _most(values: F64, who: Values) -> F64:
    """(subjects,) the largest value of each, nan where all are."""
    out = np.full(int(who.max(initial=-1)) + 1, -np.inf)
    np.fmax.at(out, who, np.where(np.isnan(values), -np.inf, values))
    return np.where(np.isneginf(out), np.nan, out)


def evaluation_of_stream(scores: Path, truth: Path, subject: str, label: str, positive: str = "") -> ScoreQuality:
    """A run's scores (JSON Lines, as `sinks.scores` writes them) against a truth by subject, see `read_truth`.

    Each subject counts with its oddest window; subjects without truth are left out.  Raises SourceError.
    """
    known = read_truth(truth, subject, label, positive)
    best: dict[str, dict[str, float]] = {}
    for number, line in enumerate(read_lines(scores), 1):
        try:
            record = orjson.loads(line)
            who = record["subject"]
            if who not in known:
                continue
            odd = {**record["scores"], ALL: record["tail_probability"]}
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise SourceError(f"{scores}:{number}: not a record of scores: {error!r}") from None
        mine = best.setdefault(who, {})
        for name, value in odd.items():
            if value is not None:
                key, better = (name, -value) if name == ALL else (f"{name} on {record['window']}", value)
                mine[key] = max(better, mine.get(key, better))
    names = sorted({name for mine in best.values() for name in mine}, key=lambda name: (name == ALL, name))
    labels = np.array([known[who] for who in best])
    columns = {name: np.array([mine.get(name, np.nan) for mine in best.values()]) for name in names}
    return ScoreQuality({name: rank_quality(s, labels) for name, s in columns.items()}, {}, (), "subjects")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
