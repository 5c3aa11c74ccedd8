"""The Half-Space Trees detector: robustly scaled features through the twin of River's model (twin.py)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from detectors.base import Detector, DetectorSpec, FeatureInfo, Rows
from detectors.half_space.twin import HalfSpaceTreesTwin
from detectors.limits import require, require_features
from detectors.sample import Sample, evenly
from detectors.scaling import LIMIT, Scale, fit_scale, scale_of, usual_but_for
from state.errors import SnapshotError
from state.snapshot import pack, unpack
from state.types import F32, F64


@dataclass(frozen=True, slots=True)
class HalfSpaceTreesSpec(DetectorSpec):
    """Half-Space Trees on robustly scaled features.

    n_trees, height, window_size: as in River.  seed: of the trees.  directed: values on a feature's unsuspicious side
    count as usual.  scale_rows: rows remembered for medians and inter-quartile ranges.  reach: inter-quartile ranges
    from the median to the walls of the cube that is cut, of the first and of the last tree; the others lie between, on
    a logarithmic scale.  A wide cube wastes its cuts on bounded features, a narrow one loses heavy tails: where nothing
    is known of the features, trees of many widths see both.
    """

    type: ClassVar[str] = "half_space_trees"
    one_mode: ClassVar[bool] = False

    n_trees: int = 25
    height: int = 8
    window_size: int = 250
    seed: int = 1
    directed: bool = True
    scale_rows: int = 512
    reach: tuple[float, float] = (LIMIT, LIMIT)

    def __post_init__(self) -> None:
        require(
            self,
            self.type,
            n_trees=(self.n_trees >= 1, "at least 1"),
            height=(1 <= self.height <= 15, "1 to 15"),
            window_size=(self.window_size >= 10, "at least 10"),
            scale_rows=(self.scale_rows >= 16, "at least 16"),
            reach=(0.1 <= self.reach[0] <= self.reach[1] <= 1000, "two numbers, ascending, 0.1 to 1000"),
        )

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> "HalfSpaceTreesDetector":
        """A detector at work."""
        require_features(len(features), self.type)
        detector = HalfSpaceTreesDetector(self, features)
        if resume is not None:
            detector.resume(resume)
        return detector


@dataclass(frozen=True, slots=True, eq=False)
class _Scored:
    """Scores of the rows [begin, stop) of a matrix: what a walk through the trees costs is shared."""

    whole: F64
    begin: int
    stop: int
    score: F64


class HalfSpaceTreesDetector(Detector):
    """The twin, its scale and its diet.

    Rows of later rounds are scored with those of this one, as far as they may come before the pivot: until then their
    scores are what they are now.

    Score: -log(path mass / largest mass), a monotone function of River's score with a tail that calibration can fit.
    Scale: z in inter-quartile ranges, [-reach, reach] mapped to [0, 1].  It is renewed at pivots only, and reference
    masses are asked on the scale they were counted on.  What lies beyond a tree's walls falls into the leaf there.
    Diet: a round gives at most one model window of rows, evenly chosen, so that a reference is spread over a whole
    population and not over the last 250 accounts of it; smaller rounds are learned in full, as River would.
    """

    KIND: ClassVar[str] = "half_space_trees"

    def __init__(self, spec: HalfSpaceTreesSpec, features: tuple[FeatureInfo, ...]) -> None:
        self.spec = spec
        self.features = features
        names = [f.name for f in features]
        self.trees = HalfSpaceTreesTwin(names, spec.n_trees, spec.height, spec.window_size, seed=spec.seed)
        self.limit = spec.reach[1]
        if spec.reach[0] < self.limit:
            self.trees.forest = self.trees.forest.shrunk(np.geomspace(*spec.reach, spec.n_trees) / self.limit)
        self.sample = Sample(len(features), max(spec.scale_rows, spec.window_size))
        self.turn = 0
        self._held: list[F64] = []
        """Rows that are counted with others, at the pivot: what a walk through the trees costs is shared."""
        self._held_rows = 0
        self._scored: _Scored | None = None
        """Until the pivot."""
        self.asking: Scale | None = None
        self.learning: Scale | None = None

    def score(self, rows: Rows) -> F64:
        """(n,) float64 >= 0; nan before the first reference window is full."""
        if self.asking is None or not len(rows):
            return np.full(len(rows), np.nan)
        if rows.ahead is None or rows.x.base is not rows.ahead[0].base:
            return self._score(self.asking.unit(rows.x))
        whole, begin = rows.ahead
        stop = begin + len(rows)
        if self._scored is None or self._scored.whole is not whole or stop > self._scored.stop:
            last = stop + self.spec.window_size - self.trees.counter - self._held_rows
            score = self._score(self.asking.unit(whole[begin:last]))
            self._scored = _Scored(whole, begin, begin + len(score), score)
        return self._scored.score[begin - self._scored.begin : stop - self._scored.begin]

    def _score(self, unit: F32) -> F64:
        return -np.log(self.trees.mass(unit) / self.trees.mass_max)

    def learn(self, rows: Rows) -> None:
        """Learn at most one window of rows."""
        if not len(rows):
            return
        self.sample.add(rows.x)
        if self.learning is None:
            if self.sample.count < self.spec.window_size:
                return
            self.learning = self._fit()
        chosen = evenly(len(rows), self.spec.window_size, self.turn)
        self.turn += 1
        # Cut at the pivot: what follows it is counted on the scale of the window it belongs to.
        cut = self.spec.window_size - self.trees.counter - self._held_rows
        for part in (chosen[:cut], chosen[cut:]):
            if len(part):
                self._held.append(rows.x[part])
                self._held_rows += len(part)
                if self.trees.counter + self._held_rows == self.spec.window_size:
                    self._count_held()
                    self.asking, self._scored = self.learning, None
                    self.learning = self._fit()

    def _count_held(self) -> None:
        if self._held and self.learning is not None:
            self.trees.learn(self.learning.unit(np.concatenate(self._held)))
            self._held, self._held_rows = [], 0

    def _fit(self) -> Scale:
        return fit_scale(self.features, self.sample, self.spec.directed, self.limit)

    def explain(self, rows: Rows) -> F64:
        """(n, F): the score's drop with one feature at its median (`detectors.scaling.usual_but_for`)."""
        if self.asking is None or not len(rows):
            return np.zeros((len(rows), len(self.features)))
        return usual_but_for(lambda z: self._score(self._unit(z)), self.asking.apply(rows.x))

    def _unit(self, z: F64) -> F32:
        """[-limit, limit] to River's [0, 1]."""
        return ((z + self.limit) / (2 * self.limit)).astype(np.float32)

    def snapshot(self) -> bytes:
        """Counts, scales and the sample; not the trees."""
        self._count_held()
        sample, arrays = self.sample.state()
        twin, counts = self.trees.state()
        for name, scale in (("asking", self.asking), ("learning", self.learning)):
            arrays[name] = np.empty((0, 2)) if scale is None else np.stack([scale.center, scale.spread], axis=1)
        meta = {"sample": sample, "twin": twin, "turn": self.turn, "fits": self._fits()}
        return pack(self.KIND, self.version, meta, {**arrays, **counts})

    def _fits(self) -> list[Any]:
        spec = self.spec
        widths = list(spec.reach) if spec.reach != (LIMIT, LIMIT) else []
        return [spec.n_trees, spec.height, spec.window_size, spec.seed, [f.name for f in self.features], *widths]

    def resume(self, blob: bytes) -> None:
        """Take back a snapshot.  Raises SnapshotError where trees, windows, seed or features differ."""
        _, meta, arrays = unpack(blob, self.KIND, (self.version,))
        if meta["fits"] != self._fits():
            saved = (
                f"saved for (trees, height, window, seed, features, reach) {meta['fits']}, configured {self._fits()}"
            )
            raise SnapshotError(f"{self.KIND}: {saved}; start this detector afresh or restore the configuration")
        self.sample = Sample.resume(meta["sample"], arrays)
        self.trees.resume(meta["twin"], arrays)
        self.turn = int(meta["turn"])
        self.asking, self.learning = self._scale(arrays["asking"]), self._scale(arrays["learning"])

    def _scale(self, saved: F64) -> Scale | None:
        if not len(saved):
            return None
        return scale_of(self.features, saved[:, 0].copy(), saved[:, 1].copy(), self.spec.directed, self.limit)
