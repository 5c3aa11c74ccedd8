"""An hour without events, and the log-ins after it."""

from typing import Final

import numpy as np

from flows.simulate.calendar import Outage
from flows.simulate.rows import Rows, Type
from state.types import MS_US, SECOND_US, Bool

_MISTYPED: Final = 0.15


def heard(rows: Rows, outage: Outage) -> Bool:
    """(n,) False for what happens while the platform is down, and for plays that run into it."""
    playing = (rows.type == Type.PLAY) & ~rows.offline
    begin_us = rows.time_us - np.where(playing, rows.ms, 0) * MS_US
    kept: Bool = (rows.time_us < outage.from_us) | (begin_us >= outage.until_us)
    return kept


def interrupted(rows: Rows, outage: Outage, rng: np.random.Generator) -> Rows:
    """The rows that are heard of, and one log-in of each account that was cut off, within minutes of the end.

    Some need a second or a third attempt.  They come from where the account's last lost event would have.
    """
    kept = heard(rows, outage)
    lost = rows.take(~kept).by_time()
    last = np.unique(lost.user[::-1], return_index=True)[1]
    back = lost.take(len(lost) - 1 - last)
    at_us = outage.postponed(rng, np.full(len(back), outage.from_us)) + 30 * SECOND_US
    parts = [rows.take(kept), back.then(at_us, Type.LOGIN_OK, bare=True)]
    again = np.ones(len(back), np.bool_)
    for attempt in (1, 2):
        again = again & (rng.random(len(back)) < _MISTYPED)
        parts.append(back.then(at_us - attempt * 9 * SECOND_US, Type.LOGIN_FAILED, bare=True).take(again))
    return Rows.concat(parts)
