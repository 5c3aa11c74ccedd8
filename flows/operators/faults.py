"""What a detector did wrong, as a record of the dead-letter stream and as counts."""

import logging
from collections import Counter
from collections.abc import Sequence

from detectors.alerting.alert import iso
from detectors.guard import Fault
from flows.operators.messages import Output
from flows.streams import Stream

_log = logging.getLogger("driftnet.detectors")


def fault_outputs(faults: Sequence[tuple[str, Fault]], where: str, end_us: int) -> list[Output]:
    """faults: detector -> fault, of one round.  where: the window, and of whom.  end_us: the round's end.

    Counts: detector_faults.NAME, and detector_off.NAME once it is off. They are no input lines: what was read and
    where it ended stays as it is.
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
    counts = Counter(f"detector_{'off' if fault.off else 'faults'}.{name}" for name, fault in faults)
    return [Output(Stream.REJECTS, records), Output(Stream.COUNTS, [dict(counts)])]
