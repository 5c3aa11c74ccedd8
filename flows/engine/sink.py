"""The end of the flow inside Bytewax: all output streams, in one partition, inside the committed epoch."""

import json
import time
from collections.abc import Mapping
from typing import Any, Final, Protocol

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows.counters import READ, VERSION
from flows.engine.alert_log import AlertLog
from flows.engine.context import Context
from flows.engine.monitor import Monitor
from flows.engine.observe import Observer
from flows.engine.store import totals_in
from flows.engine.watch import Reporting
from flows.operators.messages import Leaving, Output
from flows.sinks.base import Sink, each
from flows.sinks.outputs import Outputs
from flows.steps import Step
from flows.streams import Stream
from state.snapshot import reading

_PART: Final = "main"


class SinkOpener(Protocol):
    """Opens one sink, at its beginning or at a position that an earlier `flush` returned."""

    def __call__(self, position: Any, /) -> Sink: ...


Openers = Mapping[str, tuple[Stream, SinkOpener]]
"""A name that is stable over restarts -> the stream that the sink takes, and how to open it."""


class OutputSink(FixedPartitionedSink[Leaving, dict[str, Any]]):
    """One partition on one worker: what is written there is committed together with the state that led to it."""

    def __init__(self, context: Context, openers: Openers) -> None:
        self._context = context
        self._openers = openers

    def list_parts(self) -> list[str]:
        return [_PART]

    def part_fn(self, item_key: str) -> int:  # noqa: ARG002
        return 0

    def build_part(self, step_id: str, for_part: str, resume_state: dict[str, Any] | None) -> "OutputPartition":
        watch, observer = self._context.watch(Step.SINKS.value, f"{step_id} {for_part}"), self._context.observer
        with watch, reading("positions of the sinks"):
            resumed = resume_state or self._beginning()
            resumed |= self._moved(resumed)
            log = self._context.alert_log
            return OutputPartition(self._openers, self._context.monitor, watch, resumed, observer, log)

    def _moved(self, resumed: dict[str, Any]) -> dict[str, Any]:
        """Other positions, for a run that was started from a savepoint and is to leave its sinks as they are."""
        file = self._context.sinks_moved
        if file is None or not file.exists():
            return {}
        moved = json.loads(file.read_text())
        return {"positions": moved["now"]} if resumed.get("positions", {}) == moved["instead_of"] else {}

    def _beginning(self) -> dict[str, Any]:
        """Where the sinks stood when a durable job began; what a kill before the first checkpoint left is cut off."""
        file = self._context.beginnings
        if file is None:
            return {}
        if not file.exists():
            sinks = {name: opener(None) for name, (_, opener) in self._openers.items()}
            positions = {name: sink.flush() for name, sink in sinks.items()}
            for sink in sinks.values():
                sink.close()
            fresh = file.with_suffix(".new")
            fresh.write_text(json.dumps(positions))
            fresh.replace(file)
        return {"positions": json.loads(file.read_text())}


class OutputPartition(StatefulSinkPartition[Leaving, dict[str, Any]]):
    """The open sinks.  The totals are part of the state: after a restart they go on, and still add up."""

    def __init__(
        self,
        openers: Openers,
        monitor: Monitor,
        watch: Reporting,
        resume: Mapping[str, Any],
        observer: Observer | None = None,
        alert_log: AlertLog | None = None,
    ) -> None:
        positions = resume.get("positions", {})
        self._sinks = {name: opener(positions.get(name)) for name, (_, opener) in openers.items()}
        by_stream: dict[Stream, list[Sink]] = {}
        for name, (stream, _) in openers.items():
            by_stream.setdefault(stream, []).append(self._sinks[name])
        self._outputs = Outputs(by_stream)
        self._outputs.counts.update(totals_in(resume))
        self._elapsed_s: float = resume.get("elapsed_s", 0.0)
        self._started_s = time.monotonic()
        self._monitor = monitor
        self._watch = watch
        self._observer = observer
        self._alert_log = alert_log
        if observer is not None:
            observer.sinks({name: (stream, self._sinks[name]) for name, (stream, _) in openers.items()})
        monitor.status.resumed = READ.total(self._outputs.counts)
        self._tell()

    def write_batch(self, values: list[Leaving]) -> None:
        with self._watch:
            for output in values:
                began_s = time.time()
                self._outputs.write(output)
                if isinstance(output, Output):
                    self._wrote(output, began_s)
        self._tell()

    def _wrote(self, output: Output, began_s: float) -> None:
        if self._observer is not None:
            self._observer.wrote(output.stream, output.records, began_s)
        if self._alert_log is not None and output.stream is Stream.ALERTS:
            self._alert_log.tell(output.records)

    def _tell(self) -> None:
        self._monitor.totals(self._outputs.counts, self._life_s())

    def snapshot(self) -> dict[str, Any]:
        with self._watch:
            positions = each(self._sinks, self._flush)
        counts = dict(self._outputs.counts)
        return {"version": VERSION, "positions": positions, "counts": counts, "elapsed_s": self._life_s()}

    def _flush(self, sink: Sink) -> Any:
        return sink.flush() if self._observer is None else self._observer.flush(sink)

    def close(self) -> None:
        with self._watch:
            each(self._sinks, lambda sink: sink.close())
        self._monitor.finish()

    def _life_s(self) -> float:
        """How long the job has run, in all of its runs."""
        return self._elapsed_s + time.monotonic() - self._started_s
