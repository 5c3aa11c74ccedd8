"""Features that go on from window to window: a value summed with decay, and that against the subject's own mean.

v <- v 2^(-dt / half-life) + n at each window's value n; at a steady rate r it tends to r * half-life / ln 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.features.declare import FeatureDecl, FeatureKind
from state.slot_columns import SlotColumns
from state.types import DAY_US, F64, I64

_STEADY: Final = 1.0 / np.log(2.0)
KINDS: Final = frozenset({FeatureKind.DECAYED, FeatureKind.SURGE})


@dataclass(frozen=True, slots=True)
class RunningFeature:
    """One of a window's features.  at: its place in the matrix, where the window's own value stands before."""

    at: int
    decl: FeatureDecl


class Running:
    """The features of one window that go on from its earlier rows, by slot.

    A subject is a day old at least: nobody surges against the mean of an hour.  A value that is not there changes
    nothing, and neither has the row one.
    """

    def __init__(self, features: Sequence[RunningFeature]) -> None:
        self._features = tuple(features)
        self.memory = SlotColumns(
            {
                f"{feature.decl.name}.{name}": (np.float64, (), fill)
                for feature in features
                for name, fill in (("sum", 0.0), ("total", 0.0), ("first_us", np.nan), ("last_us", np.nan))
            }
        )

    def columns_of(self, names: Sequence[str]) -> frozenset[str]:
        """Those of the memory that belong to these features."""
        return frozenset(f"{name}.{column}" for name in names for column in ("sum", "total", "first_us", "last_us"))

    def go_on(self, end_us: int, slot: I64, x: F64) -> F64:
        """The rows with the values of these features.  slot: (n,), each once.  x: (n, F)."""
        if not self._features or not len(slot):
            return x
        self.memory.grow(int(slot.max()) + 1)
        self.memory.touch(slot)
        out = x.copy()
        for feature in self._features:
            out[:, feature.at] = self._value(feature.decl, end_us, slot, x[:, feature.at])
        return out

    def _value(self, d: FeatureDecl, end_us: int, slot: I64, n: F64) -> F64:
        there = ~np.isnan(n)
        mine, n = slot[there], n[there]
        sums, totals, firsts, lasts = (
            self.memory[f"{d.name}.{name}"] for name in ("sum", "total", "first_us", "last_us")
        )
        before, first = totals[mine], np.where(np.isnan(firsts[mine]), end_us, firsts[mine])
        since = np.where(np.isnan(lasts[mine]), 0.0, end_us - lasts[mine])
        v = sums[mine] * np.exp2(-since / d.half_life_us) + n
        sums[mine], totals[mine], firsts[mine], lasts[mine] = v, before + n, first, end_us
        value = np.full(len(slot), np.nan)
        if d.kind is FeatureKind.DECAYED:
            value[there] = v
        else:
            usual = before * d.half_life_us * _STEADY / np.maximum(end_us - first, DAY_US)
            value[there] = (v + d.floor) / (usual + d.floor)
        return value

    def forget(self, slots: I64) -> None:
        """These slots' subjects leave."""
        self.memory.reset(slots)
