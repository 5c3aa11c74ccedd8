"""A logistic regression on binned features, fitted whole: one step curve per feature, smooth and small by prior.

    log odds(x) = intercept + sum over features j of curve[j][bin of x[j]]

The posterior mode under, for each curve, independent N(0, 1/ridge) weights and N(0, 1/smooth) steps between bins that
lie side by side (a first-order random walk: Fahrmeir & Lang 2001); the bin of missing values has no neighbours.

Fitted one curve after another (backfitting: Hastie & Tibshirani 1986), each by a quadratic bound of the logistic
likelihood (Jaakkola & Jordan 2000): a step never makes the fit worse, so that there is no step size, and labels that
can be told apart without error do no harm.  Sums are taken in the rows' order and without BLAS: the same rows give the
same bits, whatever the number of threads.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from state.types import F32, F64, I64

LEVELS: Final = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
"""Quantiles at which a feature is cut: tenths, and finer in both tails."""
TAILS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.99, 0.995, 0.998, 0.999, 0.9995)
"""Of genuine rows alone: what is rare among them is where a ranking is decided."""
OF_FRAUD: Final = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
"""Of frauds alone."""
_MANY: Final = 1024
"""Rows of a label that are enough to be cut by themselves."""
_BEYOND: Final = 4
"""Of these have to lie beyond a quantile."""
CUTS_MAX: Final = len(LEVELS) + len(TAILS) + len(OF_FRAUD)
_SWEEPS_MAX: Final = 100
_SWEEPS_ON: Final = 8
"""Of a fit that goes on from an earlier one: what is left to do is done by the next one."""
_STILL: Final = 1e-3
"""A sweep that moves no weight by more than this, in log odds, is the last."""
_BLOCK: Final = 2048


@dataclass(frozen=True, slots=True, eq=False)
class StepCurves:
    """cuts: (F, C) float32 ascending, inf where a feature has fewer different values.  curve: (F, C + 2) float64, in
    log odds: of the bins between the cuts, and of missing values.
    """

    cuts: F32
    curve: F64
    intercept: float

    def log_odds(self, x: F64) -> F64:
        """(n,) float64.  x: (n, F), nan for no value, and infinite values count as none."""
        return self.intercept + self.parts(x).sum(axis=0)

    def parts(self, x: F64) -> F64:
        """(F, n) float64: what each feature adds to the log odds."""
        out = np.empty((x.shape[1], len(x)))
        features = np.arange(x.shape[1])[:, None]
        for begin in range(0, len(x), _BLOCK):
            block = slice(begin, begin + _BLOCK)
            with np.errstate(over="ignore"):
                out[:, block] = self.curve[features, bins(self.cuts, x[block].astype(np.float32))]
        return out


def bins(cuts: F32, x: F32) -> I64:
    """(F, n) numbers of the bins of x, (n, F): how many cuts each value reaches, or the last one for no value."""
    found = np.empty(x.shape[::-1], np.int64)
    for line, own, values in zip(found, cuts, x.T, strict=True):
        line[:] = np.searchsorted(own, values, side="right")
    found[~np.isfinite(x.T)] = cuts.shape[1] + 1
    return found


def cut(x: F32, y: F64) -> F32:
    """(F, CUTS_MAX) where each column of x, (n, F), is cut: at different values, never below the smallest.  y: (n,)."""
    out = np.full((x.shape[1], CUTS_MAX), np.inf, np.float32)
    for line, column in zip(out, x.T, strict=True):
        there = ~np.isnan(column)
        if there.any():
            of_label = ((column[there & (y == 0)], TAILS), (column[there & (y == 1)], OF_FRAUD))
            # Values that occur, so that a value's bin does not hang on rounding between two of them.
            places = [np.quantile(column[there], LEVELS, method="higher")]
            for known, levels in of_label:
                told = [q for q in levels if len(known) >= _MANY and min(q, 1 - q) * len(known) >= _BEYOND]
                if told:
                    places.append(np.quantile(known, told, method="higher"))
            found = np.unique(np.concatenate(places))
            found = found[found > column[there].min()]
            line[: len(found)] = found
    return out


def fit(x: F32, y: F64, weight: F64, ridge: float, smooth: float, begin: StepCurves | None = None) -> StepCurves:
    """The posterior mode.

    x: (n, F), nan for no value.  y: (n,) 1 or 0, both there.  weight: (n,) > 0, how many observations a row counts as.
    ridge, smooth: precisions, see above; an observation's own is at most its weight / 4.  begin: curves that are not
    far from it; then a few sweeps bring them nearer.
    """
    cuts = cut(x, y)
    where = bins(cuts, x)
    curve = np.zeros((len(cuts), cuts.shape[1] + 2)) if begin is None else _moved(begin, cuts)
    chained = np.where(np.isfinite(cuts), smooth, 0.0)
    """(F, cuts) precision of the step over each cut."""
    intercept = 0.0 if begin is None else begin.intercept
    log_odds = np.full(len(y), intercept)
    for bin_, own in zip(where, curve, strict=True):
        log_odds = log_odds + own[bin_]
    for _ in range(_SWEEPS_MAX if begin is None else _SWEEPS_ON):
        slope, bend = _bound(log_odds, y, weight)
        step = float(slope.sum() / bend.sum())
        intercept, log_odds, moved = intercept + step, log_odds + step, abs(step)
        for feature, (bin_, chain) in enumerate(zip(where, chained, strict=True)):
            slope, bend = _bound(log_odds, y, weight)
            width = curve.shape[1]
            gradient = _sums(bin_, slope, width) - _pull(curve[feature], ridge, chain)
            steps = _solved(_curvature(_sums(bin_, bend, width) + ridge, chain), chain, gradient)
            curve[feature] += steps
            log_odds = log_odds + steps[bin_]
            moved = max(moved, float(np.abs(steps).max()))
        if moved < _STILL:
            break
    return StepCurves(cuts, curve, intercept)


def probability(log_odds: F64) -> F64:
    """1 / (1 + exp(-log odds)), without overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * log_odds)


