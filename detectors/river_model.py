"""Any model of River by its import path: anomaly detectors, classifiers, pipelines of steps, models made of models.

It costs what River costs (10 to 400 us a row), row by row.  Detectors that run on every row deserve a vectorised twin.
River is imported when there is a model to make: with all that it imports it takes as long as a small job.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any, ClassVar, Union

import numpy as np

from detectors.base import Detector, DetectorSpec, FeatureInfo, Rows
from detectors.limits import require, require_features
from detectors.river_objects import from_bytes, is_river, to_bytes
from detectors.sample import Sample, evenly
from detectors.scaling import LIMIT, Scale, fit_scale, scale_of, usual_but_for
from state.errors import ConfigError, DetectorError, SnapshotError
from state.snapshot import pack, unpack
from state.types import F64

Value = Union[str, int, float, bool, None, "Part", tuple["Part", ...]]
Params = tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """An object of River.  path: import path of its class.  params: its arguments; a part may be made of parts."""

    path: str
    params: Params = ()


@dataclass(frozen=True)
class RiverModelSpec(DetectorSpec):
    """A model of River: one that scores rows, or a classifier that learns from labels.

    path: import path of a River class.  params: its arguments as (name, value) pairs; a value may be a table with
    path and params, which is another River object, or a list of such.  steps: parts that come before it in a pipeline.
    target: the feature that is judged given the others, for detectors that score a y (GaussianScorer,
    StandardAbsoluteDeviation, PredictiveAnomalyDetection).  warmup: rows after which medians and inter-quartile ranges
    are fixed, and again as many before the first score.  learn_rows_max: rows learned per round, evenly chosen.
    scaled: features in inter-quartile ranges from their median, [-5, 5], nothing missing; else on their natural scale,
    missing ones left out.  unit: [0, 1] instead of [-5, 5] (Half-Space Trees).  directed: as in
    `detectors.scaling.fit_scale`.
    """

    type: ClassVar[str] = "river"

    path: str = "river.anomaly.LODA"
    params: Params = (("n_random_cuts", 25), ("seed", 1))
    steps: tuple[Part, ...] = ()
    target: str = ""
    warmup: int = 256
    learn_rows_max: int = 1024
    scaled: bool = True
    unit: bool = False
    directed: bool = True

    def __post_init__(self) -> None:
        require(
            self,
            self.type,
            warmup=(self.warmup >= 1, "at least 1"),
            learn_rows_max=(self.learn_rows_max >= 1, "at least 1"),
        )

    def model(self) -> Any:
        """A new model.  Raises ConfigError for a path or arguments that River does not know."""
        from river.base import AnomalyDetector, AnomalyFilter, Classifier, SupervisedAnomalyDetector

        model = _construct(Part(self.path, self.params))
        for step in reversed(self.steps):
            model = _construct(step) | model
        if not isinstance(_last(model), AnomalyDetector | AnomalyFilter | SupervisedAnomalyDetector | Classifier):
            raise ConfigError(f"river: {self.path} is neither an anomaly detector (score_one) nor a classifier")
        if bool(self.target) != isinstance(_last(model), SupervisedAnomalyDetector):
            what = (
                "needs a target, the feature that it judges" if not self.target else "takes no target: it judges rows"
            )
            raise ConfigError(f"river: {self.path} {what}")
        return model

    @cached_property
    def imports(self) -> tuple[str, ...]:
        """Import paths of classes that are not River's."""
        return tuple(path for path in _paths((Part(self.path, self.params), *self.steps)) if not is_river(path))

    @cached_property
    def uses_labels(self) -> bool:
        """Whether it is a classifier."""
        return _classifies(self.model())

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> "RiverDetector":
        """A detector at work.  Raises ConfigError for a path or arguments that River does not know."""
        require_features(len(features), self.type)
        names = [f.name for f in features]
        if self.target and self.target not in names:
            raise ConfigError(f"river: no feature {self.target!r} to judge; there are {', '.join(names)}")
        detector = RiverDetector(self, features, self.model())
        if resume is not None:
            detector.resume(resume)
        return detector


