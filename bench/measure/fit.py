"""How cost grows with size: a power law, fitted as a straight line through the logarithms."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Fit:
    """y = factor * x ** exponent.  r2: the share of the spread of log y that the line explains, 1 for all of it.

    exponent: 1 is linear, 0 is constant; doubling x multiplies y by 2 ** exponent.
    """

    exponent: float
    factor: float
    r2: float

    def at(self, x: float) -> float:
        """The fitted y."""
        return float(self.factor * x**self.exponent)


def fit_power(x: Sequence[float], y: Sequence[float]) -> Fit:
    """The least-squares line through (log x, log y).

    Every point weighs the same, so relative errors count, not absolute ones.  Raises ValueError, for people, when the
    points cannot be fitted: different numbers of x and y, values that have no logarithm, fewer than two different x.
    """
    if len(x) != len(y):
        raise ValueError(f"a fit needs a y for every x; seen {len(x)} x and {len(y)} y")
    for name, values in (("x", x), ("y", y)):
        for value in values:
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"a power law needs values above 0; seen {name} = {value}")
    if len(set(x)) < 2:
        raise ValueError(f"a fit needs at least two different x; seen {sorted(set(x))}")
    log_x, log_y = np.log(np.asarray(x, np.float64)), np.log(np.asarray(y, np.float64))
    dx, dy = log_x - log_x.mean(), log_y - log_y.mean()
    exponent = float((dx * dy).sum() / (dx * dx).sum())
    left = float(np.square(dy - exponent * dx).sum())
    spread = float(np.square(dy).sum())
    # A constant y has no spread to explain, up to rounding; the line goes through all of it.
    r2 = 1.0 - left / spread if spread > 1e-24 * len(x) else 1.0
    return Fit(exponent, float(np.exp(log_y.mean() - exponent * log_x.mean())), r2)


def upper_half(x: Sequence[float], y: Sequence[float]) -> tuple[list[float], list[float]]:
    """The points in the upper half of the range of log x, where fixed costs no longer hide growth.

    At least two of them, if there are two.
    """
    points = sorted(zip(x, y, strict=True))
    if len(points) > 2:
        middle = math.sqrt(points[0][0] * points[-1][0]) * (1 - 1e-9)
        points = [p for p in points if p[0] >= middle] if points[-2][0] >= middle else points[-2:]
    return [p[0] for p in points], [p[1] for p in points]
