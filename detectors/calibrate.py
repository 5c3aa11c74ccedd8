"""Raw scores to tail probabilities that detectors can be compared by: conformal in the body, a fitted tail beyond.

The sample that we calibrate on is not clean: attackers are a few per cent of the rows, from the start.  An ordinary
peaks-over-threshold fit (Siffer et al. 2017) reads them as the natural tail, and then nobody is odd.  So the tail is
fitted where people are, between the 25 % and the 3 % quantile, and extrapolated from there.

1. First fit between the 40 % and the 10 % quantile, which up to 10 % contamination cannot reach.
2. If more than twice the expected number of values lie beyond that fit's 1 % level, the excess is contamination (at
   most `contamination_max`): that many top values are set aside, and the fit is repeated.
3. Second fit on what is left; its survival function is the tail, the conformal rank among what is left is the body.

The fit is generalised Pareto (Pickands 1975), by maximum likelihood on the spacings of order statistics: in blocks
between fixed levels they are sums of independent exponentials times the quantile function's slope (Renyi 1953), so for
a given shape the scale has a closed form, and shapes are a grid of 16 in [-0.25, 0.5].  It needs no exceedance beyond
the last level, which is what rules out probability-weighted moments (Hosking & Wallis 1987) here.  The shape is the
posterior mean under a N(0.1, 0.2) prior.  Beyond the 1 % level no tail is thinner than exponential, so that far scores
keep their order.

Estimated over true probability at true 1e-3 (and 1e-4), median of 60 samples of 4,096; contamination is a far cluster:
                     clean          3 % attackers   8 % attackers   PWM on the top 10 %, 3 % attackers
  exponential        1.2 (1.4)      1.2 (1.4)       1.4 (1.7)       35 (230)
  gamma(12)          0.9 (1.0)      0.8 (1.0)       1.1 (1.4)       39 (280)
  half-normal        1.1 (1.6)      1.2 (1.9)       1.4 (2.3)       37 (270)
  lognormal(1)       1.1 (1.7)      1.1 (1.7)       1.3 (2.0)       46 (250)
  Pareto, shape 0.3  0.8 (0.7)      0.8 (0.5)       1.0 (0.9)       54 (290)
  Student t, 3       0.4 (0.1)      0.2 (0.02)      0.5 (0.2)       61 (350)
A tail that turns heavy only beyond the 3 % quantile (Student t) cannot be told from contamination: detectors whose
scores can run away put them on a logarithmic scale.  Attackers who overlap with people make the estimates too large
(by ten at 1e-2 for 3 %), never too small.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from detectors.limits import require
from detectors.sample import Sample
from state.errors import SnapshotError
from state.order import stable_argsort
from state.snapshot import pack, unpack
from state.types import F32, F64, I64

_KIND: Final = "calibrator"
_VERSION: Final = 1
_BLOCKS: Final = 32
_SHAPES: Final[F64] = np.arange(-5, 11) / 20.0
_LOG_PRIOR: Final[F64] = -((_SHAPES - 0.1) ** 2) / (2 * 0.2**2)
_EXPONENTIAL: Final = 1e-9
"""Shapes nearer to 0 than this count as 0."""
_THIN_LEVEL: Final = 0.01
"""Where a tail thinner than exponential stops becoming thinner: far scores keep their order."""
_EXCESS_LEVEL: Final = 0.01
_EXCESS_MARGIN: Final = 2.0
_BLOCK: Final = 8_192
"""So many scores are ranked two or three times as fast by sorting them as by looking each of them up."""


@dataclass(frozen=True, slots=True)
class CalibrationSpec:
    """How scores become tail probabilities.

    remember: scores kept.  ready: scores needed before the first answer.  tail_share: the share of people beyond
    which the fitted tail takes over (0.05 to 0.4).  contamination_max: the largest share of the sample that may be set
    aside as attackers (0 to 0.09).  floor: smaller answers are squeezed into [0.9 floor, floor], in their order; the
    default is a fifth of what the sample has seen of: beyond that an extrapolation is a guess, and guesses must not
    raise alarms.
    """

    remember: int = 4096
    ready: int = 256
    tail_share: float = 0.25
    contamination_max: float = 0.08
    floor: float = 5e-5

    def __post_init__(self) -> None:
        require(
            self,
            "calibration",
            remember=(self.remember >= 64, "at least 64"),
            ready=(64 <= self.ready <= self.remember, f"64 to remember ({self.remember})"),
            tail_share=(0.05 <= self.tail_share <= 0.4, "0.05 to 0.4"),
            contamination_max=(0 <= self.contamination_max <= 0.09, "0 to 0.09"),
            floor=(0 < self.floor < 1e-3, "above 0 and below 0.001"),
        )

    def build(self, resume: bytes | None = None) -> "Calibrator":
        """A calibrator at work.  Raises SnapshotError for bytes that do not fit."""
        calibrator = Calibrator(self)
        if resume is not None:
            _, meta, arrays = unpack(resume, _KIND, (_VERSION,))
            if meta["remember"] != self.remember:
                raise SnapshotError(f"calibrator: saved with remember={meta['remember']}, configured {self.remember}")
            calibrator.sample = Sample.resume(meta, arrays)
        return calibrator


@dataclass(frozen=True, slots=True)
class Tail:
    """A generalised Pareto tail: `share` of the population scores `start` or more.

    shape < 0 is a tail thinner than exponential, and only as far as `_THIN_LEVEL`: there it goes on exponentially with
    the slope that it has reached.  trimmed: top values of the sample that are set aside as contamination.
    """

    start: float
    share: float
    shape: float
    scale: float
    trimmed: int

    def score_at(self, p: float) -> float:
        """The score that a share p of the population reaches; p <= share."""
        ratio = p / self.share
        z = -math.log(ratio) if abs(self.shape) < _EXPONENTIAL else (ratio**-self.shape - 1) / self.shape
        return self.start + self.scale * z

    def survival(self, s: F64) -> F64:
        """(n,) float64 probabilities for scores beyond `start`."""
        z = (s - self.start) / self.scale
        if abs(self.shape) < _EXPONENTIAL:
            return self.share * np.exp(-z)
        if self.shape > 0:
            return self.share * np.exp(np.log1p(self.shape * z) / -self.shape)
        bend = (self.score_at(_THIN_LEVEL) - self.start) / self.scale
        thin = np.log1p(self.shape * np.minimum(z, bend)) / -self.shape
        return self.share * np.exp(thin - np.maximum(z - bend, 0.0) / (1 + self.shape * bend))


class Calibrator:
    """A remembered sample of one detector's scores on one window of one cohort, and the tail fitted to it."""

    def __init__(self, spec: CalibrationSpec) -> None:
        self.spec = spec
        self.sample = Sample(1, spec.remember)
        self._known: tuple[F32, Tail | None] | None = None
        self._known_version = -1

    @property
    def ready(self) -> bool:
        """Whether `tail` gives answers."""
        return self.sample.count >= self.spec.ready

    def tail(self, score: F64) -> F64:
        """P(a row of this population is as odd or odder).

        score: (n,) float64.  Returns (n,) float64 in [0.9 floor, 1], falling in the score; nan where the score is nan,
        or everywhere before `ready` scores were learned.
        """
        if not self.ready or not len(score):
            return np.full(len(score), np.nan)
        people, fit = self._fitted()
        with np.errstate(over="ignore"):
            rank = len(people) - _below(people, score.astype(np.float32))
        p: F64 = np.asarray((1.0 + rank) / (len(people) + 1.0), dtype=np.float64)
        if fit is not None:
            beyond = score > fit.start
            p[beyond] = fit.survival(score[beyond])
        guess = p < self.spec.floor
        p[guess] = self.spec.floor * (0.9 + 0.1 * (p[guess] / self.spec.floor) ** 0.1)
        p[np.isnan(score)] = np.nan
        return p

    def learn(self, score: F64) -> None:
        """One round's scores, (n,) float64; nan is passed over."""
        known = score[~np.isnan(score)]
        self.sample.add(known[:, None])

    def _fitted(self) -> tuple[F32, Tail | None]:
        if self._known is None or self._known_version != self.sample.version:
            ordered = self.sample.ordered()[0][0]
            fit = fit_tail(ordered, self.spec.tail_share, self.spec.contamination_max)
            people = ordered[: len(ordered) - fit.trimmed] if fit is not None else ordered
            self._known, self._known_version = (people, fit), self.sample.version
        return self._known

    def snapshot(self) -> bytes:
        """The sample; what is computed from it is computed again."""
        meta, arrays = self.sample.state()
        return pack(_KIND, _VERSION, meta, arrays)


