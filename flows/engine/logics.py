"""The keyed stages inside Bytewax: logics that only translate."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from bytewax.operators import StatefulBatchLogic

from flows.engine.observe import Observer
from flows.engine.watch import Report, Reporting
from flows.operators.messages import Leaving
from flows.stages import Operator, Stage
from state.chunks import Bundle, Saved
from state.errors import SnapshotError
from state.segments import Segments
from state.snapshot import reading

Item = tuple[str, Any]
"""What travels in Bytewax: a key's name, and (who, message) or what leaves the flow."""
Address = Callable[[Any], Item | None]
"""Gives a message to the next stage the name of the key that it goes to; None where nobody hears it."""
State = tuple[Any, bytes]
"""Who an operator works for, and its snapshot: a root frame whose chunks are in files, or all of it."""
ChunksOf = Callable[[str, Any], Segments]
"""Opens the chunks of a step's operator, by who it works for."""


class StageLogic(StatefulBatchLogic[Any, Item | Leaving, State | None]):
    """One key of one stage.

    Bytewax does not tell a logic its key, so the operator is built when the first message, or saved state, says who it
    is for. Keys are few and fixed: the logic is always retained. The end of Bytewax's input emits nothing, because it
    also comes when a run pauses; the end of our input is a watermark.

    Bytewax stores what `snapshot` gives as a whole, at every epoch; so that is but the root, and what it refers to has
    been written before. chunks_of: None where there is no place for that, and snapshots hold everything.
    """

    def __init__(
        self,
        stage: Stage,
        resume: State | None,
        *,
        report: Report,
        durable: bool,
        chunks_of: ChunksOf | None = None,
        address: Address | None = None,
        open_rows: Callable[[Any, int], None] | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._step = stage.name
        self._stage = stage
        self._report = report
        self._durable = durable
        self._chunks_of = chunks_of
        self._address = address
        self._open_rows = open_rows
        self._observer = observer
        self._operator: Operator | None = None
        if resume is not None:
            with Reporting(stage.name, stage.name, report), reading(stage.name):
                who, root = resume
            self._start(who, root)

    def on_batch(self, values: list[tuple[Any, Any]]) -> tuple[list[Item | Leaving], bool]:
        emitted: list[Item | Leaving] = []
        operator = self._operator or self._start(values[0][0], None)
        with self._watch:
            for who, message in values:
                if who != self._who:
                    raise SnapshotError(f"{self._step}: state is of {self._who!r}, messages are for {who!r}")
                emitted += self._addressed(operator.process(message))
        return emitted, StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[list[Item | Leaving], bool]:
        if self._stage.holds_lines and self._open_rows is not None and self._operator is not None:
            operator: Any = self._operator
            self._open_rows(self._who, operator.rows_waiting)
        return [], StatefulBatchLogic.RETAIN

    def _start(self, who: Any, resume: bytes | None) -> Operator:
        where = self._step if who is None else f"{self._step} {who}"
        self._watch = self._watching(where)
        self._who = who
        began_ns = time.monotonic_ns()
        with self._watch:
            self._chunks = self._chunks_of(self._step, who) if self._durable and self._chunks_of else None
            saved = None
            if resume is not None:
                saved = Bundle.open(resume) if self._chunks is None else Saved(resume, self._chunks)
            self._operator = operator = self._stage.build(who, resume=saved)
            if self._chunks is not None:
                self._chunks.settle()
        if self._observer is not None:
            self._observer.operator(self._stage, who, operator)
            if resume is not None:
                read_bytes = len(resume) + (0 if self._chunks is None else self._chunks.live_bytes)
                self._observer.restored(self._step, time.monotonic_ns() - began_ns, read_bytes)
        return operator

    def _watching(self, where: str) -> Reporting:
        if self._observer is None:
            return Reporting(self._step, where, self._report)
        return self._observer.watch(self._step, where, self._report)

    def _addressed(self, emitted: Sequence[Any]) -> Sequence[Item | Leaving]:
        address = self._address
        if address is None:
            return emitted
        addressed = (item if isinstance(item, Leaving) else address(item) for item in emitted)
        return [item for item in addressed if item is not None]

    def snapshot(self) -> State | None:
        # Bytewax asks for snapshots at the end of every epoch, whether there is a recovery store or not.
        if not self._durable or self._operator is None:
            return None
        began_ns, wrote = time.monotonic_ns(), 0 if self._chunks is None else self._chunks.written_bytes
        with self._watch:
            if self._chunks is None:
                root = Bundle.of(self._operator)
            else:
                with self._chunks.writing():
                    root = self._operator.snapshot(self._chunks)
        if self._observer is not None and self._chunks is not None:
            took_ns, fresh = time.monotonic_ns() - began_ns, self._chunks.written_bytes - wrote
            state_bytes = self._chunks.live_bytes + len(root)
            self._observer.checkpoint(self._step, self._who, took_ns, fresh + len(root), state_bytes)
        return self._who, root
