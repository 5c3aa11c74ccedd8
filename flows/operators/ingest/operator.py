"""The first stage, one per source partition: lines to rows, lateness, routing to key groups."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import starmap
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from flows.counters import FILLED, FILTERED, LATE, READ, REJECTED, Counts
from flows.event_stream import EventStream
from flows.operators.ingest.aside import Line, dead_letter, late_records
from flows.operators.ingest.filled import FilledWatch
from flows.operators.ingest.route import SUBJECTS, Route, Router, split
from flows.operators.ingest.shares import ShareWatch
from flows.operators.messages import GroupInput, Leaving, Output
from flows.sources.base import Lines
from flows.steps import Step
from flows.streams import Stream
from flows.wire.decode import Decoded, Decoder
from flows.wire.hashing import hash_pieces, id_piece
from flows.wire.reject import Reason, Reject
from state.ahead import AheadBound, Verdicts
from state.batch import MicroBatch
from state.schema import EVENT_KEY, EVENT_TIME, SUBJECT, SUBJECT_NAME
from state.snapshot import pack, unpack
from state.times import iso
from state.types import END_OF_TIME_US, I64, SECOND_US
from state.watermark import PartitionClock

KIND: Final = "ingest"
_VERSION: Final = 2
VERSIONS: Final = (1, _VERSION)
"""Of snapshots that can be read."""
_NOTHING: Final = Lines((), (), "")

Emitted = tuple[int, GroupInput] | Leaving
"""A message with its key group, or what leaves the flow."""


@dataclass(slots=True)
class Waiting:
    """Events that are far ahead, in the order of their arrival: their lines, and the rows that these gave."""

    lines: list[Line]
    batch: MicroBatch


class Ingest:
    """Decodes a partition's lines, sets bad and late ones aside, and sends the rest to their key groups.

    A group hears from the partition when it gets rows, and every group whenever the watermark lets a pane close.
    Events that are far ahead of the partition wait here until others decide about them (state.ahead).
    """

    awaited: ClassVar[bool] = True

    def __init__(
        self,
        stream: EventStream,
        columns: frozenset[str],
        partition: str,
        resume: bytes | None = None,
        routes: Sequence[Route] = SUBJECTS,
    ) -> None:
        """columns: that are read.  partition: the name under which messages are sent.  resume: a `snapshot()`; raises
        SnapshotError.  routes: of the stages that are sent to, the first one that of the stream's own subjects.
        """
        self._partition = partition
        self._groups = stream.key_groups
        self._schema = stream.wire.schema()
        self._routers = [Router(route, self._schema, self._groups) for route in routes]
        self._columns = columns
        self._tells_rejects = stream.tells_rejects
        named = frozenset(route.column for route in routes if route.kind)
        self._decoder = Decoder(stream.wire, named)
        self._whole = Decoder(replace(stream.wire, where=()), named)
        """For what had its place in the stream before."""
        self._clock = PartitionClock(stream.time.out_of_orderness_us, stream.pane_us, stream.time.allowed_lateness_us)
        self._ahead_us = stream.time.ahead_max_us
        self._ahead = AheadBound(self._ahead_us, stream.time.out_of_orderness_us)
        self._waiting = Waiting([], self._decoder.decode([], self._columns).batch)
        self._unfit: list[tuple[Line, Reason, str]] = []
        """Lines that waited when the job was another one, and that this one cannot read."""
        self._shares = ShareWatch(partition)
        self._filled = FilledWatch(partition, self._schema, sorted(columns))
        self._told_us = self._clock.closed_us
        self.read = self.late = self.rejected = 0
        self.accepted = 0
        """Rows on time, in this run."""
        if resume is not None:
            self._restore(resume)

    @property
    def watermark_us(self) -> int:
        """How far the partition has come in event time."""
        return self._clock.watermark_us

    @property
    def newest_us(self) -> int:
        """The largest event time that counts."""
        return self._clock.largest_us

    @property
    def rows_waiting(self) -> int:
        """Events that are far ahead, and have no fate yet."""
        return self._ahead.waiting + len(self._unfit)

    def process(self, lines: Lines, now_us: int | None = None) -> list[Emitted]:
        """Rows to their groups; bad and late lines to their streams; counts of where lines ended.

        now_us: the wall clock, in a live run.
        """
        if not lines.lines:
            return []
        decoded = self._decode(lines)
        batch, row = decoded.batch, decoded.row
        verdicts = self._ahead.judge(batch.event_time_us, batch.subject, lambda i: len(lines.lines[row[i]]), now_us)
        return self._judged(lines, decoded, verdicts)

    def silence(self, now_us: int) -> list[Emitted]:
        """A live partition has been silent: what waits, and is not ahead of the wall clock, is true."""
        return self._settled(self._ahead.silence(now_us))

    def advance(self, watermark_us: int) -> list[Emitted]:
        """Moves the watermark without rows: what wall-clock time does to an idle partition of a live run."""
        self._clock.advance(watermark_us)
        return self._settled(self._ahead.advance(self._clock.largest_us)) + list(self._send(None))

    def rest(self) -> list[Emitted]:
        """Tells all groups that they need not wait for this partition in this run."""
        head = self._partition, self.watermark_us
        return [
            (group, GroupInput(*head, at_rest=True, stage=router.route.stage))
            for router in self._routers
            for group in range(self._groups)
        ]

    def finish(self) -> list[Emitted]:
        """Tells all groups that nothing follows, and where it ended; lines that came nevertheless would all be late."""
        out = self._settled(self._ahead.finish())
        last_us = self._clock.largest_us
        faults = self._shares.finish(last_us)
        out += [Output(Stream.DRIFT, faults)] * bool(faults)
        self._clock.advance(END_OF_TIME_US)
        self._ahead.advance(END_OF_TIME_US)
        return out + [(group, replace(message, last_us=last_us)) for group, message in self._send(None)]

    def forget(self, subject: int) -> None:
        """Drops the events of one subject that wait.  subject: the hash of its id."""
        stay = np.flatnonzero(self._waiting.batch.subject != np.uint64(subject))
        self._waiting = Waiting([self._waiting.lines[i] for i in stay.tolist()], self._waiting.batch.take(stay))
        self._ahead.keep(stay.tolist())
        self._ahead.forget(subject)
        self._unfit = [unfit for unfit in self._unfit if not self._may_be_of(subject, unfit[0])]

    def _may_be_of(self, subject: int, line: Line) -> bool:
        name = self._decoder.subject_of(line.raw)
        return name is None or int(hash_pieces([id_piece([name])])[0][0]) == subject

    def snapshot(self) -> bytes:
        """What `resume` takes."""
        waiting = [*self._waiting.lines, *(line for line, _, _ in self._unfit)]
        meta: dict[str, Any] = {
            "watermark_us": self.watermark_us,
            "told_us": self._told_us,
            "read": self.read,
            "late": self.late,
            "rejected": self.rejected,
            "ahead": self._ahead.state(),
            "shares": self._shares.state(),
            "filled": self._filled.state(),
            "sources": [line.source for line in waiting],
            "unfit": [(reason.value, detail) for _, reason, detail in self._unfit],
        }
        arrays: dict[str, NDArray[Any]] = {
            "offsets": np.array([line.offset for line in waiting], np.int64),
            "sizes": np.array([len(line.raw) for line in waiting], np.int64),
            "text": np.frombuffer(b"".join(line.raw for line in waiting), np.uint8),
        }
        return pack(KIND, _VERSION, meta, arrays)

    def _restore(self, saved: bytes) -> None:
        version, meta, arrays = unpack(saved, KIND, VERSIONS)
        self._clock.advance(meta["watermark_us"])
        self._told_us = meta["told_us"]
        self.read, self.late, self.rejected = meta["read"], meta["late"], meta["rejected"]
        self._ahead.reached_us = self._clock.largest_us
        if version == 1:
            return
        self._shares = ShareWatch(self._partition, meta["shares"])
        self._filled = FilledWatch(self._partition, self._schema, sorted(self._columns), meta.get("filled"))
        ends = np.cumsum(arrays["sizes"]).tolist()
        text = arrays["text"].tobytes()
        raw = [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]
        lines = list(starmap(Line, zip(meta["sources"], arrays["offsets"].tolist(), raw, strict=True)))
        unfit = [(Reason(reason), detail) for reason, detail in meta.get("unfit", ())]
        waited = len(lines) - len(unfit)
        decoded = self._whole.decode(raw[:waited], self._columns)
        self._unfit = [(lines[r.row], r.reason, r.detail) for r in decoded.rejects]
        self._unfit += [(line, *why) for line, why in zip(lines[waited:], unfit, strict=True)]
        stay = decoded.row.tolist()
        self._waiting = Waiting([lines[row] for row in stay], decoded.batch)
        numbers = meta["ahead"]["numbers"]
        ahead = meta["ahead"] | {"numbers": [numbers[row] for row in stay]}
        weights = [len(raw[row]) for row in stay]
        self._ahead.restore(ahead, decoded.batch.event_time_us, decoded.batch.subject, weights)

    def _decode(self, lines: Lines) -> Decoded:
        """Decodes what the source did not refuse itself."""
        if not lines.refused:
            return self._decoder.decode(lines.lines, self._columns)
        at = np.delete(np.arange(len(lines.lines)), list(lines.refused))
        rest = self._decoder.decode([lines.lines[row] for row in at.tolist()], self._columns)
        rejects = [replace(reject, row=int(at[reject.row])) for reject in rest.rejects]
        rejects += [Reject(row, *why) for row, why in lines.refused.items()]
        return Decoded(rest.batch, at[rest.row], sorted(rejects, key=lambda reject: reject.row), rest.filtered)

    def _settled(self, verdicts: Verdicts) -> list[Emitted]:
        """Verdicts on events that waited, without a line that decided them; and what cannot be read any more."""
        if not (verdicts.accepted or verdicts.refused or self._unfit):
            return []
        return self._judged(_NOTHING, self._decoder.decode((), self._columns), verdicts)

    def _judged(self, lines: Lines, decoded: Decoded, verdicts: Verdicts | None) -> list[Emitted]:
        """What follows from the verdicts.  None: all rows of these lines count, in their order."""
        pool = _Pool(self._waiting, lines, decoded)
        batch, at, order = decoded.batch, decoded.row, np.arange(len(decoded.row))
        rejects = self._unfit + [(pool.of_line(r.row), r.reason, r.detail) for r in decoded.rejects]
        self._unfit = []
        refused_at = np.zeros(0, np.int64)
        if verdicts is not None:
            order = np.array(verdicts.accepted, np.int64)
            batch, at = pool.batch.take(order), pool.line_that_decided(verdicts.accepted_at)
            refused_at = pool.line_that_decided(verdicts.refused_at)
            rejects += [self._refused(pool, position, reached_us) for position, reached_us in verdicts.refused]
            held = np.array(verdicts.held, np.int64)
            self._waiting = Waiting([pool.line(i) for i in verdicts.held], pool.batch.take(held))
        reached_us, before_us = self._clock.largest_us, self._clock.before(batch.event_time_us)
        rejected = self._rejected(pool, decoded, verdicts, batch.event_time_us, at) if self._tells_rejects else None
        late = self._clock.observe(batch.event_time_us)
        late_count = int(np.count_nonzero(late))
        self.accepted += len(batch) - late_count
        out: list[Emitted] = list(self._send(batch.take(~late) if late_count else batch, rejected))
        if rejects:
            out.append(Output(Stream.REJECTS, [dead_letter(*reject) for reject in rejects]))
        if late_count:
            late_lines = [pool.line(i) for i in order[late].tolist()]
            out.append(Output(Stream.LATE, late_records(late_lines, batch.take(late), before_us[late])))
        fates = {
            "rejected": np.array([r.row for r in decoded.rejects], np.int64),
            "ahead": refused_at,
            "late": at[late],
        }
        ids = batch.event_key if self._schema.has_event_id else batch.event_key[:0]
        faults = self._shares.add(len(lines.lines), fates, at, batch.event_time_us, reached_us, ids)
        empty, known = self._filled.add(decoded.batch)
        if faults or empty:
            out.append(Output(Stream.DRIFT, [*faults, *empty]))
        return [*out, self._counted(lines, decoded, late_count, [why for _, why, _ in rejects], known)]

    def _rejected(
        self, pool: "_Pool", decoded: Decoded, verdicts: Verdicts | None, time_us: I64, at: I64
    ) -> MicroBatch | None:
        """Whose lines were rejected, and how far the partition was then; None for none that can be told.

        time_us, at: of the rows that count, and the lines that decided it.
        """
        who: list[tuple[str, int]] = []
        lines = pool.lines_of([r.row for r in decoded.rejects])
        names = [self._decoder.subject_of(line) for line in lines]
        reached = np.maximum.accumulate(np.append(self._clock.largest_us, time_us))
        before = reached[np.searchsorted(at, [r.row for r in decoded.rejects])].tolist()
        who += [(name, us) for name, us in zip(names, before, strict=True) if name is not None]
        for position, reached_us in verdicts.refused if verdicts is not None else ():
            who.append((str(pool.batch.subject_name[position]), reached_us))
        who = [(name, us) for name, us in who if us > 0]  # before the first row that counts there is no time
        if not who:
            return None
        subject, _ = hash_pieces([id_piece([name for name, _ in who])])
        return MicroBatch(
            {
                EVENT_TIME: np.array([us for _, us in who], np.int64),
                EVENT_KEY: np.zeros(len(who), np.uint64),
                SUBJECT: subject,
                SUBJECT_NAME: np.array([name for name, _ in who], object),
            }
        )

    def _refused(self, pool: "_Pool", position: int, reached_us: int) -> tuple[Line, Reason, str]:
        """A line whose time others did not bear out.  reached_us: of the partition at that moment."""
        time_us = int(pool.batch.event_time_us[position])
        detail = f"found {iso(time_us)}, which no others bore out"
        if reached_us > 0:
            ahead_s = (time_us - reached_us) / SECOND_US
            detail = (
                f"found {iso(time_us)}, {ahead_s:,.0f} s ahead of all others of {self._partition} until then; expected"
                f" at most {self._ahead_us / SECOND_US:,.0f} s (time.ahead_max), or more that bear it out"
            )
        return pool.line(position), Reason.AHEAD, detail

    def _counted(
        self, lines: Lines, decoded: Decoded, late: int, reasons: Sequence[Reason], filled: Mapping[str, int]
    ) -> Counts:
        read = len(lines.lines)
        self.read += read
        self.late += late
        self.rejected += len(reasons)
        counts = Counts(Step.INGEST)
        counts.add(READ, read)
        counts.add(LATE, late)
        for reason, rejected in Counter(reasons).items():
            counts.add(REJECTED, rejected, reason.value)
        counts.add(FILTERED, decoded.filtered)
        for column, change in filled.items():
            counts.add(FILLED, change, column)
        return counts

    def _send(self, batch: MicroBatch | None, rejected: MicroBatch | None = None) -> list[tuple[int, GroupInput]]:
        closed_us = self._clock.closed_us
        to_all = closed_us > self._told_us
        self._told_us = max(closed_us, self._told_us)
        head = self._partition, self.watermark_us
        sent: list[tuple[int, GroupInput]] = []
        for router in self._routers:
            stage = router.route.stage
            parts = router.parts(batch) if batch else {}
            # Of a line that was rejected nothing is known but its subject.
            marks = split(rejected, self._groups) if rejected is not None and not router.route.kind else {}
            groups = range(self._groups) if to_all else sorted(parts.keys() | marks.keys())
            sent += [(g, GroupInput(*head, parts.get(g), rejected=marks.get(g), stage=stage)) for g in groups]
        return sent


class _Pool:
    """Rows that waited and rows of new lines, under the positions that verdicts have."""

    def __init__(self, waiting: Waiting, lines: Lines, decoded: Decoded) -> None:
        self._waiting = waiting
        self._lines = lines
        self._decoded = decoded

    @cached_property
    def batch(self) -> MicroBatch:
        """All of them."""
        return MicroBatch.concat([self._waiting.batch, self._decoded.batch])

    def of_line(self, row: int) -> Line:
        """row: among the new lines."""
        return Line(self._lines.source, int(self._lines.offsets[row]), self._lines.lines[row])

    def lines_of(self, rows: list[int]) -> list[bytes]:
        """rows: among the new lines."""
        return [self._lines.lines[row] for row in rows]

    def line(self, position: int) -> Line:
        waited = self._waiting.lines
        if position < len(waited):
            return waited[position]
        return self.of_line(int(self._decoded.row[position - len(waited)]))

    def line_that_decided(self, rows: list[int]) -> I64:
        """The new lines of these new rows; 0 where there are none."""
        at = np.array(rows, np.int64)
        return self._decoded.row[at] if len(self._decoded.row) else at