def _bound(log_odds: F64, y: F64, weight: F64) -> tuple[F64, F64]:
    """(n,) slope of the log likelihood, and curvature of a parabola that is nowhere above it and touches it here."""
    safe = np.where(np.abs(log_odds) < 1e-6, 1e-6, log_odds)
    return weight * (y - probability(log_odds)), weight * np.tanh(safe / 2) / (2 * safe)


def _sums(bin_: I64, value: F64, width: int) -> F64:
    """(width,) of the values in each bin."""
    return np.bincount(bin_, value, width).astype(np.float64)


def _moved(begin: StepCurves, cuts: F32) -> F64:
    """(F, C + 2) curves on other cuts: each bin's weight is that of its lower end before."""
    out = np.zeros((len(cuts), cuts.shape[1] + 2))
    for line, own, before, curve in zip(out, cuts, begin.cuts, begin.curve, strict=True):
        line[0], line[-1] = curve[0], curve[-1]
        finite = np.isfinite(own)
        line[1:-1][finite] = curve[np.searchsorted(before, own[finite], side="right")]
    return out


def _pull(curve: F64, ridge: float, chain: F64) -> F64:
    """(B,) how strongly the prior pulls each weight down."""
    out = ridge * curve
    pull = chain * np.diff(curve[:-1])
    out[:-2] -= pull
    out[1:-1] += pull
    return out


def _curvature(own: F64, chain: F64) -> F64:
    """(B,) the diagonal of the posterior's curvature; beside it stands -chain."""
    out = own.copy()
    out[:-2] += chain
    out[1:-1] += chain
    return out


def _solved(diagonal: F64, chain: F64, right: F64) -> F64:
    """(B,) the solution of a symmetric tridiagonal system (Thomas 1949); the last equation stands alone."""
    d, c, r = diagonal.tolist(), chain.tolist(), right.tolist()
    last = len(d) - 1
    for i in range(1, last):
        share = -c[i - 1] / d[i - 1]
        d[i] += share * c[i - 1]
        r[i] -= share * r[i - 1]
    out = [value / by for value, by in zip(r, d, strict=True)]
    for i in range(last - 2, -1, -1):
        out[i] += c[i] / d[i] * out[i + 1]
    return np.array(out)
