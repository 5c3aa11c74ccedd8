"""The subject stage: one key group's deduplication, panes, windows, features and own-history baselines."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.alerting.alert import iso
from detectors.base import Rows, Scope, SubjectDetector
from detectors.features.sequences import Segments, Sequences, fill_forward
from flows.job import DetectorUse, Job
from flows.operators.messages import CohortInput, FeatureRows, GroupInput, Output, OwnVerdict, Stream
from state.assemble import Assembler, assembler
from state.batch import MicroBatch
from state.cells import Cells, merge, run_lengths, run_starts
from state.dedup import Dedup
from state.errors import DetectorError
from state.order import stable_argsort
from state.panes import Closed, PaneLog
from state.slots import SlotColumns, SlotTable
from state.snapshot import pack, unpack
from state.types import END_OF_TIME_US, HOUR_US, I64, NO_CODE, START_OF_TIME_US
from state.watermark import WatermarkMerger
from state.windows import WindowKind

_VERSION: Final = 1


class SubjectOperator:
    """One key group at work: rows and watermarks in, feature rows of closed windows out.

    Whatever closes, closes when the minimum watermark of all source partitions has passed a pane boundary, boundary by
    boundary, so that results do not depend on how the input was cut.

    The end of the input closes every session, and of the windows on the grid those that had begun to tell: up to the
    first end after the last event of all partitions. Later ones would take the end of a file for the silence of
    everybody.
    """

    def __init__(self, job: Job, group: int, partitions: tuple[str, ...], resume: bytes | None = None) -> None:
        self._job = job
        self._group = group
        self._plan = job.plan
        self._pane_us = job.pane_us
        self._watermarks = WatermarkMerger(partitions)
        dedup = Dedup(job.time.dedup_horizon_us) if job.schema.has_event_id else None
        self._log = PaneLog(self._pane_us, dedup, job.state.rows_per_pane_max, self._tally)
        self._slots = SlotTable(job.state.capacity, job.state.ttl_us)
        self._sequences = Sequences(self._plan.sequences, self._plan.filters)
        self._cohort = SlotColumns({"cohort": (np.int16, (), NO_CODE)})
        self._assemblers: list[Assembler] = [assembler(w.spec, self._pane_us) for w in self._plan.windows]
        self._own = [_OwnDetectors(job, w.spec.name) for w in self._plan.windows]
        self._closed_us = START_OF_TIME_US
        self._last_us = START_OF_TIME_US
        if resume is not None:
            self._restore(resume)

    @property
    def rows_waiting(self) -> int:
        """Rows in panes that are still open."""
        return self._log.rows

    def process(self, message: GroupInput) -> list[tuple[str, CohortInput] | Output]:
        """Files the rows; when the watermark lets panes close, emits one message to every cohort."""
        out: list[tuple[str, CohortInput] | Output] = []
        if message.batch is not None:
            out += self._file(message.batch)
        self._last_us = max(self._last_us, message.last_us)
        watermark_us = self._watermarks.update(message.sender, message.watermark_us)
        limit_us = watermark_us - self._job.time.allowed_lateness_us
        limit_us = END_OF_TIME_US if watermark_us >= END_OF_TIME_US else limit_us // self._pane_us * self._pane_us
        return out + self._advance(limit_us) if limit_us > self._closed_us else out

    def _file(self, batch: MicroBatch) -> list[Output]:
        """Source partitions keep late rows to themselves; only a partition whose idle clock ran ahead can still bring
        one.  event_key, 16 hex digits, tells the records of different events apart.
        """
        if not len(batch) or int(batch.event_time_us.min()) >= self._closed_us:
            self._log.add(batch)
            return []
        late = batch.event_time_us < self._closed_us
        self._log.add(batch.take(~late))
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
        return [Output(Stream.LATE, records), Output(Stream.COUNTS, [{"late": len(records)}])]

    def _advance(self, limit_us: int) -> list[tuple[str, CohortInput] | Output]:
        rows: dict[str, list[FeatureRows]] = {name: [] for name in self._job.cohorts.names}
        before = self._totals()
        accepted = 0
        while (boundary_us := self._next_boundary()) is not None and boundary_us <= limit_us:
            accepted += self._close(boundary_us, rows, ended=limit_us >= END_OF_TIME_US)
        self._closed_us = limit_us
        counts = {name: total - before[name] for name, total in self._totals().items()}
        # Rows beyond the budget were taken from the log before their pane closed.
        counts["accepted"] = accepted + counts["capped"]
        for closed in (r for of_cohort in rows.values() for r in of_cohort):
            counts[f"rows.{closed.window}"] = counts.get(f"rows.{closed.window}", 0) + len(closed)
        out: list[tuple[str, CohortInput] | Output] = [
            (name, CohortInput(self._group, limit_us, of_cohort)) for name, of_cohort in rows.items()
        ]
        changed = {name: count for name, count in counts.items() if count}
        return [*out, Output(Stream.COUNTS, [changed])] if changed else out

    def _totals(self) -> dict[str, int]:
        return {
            "duplicate": self._log.duplicates,
            "capped": self._log.capped,
            "evicted": self._slots.evicted,
            "expired": self._slots.expired,
        }

    def _next_boundary(self) -> int | None:
        """The next boundary at which something closes: quiet stretches of time cost nothing."""
        due = [self._log.first_end_us(), *(a.due_us(self._closed_us) for a in self._assemblers)]
        return min((d for d in due if d is not None), default=None)

    def _close(self, boundary_us: int, rows: dict[str, list[FeatureRows]], *, ended: bool) -> int:
        closed = self._log.close(boundary_us)
        cells = self._cells(closed) if closed is not None else None
        for i, assembling in enumerate(self._assemblers):
            window = assembling.step(boundary_us, cells)
            slide_us = assembling.spec.slide_us
            tells = not ended or not slide_us or boundary_us <= (self._last_us // slide_us + 1) * slide_us
            if window is not None and tells:
                self._emit(i, boundary_us, window, rows)
        if boundary_us // HOUR_US != self._closed_us // HOUR_US:
            self._forget(self._slots.expire(boundary_us))
        self._closed_us = boundary_us
        return len(closed.batch) if closed is not None else 0

    def _tally(self, surplus: MicroBatch) -> Cells:
        """Cells of rows beyond the budget, by subject hash: their slots are given when the pane closes."""
        starts = run_starts(surplus.subject)
        keys = surplus.subject[starts].view(np.int64)
        return self._plan.kernel.surplus(surplus, self._plan.filters.masks(surplus), starts, keys)

    def _cells(self, closed: Closed) -> Cells:
        batch, subject = closed.batch, closed.batch.subject
        starts = run_starts(subject)
        lengths = run_lengths(starts, len(subject))
        last = starts + lengths - 1
        slot, evicted = self._slots.enter(
            subject[starts], lambda new: closed.names(starts[new]), batch.event_time_us[last]
        )
        self._forget(evicted)
        self._sequences.carry.grow(self._slots.size)
        self._cohort.grow(self._slots.size)
        segments = Segments(np.repeat(np.arange(len(starts)), lengths), slot)
        masks = self._plan.filters.masks(batch)
        derived = self._sequences.compute(batch, masks, segments)
        if self._job.cohorts.column:
            word = batch[self._job.cohorts.column]
            fill_forward(word, word >= 0, self._cohort["cohort"], segments)
        cells = self._plan.kernel.cells(MicroBatch(batch.columns | derived), masks, starts, slot, slot[segments.of_row])
        if closed.folded is None:
            return cells
        # Every flooding subject has kept rows, so it has a slot.
        at = np.searchsorted(subject[starts], closed.folded.slot.view(np.uint64))
        return merge([cells, closed.folded.renamed(slot[at])])

    def _forget(self, slots: I64) -> None:
        if not len(slots):
            return
        self._sequences.carry.reset(slots)
        self._cohort.reset(slots)
        for assembling in self._assemblers:
            assembling.drop(slots)
        for own in self._own:
            own.forget(slots)

    def _emit(self, index: int, end_us: int, cells: Cells, rows: dict[str, list[FeatureRows]]) -> None:
        window = self._plan.windows[index]
        keys = self._slots.key(cells.slot)
        order = stable_argsort(keys)
        slot = cells.slot[order]
        x = window.matrix(cells)[:, order].T
        if window.spec.kind is WindowKind.SESSION:
            start_us, stop_us = cells.first_us[order].astype(np.int64), cells.last_us[order].astype(np.int64)
        else:
            start_us = np.full(len(order), end_us - window.spec.size_us)
            stop_us = np.full(len(order), end_us)
        own = self._own[index].judge(
            Rows(window.spec.name, end_us, x, keys[order], start_us, stop_us, slot.astype(np.int32))
        )
        everything = FeatureRows(
            window.spec.name, end_us, self._group, keys[order], self._slots.name(slot), start_us, stop_us, x, own
        )
        names = self._job.cohorts.names
        if len(names) == 1:
            rows[names[0]].append(everything)
            return
        code = self._cohort["cohort"][slot]
        code = np.where(code < 0, len(names) - 1, code)
        for cohort in np.unique(code).tolist():
            rows[names[cohort]].append(_take(everything, np.flatnonzero(code == cohort)))

    def snapshot(self) -> bytes:
        """The whole state as framed bytes."""
        frames: dict[str, bytes] = {"log": self._log.snapshot(), "slots": self._slots.snapshot()}
        frames["carry"] = pack("carry", 1, {}, self._sequences.carry.arrays() | self._cohort.arrays())
        for assembling in self._assemblers:
            frames[f"window.{assembling.spec.name}"] = pack("window", 1, {}, assembling.arrays())
        for window, own in zip(self._plan.windows, self._own, strict=True):
            frames |= {f"own.{window.spec.name}.{name}": blob for name, blob in own.snapshots().items()}
        meta = {
            "closed_us": self._closed_us,
            "last_us": self._last_us,
            "watermarks": self._watermarks.state(),
            "digest": self._job.digest,
        }
        return pack("subject", _VERSION, meta, {name: np.frombuffer(blob, np.uint8) for name, blob in frames.items()})

    def _restore(self, blob: bytes) -> None:
        _, meta, arrays = unpack(blob, "subject", (_VERSION,))
        frames: dict[str, bytes] = {name: array.tobytes() for name, array in arrays.items()}
        self._closed_us, self._last_us = meta["closed_us"], meta["last_us"]
        self._watermarks.restore(meta["watermarks"])
        self._log.restore(frames["log"])
        self._slots.restore(frames["slots"])
        carry: dict[str, NDArray[Any]] = unpack(frames["carry"], "carry", (1,))[2]
        self._sequences.carry.restore(carry)
        self._cohort.restore(carry)
        for assembling in self._assemblers:
            assembling.restore(unpack(frames[f"window.{assembling.spec.name}"], "window", (1,))[2])
        for window, own in zip(self._plan.windows, self._own, strict=True):
            own.restore(
                {name.split(".", 2)[2]: b for name, b in frames.items() if name.startswith(f"own.{window.spec.name}.")}
            )


class _OwnDetectors:
    """The subject-scope detectors of one window."""

    def __init__(self, job: Job, window: str) -> None:
        plan = next(w for w in job.plan.windows if w.spec.name == window)
        self._uses: list[tuple[DetectorUse, I64, int]] = []
        self._detectors: dict[str, SubjectDetector] = {}
        for use in job.detectors:
            if use.spec.scope is Scope.SUBJECT and window in use.windows:
                chosen = np.array(
                    [i for i, f in enumerate(plan.features) if not use.features or f.name in use.features]
                )
                self._uses.append((use, chosen, len(plan.features)))
        self._infos = plan.features
        self.restore({})

    def judge(self, rows: Rows) -> dict[str, OwnVerdict]:
        """Each detector's verdict on the rows, which it learns from afterwards."""
        verdicts: dict[str, OwnVerdict] = {}
        for use, chosen, width in self._uses:
            detector = self._detectors[use.name]
            view = Rows(
                rows.window, rows.end_us, rows.x[:, chosen], rows.subject, rows.start_us, rows.stop_us, rows.slot
            )
            typical = np.full((len(rows), width), np.nan)
            share = np.zeros((len(rows), width))
            score = detector.score(view)
            typical[:, chosen] = detector.typical(view)
            share[:, chosen] = detector.explain(view)
            detector.learn(view)
            verdicts[use.name] = OwnVerdict(score, typical, share)
        return verdicts

    def forget(self, slots: I64) -> None:
        for detector in self._detectors.values():
            detector.forget(slots)

    def snapshots(self) -> dict[str, bytes]:
        return {name: detector.snapshot() for name, detector in self._detectors.items()}

    def restore(self, frames: dict[str, bytes]) -> None:
        """Builds the detectors, each from its frame where there is one."""
        for use, chosen, _ in self._uses:
            detector = use.spec.build(tuple(self._infos[i] for i in chosen.tolist()), frames.get(use.name))
            if not isinstance(detector, SubjectDetector):
                raise DetectorError(
                    f"detector {use.name!r} declares scope subject, but is no SubjectDetector: {type(detector)}"
                )
            self._detectors[use.name] = detector


def _take(rows: FeatureRows, at: I64) -> FeatureRows:
    own = {name: OwnVerdict(v.score[at], v.typical[at], v.share[at]) for name, v in rows.own.items()}
    return FeatureRows(
        rows.window,
        rows.end_us,
        rows.group,
        rows.subject[at],
        rows.name[at],
        rows.start_us[at],
        rows.stop_us[at],
        rows.x[at],
        own,
    )
