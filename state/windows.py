"""Window declarations: of each kind of window, all that the rest of the system knows; and the panes that they share.

A new kind is a word in `WindowKind` and a class here.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Final

import numpy as np

from state.errors import ConfigError
from state.grid_windows import GridWindows
from state.kinds import Keys, each
from state.plain import LATER
from state.session_windows import SessionWindows
from state.types import DAY_US, END_OF_TIME_US, F64, I64, MINUTE_US, SECOND_US, Bool
from state.window_builders import Kept, WindowBuilder

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


class Fire(StrEnum):
    """Whom a sliding window tells of at its ends.

    ALL: everybody with an event in it.  ACTIVE: those with an event since its last slide, and everybody once per size,
    where it shares no event with what everybody was told of before: who is silent has nothing new to show.
    """

    ALL = "all"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """One window over each subject's events; all fields are microseconds.

    tumbling: [k * size, (k + 1) * size).  sliding: the same size, a new one every slide.
    session: rows at most gap apart; closed at the first pane boundary T with last + gap < T, or T - first >= max.

    slide_us: windows end at its multiples; 0 for those that close at any pane boundary.
    gap_us: no pane is wider, for those that it ends; 0 for others.
    fire: of sliding windows, see `Fire`; it changes what is told, and nothing of what is kept.
    """

    name: str
    kind: WindowKind
    size_us: int = 0
    slide_us: int = 0
    gap_us: int = 0
    max_us: int = 0
    fire: Fire = field(default=Fire.ALL, metadata=LATER)

    def __post_init__(self) -> None:
        wrong = self._assigner.mistake(self)
        if wrong:
            raise ConfigError(f"window {self.name!r}: {wrong}")
        object.__setattr__(self, "slide_us", self._assigner.slide_us(self))

    @property
    def _assigner(self) -> "Assigner":
        return WINDOWS[self.kind]

    def build(self, pane_us: int, kept: Kept | None = None) -> WindowBuilder:
        """Builds these windows from panes of this width.  kept: how cells are; None for windows that share nothing."""
        return self._assigner.build(self, pane_us, Kept() if kept is None else kept)

    @property
    def span_us(self) -> int:
        """The longest time between a row and the end of a window that holds it."""
        return self._assigner.span_us(self)

    def bounds(self, end_us: int | I64, first_us: F64, last_us: F64) -> tuple[I64, I64]:
        """Start and stop of windows that closed at end_us.

        end_us: one for all, or (n,).  first_us, last_us: (n,) the times of the first and the last row in each.  Returns
        two (n,) int64.
        """
        return self._assigner.bounds(self, end_us, first_us, last_us)

    def length_us(self, end_us: int | I64, first_us: F64, last_us: F64) -> F64:
        """(n,) float64 > 0: the span of time that each of them covers; see `bounds`."""
        return self._assigner.length_us(self, end_us, first_us, last_us)

    def whole(self, since_us: int, end_us: int | I64, first_us: F64) -> Bool:
        """(n,) which of them hold all their rows where rows count since since_us only; see `bounds`."""
        return self._assigner.whole(self, since_us, end_us, first_us)

    def last_end_us(self, last_us: int) -> int:
        """The last end of a window that had begun to tell something when the last event of all came, at last_us."""
        return (last_us // self.slide_us + 1) * self.slide_us if self.slide_us else END_OF_TIME_US

    @property
    def overlaps(self) -> bool:
        """Whether a window holds a part of the one before."""
        return self._assigner.overlaps

    def tells_all(self, end_us: int) -> bool:
        """Whether whoever has an event in a window that ends there is told of."""
        return self.fire is Fire.ALL or self.is_fresh(end_us)

    def replaces(self, end_us: int) -> bool:
        """Whether the rows that end there take the place of all rows of the round before, of which they hold a part."""
        return self.overlaps and self.tells_all(end_us)

    def is_fresh(self, end_us: int) -> bool:
        """Whether windows that end there share no row with the fresh ones before."""
        return not self.overlaps or end_us % self.size_us == 0

    @property
    def cadence_us(self) -> int:
        """How long it is from one round of fresh windows to the next, or about so long."""
        return self._assigner.cadence_us(self)

    @property
    def advance_us(self) -> int:
        """By how much a window moves on from the one before; a day where that may be anything."""
        return self.slide_us or DAY_US

    @property
    def holds_day(self) -> bool:
        """Whether the newest window says all there is to say of a subject's day."""
        return self._assigner.holds_day(self)

    @property
    def chances_per_day(self) -> float:
        """How many chances to show something odd a subject has in a day, at least 1: overlapping windows count little
        more than once.  A window's tail probability times this is that of a day (Bonferroni).
        """
        return max(1.0, self._assigner.per_day(self)) * (_SLIDING if self.overlaps else 1.0)

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
        return self.slide_us if self.holds_day and self.fire is Fire.ALL else DAY_US


