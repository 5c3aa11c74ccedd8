"""Evidence of several detectors as one tail probability, however they depend on each other."""

import math
from enum import StrEnum
from typing import Final

import numpy as np

from state.types import F64

_ANY_DEPENDENCE: Final = float(np.e)
_FEW: Final = 7
"""So few are added up in their order, however many rows there are; numpy adds more of one row in pairs."""


class Combination(StrEnum):
    """The mean that tail probabilities are combined by."""

    HARMONIC = "harmonic"
    """One detector that is sure is enough: for detectors that see different things."""
    GEOMETRIC = "geometric"
    """Several that are fairly sure count more than one: for views of one thing, as of a series at several scales."""
    AGREEMENT = "agreement"
    """Harmonic, by weights that grow with what a detector has in common with others (`detectors.weighing`)."""
    LABELS = "labels"
    """The same, by labels as far as there are some."""

    @property
    def weighs(self) -> bool:
        """Whether weights are learned."""
        return self in (Combination.AGREEMENT, Combination.LABELS)


def combine(p: F64, weights: F64, rule: Combination = Combination.HARMONIC) -> F64:
    """A weighted mean of tail probabilities.

    p: (k, n) float64 in (0, 1], one line per detector, nan for "not yet".  weights: (k,) float64 > 0.
    Returns (n,) float64 in (0, 1]; nan where no detector has an opinion; a missing opinion's weight goes to the others.

    Harmonic: Wilson 2019, "The harmonic mean p-value for combining dependent tests".  Why not Fisher: our detectors
    look at the same rows, and Fisher's product takes agreement between copies for new evidence.  Why not Cauchy (Liu &
    Xie 2020), which agrees with this one for small p: a detector that is sure of "normal" (p = 1, a hard rule that is
    not broken) weighs minus infinity there and silences the others.  Here it merely costs its own weight, as in
    Bonferroni: with equal weights the answer lies between min(p) and k min(p).  Equal opinions give that opinion,
    however dependent they are.  Independent ones: P(answer <= a) is at most about 1.2 a for a <= 1e-2 (tests).

    Geometric: Vovk & Wang 2020, "Combining p-values via averaging": e times the geometric mean is a tail probability
    under any dependence.  A single opinion stays as it is.
    """
    if p.shape[1] == 1 and len(p) <= _FEW:
        return np.array([_combined(p[:, 0].tolist(), weights.tolist(), rule)])
    if len(p) == 1 and rule is not Combination.GEOMETRIC:
        return np.minimum(weights / (weights / p[0]), 1.0)
    known = ~np.isnan(p)
    weight = np.where(known, weights[:, None], 0.0)
    total = weight.sum(axis=0)
    with np.errstate(invalid="ignore"):
        # The division by 0/0 is the nan of "nobody knows".
        if rule is Combination.GEOMETRIC:
            mean = np.exp(np.where(known, weights[:, None] * np.log(p), 0.0).sum(axis=0) / total)
            return np.minimum(mean * np.where(known.sum(axis=0) > 1, _ANY_DEPENDENCE, 1.0), 1.0)
        odds = np.where(weight > 0, weights[:, None] / p, 0.0).sum(axis=0)
        return np.minimum(total / odds, 1.0)


def _combined(p: list[float], weights: list[float], rule: Combination) -> float:
    """What `combine` says of one row, to the bit."""
    total = above = 0.0
    count = 0
    # Not sum(), which does not add one after another.
    for one, weight in zip(p, weights, strict=True):
        if one == one:
            count += 1
            total += weight
            above += weight * float(np.log(one)) if rule is Combination.GEOMETRIC else weight / one
    if not count:
        return math.nan
    if rule is Combination.GEOMETRIC:
        return min(float(np.exp(above / total)) * (_ANY_DEPENDENCE if count > 1 else 1.0), 1.0)
    return min(total / above, 1.0)
