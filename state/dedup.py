"""Event ids seen within the horizon."""

from typing import Final

import numpy as np

from state.types import U64, Bool

_GROWTH: Final = 16
"""A run of remembered keys is more than this many times as long as the next."""


class Dedup:
    """Remembers the event keys of closed panes for at least `horizon_us` of event time.

    Two generations: the young one takes new keys; when it is a horizon old it becomes the old one, and the old one is
    forgotten. 8 bytes per event, in sorted runs: merging two runs is five times as fast as sorting anew, and because a
    short run is merged with short ones, a key is moved a few times only however long the horizon. Judged when a pane
    closes, in event-time order, so the answer does not depend on the order of arrival.
    """

    def __init__(self, horizon_us: int) -> None:
        self.horizon_us = horizon_us
        self._since_us: int | None = None
        self._young: list[U64] = []
        self._old: list[U64] = []

    def fresh(self, pane_start_us: int, keys: U64) -> Bool | None:
        """Which rows are the first of their key; None when all are.  keys: (n,) in (event time, event key) order per
        subject.
        """
        self._turn(pane_start_us)
        ordered = np.sort(keys)
        young = _with(self._young, ordered)
        if _distinct(young[-1]).all() and not any(_among(run, ordered).any() for run in (*young[:-1], *self._old)):
            self._young = young
            return None
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        new = _distinct(ordered)
        for run in (*self._young, *self._old):
            new &= ~_among(run, ordered)
        mask = np.zeros(len(keys), np.bool_)
        mask[order[new]] = True
        self.remember(ordered)
        return mask

    def remember(self, keys: U64) -> None:
        """Adds keys of the pane that was judged last."""
        ordered = np.sort(keys)
        new = _distinct(ordered)
        for run in self._young:
            new &= ~_among(run, ordered)
        self._young = _with(self._young, ordered[new])

    def _turn(self, pane_start_us: int) -> None:
        if self._since_us is None:
            self._since_us = pane_start_us
        age_us = pane_start_us - self._since_us
        if age_us >= self.horizon_us:
            self._old = self._young if age_us < 2 * self.horizon_us else []
            self._young = []
            self._since_us = pane_start_us

    def arrays(self) -> dict[str, U64]:
        since = np.array([] if self._since_us is None else [self._since_us], np.int64)
        return {"since": since.view(np.uint64), "young": _one(self._young), "old": _one(self._old)}

    def restore(self, arrays: dict[str, U64]) -> None:
        since = arrays["since"].view(np.int64)
        self._since_us = int(since[0]) if len(since) else None
        self._young, self._old = [arrays["young"]], [arrays["old"]]


def _with(runs: list[U64], ordered: U64) -> list[U64]:
    """These runs and a further one, merged with those before it that are not much longer."""
    runs = [*runs, ordered]
    while len(runs) > 1 and len(runs[-2]) <= _GROWTH * len(runs[-1]):
        runs[-2:] = [_one(runs[-2:])]
    return runs


def _one(runs: list[U64]) -> U64:
    """All keys of these runs, sorted."""
    return np.sort(np.concatenate([*runs, np.zeros(0, np.uint64)]), kind="stable")


def _distinct(ordered: U64) -> Bool:
    """Which of the sorted keys are the first of their kind."""
    first = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return first


def _among(known: U64, ordered: U64) -> Bool:
    """Which of the sorted keys are among the sorted known ones."""
    if not len(known):
        return np.zeros(len(ordered), np.bool_)
    return known[np.minimum(np.searchsorted(known, ordered), len(known) - 1)] == ordered
