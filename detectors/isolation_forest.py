"""Isolation forest, online: how few random cuts part a row from the last few thousand rows?

Source: Liu, Ting & Zhou 2008, "Isolation Forest".  Half-Space Trees cut a space that was fixed beforehand; here a tree
cuts where rows are: between the smallest and the largest value that its own rows have at a node.  So no scale is
needed, bounded features waste no cuts, and heavy tails are parted first.

Theirs is built once from all rows.  Here each tree is built from rows of a sample that forgets (`detectors.sample`),
and trees are built anew in turns, so that after `renew_rows` rows none is left of before: the idea of Ding & Fei 2013,
"An anomaly detection approach based on isolation forest algorithm for streaming data using sliding window", without
its all-at-once rebuilding.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from detectors.base import Detector, DetectorSpec, Direction, FeatureInfo, Rows
from detectors.half_space.twin import Forest, walk
from detectors.limits import require, require_features
from detectors.sample import Sample
from detectors.scaling import log_columns, natural, usual_but_for
from state.errors import SnapshotError
from state.snapshot import pack, unpack
from state.types import F32, F64, I64

_EULER: Final = 0.5772156649015329
_TURNS: Final = 8
"""A forest is built anew in so many parts."""


@dataclass(frozen=True, slots=True)
class IsolationForestSpec(DetectorSpec):
    """Isolation by cuts that depend on the data.

    n_trees: trees.  rows: that each tree is built from; its height is log2 of that.  remember: rows kept, from which
    trees draw theirs.  ready: rows before the first score.  renew_rows: rows in which each tree is built anew once.
    seed: of the cuts.  directed: values on a feature's unsuspicious side count as usual.
    """

    type: ClassVar[str] = "isolation_forest"
    one_mode: ClassVar[bool] = False

    n_trees: int = 96
    rows: int = 128
    remember: int = 2048
    ready: int = 256
    renew_rows: int = 2048
    seed: int = 1
    directed: bool = True

    def __post_init__(self) -> None:
        require(
            self,
            self.type,
            n_trees=(self.n_trees >= _TURNS, f"at least {_TURNS}"),
            rows=(8 <= self.rows <= 4096, "8 to 4096"),
            remember=(self.remember >= self.rows, f"at least rows ({self.rows})"),
            ready=(8 <= self.ready <= self.remember, f"8 to remember ({self.remember})"),
            renew_rows=(self.renew_rows >= 64, "at least 64"),
        )

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> "IsolationForest":
        """A detector at work."""
        require_features(len(features), self.type)
        detector = IsolationForest(self, features)
        if resume is not None:
            detector.resume(resume)
        return detector


class IsolationForest(Detector):
    """Score: how many times fewer cuts this row takes than an ordinary one, on average over trees.

    The paper's 2 ** (-cuts / ordinary cuts) ranks alike; this one has a tail that calibration can fit.
    """

    KIND: ClassVar[str] = "isolation_forest"

    def __init__(self, spec: IsolationForestSpec, features: tuple[FeatureInfo, ...]) -> None:
        self.spec = spec
        self.features = features
        self.sample = Sample(len(features), spec.remember)
        self._logs = log_columns(features)
        self._directed = np.array([_SIDE[f.direction] if spec.directed else 0 for f in features])
        self._height = int(np.ceil(np.log2(spec.rows)))
        self._usual: F32 = np.zeros(len(features), np.float32)
        self._forest: Forest | None = None
        self._value: F64 = np.empty(0)
        self._built = 0
        self._waiting = 0

    def score(self, rows: Rows) -> F64:
        """(n,) float64 > 0; nan before `ready` rows."""
        if self._forest is None or not len(rows):
            return np.full(len(rows), np.nan)
        return self._score(self._forest, self._seen(rows.x))

    def _score(self, forest: Forest, x: F32) -> F64:
        out = np.empty(len(x))
        for low, leaf in walk(forest, x):
            self._value.take(leaf, mode="wrap").sum(axis=0, out=out[low : low + leaf.shape[1]])
        return usual_depth(self.spec.rows) * forest.trees / out

    def _seen(self, x: F64) -> F32:
        """(n, F) on the natural scale; what is missing, or on the unsuspicious side, counts as usual."""
        with np.errstate(over="ignore"):
            y = natural(x, self._logs).astype(np.float32)
        y = np.where(np.isfinite(y), y, self._usual)
        y = np.where(self._directed > 0, np.maximum(y, self._usual), y)
        return np.where(self._directed < 0, np.minimum(y, self._usual), y)

    def learn(self, rows: Rows) -> None:
        """Remember rows; build the trees whose turn it is."""
        if not len(rows):
            return
        self.sample.add(rows.x)
        self._waiting += len(rows)
        if self._forest is None:
            if self.sample.count >= self.spec.ready:
                self._build(0, self.spec.n_trees)
            return
        share = self.spec.renew_rows // _TURNS
        # While the sample grows, trees of few rows are replaced as soon as there are twice as many.
        if self._waiting >= min(share, max(self.sample.count // _TURNS, 1)):
            turn = self._built % _TURNS
            self._build(self.spec.n_trees * turn // _TURNS, self.spec.n_trees * (turn + 1) // _TURNS)

    def _build(self, first: int, stop: int) -> None:
        self._waiting = 0
        self._usual = np.nan_to_num(natural(self.sample.quantiles((0.5,)), self._logs)[0]).astype(np.float32)
        rng = np.random.default_rng((self.spec.seed, self._built))
        x = self._seen(self.sample.rows().astype(np.float64))
        forest, value = grow(x, stop - first, min(self.spec.rows, len(x)), self._height, rng)
        self._built += 1
        if self._forest is None:
            self._forest, self._value = forest, value
            return
        old, trees = self._forest, self._forest.trees
        feature, threshold = [], []
        for depth in range(self._height):
            at = slice(first << depth, stop << depth)
            f, t = old.feature[depth].copy(), old.threshold[depth].copy()
            f[at], t[at] = forest.feature[depth], forest.threshold[depth]
            feature.append(f)
            threshold.append(t)
        self._forest = Forest.of(trees, feature, threshold)
        self._value[first << self._height : stop << self._height] = value

    def explain(self, rows: Rows) -> F64:
        """(n, F): the score's drop with one feature at its median."""
        forest = self._forest
        if forest is None or not len(rows):
            return np.zeros((len(rows), len(self.features)))
        return usual_but_for(
            lambda z: self._score(forest, (z + self._usual).astype(np.float32)),
            self._seen(rows.x).astype(np.float64) - self._usual,
        )

    def snapshot(self) -> bytes:
        """The sample and the trees."""
        sample, arrays = self.sample.state()
        meta = {"sample": sample, "built": self._built, "waiting": self._waiting, "fits": self._fits()}
        arrays["usual"] = self._usual
        if self._forest is not None:
            arrays["feature"] = np.concatenate(self._forest.feature).astype(np.uint16)
            arrays["threshold"] = np.concatenate(self._forest.threshold32)
            arrays["value"] = self._value.astype(np.float32)
        return pack(self.KIND, self.version, meta, arrays)

    def _fits(self) -> list[Any]:
        spec = self.spec
        return [spec.n_trees, spec.rows, spec.remember, spec.seed, [f.name for f in self.features]]

    def resume(self, blob: bytes) -> None:
        """Take back a snapshot.  Raises SnapshotError where trees, their rows, the sample, seed or features differ."""
        _, meta, arrays = unpack(blob, self.KIND, (self.version,))
        if meta["fits"] != self._fits():
            saved = f"saved for (trees, rows, remember, seed, features) {meta['fits']}, configured {self._fits()}"
            raise SnapshotError(f"{self.KIND}: {saved}; start this detector afresh or restore the configuration")
        self.sample = Sample.resume(meta["sample"], arrays)
        self._built, self._waiting = int(meta["built"]), int(meta["waiting"])
        self._usual = arrays["usual"]
        if "value" in arrays:
            ends = np.cumsum(self.spec.n_trees << np.arange(self._height))[:-1]
            levels = [np.split(arrays[name], ends) for name in ("feature", "threshold")]
            self._forest = Forest.of(
                self.spec.n_trees,
                (f.astype(np.int64) for f in levels[0]),
                (t.astype(np.float64) for t in levels[1]),
            )
            self._value = arrays["value"].astype(np.float64)


