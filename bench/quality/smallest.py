"""The smallest probability of each subject's day, as the alert policy sees it: is it as small as often as it says?"""

from collections.abc import Mapping, Sequence

import numpy as np
from xxhash import xxh3_64_intdigest

from flows.job import Job
from flows.operators.population.verdict import Verdict
from flows.operators.population.window_models import WindowModels
from flows.operators.rows import FeatureRows
from state.types import DAY_US, END_OF_TIME_US, F64, I64, START_OF_TIME_US, U64, Bool


class DailySmallest:
    """Watches scored rounds.  subjects: their names.  acts_us: (n,) their first acts.  smallest: (days, n), nan for a
    subject that was not there.
    odd_us: (n,) the first round after its first act with evidence against a subject: of one window, of what was learned
    alone, and at or below `candidate_line`.

    Evidence of several windows is combined as by `detectors.alerting.policy.combine_windows`: per window the strongest
    that is still evidence, their weighted harmonic mean over all windows; what is only declared comes on top.  Unlike
    there, evidence is of one day of the simulation, so that none counts on two; and evidence weaker than
    `candidate_line`, which the policy never hears of, is taken in as well, so that there is a curve.
    """

    def __init__(self, job: Job, subjects: Sequence[str], acts_us: I64, start_us: int, days: int) -> None:
        hashes: U64 = np.array([xxh3_64_intdigest(name.encode()) or 1 for name in subjects], np.uint64)
        self._order: I64 = np.argsort(hashes, kind="stable")
        self._sorted = hashes[self._order]
        self._acts_us = acts_us
        self._start_us = start_us
        self.smallest: F64 = np.full((days, len(subjects)), np.nan)
        self.busiest: F64 = np.full((days, len(subjects)), np.nan)
        """(days, n): most plays in 24 hours, on the scale of the feature."""
        self.odd_us: I64 = np.full(len(subjects), END_OF_TIME_US)
        self._candidate_line = job.judgement.policy.candidate_line
        self._weights = learned_weights(job)
        self._evidence_us = {w.window.name: w.window.evidence_us for w in job.stream.windows}
        self._strongest = {name: np.ones(len(subjects)) for name in self._weights}
        self._until_us = {name: np.full(len(subjects), START_OF_TIME_US) for name in self._weights}
        self._plays = {
            w.window.name: w.features.index("plays")
            for w in job.stream.windows
            if w.window.holds_day and "plays" in w.features
        }

    def __call__(self, rows: FeatureRows, verdict: Verdict, models: WindowModels) -> None:
        """A round, as population operators tell it."""
        del models
        who: I64 = self._order[np.searchsorted(self._sorted, rows.subject)]
        day = min((rows.end_us - 1 - self._start_us) // DAY_US, len(self.smallest) - 1)
        if rows.window in self._plays:
            self.busiest[day, who] = np.fmax(self.busiest[day, who], rows.x[:, self._plays[rows.window]])
        last_us = self._start_us + (day + 1) * DAY_US
        p = np.where(np.isnan(verdict.p), np.inf, verdict.p)
        odd = who[(verdict.learned <= self._candidate_line) & (self._acts_us[who] < rows.end_us)]
        self.odd_us[odd] = np.minimum(self.odd_us[odd], rows.end_us)
        self._take(rows.window, rows.end_us, last_us, who, p)
        self.smallest[day, who] = np.fmin(self.smallest[day, who], self._together(who, rows.end_us))

    def _take(self, window: str, end_us: int, last_us: int, who: I64, p: F64) -> None:
        held, until_us = self._strongest[window], self._until_us[window]
        new: Bool = (until_us[who] <= end_us) | (p <= held[who])
        held[who[new]] = p[new]
        until_us[who[new]] = min(end_us + self._evidence_us[window], last_us + 1)

    def _together(self, who: I64, end_us: int) -> F64:
        odds = np.zeros(len(who))
        declared = np.ones(len(who))
        for window, weight in self._weights.items():
            live = self._until_us[window][who] > end_us
            p = np.where(live, self._strongest[window][who], np.inf)
            if weight:
                odds += weight / np.maximum(p, 1e-300)
            else:
                declared = np.fmin(declared, p)
        total = sum(self._weights.values())
        with np.errstate(divide="ignore"):
            return np.minimum(declared, total / odds)


def learned_weights(job: Job) -> Mapping[str, float]:
    """Window -> how much what its detectors learned weighs, as the alert stage adds it up."""
    weights = {w.window.name: 0.0 for w in job.stream.windows}
    for use in job.judgement.detectors:
        for window in use.windows if not use.spec.declared else ():
            weights[window] += use.weight
    return weights
