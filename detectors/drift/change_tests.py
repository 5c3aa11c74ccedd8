"""River's tests for change, imported when they are used, and without what River imports beside them.

`import river.drift` brings KSWIN, and with it scipy.stats: 0.9 CPU seconds.  ADWIN's whole work is done by
AdaptiveWindowing, River's class in Rust, which is there without.  River is pinned to a release, and a test compares.
"""

from typing import Any, Final

_BUCKETS: Final = 5
_SHORTEST: Final = 5
_GRACE: Final = 10
"""What ADWIN gives its windowing where nothing is said (river.drift.ADWIN 0.26)."""


def adwin(delta: float, clock: int) -> Any:
    """ADWIN with this significance, which looks for a change at every `clock` values."""
    from river._river_rust.drift import AdaptiveWindowing

    return AdaptiveWindowing(delta, clock, _BUCKETS, _SHORTEST, _GRACE)


def page_hinkley(**parameters: Any) -> Any:
    """PageHinkley with these parameters."""
    from river.drift import PageHinkley

    return PageHinkley(**parameters)


def fires(test: Any, value: float) -> bool:
    """Shows the test one more value.  One that has fired has to be replaced."""
    told = test.update(value)
    return bool(test.drift_detected) if told is None else bool(told)


def read(saved: Any) -> Any:
    """A test as it was saved: before version 3 of the monitors' state, ADWIN around its windowing."""
    return getattr(saved, "_helper", saved)
