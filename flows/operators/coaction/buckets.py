"""Buckets: who was on what, of one key group of objects, until the watermark has passed."""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.campaigns.coincidence import Visits
from state.chunks import Chunks
from state.order import stable_argsort
from state.pieces import Pieces
from state.types import I64, U64, Bool, Names

OBJECT: Final = "object"
ACCOUNT: Final = "account"
PARENT: Final = "parent"
OBJECT_NAME: Final = "object name"
ACCOUNT_NAME: Final = "account name"
Columns = dict[str, NDArray[Any]]


@dataclass(slots=True)
class Bucket:
    """parts: columns as they came.  thinned: how many rows there were when only different ones were left last.
    written: parts that are saved already, in pieces.
    """

    parts: list[Columns] = field(default_factory=list)
    thinned: int = 0
    written: int = 0
    pieces: Pieces = field(default_factory=Pieces)

    @property
    def rows(self) -> int:
        """How many wait."""
        return sum(len(part[OBJECT]) for part in self.parts)

    def add(self, part: Columns) -> None:
        """Further visits; who floods an object stays one visit."""
        self.parts.append(part)
        if len(self.parts) > 1 and self.rows > max(4096, 2 * self.thinned):
            self.thin()

    def thin(self) -> Columns:
        """Leaves each visit once, sorted by object and account."""
        if len(self.parts) == 1 and self.thinned == self.rows:
            return self.parts[0]
        whole = {name: np.concatenate([part[name] for part in self.parts]) for name in self.parts[0]}
        order = by_both(whole[OBJECT], whole[ACCOUNT])
        object_, account = whole[OBJECT][order], whole[ACCOUNT][order]
        new = np.ones(len(order), np.bool_)
        new[1:] = (object_[1:] != object_[:-1]) | (account[1:] != account[:-1])
        one = {name: values[order[new]] for name, values in whole.items()}
        self.parts, self.pieces, self.written = [one], Pieces(), 0
        self.thinned = len(one[OBJECT])
        return one

    def visits(self) -> Visits:
        """Each once, sorted."""
        one = self.thin()
        return Visits(one[OBJECT], one[ACCOUNT])

    def without(self, account: int) -> "Bucket":
        """The same without one account."""
        parts = [{n: v[part[ACCOUNT] != np.uint64(account)] for n, v in part.items()} for part in self.parts]
        return Bucket([part for part in parts if len(part[OBJECT])])

    def save(self, chunks: Chunks) -> I64:
        """Writes the parts that came since the last snapshot; where all of them are."""
        if not self.pieces.keep(chunks):
            self.written = 0
        if self.written < len(self.parts):
            new = self.parts[self.written :]
            self.pieces.add(chunks, {name: np.concatenate([part[name] for part in new]) for name in new[0]})
            self.written = len(self.parts)
        return self.pieces.table()

    @staticmethod
    def restored(chunks: Chunks, table: I64) -> "Bucket":
        """Takes what `save` gave."""
        bucket = Bucket()
        bucket.parts = bucket.pieces.read(chunks, table)
        bucket.written = len(bucket.parts)
        return bucket


def by_both(object_: U64, account: U64) -> I64:
    """Positions in the order of object and account, rows of one pair as they came."""
    order = stable_argsort(account)
    return order[stable_argsort(object_[order])]


def arrived(now: Visits, before: Visits) -> Bool:
    """(n,) which visits of a bucket do not go on from the one before."""
    account = np.concatenate([before.account, now.account])
    object_ = np.concatenate([before.object, now.object])
    order = by_both(object_, account)
    on, who = object_[order], account[order]
    goes_on = order[1:][(on[1:] == on[:-1]) & (who[1:] == who[:-1])]
    found = np.ones(len(now), np.bool_)
    found[goes_on - len(before)] = False
    return found


def first_names(parts: list[tuple[U64, Names]], keys: U64) -> Names:
    """The name of each key, of those in the first part that has it.  keys: sorted.  parts: keys with their names."""
    found = np.full(len(keys), "", object)
    if not len(keys):
        return found
    for key, name in reversed(parts):
        at = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
        rows = (keys[at] == key).nonzero()[0]
        place = np.full(len(keys), -1)
        place[at[rows]] = rows
        known = place >= 0
        found[known] = name[place[known]]  # of each key once: text is what costs most to move
    return found
