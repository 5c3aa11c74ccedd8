"""Features on one robust scale, and the attribution that follows from it: "as usual, but for this feature"."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.base import Direction, FeatureInfo
from detectors.sample import Sample
from state.types import F32, F64, I64, Bool

LIMIT: Final = 5.0
"""Scaled values are clipped here, in inter-quartile ranges: about 7 standard deviations of a normal feature."""
_IQR_OF_90: Final = 0.41
"""Inter-quartile range over the 5 % to 95 % range, for a normal distribution."""
_BLOCK: Final = 2048
"""Rows at a time, so that the passes over them stay in the second-level cache."""


def log_columns(features: Sequence[FeatureInfo]) -> I64:
    """Numbers of the columns whose natural scale is log1p."""
    return np.flatnonzero([f.log for f in features])


def natural(x: F64, columns: I64) -> F64:
    """A copy of x, (n, F), with log1p taken of `columns`; negative values there count as 0."""
    y = np.array(x, dtype=np.float64, order="C")
    if len(columns):
        y[:, columns] = _log1p(y[:, columns])
    return y


def _log1p(part: F64) -> F64:
    """log(1 + x), in place; negative values count as 0."""
    np.maximum(part, 0.0, out=part)
    part += 1.0
    # numpy's log is vectorised and its log1p is not: three times the speed, and equal to 1e-16 absolute.
    return np.log(part, out=part)


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """z = (natural value - median) / inter-quartile range, clipped to [low, high], nan to 0, which is "as usual".

    Frozen: a model that has learned on one scale must be asked on the same.  Arrays are (F,).  limit: the largest z.
    """

    logs: I64
    center: F64
    spread: F64
    low: F64
    high: F64
    limit: float = LIMIT

    def apply(self, x: F64) -> F64:
        """x: (n, F) float64 in original units, nan for no value.  Returns (n, F) float64 in [-limit, limit]."""
        out = np.empty((x.shape[1], len(x)))
        for block, z in self._blocks(x):
            out[:, block] = z
        return out.T

    def unit(self, x: F64) -> F32:
        """The same, with [-limit, limit] mapped to [0, 1]; float32."""
        out = np.empty((x.shape[1], len(x)), np.float32)
        for block, z in self._blocks(x):
            out[:, block] = (z + self.limit) / (2 * self.limit)
        return out.T

    def _blocks(self, x: F64) -> Iterator[tuple[slice, F64]]:
        """Blocks of rows, scaled, (F, rows): numpy is slow at repeating a dozen numbers row by row."""
        center, spread, low, high = (a[:, None] for a in (self.center, self.spread, self.low, self.high))
        for begin in range(0, len(x), _BLOCK):
            z = np.array(x[begin : begin + _BLOCK].T, dtype=np.float64, order="C")
            if len(self.logs):
                z[self.logs] = _log1p(z[self.logs])
            z -= center
            z /= spread
            np.maximum(z, low, out=z)
            np.minimum(z, high, out=z)
            z[np.isnan(z)] = 0.0
            yield slice(begin, begin + _BLOCK), z


def fit_scale(features: Sequence[FeatureInfo], sample: Sample, directed: bool, limit: float = LIMIT) -> Scale:
    """The scale of a sample in original units.

    directed: the unsuspicious side of a feature counts as usual (a listener who plays little is not odd).  A feature
    with no inter-quartile range falls back to its 90 % range, then to its physical range, then to 1.
    """
    logs = log_columns(features)
    # log1p is monotone: quantiles of the natural scale are its values at the quantiles.
    q05, q25, q50, q75, q95 = natural(sample.quantiles((0.05, 0.25, 0.5, 0.75, 0.95)), logs)
    physical = np.array([f.high - f.low if not f.log else np.nan for f in features])
    with np.errstate(invalid="ignore"):
        spread = q75 - q25
        spread = np.where(spread > 0, spread, _IQR_OF_90 * (q95 - q05))
        spread = np.where(spread > 0, spread, np.where(physical > 0, physical, 1.0))
        # Rounding noise around a constant is no deviation.
        floor = np.where(physical > 0, 0.01 * physical, 1e-3 * np.abs(q50))
    return scale_of(features, np.nan_to_num(q50), np.fmax(np.fmax(spread, floor), 1e-9), directed, limit)


def scale_of(features: Sequence[FeatureInfo], center: F64, spread: F64, directed: bool, limit: float = LIMIT) -> Scale:
    """A scale from its numbers, as a snapshot holds them."""
    low = np.array([0.0 if directed and f.direction is Direction.HIGH else -limit for f in features])
    high = np.array([0.0 if directed and f.direction is Direction.LOW else limit for f in features])
    return Scale(log_columns(features), center, spread, low, high, limit)


def usual_but_for(score: Callable[[F64], F64], z: F64) -> F64:
    """By how much each row's score drops when one feature is put to its usual value; (n, F) >= 0.

    score: (m, F) scaled rows -> (m,).  z: (n, F).  Costs (F + 1) n scores: for the few rows that somebody reads.
    Where no single feature makes a difference the distance from the usual value stands in.
    Source: the "occlusion" of Zeiler & Fergus 2014 with the median as the neutral value.
    """
    n, width = z.shape
    variants: F64 = np.repeat(z[None], width + 1, axis=0)
    feature = np.arange(width)
    variants[feature, :, feature] = 0.0
    scores = score(variants.reshape(-1, width)).reshape(width + 1, n)
    drop: F64 = np.maximum(scores[-1] - scores[:-1], 0.0).T
    silent: Bool = ~(drop.sum(axis=1) > 0)
    drop[silent] = np.abs(z[silent])
    return drop
