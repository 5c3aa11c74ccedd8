"""Half-Space Trees: River's model on whole rounds at once, equal to the bit.  The detector: trees.py.

Source: Tan, Ting & Liu 2011, "Fast anomaly detection for streaming data"; river.anomaly.HalfSpaceTrees 0.26.

Within a model window the reference masses are constant, so scores do not depend on what is learned meanwhile: rows can
be scored in any grouping.  A row's score is a function of the leaf it falls into, so at each pivot the sum along the
path (with the early stop) is worked out once per leaf.  Learning needs leaf counts only: a node's mass is the sum of
its leaves'.
"""

import random
from bisect import bisect
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from detectors.half_space.alike import alike
from detectors.half_space.regions import Regions
from state.types import F32, F64, I64

if TYPE_CHECKING:
    from river.anomaly import HalfSpaceTrees

Limits = tuple[tuple[float, float], ...]
_PADDING: Final = 0.15
_CELLS: Final = 12_800
"""Tree visits per chunk: the walk's working arrays stay in the second-level cache."""


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Random cuts, independent of data.  Level d has (trees * 2**d,) nodes, each tree's left to right."""

    trees: int
    feature: tuple[I64, ...]
    threshold: tuple[F64, ...]
    threshold32: tuple[F32, ...]
    _starts: dict[int, list[I64]] = field(default_factory=dict, repr=False)
    """Stride -> `starts`; it goes with the forest."""

    @classmethod
    def of(cls, trees: int, feature: Iterable[I64], threshold: Iterable[F64]) -> Self:
        """A forest from its levels."""
        cuts = tuple(threshold)
        return cls(trees, tuple(feature), cuts, tuple(map(_up, cuts)))

    @property
    def height(self) -> int:
        """Cuts on the way from root to leaf."""
        return len(self.feature)

    def starts(self, stride: int) -> list[I64]:
        """Where the values of each cut's feature start, by level, in columns of this length."""
        found = self._starts.get(stride)
        if found is None:
            found = self._starts[stride] = [feature * stride for feature in self.feature]
        return found

    def shrunk(self, share: F64) -> Self:
        """The same trees of the unit cube, each in a cube that has this share of its width, around the same middle.

        share: (trees,) float64 in (0, 1].
        """
        cuts = (0.5 + (t.reshape(self.trees, -1) - 0.5) * share[:, None] for t in self.threshold)
        return self.of(self.trees, self.feature, (t.ravel() for t in cuts))


def _up(threshold: F64) -> F32:
    """The smallest float32 not below each cut: a float32 value is below the one exactly when it is below the other."""
    near = threshold.astype(np.float32)
    return np.where(near < threshold, np.nextafter(near, np.float32(np.inf)), near)


def grow(trees: int, height: int, names: Sequence[str], limits: Limits, rng: random.Random) -> Forest:
    """Draw trees as River does: in pre-order, features in the order of their names, two numbers per cut."""
    order = sorted(range(len(names)), key=names.__getitem__)
    feature = [np.empty((trees, 2**d), np.int64) for d in range(height)]
    threshold = [np.empty((trees, 2**d)) for d in range(height)]
    span = [limits[i] for i in order]

    def cut(tree: int, depth: int, place: int) -> None:
        if depth == height:
            return
        # What rng.choices(weights=...) does, without its set-up per call.
        edges = list(accumulate(b - a for a, b in span))
        on = bisect(edges, rng.random() * (edges[-1] + 0.0), 0, len(span) - 1)
        a, b = span[on]
        at = rng.uniform(a + _PADDING * (b - a), b - _PADDING * (b - a))
        feature[depth][tree, place], threshold[depth][tree, place] = order[on], at
        span[on] = (a, at)
        cut(tree, depth + 1, 2 * place)
        span[on] = (at, b)
        cut(tree, depth + 1, 2 * place + 1)
        span[on] = (a, b)

    for tree in range(trees):
        cut(tree, 0, 0)
    return Forest.of(trees, (f.ravel() for f in feature), (t.ravel() for t in threshold))


@lru_cache(maxsize=64)
def seeded_forest(trees: int, height: int, names: tuple[str, ...], limits: Limits, seed: int) -> Forest:
    """`grow` from a seed; cohorts and windows with the same features share one, which nobody writes to."""
    return grow(trees, height, names, limits, random.Random(seed))  # noqa: S311 - River's generator, not a secret


