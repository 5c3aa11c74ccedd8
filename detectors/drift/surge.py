"""A surge: many more subjects are suspicious than a few hours ago, whichever detector says so.

While attackers are few, the tails of the people still show them; some hours later they are many, and hide each other.
So their coming is looked for as well, round by round, and not their number alone (`detectors.base.Wave`).
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from state.types import HOUR_US

_SPAN_US: Final = 3 * HOUR_US
"""Rounds of so long ago are compared with."""
_RISE: Final = 0.02
"""Of the subjects.  1,300 people a day without attackers move it by 0.011 at most, and where 25 in a thousand begin to
attack within a day they move it by 0.015; where a quarter do, by 0.026 and more within two hours (seeds 31 to 34).
"""
_DEVIATIONS: Final = 5.0
"""Of the number that was to be expected, as Poisson has them."""
_ROWS: Final = 64
"""Fewer rows say nothing of a share."""


class Surge:
    """Of one window of one cohort, from when its windows are full: until then more of everything is in each round.

    full_us: how long a window is.  since_us: the end of its first round, None before.  lately: (end of a round, share
    of its rows that were suspicious), oldest first.
    """

    def __init__(self, full_us: int, since_us: int | None = None, lately: Iterable[tuple[int, float]] = ()) -> None:
        self._full_us = full_us
        self._since_us = since_us
        self._lately = deque((int(at_us), float(share)) for at_us, share in lately)

    def update(self, end_us: int, suspicious: int, rows: int) -> tuple[int, float] | None:
        """Takes a round; where it is a surge, the round with the smallest share of those before: when, and the share.

        end_us: the round's end, rising.  suspicious: of `rows`, those for which there is an opinion.
        """
        if self._since_us is None:
            self._since_us = end_us
        if rows < _ROWS or not self.is_full(end_us):
            return None
        while self._lately and self._lately[0][0] < end_us - _SPAN_US:
            self._lately.popleft()
        share, before = suspicious / rows, min(self._lately, key=lambda round_: round_[1], default=None)
        self._lately.append((end_us, share))
        if before is None or share < before[1] + _RISE:
            return None
        expected = before[1] * rows
        return before if suspicious >= expected + _DEVIATIONS * (expected + 1) ** 0.5 else None

    def is_full(self, end_us: int) -> bool:
        """Whether windows that end there are, and the rounds before."""
        return self._since_us is not None and end_us >= self._since_us + self._full_us

    def state(self) -> tuple[int | None, list[tuple[int, float]]]:
        """What `since_us` and `lately` take back, as JSON values."""
        return self._since_us, list(self._lately)
