"""Hard rules: things that cannot happen, such as more hours of music than hours. No learning, no calibration."""

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from detectors.base import Detector, DetectorSpec, FeatureInfo, Rows, Wave
from detectors.limits import require
from state.errors import ConfigError
from state.snapshot import pack, unpack
from state.types import F64, Bool

_WAVE_ROWS: Final = 50
"""Rows of a round below which shares say nothing."""


@dataclass(frozen=True, slots=True)
class Bound:
    """feature > above, or feature < below; exactly one of the two.  Never holds where the feature has no value."""

    feature: str
    above: float | None = None
    below: float | None = None

    def __post_init__(self) -> None:
        if (self.above is None) == (self.below is None):
            raise ConfigError(f"rules: {self.feature}: give exactly one of above and below")

    def holds(self, value: F64) -> Bool:
        """(n,) for values (n,)."""
        return value > self.above if self.above is not None else value < (self.below or 0.0)


@dataclass(frozen=True, slots=True)
class Rule:
    """A row breaks the rule when feature > above (or < below) and no excuse can be found.

    unless: excuses; one that holds, or whose feature has no value, clears the row.  p: how improbable a broken rule is
    for a genuine subject, in (0, 1).  message: for the person who reads the alert.
    """

    name: str
    feature: str
    above: float | None = None
    below: float | None = None
    unless: tuple[Bound, ...] = ()
    p: float = 1e-9
    message: str = ""

    def __post_init__(self) -> None:
        if not 0.0 < self.p < 1.0:
            raise ConfigError(f"rules.{self.name}.p: seen {self.p!r}, allowed: above 0 and below 1")
        _ = self.bound

    @property
    def bound(self) -> Bound:
        """What must hold."""
        return Bound(self.feature, self.above, self.below)


@dataclass(frozen=True, slots=True)
class RulesSpec(DetectorSpec):
    """Several rules.  A rule is skipped on windows that lack one of its features."""

    type: ClassVar[str] = "rules"
    calibrated: ClassVar[bool] = False
    learns: ClassVar[bool] = False
    declared: ClassVar[bool] = True

    rules: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        names = [rule.name for rule in self.rules]
        require(self, self.type, rules=(len(set(names)) == len(names), "names that differ"))

    @property
    def least(self) -> float:
        """Of the rules, that which is broken most rarely."""
        return min((rule.p for rule in self.rules), default=1.0)

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> "Rules":
        """A detector at work.  Rules have no state: from `resume` only kind and version are checked."""
        if resume is not None:
            unpack(resume, Rules.KIND, (Rules.version,))
        return Rules(self, features)


class Rules(Detector):
    """Score: -log10(p) of the most improbable broken rule, 0 where none is broken; never nan."""

    KIND: ClassVar[str] = "rules"

    def __init__(self, spec: RulesSpec, features: tuple[FeatureInfo, ...]) -> None:
        self.column = {f.name: i for i, f in enumerate(features)}
        self.width = len(features)
        needs = [{r.feature, *(b.feature for b in r.unless)} for r in spec.rules]
        self.rules = tuple(r for r, need in zip(spec.rules, needs, strict=True) if need <= self.column.keys())

    def _broken(self, x: F64) -> Bool:
        """(rules, n)."""
        out = np.zeros((len(self.rules), len(x)), np.bool_)
        for i, rule in enumerate(self.rules):
            out[i] = rule.bound.holds(x[:, self.column[rule.feature]])
            for excuse in rule.unless:
                value = x[:, self.column[excuse.feature]]
                out[i] &= ~(excuse.holds(value) | np.isnan(value))
        return out

    def score(self, rows: Rows) -> F64:
        """(n,) float64 >= 0."""
        weight = np.array([-np.log10(rule.p) for rule in self.rules])
        out: F64 = (self._broken(rows.x) * weight[:, None]).max(axis=0, initial=0.0)
        return out

    def broken(self, rows: Rows) -> list[tuple[str, ...]]:
        """Names of the rules that each row breaks, in the order of the specification."""
        hit = self._broken(rows.x)
        out: list[tuple[str, ...]] = [()] * len(rows)
        for row in np.flatnonzero(hit.any(axis=0)).tolist():
            out[row] = tuple(rule.name for rule, broken in zip(self.rules, hit[:, row].tolist(), strict=True) if broken)
        return out

    def wave(self, rows: Rows) -> Wave | None:
        """Many rows of one round that break rules."""
        if len(rows) < _WAVE_ROWS:
            return None
        hit = self._broken(rows.x)
        counts = {rule.name: n for rule, n in zip(self.rules, hit.sum(axis=1).tolist(), strict=True) if n}
        if not counts:
            return None
        names = sorted(counts, key=lambda name: (-counts[name], name))
        return Wave(float(hit.any(axis=0).mean()), tuple(names))

    def learn(self, rows: Rows) -> None:
        """Nothing: physics does not change."""

    def explain(self, rows: Rows) -> F64:
        """(n, F): -log10(p) on the feature of each broken rule."""
        out = np.zeros((len(rows), self.width))
        for rule, hit in zip(self.rules, self._broken(rows.x), strict=True):
            out[hit, self.column[rule.feature]] += -np.log10(rule.p)
        return out

    def snapshot(self) -> bytes:
        """An empty frame."""
        return pack(self.KIND, self.version, {}, {})
