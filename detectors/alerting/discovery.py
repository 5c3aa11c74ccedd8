"""Where the line is drawn among many who are odd, so that few of those it takes in are people.

Two questions are asked of it.  How many of all whom it takes in are people?  At most `share` of them (the false
discovery rate of Benjamini & Hochberg 1995).  And of the last whom it takes in, the most doubtful?  At most `last` of
them (the local false discovery rate of Efron, Tibshirani, Storey & Tusher 2001; below 0.2 by Efron's convention, 2007).
With the first alone attackers who are sure pay for people who are not: behind 240 of whom nobody doubts it is held by a
line that takes in seven people more and no attacker.

The density of p near the line is that of the least concave majorant of its distribution (Grenander 1956; Strimmer
2008): it falls as p rises, and one need not choose how wide "near" is.  Where it falls below tests / last is where
`rank - tests * p / last` is largest.
"""

import numpy as np

from state.types import F64


def line_among(p: F64, tests: int, share: float, last: float, least: int) -> float:
    """The largest of these probabilities that is taken in; 0 where none is.

    p: (n,) ascending, in (0, 1].  tests: how many subjects there are, n at least.  share, last: see above, in (0, 1].
    least: so many are taken in, or none.
    """
    rank = np.arange(1.0, len(p) + 1.0)
    fit = np.flatnonzero((p <= share * rank / tests)[least - 1 :])
    if not len(fit):
        return 0.0
    few = int(fit[-1]) + least
    worth = rank[:few] - tests * p[:few] / last
    best = few - 1 - int(np.argmax(worth[::-1]))
    return p.item(best) if best >= least - 1 else 0.0
