"""Columns that have no values: never any in a source partition, or none any more."""

import logging
from itertools import pairwise
from typing import Any, Final

import numpy as np

from flows.operators.ingest.data_fault import data_fault
from flows.operators.ingest.shares import BLOCK
from state.batch import MicroBatch
from state.schema import DTYPES, Kind, Schema
from state.types import START_OF_TIME_US, Values

_log: Final = logging.getLogger("driftnet.input")
_USUAL: Final = 20
"""Values that a block usually has, from where on none at all is no chance (e**-20)."""
_NEVER: Final = 10 * BLOCK
"""Rows after which a column without any value is told."""


class FilledWatch:
    """Looks at the rows of a partition in blocks, by their numbers, so that it does not matter how they were read.

    partition: whose rows.  schema: tells how a missing value looks.  before: saved `state()`, None for a new one.
    """

    def __init__(
        self, partition: str, schema: Schema, columns: list[str], before: dict[str, Any] | None = None
    ) -> None:
        self._partition = partition
        self._kinds = {name: schema.column(name).kind for name in columns}
        saved = before or {"rows": 0, "block": {}, "total": {}, "told": [], "known": [], "since_us": START_OF_TIME_US}
        self._rows: int = saved["rows"]
        self._block: dict[str, int] = dict.fromkeys(columns, 0) | saved["block"]
        self._total: dict[str, int] = dict.fromkeys(columns, 0) | saved["total"]
        """Values in all blocks before."""
        self._reported: set[str] = set(saved["told"])
        self._known: dict[str, int] = dict(saved["known"])
        """What was counted for the summary: 1 for a column that has had a value, else 0."""
        self._since_us: int = saved["since_us"]

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "rows": self._rows,
            "block": self._block,
            "total": self._total,
            "told": sorted(self._reported),
            "known": sorted(self._known.items()),
            "since_us": self._since_us,
        }

    def add(self, batch: MicroBatch) -> tuple[list[dict[str, Any]], dict[str, int]]:
        """Counts rows.  The records of the drift stream that follow; column -> whether it has a value now, less whether
        it was known to have one, of those where that is news.
        """
        events: list[dict[str, Any]] = []
        if not len(batch):
            return events, {}
        starts = [0, *range(BLOCK - self._rows % BLOCK, len(batch), BLOCK)]
        values = {name: _values(batch[name], kind, starts) for name, kind in self._kinds.items()}
        for number, (start, stop) in enumerate(pairwise([*starts, len(batch)])):
            for name in self._kinds:
                self._block[name] += values[name][number]
            self._rows += stop - start
            if not self._rows % BLOCK:
                events += self._close(int(batch.event_time_us[start:stop].max()))
        filled = {name: int(bool(self._block[name] or self._total[name])) for name in self._kinds}
        news = {name: now - self._known.get(name, 0) for name, now in filled.items() if self._known.get(name) != now}
        self._known = filled
        return events, news

    def _close(self, at_us: int) -> list[dict[str, Any]]:
        before = self._rows - BLOCK
        events = []
        for name, values in self._block.items():
            usual = self._total[name] / before * BLOCK if before else 0.0
            never = self._rows >= _NEVER and not self._total[name]
            if values:
                self._reported.discard(name)
            elif name not in self._reported and (usual >= _USUAL or never):
                self._reported.add(name)
                events.append(self._record(name, usual / BLOCK, at_us))
            self._total[name] += values
        self._block = dict.fromkeys(self._block, 0)
        self._since_us = at_us
        return events

    def _record(self, name: str, share: float, at_us: int) -> dict[str, Any]:
        usual = f"{share:.0%} of those before had one" if share else "nor had any before"
        evidence = f"none of {BLOCK:,} events of {self._partition} had a value of {name}, {usual}"
        _log.warning("%s: is event.columns.%s.path still right?", evidence, name)
        about = f"empty {name} in {self._partition}"
        return data_fault(about, at_us, self._since_us, 1.0 - share, 1.0, share / 0.1, evidence)


def _values(column: Values, kind: Kind, starts: list[int]) -> list[int]:
    """How many there are, of the rows from each of these on."""
    there = ~np.isnan(column) if DTYPES[kind] is np.float64 else column > (0 if kind is Kind.ID else -1)
    found: list[int] = np.add.reduceat(there, starts, dtype=np.int64).tolist()
    return found
