"""Event ids seen within the horizon."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from state.chunks import Chunks
from state.order import distinct
from state.pieces import Pieces
from state.snapshot import pack, unpack
from state.types import I64, U64, Bool

_GROWTH: Final = 16
"""A run of remembered keys is more than this many times as long as the next."""
_VERSION: Final = 1


@dataclass(slots=True)
class _Generation:
    """Keys in sorted runs.  unsaved: those that came since the last snapshot; None before there was one."""

    runs: list[U64] = field(default_factory=list)
    pieces: Pieces = field(default_factory=lambda: Pieces(hashes=True))
    unsaved: list[U64] | None = None

    def take(self, runs: list[U64], new: U64) -> None:
        """These runs from now on, which hold new keys."""
        self.runs = runs
        if self.unsaved is not None:
            self.unsaved.append(new)

    def save(self, chunks: Chunks) -> I64:
        """Writes the keys that came since the last snapshot; where all of them are."""
        if not self.pieces.keep(chunks) or self.unsaved is None:
            self.unsaved = self.runs
        if any(map(len, self.unsaved)):
            self.pieces.add(chunks, {"keys": _one(self.unsaved)})
        self.unsaved = []
        return self.pieces.table()

    def restore(self, chunks: Chunks, table: I64) -> None:
        """Takes what `save` gave."""
        self.runs = [_one([piece["keys"] for piece in self.pieces.read(chunks, table)])]
        self.unsaved = []


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
        self._young, self._old = _Generation(), _Generation()

    def fresh(self, pane_start_us: int, keys: U64) -> Bool | None:
        """Which rows are the first of their key; None when all are.  keys: (n,) in (event time, event key) order per
        subject.
        """
        self._turn(pane_start_us)
        ordered = np.sort(keys)
        first = _distinct(ordered)
        young, old = (_among_any(of.runs, ordered) for of in (self._young, self._old))
        new = first & ~(young | old)
        if new.all():
            self._remember(ordered)
            return None
        self._remember(ordered[first & ~young])
        return _without_repeats(keys, distinct(ordered[~new]), ordered[young | old])

    def as_one(self, pane_start_us: int, last_start_us: int) -> bool:
        """Whether panes from the one that starts there to the one that starts last may be judged at once."""
        since_us = pane_start_us if self._turns(pane_start_us) or self._since_us is None else self._since_us
        return last_start_us - since_us < self.horizon_us

    def remember(self, keys: U64) -> None:
        """Adds keys of the pane that was judged last."""
        ordered = np.sort(keys)
        self._remember(ordered[_distinct(ordered) & ~_among_any(self._young.runs, ordered)])

    def _remember(self, new: U64) -> None:
        self._young.take(_with(self._young.runs, new), new)

    def _turns(self, pane_start_us: int) -> bool:
        return self._since_us is not None and pane_start_us - self._since_us >= self.horizon_us

    def _turn(self, pane_start_us: int) -> None:
        if self._since_us is None:
            self._since_us = pane_start_us
        age_us = pane_start_us - self._since_us
        if self._turns(pane_start_us):
            self._old = self._young if age_us < 2 * self.horizon_us else _Generation()
            self._young = _Generation()
            self._since_us = pane_start_us

    def snapshot(self, chunks: Chunks) -> bytes:
        """The root frame; writes the keys that came since the last one."""
        tables = {"young": self._young.save(chunks), "old": self._old.save(chunks)}
        return pack("dedup", _VERSION, {"since_us": self._since_us}, tables)

    def restore(self, root: bytes, chunks: Chunks) -> None:
        """Takes what `snapshot` gave."""
        _, meta, tables = unpack(root, "dedup", (_VERSION,))
        self._since_us = meta["since_us"]
        self._young.restore(chunks, tables["young"])
        self._old.restore(chunks, tables["old"])


def _without_repeats(keys: U64, repeated: U64, known: U64) -> Bool:
    """Which rows do not repeat a key: of those with repeated keys the first of each, if it was not known before.

    repeated, known: sorted; nearly always few.
    """
    mask = ~_among(repeated, keys)
    rows = np.flatnonzero(~mask)
    order = rows[np.argsort(keys[rows], kind="stable")]
    ordered = keys[order]
    mask[order] = _distinct(ordered) & ~_among(known, ordered)
    return mask


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


def _among_any(runs: list[U64], keys: U64) -> Bool:
    """Which of the keys are in one of the runs."""
    found = np.zeros(len(keys), np.bool_)
    for run in runs:
        found |= _among(run, keys)
    return found


def _among(known: U64, keys: U64) -> Bool:
    """Which of the keys are among the sorted known ones; quickest if they are sorted too."""
    if not len(known):
        return np.zeros(len(keys), np.bool_)
    return known[np.minimum(np.searchsorted(known, keys), len(known) - 1)] == keys