def _construct(part: Part) -> Any:
    module, _, name = part.path.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"river: cannot import {part.path!r}: {error}; give a path such as river.anomaly.LODA"
        ) from error
    if not isinstance(kind, type):
        raise ConfigError(f"river: {part.path} is not a class")
    params = {key: _argument(value) for key, value in part.params}
    try:
        return kind(**params)
    except Exception as error:
        raise ConfigError(f"river: {part.path} does not accept {params}: {error}") from error


def _paths(value: Value) -> Iterator[str]:
    if isinstance(value, Part):
        yield value.path
        for _, inner in value.params:
            yield from _paths(inner)
    elif isinstance(value, tuple):
        for part in value:
            yield from _paths(part)


def _argument(value: Value) -> Any:
    if isinstance(value, Part):
        return _construct(value)
    return [_construct(part) for part in value] if isinstance(value, tuple) else value


def _last(model: Any) -> Any:
    """The step of a pipeline that answers."""
    from river.compose import Pipeline

    return list(model.steps.values())[-1] if isinstance(model, Pipeline) else model


def _classifies(model: Any) -> bool:
    from river.base import Classifier

    return isinstance(_last(model), Classifier)


@contextmanager
def _river(doing: str, raises: type[Exception] = DetectorError) -> Iterator[None]:
    """River's Rust half raises PanicException, a BaseException: nothing of it may pass for an interrupt."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise raises(f"river: {doing}: {type(error).__name__}: {error}") from error


class RiverDetector(Detector):
    """One River model, its frozen scale, and rows learned so far."""

    KIND: ClassVar[str] = "river"

    def __init__(self, spec: RiverModelSpec, features: tuple[FeatureInfo, ...], model: Any) -> None:
        self.spec = spec
        self.features = features
        self.names = [f.name for f in features]
        # A pickle tells shared texts from equal ones: from here on it is as it would be after a restart.
        self.model = self._read(to_bytes(model))
        self.classifies = _classifies(model)
        self.learned = 0
        self.labels = [0, 0]
        """Rows learned with label 0, with label 1."""
        self.turn = 0
        self.sample = Sample(len(features), max(512, spec.warmup))
        self.scale: Scale | None = None

    @property
    def ready(self) -> bool:
        """Whether rows are scored."""
        return self.scale is not None and (
            min(self.labels) > 0 if self.classifies else self.learned >= self.spec.warmup
        )

    def score(self, rows: Rows) -> F64:
        """(n,) float64 on River's scale, for classifiers the probability of label 1; nan before `2 * warmup` rows, or
        before a classifier has seen both labels, and where River says int 0, its "not yet".
        """
        if not self.ready or self.scale is None or not len(rows):
            return np.full(len(rows), np.nan)
        return self._score(self._seen(self.scale, rows.x))

    def _seen(self, scale: Scale, x: F64) -> F64:
        """What the model is shown."""
        if not self.spec.scaled:
            return np.where(np.isfinite(x), x, np.nan)
        z = scale.apply(x)
        return (z + LIMIT) / (2 * LIMIT) if self.spec.unit else z

    def _score(self, seen: F64) -> F64:
        model, target = self.model, self.spec.target
        with _river(f"{self.spec.path}.score_one"):
            if self.classifies:
                answers = [model.predict_proba_one(row).get(True, 0.0) for row in self._dicts(seen)]
            elif target:
                answers = [model.score_one(row, row.pop(target, 0.0)) for row in self._dicts(seen)]
            else:
                answers = [model.score_one(row) for row in self._dicts(seen)]
        return np.array([np.nan if type(a) is int else float(a) for a in answers], dtype=np.float64)

    def _dicts(self, seen: F64) -> Iterator[dict[str, float]]:
        if self.spec.scaled:
            return (dict(zip(self.names, row, strict=True)) for row in seen.tolist())
        # A value is missing where it differs from itself.
        return ({name: v for name, v in zip(self.names, row, strict=True) if v == v} for row in seen.tolist())

    def learn(self, rows: Rows) -> None:
        """Learn at most `learn_rows_max` rows of a round; a classifier those with a label."""
        if not len(rows):
            return
        if self.scale is None:
            self.sample.add(rows.x)
            if self.sample.count < self.spec.warmup:
                return
            self.scale = fit_scale(self.features, self.sample, self.spec.directed)
            self.sample = Sample(len(self.features), max(512, self.spec.warmup))
        label = rows.label if rows.label is not None else np.full(len(rows), np.nan)
        fit = np.flatnonzero(~np.isnan(label)) if self.classifies else np.arange(len(rows))
        chosen = fit[evenly(len(fit), self.spec.learn_rows_max, self.turn)]
        self.turn += 1
        shown = self._dicts(self._seen(self.scale, rows.x[chosen]))
        learn_one, target = self.model.learn_one, self.spec.target
        with _river(f"{self.spec.path}.learn_one"):
            if self.classifies:
                for row, y in zip(shown, label[chosen].tolist(), strict=True):
                    self.labels[int(y > 0)] += 1
                    learn_one(row, y > 0)
            elif target:
                for row in shown:
                    learn_one(row, row.pop(target, 0.0))
            else:
                for row in shown:
                    learn_one(row)
        self.learned += len(chosen)

    def explain(self, rows: Rows) -> F64:
        """(n, F): the score's drop with one feature at its median (`detectors.scaling.usual_but_for`)."""
        if not self.ready or self.scale is None or not len(rows):
            return np.zeros((len(rows), len(self.features)))
        if not self.spec.scaled:
            return np.abs(self.scale.apply(rows.x))
        score = (lambda z: self._score((z + LIMIT) / (2 * LIMIT))) if self.spec.unit else self._score
        return np.nan_to_num(usual_but_for(score, self.scale.apply(rows.x)))

    def snapshot(self) -> bytes:
        """A pickle of the model in a frame that names River's version, beside the scale."""
        sample, arrays = self.sample.state()
        scale = np.empty((2, 0)) if self.scale is None else np.stack([self.scale.center, self.scale.spread])
        model = np.frombuffer(to_bytes(self.model), np.uint8)
        meta = {
            "sample": sample, "learned": self.learned, "labels": self.labels, "turn": self.turn, "fits": self._fits(),
        }  # fmt: skip
        return pack(self.KIND, self.version, meta, {**arrays, "scale": scale, "model": model})

    def _read(self, blob: bytes) -> Any:
        return from_bytes(blob, f"river: {self.spec.path}", self.spec.imports)

    def _fits(self) -> list[Any]:
        spec = self.spec
        whole = [version("river"), spec.path, _plain(spec.params), self.names]
        return [*whole, _plain(spec.steps), spec.target, spec.scaled] if spec.steps or spec.target else whole

    def resume(self, blob: bytes) -> None:
        """Take back a snapshot.  Raises SnapshotError where River's version, the model or the features differ.

        River's pickles do not survive its releases: some fail, some load and answer differently.
        """
        _, meta, arrays = unpack(blob, self.KIND, (self.version,))
        if meta["fits"] != self._fits():
            what = "(River version, path, params, features)"
            saved = f"saved for {what} {meta['fits']}, this build has {self._fits()}"
            raise SnapshotError(f"river: {saved}; resume with the saved ones, or start this detector afresh and replay")
        self.model = self._read(arrays["model"].tobytes())
        self.sample = Sample.resume(meta["sample"], arrays)
        self.learned, self.turn, self.labels = int(meta["learned"]), int(meta["turn"]), meta.get("labels", [0, 0])
        if arrays["scale"].size:
            self.scale = scale_of(self.features, arrays["scale"][0], arrays["scale"][1], self.spec.directed)


def _plain(value: Any) -> Any:
    """As JSON gives it back."""
    if isinstance(value, Part):
        return {"path": value.path, "params": _plain(value.params)}
    return [_plain(v) for v in value] if isinstance(value, tuple) else value
