"""What a detector does wrong is told: in the dead-letter stream, in counts, and in the log when it is off."""

import pytest

from detectors.guard import Fault
from flows.counters import Counts
from flows.operators.faults import fault_outputs
from flows.operators.messages import Output
from flows.steps import Step
from flows.streams import Stream


def test_a_detector_that_is_switched_off_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Once, with what it did last; a round that failed is none of the log's business."""
    faults = [("trees", Fault("score", "no such thing", off=False)), ("rules", Fault("learn", "half done", off=True))]
    counts = Counts(Step.POPULATION)
    rejects, told = fault_outputs(faults, "w1h of all", 0, counts)
    assert caplog.messages == ["detector rules is off from now on: learn on w1h of all: half done"]
    assert isinstance(rejects, Output)
    assert (rejects.stream, [r["reason"] for r in rejects.records]) == (
        Stream.REJECTS,
        ["detector_fault", "detector_off"],
    )
    assert told is counts
    assert counts.added == {"detector_faults.trees": 1, "detector_off.rules": 1}
