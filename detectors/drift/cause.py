"""Why did it change?  A drift event is put down to one of four causes, with the evidence that decided."""

import math
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from detectors.drift.event import DriftEvent, Watch

_UNITS: Final = (10.0, 60.0, 100.0, 1000.0, 1024.0, 3600.0, 86_400.0, 1e6)
"""Factors between units of time, money and bytes."""
_NEAR: Final = 0.1
"""How near the logarithm of a ratio has to be to that of one of them."""
_NEARLY: Final = 0.3
"""The same where few rows make the ratio uncertain."""
_FAR: Final = 3.0
"""Standard deviations below which a ratio means nothing."""
_CONSTANT: Final = 1e-6
"""Share of the usual variance below which values no longer vary."""
_REMEMBERED: Final = 64


class Cause(StrEnum):
    """What a drift event is put down to."""

    DATA_FAULT = "data_fault"
    """Values went missing, stopped varying, or changed their unit: a producer broke."""
    POPULATION_SHIFT = "population_shift"
    """Features moved and stayed themselves: people changed, or other people came."""
    ATTACK_WAVE = "attack_wave"
    """More rows are suspicious, and most rows are as they were."""
    DETECTOR_DECAY = "detector_decay"
    """Features are as they were, and a detector is not: it is wrong more often, or scores otherwise."""


@dataclass(frozen=True, slots=True)
class Look:
    """A feature in the round that gave the change away, nothing cut off.

    ratio: of its mean to the one before.  spread: of its rows' variance to the usual one.  error: standard error of the
    ratio's logarithm.
    """

    ratio: float
    spread: float
    error: float = 0.0


class Causes:
    """Of one window of one cohort.  Remembers the latest events: what follows another change is part of it."""

    def __init__(self, memory_us: int) -> None:
        self._memory_us = memory_us
        self._recent: deque[tuple[int, Cause]] = deque(maxlen=_REMEMBERED)

    def of(self, event: DriftEvent, look: Look | None = None) -> tuple[Cause, str]:
        """The cause, and the evidence for it.  Events of one round come features first, see `in_order`."""
        while self._recent and self._recent[0][0] < event.at_us - self._memory_us:
            self._recent.popleft()
        cause, why = self._judged(event, look)
        self._recent.append((event.at_us, cause))
        return cause, why

    def _judged(self, event: DriftEvent, look: Look | None) -> tuple[Cause, str]:
        match event.what:
            case Watch.MISSING:
                return Cause.DATA_FAULT, f"{event.after:.1%} of its values are missing, {event.before:.1%} were"
            case Watch.FEATURE:
                return _of_feature(event, look)
            case Watch.ALERT_RATE if event.after > event.before:
                earlier = self._earlier(Cause.DATA_FAULT, Cause.POPULATION_SHIFT)
                if earlier is not None:
                    return earlier, "more rows are suspicious since features changed"
                return Cause.ATTACK_WAVE, "more rows are suspicious, and no feature of the population has moved"
            case Watch.ERROR:
                if self._earlier(Cause.DATA_FAULT) is not None:
                    return Cause.DATA_FAULT, "wrong more often since a feature broke"
                return Cause.DETECTOR_DECAY, f"wrong on {event.after:.1%} of labelled rows, {event.before:.1%} before"
        earlier = self._earlier(*Cause)
        if earlier is not None:
            return earlier, "moved with the change before it"
        return Cause.DETECTOR_DECAY, "its scores moved, and no feature did"

    def _earlier(self, *causes: Cause) -> Cause | None:
        return next((cause for _, cause in reversed(self._recent) if cause in causes), None)

    def state(self) -> list[list[object]]:
        """As JSON values."""
        return [[at_us, str(cause)] for at_us, cause in self._recent]

    def restore(self, state: list[list[object]]) -> None:
        """Takes what `state` gave."""
        self._recent = deque(((int(str(at)), Cause(str(cause))) for at, cause in state), maxlen=_REMEMBERED)


_ORDER: Final = (Watch.MISSING, Watch.FEATURE, Watch.ALERT_RATE, Watch.ERROR, Watch.SCORE)


def in_order(event: DriftEvent) -> int:
    """Sort key: what explains others comes first."""
    return _ORDER.index(event.what)


def _of_feature(event: DriftEvent, look: Look | None) -> tuple[Cause, str]:
    if look is not None and look.spread < _CONSTANT:
        return Cause.DATA_FAULT, f"all rows have {event.after:.4g}: it no longer varies"
    if look is not None and abs(event.size) >= _FAR and look.ratio > 0:
        unit = min(_UNITS, key=lambda unit: abs(abs(math.log(look.ratio)) - math.log(unit)))
        if abs(abs(math.log(look.ratio)) - math.log(unit)) < max(_NEAR, min(2.5 * look.error, _NEARLY)):
            times = f"{unit:,.0f} times as {'large' if look.ratio > 1 else 'small'}"
            return Cause.DATA_FAULT, f"values are about {times}: another unit"
    return Cause.POPULATION_SHIFT, f"{event.after:.4g} on average, {event.before:.4g} before, and it varies as it did"
