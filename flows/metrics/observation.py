"""What one process tells of itself, once a second: plain numbers, and what it is doing."""

from dataclasses import dataclass, field

from flows.metrics.catalogue import Numbers
from flows.metrics.happening import Happening


@dataclass(slots=True)
class Observation:
    """Of one process.  Picklable.

    at_s: when, wall clock.  counts: totals of the job's life, where the sinks are, else none.  numbers: all others.
    working: stage -> since when, wall clock, one of its operators is at the piece of work that it is at.  moved: stage
    -> when one last ended one.  begun: whether the dataflow was built and all processes have met.  opened: source
    partitions that are open, or were read to their end.  built: stage and key of the operators that are there, anew or
    from saved state.  rows: key group -> rows that were sent there, since the process began.  waiting: lines in panes,
    and at source partitions, without a fate.  happened: since it told last; of very many the latest.
    """

    at_s: float
    counts: dict[str, int] = field(default_factory=dict)
    numbers: Numbers = field(default_factory=dict)
    working: dict[str, float] = field(default_factory=dict)
    moved: dict[str, float] = field(default_factory=dict)
    begun: bool = False
    opened: set[str] = field(default_factory=set)
    built: set[tuple[str, str]] = field(default_factory=set)
    rows: dict[tuple[str, int], int] = field(default_factory=dict)
    waiting: int = 0
    happened: list[Happening] = field(default_factory=list)
