"""Stretches: the most that a series shows in so many rows.

What is odd in a series comes in bunches: one event fills a dozen rows, and each of those counts in a sample of rows, so
that an event as large as the last one looks a dozen times as usual as it is, and series with bunches cannot be compared
with series without.  Largest scores of stretches count each event once.  They are the block maxima of extreme value
theory (Coles 2001, "An Introduction to Statistical Modeling of Extreme Values", chapter 3), of which the rank alone is
used: which share of the stretches has shown as much?
"""

from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from detectors.sample import Sample
from state.types import F32, F64, U64

_MOST: Final = 1e38
"""In 32 bits, what is far beyond this is infinite."""


class Stretches:
    """The largest scores of at most `remember` stretches of `rows` rows of one subject each.

    A stretch begins where that subject's last one ended, and is in the sample when it is full.  At most `remember`
    subjects have one that is not full; beyond that the one that was begun first is given up.
    """

    def __init__(self, rows: int, sample: Sample) -> None:
        self.rows = rows
        self.sample = sample
        self._open: dict[int, tuple[float, int]] = {}
        """Subject -> the largest so far, and how many rows; in the order in which they began."""

    @property
    def count(self) -> int:
        """Full stretches that count."""
        return self.sample.count

    @property
    def version(self) -> int:
        """Changes with what `ordered` gives."""
        return self.sample.version

    def add(self, subject: U64, score: F64) -> None:
        """One round, (n,) each, without nan."""
        full = []
        for who, now in zip(subject.tolist(), score.tolist(), strict=True):
            largest, rows = self._open.get(who, (now, 0))
            largest = min(max(largest, now, -_MOST), _MOST)
            if rows + 1 < self.rows:
                self._open[who] = largest, rows + 1
                if len(self._open) > self.sample.remember:
                    del self._open[next(iter(self._open))]
            else:
                self._open.pop(who, None)
                full.append(largest)
        if full:
            self.sample.add(np.array(full)[:, None])

    def forget(self, subject: int) -> None:
        """Drops what this subject has begun; full stretches say not whose they are."""
        self._open.pop(subject, None)

    def ordered(self) -> F32:
        """(count,) the largest scores, ascending."""
        return self.sample.ordered()[0][0]

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Numbers and arrays for `state.snapshot.pack`; `resume` takes them back."""
        meta, arrays = self.sample.state()
        meta["stretch_rows"] = self.rows
        open_ = {
            "open_of": np.array(list(self._open), np.uint64),
            "open_largest": np.array([largest for largest, _ in self._open.values()], np.float64),
            "open_rows": np.array([rows for _, rows in self._open.values()], np.int64),
        }
        return meta, arrays | open_

    @classmethod
    def resume(cls, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """The stretches whose `state` this is, equal to the bit."""
        found = cls(int(meta["stretch_rows"]), Sample.resume(meta, arrays))
        begun = zip(arrays["open_largest"].tolist(), arrays["open_rows"].tolist(), strict=True)
        found._open = dict(zip(arrays["open_of"].tolist(), begun, strict=True))
        return found
