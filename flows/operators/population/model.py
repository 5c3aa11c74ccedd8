"""One detector at work in one window of one cohort, with its calibration, its guard, and what it was told to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from detectors.base import Detector, FeatureInfo, Rows, Scope, Wave
from detectors.calibrate import CalibrationSpec, Calibrator
from detectors.guard import SAMPLED, Guard
from flows.judgement import DetectorUse
from flows.operators.population.command import CommandError, tuned
from flows.operators.population.rehearsal import rehearse
from flows.operators.rows import OwnVerdict
from flows.wire.told import Command
from state.types import F64, I64
from state.windows import WindowSpec

_FLOOD_ROWS: Final = 50
_FLOOD_SCORE: Final = 1.7
"""-log10 of 0.02."""
_FLOOD_SHARE: Final = 0.5


@dataclass(slots=True)
class Model:
    """A detector at work, with its calibration.

    window: whose rows it judges.  columns: its features' positions in the window's matrix.
    """

    use: DetectorUse
    window: WindowSpec
    columns: I64
    infos: tuple[FeatureInfo, ...]
    detector: Detector | None
    calibrator: Calibrator | None
    guard: Guard
    paused: bool = False
    """It neither judges nor learns."""
    tuned: dict[str, Any] = field(default_factory=dict)
    """Settings that commands have changed."""

    def build_successor(self, calibration: CalibrationSpec) -> "Model":
        """The same detector, knowing nothing."""
        return build(calibration, self.use, self.window, self.columns, self.infos)

    def score(self, rows: Rows, own: dict[str, OwnVerdict]) -> F64:
        detector = self.detector
        if self.paused:
            return np.full(len(rows), np.nan)
        if detector is None:
            return own[self.use.name].score
        if not self.guard.sampled:
            return self.guard.array("score", lambda: detector.score(self.view(rows)), (len(rows),), np.nan)
        out, at = np.full(len(rows), np.nan), np.flatnonzero(rows.subject % np.uint64(SAMPLED) == 0)
        few = self.view(rows.pick(at))
        out[at] = self.guard.array("score", lambda: detector.score(few), (len(at),), np.nan)
        return out

    def tail(self, score: F64) -> F64:
        """(n,) how often a genuine subject shows as much in a day, in (0, 1]; nan for "not yet"."""
        if self.flood(score):
            return np.full(len(score), np.nan)
        if self.calibrator is None:
            return self.window.of_day(np.power(10.0, -score), of_window=True)
        return self.window.of_day(self.calibrator.tail(score), of_window=False)

    def learn(self, rows: Rows, score: F64, kept: Rows) -> None:
        """rows: all, with their scores.  kept: those that detectors hear; labels speak for themselves."""
        if self.paused:
            return
        if self.calibrator is not None:
            self.calibrator.learn(rows.subject, score, rows.end_us, rows.slides)
        if not self.use.spec.uses_labels:
            self.take_lesson(kept)
        elif rows.label is not None:
            self.take_lesson(rows)

    def take_lesson(self, rows: Rows) -> None:
        """The detector itself learns from these."""
        if self.detector is None or self.paused:
            return
        if self.guard.sampled:
            rows = rows.pick(np.flatnonzero(rows.subject % np.uint64(SAMPLED) == 0))
        self.guard.tell("learn", partial(self.detector.learn, self.view(rows)))

    def explain(self, rows: Rows, own: dict[str, OwnVerdict]) -> F64:
        detector, shape = self.detector, (len(rows), len(self.columns))
        if self.paused:
            return np.zeros(shape)
        if detector is None:
            return own[self.use.name].share[:, self.columns]
        return self.guard.array("explain", lambda: detector.explain(self.view(rows)), shape, 0.0)

    def forget(self, subject: int) -> None:
        """Drops what is kept under the hash of a subject's id."""
        if self.detector is not None:
            self.detector.forget_subject(subject)
        if self.calibrator is not None:
            self.calibrator.forget(subject)

    def wave(self, rows: Rows) -> Wave | None:
        """The attack that it sees going on."""
        detector = self.detector
        if self.paused or detector is None or type(detector).wave is Detector.wave:
            return None
        return self.guard.value("wave", lambda: detector.wave(self.view(rows)), Wave)

    def broken(self, rows: Rows) -> list[tuple[str, ...]]:
        """Per row, the names of the declared rules that it breaks."""
        detector = self.detector
        none: list[tuple[str, ...]] = [()] * len(rows)
        if self.paused or detector is None or not self.use.spec.declared:
            return none
        told = self.guard.value("broken", lambda: detector.broken(self.view(rows)), list)
        if told is not None and len(told) != len(rows):
            self.guard.blame("broken", f"returned {len(told)} items, expected one per row: {len(rows)}")
            return none
        return none if told is None else told

    def flood(self, score: F64) -> str:
        """What is wrong with a round in which a detector that gives probabilities itself finds most rows suspicious,
        "" for nothing.  What it said of that round is not used.
        """
        if self.calibrator is not None or self.use.spec.declared or len(score) < _FLOOD_ROWS:
            return ""
        odd = float((score >= _FLOOD_SCORE).mean())
        told = f"finds {odd:.0%} of {len(score):,} rows suspicious, allowed {_FLOOD_SHARE:.0%}: not used"
        return told if odd > _FLOOD_SHARE else ""

    def errors(self, rows: Rows, score: F64) -> F64:
        """(n,) 1 where a probability was on the wrong side of one half, nan where there is no label or no score."""
        if rows.label is None:
            return np.full(len(rows), np.nan)
        wrong = ((score > 0.5) != (rows.label > 0.5)).astype(np.float64)
        return np.where(np.isnan(rows.label) | np.isnan(score), np.nan, wrong)

    def view(self, rows: Rows) -> Rows:
        if len(self.columns) == rows.x.shape[1]:
            return rows
        return rows.only(self.columns)

    def prepare(self, command: Command, calibration: CalibrationSpec) -> "Change":
        """What the command will do, all of it ready.  Raises CommandError; nothing has changed yet."""
        if command.verb == "tune":
            use, before = tuned(self.use, command.settings)
            cold = use.spec != self.use.spec
            if cold:
                rehearse(use.spec, self.infos, use.memory_bytes)
            guard = Guard(use.budget_s, self.guard.state(), use.cost_us)
            change = Change(before, command.settings, use, self.tuned | command.settings, guard, self.paused, cold)
        else:
            cold, paused = command.verb == "disable", command.verb != "resume"
            # One that had failed too often is given another chance.
            guard = self.guard if paused else Guard(self.use.budget_s, cost_us=self.use.cost_us)
            before = {"paused": self.paused, "off": self.guard.off}
            change = Change(before, {"paused": paused, "off": guard.off}, self.use, self.tuned, guard, paused, cold)
        if cold:
            try:
                change.fresh = build(calibration, change.use, self.window, self.columns, self.infos)
            except Exception as error:
                raise CommandError(f"{self.use.name} cannot be built: {type(error).__name__}: {error}") from error
        return change

    def take(self, change: "Change") -> None:
        """Does what was prepared."""
        self.use, self.tuned, self.guard, self.paused = change.use, change.tuned, change.guard, change.paused
        if change.fresh is not None:
            self.detector, self.calibrator = change.fresh.detector, change.fresh.calibrator


