"""The upper tail of a sample of scores: generalised Pareto, fitted where people are, by weighted spacings.

The fit is generalised Pareto (Pickands 1975), by maximum likelihood on the spacings of order statistics: in blocks
between fixed levels they are sums of independent exponentials times the quantile function's slope (Renyi 1953), so for
a given shape the scale has a closed form, and shapes are a grid of 31 in [-0.25, 0.5].  It needs no exceedance beyond
the last level, which is what rules out probability-weighted moments (Hosking & Wallis 1987) here: the most extreme
scores, among which attackers are, have no say.  The shape is the posterior mean under a N(0.1, 0.2) prior, or one close
to the shape that the same tail has had for days.  Beyond the 1 % level no tail is thinner than exponential, so that far
scores keep their order.
"""

import math
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

import numpy as np

from state.types import F32, F64

_BLOCKS: Final = 32
_SHAPES: Final[F64] = np.arange(-10, 21) / 40.0
_PRIOR: Final = (0.1, 0.2)
"""Mean and standard deviation of the shape, before anything is known."""
_USUAL_SPREAD: Final = 0.03
"""Standard deviation around a shape that is known."""
_EXPONENTIAL: Final = 1e-9
"""Shapes nearer to 0 than this count as 0."""
_THIN_LEVEL: Final = 0.01
"""Where a tail thinner than exponential stops becoming thinner: far scores keep their order."""
_LAST: Final = 0.12
"""The fit ends where this part of the tail's share is left."""
_LEAST: Final = 0.9
"""Of a floor, what is left where probabilities are squeezed."""


@dataclass(frozen=True, slots=True)
class Tail:
    """A generalised Pareto tail: `share` of the population scores `start` or more.

    shape < 0 is a tail thinner than exponential, and only as far as `_THIN_LEVEL`: there it goes on exponentially with
    the slope that it has reached.
    """

    start: float
    share: float
    shape: float
    scale: float

    def score_at(self, p: float) -> float:
        """The score that a share p of the population reaches; p <= share."""
        ratio = p / self.share
        z = -math.log(ratio) if abs(self.shape) < _EXPONENTIAL else (ratio**-self.shape - 1) / self.shape
        return self.start + self.scale * z

    def survival(self, s: F64) -> F64:
        """(n,) float64 probabilities for scores at or beyond `start`."""
        z = (s - self.start) / self.scale
        if abs(self.shape) < _EXPONENTIAL:
            return self.share * np.exp(-z)
        if self.shape > 0:
            return self.share * np.exp(np.log1p(self.shape * z) / -self.shape)
        bend = (self.score_at(_THIN_LEVEL) - self.start) / self.scale
        thin = np.log1p(self.shape * np.minimum(z, bend)) / -self.shape
        return self.share * np.exp(thin - np.maximum(z - bend, 0.0) / (1 + self.shape * bend))

    def density(self, s: F64) -> F64:
        """(n,) float64: minus the slope of `survival`."""
        z = (s - self.start) / self.scale
        if self.shape < 0:
            z = np.minimum(z, (self.score_at(_THIN_LEVEL) - self.start) / self.scale)
        return self.survival(s) / (self.scale * (1 + self.shape * z))


def fit_tail(ordered: F32, share: float, weight: F64 | None = None, usual: float | None = None) -> Tail | None:
    """The tail of a sample's upper `share`; None where it has no spread.

    ordered: (n,) ascending.  weight: (n,) float64 in [0, 1], how much each counts; None for 1.  usual: the shape that
    this tail is known to have; None where it is not.  The tail is fitted between its start and the level at which 12 %
    of `share` are left, and extrapolated from there.
    """
    n = len(ordered)
    total = float(n) if weight is None else float(weight.sum())
    if n < 2 or total < 2:
        return None
    slope, _ = _slopes()
    # Weights add up to something else each time: what follows from that would be remembered for nobody.
    rank, size, in_all, before = (_sizes_of_whole if weight is None else _sizes)(total, share)
    # Weight at or above each score, to which the last one adds nothing: with weights of 1, numpy's linear quantile.
    if weight is None:
        ordered = ordered[-math.ceil(share * (n - 1)) - 2 :]
        above = np.arange(float(len(ordered)))
    else:
        above = (total - np.cumsum(weight))[::-1]
    quantile = np.interp(rank, above, ordered[::-1].astype(np.float64))
    if not np.isfinite(quantile).all() or quantile[-1] <= quantile[0]:
        return None
    scale = (size * np.diff(quantile) / slope).sum(axis=1) / in_all
    log_posterior = before - in_all * np.log(scale)
    log_posterior -= _prior(*(_PRIOR if usual is None else (usual, _USUAL_SPREAD)))
    posterior = np.exp(log_posterior - log_posterior.max())
    shape = float((posterior * _SHAPES).sum() / posterior.sum())
    return Tail(float(quantile[0]), share, shape, float(np.interp(shape, _SHAPES, scale)))


def is_flat(ordered: F32, share: float) -> bool:
    """Whether a sample has no spread where `fit_tail` would fit its upper `share`.  ordered: (n,) ascending, n > 0."""
    last = len(ordered) - 1
    return ordered.item(math.floor(last * (1.0 - share))) == ordered.item(math.floor(last * (1.0 - share * _LAST)))


@cache
def _slopes() -> tuple[F64, F64]:
    """Unit quantile function: rise over each block, (shapes, blocks); blocks' ends as shares, (blocks + 1,)."""
    level = np.exp(np.linspace(0.0, np.log(_LAST), _BLOCKS + 1))
    rise = [-np.log(level) if abs(xi) < _EXPONENTIAL else (level**-xi - 1) / xi for xi in _SHAPES]
    return np.diff(np.array(rise), axis=1), level


def _sizes(total: float, share: float) -> tuple[F64, F64, np.float64, F64]:
    """Of a sample that weighs so much: ranks of the blocks' ends from above, (blocks + 1,); what is in each block,
    (blocks,), and in all; (shapes,) the part of the log posterior that the scores have nothing to do with.
    """
    slope, level = _slopes()
    size = total * share * -np.diff(level)
    return share * level * (total - 1), size, size.sum(), -(size * np.log(slope)).sum(axis=1)


_sizes_of_whole = lru_cache(maxsize=64)(_sizes)
"""Samples of one job are of a few sizes, and a tail is fitted anew whenever one of its scores changes."""


def _prior(mean: float, spread: float) -> F64:
    """(shapes,) minus the log of the prior, but for a constant."""
    out: F64 = (_SHAPES - mean) ** 2 / (2 * spread**2)
    return out


def squeeze(p: F64, floor: float) -> F64:
    """p, with what is below `floor` brought into [0.9 floor, floor] in its order: an extrapolation that far is a guess,
    and guesses must not raise alarms.
    """
    guess = p < floor
    return np.where(guess, floor * (_LEAST + 0.1 * (np.minimum(p, floor) / floor) ** 0.1), p)


def least_after(floor: float) -> float:
    """The smallest that `squeeze` returns."""
    return _LEAST * floor
