"""What share of a partition's lines is late, rejected, set aside or sent again: a fault of whoever sends them."""

import base64
import logging
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from flows.operators.ingest.data_fault import data_fault
from state.types import I64, START_OF_TIME_US, U64

_log: Final = logging.getLogger("driftnet.input")

BLOCK: Final = 1_000
"""Lines that a share is taken of."""
LINE: Final = 0.2
"""A share from here on is told; once, until it has been below half of it."""
_LEAST: Final = 50
"""Lines of the last block, which the end of the input cuts short."""
_SAMPLED: Final = 8
"""Of ids one in so many is looked at, by its hash, so that all copies of one are; and as many blocks are remembered."""
_SPREAD: Final = 0.1
"""Standard deviation that shares are measured in."""


class ShareWatch:
    """Counts lines in blocks, by their numbers, so that it does not matter how they were read.

    partition: whose lines.  before: saved `state()`, None for a new one.
    """

    def __init__(self, partition: str, before: dict[str, Any] | None = None) -> None:
        self._partition = partition
        saved = before or {"lines": 0, "counts": {}, "shares": {}, "told": [], "since_us": START_OF_TIME_US}
        self._lines: int = saved["lines"]
        self._counts: dict[str, int] = dict(saved["counts"])
        self._shares: dict[str, float] = dict(saved["shares"])
        """Of the block before."""
        self._reported: set[str] = set(saved["told"])
        self._since_us: int = saved["since_us"]
        ids = saved.get("ids", "")
        self._ids: list[list[int]] = [_unpacked(block) for block in ids.split(" ")] if ids else [[]]
        """Of the blocks before, and of this one: the ids that are looked at."""

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "lines": self._lines,
            "counts": self._counts,
            "shares": self._shares,
            "told": sorted(self._reported),
            "since_us": self._since_us,
            "ids": " ".join(map(_packed, self._ids)),
        }

    def add(
        self, lines: int, fates: Mapping[str, I64], row: I64, time_us: I64, reached_us: int, ids: U64
    ) -> list[dict[str, Any]]:
        """Counts lines, and gives the records of the drift stream that follow.

        fates: name -> positions, among these lines, of those that ended so.  row, time_us: positions of those that
        moved time, ascending, and when they were.  reached_us: largest event time before.  ids: hashes of the event ids
        of these, empty where the stream has none.
        """
        events: list[dict[str, Any]] = []
        start = 0
        while lines - start >= BLOCK - self._lines:
            stop = start + BLOCK - self._lines
            self._count(fates, start, stop)
            self._lines = BLOCK
            until = int(np.searchsorted(row, stop))
            self._note(ids, row, start, stop)
            events += self._close(max(reached_us, int(time_us[:until].max(initial=START_OF_TIME_US))))
            start = stop
        self._count(fates, start, lines)
        self._note(ids, row, start, lines)
        self._lines += lines - start
        return events

    def _note(self, ids: U64, row: I64, start: int, stop: int) -> None:
        mine = ids[slice(*np.searchsorted(row, [start, stop]).tolist())]
        self._ids[-1] += mine[mine % np.uint64(_SAMPLED) == 0].tolist()

    def _repeated(self) -> float:
        """The share of this block's ids that this block, or one of those before, had already."""
        *before, now = self._ids
        if len(now) < _LEAST // _SAMPLED:
            return 0.0
        return 1 - len(set(now).difference(*before)) / len(now)

    def finish(self, reached_us: int) -> list[dict[str, Any]]:
        """The last block, as long as it is."""
        return self._close(reached_us) if self._lines >= _LEAST else []

    def _count(self, fates: Mapping[str, I64], start: int, stop: int) -> None:
        for name, at in fates.items():
            found = int(np.count_nonzero((at >= start) & (at < stop)))
            if found:
                self._counts[name] = self._counts.get(name, 0) + found

    def _close(self, at_us: int) -> list[dict[str, Any]]:
        repeated = round(self._repeated() * self._lines)
        if repeated:
            self._counts["duplicate"] = repeated
        self._ids = [*self._ids[-_SAMPLED:], []]
        shares = {name: count / self._lines for name, count in self._counts.items()}
        events = [
            self._record(name, share, at_us)
            for name, share in sorted(shares.items())
            if share >= LINE and name not in self._reported
        ]
        self._reported = {name for name in {*self._reported, *shares} if shares.get(name, 0.0) >= self._keeps(name)}
        self._lines, self._counts, self._shares, self._since_us = 0, {}, shares, at_us
        return events

    def _keeps(self, name: str) -> float:
        return LINE / 2 if name in self._reported else LINE

    def _record(self, name: str, share: float, at_us: int) -> dict[str, Any]:
        about = "about " * (name == "duplicate")
        evidence = f"{about}{self._counts[name]:,} of {self._lines:,} lines of {self._partition} were {name}"
        where = {"late": "see the late stream", "duplicate": "somebody sends them again"}
        _log.warning("%s: %s", evidence, where.get(name, "see the rejects stream"))
        before = self._shares.get(name, 0.0)
        size = (share - before) / _SPREAD
        return data_fault(f"{name} in {self._partition}", at_us, self._since_us, before, share, size, evidence)


def _packed(ids: list[int]) -> str:
    return base64.b64encode(np.array(ids, np.uint64).tobytes()).decode()


def _unpacked(text: str) -> list[int]:
    found: list[int] = np.frombuffer(base64.b64decode(text), np.uint64).tolist()
    return found
