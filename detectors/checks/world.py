"""The world that detectors are checked in: seeded rounds of people, and loop bots among them."""

from dataclasses import replace
from typing import Final

import numpy as np

from detectors.base import Detector, DetectorSpec, Direction, FeatureInfo, Rows
from detectors.quality import rank_quality
from state.types import F64

FEATURES: Final = (
    FeatureInfo("plays", Direction.HIGH, log=True, low=0.0),
    FeatureInfo("skip_share", Direction.LOW, low=0.0, high=1.0),
    FeatureInfo("top_share", Direction.HIGH, low=0.0, high=1.0),
    FeatureInfo("gap_cv", Direction.LOW, low=0.0),
    FeatureInfo("play_time_ratio", Direction.HIGH, low=0.0),
    FeatureInfo("searches", Direction.BOTH, log=True, low=0.0),
)
"""The columns of the kit's rows."""

_SUBJECTS: Final = 400
ROUNDS: Final = 24
"""After so many a detector must have an opinion."""


class World:
    """Seeded rounds of feature rows: subjects with habits, one in sixteen values missing."""

    def __init__(self, seed: int = 7, subjects: int = _SUBJECTS) -> None:
        self._rng = np.random.default_rng(seed)
        self.subjects = subjects
        self._habit = self._rng.normal(size=(subjects, len(FEATURES)))
        self._clock = 0

    def round(self, subjects: int | None = None, missing: float = 1 / 16) -> Rows:
        """The next round: everybody's row, or the first `subjects`'."""
        n = self.subjects if subjects is None else subjects
        z = 0.8 * self._habit[:n] + 0.6 * self._rng.normal(size=(n, len(FEATURES)))
        x = np.stack(
            [
                np.floor(np.exp(2.5 + 0.6 * z[:, 0])),
                1 / (1 + np.exp(-z[:, 1])),
                1 / (1 + np.exp(2 - 0.5 * z[:, 2])),
                np.exp(0.3 * z[:, 3]),
                0.9 / (1 + np.exp(1 - z[:, 4])),
                np.floor(np.exp(1 + 0.5 * z[:, 5])),
            ],
            axis=1,
        )
        x[self._rng.random(x.shape) < missing] = np.nan
        self._clock += 3_600_000_000
        return rows_of(x, self._clock)


def rows_of(x: F64, end_us: int = 0) -> Rows:
    """Rows for subjects 0, 1, ..., in slots 0, 1, ..."""
    n = len(x)
    start, stop = np.full(n, end_us - 3_600_000_000), np.full(n, end_us)
    return Rows("w1h", end_us, x, np.arange(n, dtype=np.uint64), start, stop, np.arange(n, dtype=np.int32))


def attacked(rows: Rows, each: int = 20) -> tuple[Rows, F64]:
    """A copy in which every `each`-th row is a loop bot; and (n,) 1.0 where it is."""
    x = rows.x.copy()
    x[::each] = [900.0, 0.001, 0.98, 0.02, 2.4, 0.0]
    truth = np.zeros(len(x))
    truth[::each] = 1.0
    return rows_of(x, rows.end_us), truth


def lesson(spec: DetectorSpec, rows: Rows) -> Rows:
    """What is learned of a round: the round, or with a detector that uses labels an attacked and labelled one."""
    if not spec.uses_labels:
        return rows
    mixed, truth = attacked(rows)
    return replace(mixed, label=truth)


def trained(spec: DetectorSpec, rounds: int = ROUNDS, seed: int = 7) -> tuple[Detector, World]:
    """A detector that has learned some rounds of a world, and the world."""
    detector, world = spec.build(FEATURES), World(seed)
    for _ in range(rounds):
        detector.learn(lesson(spec, world.round()))
    return detector, world


def ranking(score: F64, truth: F64) -> float:
    """Area under the ROC curve; nan scores count as the lowest."""
    area = rank_quality(np.nan_to_num(score, nan=-1e300), truth).roc_auc
    assert area is not None, "a truth of one kind"
    return area


def same(a: F64, b: F64) -> bool:
    """Equal to the bit; nan equals nan."""
    return a.shape == b.shape and a.dtype == b.dtype and bool(np.array_equal(a, b, equal_nan=True))