def walk(forest: Forest, x: F64 | F32) -> Iterator[tuple[int, I64]]:
    """The leaf of each row in each tree, chunk by chunk: (first row, (trees, rows) int64 numbered through all trees).

    x: (n, F) float64, or float32 at two thirds of the time; nan goes right, as in River.  The yielded array is
    overwritten by the next chunk.
    """
    trees, n = forest.trees, len(x)
    # A power of two, so that there are few, and what follows from it is remembered.
    stride = min(1 << (n - 1).bit_length(), 1 << max(32, _CELLS // trees).bit_length() - 1) if n else 1
    thresholds: tuple[NDArray[Any], ...] = forest.threshold32 if x.dtype == np.float32 else forest.threshold
    columns = np.empty((x.shape[1], stride), x.dtype)
    flat = columns.ravel()
    start = forest.starts(stride)
    roots = np.arange(0, 2 * trees, 2)[:, None]
    for low in range(0, n, stride):
        rows = min(stride, n - low)
        if low == 0 or rows < stride:
            node, at = np.empty((trees, rows), np.int64), np.empty((trees, rows), np.int64)
            value, bound = np.empty((trees, rows), x.dtype), np.empty((trees, rows), x.dtype)
            right = np.empty((trees, rows), np.bool_)
        columns[:, :rows] = x[low : low + rows].T
        columns[np.isnan(columns)] = np.inf
        offset = np.arange(rows)
        # The root is one cut for all rows: no look-ups.
        np.greater_equal(columns[forest.feature[0], :rows], thresholds[0][:, None], out=right)
        np.add(roots, right, out=node)
        for depth in range(1, forest.height):
            # Indices are right by construction; "wrap" spares numpy a checking pass with a buffer.
            start[depth].take(node, out=at, mode="wrap")
            at += offset
            flat.take(at, out=value, mode="wrap")
            thresholds[depth].take(node, out=bound, mode="wrap")
            np.greater_equal(value, bound, out=right)
            node += node
            node += right
        yield low, node


_MANY: Final = 1_000
"""Fewer rows are not worth the pruning of the trees."""


class HalfSpaceTreesTwin:
    """River's HalfSpaceTrees with `learn` and `score` on matrices; same seed, same rows, same bits.

    features: names of the columns of x (River draws cuts in the order of names).  limits: (low, high) by name, default
    (0, 1).  Rows must have all features; nan goes right, as in River.
    """

    def __init__(
        self,
        features: Sequence[str],
        n_trees: int = 10,
        height: int = 8,
        window_size: int = 250,
        limits: Mapping[str, tuple[float, float]] | None = None,
        seed: int | None = None,
    ) -> None:
        self.features = tuple(features)
        self.n_trees, self.height, self.window_size, self.seed = n_trees, height, window_size, seed
        self.limits: Limits = tuple((limits or {}).get(name, (0.0, 1.0)) for name in self.features)
        if seed is None:
            rng = random.Random()  # noqa: S311 - as River does without a seed
            self.forest = grow(n_trees, height, self.features, self.limits, rng)
        else:
            self.forest = seeded_forest(n_trees, height, self.features, self.limits, seed)
        self.counter = 0
        self.ready = False
        self.latest: I64 = np.zeros(n_trees * 2**height, np.int64)
        self.reference: I64 = np.zeros(n_trees * 2**height, np.int64)
        self._value: F64 = np.zeros(n_trees * 2**height)
        self._regions: Regions | None = None
        self._repeats = False
        """Whether most of the rows that were counted last repeat others."""

    def learn(self, x: F64 | F32) -> None:
        """x: (n, F) float64.  Only rows that still count after the last pivot are walked: O(min(n, window_size))."""
        first_pivot = self.window_size - self.counter
        pivots = 0 if len(x) < first_pivot else 1 + (len(x) - first_pivot) // self.window_size
        rest = first_pivot + (pivots - 1) * self.window_size if pivots else 0
        if pivots:
            begin = max(0, rest - self.window_size)
            if pivots > 1:
                self.latest[:] = 0
            self._count(x[begin:rest])
            self.pivot()
        self._count(x[rest:])
        self.counter = self.counter + len(x) - rest if pivots == 0 else len(x) - rest

    def _count(self, x: F64 | F32) -> None:
        if not len(x):
            return
        together = alike(x)
        self._repeats = together is not None
        if together is None:
            for _, leaf in walk(self.forest, x):
                self.latest += np.bincount(leaf.ravel(), minlength=len(self.latest))
            return
        for low, leaf in walk(self.forest, x[together.first]):
            times = np.broadcast_to(together.times[low : low + leaf.shape[1]], leaf.shape)
            self.latest += np.bincount(leaf.ravel(), times.ravel(), len(self.latest)).astype(np.int64)

    def pivot(self) -> None:
        """Make the latest window the reference."""
        self.reference, self.latest = self.latest, np.zeros_like(self.latest)
        self.ready = True
        self._value, self._regions = self._leaf_values(), None

    def _levels(self) -> list[F64]:
        """The reference mass of all nodes, by level."""
        mass = [self.reference.astype(np.float64)]
        for _ in range(self.height):
            mass.append(mass[-1][::2] + mass[-1][1::2])
        mass.reverse()
        return mass

    def _leaf_values(self) -> F64:
        """Each leaf's sum of mass * 2**depth along its path, up to the first mass below a tenth of the window."""
        mass = self._levels()
        limit = 0.1 * self.window_size
        value = mass[0]
        for depth in range(1, self.height + 1):
            # Masses fall on the way down: below a node that stopped River, every parent is too light as well.
            gain = mass[depth].reshape(-1, 2) * np.where(mass[depth - 1] < limit, 0.0, 2.0**depth)[:, None]
            value = (value[:, None] + gain).ravel()
        return value

    @property
    def regions(self) -> Regions:
        """The trees pruned to what the reference can tell apart."""
        if self._regions is None:
            forest, limit = self.forest, 0.1 * self.window_size
            self._regions = Regions(forest.feature, forest.threshold32, self._levels(), self._value, limit)
        return self._regions

    @property
    def mass_max(self) -> int:
        """The largest mass that a row could have."""
        return self.n_trees * self.window_size * (2 ** (self.height + 1) - 1)

    def mass(self, x: F64 | F32) -> F64:
        """(n,) float64 >= n_trees * window_size: weighted mass of each row's path; sums of integers, hence exact."""
        if x.dtype == np.float32 and len(x) >= _MANY and self.regions.pay(len(x)):
            return self.regions.mass(x)
        together = alike(x) if self._repeats else None
        return self._walked(x) if together is None else self._walked(x[together.first])[together.of]

    def _walked(self, x: F64 | F32) -> F64:
        out = np.empty(len(x))
        for low, leaf in walk(self.forest, x):
            self._value.take(leaf, mode="wrap").sum(axis=0, out=out[low : low + leaf.shape[1]])
        return out

    def score(self, x: F64 | F32) -> F64:
        """(n,) float64 in [0, 1), higher is odder: River's score_one; nan (River: 0) before the first pivot."""
        if not self.ready:
            return np.full(len(x), np.nan)
        return 1 - self.mass(x) / self.mass_max

    @classmethod
    def from_river(cls, model: "HalfSpaceTrees", features: Sequence[str]) -> Self:
        """Take over a River model, trained or not.  features: the names it was trained with, in column order."""
        limits = {name: model.limits[name] for name in model.limits}
        twin = cls(features, model.n_trees, model.height, model.window_size, limits, seed=model.seed or 0)
        twin.seed = model.seed
        if not model.trees:
            rng = random.Random()  # noqa: S311 - a copy of the model's generator
            rng.setstate(model.rng.getstate())
            twin.forest = grow(twin.n_trees, twin.height, twin.features, twin.limits, rng)
            return twin
        number = {name: i for i, name in enumerate(twin.features)}
        levels: list[Any] = list(model.trees)
        feature, threshold = [], []
        for _ in range(twin.height):
            feature.append(np.array([number[node.feature] for node in levels], np.int64))
            threshold.append(np.array([node.threshold for node in levels]))
            levels = [child for node in levels for child in node.children]
        twin.forest = Forest.of(twin.n_trees, feature, threshold)
        twin.latest = np.array([leaf.l_mass for leaf in levels], np.int64)
        twin.reference = np.array([leaf.r_mass for leaf in levels], np.int64)
        twin.counter, twin.ready = model.counter, not model._first_window
        twin._value, twin._regions = twin._leaf_values(), None
        return twin

    def to_river(self) -> "HalfSpaceTrees":
        """A River model that goes on where this one stands."""
        from river.anomaly import HalfSpaceTrees
        from river.tree.padded import PaddedBranch, PaddedLeaf

        # River's classes carry no types.
        leaf: Any = PaddedLeaf
        branch: Any = PaddedBranch
        limits: dict[Hashable, tuple[float, float]] = dict(zip(self.features, self.limits, strict=True))
        model = HalfSpaceTrees(self.n_trees, self.height, self.window_size, limits, self.seed)
        nodes: list[Any] = [
            leaf(l_mass=int(latest), r_mass=int(reference))
            for latest, reference in zip(self.latest, self.reference, strict=True)
        ]
        for feature, threshold in zip(reversed(self.forest.feature), reversed(self.forest.threshold), strict=True):
            nodes = [
                branch(
                    left=left,
                    right=right,
                    feature=self.features[f],
                    threshold=float(t),
                    l_mass=left.l_mass + right.l_mass,
                    r_mass=left.r_mass + right.r_mass,
                )
                for left, right, f, t in zip(nodes[::2], nodes[1::2], feature, threshold, strict=True)
            ]
        model.trees = nodes
        model._tree_nodes = [list(tree.iter_dfs()) for tree in nodes]
        model.counter, model._first_window = self.counter, not self.ready
        return model

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Counts for `state.snapshot.pack`; trees are grown again from the seed."""
        dtype = np.min_scalar_type(self.window_size)
        counts = {"latest": self.latest.astype(dtype), "reference": self.reference.astype(dtype)}
        return {"counter": self.counter, "ready": self.ready}, counts

    def resume(self, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what `state` gave."""
        self.counter, self.ready = int(meta["counter"]), bool(meta["ready"])
        self.latest, self.reference = arrays["latest"].astype(np.int64), arrays["reference"].astype(np.int64)
        self._value, self._regions = self._leaf_values(), None
