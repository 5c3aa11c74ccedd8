"""Where the flow ends: records into their sinks, additions into totals."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from detectors.alerting.exempt import Origin
from flows.counters import DRIFT, OUT, REASON, SPARED_OTHERS, SPARED_SUBJECT, Counts
from flows.operators.messages import Leaving, Output
from flows.sinks.base import Sink, each
from flows.steps import Step
from flows.streams import Stream
from flows.summary import Summary

_NAMED: Final = 100
"""Subjects that an exemption spared an alert and are counted one by one."""


class Outputs:
    """The open sinks of a run and its totals.  A record is counted under its stream's name, whether a sink takes it
    or not.
    """

    def __init__(self, sinks: Mapping[Stream, Sequence[Sink]]) -> None:
        self._sinks = sinks
        self.counts: Counter[str] = Counter()

    def write(self, output: Leaving) -> None:
        """Raises SinkError when a sink stays down."""
        if isinstance(output, Counts):
            self.counts.update(output.added)
            return
        counts = Counts(Step.SINKS)
        counts.add(OUT, len(output.records), output.stream)
        if output.stream is Stream.ALERTS:
            for record in output.records:
                if record["reasons"]:
                    counts.add(REASON, 1, record["reasons"][0]["feature"])
        elif output.stream is Stream.DRIFT:
            for record in output.records:
                counts.add(DRIFT, 1, record["what"])
        self.counts.update(counts.added)
        if output.stream is Stream.AUDIT:
            self._tally_spared(output)
        each(self._named(output.stream), lambda sink: sink.write(output.records))

    def _named(self, *streams: Stream) -> dict[str, Sink]:
        return {f"{s}.{i}": sink for s in streams for i, sink in enumerate(self._sinks.get(s, ()))}

    def _tally_spared(self, output: Output) -> None:
        for record in output.records:
            if record["outcome"] == "spared" and record["origin"] != Origin.CAMPAIGN:
                named = SPARED_SUBJECT.by_label(self.counts)
                counts = Counts(Step.SINKS)
                if record["subject"] in named or len(named) < _NAMED:
                    counts.add(SPARED_SUBJECT, 1, record["subject"])
                else:
                    counts.add(SPARED_OTHERS, 1)
                self.counts.update(counts.added)

    def flush(self) -> None:
        each(self._named(*self._sinks), lambda sink: sink.flush())

    def summary(self, elapsed_s: float) -> Summary:
        return Summary(dict(self.counts), elapsed_s)
