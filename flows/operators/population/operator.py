"""The population stage: one cohort's rounds, in one fixed order, through its models."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Final, TypeGuard

import numpy as np

from detectors.alerting.alert import Candidate
from detectors.drift.event import DriftEvent
from detectors.subject_sample import SubjectSample
from flows.counters import LABELLED, NOT_LEARNED, SCORED, Counts
from flows.evolution.changes import LayoutNote, name_in_state, window_fits
from flows.evolution.layout import StateForm
from flows.evolution.renames import called, moved
from flows.judgement import Judgement
from flows.metrics import catalogue as c
from flows.metrics.catalogue import Numbers, seconds
from flows.metrics.happening import SLOW_ROUND_S, Happening, What
from flows.operators.faults import fault_outputs
from flows.operators.messages import CohortInput, Leaving, Output, PolicyInput
from flows.operators.population.candidates import candidates_of
from flows.operators.population.command import CommandError, audit_record
from flows.operators.population.join import LabelJoin, Lesson
from flows.operators.population.lately import Lately
from flows.operators.population.verdict import Verdict, feature_records, score_records
from flows.operators.population.window_models import WindowModels
from flows.operators.rounds import Rounds
from flows.operators.rows import Ahead, FeatureRows, rounds
from flows.rows_spec import RowsSpec
from flows.steps import Step
from flows.streams import Stream
from flows.wire.told import Command, Label, told_from, told_state
from state.chunks import Chunks, Latest, Saved, Sealed, table_of
from state.snapshot import pack, unpack
from state.times import iso
from state.types import Bool

_log: Final = logging.getLogger("driftnet.detectors")
_VERSION: Final = 2
_OF_NO_STREAM: Final = StateForm()
_REASONS: Final = 6
_COUNTED: Final = 4096
"""Subjects of a day that are counted one by one; beyond it their number is estimated."""
_SLOW_ROUNDS: Final = 100
"""Those that are remembered until somebody asks."""

_Item = FeatureRows | Label | Command
"""What waits for a round."""
RoundObserver = Callable[[FeatureRows, Verdict, WindowModels], None]
"""Called with each scored round before anything is learned from it: how `explain` looks inside."""


class PopulationOperator:
    """One cohort at work: feature rows in, candidates for the alert policy and drift events out."""

    def __init__(
        self,
        judgement: Judgement,
        rows: RowsSpec,
        cohort: str,
        resume: Saved | None = None,
        form: StateForm = _OF_NO_STREAM,
        stage: str = Step.POPULATION,
    ) -> None:
        """rows: what comes.  form: of its state.  stage: the name under which it counts."""
        self._judgement = judgement
        self._key_groups = rows.key_groups
        self._form = form
        self._stage = stage
        self._cohort = cohort
        self._kind_and_cohort = judgement.kind, cohort
        self._rounds: Rounds[_Item] = Rounds(str(group) for group in range(rows.key_groups))
        self._models = {w.name: WindowModels(judgement, cohort, w, form.renamed) for w in rows.windows}
        self._heard = {name: Lately() for name in self._models}
        """Who was learned from lately."""
        self._seen = SubjectSample(0, _COUNTED)
        """Who came in the last 24 hours."""
        waits = judgement.labels
        self._joins = {
            name: LabelJoin(name, models.asked_again, waits.wait_us, waits.rows_max)
            for name, models in self._models.items()
            if waits is not None
        }
        self._saved_frames = Latest()
        self._saved_rows = Sealed(FeatureRows.pack)
        self._layout = LayoutNote(form)
        self.observer: RoundObserver | None = None
        self._judged = dict.fromkeys(self._models, 0)
        """Window -> rounds, in this process."""
        self._slow: deque[Happening] = deque(maxlen=_SLOW_ROUNDS)
        if resume is not None:
            self._restore(resume)

    def process(self, message: CohortInput) -> list[PolicyInput | Leaving]:
        """Collects the rows; runs the rounds that are complete."""
        for item in (*message.rows, *message.told):
            self._rounds.add(item.end_us, item)
        complete = self._rounds.advance(str(message.sender), message.watermark_us)
        if complete is None:
            return []
        out: list[PolicyInput | Leaving] = []
        candidates: list[Candidate] = []
        subjects: list[tuple[int, int]] = []
        told: list[Label | Command] = []
        counts = Counts(Step.POPULATION, self._stage)
        following = self._following(complete)
        for end_us, items in complete:
            closed = {item.window for item in items if isinstance(item, FeatureRows)}
            for window in self._models:
                if window in closed:
                    (rows, ahead), began_s = next(following[window]), time.time()
                    found, outputs = self._round(rows, ahead, counts)
                    self._look_at_time(rows, began_s)
                    candidates += found
                    out += outputs
            if closed:
                subjects.append((end_us, self._seen.subjects))
            out += self._told(end_us, items)
            told += filter(self._passes_on, items)
        if counts:
            out.append(counts)
        out.append(PolicyInput(self._cohort, self._rounds.watermark_us, candidates, subjects, told))
        return out

    def _following(self, complete: Iterable[tuple[int, list[_Item]]]) -> dict[str, Iterator[tuple[FeatureRows, Ahead]]]:
        """The rounds of each window, one after the other."""
        parts: dict[str, list[FeatureRows]] = {}
        for _, items in complete:
            for rows in sorted((i for i in items if isinstance(i, FeatureRows)), key=lambda rows: rows.group):
                parts.setdefault(rows.window, []).append(rows)
        return {window: rounds(of) for window, of in parts.items()}

    def _passes_on(self, item: _Item) -> TypeGuard[Label | Command]:
        """Whether the alert policy is told: of what is about subjects, by the first cohort."""
        if self._cohort != self._judgement.cohorts.names[0]:
            return False
        if isinstance(item, Command):
            return item.is_of_subject
        return isinstance(item, Label) and self._judgement.labels is not None and self._judgement.labels.trust_us > 0

    def _told(self, end_us: int, items: list[_Item]) -> list[Leaving]:
        """What people had told by the end of a round, once it is over: commands in their order, then labels."""
        commands = [item for item in items if isinstance(item, Command) and not item.is_of_subject]
        labels = [item for item in items if isinstance(item, Label)]
        out: list[Leaving] = [self._obey(c) for c in sorted(commands, key=lambda c: (c.source, c.offset))]
        for window, join in self._joins.items() if labels else ():
            lesson = join.match(end_us, labels)
            if lesson is not None:
                events = self._models[window].teach(lesson.rows, lesson.score)
                if events:
                    out.append(self._drift(events))
                out.append(self._quality(lesson))
        return out

    def _drift(self, events: list[DriftEvent]) -> Output:
        return Output(Stream.DRIFT, [e.to_record() | {"kind": self._judgement.kind} for e in events])

    def _quality(self, lesson: Lesson) -> Counts:
        """What labels say of the verdicts in their time."""
        label = lesson.rows.label
        assert label is not None
        fraud: Bool = label == 1.0
        suspected = lesson.p <= self._judgement.policy.candidate_line
        counts = Counts(Step.POPULATION, self._stage)
        for verdict, rows in (
            ("fraud_suspected", fraud & suspected),
            ("fraud_missed", fraud & ~suspected),
            ("genuine_suspected", ~fraud & suspected),
            ("genuine_cleared", ~fraud & ~suspected),
        ):
            counts.add(LABELLED, int(np.count_nonzero(rows)), verdict)
        return counts

    def _obey(self, command: Command) -> Output:
        """Does it in all windows that have the detector, or in none.  A name of before is as good as that of now."""
        command = command._replace(detector=dict(self._form.renamed.detectors).get(command.detector, command.detector))
        windows = [name for name, models in self._models.items() if models.has(command.detector)]
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        refused = ""
        try:
            # First everything that can go wrong, in all windows; then nothing of it can.
            names = windows or list(self._models)[:1]
            prepared = {name: self._models[name].prepare(command) for name in names}
            for name, (model, change) in prepared.items():
                self._models[name].take(model, change)
                before, after = change.before, change.after
        except CommandError as error:
            refused = str(error)
        done = f"refused: {refused}" if refused else f"done in {', '.join(windows)}"
        _log.info("command %s of detector %s, cohort %s: %s", command.verb, command.detector, self._cohort, done)
        return Output(Stream.AUDIT, [audit_record(command, self._kind_and_cohort, windows, before, after, refused)])

    def _round(self, rows: FeatureRows, ahead: Ahead, counts: Counts) -> tuple[list[Candidate], list[Leaving]]:
        """ahead: as in detectors.base.Rows.  counts: which it adds to."""
        models = self._models[rows.window]
        view = rows.view(models.window, ahead=ahead)
        verdict = models.judge(view, rows.own)
        if self.observer is not None:
            self.observer(rows, verdict, models)
        out: list[Leaving] = []
        if Stream.SCORES in self._judgement.asked:
            out.append(Output(Stream.SCORES, score_records(rows, verdict, self._kind_and_cohort)))
        if Stream.FEATURES in self._judgement.asked:
            out.append(Output(Stream.FEATURES, feature_records(rows, verdict, self._kind_and_cohort, models.features)))
        self._judged[rows.window] += 1
        self._seen.add(rows.subject, np.empty((len(rows), 0)), rows.end_us)
        found = candidates_of(self._judgement, self._key_groups, self._cohort, rows, view, verdict, models)
        keep = self._to_hear(rows)
        events = models.learn(view, rows.own, verdict, keep)
        if events:
            out.append(self._drift(events))
        faults = models.faults(len(rows), verdict)
        if faults:
            where = f"{rows.window} of {self._cohort}"
            out += fault_outputs(faults, where, rows.end_us, Counts(Step.POPULATION, self._stage))
        counts.add(SCORED, len(rows))
        counts.add(NOT_LEARNED, len(keep) - int(np.count_nonzero(keep)))
        if rows.window in self._joins:
            self._joins[rows.window].add(view, verdict.score, verdict.p)
        return found, out

    def _look_at_time(self, rows: FeatureRows, began_s: float) -> None:
        """Remembers a round that took long."""
        now_s = time.time()
        if now_s - began_s >= SLOW_ROUND_S:
            where = {"round.window": rows.window, "round.cohort": self._cohort, "round.end": iso(rows.end_us)}
            self._slow.append(Happening(What.ROUND, self._stage, began_s, now_s, {**where, "round.rows": len(rows)}))

    def slow_rounds(self) -> list[Happening]:
        """Those since this was asked last; of very many the latest."""
        return [self._slow.popleft() for _ in range(len(self._slow))]

    def _to_hear(self, rows: FeatureRows) -> Bool:
        """The rows that detectors learn from: all, or each subject's once in a while."""
        every_us = self._judgement.learning.teach_every_us
        if not every_us:
            return np.ones(len(rows), np.bool_)
        heard = self._heard[rows.window]
        heard.release(rows.end_us)
        keep = ~heard.holds(rows.subject)
        heard.hold(rows.subject[keep], rows.end_us + every_us - 1)
        return keep

    @property
    def watermark_us(self) -> int:
        """All rounds up to here were run."""
        return self._rounds.watermark_us

    def spent_s(self, window: str) -> dict[str, float]:
        """CPU seconds by cohort-scope detector, since the start of this process."""
        return self._models[window].spent_s()

    def observe(self, numbers: Numbers) -> None:
        """Its part of what a run tells of itself."""
        c.add(numbers, c.STAGE_BOUNDARY, seconds(self._rounds.watermark_us), self._stage)
        for window, models in self._models.items():
            c.add(numbers, c.ROUNDS, self._judged[window], window)
            models.observe(numbers)
        for window, join in self._joins.items():
            c.add(numbers, c.LABELS_WAITING, len(join), window)
            if (oldest_us := join.oldest_us) is not None:
                c.add(numbers, c.LABELS_SINCE, seconds(oldest_us), window)

    def describe(self) -> dict[str, Any]:
        """What there is, as JSON values.  windows: bytes of each model by name."""
        return {
            "watermark_us": self._rounds.watermark_us,
            "rounds_waiting": len(self._rounds.waiting),
            "waiting_for_labels": {window: len(join) for window, join in self._joins.items()},
            "windows": {
                window: {name: len(frame) for name, frame in models.frames().items()}
                for window, models in self._models.items()
            },
        }

    def forget(self, subject: int) -> int:
        """Drops the rows and labels of one subject, and what models keep under the hash of its id; returns how many
        rows waited.

        What models have learned and cannot be told whose it is stays: sums, quantiles, samples of feature values.
        """
        before = self._waiting()
        self._rounds.filter(lambda item: _without(item, subject))
        for heard in self._heard.values():
            heard.forget(subject)
        for join in self._joins.values():
            join.forget(subject)
        for models in self._models.values():
            models.forget(subject)
        self._seen.forget(subject)
        return before - self._waiting()

    def _waiting(self) -> int:
        rows = sum(len(r) for items in self._rounds.waiting.values() for r in items if isinstance(r, FeatureRows))
        return rows + sum(map(len, self._joins.values()))

    def snapshot(self, chunks: Chunks) -> bytes:
        """The root frame of the state: models and the rounds that wait for other groups."""
        frames = {
            f"{window}/{name}": frame
            for window, models in self._models.items()
            for name, frame in models.frames().items()
        }
        items = [item for end in sorted(self._rounds.waiting) for item in self._rounds.waiting[end]]
        waiting = [item for item in items if isinstance(item, FeatureRows)]
        joins = {window: join.snapshot(chunks) for window, join in self._joins.items()}
        seen, seen_arrays = self._seen.state()
        meta: dict[str, Any] = {
            "watermarks": self._rounds.watermarks.state(),
            "watermark_us": self._rounds.watermark_us,
            "heard": {window: held.state() for window, held in self._heard.items()},
            "frames": list(frames),
            "seen": seen,
            "joins": {window: told for window, (told, _) in joins.items()},
            "layout": self._layout.put(chunks),
            **told_state(item for item in items if not isinstance(item, FeatureRows)),
        }
        arrays = {
            "frames": table_of(self._saved_frames.put(chunks, frames)),
            "waiting": table_of(self._saved_rows.put(chunks, waiting)),
        }
        arrays |= {f"seen/{name}": array for name, array in seen_arrays.items()}
        arrays |= {f"{window}/{name}": found for window, (_, kept) in joins.items() for name, found in kept.items()}
        return pack("population", _VERSION, meta, arrays)

    def _restore(self, saved: Saved) -> None:
        version, meta, arrays = unpack(saved.root, "population", (1, _VERSION))
        self._rounds.watermarks.restore(meta["watermarks"])
        self._rounds.watermark_us = meta["watermark_us"]
        fits = window_fits(self._models, self._form.layout, self._layout.changed(saved, meta))
        names = {window: name_in_state(window, fit) for window, fit in fits.items()}
        self._heard |= {window: Lately(meta.get("heard", {}).get(name)) for window, name in names.items()}
        if version > 1:
            self._seen = SubjectSample.resume(meta["seen"], {n.removeprefix("seen/"): a for n, a in arrays.items()})
        frames = self._saved_frames.get(saved.chunks, meta["frames"], saved.chunks.refs(arrays["frames"]))
        for window, fit in fits.items():
            prefix = f"{names[window]}/"
            mine = {n.removeprefix(prefix): f for n, f in frames.items() if n.startswith(prefix)}
            self._models[window].restore(mine, fit)
        renamed = dict(self._form.renamed.detectors)
        for window, name in names.items():
            told = meta.get("joins", {}).get(name)
            if told is not None and window in self._joins:
                at = arrays[f"{name}/blocks"], arrays[f"{name}/open"]
                detectors = called(told["detectors"], renamed)
                self._joins[window].restore(saved, {"detectors": detectors}, *at, fits[window])
        for item in told_from(meta):
            self._rounds.add(item.end_us, item)
        refs = saved.chunks.refs(arrays["waiting"])
        waiting = [FeatureRows.unpack(saved.chunks.get(ref)) for ref in refs]
        self._saved_rows.know(waiting, refs)
        windows = {name: window for window, name in names.items()}
        for rows in waiting:
            here = windows.get(rows.window)
            if here is not None:
                was = replace(rows, window=here, own=moved(rows.own, renamed)) if fits[here] or renamed else rows
                self._rounds.add(rows.end_us, was.fitted(fits[here], self._models[here].own))


def _without(item: _Item, subject: int) -> _Item | None:
    """The item without one subject; None where nothing of it is left."""
    if isinstance(item, FeatureRows):
        return item.without(subject)
    return None if item.subject == subject else item
