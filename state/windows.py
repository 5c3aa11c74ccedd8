"""Window declarations and the arithmetic of panes."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from state.errors import ConfigError
from state.types import DAY_US, F64

_SESSION_US: Final = DAY_US // 4
"""People have about four sessions on a day on which they come at all."""
_SLIDING: Final = 1.7
"""How many independent looks a day of slides of one window is worth: they overlap, but are not the same.  The share of
genuine subject-days that reach a level at any hour of a day over the share that does at one hour, measured on simulated
days at levels of 1e-2 and 1e-3 (1.4 to 2.2)."""


class WindowKind(StrEnum):
    """Flink's window assigners, aligned to the epoch (1970-01-01 UTC)."""

    TUMBLING = "tumbling"
    SLIDING = "sliding"
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """One window over each subject's events; all fields are microseconds.

    tumbling: [k * size, (k + 1) * size).  sliding: the same size, a new one every slide.
    session: rows at most gap apart; closed at the first pane boundary T with last + gap < T, or T - first >= max.
    """

    name: str
    kind: WindowKind
    size_us: int = 0
    slide_us: int = 0
    gap_us: int = 0
    max_us: int = 0

    def __post_init__(self) -> None:
        match self.kind:
            case WindowKind.TUMBLING:
                if self.size_us <= 0:
                    raise ConfigError(f"window {self.name!r}: a tumbling window needs a size above 0")
                object.__setattr__(self, "slide_us", self.size_us)
            case WindowKind.SLIDING:
                if self.slide_us <= 0 or self.size_us <= 0 or self.size_us % self.slide_us:
                    raise ConfigError(
                        f"window {self.name!r}: the size of a sliding window must be a multiple of its slide;"
                        f" seen size {self.size_us} us, slide {self.slide_us} us"
                    )
            case WindowKind.SESSION:
                if not 0 < self.gap_us < self.max_us:
                    raise ConfigError(f"window {self.name!r}: a session needs a gap above 0 and a max above the gap")

    @property
    def span_us(self) -> int:
        """The longest time between a row and the end of a window that holds it."""
        return self.max_us + self.gap_us if self.kind is WindowKind.SESSION else self.size_us

    @property
    def holds_day(self) -> bool:
        """Whether the newest window says all there is to say of a subject's day."""
        return self.kind is not WindowKind.SESSION and self.size_us >= DAY_US

    @property
    def chances_per_day(self) -> float:
        """How many chances to show something odd a subject has in a day, at least 1: overlapping windows count little
        more than once.  A window's tail probability times this is that of a day (Bonferroni).
        """
        size_us = _SESSION_US if self.kind is WindowKind.SESSION else self.size_us
        return max(1.0, DAY_US / size_us) * (_SLIDING if self.kind is WindowKind.SLIDING else 1.0)

    def of_day(self, p: F64, of_window: bool) -> F64:
        """(n,) how often a subject shows as much in a day, at most 1.

        p: (n,) float64.  of_window: whether it is that of one window; else of the largest score of a day, which a
        window that holds a day is not.
        """
        chances = self.chances_per_day if of_window or self.holds_day else 1.0
        return np.minimum(p * chances, 1.0) if chances > 1.0 else p

    @property
    def evidence_us(self) -> int:
        """How long a row stays evidence: a day, or until the next one that says all that this one said."""
        return self.slide_us if self.holds_day else DAY_US


def pane_us(windows: tuple[WindowSpec, ...]) -> int:
    """The base pane: the widest piece that every window is made of, and at most as wide as each session gap.

    Two rows of one pane are then never in two sessions, so that sessions too are merges of panes.
    """
    grid = [w.slide_us for w in windows if w.kind is not WindowKind.SESSION]
    gaps = [w.gap_us for w in windows if w.kind is WindowKind.SESSION]
    if not grid:
        return min(gaps)
    base = math.gcd(*grid)
    if not gaps or base <= min(gaps):
        return base
    parts = -(-base // min(gaps))
    while base % parts:
        parts += 1
    return base // parts
