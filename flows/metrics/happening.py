"""What happened in a process and took its time: parts of checkpoints, restored operators, slow rounds, alerts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Final

SLOW_ROUND_S: Final = 1.0
"""A round that takes as long, on the clock, is told of."""
_TRACE_BYTES: Final = 16


class What(StrEnum):
    """CHECKPOINT: an operator's part of one.  RESTORE: an operator was built from saved state.  ROUND: one that took
    SLOW_ROUND_S or longer.  ALERT: the sinks were given one.
    """

    CHECKPOINT = "checkpoint"
    RESTORE = "restore"
    ROUND = "round"
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class Happening:
    """One of them.  Picklable.  began_s, ended_s: wall clock.  told: what is known of it, by name."""

    what: What
    stage: str
    began_s: float
    ended_s: float
    told: Mapping[str, str | int | float] = field(default_factory=dict)


def trace_of_alert(run: str, alert_id: str) -> int:
    """The id (128 bits) of the trace of an alert: whoever has the alert's id and the run's name knows it, so the worker
    that logs the alert and the process that exports its trace need not tell each other.
    """
    return int.from_bytes(blake2b(f"{run}/{alert_id}".encode(), digest_size=_TRACE_BYTES).digest(), "big") or 1
