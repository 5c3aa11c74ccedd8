"""The order in which lines arrive: late by a little, and now and then twice."""

import numpy as np

from state.types import F64, I64


def arrivals(rng: np.random.Generator, time_us: I64, disorder_us: int, duplicate_share: float) -> tuple[I64, I64, I64]:
    """Delay events that are in time order, and repeat some.

    time_us: (n,) event times.  Returns three arrays of n + round(duplicate_share * n) rows in arrival order: which
    event, when it arrives, and how many times it came before (0 or 1).  An arrival is less than disorder_us after its
    event's time (at it, for 0), so no line is overtaken by events more than disorder_us younger.
    Most delays are short: the square of a uniform share of the bound, cubed.
    """
    n = len(time_us)
    delay: F64 = rng.random(n) ** 6
    again = rng.choice(n, round(duplicate_share * n), replace=False)
    which = np.concatenate((np.arange(n), again))
    copy = np.repeat(np.array([0, 1]), (n, len(again)))
    part = np.concatenate((delay, delay[again] + (1 - delay[again]) * rng.random(len(again)) ** 2))
    arrival_us = time_us[which] + (part * disorder_us).astype(np.int64)
    order = np.lexsort((copy, arrival_us))
    return which[order], arrival_us[order], copy[order]
