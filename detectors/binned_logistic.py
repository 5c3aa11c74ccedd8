"""Binned logistic regression: the detector to start with where there are some labels.

Labels are few and dear, so rows with a label are remembered, and the model is fitted anew to all of them when enough
have come: no learning rate, and the first label counts as much as the last.  The curves are in `step_curves.py`.

Three things follow from how labels come about.  They are about subjects: overlapping windows of one subject are not as
many observations.  Frauds are rare: each label has its own share of the memory, and the intercept is set right for it.
There are none at first: "not yet" until some subjects of both labels are known.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

import numpy as np

from detectors.base import Detector, DetectorSpec, FeatureInfo, Rows
from detectors.label_memory import LabelMemory
from detectors.limits import require, require_features
from detectors.step_curves import StepCurves, fit, probability
from state.errors import SnapshotError
from state.snapshot import pack, unpack
from state.types import F64

_REFIT_SHARE: Final = 16
"""The model is fitted anew when a label's rows have grown, or been replaced, by 1/16."""
_MANY: Final = 4096
"""Rows from which on a fit goes on from the last one: few are fitted from the beginning in no time."""


@dataclass(frozen=True, slots=True)
class BinnedLogisticSpec(DetectorSpec):
    """Logistic regression on binned features, fitted to remembered labelled rows.

    ready: subjects of each label before the first score. remember: rows of each label kept. rows_each: of these,
    the last so many of a subject, which count as one observation together; 0 keeps all of them, each an observation
    (a series of one subject). one_in: of genuine subjects one in so many is remembered, by the hash of its id, so
    that where they are many the memory reaches as far back for them as for frauds. ridge: how strongly weights are
    drawn to 0; about four observations in a bin outweigh 1. smooth: how strongly they are drawn to those of the
    bins beside them, on the same scale.
    """

    type: ClassVar[str] = "binned_logistic"

    ready: int = 3
    remember: int = 4096
    rows_each: int = 4
    one_in: int = 1
    ridge: float = 0.1
    smooth: float = 3.0

    def __post_init__(self) -> None:
        require(
            self,
            self.type,
            ready=(self.ready >= 1, "at least 1"),
            remember=(self.remember >= 16, "at least 16"),
            rows_each=(self.rows_each >= 0, "at least 0"),
            one_in=(self.one_in >= 1, "at least 1"),
            ridge=(self.ridge > 0, "above 0"),
            smooth=(self.smooth >= 0, "at least 0"),
        )

    @property
    def uses_labels(self) -> bool:
        """It learns from nothing else."""
        return True

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> "BinnedLogistic":
        """A detector at work."""
        require_features(len(features), self.type)
        detector = BinnedLogistic(self, features)
        if resume is not None:
            detector.resume(resume)
        return detector


class BinnedLogistic(Detector):
    """Score: the probability of label 1, among subjects as those that labels were given of."""

    KIND: ClassVar[str] = "binned_logistic"

    def __init__(self, spec: BinnedLogisticSpec, features: tuple[FeatureInfo, ...]) -> None:
        self.spec = spec
        self.features = features
        self.memory = LabelMemory(len(features), spec.remember, spec.rows_each)
        self.curves: StepCurves | None = None
        self.usual = np.zeros(len(features))
        """What each feature adds to the log odds of a genuine subject, on average."""

    def score(self, rows: Rows) -> F64:
        """(n,) float64 in [0, 1]; nan before `ready` subjects of each label are known."""
        if self.curves is None or not len(rows):
            return np.full(len(rows), np.nan)
        return probability(self.curves.log_odds(rows.x))

    def learn(self, rows: Rows) -> None:
        """Remember the rows that have a label; fit the model again when there are enough new ones."""
        if rows.label is None:
            return
        memory = self.memory
        if self.spec.one_in > 1:
            rows = rows.pick(np.flatnonzero((rows.label != 0) | (rows.subject % np.uint64(self.spec.one_in) == 0)))
        assert rows.label is not None
        memory.add(rows.x, rows.subject, rows.label)
        grown = [fresh * _REFIT_SHARE > kept for fresh, kept in zip(memory.fresh, memory.kept, strict=True)]
        if any(grown) and min(memory.observations) >= self.spec.ready:
            self._fit()

    def _fit(self) -> None:
        known, (genuine, fraud) = self.memory.rows(), self.memory.observations
        # King & Zeng 2001: a sample that was drawn by label has another intercept, and the same curves.
        came = self.memory.entered[0] * self.spec.one_in
        drawn = float(np.log(fraud / self.memory.entered[1]) - np.log(genuine / came))
        begin = None
        if self.curves is not None and len(known.x) >= _MANY:
            begin = replace(self.curves, intercept=self.curves.intercept + drawn)
        curves = fit(known.x, known.fraud, known.weight, self.spec.ridge, self.spec.smooth, begin)
        self.curves = replace(curves, intercept=curves.intercept - drawn)
        people = known.fraud == 0.0
        self.usual = (curves.parts(known.x[people]) * known.weight[people]).sum(axis=1) / known.weight[people].sum()
        self.memory.all_known()

    def explain(self, rows: Rows) -> F64:
        """(n, F): by how much each feature raises the log odds above what is usual for genuine subjects."""
        if self.curves is None or not len(rows):
            return np.zeros((len(rows), len(self.features)))
        return np.maximum(self.curves.parts(rows.x) - self.usual[:, None], 0.0).T

    def forget_subject(self, subject: int) -> None:
        """Its labelled rows go; the curves stay as they were fitted."""
        self.memory.forget(subject)

    def snapshot(self) -> bytes:
        """The memory, and the model as it was fitted."""
        memory, arrays = self.memory.state()
        meta: dict[str, Any] = {"memory": memory, "intercept": None, "fits": self._fits()}
        if self.curves is not None:
            meta["intercept"] = self.curves.intercept
            arrays |= {"cuts": self.curves.cuts, "curve": self.curves.curve, "usual": self.usual}
        return pack(self.KIND, self.version, meta, arrays)

    def _fits(self) -> list[object]:
        thinned = [self.spec.one_in] if self.spec.one_in > 1 else []
        return [self.spec.remember, self.spec.rows_each, [f.name for f in self.features], *thinned]

    def resume(self, blob: bytes) -> None:
        """Take back a snapshot.  Raises SnapshotError where the memory's settings or the features differ."""
        _, meta, arrays = unpack(blob, self.KIND, (self.version,))
        if meta["fits"] != self._fits():
            raise SnapshotError(
                f"{self.KIND}: saved for (remember, rows_each, features) {meta['fits']}, configured {self._fits()}"
            )
        self.memory = LabelMemory.resume(meta["memory"], arrays, self.spec.remember, self.spec.rows_each)
        if meta["intercept"] is not None:
            self.curves = StepCurves(arrays["cuts"], arrays["curve"], float(meta["intercept"]))
            self.usual = arrays["usual"]
