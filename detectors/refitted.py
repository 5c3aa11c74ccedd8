"""A model that is fitted anew to the last labelled rows, in a process of its own, and swapped in at a set time.

A plug-in says how to fit and how to score; when that happens, and with which rows, follows from event time alone:

    labelled rows ──► memory ──┬── a boundary is passed: a fit begins with what is known ──► `lag` later the model that
                               │                                                            came of it takes over
                               └── (the flow goes on, and waits there if the fit is not done)

So the model that judges a row is the same whatever the batches, the workers and the restarts.  A fit that fails, or
takes longer than it may, leaves the model that there is in place, and the log says so.
"""

import logging
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from detectors.base import Detector, DetectorSpec, FeatureInfo, Rows
from detectors.limits import require, require_features
from detectors.refit_process import Fitting, RefitError
from state.errors import SnapshotError
from state.snapshot import pack, unpack
from state.types import F32, F64, HOUR_US, U64

_log: Final = logging.getLogger("driftnet.detectors")

Scorer = Callable[[F64], F64]
"""(n, F), nan for no value -> (n,) finite, higher is odder."""


@dataclass(frozen=True, slots=True)
class RefittedSpec(DetectorSpec):
    """What a plug-in extends: `fit`, `scorer`, and parameters of its own.

    remember: labelled rows that a fit sees, the last ones.  every_hours: a fit begins when event time passes a multiple
    of this.  lag_hours: how much later, in event time, its model takes over; 0 for the next round.  ready: rows of each
    label before the first fit.  seconds: wall-clock time that a fit may take; `budget` of the detector has to be
    longer.

    The class is at the top of its module, and its parameters are numbers, texts, or tuples of these: so the other
    process finds it.
    """

    remember: int = 100_000
    every_hours: float = 24.0
    lag_hours: float = 1.0
    ready: int = 16
    seconds: float = 20.0

    def __post_init__(self) -> None:
        require(
            self,
            self.type,
            remember=(self.remember >= 16, "at least 16"),
            every_hours=(self.every_hours > 0, "above 0"),
            lag_hours=(0 <= self.lag_hours < self.every_hours, "at least 0, below every_hours"),
            ready=(self.ready >= 1, "at least 1"),
            seconds=(self.seconds > 0, "above 0"),
        )

    @abstractmethod
    def fit(self, x: F64, fraud: F64) -> bytes:
        """The model as bytes: the same for the same rows.  x: (n, F), nan for no value.  fraud: (n,) 1 or 0, both
        there; the oldest label first.  Runs in another process.
        """

    @abstractmethod
    def scorer(self, model: bytes) -> Scorer:
        """How rows are scored by a model."""

    @property
    def uses_labels(self) -> bool:
        """It learns from nothing else."""
        return True

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> "Refitted":
        """A detector at work."""
        require_features(len(features), self.type)
        detector = Refitted(self, features)
        if resume is not None:
            detector.resume(resume)
        return detector


@dataclass(frozen=True, slots=True)
class _Lesson:
    """Labelled rows, in the order in which the labels came.  x: (n, F).  fraud: (n,) 1 or 0.  subject: (n,)."""

    x: F32
    fraud: NDArray[np.uint8]
    subject: U64

    def __len__(self) -> int:
        return len(self.fraud)

    def take(self, at: Any) -> "_Lesson":
        return _Lesson(self.x[at], self.fraud[at], self.subject[at])

    @staticmethod
    def joined(parts: "list[_Lesson]", features: int) -> "_Lesson":
        nothing = _Lesson(np.empty((0, features), np.float32), np.empty(0, np.uint8), np.empty(0, np.uint64))
        parts = [nothing, *parts]
        return _Lesson(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("x", "fraud", "subject")))


@dataclass(slots=True)
class _Due:
    """A fit under way.  at_us: its model takes over after this.  rows: that it sees.  fitting: None before it began in
    this process.
    """

    at_us: int
    rows: _Lesson
    fitting: Fitting | None = None


