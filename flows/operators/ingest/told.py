"""The first stage of what people tell a running job, one per source partition: lines to labels and commands.

Nobody waits for them: a partition of labels that is silent holds no window open.
"""

import base64
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, ClassVar, Final

import numpy as np

from flows.counters import CONTROL, LABELS, Counts
from flows.event_stream import EventStream
from flows.operators.ingest.aside import Line, dead_letter
from flows.operators.ingest.operator import KIND as INGEST_KIND
from flows.operators.ingest.operator import VERSIONS as INGEST_VERSIONS
from flows.operators.ingest.operator import Emitted, Ingest
from flows.operators.ingest.route import SUBJECTS, Route
from flows.operators.ingest.verdicts import Carried, VerdictRows
from flows.operators.messages import GroupInput, Output
from flows.sources.base import Lines
from flows.steps import Step, stage_name
from flows.streams import Stream
from flows.wire.reject import BadLineError, Reason
from flows.wire.told import ONE_KIND, Command, Kinds, Label, read_command, read_label
from state.ahead import AheadBound, Verdicts
from state.batch import MicroBatch
from state.errors import SnapshotError
from state.keygroup import key_group
from state.snapshot import pack, unpack
from state.times import iso
from state.types import END_OF_TIME_US
from state.watermark import PartitionClock

_KIND: Final = "told"
_VERSION: Final = 2
_VERSIONS: Final = (1, _VERSION)
_VOTES: Final = 2
"""Lines that bear out one that is ahead, or speak against it."""


