"""Event time's progress: one rule for a source partition, one for every shuffle.

A watermark of w promises that what follows from the same sender is not older than w, save late rows. It never falls.
"""

from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np

from state.types import END_OF_TIME_US, I64, START_OF_TIME_US, Bool


class WatermarkMerger:
    """A receiver's watermark: the minimum over its senders, which are known from the start.

    A sender that is at rest is not waited for; where all are, the one that came furthest counts.  Rest is no part of
    the state: after a restore all are waited for again, until they say otherwise.
    """

    def __init__(self, senders: Iterable[Hashable]) -> None:
        self._of_sender = dict.fromkeys(senders, START_OF_TIME_US)
        self._at_rest: set[Hashable] = set()
        self.watermark_us = START_OF_TIME_US

    def update(self, sender: Hashable, watermark_us: int, *, at_rest: bool = False) -> int:
        """Takes a sender's watermark (a lower one than before is ignored) and returns the minimum over all senders.

        at_rest: the sender has come to an end that may not be one, and nobody is to wait for it.  Raises KeyError for a
        sender that was not announced: the minimum would have been wrong without it.
        """
        before = self._of_sender[sender]
        if at_rest:
            self._at_rest.add(sender)
        if watermark_us > before or at_rest:
            self._of_sender[sender] = max(before, watermark_us)
            if at_rest or before <= self.watermark_us:  # only the slowest sender holds the minimum back
                self.watermark_us = max(self.watermark_us, self._least())
        return self.watermark_us

    def least_of(self, senders: Iterable[Hashable]) -> int:
        """The minimum over some of the senders, END_OF_TIME_US over none."""
        return min((self._of_sender[sender] for sender in senders), default=END_OF_TIME_US)

    def _least(self) -> int:
        if not self._at_rest:
            return min(self._of_sender.values())
        awaited = [us for sender, us in self._of_sender.items() if sender not in self._at_rest]
        return min(awaited) if awaited else max(self._of_sender.values())

    def state(self) -> dict[str, Any]:
        """What `restore` takes, as JSON values.  Senders are text or integers."""
        return {"watermark_us": self.watermark_us, "senders": [list(item) for item in self._of_sender.items()]}

    def restore(self, saved: dict[str, Any]) -> None:
        """Goes on from `state()`.  Senders that are gone are forgotten; new ones start unheard; the minimum stays."""
        self._of_sender |= {sender: us for sender, us in saved["senders"] if sender in self._of_sender}
        self.watermark_us = max(saved["watermark_us"], min(self._of_sender.values(), default=START_OF_TIME_US))


class PartitionClock:
    """A source partition's watermark: its largest event time so far, minus the out-of-orderness bound.

    A row is judged against the rows before it, late ones included, so the verdict does not depend on how rows are cut
    into batches.
    """

    def __init__(self, out_of_orderness_us: int, pane_us: int, allowed_lateness_us: int) -> None:
        self._behind_us = out_of_orderness_us
        self._pane_us = pane_us
        self._allowed_us = allowed_lateness_us
        self.watermark_us = START_OF_TIME_US

    @property
    def largest_us(self) -> int:
        """The largest event time that the watermark stands for."""
        return max(self.watermark_us + self._behind_us, START_OF_TIME_US)

    @property
    def closed_us(self) -> int:
        """Panes that end at or before this multiple of the pane are closed for rows of this partition."""
        return (self.watermark_us - self._allowed_us) // self._pane_us * self._pane_us

    def before(self, event_time_us: I64) -> I64:
        """The watermark that each row would meet, (n,) int64 microseconds; changes nothing."""
        reached = np.empty(len(event_time_us), np.int64)
        reached[:1] = self.watermark_us
        np.subtract(event_time_us[:-1], self._behind_us, out=reached[1:])
        return np.maximum.accumulate(reached, out=reached)

    def observe(self, event_time_us: I64) -> Bool:
        """Which rows are late, (n,) bool: their pane had closed before they came. Moves the watermark past all rows."""
        before_us = self.before(event_time_us)
        pane_end_us = (event_time_us // self._pane_us + 1) * self._pane_us
        if len(event_time_us):
            self.watermark_us = max(int(before_us[-1]), int(event_time_us[-1]) - self._behind_us)
        return pane_end_us + self._allowed_us <= before_us

    def advance(self, watermark_us: int) -> None:
        """Moves the watermark without a row: wall-clock time on an idle partition, the end of the input, a restore."""
        self.watermark_us = max(self.watermark_us, watermark_us)
