"""Half-Space Trees for large rounds: only the cuts that can matter, each asked of all rows at once.

A node lighter than a tenth of the window stops River, so below it nothing is asked.  At most ten nodes of a level are
heavier, and in practice one or two are: on a robust scale most rows lie together.  A tree of height 8 then has a dozen
cuts left of 255, and most rows end in one and the same region.  That region's value is added to all rows; the few rows
that end elsewhere are corrected.  Values are sums of integers, so the order in which they are added does not matter.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from state.types import F32, F64, I64, Bool

_ROWS: Final = 32_768
"""Rows at a time: enough to make the calls cheap, few enough for the cache."""
_WORTH: Final = 1_500
"""A cut costs as much as so many steps of rows walking down the trees."""


@dataclass(frozen=True, slots=True)
class Region:
    """Where no more is asked.  excess: its value less that of the usual region; None for the usual region itself."""

    excess: float | None


@dataclass(frozen=True, slots=True)
class Cut:
    """column >= threshold goes right."""

    column: int
    threshold: np.float32
    left: "Cut | Region"
    right: "Cut | Region"


class Regions:
    """One model window's reference, pruned."""

    def __init__(
        self, feature: tuple[I64, ...], threshold: tuple[F32, ...], mass: list[F64], value: F64, limit: float
    ) -> None:
        """feature, threshold, mass: by level, all trees side by side.  value: of each leaf.  limit: mass that stops."""
        self._feature, self._threshold, self._mass, self._value, self._limit = feature, threshold, mass, value, limit
        self.base = 0.0
        self.cuts = 0
        self._roots = []
        for tree in range(len(mass[0])):
            usual = self._usual(tree)
            self.base += usual
            self._roots.append(self._pruned(0, tree, usual, True))

    def _stops(self, depth: int, place: int) -> bool:
        return depth == len(self._feature) or self._mass[depth][place] < self._limit

    def _usual(self, tree: int) -> float:
        """The value where the heavier side always leads."""
        depth, place = 0, tree
        while not self._stops(depth, place):
            place = 2 * place + int(self._mass[depth + 1][2 * place + 1] > self._mass[depth + 1][2 * place])
            depth += 1
        return self._worth(depth, place)

    def _worth(self, depth: int, place: int) -> float:
        """Below a node that stops, all leaves have the same value."""
        return float(self._value[place << (len(self._feature) - depth)])

    def _pruned(self, depth: int, place: int, usual: float, heavier: bool) -> Cut | Region:
        if self._stops(depth, place):
            return Region(None if heavier else self._worth(depth, place) - usual)
        self.cuts += 1
        below = self._mass[depth + 1]
        right = bool(below[2 * place + 1] > below[2 * place])
        return Cut(
            int(self._feature[depth][place]),
            self._threshold[depth][place],
            self._pruned(depth + 1, 2 * place, usual, heavier and not right),
            self._pruned(depth + 1, 2 * place + 1, usual, heavier and right),
        )

    def pay(self, rows: int) -> bool:
        """Whether this is faster than walking down the trees with each row."""
        return rows * len(self._roots) * len(self._feature) >= _WORTH * self.cuts

    def mass(self, x: F64 | F32) -> F64:
        """(n,) as HalfSpaceTreesTwin.mass.  x: (n, F) float32, best in column-major order; nan goes right."""
        out, columns = np.full(len(x), self.base), np.ascontiguousarray(x.T)
        for low in range(0, len(x), _ROWS):
            part = out[low : low + _ROWS]
            everybody = np.ones(len(part), np.bool_)
            for root in self._roots:
                _correct(root, columns[:, low : low + _ROWS], everybody, part)
        return out


def _correct(node: Cut | Region, columns: NDArray[Any], here: Bool, out: F64) -> None:
    """Adds the excess of their regions to the rows that are here."""
    if isinstance(node, Region):
        if node.excess:
            out[here.nonzero()[0]] += node.excess
        return
    left = columns[node.column] < node.threshold
    _correct(node.left, columns, here & left, out)
    _correct(node.right, columns, np.greater(here, left, out=left), out)
