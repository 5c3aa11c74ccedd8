"""Tests for a change of level: River's, to the bit, and without what River imports beside them.

`import river.drift` brings KSWIN, and with it scipy.stats: 0.9 CPU seconds.  ADWIN's whole work is done by
AdaptiveWindowing, River's class in Rust, which is there without; of Page and Hinkley's test there is a twin.  River is
pinned to a release, and tests hold both against its classes.
"""

from typing import Any, Final, Protocol

_BUCKETS: Final = 5
_SHORTEST: Final = 5
_GRACE: Final = 10
"""What ADWIN gives its windowing where nothing is said (river.drift.ADWIN 0.26)."""
_LEAST: Final = 4
"""Values that a Page-Hinkley test needs."""
_TOLERATED: Final = 0.5
_THRESHOLD: Final = 30.0
_PRIOR: Final = 24
"""z-values have mean 0: the test starts as if it had seen so many, or it would take what comes first for normal."""


class ChangeTest(Protocol):
    """What watches one series of values."""

    def update(self, value: float, /) -> bool:
        """Takes one more value; whether there was a change.  One that says so has to be replaced."""


def adwin(delta: float, clock: int) -> ChangeTest:
    """ADWIN (Bifet & Gavalda 2007) with this significance, which looks for a change at every `clock` values."""
    from river._river_rust.drift import AdaptiveWindowing

    test: ChangeTest = AdaptiveWindowing(delta, clock, _BUCKETS, _SHORTEST, _GRACE)
    return test


class PageHinkley:
    """Cumulative sums of what lies above and below the mean so far, in both directions (Page 1954, "Continuous
    inspection schemes").

    Changes below half an sd of the rounds are tolerated; for white noise the odds of a false alarm then fall with
    exp(-2 * 0.5 * threshold) per sample (Siegmund 1985, Sequential Analysis, ch. 2).
    """

    __slots__ = ("_fall", "_least", "_mean", "_most", "_n", "_rise")

    def __init__(self, state: tuple[float, ...] | None = None) -> None:
        """state: as `state` gives it."""
        self._n = self._mean = self._rise = self._fall = 0.0
        self._least, self._most = float("inf"), float("-inf")
        if state is not None:
            self._n, self._mean, self._rise, self._fall, self._least, self._most = state
            return
        for _ in range(_PRIOR):
            self.update(0.0)

    def update(self, value: float, /) -> bool:
        """See ChangeTest."""
        self._n += 1.0
        self._mean += (1.0 / self._n) * (value - self._mean)
        beyond = value - self._mean
        self._rise = self._rise + beyond - _TOLERATED
        self._fall = self._fall + beyond + _TOLERATED
        self._least, self._most = min(self._least, self._rise), max(self._most, self._fall)
        return self._n >= _LEAST and (self._rise - self._least > _THRESHOLD or self._most - self._fall > _THRESHOLD)

    def state(self) -> tuple[float, ...]:
        """Plain values."""
        return self._n, self._mean, self._rise, self._fall, self._least, self._most


def written(test: ChangeTest) -> Any:
    """A test as it is saved: River's object, or plain values."""
    return test.state() if isinstance(test, PageHinkley) else test


def read(saved: Any) -> ChangeTest:
    """A test as it was saved; before version 3 of the monitors' state, an object of `river.drift`."""
    if isinstance(saved, tuple):
        return PageHinkley(saved)
    if hasattr(saved, "_x_mean"):
        mean = saved._x_mean
        return PageHinkley(
            (mean.n, mean.get(), saved._sum_increase, saved._sum_decrease, saved._min_increase, saved._max_decrease)
        )
    test: ChangeTest = getattr(saved, "_helper", saved)
    return test
