"""Rounds of few rows, which are added up together."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from state.types import F64


class Held:
    """Rounds of one window, in their order.  rows: how many they have."""

    def __init__(self) -> None:
        self.rows = 0
        self._x: list[F64] = []
        self._scores: list[list[F64]] = []
        self._candidates = 0

    def add(self, x: F64, scores: list[F64], candidates: int) -> None:
        """x: (n, F).  scores: of each detector, (n,).  candidates: how many of the rows became some."""
        self._x.append(x)
        self._scores.append(scores)
        self._candidates += candidates
        self.rows += len(x)

    def together(self) -> tuple[F64, list[F64], int]:
        """All of them as one round; there is one at least."""
        if len(self._x) == 1:
            return self._x[0], self._scores[0], self._candidates
        return np.concatenate(self._x), list(map(np.concatenate, zip(*self._scores, strict=True))), self._candidates

    def state(
        self, features: Sequence[str], detectors: Sequence[str]
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Numbers and arrays for a snapshot.  features, detectors: names, in the order of the columns."""
        meta = {"features": [*features], "detectors": [*detectors], "candidates": self._candidates}
        x, scores, _ = self.together() if self._x else (np.empty((0, len(features))), [], 0)
        return meta, {"held_x": x, "held_scores": np.array(scores or np.empty((len(detectors), 0)), np.float64)}

    @classmethod
    def of(
        cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], features: list[str], detectors: list[str]
    ) -> Self:
        """What `state` gave.  features, detectors: names then of the columns now; what was not there has no values."""
        held = cls()
        x, scores = arrays["held_x"], arrays["held_scores"]
        if len(x):
            nothing = np.full(len(x), np.nan)
            columns = dict(zip(meta["features"], x.T, strict=True))
            said = dict(zip(meta["detectors"], scores, strict=True))
            now = np.array([columns.get(name, nothing) for name in features]).reshape(len(features), len(x)).T
            held.add(now, [said.get(name, nothing) for name in detectors], meta["candidates"])
        return held
