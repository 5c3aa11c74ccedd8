"""Any anomaly detector of River by its import path, row by row on scaled features: for trying out.

It costs what River costs (10 to 400 us a row).  Detectors that run on every row deserve a vectorised twin.
"""

import importlib
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, ClassVar

import numpy as np
from river.base import AnomalyDetector

from detectors.base import Detector, DetectorSpec, FeatureInfo, Rows
from detectors.limits import require, require_features
from detectors.sample import Sample, evenly
from detectors.scaling import LIMIT, Scale, fit_scale, scale_of, usual_but_for
from state.errors import ConfigError, DetectorError, SnapshotError
from state.snapshot import pack, unpack
from state.types import F64

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class RiverModelSpec(DetectorSpec):
    """A River anomaly detector.

    path: import path of a subclass of river.base.AnomalyDetector.  params: its arguments as (name, value) pairs.
    warmup: rows after which medians and inter-quartile ranges are fixed, and again as many before the first score.
    learn_rows_max: rows learned per round, evenly chosen.  unit: features as [0, 1] (Half-Space Trees) instead of
    [-5, 5] inter-quartile ranges.  directed: as in `detectors.scaling.fit_scale`.
    """

    type: ClassVar[str] = "river"

    path: str = "river.anomaly.LODA"
    params: tuple[tuple[str, Scalar], ...] = (("n_random_cuts", 25), ("seed", 1))
    warmup: int = 256
    learn_rows_max: int = 1024
    unit: bool = False
    directed: bool = True

    def __post_init__(self) -> None:
        require(
            self,
            self.type,
            warmup=(self.warmup >= 1, "at least 1"),
            learn_rows_max=(self.learn_rows_max >= 1, "at least 1"),
        )

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> "RiverDetector":
        """A detector at work.  Raises ConfigError for a path or arguments that River does not know."""
        require_features(len(features), self.type)
        detector = RiverDetector(self, features, _construct(self.path, self.params))
        if resume is not None:
            detector.resume(resume)
        return detector


def _construct(path: str, params: tuple[tuple[str, Scalar], ...]) -> Any:
    module, _, name = path.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"river: cannot import {path!r}: {error}; give a path such as river.anomaly.LODA") from error
    if not (isinstance(kind, type) and issubclass(kind, AnomalyDetector)):
        raise ConfigError(f"river: {path} is not a river.base.AnomalyDetector (score_one(x), learn_one(x))")
    try:
        return kind(**dict(params))
    except Exception as error:
        raise ConfigError(f"river: {path} does not accept {dict(params)}: {error}") from error


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
        self.model = model
        self.learned = 0
        self.turn = 0
        self.sample = Sample(len(features), max(512, spec.warmup))
        self.scale: Scale | None = None

    def score(self, rows: Rows) -> F64:
        """(n,) float64 on River's scale; nan before `2 * warmup` rows, and where River says int 0, its "not yet"."""
        if self.scale is None or self.learned < self.spec.warmup:
            return np.full(len(rows), np.nan)
        return self._score(self.scale.apply(rows.x))

    def _score(self, z: F64) -> F64:
        score_one = self.model.score_one
        with _river(f"{self.spec.path}.score_one"):
            answers = [score_one(row) for row in self._dicts(z)]
        return np.array([np.nan if type(a) is int else float(a) for a in answers], dtype=np.float64)

    def _dicts(self, z: F64) -> Iterator[dict[str, float]]:
        values = (z + LIMIT) / (2 * LIMIT) if self.spec.unit else z
        return (dict(zip(self.names, row, strict=True)) for row in values.tolist())

    def learn(self, rows: Rows) -> None:
        """Learn at most `learn_rows_max` rows of a round."""
        if not len(rows):
            return
        if self.scale is None:
            self.sample.add(rows.x)
            if self.sample.count < self.spec.warmup:
                return
            self.scale = fit_scale(self.features, self.sample, self.spec.directed)
            self.sample = Sample(len(self.features), max(512, self.spec.warmup))
        chosen = evenly(len(rows), self.spec.learn_rows_max, self.turn)
        self.turn += 1
        with _river(f"{self.spec.path}.learn_one"):
            for row in self._dicts(self.scale.apply(rows.x[chosen])):
                self.model.learn_one(row)
        self.learned += len(chosen)

    def explain(self, rows: Rows) -> F64:
        """(n, F): the score's drop with one feature at its median (`detectors.scaling.usual_but_for`)."""
        if self.scale is None or self.learned < self.spec.warmup or not len(rows):
            return np.zeros((len(rows), len(self.features)))
        return np.nan_to_num(usual_but_for(self._score, self.scale.apply(rows.x)))

    def snapshot(self) -> bytes:
        """A pickle of the model in a frame that names River's version, beside the scale."""
        sample, arrays = self.sample.state()
        scale = np.empty((2, 0)) if self.scale is None else np.stack([self.scale.center, self.scale.spread])
        model = np.frombuffer(pickle.dumps(self.model, protocol=5), np.uint8)
        meta = {"sample": sample, "learned": self.learned, "turn": self.turn, "fits": self._fits()}
        return pack(self.KIND, self.version, meta, {**arrays, "scale": scale, "model": model})

    def _fits(self) -> list[Any]:
        return [version("river"), self.spec.path, [list(pair) for pair in self.spec.params], self.names]

    def resume(self, blob: bytes) -> None:
        """Take back a snapshot.  Raises SnapshotError where River's version, the model or the features differ.

        River's pickles do not survive its releases: some fail, some load and answer differently.
        """
        _, meta, arrays = unpack(blob, self.KIND, (self.version,))
        if meta["fits"] != self._fits():
            what = "(River version, path, params, features)"
            saved = f"saved for {what} {meta['fits']}, this build has {self._fits()}"
            raise SnapshotError(f"river: {saved}; resume with the saved ones, or start this detector afresh and replay")
        with _river("restoring the model", raises=SnapshotError):
            # The frame's checksum and River's version were checked; the bytes are our own snapshot.
            self.model = pickle.loads(arrays["model"].tobytes())  # noqa: S301
        self.sample = Sample.resume(meta["sample"], arrays)
        self.learned, self.turn = int(meta["learned"]), int(meta["turn"])
        if arrays["scale"].size:
            self.scale = scale_of(self.features, arrays["scale"][0], arrays["scale"][1], self.spec.directed)