def _below(ordered: F32, values: F32) -> I64:
    """(n,) how many of the ordered are below each value; for nan, any number.  ordered: (m,) ascending, without nan."""
    if len(values) < _BLOCK:
        return np.searchsorted(ordered, values, side="left")
    return np.concatenate([_below_sorted(ordered, part) for part in np.array_split(values, len(values) // _BLOCK)])


def _below_sorted(ordered: F32, values: F32) -> I64:
    """The same by sorting the values: each of the ordered counts from the first value on that is larger."""
    # Read as whole numbers floats are in their order, but for the negative ones, which are in the opposite one.
    bits = values.view(np.int32)
    rank = np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits).astype(np.int64) + 2**31
    order = stable_argsort(rank.view(np.uint64))
    since = np.searchsorted(values[order], ordered, side="right")
    below = np.empty(len(values), np.int64)
    below[order] = np.cumsum(np.bincount(since, minlength=len(values) + 1))[:-1]
    return below


def fit_tail(ordered: F32, share: float, contamination_max: float) -> Tail | None:
    """The tail of the uncontaminated part of a sample; None where the upper part has no spread.

    ordered: (n,) ascending.  share: where the tail starts.  See the module's docstring for the method.
    """
    n = len(ordered)
    trimmed = 0
    for _ in range(3):
        first = _fit_between(ordered, trimmed, 0.4, 0.1)
        if first is None:
            break
        expected = _EXCESS_LEVEL * (n - trimmed)
        beyond = n - int(np.searchsorted(ordered, np.float32(first.score_at(_EXCESS_LEVEL)), side="right"))
        surprising = beyond > _EXCESS_MARGIN * expected + 2 * expected**0.5
        excess = min((beyond - expected) / (1 - _EXCESS_LEVEL), contamination_max * n) if surprising else 0.0
        if int(excess) == trimmed:
            break
        trimmed = int(excess)
    return _fit_between(ordered, trimmed, share, 0.12 * share)


def _fit_between(ordered: F32, trimmed: int, share: float, last: float) -> Tail | None:
    """Fit between two survival levels of a sample whose top `trimmed` values are left out."""
    n = len(ordered) - trimmed
    slope, level = _slopes(last / share)
    place = (1 - share * level) * (n - 1)
    low = place.astype(np.int64)
    a = ordered[low].astype(np.float64)
    b = ordered[np.minimum(low + 1, n - 1)].astype(np.float64)
    quantile = a + (b - a) * (place - low)
    if not np.isfinite(quantile).all() or quantile[-1] <= quantile[0]:
        return None
    weight = n * share * -np.diff(level)
    total = weight.sum()
    scale = (weight * np.diff(quantile) / slope).sum(axis=1) / total
    log_posterior = -(weight * np.log(slope)).sum(axis=1) - total * np.log(scale) + _LOG_PRIOR
    posterior = np.exp(log_posterior - log_posterior.max())
    shape = float((posterior * _SHAPES).sum() / posterior.sum())
    return Tail(float(quantile[0]), share, shape, float(np.interp(shape, _SHAPES, scale)), trimmed)


@cache
def _slopes(ratio: float) -> tuple[F64, F64]:
    """Unit quantile function: rise over each block, (shapes, blocks); blocks' ends as shares, (blocks + 1,)."""
    level = np.exp(np.linspace(0.0, np.log(ratio), _BLOCKS + 1))
    rise = [-np.log(level) if abs(xi) < _EXPONENTIAL else (level**-xi - 1) / xi for xi in _SHAPES]
    return np.diff(np.array(rise), axis=1), level
