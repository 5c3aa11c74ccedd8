"""What is wrong with a partition's lines, as a record of the drift stream."""

from typing import Any

from detectors.drift.cause import Cause
from detectors.drift.event import Reaction
from state.ids import stable_id
from state.times import iso


def data_fault(
    about: str, at_us: int, since_us: int, before: float, after: float, size: float, evidence: str
) -> dict[str, Any]:
    """As `detectors.drift.event.DriftEvent.to_record`, with times of 1970 where no event had been read yet.

    about: what of which partition.  before, after: shares of its lines.  size: of the change, in the unit of its kind.
    """
    return {
        "event_id": stable_id("lines", about, "", "", at_us),
        "what": "lines",
        "name": about,
        "cohort": "",
        "window": "",
        "monitor": "share",
        "at": iso(max(at_us, 0)),
        "since": iso(max(since_us, 0)),
        "before": before,
        "after": after,
        "size": size,
        "reaction": str(Reaction.NOTIFY),
        "cause": str(Cause.DATA_FAULT),
        "evidence": evidence,
    }
