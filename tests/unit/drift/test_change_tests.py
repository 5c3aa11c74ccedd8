"""The tests for change are River's, to the bit, and cost an import only where they are used."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from river.drift import ADWIN
from river.drift import PageHinkley as RiversPageHinkley

from detectors.drift.change_tests import PageHinkley, adwin, read, written
from detectors.drift.errors import ErrorMonitor
from detectors.river_objects import from_bytes, to_bytes


@pytest.mark.parametrize("clock", [1, 4, 8])
def test_adwin_is_rivers(clock: int) -> None:
    """It fires at the same values as River's class, which starts over after each."""
    values = np.random.default_rng(clock).normal(np.repeat([0.0, 1.0, -1.0, 0.0], 400)).tolist()
    theirs, ours = ADWIN(delta=0.002, clock=clock), adwin(0.002, clock)
    fired = []
    for i, value in enumerate(values):
        theirs.update(value)
        told = ours.update(value)
        assert told == theirs.drift_detected
        assert (ours.get_width(), ours.get_total()) == (theirs.width, theirs.total)
        if told:
            fired.append(i)
            ours = adwin(0.002, clock)
    assert len(fired) >= 3


def rivers_page_hinkley() -> Any:
    """As it is configured, with 24 values before."""
    test = RiversPageHinkley(min_instances=4, delta=0.5, threshold=30.0, alpha=1.0)
    for _ in range(24):
        test.update(0.0)
    return test


def test_page_hinkley_is_rivers() -> None:
    """It fires at the same values, up and down, with the same state to the bit."""
    values = np.random.default_rng(3).normal(np.repeat([0.0, 3.0, -3.0, 0.2], 100)).tolist()
    theirs, ours, fired = rivers_page_hinkley(), PageHinkley(), []
    for i, value in enumerate(values):
        theirs.update(value)
        told = ours.update(value)
        assert told == theirs.drift_detected
        assert ours.state() == read(theirs).state()
        if told:
            fired.append(i)
            theirs, ours = rivers_page_hinkley(), PageHinkley()
    assert len(fired) >= 3


def test_what_was_saved_before_goes_on() -> None:
    """River's object of an older state is read as the windowing in it."""
    values = np.random.default_rng(5).normal(size=101).tolist()
    old, new = ADWIN(delta=0.002, clock=4), adwin(0.002, 4)
    for value in values:
        old.update(value)
        new.update(value)
    back = read(from_bytes(to_bytes(old), "a test"))
    assert to_bytes(back) == to_bytes(new)
    assert to_bytes(read(from_bytes(to_bytes(new), "a test"))) == to_bytes(new)


def test_page_hinkley_saved_before_goes_on() -> None:
    """As River's object, and as plain values."""
    old, new = rivers_page_hinkley(), PageHinkley()
    for value in (0.3, -1.0, 2.5):
        old.update(value)
        new.update(value)
    for saved in (old, written(new)):
        assert written(read(from_bytes(to_bytes(saved), "a test"))) == new.state()


def test_errors_saved_as_the_alarm_rang_start_over() -> None:
    """An ADWIN that had fired was kept until the next value; it is an empty one."""
    rang = ADWIN(delta=0.002, clock=8)
    while not rang.drift_detected:
        rang.update(float(rang.width > 500))
    monitor = ErrorMonitor(0.002)
    monitor.restore(rang, [])
    assert monitor.state()[0].get_width() == 0
    rang._drift_detected = False
    monitor.restore(rang, [])
    assert monitor.state()[0].get_width() == rang.width > 0


def test_a_job_of_the_shipped_kind_imports_no_scipy() -> None:
    """River's packages import scipy.stats, which costs more than a small job.  Neither does a monitor's alarm."""
    code = """
import sys
import flows.drive.assembly, flows.engine.plan
from detectors.registry import registry
from flows.config import loads
from flows.drive.local import LocalDriver
LocalDriver(loads("").job(), [], {})
registry()
from detectors.drift.change_tests import PageHinkley, adwin
assert all(any(test.update(v) for v in [0.0] * 200 + [9.0] * 200) for test in (adwin(0.002, 1), PageHinkley()))
print(sorted({"scipy", "pandas", "pyarrow", "river.drift", "river.anomaly", "river.compose"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
