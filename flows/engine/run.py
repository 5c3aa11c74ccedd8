"""Runs a job on Bytewax: in this process, or as a cluster of processes on this machine."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from flows.engine.cluster import run_cluster
from flows.engine.member import run_member
from flows.engine.monitor import Progress, Status, fraction, summary
from flows.engine.plan import Plan
from flows.engine.recovery import locked_state
from flows.engine.shutdown import Stop, stopping_on_signals
from flows.engine.watch import FirstError
from flows.report import Summary


def execute(plan: Plan, progress: Progress | None = None) -> Summary:
    """Runs to the end of the input, or until SIGINT or SIGTERM, and returns the totals of the state's life.

    The first signal drains the run; with a state directory the next run goes on from there. A second one kills it.
    Raises the operator's, source's or sink's own error when one fails.
    """
    started_s = time.monotonic()

    def tell(statuses: Sequence[Status]) -> None:
        if progress is not None:
            progress(summary(statuses, time.monotonic() - started_s, running=True), fraction(statuses))

    with ExitStack() as stack:
        state_dir = plan.options.state_dir
        store = stack.enter_context(locked_state(state_dir, plan.stages, tuple(plan.sources))) if state_dir else None
        statuses = run_cluster(plan, store, tell) if plan.options.processes > 1 else [_run_here(plan, store, tell)]
    return summary(statuses, time.monotonic() - started_s, running=False)


def _run_here(plan: Plan, store: Path | None, tell: Callable[[Sequence[Status]], None]) -> Status:
    stop = Stop()
    with stopping_on_signals(stop):
        return run_member(plan, store, stop, FirstError(), lambda status: tell([status]))