class Assigner(ABC):
    """A kind of window.  It holds nothing itself: all is asked of a spec; see the methods of that.

    keys: of its declaration, as microseconds in the spec's fields.  about: for people.
    overlaps: whether a window holds a part of the one before.
    """

    kind: ClassVar[WindowKind]
    keys: ClassVar[Keys]
    about: ClassVar[str]
    overlaps: ClassVar[bool] = False

    @abstractmethod
    def mistake(self, spec: WindowSpec) -> str:
        """What is wrong with the declaration; "" for nothing."""

    def slide_us(self, spec: WindowSpec) -> int:
        """The distance of the ends."""
        return spec.slide_us

    def build(self, spec: WindowSpec, pane_us: int, kept: Kept) -> WindowBuilder:
        """What builds it from panes."""
        return GridWindows(spec.size_us, spec.slide_us, pane_us, spec.tells_all, kept)

    def span_us(self, spec: WindowSpec) -> int:
        """See the spec."""
        return spec.size_us

    def bounds(self, spec: WindowSpec, end_us: int | I64, first_us: F64, last_us: F64) -> tuple[I64, I64]:  # noqa: ARG002
        """See the spec."""
        n = len(first_us)
        return np.full(n, end_us - spec.size_us), np.full(n, end_us)

    def length_us(self, spec: WindowSpec, end_us: int | I64, first_us: F64, last_us: F64) -> F64:
        """See the spec."""
        start_us, stop_us = self.bounds(spec, end_us, first_us, last_us)
        return (stop_us - start_us).astype(np.float64)

    def whole(self, spec: WindowSpec, since_us: int, end_us: int | I64, first_us: F64) -> Bool:
        """See the spec."""
        start_us, _ = self.bounds(spec, end_us, first_us, first_us)
        return np.asarray(start_us >= since_us)

    def cadence_us(self, spec: WindowSpec) -> int:
        """See the spec."""
        return spec.size_us

    def holds_day(self, spec: WindowSpec) -> bool:
        """See the spec."""
        return spec.size_us >= DAY_US

    def per_day(self, spec: WindowSpec) -> float:
        """How many windows that share no row a subject has in a day."""
        return DAY_US / spec.size_us


class Tumbling(Assigner):
    """[k * size, (k + 1) * size)."""

    kind = WindowKind.TUMBLING
    keys = Keys(needs=("size",))
    about = "one after the other"

    def mistake(self, spec: WindowSpec) -> str:
        return "" if spec.size_us > 0 else "a tumbling window needs a size above 0"

    def slide_us(self, spec: WindowSpec) -> int:
        return spec.size_us


class Sliding(Assigner):
    """[k * slide, k * slide + size)."""

    kind = WindowKind.SLIDING
    keys = Keys(needs=("size", "slide"), may=("fire",))
    about = "overlapping"
    overlaps = True

    def mistake(self, spec: WindowSpec) -> str:
        if spec.slide_us > 0 and spec.size_us > 0 and spec.size_us % spec.slide_us == 0:
            return ""
        return (
            "the size of a sliding window must be a multiple of its slide;"
            f" seen size {spec.size_us} us, slide {spec.slide_us} us"
        )


class Session(Assigner):
    """From the first to the last of rows that are at most gap apart."""

    kind = WindowKind.SESSION
    keys = Keys(needs=("gap",), may=("max",))
    about = "between silences"

    def mistake(self, spec: WindowSpec) -> str:
        return "" if 0 < spec.gap_us < spec.max_us else "a session needs a gap above 0 and a max above the gap"

    def build(self, spec: WindowSpec, pane_us: int, kept: Kept) -> WindowBuilder:
        return SessionWindows(spec.gap_us, spec.max_us, pane_us, kept)

    def span_us(self, spec: WindowSpec) -> int:
        return spec.max_us + spec.gap_us

    def bounds(self, spec: WindowSpec, end_us: int | I64, first_us: F64, last_us: F64) -> tuple[I64, I64]:  # noqa: ARG002
        return first_us.astype(np.int64), last_us.astype(np.int64)

    def length_us(self, spec: WindowSpec, end_us: int | I64, first_us: F64, last_us: F64) -> F64:
        """At least one second."""
        return np.maximum(super().length_us(spec, end_us, first_us, last_us), SECOND_US)

    def whole(self, spec: WindowSpec, since_us: int, end_us: int | I64, first_us: F64) -> Bool:  # noqa: ARG002
        """One that began within a gap may have begun before."""
        return np.asarray(first_us - spec.gap_us >= since_us)

    def cadence_us(self, spec: WindowSpec) -> int:  # noqa: ARG002
        """Some close at almost every boundary."""
        return 5 * MINUTE_US

    def holds_day(self, spec: WindowSpec) -> bool:  # noqa: ARG002
        return False

    def per_day(self, spec: WindowSpec) -> float:  # noqa: ARG002
        return DAY_US / _SESSION_US


WINDOWS: Final = each(
    WindowKind, {known.kind: known for known in (Tumbling(), Sliding(), Session())}, "state.windows.WINDOWS"
)
"""What each kind of window is."""


def pane_us(windows: tuple[WindowSpec, ...]) -> int:
    """The base pane: the widest piece that every window is made of, and at most as wide as each session gap.

    Two rows of one pane are then never in two sessions, so that sessions too are merges of panes.
    """
    grid = [w.slide_us for w in windows if w.slide_us]
    gaps = [w.gap_us for w in windows if w.gap_us]
    if not grid:
        return min(gaps)
    base = math.gcd(*grid)
    if not gaps or base <= min(gaps):
        return base
    parts = -(-base // min(gaps))
    while base % parts:
        parts += 1
    return base // parts