class Refitted(Detector):
    """Score: what the model in office gives."""

    KIND: ClassVar[str] = "refitted"

    def __init__(self, spec: RefittedSpec, features: tuple[FeatureInfo, ...]) -> None:
        self.spec = spec
        self.features = features
        self._lessons: deque[_Lesson] = deque()
        self._model = b""
        self._usual = np.full(len(features), np.nan)
        """Medians of the genuine rows that it was fitted to."""
        self._scorer: Scorer | None = None
        self._due: _Due | None = None
        self._began = -1
        """Number of the latest boundary at which a fit began, or could have."""

    def score(self, rows: Rows) -> F64:
        """(n,) float64; nan before there is a model."""
        scorer, _ = self._in_office(rows.end_us)
        if scorer is None or not len(rows):
            return np.full(len(rows), np.nan)
        return np.asarray(scorer(rows.x), np.float64)

    def learn(self, rows: Rows) -> None:
        """Remember the rows that have a label; swap the model, and begin a fit, where it is time."""
        self._swap(rows.end_us)
        every_us = round(self.spec.every_hours * HOUR_US)
        if rows.end_us // every_us > self._began:
            self._begin(rows.end_us, every_us)
        if rows.label is not None:
            known = ~np.isnan(rows.label)
            with np.errstate(over="ignore"):
                x = rows.x[known].astype(np.float32)
            x[np.isinf(x)] = np.nan
            self._remember(_Lesson(x, (rows.label[known] > 0).astype(np.uint8), rows.subject[known]))

    def _remember(self, lesson: _Lesson) -> None:
        if len(lesson):
            self._lessons.append(lesson)
        beyond = sum(map(len, self._lessons)) - self.spec.remember
        while beyond > 0:
            first = self._lessons.popleft()
            if len(first) > beyond:
                self._lessons.appendleft(first.take(slice(beyond, None)))
            beyond -= len(first)

    def _begin(self, end_us: int, every_us: int) -> None:
        """A fit with all that was known before this round, if that is enough."""
        if self._due is not None:
            return
        frauds = sum(int(lesson.fraud.sum()) for lesson in self._lessons)
        if min(frauds, sum(map(len, self._lessons)) - frauds) < self.spec.ready:
            return
        known = _Lesson.joined(list(self._lessons), len(self.features))
        self._began = end_us // every_us
        self._due = _Due(end_us + round(self.spec.lag_hours * HOUR_US), known)
        self._started(self._due)

    def _started(self, due: _Due) -> Fitting:
        if due.fitting is None:
            rows = due.rows
            due.fitting = Fitting(
                self.spec, rows.x.astype(np.float64), rows.fraud.astype(np.float64), self.spec.seconds
            )
        return due.fitting

    def _in_office(self, end_us: int) -> tuple[Scorer | None, bytes]:
        """How rows of a round are scored; waits for the model that is due there.  Changes nothing that is saved."""
        due = self._due
        if due is not None:
            fitting = self._started(due)
            if end_us > due.at_us:
                try:
                    model = fitting.model()
                    return fitting.once("scorer", lambda: self.spec.scorer(model)), model
                except RefitError:
                    pass
        if self._scorer is None and self._model:
            self._scorer = self.spec.scorer(self._model)
        return self._scorer, self._model

    def _swap(self, end_us: int) -> None:
        due = self._due
        if due is None or end_us <= due.at_us:
            return
        try:
            self._started(due).model()
        except RefitError as error:
            _log.warning("%s: the model of before stays: %s", self.spec.type, error)
        else:
            self._scorer, self._model = self._in_office(end_us)
            genuine = due.rows.x[due.rows.fraud == 0].astype(np.float64)
            there = ~np.isnan(genuine).all(axis=0)
            self._usual = np.full(len(self.features), np.nan)
            self._usual[there] = np.nanmedian(genuine[:, there], axis=0)
        self._due = None

    def explain(self, rows: Rows) -> F64:
        """(n, F): by how much each feature's value raises the score above what it would be with a usual one."""
        scorer, _ = self._in_office(rows.end_us)
        out = np.zeros(rows.x.shape)
        if scorer is None or not len(rows):
            return out
        score = np.asarray(scorer(rows.x), np.float64)
        for j, usual in enumerate(self._usual):
            x = rows.x.copy()
            x[:, j] = usual
            out[:, j] = np.maximum(score - np.asarray(scorer(x), np.float64), 0.0)
        return out

    def forget_subject(self, subject: int) -> None:
        """Its labelled rows go; models stay as they were fitted."""
        self._lessons = deque(one.take(one.subject != np.uint64(subject)) for one in self._lessons)
        if self._due is not None:
            rows = self._due.rows
            self._due.rows = rows.take(rows.subject != np.uint64(subject))

    def snapshot(self) -> bytes:
        """The memory, the model in office, and the rows of a fit under way, which begins again after a restart."""
        known = _Lesson.joined(list(self._lessons), len(self.features))
        meta = {
            "fits": self._fits(),
            "began": self._began,
            "due_us": None if self._due is None else self._due.at_us,
        }
        arrays: dict[str, NDArray[Any]] = {
            "x": known.x, "fraud": known.fraud, "subject": known.subject, "usual": self._usual,
            "model": np.frombuffer(self._model, np.uint8),
        }  # fmt: skip
        if self._due is not None:
            rows = self._due.rows
            arrays |= {"due.x": rows.x, "due.fraud": rows.fraud, "due.subject": rows.subject}
        return pack(self.KIND, self.version, meta, arrays)

    def _fits(self) -> list[object]:
        return [self.spec.type, self.spec.remember, [f.name for f in self.features]]

    def resume(self, blob: bytes) -> None:
        """Take back a snapshot.  Raises SnapshotError where the model, the memory's settings or the features differ."""
        _, meta, arrays = unpack(blob, self.KIND, (self.version,))
        if meta["fits"] != self._fits():
            raise SnapshotError(
                f"{self.KIND}: saved for (model, remember, features) {meta['fits']}, configured {self._fits()}"
            )
        self._began = meta["began"]
        self._lessons = deque([_Lesson(arrays["x"], arrays["fraud"], arrays["subject"])])
        self._model, self._usual = arrays["model"].tobytes(), arrays["usual"].copy()
        if meta["due_us"] is not None:
            rows = _Lesson(arrays["due.x"], arrays["due.fraud"], arrays["due.subject"])
            self._due = _Due(meta["due_us"], rows)
