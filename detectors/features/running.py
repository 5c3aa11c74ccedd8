"""Features that are made of other features.

Some go on from window to window: a value summed up, or with decay, that against the subject's own mean, the time since
it was last above 0, or since it first was after another one had been.  Some need no memory: a value divided by another,
or less another.

v <- v 2^(-dt / half-life) + n at each window's value n; at a steady rate r it tends to r * half-life / ln 2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Final

import numpy as np

from detectors.features.declare import FeatureDecl, FeatureKind
from detectors.features.kinds import sources
from state.errors import ConfigError
from state.slot_columns import SlotColumns
from state.types import DAY_US, F64, I64, Bool

_STEADY: Final = 1.0 / np.log(2.0)
_SUMS: Final = (("sum", 0.0), ("total", 0.0), ("first_us", np.nan), ("last_us", np.nan))
_REMEMBERED: Final[Mapping[FeatureKind, tuple[tuple[str, float], ...]]] = {
    FeatureKind.TOTAL: (("total", 0.0),),
    FeatureKind.DECAYED: _SUMS,
    FeatureKind.SURGE: _SUMS,
    FeatureKind.SINCE: (("last_us", np.nan),),
    FeatureKind.STREAK: (("first_us", np.nan),),
    FeatureKind.QUOTIENT: (),
    FeatureKind.DIFFERENCE: (),
}
"""Kind -> what is kept of each subject, and what it is before there is anything."""
KINDS: Final = frozenset(_REMEMBERED)
GO_ON: Final = frozenset(kind for kind, remembered in _REMEMBERED.items() if remembered)
"""Those that depend on earlier windows."""


@dataclass(frozen=True, slots=True)
class RunningFeature:
    """One of a window's features.  at: its place in the matrix.  source, by: where the values stand that it is made of;
    of a plain feature that is `at` itself.
    """

    at: int
    decl: FeatureDecl
    source: int
    by: int = -1


def arranged(
    told: Sequence[FeatureDecl], declared: Mapping[str, FeatureDecl], window: str
) -> tuple[RunningFeature, ...]:
    """Those of a window's features that are made of others, in an order in which they can be worked out.

    declared: all features.  Raises ConfigError for circles, and for what is made of features that the window does not
    have; a plain one that `feature` names need not be there, since its value stands in the place of the one that is
    made of it.
    """
    at = {f.name: i for i, f in enumerate(told)}
    made = {f.name: f for f in told if f.kind in KINDS}
    for f in made.values():
        for key, source in (("feature", f.feature), ("by", f.by)):
            if source not in at and source and (key == "by" or declared[source].kind in KINDS):
                raise ConfigError(
                    f"feature {f.name!r}: seen {key} = {source!r}, which the window {window!r} does not have; allowed:"
                    " a feature of the same window"
                )
    order = TopologicalSorter({name: [s for s in sources(f) if s in made] for name, f in made.items()}).static_order()
    return tuple(
        RunningFeature(at[name], f, at[f.feature] if f.feature in made else at[name], at.get(f.by, -1))
        for name, f in ((name, made[name]) for name in order)
    )


def check_circles(declared: Mapping[str, FeatureDecl]) -> None:
    """Raises ConfigError where features are made of each other."""
    graph = {f.name: [s for s in sources(f) if s in declared] for f in declared.values()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = error.args[1]
        raise ConfigError(
            f"feature {circle[0]!r}: seen a circle {' -> '.join(circle)}, allowed: features made of others"
        ) from None


class Running:
    """The features of one window that are made of others, by slot.

    A subject is a day old at least: nobody surges against the mean of an hour.  A value that is not there changes
    nothing, and neither has the row one; what has been is what the time since then is told of in any case.
    """

    def __init__(self, features: Sequence[RunningFeature]) -> None:
        self._features = tuple(features)
        self.remembers = any(_REMEMBERED[f.decl.kind] for f in features)
        """Whether there is something to save."""
        self.memory = SlotColumns(
            {
                f"{feature.decl.name}.{name}": (np.float64, (), fill)
                for feature in features
                for name, fill in _REMEMBERED[feature.decl.kind]
            }
        )

    def columns_of(self, names: Sequence[str]) -> frozenset[str]:
        """Those of the memory that belong to these features."""
        kinds = {f.decl.name: f.decl.kind for f in self._features}
        return frozenset(f"{name}.{column}" for name in names for column, _ in _REMEMBERED[kinds[name]])

    def go_on(self, end_us: int, slot: I64, x: F64) -> F64:
        """The rows with the values of these features.  slot: (n,), each once.  x: (n, F)."""
        if not self._features or not len(slot):
            return x
        self.memory.grow(int(slot.max()) + 1)
        self.memory.touch(slot)
        out = x.copy()
        for feature in self._features:
            d, n = feature.decl, out[:, feature.source]
            over = out[:, feature.by] > 0 if d.by else np.zeros(len(slot), np.bool_)
            if d.kind is FeatureKind.QUOTIENT:
                value = n / (out[:, feature.by] + d.floor)
            elif d.kind is FeatureKind.DIFFERENCE:
                value = n - out[:, feature.by]
            elif d.kind is FeatureKind.TOTAL:
                value = self._totalled(d, slot, n, over)
            elif d.kind is FeatureKind.SINCE:
                value = self._since(d, end_us, slot, n, over)
            elif d.kind is FeatureKind.STREAK:
                value = self._streak(d, end_us, slot, n, over)
            else:
                value = self._summed(d, end_us, slot, n)
            out[:, feature.at] = value
        return out

    def _totalled(self, d: FeatureDecl, slot: I64, n: F64, over: Bool) -> F64:
        """over: (n,) where `by` is above 0, which ends what was and what is in this window."""
        totals, there = self.memory[f"{d.name}.total"], ~np.isnan(n)
        totals[slot[there]] += n[there]
        totals[slot[over]] = 0.0
        return np.where(there, totals[slot], np.nan)

    def _since(self, d: FeatureDecl, end_us: int, slot: I64, n: F64, over: Bool) -> F64:
        lasts = self.memory[f"{d.name}.last_us"]
        lasts[slot[n > 0]] = end_us
        lasts[slot[over]] = np.nan
        since: F64 = (end_us - lasts[slot]) / DAY_US
        return since

    def _streak(self, d: FeatureDecl, end_us: int, slot: I64, n: F64, over: Bool) -> F64:
        firsts = self.memory[f"{d.name}.first_us"]
        begun = slot[n > 0]
        firsts[begun] = np.fmin(firsts[begun], end_us)
        firsts[slot[over]] = np.nan
        lasted: F64 = (end_us - firsts[slot]) / DAY_US
        return lasted

    def _summed(self, d: FeatureDecl, end_us: int, slot: I64, n: F64) -> F64:
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
