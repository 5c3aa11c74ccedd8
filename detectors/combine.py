"""One tail probability out of several that may depend on each other in any way."""

import numpy as np

from state.types import F64


def combine(p: F64, weights: F64) -> F64:
    """Weighted harmonic mean of tail probabilities.

    p: (k, n) float64 in (0, 1], one line per detector, nan for "not yet".  weights: (k,) float64 > 0.
    Returns (n,) float64 in (0, 1]; nan where no detector has an opinion; a missing opinion's weight goes to the others.

    Source: Wilson 2019, "The harmonic mean p-value for combining dependent tests".  Why not Fisher: our detectors look
    at the same rows, and Fisher's product takes agreement between copies for new evidence.  Why not Cauchy (Liu & Xie
    2020), which agrees with this one for small p: a detector that is sure of "normal" (p = 1, a hard rule that is not
    broken) weighs minus infinity there and silences the others.  Here it merely costs its own weight, as in Bonferroni:
    with equal weights the answer lies between min(p) and k min(p).  Equal opinions give that opinion, however
    dependent they are.  Independent ones: P(answer <= a) is at most about 1.2 a for a <= 1e-2 (tests).
    """
    weight = np.where(np.isnan(p), 0.0, weights[:, None])
    total = weight.sum(axis=0)
    with np.errstate(invalid="ignore"):
        odds = np.where(weight > 0, weights[:, None] / p, 0.0).sum(axis=0)
        # The division by 0/0 is the nan of "nobody knows".
        return np.minimum(total / odds, 1.0)
