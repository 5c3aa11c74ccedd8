"""Where the output streams end: records into their sinks, counter increments into totals."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from flows.operators.messages import Output
from flows.report import Summary
from flows.sinks.base import Sink, each
from flows.streams import Stream

_NAMED: Final = 100
"""Subjects that were spared an alert and are counted one by one."""


class Outputs:
    """The open sinks of a run and its totals.  A record is counted under its stream's name, whether a sink takes it
    or not.
    """

    def __init__(self, sinks: Mapping[Stream, Sequence[Sink]]) -> None:
        self._sinks = sinks
        self.counts: Counter[str] = Counter()

    def write(self, output: Output) -> None:
        """Raises SinkError when a sink stays down."""
        if output.stream is Stream.COUNTS:
            for increments in output.records:
                self.counts.update(increments)
            return
        self.counts[f"out.{output.stream}"] += len(output.records)
        if output.stream is Stream.ALERTS:
            self._tally_alerts(output)
        elif output.stream is Stream.DRIFT:
            self.counts.update(f"drift.{record['what']}" for record in output.records)
        elif output.stream is Stream.AUDIT:
            self._tally_spared(output)
        each(self._named(output.stream), lambda sink: sink.write(output.records))

    def _named(self, *streams: Stream) -> dict[str, Sink]:
        return {f"{s}.{i}": sink for s in streams for i, sink in enumerate(self._sinks.get(s, ()))}

    def _tally_alerts(self, output: Output) -> None:
        for record in output.records:
            self.counts[f"severity.{record['severity']}"] += 1
            if record["reasons"]:
                self.counts[f"reason.{record['reasons'][0]['feature']}"] += 1

    def _tally_spared(self, output: Output) -> None:
        for record in output.records:
            if record["outcome"] == "spared":
                name = f"spared_subject.{record['subject']}"
                known = sum(key.startswith("spared_subject.") for key in self.counts)
                self.counts[name if name in self.counts or known < _NAMED else "spared_others"] += 1

    def flush(self) -> None:
        each(self._named(*self._sinks), lambda sink: sink.flush())

    def summary(self, elapsed_s: float) -> Summary:
        return Summary.of_counts(self.counts, elapsed_s)
