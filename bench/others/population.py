"""Half-Space Trees over whole rounds as SPECIFICATION.md feeds them: River's model, a robust scale, a sparing diet.

Shared by all systems but Driftnet, and the oracle for Driftnet.
"""

import warnings
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import xxhash

from bench.others.features import NAMES, Values

TREES: Final = 10
HEIGHT: Final = 8
WINDOW: Final = 250
"""Rows learned per reference of River's model."""
REMEMBERED: Final = 512
"""Rows that the scale is taken from."""
_LOG: Final = [NAMES.index(name) for name in ("events", "plays", "paid_plays", "mean_ms", "tracks", "gap_mean")]
_LOW_IS_ODD: Final = ("skip_rate", "holder_entropy", "gap_mean", "gap_cv")
_LOWEST: Final = np.array([-5.0 if name in ("mean_ms", *_LOW_IS_ODD) else 0.0 for name in NAMES])
_HIGHEST: Final = np.array([0.0 if name in _LOW_IS_ODD else 5.0 for name in NAMES])
_GOLDEN: Final = (5**0.5 - 1) / 2
_MASK: Final = 2**64 - 1


def order_key(user: str) -> int:
    """Rows of a round are taken in ascending order of this."""
    return xxhash.xxh3_64_intdigest(user.encode())


def evenly(rows: int, wanted: int, turn: int) -> list[int]:
    """`wanted` row numbers out of `rows`, evenly spaced; all of them if there are no more."""
    if wanted >= rows:
        return list(range(rows))
    offset = turn * _GOLDEN % 1.0
    return [int((i + offset) * (rows / wanted)) for i in range(wanted)]


def natural(x: Any) -> Any:
    """Counts and amounts on their logarithmic scale."""
    y = np.array(x, dtype=np.float64)
    y[..., _LOG] = np.log1p(np.maximum(y[..., _LOG], 0.0))
    return y


class Scale:
    """Features in inter-quartile ranges from the median, clipped, to River's [0, 1]."""

    def __init__(self, rows: Sequence[Any]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a feature that nobody has
            quantiles = np.nanquantile(np.array(rows, np.float64), (0.05, 0.25, 0.5, 0.75, 0.95), axis=0)
        q05, q25, q50, q75, q95 = natural(quantiles)
        spread = np.where(q75 - q25 > 0, q75 - q25, 0.41 * (q95 - q05))
        spread = np.where(spread > 0, spread, 1.0)
        self.center = np.nan_to_num(q50)
        self.spread = np.fmax(np.fmax(spread, 1e-3 * np.abs(q50)), 1e-9)

    def __call__(self, x: Any) -> list[dict[str, float]]:
        """A dict per row, as River takes it."""
        z = np.clip((natural(x) - self.center) / self.spread, _LOWEST, _HIGHEST)
        unit = ((np.nan_to_num(z) + 5.0) / 10.0).astype(np.float32)
        return [dict(zip(NAMES, values, strict=True)) for values in unit.tolist()]


class Memory:
    """Rows that the scale is taken from: at most REMEMBERED, of which each round replaces some."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self._waiting: list[Any] = []
        self._turn = self._replaced = 0

    def add(self, x: Any) -> None:
        """A round's rows."""
        room = REMEMBERED - len(self.rows) - len(self._waiting)
        chosen = evenly(len(x), max(REMEMBERED // 8, room), self._turn)
        self._turn += 1
        self._waiting.extend(x[chosen].astype(np.float32))
        if len(self._waiting) * 64 < len(self.rows):
            return
        for row in self._waiting[-REMEMBERED:]:
            if len(self.rows) < REMEMBERED:
                self.rows.append(row)
            else:
                self.rows[split_mix(self._replaced) % REMEMBERED] = row
                self._replaced += 1
        self._waiting = []


def split_mix(n: int) -> int:
    """The n-th number of SplitMix64 from seed 0 (Steele, Lea & Flood 2014)."""
    z = (n + 1) * 0x9E3779B97F4A7C15 & _MASK
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _MASK
    return z ^ (z >> 31)


class Population:
    """The model.  A round is scored as a whole, then learned from."""

    def __init__(self) -> None:
        from river.anomaly import HalfSpaceTrees  # most of a second, which a job without a model need not spend

        self._trees: Any = HalfSpaceTrees(n_trees=TREES, height=HEIGHT, window_size=WINDOW, seed=1)
        self._memory = Memory()
        self._asking: Scale | None = None
        self._learning: Scale | None = None
        self._turn = self._learned = 0

    def round(self, rows: Sequence[Values]) -> list[float | None]:
        """The rows of one window end in the order of `order_key`; returns their scores."""
        x = np.array(rows, dtype=np.float64)
        scores: list[float | None] = [None] * len(x)
        if self._asking is not None:
            scores = [self._trees.score_one(row) for row in self._asking(x)]
        self._learn(x)
        return scores

    def _learn(self, x: Any) -> None:
        self._memory.add(x)
        if self._learning is None:
            if len(self._memory.rows) < WINDOW:
                return
            self._learning = Scale(self._memory.rows)
        chosen = evenly(len(x), WINDOW, self._turn)
        self._turn += 1
        cut = WINDOW - self._learned % WINDOW
        for part in (chosen[:cut], chosen[cut:]):
            for row in self._learning(x[part]):
                self._trees.learn_one(row)
            self._learned += len(part)
            if part and self._learned % WINDOW == 0:
                self._asking, self._learning = self._learning, Scale(self._memory.rows)
