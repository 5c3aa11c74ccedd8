"""Rounds: what waits until every sender's watermark has passed, and then comes out in one fixed order."""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from state.types import START_OF_TIME_US
from state.watermark import WatermarkMerger

T = TypeVar("T")


class Rounds(Generic[T]):
    """Items by the event time at which their round closes.  The barrier in front of shared models and budgets."""

    def __init__(self, senders: Iterable[str]) -> None:
        self.watermarks = WatermarkMerger(senders)
        self.watermark_us = START_OF_TIME_US
        self.waiting: dict[int, list[T]] = {}

    def add(self, end_us: int, item: T) -> None:
        self.waiting.setdefault(end_us, []).append(item)

    def filter(self, keep: Callable[[T], T | None]) -> None:
        """Puts what `keep` gives in the place of each item, nothing for None."""
        kept = {end: [k for k in map(keep, items) if k is not None] for end, items in self.waiting.items()}
        self.waiting = {end: items for end, items in kept.items() if items}

    def advance(self, sender: str, watermark_us: int) -> list[tuple[int, list[T]]] | None:
        """The complete rounds in order of time, items as they came; None when the watermark did not move."""
        minimum_us = self.watermarks.update(sender, watermark_us)
        if minimum_us <= self.watermark_us:
            return None
        self.watermark_us = minimum_us
        return [(end, self.waiting.pop(end)) for end in sorted(e for e in self.waiting if e <= minimum_us)]
