"""Which process reads which source partitions.

A cohort is judged in one process, and each process has as many key groups as the others. Reading may be anywhere: it
goes where there is least to do, so that of two processes the one that judges does not read a single partition too.
"""

from collections.abc import Sequence
from typing import Final

from flows.engine.plan import Plan

_JUDGING: Final = 0.15
"""CPU of one detector on one window over that of reading the events, decoding and routing them: 0.14 in the job with
one window of the bench suite, 0.16 in the shipped one (docs/capacity.md).
"""


def read_by(plan: Plan, process: int, processes: int) -> list[str]:
    """Names of the partitions that one of the processes of a run reads."""
    workers = plan.options.workers
    judge = [stage for stage in plan.stages.keyed if not stage.is_fed]
    at = [number % (processes * workers) // workers for stage in judge for number in stage.keys.values()]
    events = [name for name in plan.sources if plan.facts.partitions.get(name, "events") == "events"]
    others = [name for name in plan.sources if name not in events]
    return dealt(events, others, at, processes, _JUDGING * len(plan.facts.detectors))[process]


def dealt(
    events: Sequence[str], others: Sequence[str], judges: Sequence[int], processes: int, judging: float
) -> list[list[str]]:
    """The partitions of each process: each goes to the one with the least to do, of several to the last.

    others: of which there is little to read.  judges: the process of each cohort, and of what comes after them.
    judging: CPU of judging all rows over that of reading all events.
    """
    load = [0.0] * processes
    for at in judges:
        load[at] += judging / len(judges)
    read: list[list[str]] = [[] for _ in load]
    for names, each in ((events, 1 / max(len(events), 1)), (others, 0.0)):
        for name in names:
            at = min(reversed(range(processes)), key=load.__getitem__)
            read[at].append(name)
            load[at] += each
    return read
