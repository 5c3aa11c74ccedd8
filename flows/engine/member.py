"""One process's part of a run."""

import gc
import shutil
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from bytewax.testing import cluster_main

from flows.engine.alert_log import AlertLog
from flows.engine.context import Context
from flows.engine.monitor import Monitor, Status
from flows.engine.observe import Observer
from flows.engine.pace import Pace
from flows.engine.plan import Plan
from flows.engine.readers import read_by
from flows.engine.recovery import RECOVERY_ERRORS, chunks_beside, recovery_config
from flows.engine.rendezvous import meet
from flows.engine.shutdown import Stop
from flows.engine.topology import dataflow
from flows.engine.watch import FirstError
from state.errors import CheckpointError, SnapshotError

_NOT_WRITTEN: Final = ("disk is full", "No space left", "disk I/O error", "readonly database", "Read-only file")
"""What SQLite and the system say of a place that cannot be written."""
_ROOM_BYTES: Final = 1 << 20


def _not_written(store: Path, error: BaseException) -> str | None:
    """What is wrong with the place, where that is what an error of the engine is about: Bytewax's own are RuntimeErrors
    or panics of Rust, and of other processes' it tells nothing.
    """
    found = next((text for text in _NOT_WRITTEN if text in str(error)), None)
    if found is None and not isinstance(error, Exception) and shutil.disk_usage(store).free < _ROOM_BYTES:
        return "disk is full"
    return found


def run_member(
    plan: Plan,
    store: Path | None,
    stop: Stop,
    first: FirstError,
    publish: Callable[[Status], None],
    addresses: Sequence[str] = (),
    process: int = 0,
    observer: Observer | None = None,
) -> Status:
    """Runs until the input ends or a stop is asked for, and returns this process's last status.

    store: Bytewax's recovery store, None for a run without.  addresses: of all processes, none for a run in one.
    process: which of them this is.  observer: of a run that is listened to.

    Raises the first error of an operator, source or sink itself, not wrapped.
    """
    options = plan.options
    context = Context(
        stages=plan.stages,
        durable=store is not None,
        batch_lines=options.batch_lines,
        stop=stop,
        pace=build_pace(plan, clustered=bool(addresses)),
        monitor=Monitor(publish),
        report=first,
        finish=store is None or options.finish,
        beginnings=store.with_name("beginnings.json") if store is not None else None,
        sinks_moved=store.with_name("sinks.json") if store is not None else None,
        chunks_of=chunks_beside(store) if store is not None else None,
        observer=observer,
        alert_log=AlertLog(plan.facts.run, traced=options.traced) if options.alert_log else None,
    )
    if observer is not None:
        observer.status = context.monitor.status
    # Bytewax cannot count epochs of no length.
    epoch = timedelta(seconds=max(options.epoch_s, 0.001))
    read = read_by(plan, process, max(len(addresses), 1))
    flow = dataflow(context, {name: plan.sources[name] for name in read}, plan.openers)
    # What exists now lives as long as the run: keep the cyclic collector from walking it again and again.
    gc.freeze()
    try:
        if len(addresses) > 1 and not _met(addresses, process, stop):
            return context.monitor.status
        if observer is not None:
            observer.begun = True
        # Not run_main, though there may be one worker only: here the main thread is free to take signals at once, and
        # an error comes without a Rust backtrace.
        cluster_main(  # type: ignore[no-untyped-call]
            flow,
            list(addresses),
            process,
            epoch_interval=epoch,
            recovery_config=recovery_config(store, epoch),
            worker_count_per_proc=options.workers,
        )
    except RECOVERY_ERRORS as error:
        raise SnapshotError(
            f"recovery store {store}: {error}; start from a savepoint, or in an empty directory"
        ) from error
    except BaseException as error:
        if first.error is None:
            if store is not None and (why := _not_written(store, error)):
                raise CheckpointError(
                    f"state cannot be saved in {store.parent}: {why}; make room, or repair the disk, and start again:"
                    " the run goes on from the last checkpoint"
                ) from None
            raise
    finally:
        gc.unfreeze()
    if first.error is not None:
        raise first.error
    return context.monitor.status


def _met(addresses: Sequence[str], process: int, stop: Stop) -> bool:
    try:
        return meet(addresses, process, stop.is_set)
    except OSError as error:
        raise SnapshotError(
            f"cannot listen on {addresses[0]} for the other processes: {error.strerror}; is the address this host's,"
            " and its port free?"
        ) from error


def build_pace(plan: Plan, *, clustered: bool) -> Pace:
    """clustered: other processes may have rows where this one never had any, and then wait for its watermark."""
    stages = plan.stages
    if not plan.options.live:
        return Pace(stages.lead_us)
    return Pace(stages.lead_us, stages.idle_timeout_us, stages.out_of_orderness_us if clustered else None)
