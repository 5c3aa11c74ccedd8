"""How the source partitions of one process wait for each other: none runs far ahead, a silent one holds nobody back."""

import time
from collections.abc import Callable

from state.types import END_OF_TIME_US, START_OF_TIME_US


def _monotonic_us() -> int:
    return time.monotonic_ns() // 1000


def _wall_us() -> int:
    return time.time_ns() // 1000


class Pace:
    """The partitions' watermarks, and when each was last heard.  Shared by worker threads; each writes its own.

    lead_us: a partition this far ahead of the slowest waits, so that rows do not pile up in open panes; in live runs
    by idle_timeout_us more.
    idle_timeout_us: live runs, None for bounded ones; silence after which a partition's watermark moves without rows.
    bound_us: wall-clock time minus this is the watermark of a process that never had a row, None to wait for the first.
    """

    def __init__(
        self,
        lead_us: int,
        idle_timeout_us: int | None = None,
        bound_us: int | None = None,
        monotonic_us: Callable[[], int] = _monotonic_us,
        wall_us: Callable[[], int] = _wall_us,
    ) -> None:
        self._lead_us = lead_us
        self._idle_us = idle_timeout_us
        self._bound_us = bound_us
        self._now_us = monotonic_us
        self._wall_us = wall_us
        self._watermark_us: dict[str, int] = {}
        self._heard_us: dict[str, int] = {}
        self._aside: set[str] = set()

    @property
    def is_live(self) -> bool:
        """Whether silence means that time passes."""
        return self._idle_us is not None

    @property
    def now_us(self) -> int | None:
        """The wall clock of a live run, None in a bounded one."""
        return self._wall_us() if self.is_live else None

    def join(self, name: str, watermark_us: int, *, awaited: bool = True) -> None:
        """A partition starts, or resumes, here.  awaited: False for one that, when live, is always taken for silent."""
        self._watermark_us[name] = watermark_us
        if not awaited:
            self._aside.add(name)
        self._hear(name)

    def leave(self, name: str) -> None:
        """A partition has ended."""
        self._watermark_us.pop(name, None)
        self._heard_us.pop(name, None)

    def heard(self, name: str, watermark_us: int) -> None:
        """Lines came, and moved the watermark there."""
        self._watermark_us[name] = watermark_us
        self._hear(name)

    def moved(self, name: str, watermark_us: int) -> None:
        """The watermark of a silent partition is there now."""
        self._watermark_us[name] = max(self._watermark_us[name], watermark_us)

    def _hear(self, name: str) -> None:
        silent_us = (self._idle_us or 0) if name in self._aside else 0
        self._heard_us[name] = self._now_us() - silent_us

    def waits_for(self, name: str) -> str | None:
        """The partition that this one should let catch up, None when it need not wait.  The slowest one never has to.

        In a live run nobody waits for a partition that is silent, or has not begun: the other may be ahead because of
        that.  For one that is active its windows wait anyway, and rows that are read meanwhile only fill memory.
        """
        others = dict(self._watermark_us)
        lead_us = self._lead_us
        if self._idle_us is not None:
            if name in self._aside:
                return None
            lead_us += self._idle_us
            others = {n: us for n, us in others.items() if us > START_OF_TIME_US and n not in self._aside}
            others = {n: us for n, us in others.items() if n == name or not self.is_silent(n)}
        slowest = min(others, key=lambda n: others[n], default=name)
        return slowest if self._watermark_us[name] > others.get(slowest, END_OF_TIME_US) + lead_us else None

    def ahead_us(self, name: str, of: str) -> int:
        """How far a partition is ahead of another one in event time; 0 where the other has ended meanwhile."""
        here_us = self._watermark_us[name]
        return max(here_us - self._watermark_us.get(of, here_us), 0)

    def is_silent(self, name: str) -> bool:
        """Whether a live partition has given nothing for the time after which nobody waits for it."""
        return self._idle_us is not None and self._now_us() - self._heard_us[name] >= self._idle_us

    def idle_watermark_us(self, name: str) -> int | None:
        """Where a silent partition's watermark may go, None while it must stay.

        Beside active partitions it follows the slowest of them.  When all are silent, event time goes on at the speed
        of the clock from where the slowest of them is: a slow producer of old data does not make its own rows late, and
        one partition whose clock is ahead takes no other with it.
        """
        if self._idle_us is None or not self.is_silent(name):
            return None
        now_us = self._now_us()
        heard_us = dict(self._heard_us)
        active = [self._watermark_us[n] for n, at in heard_us.items() if now_us - at < self._idle_us]
        started = [us for us in active if us > START_OF_TIME_US]
        if active:
            if len(started) < len(active):
                return None
            self.moved(name, min(started))
            return min(started)
        # Of those that are waited for: what people tell has times of its own, and comes whenever it does.
        awaited = [n for n in heard_us if n not in self._aside]
        reached = [us for n in awaited if (us := self._watermark_us[n]) > START_OF_TIME_US]
        if reached:
            return min(reached) + now_us - max(heard_us[n] for n in awaited)
        return None if self._bound_us is None else self._wall_us() - self._bound_us
