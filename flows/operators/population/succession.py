"""Successors: models that learn beside those in office after a drift event, and take over where they are better."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from detectors.base import Rows
from detectors.calibrate import CalibrationSpec
from flows.operators.population.model import Model, build, saved_frames
from flows.operators.population.trial import Trial
from flows.operators.population.verdict import Verdict
from flows.operators.rows import OwnVerdict


class Succession:
    """The successors of one window's models, by name; each is on trial for the second half of its time."""

    def __init__(self, calibration: CalibrationSpec, rounds_max: int) -> None:
        """rounds_max: after which it is decided."""
        self._calibration = calibration
        self._rounds_max = rounds_max
        self._rounds = 0
        self._successors: dict[str, Model] = {}
        self._trials: dict[str, Trial] = {}

    @property
    def models(self) -> list[Model]:
        """Those that learn beside others now."""
        return list(self._successors.values())

    def begin(self, models: Iterable[Model]) -> None:
        """Each model that is calibrated gets a successor that knows nothing; not while there are any."""
        if not self._successors:
            fresh = [(m.use.name, m.build_successor(self._calibration)) for m in models if m.calibrator is not None]
            self._successors = dict(fresh)
            self._trials = {name: Trial() for name in self._successors}
            self._rounds = 0

    def drop(self, detector: str) -> None:
        """The model in office starts cold itself."""
        self._successors.pop(detector, None)
        self._trials.pop(detector, None)

    def learn(
        self, models: list[Model], rows: Rows, own: dict[str, OwnVerdict], verdict: Verdict, kept: Rows
    ) -> list[Model]:
        """Takes a round after the models in office learned it; returns who is in office from now on.

        verdict: what the models in office said.  kept: the rows that detectors hear.
        """
        if not self._successors:
            return models
        self._rounds += 1
        on_trial = self._rounds > self._rounds_max // 2
        for m in models:
            name = m.use.name
            successor = self._successors.get(name)
            if successor is None:
                continue
            score = successor.score(rows, own)
            if on_trial and m.use.spec.uses_labels:
                self._trials[name].labelled(m.errors(rows, verdict.score[name]), m.errors(rows, score))
            elif on_trial:
                self._trials[name].unlabelled(verdict.tail[name], successor.tail(score))
            successor.learn(rows, score, kept)
        return models if self._rounds < self._rounds_max else self._promoted(models)

    def _promoted(self, models: list[Model]) -> list[Model]:
        better = {name: s for name, s in self._successors.items() if self._trials[name].promotes()}
        self._successors, self._trials = {}, {}
        return [
            replace(better[m.use.name], paused=m.paused, tuned=m.tuned) if m.use.name in better else m for m in models
        ]

    def frames(self) -> dict[str, bytes]:
        """The successors' state as named frames."""
        return saved_frames("successor", self.models)

    def state(self) -> dict[str, Any]:
        """The rest, as JSON values."""
        return {"rounds": self._rounds, "trials": {name: trial.state() for name, trial in self._trials.items()}}

    def restore(
        self, state: Mapping[str, Any], frames: Mapping[str, Mapping[str, bytes]], models: Iterable[Model]
    ) -> None:
        """Takes what `state` and `frames` gave.  frames: by detector and part, of those that go on."""
        self._rounds = state["rounds"]
        self._successors = {
            m.use.name: build(self._calibration, m.use, m.window, m.columns, m.infos, found)
            for m in models
            if (found := frames.get(m.use.name))
        }
        self._trials = {name: Trial(state.get("trials", {}).get(name)) for name in self._successors}
