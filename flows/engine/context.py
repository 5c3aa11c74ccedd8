"""What source, stages and sink of one process share."""

from dataclasses import dataclass
from pathlib import Path

from flows.engine.alert_log import AlertLog
from flows.engine.logics import ChunksOf
from flows.engine.monitor import Monitor
from flows.engine.observe import Observer
from flows.engine.pace import Pace
from flows.engine.shutdown import Stop
from flows.engine.watch import Report, Reporting
from flows.stages import Stages


@dataclass(frozen=True, slots=True)
class Context:
    """One process's part of a run.

    durable: snapshots are real; must be set where there is a recovery store, costs time where there is none.
    finish: whether the end of the input closes all windows, also where it may get more.
    batch_lines: lines read at a time; changes speed and memory, never results.
    beginnings: where durable runs note the sinks' positions at the very start, for a kill before the first checkpoint.
    sinks_moved: where a start from a savepoint notes that the sinks begin elsewhere.
    chunks_of: opens the files that hold the bulk of a snapshot; None where snapshots hold everything.
    observer: of a run that is listened to.  alert_log: where alerts are lines of the log.
    """

    stages: Stages
    durable: bool
    batch_lines: int
    stop: Stop
    pace: Pace
    monitor: Monitor
    report: Report
    finish: bool = True
    beginnings: Path | None = None
    sinks_moved: Path | None = None
    chunks_of: ChunksOf | None = None
    observer: Observer | None = None
    alert_log: AlertLog | None = None

    def watch(self, stage: str, where: str) -> Reporting:
        """To surround each call of an operator, source or sink with."""
        if self.observer is None:
            return Reporting(stage, where, self.report)
        return self.observer.watch(stage, where, self.report)
