"""The tests for change are River's, to the bit, and cost an import only where they are used."""

import subprocess
import sys

import numpy as np
import pytest
from river.drift import ADWIN

from detectors.drift.change_tests import adwin, fires, page_hinkley, read
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
        told = fires(ours, value)
        assert told == theirs.drift_detected
        assert (ours.get_width(), ours.get_total()) == (theirs.width, theirs.total)
        if told:
            fired.append(i)
            ours = adwin(0.002, clock)
    assert len(fired) >= 3


def test_page_hinkley_fires() -> None:
    """It is shown values in the same way."""
    test = page_hinkley(min_instances=4, delta=0.5, threshold=30.0, alpha=1.0)
    assert not any(fires(test, value) for value in [0.0] * 50)
    assert any(fires(test, value) for value in [5.0] * 50)


def test_what_was_saved_before_goes_on() -> None:
    """Rivers' object of an older state is read as the windowing in it."""
    values = np.random.default_rng(5).normal(size=101).tolist()
    old, new = ADWIN(delta=0.002, clock=4), adwin(0.002, 4)
    for value in values:
        old.update(value)
        new.update(value)
    back = read(from_bytes(to_bytes(old), "a test"))
    assert to_bytes(back) == to_bytes(new)
    assert to_bytes(read(from_bytes(to_bytes(new), "a test"))) == to_bytes(new)


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
from detectors.drift.change_tests import adwin, fires
assert any(fires(adwin_, v) for adwin_ in [adwin(0.002, 1)] for v in [0.0] * 200 + [9.0] * 200)
print(sorted({"scipy", "pandas", "pyarrow", "river.drift", "river.anomaly", "river.compose"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
