"""Rows through the models of the flow, round by round: each row is scored before anything is learned from it.

The operators are those of the flow, not copies: detectors, guards, calibration and drift monitors do here
what they do there.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detectors.alerting.alert import Candidate
from flows.counters import Counts
from flows.judgement import Judgement
from flows.operators.faults import fault_outputs
from flows.operators.messages import CohortInput, Leaving, Output, PolicyInput
from flows.operators.population.operator import PopulationOperator
from flows.operators.population.verdict import Verdict
from flows.operators.population.window_models import WindowModels
from flows.operators.rows import FeatureRows, OwnVerdict
from flows.operators.subject.own import OwnDetectors
from flows.rows_spec import RowsSpec
from flows.scoring.table import Table, rounds_of
from flows.steps import Step
from flows.streams import Stream
from state.errors import ConfigError
from state.types import F64, I32, I64, SECOND_US, U64

_WINDOW = "rows"
OnProgress = Callable[[int], None]
"""Called with the number of rows that were scored."""


@dataclass(slots=True)
class Scores:
    """What the models said of each row of a table, in its order.

    tail_probability: (n,) all detectors' together, nan for "not yet".  score, tail: detector -> (n,).
    drift: events, as records with the row that gave each away.  candidates: row -> the evidence, for odd rows.
    faults: what detectors did wrong, as dead-letter records.  spent_s: detector -> CPU seconds, what only learns or
    explains included.
    """

    tail_probability: F64
    score: dict[str, F64]
    tail: dict[str, F64]
    drift: list[dict[str, Any]] = field(default_factory=list)
    candidates: dict[int, Candidate] = field(default_factory=dict)
    faults: list[dict[str, Any]] = field(default_factory=list)
    spent_s: dict[str, float] = field(default_factory=dict)


def score_table(
    judgement: Judgement, rows: RowsSpec, table: Table, round_rows: int = 32, progress: OnProgress | None = None
) -> Scores:
    """Scores all rows.  judgement, rows: as `table_judgement` makes them.  round_rows: rows that are scored before they
    are learned from; 1 for a series of single values.
    """
    run = _Run(judgement, rows, table)
    for low, high in rounds_of(table, round_rows):
        run.round(low, high)
        if progress is not None:
            progress(high)
    return run.scores()


class _Run:
    def __init__(self, judgement: Judgement, rows: RowsSpec, table: Table) -> None:
        n = len(table)
        own = judgement.audience.own
        if own and table.subject is None:
            homeless = [use.name for use in own]
            raise ConfigError(
                f"detectors {', '.join(homeless)} compare a row with its subject's past; say whose rows they are"
                " (--subject COLUMN, or --series for one subject)"
            )
        self._table = table
        self._subject, self._slot = _subjects(table)
        self._names = np.array(
            [str(i) for i in range(n)] if table.subject is None else [str(s) for s in table.subject.tolist()], object
        )
        window = next(w for w in rows.windows if w.name == _WINDOW)
        self._own = OwnDetectors(own, window)
        self._population = PopulationOperator(judgement, rows, "all")
        self._population.observer = self._note
        names = [use.name for use in judgement.detectors]
        self._scores = Scores(
            np.full(n, np.nan),
            {name: np.full(n, np.nan) for name in names},
            {name: np.full(n, np.nan) for name in names},
        )
        self._window = window.window
        at = [table.features.index(feature.name) for feature in window.features]
        self._x = table.x if at == list(range(table.x.shape[1])) else np.ascontiguousarray(table.x[:, at])
        self._rows: I64 = np.empty(0, np.int64)

    def round(self, low: int, high: int) -> None:
        table = self._table
        # Rows of a round come in the order of their subjects, as in the flow.
        at = self._rows = low + self._subject[low:high].argsort(kind="stable")
        time_us = table.time_us[at] if table.time_us is not None else (at + 1) * SECOND_US
        end_us = max(*time_us.tolist(), self._population.watermark_us + 1)
        rows = FeatureRows(
            _WINDOW, end_us, 0, self._subject[at], self._names[at], time_us, time_us, self._x[at],
            label=None if table.label is None else table.label[at],
        )  # fmt: skip
        rows.own = self._judge_own(rows, at)
        for message in self._population.process(CohortInput(0, end_us, [rows])):
            self._take(message, high - 1)
        for fault in fault_outputs(self._own.faults(), _WINDOW, end_us, Counts(Step.SUBJECT)):
            self._take(fault, high - 1)

    def _judge_own(self, rows: FeatureRows, at: I64) -> dict[str, OwnVerdict]:
        return self._own.judge(rows.view(self._window, self._slot[at]))

    def _note(self, rows: FeatureRows, verdict: Verdict, models: WindowModels) -> None:  # noqa: ARG002
        out, at = self._scores, self._rows
        out.tail_probability[at] = verdict.p
        for name in verdict.score:
            out.score[name][at] = verdict.score[name]
            out.tail[name][at] = verdict.tail[name]

    def _take(self, message: PolicyInput | Leaving, last_row: int) -> None:
        match message:
            case PolicyInput(candidates=candidates) if candidates:
                row = dict(zip(self._subject[self._rows].tolist(), self._rows.tolist(), strict=True))
                self._scores.candidates |= {row[c.subject]: c for c in candidates}
            case Output(Stream.DRIFT, records):
                self._scores.drift += [{"row": last_row, **record} for record in records]
            case Output(Stream.REJECTS, records):
                self._scores.faults += records

    def scores(self) -> Scores:
        self._scores.spent_s = self._population.spent_s(_WINDOW) | self._own.spent_s()
        return self._scores


def _subjects(table: Table) -> tuple[U64, I32]:
    """(n,) numbers of the subjects, one per row where rows are nobody's; (n,) the same as slots."""
    if table.subject is None:
        row = np.arange(len(table))
        return row.astype(np.uint64), row.astype(np.int32)
    slot = np.unique(table.subject.astype(str), return_inverse=True)[1]
    return slot.astype(np.uint64), slot.astype(np.int32)
