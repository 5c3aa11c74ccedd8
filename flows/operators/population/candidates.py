"""Candidates: the improbable rows of a round, with all that an alert says of them."""

from typing import Final

import numpy as np

from detectors.alerting.alert import Candidate, Part, Reason
from detectors.base import Rows
from flows.judgement import Judgement
from flows.operators.population.verdict import Verdict, known
from flows.operators.population.window_models import WindowModels
from flows.operators.rows import FeatureRows, OwnVerdict
from state.keygroup import key_group
from state.types import F64, I64

_REASONS: Final = 6


def candidates_of(
    judgement: Judgement, key_groups: int, cohort: str, rows: FeatureRows, view: Rows, verdict: Verdict,
    models: WindowModels,
) -> list[Candidate]:  # fmt: skip
    """Of one judged round, those at or below the line.  view: the rows as detectors see them."""
    line = judgement.policy.candidate_line
    odd = verdict.p <= line
    if not np.count_nonzero(odd):
        return []
    at = np.flatnonzero(odd)
    few = view.pick(at)
    own = {name: said.take(at) for name, said in rows.own.items()}
    chosen = verdict.take(at)
    shares = models.shares(few, own, chosen)
    usual = models.usual(view)
    reasons = _reasons(few.x, shares, typical_own(own, few.x), usual, [f.name for f in models.features])
    window = models.window
    rules = models.broken_rules(few)
    versions = models.versions()
    groups = key_group(few.subject, key_groups).tolist()
    return [
        Candidate(
            subject=int(few.subject[i]),
            name=str(rows.name[row]),
            cohort=cohort,
            group=groups[i],
            window=rows.window,
            start_us=int(few.start_us[i]),
            stop_us=int(few.stop_us[i]),
            end_us=rows.end_us,
            since_us=max(int(few.start_us[i]), rows.end_us - window.advance_us),
            until_us=rows.end_us + window.evidence_us,
            tail_probability=float(max(chosen.p[i], 1e-300)),
            parts=tuple(
                Part(name, versions[name], float(chosen.score[name][i]), float(max(p[i], 1e-300)))
                for name, p in chosen.tail.items()
                if not np.isnan(p[i])
            ),
            reasons=reasons[i],
            rules=rules[i],
            kind=judgement.cohorts.kind,
        )
        for i, row in enumerate(at.tolist())
    ]


def typical_own(own: dict[str, OwnVerdict], x: F64) -> F64:
    """(n, F) the first own-history detector's usual values that are known, nan elsewhere."""
    typical = np.full(x.shape, np.nan)
    for verdict in own.values():
        typical = np.where(np.isnan(typical), verdict.typical, typical)
    return typical


def _reasons(
    x: F64, shares: list[tuple[str, F64]], own: F64, cohort: F64, features: list[str]
) -> list[tuple[Reason, ...]]:
    """Per row the features with the largest share of the evidence, each with the detector that weighs it most."""
    names = [name for name, _ in shares]
    stacked = np.stack([s for _, s in shares])
    total = stacked.sum(axis=0)
    loudest: I64 = stacked.argmax(axis=0)
    reasons: list[tuple[Reason, ...]] = []
    for i in range(len(x)):
        top = np.argsort(-total[i], kind="stable")[:_REASONS].tolist()
        reasons.append(
            tuple(
                Reason(
                    features[j],
                    float(x[i, j]),
                    known(own[i, j]),
                    known(cohort[j]),
                    float(total[i, j]),
                    names[loudest[i, j]],
                )
                for j in top
                if total[i, j] >= 0.01 and not np.isnan(x[i, j])
            )
        )
    return reasons
