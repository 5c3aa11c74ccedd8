"""The models of one window of one cohort: score, calibrate, combine, then learn."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from detectors.base import FEATURES_TOLD, Rows, Scope, Wave
from detectors.combine import Combination, combine
from detectors.drift.event import DriftEvent, Reaction
from detectors.drift.monitors import DriftMonitors
from detectors.drift.waves import Waves
from detectors.guard import Fault, Guard
from detectors.profile import PopulationProfile
from detectors.weighing import Weighing
from flows.evolution.changes import WindowFit, learned_as, under_names
from flows.evolution.layout import detector_settings, settings_now, settings_of
from flows.evolution.renames import Renames, called, moved
from flows.judgement import DetectorUse, Judgement
from flows.metrics import catalogue as c
from flows.metrics.catalogue import Numbers
from flows.operators.faults import observe_guard
from flows.operators.population.command import CommandError, tuned
from flows.operators.population.model import Change, Model, build, saved_frames
from flows.operators.population.reactions import Reactions
from flows.operators.population.succession import Succession
from flows.operators.population.verdict import Verdict
from flows.operators.population.watched import Watched
from flows.operators.rows import OwnVerdict
from flows.rows_spec import WindowRows
from flows.wire.told import Command
from state.snapshot import pack, unpack
from state.types import F64, I64, Bool

_log: Final = logging.getLogger("driftnet.detectors")
_VERSION: Final = 2
_NOTHING: Final = Renames()
_COMPARABLE_ROWS: Final = 64
"""Rows of a round that are enough to say what is usual in it."""


class WindowModels:
    """All detectors, their calibration, the cohort's profile and the drift monitors of one window.

    renamed: what had other names in state that was saved earlier.
    """

    def __init__(self, judgement: Judgement, cohort: str, rows: WindowRows, renamed: Renames = _NOTHING) -> None:
        self._judgement = judgement
        self._renamed = renamed
        self._cohort = cohort
        self.window = rows.window
        self.name = rows.name
        self.features = rows.features
        self.profile = PopulationProfile(self.features)
        self._models: list[Model] = []
        for use in judgement.detectors:
            if self.name in use.windows:
                chosen = [i for i, f in enumerate(self.features) if not use.features or f.name in use.features]
                infos = tuple(self.features[i] for i in chosen)
                self._models.append(build(judgement.calibration, use, self.window, np.array(chosen, np.int64), infos))
        self._learned = tuple(m.use.name for m in self._models if not m.use.spec.declared)
        """Detectors that are combined; what is declared comes on top."""
        self._weighing = (
            Weighing(self._learned, by_labels=judgement.combination is Combination.LABELS)
            if judgement.combination.weighs and self._learned
            else None
        )
        self._learned_as: dict[str, dict[str, str]] = {}
        """Detector -> feature -> its name when the detector began, of those that are called otherwise now."""
        self._succession = Succession(judgement.calibration, judgement.drift.retrain_rounds)
        self._reactions = Reactions(judgement.drift, self.features)
        self._watched = Watched()
        self._waves = Waves(judgement.drift, cohort, self.window, {})
        self._monitors = DriftMonitors(
            judgement.drift,
            cohort,
            self.window,
            self.features,
            tuple(m.use.name for m in self._models),
            predictors=tuple(m.use.name for m in self._models if m.use.spec.uses_labels),
        )

    def judge(self, rows: Rows, own: dict[str, OwnVerdict]) -> Verdict:
        """Scores every row; changes nothing that verdicts depend on."""
        rows = self._reactions.unmuted(rows)
        score = {m.use.name: m.score(rows, own) for m in self._models}
        tail = {m.use.name: m.tail(score[m.use.name]) for m in self._models}
        self._watched.take(rows.end_us, score, tail)
        p = np.full(len(rows), np.nan)
        if not tail:
            return Verdict(p, p, score, tail)
        if self._learned:
            weights = np.array([m.use.weight for m in self._models if not m.use.spec.declared])
            if self._weighing is not None:
                weights = weights * self._weighing.weights()
            p = combine(self._of_learned(tail), weights, self._judgement.combination)
        # What is declared to be all but impossible comes on top: so rare that it costs the others nothing.
        declared = [tail[m.use.name] for m in self._models if m.use.spec.declared]
        return Verdict(np.fmin.reduce([p, *declared]) if declared else p, p, score, tail)

    def _of_learned(self, told: dict[str, F64]) -> F64:
        """(k, n) what the learned detectors said, of all that was told."""
        return np.array([told[name] for name in self._learned])

    def learn(self, rows: Rows, own: dict[str, OwnVerdict], verdict: Verdict, keep: Bool) -> list[DriftEvent]:
        """Watches the round for drift, then learns from it, unless frozen.  keep: the rows that detectors hear."""
        candidates = int(np.count_nonzero(verdict.p <= self._judgement.policy.candidate_line))
        errors = {m.use.name: m.errors(rows, verdict.score[m.use.name]) for m in self._models if m.use.spec.uses_labels}
        events = self._monitors.update(rows.end_us, rows.x, verdict.score, candidates, errors)
        # Rules look at the round itself; whoever remembers subjects is asked when it has heard of it, no round later.
        events += self._look_for_waves(rows, declared=True)
        events += self._look_for_surge(rows, own, verdict)
        self._take_events(events)
        if not self._reactions.is_frozen(rows.end_us):
            self._take_in(rows, own, verdict, keep)
        remembered = self._look_for_waves(rows, declared=False)
        self._take_events(remembered)
        return events + remembered

    def _look_for_waves(self, rows: Rows, *, declared: bool) -> list[DriftEvent]:
        """declared: by rules, or by all others."""
        asked = [m for m in self._models if m.use.spec.declared == declared]
        return self._waves.update(rows.end_us, {m.use.name: self._wave(m, rows) for m in asked})

    def _look_for_surge(self, rows: Rows, own: dict[str, OwnVerdict], verdict: Verdict) -> list[DriftEvent]:
        """By what was learned: rules tell of themselves."""
        if not self.window.tells_all(rows.end_us):
            return []
        odd = np.flatnonzero(verdict.learned <= self._judgement.policy.candidate_line)
        known = int(np.count_nonzero(~np.isnan(verdict.learned)))
        surge = self._waves.surge(rows.end_us, len(odd), known, lambda: self._shared(rows, own, verdict, odd))
        return [] if surge is None else [surge]

    def _shared(self, rows: Rows, own: dict[str, OwnVerdict], verdict: Verdict, at: I64) -> list[str]:
        """Features that most of the evidence against the rows at these positions is of, most telling first."""
        share = np.sum([part[at].mean(axis=0) for _, part in self.shares(rows, own, verdict)], axis=0)
        return [self.features[i].name for i in np.argsort(-share, kind="stable")[:FEATURES_TOLD] if share[i] > 0]

    def _take_in(self, rows: Rows, own: dict[str, OwnVerdict], verdict: Verdict, keep: Bool) -> None:
        """Learns from a round."""
        if self._weighing is not None:
            self._weighing.learn(self._of_learned(verdict.tail))
            if rows.label is not None:
                self._weighing.learn_labels(self._of_learned(verdict.score), rows.label)
        rows = self._reactions.unmuted(rows)
        kept = rows if np.count_nonzero(keep) == len(keep) else rows.pick(np.flatnonzero(keep))
        self.profile.learn(kept.x)
        for model in self._models:
            model.learn(rows, verdict.score[model.use.name], kept)
        self._models = self._succession.learn(self._models, rows, own, verdict, kept)

    def _take_events(self, events: list[DriftEvent]) -> None:
        for event in events:
            self._watched.drifted(event)
            self._react(event)

    def _wave(self, model: Model, rows: Rows) -> Wave | None:
        """What it sees.  Rules remember nobody: of a round of the active alone, no share of all subjects follows."""
        if model.use.spec.declared and not self.window.tells_all(rows.end_us):
            return None
        wave, names = model.wave(rows), self._learned_as.get(model.use.name)
        if wave is None or not names:
            return wave
        now = {first: name for name, first in names.items()}
        return replace(wave, features=called(wave.features, now))

    def usual(self, rows: Rows) -> F64:
        """(F,) what the cohort usually shows in such a window, in the features' units: the medians of this very round,
        because windows of the morning are no yardstick for the evening; of earlier rounds where it has few rows.
        """
        if len(rows) < _COMPARABLE_ROWS:
            return self.profile.typical()
        return np.array([median(column) for column in rows.x.T])

    def has(self, detector: str) -> bool:
        """Whether this window has a detector of this name."""
        return any(m.use.name == detector for m in self._models)

    @property
    def own(self) -> tuple[str, ...]:
        """Detectors that judge each subject by its own history."""
        return tuple(m.use.name for m in self._models if m.use.spec.scope is Scope.SUBJECT)

    @property
    def asked_again(self) -> tuple[str, ...]:
        """Detectors whose scores are compared with labels that come later."""
        weighed = self._learned if self._judgement.combination is Combination.LABELS else ()
        return tuple(m.use.name for m in self._models if m.use.spec.uses_labels or m.use.name in weighed)

    def teach(self, rows: Rows, score: dict[str, F64]) -> list[DriftEvent]:
        """Learns from rows whose labels have come; score: detector -> (n,), what it said of them in their time."""
        learners = [m for m in self._models if m.use.spec.uses_labels]
        errors = {m.use.name: m.errors(rows, score[m.use.name]) for m in learners}
        events = self._monitors.update_errors(rows.end_us, errors)
        self._take_events(events)
        if not self._reactions.is_frozen(rows.end_us):
            if self._weighing is not None and rows.label is not None and score.keys() >= set(self._learned):
                self._weighing.learn_labels(self._of_learned(score), rows.label)
            rows = self._reactions.unmuted(rows)
            for model in learners:
                model.take_lesson(rows)
        return events

    def prepare(self, command: Command) -> tuple[Model, Change]:
        """What the command will do to which detector.  Raises CommandError; nothing has changed yet."""
        model = next((m for m in self._models if m.use.name == command.detector), None)
        if model is None:
            known = ", ".join(m.use.name for m in self._models) or "none"
            raise CommandError(f"no detector {command.detector!r} here; there are: {known}")
        return model, model.prepare(command, self._judgement.calibration)

    def take(self, model: Model, change: Change) -> None:
        """Does what was prepared."""
        model.take(change)
        if change.cold:
            self._succession.drop(model.use.name)

    def observe(self, numbers: Numbers) -> None:
        """Its part of what a run tells of itself."""
        self._watched.observe(numbers, self.name)
        end_us = self._watched.end_us
        c.add(numbers, c.LEARNING, float(self._reactions.is_frozen(end_us)), self.name)
        c.add(numbers, c.MUTED, self._reactions.muted(end_us), self.name)
        c.add(numbers, c.TRIALS, len(self._succession.models), self.name)
        for m in self._models:
            if m.detector is not None:
                observe_guard(numbers, (m.use.name, self.name), m.guard, paused=m.paused)

    def _react(self, event: DriftEvent) -> None:
        if event.reaction is Reaction.RETRAIN:
            self._succession.begin(self._models)
        else:
            self._reactions.take(event)

    def shares(self, rows: Rows, own: dict[str, OwnVerdict], verdict: Verdict) -> list[tuple[str, F64]]:
        """Per detector, (n, F): its features' shares of each row's evidence, all detectors' adding up to 1."""
        rows = self._reactions.unmuted(rows)
        weight = {name: -np.log10(np.clip(np.nan_to_num(p, nan=1.0), 1e-300, 1.0)) for name, p in verdict.tail.items()}
        total = np.maximum(np.sum(list(weight.values()), axis=0), 1e-12)
        out: list[tuple[str, F64]] = []
        for m in self._models:
            part = np.zeros(rows.x.shape)
            part[:, m.columns] = m.explain(rows, own)
            part /= np.maximum(part.sum(axis=1, keepdims=True), 1e-12)
            out.append((m.use.name, part * (weight[m.use.name] / total)[:, None]))
        return out

    def broken_rules(self, rows: Rows) -> list[tuple[str, ...]]:
        """Per row, the names of the declared rules that it breaks."""
        broken: list[tuple[str, ...]] = [()] * len(rows)
        for m in self._models:
            broken = [(*a, *b) for a, b in zip(broken, m.broken(rows), strict=True)]
        return broken

    def faults(self, rows: int, verdict: Verdict) -> list[tuple[str, Fault]]:
        """What detectors did wrong in the round of so many rows that is over, by name."""
        models = [*self._models, *self._succession.models]
        found = [(m.use.name, fault) for m in models for fault in m.guard.faults(rows)]
        floods = [(m.use.name, m.flood(verdict.score[m.use.name])) for m in self._models]
        return found + [(name, Fault("flood", told)) for name, told in floods if told]

    def spent_s(self) -> dict[str, float]:
        """Detector -> CPU seconds, since the start of this process."""
        return {m.use.name: m.guard.spent_s for m in self._models if m.detector is not None}

    def versions(self) -> dict[str, int]:
        """Name -> version of each detector."""
        return {m.use.name: m.use.spec.version for m in self._models}

    def forget(self, subject: int) -> None:
        """Drops what is kept under the hash of a subject's id."""
        for model in (*self._models, *self._succession.models):
            model.forget(subject)

    def frames(self) -> dict[str, bytes]:
        """The state as named frames, for a snapshot."""
        out = {"profile": self.profile.snapshot(), "drift": self._monitors.snapshot()}
        if self._weighing is not None:
            out["weighing"] = self._weighing.snapshot()
        out |= saved_frames("model", self._models)
        out |= self._succession.frames()
        meta: dict[str, Any] = {
            **self._succession.state(),
            **self._reactions.state(),
            "waves": self._waves.reported,
            "surge": self._waves.surge_state,
            "guards": {m.use.name: m.guard.state() for m in self._models},
            "commanded": {
                use.name: {"configured": detector_settings(use), "paused": m.paused, "tuned": m.tuned}
                for use, m in self._uses()
                if m.paused or m.tuned
            },
            "settings": {m.use.name: detector_settings(m.use) for m in self._models},
            "learned_as": {name: names for name, names in self._learned_as.items() if names},
            "calibration": settings_of(self._judgement.calibration),
            "drift": settings_of(self._judgement.drift),
        }
        return out | {"meta": pack("models", _VERSION, meta, {})}

    def _uses(self) -> list[tuple[DetectorUse, Model]]:
        """Each detector as it is configured, and at work."""
        configured = {use.name: use for use in self._judgement.detectors}
        return [(configured[m.use.name], m) for m in self._models]

    def _command_again(self, saved: Mapping[str, Any]) -> None:
        """As commands had left the detectors, but for those that are configured otherwise since."""
        for use, model in self._uses():
            commanded = saved.get(use.name)
            if commanded is not None and commanded["configured"] == detector_settings(use):
                model.paused = commanded["paused"]
                try:
                    model.use, _ = tuned(use, commanded["tuned"])
                except CommandError as error:  # an earlier build allowed more
                    _log.warning("%s goes on as it is configured, not as it was tuned: %s", use.name, error)
                else:
                    model.tuned = commanded["tuned"]

    def _under_new_names(
        self, frames: dict[str, bytes], meta: dict[str, Any]
    ) -> tuple[dict[str, bytes], dict[str, Any]]:
        """Frames and their meta under the names that detectors have now."""
        names = dict(self._renamed.detectors)
        for old, new in names.items():
            for before, now in ((f"{kind}.{old}.", f"{kind}.{new}.") for kind in ("model", "successor")):
                mine = {now + n.removeprefix(before): f for n, f in frames.items() if n.startswith(before)}
                if mine:
                    frames = {n: f for n, f in frames.items() if not n.startswith((before, now))} | mine
        by_detector = ("trials", "waves", "guards", "commanded", "settings", "learned_as")
        meta = meta | {part: moved(meta.get(part, {}), names) for part in by_detector}
        settings = {name: settings_now(of, self._renamed) for name, of in meta["settings"].items()}
        commanded = {
            name: of | {"configured": settings_now(of["configured"], self._renamed)}
            for name, of in meta["commanded"].items()
        }
        return frames, meta | {"settings": settings, "commanded": commanded}

    def restore(self, frames: dict[str, bytes], fit: WindowFit | None = None) -> None:
        """Takes what `frames` gave.  What is new, or has other settings than were saved, or sees other features, starts
        cold.  fit: what became of the window's features, None if they are the same.
        """
        version, meta, _ = unpack(frames["meta"], "models", (1, _VERSION))
        then = meta["settings"].keys()
        frames, meta = self._under_new_names(frames, meta)
        self._command_again(meta.get("commanded", {}))
        known = {
            m.use.name
            for m in self._models
            if meta["settings"].get(m.use.name) == detector_settings(m.use) and (fit is None or fit.same_for(m.use))
        }
        learned = meta.get("learned_as", {})
        for m in self._models:
            names = [self.features[i].name for i in m.columns.tolist()]
            if m.use.name in known:
                self._learned_as[m.use.name] = learned_as(names, fit, learned.get(m.use.name, {}))
                m.infos = under_names(m.infos, self._learned_as[m.use.name])
        # Calibration of version 1 left the odd out: it starts cold.
        same = version > 1 and meta["calibration"] == settings_of(self._judgement.calibration)
        kinds = {"detector"} | ({"calibrator"} if same else set())
        saved = {
            kind: {
                name: {part: frames[f"{kind}.{name}.{part}"] for part in kinds if f"{kind}.{name}.{part}" in frames}
                for name in known
            }
            for kind in ("model", "successor")
        }
        muted = moved(meta.get("muted_until_us", {}), dict(self._renamed.features))  # not in the first savepoints
        new = frozenset() if fit is None else fit.new
        self._reactions.restore(meta | {"muted_until_us": muted}, new)
        self._waves = Waves(
            self._judgement.drift, self._cohort, self.window, meta.get("waves", {}), meta.get("surge", ())
        )
        self.profile = PopulationProfile(
            self.features, resume=frames["profile"], columns=None if fit is None else fit.columns
        )
        if self._weighing is not None and "weighing" in frames and known.issuperset(self._learned):
            self._weighing.restore(frames["weighing"], dict(self._renamed.detectors))
        if meta["drift"] == settings_of(self._judgement.drift):
            was = {new: old for old, new in self._renamed.detectors if old in then}
            cold = {m.use.name for m in self._models} - known
            self._monitors.restore(frames["drift"], cold, new, {} if fit is None else fit.was, was)
        self._succession.restore(meta, saved["successor"], self._models)
        self._models = [
            replace(
                build(
                    self._judgement.calibration, m.use, m.window, m.columns, m.infos, saved["model"].get(m.use.name, {})
                ),
                paused=m.paused,
                tuned=m.tuned,
            )
            for m in self._models
        ]
        for m in self._models:
            if m.use.name in known:
                m.guard = Guard(m.use.budget_s, meta["guards"][m.use.name], m.use.cost_us)


def median(values: F64) -> float:
    """numpy.nanmedian, to the bit, without what it costs to call it; nan where there is no value."""
    known = values[~np.isnan(values)]
    if not len(known):
        return np.nan
    low, high = (len(known) - 1) // 2, len(known) // 2
    known.partition((low, high) if low < high else low)
    middle = known.item(low) if low == high else (known.item(low) + known.item(high)) / 2
    return middle + 0.0  # of zeros numpy gives the positive one
