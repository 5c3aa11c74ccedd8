"""How good scores are, where the truth is known: ranking, and what was said of changes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from state.types import F64, I64


@dataclass(frozen=True, slots=True)
class Ranking:
    """roc_auc: probability that a positive is above a negative, ties count half.  average_precision: the step-wise area
    under the precision-recall curve.  Both None without rows of both kinds.  rows, positives: that were scored.
    """

    roc_auc: float | None
    average_precision: float | None
    rows: int
    positives: int


def rank_quality(score: F64, label: F64) -> Ranking:
    """score: (n,) higher is odder, nan for "not yet".  label: (n,) 1, 0, nan for unknown; rows without either are left
    out.

    Sources: Mann & Whitney 1947 for the area; average precision as in Zhu 2004 (and scikit-learn), sum over distinct
    scores of precision times the recall gained there.
    """
    known = ~(np.isnan(score) | np.isnan(label))
    s, odd = score[known], label[known] > 0
    positives, negatives = int(odd.sum()), int((~odd).sum())
    if not positives or not negatives:
        return Ranking(None, None, len(s), positives)
    wins = float(rankdata(s)[odd].sum()) - positives * (positives + 1) / 2
    order = np.argsort(-s, kind="stable")
    found = np.cumsum(odd[order])
    last: I64 = np.flatnonzero(np.append(np.diff(s[order]) != 0, True))
    precision, recall = found[last] / (last + 1), found[last] / positives
    average = float((precision * np.diff(recall, prepend=0.0)).sum())
    return Ranking(wins / (positives * negatives), average, len(s), positives)


@dataclass(frozen=True, slots=True)
class DriftQuality:
    """What a family of drift monitors said of known changes.

    delays: per change, rows until the first event of the family, None where none came before the next change.
    false_alarms: events that are no change's first one within `within` rows of it.
    """

    watch: str
    delays: tuple[int | None, ...]
    false_alarms: int


def drift_quality(watch: str, rows: Sequence[int], changes: Sequence[int], within: int) -> DriftQuality:
    """rows: where events were raised.  changes: where the world changed; both rising."""
    delays: list[int | None] = []
    explained: set[int] = set()
    for change in changes:
        here = [row for row in rows if change <= row < change + within]
        explained |= set(here)
        delays.append(here[0] - change if here else None)
    return DriftQuality(watch, tuple(delays), sum(row not in explained for row in rows))
