"""Event ids seen within the horizon."""

import numpy as np

from state.types import U64, Bool


class Dedup:
    """Remembers the event keys of closed panes for at least `horizon_us` of event time.

    Two generations: the young one takes new keys; when it is a horizon old it becomes the old one, and the old one is
    forgotten. Both are sorted arrays, 8 bytes per event. Judged when a pane closes, in event-time order, so the answer
    does not depend on the order of arrival.
    """

    def __init__(self, horizon_us: int) -> None:
        self.horizon_us = horizon_us
        self._since_us: int | None = None
        self._young: U64 = np.zeros(0, np.uint64)
        self._old: U64 = np.zeros(0, np.uint64)

    def fresh(self, pane_start_us: int, keys: U64) -> Bool | None:
        """Which rows are the first of their key; None when all are.  keys: (n,) in (event time, event key) order per
        subject.
        """
        self._turn(pane_start_us)
        ordered = np.sort(keys)
        clean = (
            not (ordered[1:] == ordered[:-1]).any()
            and not _holds(self._young, ordered)
            and not _holds(self._old, ordered)
        )
        mask: Bool | None = None
        if not clean:
            ordered, first = np.unique(keys, return_index=True)
            mask = np.zeros(len(keys), np.bool_)
            mask[first] = True
            mask &= ~(np.isin(keys, self._young) | np.isin(keys, self._old))
        self.remember(ordered)
        return mask

    def remember(self, keys: U64) -> None:
        """Adds keys of the pane that was judged last."""
        self._young = np.sort(np.concatenate([self._young, keys]))

    def _turn(self, pane_start_us: int) -> None:
        if self._since_us is None:
            self._since_us = pane_start_us
        age_us = pane_start_us - self._since_us
        if age_us >= self.horizon_us:
            self._old = self._young if age_us < 2 * self.horizon_us else self._young[:0]
            self._young = self._young[:0]
            self._since_us = pane_start_us

    def arrays(self) -> dict[str, U64]:
        since = np.array([] if self._since_us is None else [self._since_us], np.int64)
        return {"since": since.view(np.uint64), "young": self._young, "old": self._old}

    def restore(self, arrays: dict[str, U64]) -> None:
        since = arrays["since"].view(np.int64)
        self._since_us = int(since[0]) if len(since) else None
        self._young, self._old = arrays["young"], arrays["old"]


def _holds(known: U64, ordered: U64) -> bool:
    """Whether any of the sorted keys is among the sorted known ones."""
    if not len(known) or not len(ordered):
        return False
    at = np.minimum(np.searchsorted(known, ordered), len(known) - 1)
    return bool((known[at] == ordered).any())