_SIDE: Final = {Direction.HIGH: 1, Direction.LOW: -1, Direction.BOTH: 0}


def usual_depth(rows: I64 | int) -> F64:
    """The mean number of cuts that part one of so many rows: c(n) of the paper, 0 for one row."""
    n = np.maximum(np.asarray(rows, np.float64), 1.0)
    many = 2 * (np.log(np.maximum(n - 1, 1.0)) + _EULER) - 2 * (n - 1) / n
    return np.where(n > 2, many, n - 1)


def grow(x: F32, trees: int, rows: int, height: int, rng: np.random.Generator) -> tuple[Forest, F64]:
    """Trees, each from `rows` rows of x, all at once, level by level; and the depth that each leaf stands for.

    x: (n, F) float32, finite.  A node that cannot be cut any more passes its rows to the left, all the way down.
    """
    n, width = x.shape
    at = np.concatenate([rng.permutation(n)[:rows] for _ in range(trees)])
    columns = x[at].T
    node = np.repeat(np.arange(trees), rows)
    feature, threshold = [], []
    value = np.zeros(trees)
    ended = np.zeros(trees, np.bool_)
    for depth in range(height):
        nodes = trees << depth
        order = np.argsort(node, kind="stable")
        count = np.bincount(node, minlength=nodes)
        there = np.flatnonzero(count)
        start = np.concatenate([[0], np.cumsum(count[there])[:-1]])
        sorted_columns = columns[:, order]
        low = np.minimum.reduceat(sorted_columns, start, axis=1)
        high = np.maximum.reduceat(sorted_columns, start, axis=1)
        # A feature that is not constant at the node: the one with the largest random number.
        draw = np.where(high > low, rng.random((width, len(there))), 0.0)
        chosen = draw.argmax(axis=0)
        cuts = draw.max(axis=0) > 0
        pick = (chosen, np.arange(len(there)))
        a, b = low[pick].astype(np.float64), high[pick].astype(np.float64)
        t = a + rng.random(len(there)) * (b - a)
        t = np.where(t > a, t, b)
        level_f, level_t = np.zeros(nodes, np.int64), np.full(nodes, np.inf)
        level_f[there], level_t[there] = chosen, np.where(cuts, t, np.inf)
        now_ended = np.ones(nodes, np.bool_)
        now_ended[there] = ~cuts
        value = np.where(now_ended & ~ended, value + usual_depth(count), np.where(ended, value, value + 1.0))
        ended = ended | now_ended
        right = columns[level_f[node], np.arange(len(node))] >= level_t[node]
        node = 2 * node + right
        value, ended = np.repeat(value, 2), np.repeat(ended, 2)
        feature.append(level_f)
        threshold.append(level_t)
    left = np.bincount(node, minlength=trees << height)
    depths = np.where(ended, value, value + usual_depth(left))
    return Forest.of(trees, feature, threshold), depths.astype(np.float32).astype(
        np.float64
    )  # as a snapshot holds them
