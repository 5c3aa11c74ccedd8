"""The subject stage: one key group's deduplication, panes, windows, features and own-history baselines."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from flows.counters import ACCEPTED, CAPPED, DUPLICATE, EVICTED, EXPIRED, LATE, ROWS, Counts
from flows.event_stream import EventStream
from flows.evolution.changes import Evolution, LayoutNote, Since, name_in_state, window_fits
from flows.evolution.layout import StateForm
from flows.judgement import Audience
from flows.metrics import catalogue as c
from flows.metrics.catalogue import Numbers, seconds
from flows.operators.messages import CohortInput, GroupInput, Leaving, LoanInput, Output, lender_name
from flows.operators.subject.borrowing import Borrowing
from flows.operators.subject.closing import Closing
from flows.operators.subject.counting import Counting
from flows.operators.subject.lending import Lending
from flows.steps import Step
from flows.streams import Stream
from flows.wire.told import Command, Label, told_from, told_state
from state.batch import MicroBatch
from state.cells import Cells
from state.chunks import Chunks, Saved, Sized
from state.dedup import Dedup
from state.panes import PaneFit, PaneLog
from state.schema import EVENT_TIME
from state.snapshot import pack_frames, squeezed, unpack_frames
from state.spans import Spans
from state.times import iso
from state.types import END_OF_TIME_US, I64, START_OF_TIME_US
from state.watermark import WatermarkMerger
from state.window_builders import WindowBuilder
from state.windows import WindowSpec

_VERSION: Final = 1


Sent = tuple[str, CohortInput] | tuple[int, LoanInput] | Leaving
"""What it emits: to cohorts, to key groups of other kinds of subjects, or out of the flow."""


class SubjectOperator:
    """One key group at work: rows and watermarks in, feature rows of closed windows out.

    Whatever closes, closes when the minimum watermark of all source partitions has passed a pane boundary, boundary by
    boundary, so that results do not depend on how the input was cut.

    The end of the input closes every session, and of the windows on the grid those that had begun to tell: up to the
    first end after the last event of all partitions. Later ones would take the end of a file for the silence of
    everybody.

    partitions: all that send.  Those that bring labels or commands, and no events, may end before the events or go on
    after them.
    """

    def __init__(
        self,
        stream: EventStream,
        audience: Audience,
        form: StateForm,
        group: int,
        partitions: tuple[str, ...],
        resume: Saved | None = None,
        reads: Mapping[str, str] = MappingProxyType({}),
        stage: str = Step.SUBJECT,
    ) -> None:
        """reads: of partitions that are not events', what they are.  stage: the name under which it counts."""
        self._stream = stream
        self._form = form
        self._stage = stage
        self._group = group
        self._pane_us = stream.pane_us
        lenders = [lender_name(loan.kind, group) for loan in stream.borrows for group in range(stream.key_groups)]
        self._watermarks = WatermarkMerger((*partitions, *lenders))
        self._of_events = [name for name in partitions if name not in reads]
        dedup = Dedup(stream.time.dedup_horizon_us) if stream.schema.has_event_id else None
        rows_max, marks = stream.state.rows_per_pane_max, stream.tells_duplicates
        self._windows = stream.plan.windows
        self._borrowing = Borrowing(stream.borrows, stream.schema) if stream.borrows else None
        self._lending = self._lends(audience.cohorts.kind)
        self._log = PaneLog(self._pane_us, dedup, rows_max, self._tally, marks=marks)
        self._counting = Counting(
            stream, audience.cohorts.column, self._log, self._forget, self._borrowing, self._lending
        )
        self._building: dict[str, WindowBuilder] = {w.spec.name: w.spec.build(self._pane_us) for w in self._windows}
        self._closing = Closing(self._windows, audience, group, stage, form.renamed, self._lending)
        self._closed_us = START_OF_TIME_US
        self._boundary_us = START_OF_TIME_US
        """Where something closed last: unlike `_closed_us` a function of the rows alone."""
        self._last_us = START_OF_TIME_US
        self._told: list[Label | Command] = []
        """What takes effect at boundaries to come."""
        self._counted = self._totals()
        """Totals as they were told; a pane may fold rows, and find duplicates, long before it closes."""
        self._layout = LayoutNote(form)
        self._since = Since()
        if resume is not None:
            self._restore(resume)

    def _lends(self, kind: str) -> Lending | None:
        lends = self._stream.lends
        if lends is None:
            return None
        (window,) = (w for w in self._windows if w.spec.name == lends.window)
        return Lending(lends, kind, self._group, self._stream.key_groups, [f.name for f in window.features])

    def _tally(self, surplus: MicroBatch) -> Cells:
        whole = surplus if self._borrowing is None else self._borrowing.blank(surplus)
        return self._stream.plan.tally(whole)

    @property
    def rows_waiting(self) -> int:
        """Rows in panes that are still open, with those of them that were folded or dropped and are not counted yet."""
        totals = self._totals()
        return self._log.rows + sum(
            totals[counter.name] - self._counted[counter.name] for counter in (CAPPED, DUPLICATE)
        )

    def process(self, message: GroupInput | LoanInput) -> list[Sent]:
        """Files the rows; when the watermark lets panes close, emits one message to every cohort, and one to every key
        group that is lent to.
        """
        out: list[Sent] = []
        if isinstance(message, LoanInput):
            if self._borrowing is not None:
                self._borrowing.add(message)
            return self._move(self._watermarks.update(message.sender, message.watermark_us))
        if message.batch is not None:
            out += self._file(message.batch)
        if message.rejected is not None:
            marks = message.rejected
            # In a live run the clock may have closed the pane in which it came.
            time_us = np.maximum(marks.event_time_us, self._closed_us)
            self._log.reject(marks.subject, marks.subject_name, time_us)
        if message.verdicts is not None:
            late = {EVENT_TIME: np.maximum(message.verdicts.event_time_us, self._closed_us)}
            self._log.add(MicroBatch(message.verdicts.columns | late))
        self._told += message.told
        self._last_us = max(self._last_us, message.last_us)
        watermark_us = self._watermarks.update(message.sender, message.watermark_us, at_rest=message.at_rest)
        return out + self._move(watermark_us)

    def _move(self, watermark_us: int) -> list[Sent]:
        limit_us = watermark_us - self._stream.time.allowed_lateness_us
        limit_us = END_OF_TIME_US if watermark_us >= END_OF_TIME_US else limit_us // self._pane_us * self._pane_us
        return self._advance(limit_us) if limit_us > self._closed_us else []

    def _file(self, batch: MicroBatch) -> list[Leaving]:
        """Source partitions keep late rows to themselves; only a partition whose idle clock ran ahead can still bring
        one.  event_key, 16 hex digits, tells the records of different events apart.
        """
        if not len(batch) or int(batch.event_time_us.min()) >= self._closed_us:
            self._log.add(batch)
            return []
        late = batch.event_time_us < self._closed_us
        self._log.add(batch.take(~late))
        if self._stage != Step.SUBJECT:  # told once, where each line has its fate
            return []
        rows = batch.take(late)
        records = [
            {
                "event_key": f"{key:016x}",
                "subject": name,
                "event_time": iso(time_us),
                "lateness_s": (self._closed_us - time_us) / 1e6,
            }
            for key, name, time_us in zip(
                rows.event_key.tolist(), rows.subject_name.tolist(), rows.event_time_us.tolist(), strict=True
            )
        ]
        counts = Counts(Step.SUBJECT, self._stage)
        counts.add(LATE, len(records))
        return [Output(Stream.LATE, records), counts]

    def _advance(self, limit_us: int) -> list[Sent]:
        accepted = 0
        while (boundary_us := self._next_boundary()) is not None and boundary_us <= limit_us:
            accepted += self._close(boundary_us, limit_us)
        self._closed_us = limit_us
        rows = self._closing.take()
        counts, totals = Counts(Step.SUBJECT, self._stage), self._totals()
        # Rows beyond the budget were taken from the log before their pane closed.
        counts.add(ACCEPTED, accepted + totals[CAPPED.name] - self._counted[CAPPED.name])
        for counter in (DUPLICATE, CAPPED, EVICTED, EXPIRED):
            counts.add(counter, totals[counter.name] - self._counted[counter.name])
        self._counted = totals
        for window, closed in self._closing.counted().items():
            counts.add(ROWS, closed, window)
        told = [item for item in self._told if item.end_us <= limit_us]
        self._told = [item for item in self._told if item.end_us > limit_us]
        out: list[Sent] = [
            (name, CohortInput(self._group, limit_us, of_cohort, told)) for name, of_cohort in rows.items()
        ]
        if self._borrowing is not None:
            self._borrowing.forget_until(limit_us)
        if self._lending is not None:
            out += self._lending.take(limit_us, self._stream.time.allowed_lateness_us)
        out += self._closing.faults()
        return [*out, counts] if counts else out

    def _totals(self) -> dict[str, int]:
        """Of counters that the parts of this operator keep; by name, as they are saved."""
        slots = self._counting.slots
        return {
            DUPLICATE.name: self._log.duplicates,
            CAPPED.name: self._log.capped,
            EVICTED.name: slots.evicted,
            EXPIRED.name: slots.expired,
        }

    def _next_boundary(self) -> int | None:
        """The next boundary at which something closes: quiet stretches of time cost nothing."""
        due = [self._counting.first_end_us(), *(a.due_us(self._closed_us) for a in self._building.values())]
        return min((d for d in due if d is not None), default=None)

    def _close(self, boundary_us: int, limit_us: int) -> int:
        """All that closes there, and at further boundaries before anybody leaves; how many rows these had."""
        panes, met = self._counting.close(boundary_us, limit_us, self._boundary_us)
        for i, planned in enumerate(self._windows):
            name = planned.spec.name
            fed = [(pane.end_us, planned.of(pane.cells, pane.marks)) for pane in panes]
            for closed in self._building[name].steps(fed, self._closed_us):
                spans = self._told_of(planned.spec, closed)
                if len(spans):
                    self._closing.add(i, spans, self._counting.slots, self._counting.cohort)
        if met:
            self._closing.met(met)
        self._closing.relieve()
        last_us = panes[-1].end_us
        if len(panes) == 1:  # nobody leaves during several
            self._counting.expire(last_us, self._boundary_us)
        self._boundary_us = self._closed_us = last_us
        return sum(pane.rows for pane in panes)

    def _told_of(self, spec: WindowSpec, spans: Spans) -> Spans:
        """The rows that are told: not those that might have begun before there was such a window, and where events have
        ended, those of windows that had begun to tell by then.
        """
        if spec.name in self._since.windows:
            spans = spans.where(spec.whole(self._since.windows[spec.name], spans.end_us, spans.cells.first_us))
        if self._watermarks.least_of(self._of_events) >= END_OF_TIME_US:
            spans = spans.where(spans.end_us <= spec.last_end_us(self._last_us))
        return spans

    def _forget(self, slots: I64) -> None:
        for building in self._building.values():
            building.drop(slots)
        self._closing.forget(slots)

    def observe(self, numbers: Numbers) -> None:
        """Its part of what a run tells of itself."""
        c.add(numbers, c.SUBJECTS, self.users, self._stage)
        c.add(numbers, c.STAGE_BOUNDARY, seconds(self._closed_us), self._stage)
        self._closing.observe(numbers)

    @property
    def users(self) -> int:
        """Subjects that have a slot."""
        return len(self._counting.slots)

    def describe(self) -> dict[str, Any]:
        """What there is, as JSON values.  windows: open cells, one per subject and slide (or session)."""
        return {
            "users": self.users,
            "rows_waiting": self._log.rows,
            "open_panes": sum(1 for _ in self._log.panes()),
            "watermark_us": self._watermarks.watermark_us,
            "windows": {name: sum(map(len, a.cells())) for name, a in self._building.items()},
            "active": self.active(),
            "parts": self.sizes(),
        }

    def look_up(self, subject: int) -> dict[str, Any] | None:
        """What is known of one subject, as JSON values; None when nothing is.  subject: the hash of its id."""
        waiting, slot = self._log.rows_of(subject), self._counting.slots.find(subject)
        if slot is None:
            return {"rows_waiting": waiting} if waiting else None
        return {
            "name": str(self._counting.slots.name(np.array([slot]))[0]),
            "slot": slot,
            "last_seen": iso(self._counting.slots.last_seen_us(slot)),
            "rows_waiting": waiting,
            "windows": {name: sum(int(slot in c.slot) for c in a.cells()) for name, a in self._building.items()},
            "remembered": self._counting.row(slot),
            "own_history": self._closing.row(slot),
        }

    def forget(self, subject: int) -> int:
        """Drops all that is known of one subject, and returns how many rows of it were waiting.

        What stays are event ids for deduplication, which are hashes of their own.
        """
        waiting = self._log.forget(subject)
        self._counting.forget(subject)
        for building in self._building.values():
            building.condense()
        self._told = [item for item in self._told if item.subject != subject]
        return waiting

    def _parts(self) -> dict[str, Callable[[Chunks], dict[str, bytes]]]:
        """What the state consists of -> what gives the root frames of that."""
        parts = {"open panes and event ids": _one("log", self._log.snapshot), "subjects": self._counting.snapshots}
        parts |= {f"window {name}": _one(f"window.{name}", a.snapshot) for name, a in self._building.items()}
        parts["own history"] = _named("own", self._closing.snapshots)
        if any(window.running for window in self._windows):
            parts["features that go on"] = _named("running", self._closing.running)
        if (borrowing := self._borrowing) is not None:
            parts["borrowed"] = _one("loans", lambda _: borrowing.snapshot())
        if self._lending is not None:
            parts["lent"] = _one("lent", self._lending.snapshot)
        return parts

    def sizes(self) -> dict[str, int]:
        """Part of the state -> bytes that a snapshot of it takes, all of it written."""
        sizes: dict[str, int] = {}
        for name, part in self._parts().items():
            chunks = Sized()
            roots = sum(len(squeezed(frame)) for frame in part(chunks).values())
            sizes[name] = roots + chunks.bytes
        return sizes

    def active(self) -> int:
        """Subjects that are in a window."""
        slots = [cells.slot for building in self._building.values() for cells in building.cells()]
        return len(np.unique(np.concatenate(slots))) if slots else 0

    def snapshot(self, chunks: Chunks) -> bytes:
        """The root frame of the state."""
        self._since.forget(self._stream, self._closed_us)
        frames = {name: frame for part in self._parts().values() for name, frame in part(chunks).items()}
        meta = {
            "closed_us": self._closed_us,
            "boundary_us": self._boundary_us,
            "last_us": self._last_us,
            "watermarks": self._watermarks.state(),
            "counted": self._counted,
            "layout": self._layout.put(chunks),
            "since": self._since.state(),
            "running": self._closing.meant(self._form),
            "lends": self._form.lends(self._stream.lends),
            **told_state(self._told),
        }
        return squeezed(pack_frames("subject", _VERSION, meta, frames))

    def _restore(self, saved: Saved) -> None:
        meta, frames = unpack_frames(saved.root, "subject", (_VERSION,))
        self._closed_us, self._last_us = meta["closed_us"], meta["last_us"]
        self._boundary_us = meta.get("boundary_us", self._closed_us)
        self._watermarks.restore(meta["watermarks"])
        self._told = told_from(meta)
        self._since = Since(**meta.get("since", {}))
        layout, now = self._layout.changed(saved, meta), self._form.layout
        fits = window_fits(self._building, now, layout)
        own = {n.removeprefix("own."): root for n, root in frames.items() if n.startswith("own.")}
        cells = None
        if layout is None:
            self._log.restore(frames["log"], saved.chunks)
            self._counting.restore(frames, saved.chunks)
        else:
            evolution = Evolution(self._stream.schema, now, layout)
            cells = evolution.cells
            self._log.restore(frames["log"], saved.chunks, PaneFit(evolution.rows, cells, layout.pane_us))
            self._counting.restore(frames, saved.chunks, evolution.cold_sequences, evolution.cohort_codes)
            waiting = [end for end, _ in self._log.panes()]
            began_us = max([self._closed_us, *waiting])
            self._since.evolve(evolution, self._stream, self._form.renamed, began_us)
        for name, fit in fits.items():
            self._building[name].restore(frames[f"window.{name_in_state(name, fit)}"], saved.chunks, cells)
        running = {n.removeprefix("running."): root for n, root in frames.items() if n.startswith("running.")}
        self._closing.restore_running(running, saved.chunks, meta.get("running", {}), self._form)
        if self._borrowing is not None and "loans" in frames:
            self._borrowing.restore(frames["loans"])
        if self._lending is not None and meta.get("lends") == self._form.lends(self._stream.lends):
            self._lending.known.restore(frames["lent"], saved.chunks)
        self._counted = meta.get("counted", self._totals())
        self._closing.since = self._since.features(now)
        self._closing.restore(own, saved.chunks, fits)


def _one(name: str, frame: Callable[[Chunks], bytes]) -> Callable[[Chunks], dict[str, bytes]]:
    return lambda chunks: {name: frame(chunks)}


def _named(kind: str, frames: Callable[[Chunks], dict[str, bytes]]) -> Callable[[Chunks], dict[str, bytes]]:
    return lambda chunks: {f"{kind}.{name}": frame for name, frame in frames(chunks).items()}
