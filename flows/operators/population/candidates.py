"""Candidates: the improbable rows of a round, with all that an alert says of them."""

from itertools import islice
from typing import Final

import numpy as np

from detectors.alerting.alert import Candidate, Part, Reason
from detectors.base import Rows
from flows.judgement import Judgement
from flows.operators.population.verdict import Verdict, known_values
from flows.operators.population.window_models import WindowModels
from flows.operators.rows import FeatureRows, OwnVerdict
from state.keygroup import key_group
from state.types import F64

_REASONS: Final = 6
_LEAST: Final = 0.01
"""The smallest share of the evidence that is a reason."""


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
    verdicts = [
        [
            (name, versions[name], score, max(p, 1e-300))
            for score, p in zip(chosen.score[name].tolist(), tail.tolist(), strict=True)
        ]
        for name, tail in chosen.tail.items()
    ]
    return [
        Candidate(
            subject=subject,
            name=name,
            cohort=cohort,
            group=group,
            window=rows.window,
            start_us=start_us,
            stop_us=stop_us,
            end_us=rows.end_us,
            since_us=max(start_us, rows.end_us - window.advance_us),
            until_us=rows.end_us + window.evidence_us,
            tail_probability=max(p, 1e-300),
            parts=tuple(Part(*part) for part in parts if part[-1] == part[-1]),
            reasons=reasons_of,
            rules=rules_of,
            kind=judgement.cohorts.kind,
        )
        for subject, name, group, start_us, stop_us, p, parts, reasons_of, rules_of in zip(
            few.subject.tolist(),
            map(str, rows.name[at].tolist()),
            key_group(few.subject, key_groups).tolist(),
            few.start_us.tolist(),
            few.stop_us.tolist(),
            chosen.p.tolist(),
            zip(*verdicts, strict=True),
            reasons,
            rules,
            strict=True,
        )
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
    top = np.argsort(-total, axis=1, kind="stable")[:, :_REASONS]
    seen, usual, loudest, share = (np.take_along_axis(a, top, 1) for a in (x, own, stacked.argmax(axis=0), total))
    telling = (share >= _LEAST) & ~np.isnan(seen)
    of_cohort = known_values(cohort)
    columns = (a[telling].tolist() for a in (top, seen, loudest, share))
    found = (
        Reason(features[j], value, own_value, of_cohort[j], part, names[loud])
        for j, value, loud, part, own_value in zip(*columns, known_values(usual[telling]), strict=True)
    )
    return [tuple(islice(found, count)) for count in telling.sum(axis=1).tolist()]
