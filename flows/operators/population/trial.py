"""A successor on trial beside the model in office: is it better?"""

from typing import Final

import numpy as np

from state.types import F64

_LEVEL: Final = 0.1
_SURE: Final = 1.645
"""Standard deviations: a promotion without merit has a chance of one in twenty."""


class Trial:
    """Both models' answers on the same rows, before either learned them.

    With labels: the sign test on rows that one of them got wrong (McNemar 1947); the successor has to win it.
    Without: the share of unsuspicious rows beyond its own 10 % level, which is 10 % for a model that knows the
    population; the successor must not be further from that than the model in office, but for chance.
    """

    def __init__(self, state: list[int] | None = None) -> None:
        self._only_old, self._only_new, self._rows, self._old_beyond, self._new_beyond = state or [0] * 5

    def labelled(self, old_wrong: F64, new_wrong: F64) -> None:
        """(n,) 1 for wrong, 0 for right, nan for unknown."""
        self._only_old += int(((old_wrong > 0) & (new_wrong == 0)).sum())
        self._only_new += int(((new_wrong > 0) & (old_wrong == 0)).sum())

    def unlabelled(self, old_tail: F64, new_tail: F64) -> None:
        """(n,) tail probabilities, nan for "not yet"."""
        both = ~(np.isnan(old_tail) | np.isnan(new_tail))
        self._rows += int(both.sum())
        self._old_beyond += int((old_tail[both] <= _LEVEL).sum())
        self._new_beyond += int((new_tail[both] <= _LEVEL).sum())

    def promotes(self) -> bool:
        """Whether the successor takes over."""
        if self._only_old + self._only_new:
            return bool(self._only_old - self._only_new >= _SURE * np.sqrt(self._only_old + self._only_new))
        if not self._rows:
            return False
        old, new = (abs(beyond / self._rows - _LEVEL) for beyond in (self._old_beyond, self._new_beyond))
        return bool(new <= old + _SURE * np.sqrt(2 * _LEVEL * (1 - _LEVEL) / self._rows))

    def state(self) -> list[int]:
        """As JSON values."""
        return [self._only_old, self._only_new, self._rows, self._old_beyond, self._new_beyond]
