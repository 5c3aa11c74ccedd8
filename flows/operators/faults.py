"""What a detector did wrong, as a record of the dead-letter stream and as counts."""

import logging
from collections.abc import Sequence

from detectors.guard import Fault, Guard
from flows.counters import DETECTOR_FAULTS, DETECTOR_OFF, Counts
from flows.metrics import catalogue as c
from flows.metrics.catalogue import Numbers
from flows.operators.messages import Leaving, Output
from flows.streams import Stream
from state.times import iso

_log = logging.getLogger("driftnet.detectors")


def fault_outputs(faults: Sequence[tuple[str, Fault]], where: str, end_us: int, counts: Counts) -> list[Leaving]:
    """faults: detector -> fault, of one round.  where: the window, and of whom.  end_us: the round's end.  counts: of
    the operator that has the detectors, empty.

    They are no input lines: what was read and where it ended stays as it is.
    """
    if not faults:
        return []
    for name, fault in faults:
        if fault.off:
            _log.warning("detector %s is off from now on: %s on %s: %s", name, fault.call, where, fault.detail)
    records = [
        {
            "source": f"detector {name}",
            "offset": end_us,
            "reason": "detector_off" if fault.off else "detector_fault",
            "detail": f"{fault.call} on {where}, {iso(end_us)}: {fault.detail}",
        }
        for name, fault in faults
    ]
    for name, fault in faults:
        counts.add(DETECTOR_OFF if fault.off else DETECTOR_FAULTS, 1, name)
    return [Output(Stream.REJECTS, records), counts]


def observe_guard(numbers: Numbers, where: tuple[str, str], guard: Guard, *, paused: bool = False) -> None:
    """What a detector costs, and whether it is at work.  where: its name, and the window."""
    state = "off" if guard.off else "paused" if paused else "sampled" if guard.sampled else "on"
    c.add(numbers, c.DETECTOR_CPU, guard.spent_s, *where)
    c.add(numbers, c.DETECTOR_STATE, 1, *where, state)
