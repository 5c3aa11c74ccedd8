"""A job for Bytewax's own runner, `python -m bytewax.run`, which brings its own processes, recovery and epochs."""

import logging
import time
from typing import Final

from bytewax.dataflow import Dataflow

from flows.engine.context import Context
from flows.engine.member import build_pace
from flows.engine.monitor import Monitor, Status, summary
from flows.engine.plan import Plan
from flows.engine.shutdown import Stop
from flows.engine.topology import dataflow
from flows.engine.watch import log_error
from flows.printing import forgive_output

_log: Final = logging.getLogger("driftnet.engine")
_STATUS_S: Final = 10.0


def standalone(plan: Plan) -> Dataflow:
    """The dataflow, with our signal handlers: SIGINT and SIGTERM pause it, so that a run with `-r` goes on from there.

    Takes sources, sinks, batch_lines and live of the plan; workers, processes, state and epochs are Bytewax's options.
    Must be called in the main thread.
    """
    started_s = time.monotonic()
    forgive_output()

    def log_status(status: Status) -> None:
        if status.counts:
            _log.info("%s", summary([status], time.monotonic() - started_s, running=True).status())

    stop = Stop()
    stop.on_signals()
    context = Context(
        stages=plan.stages,
        durable=True,  # whether there is a recovery store is known to Bytewax alone
        batch_lines=plan.options.batch_lines,
        stop=stop,
        pace=build_pace(plan, clustered=False),
        monitor=Monitor(log_status, _STATUS_S),
        report=log_error,
    )
    return dataflow(context, plan.sources, plan.openers)
