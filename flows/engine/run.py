"""Runs a job on Bytewax: in this process, or in processes of its own, which are started again when they die."""

import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Final

from flows.archive.archive import Archive
from flows.engine.clock import watching_clock
from flows.engine.cluster import Cluster
from flows.engine.growth import Growth
from flows.engine.hosts import shared
from flows.engine.member import run_member
from flows.engine.monitor import OnProgress, Status, fraction, summary
from flows.engine.plan import Plan
from flows.engine.record import record_file, recorded
from flows.engine.recovery import locked_state, make_ready
from flows.engine.shutdown import DrainTimeoutError, Stop, stopping_on_signals
from flows.engine.store import Checkpoint, latest_execution, read_checkpoint, saved_epoch, sink_state, totals_in
from flows.engine.supervise import supervised
from flows.engine.watch import FirstError
from flows.metrics.overview import Overview
from flows.summary import Summary
from flows.whereabouts import bind
from state.errors import CheckpointError

_log: Final = logging.getLogger("driftnet.engine")


def execute(
    plan: Plan,
    progress: OnProgress | None = None,
    growth: Growth | None = None,
    overview: Overview | None = None,
    archive: Archive | None = None,
) -> Summary:
    """Runs to the end of the input, or until SIGINT or SIGTERM, and returns the totals of the state's life.

    growth: looks for new partitions of the input; it has found some when the run was drained for the sake of them.
    overview: of a run that is listened to; the work is then done by other processes, also where one is enough.
    archive: where checkpoints are copied to; the same.

    The first signal drains the run, within plan.options.drain_s; with a state directory the next run goes on from
    there. A second one kills it.  Raises the operator's, source's or sink's own error when one fails, WorkerError when
    a process died once too often, DrainTimeoutError, TakenOverError when another run has taken the archive.
    """
    started_s = time.monotonic()
    options = plan.options

    def tell(statuses: Sequence[Status]) -> None:
        if progress is not None:
            progress(summary(statuses, time.monotonic() - started_s, running=True), fraction(statuses))

    with ExitStack() as stack:
        store, totals, stop = None, dict[str, int](), Stop()
        if options.state_dir is not None:
            host = options.index if options.addresses else None
            partitions, network = tuple(plan.sources), options.network_state
            held = locked_state(options.state_dir, plan.stages, partitions, host, network=network)
            store = stack.enter_context(held)
            _write_notes(options.state_dir, plan)
            stack.enter_context(_recorded(record_file(options.state_dir, host), plan, lambda: stop.signalled))
            checkpoint = read_checkpoint(store)
            totals = totals_in(sink_state(checkpoint)) if checkpoint is not None else totals
            if archive is not None:
                stack.enter_context(archive.running())
            _log.info("%s", _whence(store, checkpoint))
        if growth is not None:
            stack.enter_context(growth.watching(lambda: _grown(growth, plan, stop)))
        if overview is not None:
            saved = partial(saved_epoch, store) if store is not None else lambda: None
            overview.begin(plan.facts, totals, options.state_dir, saved)
            if archive is not None:
                overview.archived(archive.numbers)
        apart = options.processes > 1 or options.restarts.most or options.addresses
        if apart or overview is not None or archive is not None:
            cluster = Cluster(plan, store, overview, archive)
            stack.enter_context(watching_clock(lambda by_s: _clock_set_back(by_s, plan, cluster.kill)))
            stack.enter_context(stopping_on_signals(stop, cluster.kill, options.drain_s, cluster.give_up_draining))
            statuses = supervised(lambda: cluster.run(stop, tell), options.restarts, stop)
        else:
            stack.enter_context(watching_clock(lambda by_s: _clock_set_back(by_s, plan)))
            stack.enter_context(stopping_on_signals(stop, drain_s=options.drain_s, too_late=lambda: _end(plan)))
            statuses = [_run_here(plan, store, stop, tell)]
        if options.addresses and store is not None:
            (mine,) = statuses
            hosts = len(options.addresses)
            statuses = shared(store.parent, latest_execution(store), options.index, hosts, mine)
        if growth is not None and stop.signalled:
            growth.found = ()
    return summary(statuses, time.monotonic() - started_s, running=False)


def _recorded(file: Path, plan: Plan, signalled: Callable[[], bool]) -> AbstractContextManager[None]:
    facts = plan.facts
    return recorded(
        file,
        lambda: "stopped by a signal" if signalled() else "stopped by itself",
        run=facts.run,
        job=facts.job,
        version=facts.version,
        processes=len(plan.options.members),
        listen=plan.options.listen,
    )


def _write_notes(directory: Path, plan: Plan) -> None:
    try:
        for name, text in plan.notes.items():
            (directory / name).write_text(text)
    except OSError as error:
        raise CheckpointError(
            f"state directory {directory} cannot be written: {error.strerror}; make room, or name another"
        ) from error


def _grown(growth: Growth, plan: Plan, stop: Stop) -> None:
    """A run with saved state goes on with the new partitions; another one would have to forget what it knows."""
    names = ", ".join(growth.found)
    if plan.options.state_dir is None or plan.options.addresses:
        again = "stop all hosts and start them again" if plan.options.addresses else "start the run again"
        _log.warning("new partitions of the input are not read: %s; %s to read them", names, again)
        growth.found = ()
        return
    _log.info("new partitions of the input: %s; saving the state, and going on with them", names)
    stop.set()


def _run_here(plan: Plan, store: Path | None, stop: Stop, tell: Callable[[Sequence[Status]], None]) -> Status:
    bind(process=0)
    if store is not None:
        make_ready(store, plan.stages)
    return run_member(plan, store, stop, FirstError(), lambda status: tell([status]))


def _clock_set_back(by_s: float, plan: Plan, kill: Callable[[], None] | None = None) -> None:
    """A run that is started again by itself is made to: what begins later has no old times to wait for."""
    heals = bool(plan.options.restarts.most) and kill is not None
    _log.warning(
        "the clock was set back by %.0f s: until it has caught up, no state is saved and silent inputs are not looked"
        " at; %s",
        by_s,
        "the processes are started again for that" if heals else "stop the run and start it again",
    )
    if kill is not None and heals:
        kill()


def _whence(store: Path, checkpoint: Checkpoint | None) -> str:
    """Where the run starts from, for people."""
    if checkpoint is None:
        return f"state directory {store.parent}: nothing saved yet, starting from the beginning"
    so_far = Summary(totals_in(sink_state(checkpoint)))
    told = f"{so_far.read:,} lines read, {so_far.alerts:,} alerts so far"
    return f"going on from {store.parent}: epoch {checkpoint.epoch}, {told}"


def _end(plan: Plan) -> None:
    """Ends this process, whatever holds it up: nothing can be raised where it is."""
    error = DrainTimeoutError(plan.options.drain_s)
    _log.error("%s", error)
    logging.shutdown()
    sys.stdout.flush()
    os._exit(error.exit_code)