class Told:
    """Reads a partition's lines; each takes effect at the end of the pane that it was told in, or falls in later.

    What is about a subject goes to the subject's group, a command to a detector to the first one; each hands it to all
    cohorts.
    What is dated ahead of the others waits for them, as events do (state.ahead); each line speaks for itself. In a live
    run, where it must not wait, the wall clock decides at once.
    """

    awaited: ClassVar[bool] = False

    def __init__(
        self,
        stream: EventStream,
        partition: str,
        reads: str,
        resume: bytes | None = None,
        kinds: Kinds = ONE_KIND,
        verdicts: VerdictRows | None = None,
    ) -> None:
        """reads: "labels" or "control".  resume: a `snapshot()`; raises SnapshotError.  kinds: of subjects.  verdicts:
        makes rows of labels, where somebody counts them.
        """
        self._verdicts = verdicts
        self._kinds = kinds
        self._stages = [stage_name(kind, Step.SUBJECT) for kind in ("", *sorted(kinds.others))]
        self._partition = partition
        self._reads = reads
        self._groups = stream.key_groups
        self._pane_us = stream.pane_us
        self._clock = PartitionClock(stream.time.out_of_orderness_us, stream.pane_us, stream.time.allowed_lateness_us)
        self._ahead_us = stream.time.ahead_max_us
        self._ahead = AheadBound(self._ahead_us, stream.time.out_of_orderness_us, _VOTES)
        self._waiting: list[tuple[int, Line]] = []
        """Lines that wait, and when they are dated."""
        self._told_us = self._clock.closed_us
        self._lines = 0
        self.accepted = 0
        """Labels and commands that count, in this run."""
        if resume is not None:
            version, meta, _ = unpack(resume, _KIND, _VERSIONS)
            self._clock.advance(meta["watermark_us"])
            self._told_us = meta["told_us"]
            self._ahead.reached_us = self._clock.largest_us
            if version > 1:
                self._resume(meta)

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
        """None of the events that are counted."""
        return 0

    def process(self, lines: Lines, now_us: int | None = None) -> list[Emitted]:
        """Labels and commands to their groups; bad lines to their stream; counts of lines read and rejected.

        now_us: the wall clock, in a live run.
        """
        dated: list[tuple[int, Line]] = []
        rejects: list[tuple[Line, Reason, str]] = []
        for row, raw in enumerate(lines.lines):
            line = Line(lines.source, int(lines.offsets[row]), raw)
            try:
                if row in lines.refused:
                    raise BadLineError(lines.refused[row])
                at_us, _ = self._read(line)
                if self._verdicts is not None:
                    self._verdicts.carried(line.raw)
                if now_us is not None and self._ahead_us and at_us > now_us + self._ahead_us:
                    raise BadLineError((Reason.AHEAD, f"at: found {iso(at_us)}, which is ahead of the clock"))
            except BadLineError as error:
                rejects.append((line, *error.why))
                continue
            dated.append((at_us, line))
        if now_us is not None:
            return self._left() + self._emit(dated, None, rejects, len(lines.lines))
        number = np.arange(self._lines, self._lines + len(dated)).astype(np.uint64)
        self._lines += len(dated)
        at = np.array([at_us for at_us, _ in dated], np.int64)
        verdicts = self._ahead.judge(at, number, lambda i: len(dated[i][1].raw))
        return self._emit([*self._waiting, *dated], verdicts, rejects, len(lines.lines))

    def _emit(
        self,
        dated: list[tuple[int, Line]],
        verdicts: Verdicts | None,
        rejects: list[tuple[Line, Reason, str]],
        read: int,
    ) -> list[Emitted]:
        """verdicts: None where all count."""
        accepted = dated
        self._waiting = []
        if verdicts is not None:
            accepted = [dated[i] for i in verdicts.accepted]
            self._waiting = [dated[i] for i in verdicts.held]
            for position, _ in verdicts.refused:
                at_us, line = dated[position]
                rejects.append((line, Reason.AHEAD, f"at: found {iso(at_us)}, far ahead of the lines that follow"))
        self.accepted += len(accepted)
        by_group: dict[tuple[str, int], list[Label | Command]] = {}
        counted: list[tuple[Label, int, bytes]] = []
        for at_us, line in accepted:
            _, told = self._read(line)
            # From the partition alone, so that it does not matter how partitions are interleaved.
            effect_us = max(at_us, self._clock.watermark_us)
            if self._verdicts is not None and not told.kind:
                counted.append((told, effect_us, line.raw))
            told = told._replace(end_us=(effect_us // self._pane_us + 1) * self._pane_us)
            self._clock.observe(np.array([at_us]))
            subject = np.array([told.subject], np.uint64)
            group = int(key_group(subject, self._groups)[0])
            by_group.setdefault((stage_name(told.kind, Step.SUBJECT), group), []).append(told)
        out: list[Emitted] = list(self._send(by_group, self._rows_of(counted)))
        if rejects:
            out.append(Output(Stream.REJECTS, [dead_letter(*reject) for reject in rejects]))
        counts, lines = Counts(Step.INGEST), LABELS if self._reads == "labels" else CONTROL
        counts.add(lines, read, "read")
        counts.add(lines, len(rejects), "rejected")
        return [*out, counts] if counts else out

    def _rows_of(self, counted: list[tuple[Label, int, bytes]]) -> dict[tuple[str, int], MicroBatch]:
        """Labels as rows of the stages that count them.  One that waited while the job was another one, and does not
        fit this one's columns, is a label and no row.
        """
        if self._verdicts is None:
            return {}
        rows: list[tuple[Label, int, bytes, Carried]] = []
        for label, at_us, raw in counted:
            with suppress(BadLineError):
                rows.append((label, at_us, raw, self._verdicts.carried(raw)))
        return self._verdicts.parts(*zip(*rows, strict=True)) if rows else {}

    def _read(self, line: Line) -> tuple[int, Any]:
        if self._reads == "labels":
            return read_label(line.raw, self._kinds)
        return read_command(line.raw, line.source, line.offset, self._kinds)

    def _left(self) -> list[Emitted]:
        """What waits is decided now."""
        return self._emit(self._waiting, self._ahead.finish(), [], 0) if self._waiting else []

    def silence(self, _: int) -> list[Emitted]:
        """A live partition has been silent; only a bounded run can have left lines that wait."""
        return self._left()

    def advance(self, watermark_us: int) -> list[Emitted]:
        """Moves the watermark without a line."""
        self._clock.advance(watermark_us)
        self._ahead.reached_us = max(self._ahead.reached_us, self._clock.largest_us)
        return list(self._send({}))

    def rest(self) -> list[Emitted]:
        """Tells all groups that they need not wait for this partition in this run."""
        head = self._partition, self.watermark_us
        return [(group, GroupInput(*head, at_rest=True, stage=stage)) for stage, group in self._all]

    def finish(self) -> list[Emitted]:
        """Tells all groups that nothing follows."""
        return self._left() + self.advance(END_OF_TIME_US)

    def forget(self, subject: int) -> None:
        """Drops what is about one subject and waits.  subject: the hash of its id."""
        stay = [i for i, (_, line) in enumerate(self._waiting) if not self._is_about(subject, line)]
        self._waiting = [self._waiting[i] for i in stay]
        self._ahead.keep(stay)

    def snapshot(self) -> bytes:
        """What `resume` takes."""
        waiting = [
            [at_us, line.source, line.offset, base64.b64encode(line.raw).decode()] for at_us, line in self._waiting
        ]
        meta = {
            "watermark_us": self.watermark_us,
            "told_us": self._told_us,
            "lines": self._lines,
            "ahead": self._ahead.state(),
            "waiting": waiting,
        }
        return pack(_KIND, _VERSION, meta, {})

    def _resume(self, meta: dict[str, Any]) -> None:
        self._lines = meta["lines"]
        self._waiting = [
            (at_us, Line(source, offset, base64.b64decode(raw))) for at_us, source, offset, raw in meta["waiting"]
        ]
        n = len(self._waiting)
        at = np.array([at_us for at_us, _ in self._waiting], np.int64)
        # Any numbers will do that no line to come has: each speaks for itself.
        number = np.arange(2**63, 2**63 + n, dtype=np.uint64)
        self._ahead.restore(meta["ahead"], at, number, [len(line.raw) for _, line in self._waiting])

    def _is_about(self, subject: int, line: Line) -> bool:
        """Also where lines that wait were asked for without knowing what they are."""
        for read in (read_label, _command):
            with suppress(BadLineError):
                return read(line.raw, self._kinds)[1].subject == subject
        return False

    @property
    def _all(self) -> list[tuple[str, int]]:
        """Stages and key groups that hear it."""
        return [(stage, group) for stage in self._stages for group in range(self._groups)]

    def _send(
        self,
        by_group: dict[tuple[str, int], list[Label | Command]],
        rows: Mapping[tuple[str, int], MicroBatch] = MappingProxyType({}),
    ) -> list[tuple[int, GroupInput]]:
        closed_us = self._clock.closed_us
        places = self._all if closed_us > self._told_us else sorted(by_group.keys() | rows.keys())
        self._told_us = max(closed_us, self._told_us)
        head = self._partition, self.watermark_us
        return [
            (group, GroupInput(*head, told=by_group.get(at, []), verdicts=rows.get(at), stage=stage))
            for at in places
            for stage, group in (at,)
        ]


def first_stage(
    stream: EventStream,
    columns: frozenset[str],
    partition: str,
    reads: str,
    resume: bytes | None = None,
    routes: Sequence[Route] = SUBJECTS,
    kinds: Kinds = ONE_KIND,
    carries: Sequence[str] = (),
) -> Ingest | Told:
    """The operator of a source partition.  reads: "events", "labels" or "control".  columns, routes: as of Ingest.
    kinds: of subjects; what people tell goes to the stage of its kind.  carries: event columns that labels have.
    """
    if reads == "events":
        return Ingest(stream, columns, partition, resume, routes)
    verdicts = VerdictRows(stream, carries, routes) if reads == "labels" and carries else None
    return Told(stream, partition, reads, resume, kinds, verdicts)


def describe_first(saved: bytes) -> dict[str, Any]:
    """A snapshot of either, as JSON values: how far the partition has come, and how many lines wait for others."""
    _, _, meta, _ = _opened(saved)
    return {"watermark_us": meta["watermark_us"], "waiting": len(meta.get("sources", meta.get("waiting", ())))}


def set_back(saved: bytes, watermark_us: int) -> bytes:
    """A snapshot of either with an earlier watermark."""
    kind, version, meta, arrays = _opened(saved)
    meta |= {name: min(meta[name], watermark_us) for name in ("watermark_us", "told_us")}
    return pack(kind, version, meta, arrays)


def forget_first(
    stream: EventStream, columns: frozenset[str], partition: str, saved: bytes, subject: int, kinds: Kinds = ONE_KIND
) -> tuple[bytes, int]:
    """A snapshot of either without what waits of one subject, and how many events that were."""
    # Lines that wait say themselves whether they are labels or commands.
    reads = "events" if _opened(saved)[0] == INGEST_KIND else "labels"
    stage = first_stage(stream, columns, partition, reads, saved, kinds=kinds)
    before = stage.rows_waiting
    stage.forget(subject)
    return stage.snapshot(), before - stage.rows_waiting


def _command(raw: bytes, kinds: Kinds) -> tuple[int, Command]:
    return read_command(raw, "", 0, kinds)


def _opened(saved: bytes) -> tuple[str, int, dict[str, Any], dict[str, Any]]:
    """Kind, version and contents."""
    try:
        return (INGEST_KIND, *unpack(saved, INGEST_KIND, INGEST_VERSIONS))
    except SnapshotError:
        return (_KIND, *unpack(saved, _KIND, _VERSIONS))
