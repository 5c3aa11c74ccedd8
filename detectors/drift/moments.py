"""A round in a few numbers: count, mean and squared deviations per watched series, in one vectorised pass."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from state.types import F64, I64, Bool


@dataclass(slots=True)
class Moments:
    """S series.  count: rows with a value.  mean: of these, 0 without any.  m2: sum of squared deviations from it."""

    count: F64
    mean: F64
    m2: F64

    @staticmethod
    def empty(size: int) -> "Moments":
        """Nothing seen."""
        return Moments(np.zeros(size), np.zeros(size), np.zeros(size))

    @staticmethod
    def of(arrays: dict[str, NDArray[Any]]) -> "Moments":
        """The inverse of `arrays`."""
        return Moments(arrays["sum_count"], arrays["sum_mean"], arrays["sum_m2"])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The state by name, for a snapshot."""
        return {"sum_count": self.count, "sum_mean": self.mean, "sum_m2": self.m2}

    @property
    def parts(self) -> tuple[F64, F64, F64]:
        """Its arrays."""
        return self.count, self.mean, self.m2

    def take(self, series: I64) -> "Moments":
        """These series only."""
        return Moments(self.count[series], self.mean[series], self.m2[series])

    def plus(self, other: "Moments") -> "Moments":
        """Both together (Chan, Golub & LeVeque 1979)."""
        count = self.count + other.count
        share = np.divide(other.count, count, out=np.zeros_like(count), where=count > 0)
        apart = other.mean - self.mean
        return Moments(count, self.mean + apart * share, self.m2 + other.m2 + apart * apart * share * self.count)

    def without(self, series: Bool) -> "Moments":
        """These series emptied."""
        return Moments(*(np.where(series, 0.0, a) for a in self.parts))

    def variance(self) -> F64:
        """(S,) of the rows, 0 without any."""
        return self.m2 / np.maximum(self.count, 1.0)


def summarise(
    x: F64, scores: list[F64], candidates: int, log: list[bool], low: F64, high: F64, rows_max: int
) -> Moments:
    """F feature means, D score means, the share of candidates, F shares of missing values.

    x: (n, F); scores: D arrays (n,); nan and infinities count as missing.  log: (F,) columns taken as log(1 + x).
    low, high: (F + D,) means are of values cut to these.  Of more than rows_max rows every k-th is used: rows come in
    the order of a hash of the subject, so that is a random sample, and the same one in every replay.
    """
    n, f = x.shape
    step = -(-n // rows_max)
    y, known = _values(x[::step], [score[::step] for score in scores], log, low, high)
    rows = float(y.shape[1])
    count = known.sum(axis=1).astype(np.float64)
    mean = y.sum(axis=1) / np.maximum(count, 1.0)
    y -= mean[:, None]
    y *= known
    return Moments(
        np.concatenate([count, [float(n)], np.full(f, rows)]),
        np.concatenate([mean, [candidates / n], 1.0 - count[:f] / rows]),
        np.concatenate([np.einsum("ij,ij->i", y, y), np.zeros(1 + f)]),
    )


def _values(x: F64, scores: list[F64], log: list[bool], low: F64, high: F64) -> tuple[F64, Bool]:
    """(F + D, n) values as they are watched, 0 where there is none, and where there is one."""
    n, f = x.shape
    # Series by rows: sums run along contiguous memory, which is several times faster than down the columns.
    y = np.empty((f + len(scores), n))
    y[:f] = x.T
    for i, score in enumerate(scores):
        y[f + i] = score
    known = np.isfinite(y)
    np.copyto(y, 0.0, where=~known)
    logged = np.flatnonzero(log)
    y[logged] = np.log1p(np.maximum(y[logged], 0.0))
    np.maximum(y, low[:, None], out=y)
    np.minimum(y, high[:, None], out=y)
    y *= known
    return y, known