@dataclass(slots=True)
class Change:
    """What a command does to a detector.

    before, after: the settings that it changes.  cold: it forgets what it knew.  fresh: what takes its place then.
    """

    before: dict[str, Any]
    after: dict[str, Any]
    use: DetectorUse
    tuned: dict[str, Any]
    guard: Guard
    paused: bool
    cold: bool
    fresh: Model | None = None


def build(
    calibration: CalibrationSpec,
    use: DetectorUse,
    window: WindowSpec,
    columns: I64,
    infos: tuple[FeatureInfo, ...],
    saved: Mapping[str, bytes] = MappingProxyType({}),
) -> Model:
    """A detector at work.  saved: its frames, by part; what is not there starts cold."""
    detector = use.spec.build(infos, saved.get("detector")) if use.spec.scope is Scope.COHORT else None
    calibrator: Calibrator | None = None
    if use.spec.calibrated:
        fitted = use.spec.scope is Scope.COHORT or calibration.per == "row"
        calibrator = calibration.build(window.holds_day, fitted, use.spec.one_mode, saved.get("calibrator"))
    return Model(use, window, columns, infos, detector, calibrator, Guard(use.budget_s, cost_us=use.cost_us))


def saved_frames(kind: str, models: list[Model]) -> dict[str, bytes]:
    """The state of these as named frames.  One that cannot be saved, or is too large, is blamed."""
    out: dict[str, bytes] = {}
    for m in models:
        if m.detector is not None:
            frame = m.guard.saved(m.detector.snapshot)
            if frame is not None and m.use.memory_bytes and len(frame) > m.use.memory_bytes:
                m.guard.blame("memory", f"its state takes {len(frame):,} bytes, allowed {m.use.memory_bytes:,}")
            if frame is not None:
                out[f"{kind}.{m.use.name}.detector"] = frame
        if m.calibrator is not None:
            out[f"{kind}.{m.use.name}.calibrator"] = m.calibrator.snapshot()
    return out
