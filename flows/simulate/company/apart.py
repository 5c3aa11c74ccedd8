"""Nobody plays two things at once: what must give way to plays that are fixed."""

from typing import Final

import numpy as np

from flows.simulate.rows import Rows
from state.types import I64, MS_US, Bool

_SPAN_US: Final = 2**39
"""Six days, which is more than the acts of one day last."""


def apart(rows: Rows, busy: Rows) -> Bool:
    """(n,) False for plays that overlap a play of the same account in `busy`.  Both begin on the same day."""
    playing = busy.take(busy.ms >= 0)
    base_us = int(min(_begin_us(rows).min(initial=2**62), _begin_us(playing).min(initial=2**62)))

    def keys(who: Rows, time_us: I64) -> I64:
        """Account and time as one number, so that all accounts are searched at once."""
        return who.user * np.int64(_SPAN_US) + (time_us - base_us)

    begins, ends = np.sort(keys(playing, _begin_us(playing))), np.sort(keys(playing, playing.time_us))
    begun_by_end = np.searchsorted(begins, keys(rows, rows.time_us))
    over_by_begin = np.searchsorted(ends, keys(rows, _begin_us(rows)), "right")
    free: Bool = begun_by_end <= over_by_begin
    return free


def _begin_us(rows: Rows) -> I64:
    return rows.time_us - np.maximum(rows.ms, 0).astype(np.int64) * MS_US
