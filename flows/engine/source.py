"""Source partitions inside Bytewax: read, ingest, route."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from flows.engine.context import Context
from flows.engine.logics import Item
from flows.engine.names import key_name
from flows.engine.watch import Reporting
from flows.operators.messages import Leaving
from flows.sources.base import Partition, Source
from flows.stages import IngestOperator, Routed
from flows.steps import Step
from state.errors import SourceError
from state.snapshot import reading

_log: Final = logging.getLogger("driftnet.engine")
_NAP: Final = timedelta(milliseconds=25)
_LIVE_NAP: Final = timedelta(milliseconds=100)
"""How long a live input is left alone that has given little: what comes meanwhile costs one read, and not many.

Measured at 5,000 events a second from Kafka, two processes: 0.21 cores in place of 0.34 with 25 ms.
"""
_OUTPUTS: Final = "outputs"


class LineSource(FixedPartitionedSource[Item, dict[str, Any]]):
    """What one process reads.  sources: partition name -> the source that opens it."""

    def __init__(self, context: Context, sources: Mapping[str, Source]) -> None:
        self._context = context
        self._sources = sources

    def list_parts(self) -> list[str]:
        return list(self._sources)

    def build_part(self, step_id: str, for_part: str, resume_state: dict[str, Any] | None) -> "LinePartition":
        watch = self._context.watch(Step.INGEST.value, f"{step_id} {for_part}")
        with watch:
            reader = self._sources[for_part].open(for_part)
            if not _closes(self._context, reader):
                reader.expect_more()
            if resume_state is None:
                return LinePartition(self._context, watch, reader, self._context.stages.ingest(for_part, resume=None))
            with reading(f"partition {for_part}"), ExitStack() as unless_it_starts:
                unless_it_starts.callback(reader.close)
                reader.seek(resume_state["position"])
                ingest = self._context.stages.ingest(for_part, resume=resume_state["ingest"])
                done, ended = resume_state["done"], resume_state.get("ended", False)
                partition = LinePartition(self._context, watch, reader, ingest, done, ended)
                unless_it_starts.pop_all()
                return partition


class LinePartition(StatefulSourcePartition[Item, dict[str, Any]]):
    """One partition at work.

    The end of the input is data: `finish` sends the last watermark, once in the life of the partition's state, and
    each further run says that nobody need wait: there may be groups that did not exist then, of kinds of subjects that
    are new.
    A stop is not the end: a durable run only pauses, and what is open stays open for the next run. A run without a
    state directory has no next run, so that there a stop finishes what was read.

    Nor is the end of a file or a pipe, where the run is to pause there: the next one may find more. Windows wait for
    such a partition, as they do while it is read; only when a whole run has found nothing new they no longer do, so
    that files that are complete hold no later ones back. Nobody waits for what people tell.
    """

    def __init__(
        self,
        context: Context,
        watch: Reporting,
        reader: Partition,
        ingest: IngestOperator,
        done: bool = False,
        ended: bool = False,
    ) -> None:
        """done: its end was told to all, for good.  ended: all that there was has been read, in an earlier run."""
        self._context = context
        self._watch = watch
        self._reader = reader
        self._ingest = ingest
        self._done = self._done_before = done
        self._ended = self._nothing_new = ended
        self._to_say_again = done
        self._paused = False
        self._nap = False
        self._saved: Any = None
        self._said: str | None = None
        self._in_vain = False
        """Whether lines came since the last row that counted."""
        if not done:
            context.pace.join(reader.name, ingest.watermark_us, awaited=ingest.awaited)
        if context.observer is not None:
            context.observer.partition(reader.name, ingest)

    def next_batch(self) -> list[Item]:
        if self._to_say_again:
            self._to_say_again = False
            with self._watch:
                return [self._addressed(routed) for routed in self._ingest.rest()]
        if self._done or self._paused or (self._context.durable and self._context.stop.is_set()):
            with self._watch:
                self._look_behind_the_end()
            self._context.pace.leave(self._reader.name)
            self._context.monitor.open_rows(self._reader.name, 0 if self._done else self._ingest.rows_waiting)
            raise StopIteration
        with self._watch:
            return [self._addressed(routed) for routed in self._next()]

    def _next(self) -> Sequence[Routed]:
        name, pace = self._reader.name, self._context.pace
        self._nap = False
        if self._context.stop.is_set():
            return self._finish()
        slowest = pace.waits_for(name)
        if pace.is_live:
            self._context.monitor.held_back(name, 0 if slowest is None else pace.ahead_us(name, slowest))
            if self._context.observer is not None:
                self._context.observer.paced()
        if slowest is not None:
            self._nap = pace.is_live
            if pace.is_live:
                self._say(f"held back, because it is ahead of {slowest}, for which all windows wait")
            return ()
        lines = self._reader.read(self._context.batch_lines)
        answers = lines is None or bool(lines.lines) or lines.idle
        self._context.monitor.partition(self._reader, self._ingest.watermark_us, answers=answers)
        if lines is not None and self._context.observer is not None:
            self._context.observer.lines(self._reader, lines)
        if lines is None:
            if self._context.durable and self._context.stop.is_set():
                return ()  # the run pauses: the next one will see whether this was the end
            return self._finish() if _closes(self._context, self._reader) else self._pause()
        self._nap = len(lines.lines) < self._context.batch_lines // 8 if pace.is_live else not lines.lines
        before, routed = self._ingest.accepted, list[Routed]()
        if lines.lines:
            self._ended = self._nothing_new = False
            routed += self._ingest.process(lines, pace.now_us)
        elif not lines.idle:
            self._say("its source cannot be asked whether there is more; windows wait for it")
            pace.heard(name, self._ingest.watermark_us)
            return ()
        # By rows, not by lines: a partition of nothing but lines that do not count says nothing about time.
        self._in_vain |= bool(lines.lines)
        if self._ingest.accepted > before:
            self._in_vain = False
            pace.heard(name, self._ingest.watermark_us)
            self._say(None)
            return routed
        return [*routed, *self._silent()]

    def _silent(self) -> Sequence[Routed]:
        """Nothing came that counts (lines that are rejected, late, or ahead): after a while the others go on without
        this partition.
        """
        name, pace = self._reader.name, self._context.pace
        if pace.now_us is None or not pace.is_silent(name):
            return ()
        self._say("none of its latest lines count; windows no longer wait for it" if self._in_vain else None)
        if self._ingest.rows_waiting:
            routed = self._ingest.silence(pace.now_us)
            pace.moved(name, self._ingest.watermark_us)
            if routed:
                return routed
        watermark_us = pace.idle_watermark_us(name)
        if watermark_us is None or watermark_us <= self._ingest.watermark_us:
            return ()
        return self._ingest.advance(watermark_us)

    def _say(self, what: str | None) -> None:
        """Why time does not go by this partition as usual; None for as usual."""
        if what != self._said:
            self._said = what
            self._context.monitor.note(self._reader.name, what)
            if what is not None:
                _log.warning("%s: %s", self._reader.name, what)

    def _look_behind_the_end(self) -> None:
        """A partition whose end was told in an earlier run has ended for good: all windows are closed.  Raises
        SourceError when there is more, which nobody would read.
        """
        if not self._done_before or self._context.stop.is_set():
            return
        more = self._reader.read(1)
        if more is not None and more.lines:
            raise SourceError(
                f"{self._reader.name}: its end was reached in an earlier run, which closed all windows, and there is"
                f" more now ({more.source} from {more.offsets[0]}), which would not be read; start in an empty state"
                " directory to read all of it"
            )
        _log.info("%s: read to its end in an earlier run, and there is nothing new", self._reader.name)

    def _pause(self) -> Sequence[Routed]:
        """The end of what there is; all of it stays as it is for a later run."""
        self._paused = self._ended = True
        self._context.pace.leave(self._reader.name)
        self._context.monitor.pause(nothing_new=self._nothing_new)
        _log.debug("%s: read to its end%s", self._reader.name, ", nothing new" if self._nothing_new else "")
        return self._ingest.rest() if self._nothing_new or not self._ingest.awaited else ()

    def _finish(self) -> Sequence[Routed]:
        self._done = True
        self._context.pace.leave(self._reader.name)
        return self._ingest.finish()

    def _addressed(self, routed: Routed) -> Item:
        if isinstance(routed, Leaving):
            return _OUTPUTS, routed
        group, message = routed
        if self._context.observer is not None:
            self._context.observer.routed(group, message)
        return key_name(self._context.stages.stage(message.stage).keys[group]), routed

    def next_awake(self) -> datetime | None:
        # Bytewax polls an empty source every millisecond unless it is told to wait.
        if not self._nap:
            return None
        return datetime.now(UTC) + (_LIVE_NAP if self._context.pace.is_live else _NAP)

    def snapshot(self) -> dict[str, Any]:
        with self._watch:
            ingest = self._ingest.snapshot() if self._context.durable else b""
            position = self._reader.position()
            self._tell(position)
            return {
                "version": 1,
                "position": position,
                "ingest": ingest,
                "done": self._done,
                "ended": self._ended,
            }

    def _tell(self, position: Any) -> None:
        """The position before this one is known to be on the disk, or as good as that where the run is over."""
        over = self._done or self._paused or self._context.stop.is_set()
        told, self._saved = position if over else self._saved, position
        if told is not None:
            self._reader.saved(told)

    def close(self) -> None:
        self._reader.close()


def _closes(context: Context, reader: Partition) -> bool:
    """Whether the end of the partition is the end of it."""
    return context.finish or reader.ends_for_good
