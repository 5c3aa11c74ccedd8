"""Models that are fitted in a process of their own: a small one that works, and one that does what it must not."""

import os
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from detectors.refitted import RefittedSpec, Scorer
from state.types import F64


@dataclass(frozen=True, slots=True)
class MeansSpec(RefittedSpec):
    """The direction from the mean of the genuine to that of the frauds, in standard deviations; no value is the mean of
    the genuine.
    """

    type: ClassVar[str] = "means"

    def fit(self, x: F64, fraud: F64) -> bytes:
        center, spread = np.nanmean(x[fraud == 0], axis=0), np.nanstd(x, axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        z = np.nan_to_num((x - center) / spread)
        towards = z[fraud == 1].mean(axis=0)
        return np.stack([center, spread, towards]).tobytes()

    def scorer(self, model: bytes) -> Scorer:
        center, spread, towards = np.frombuffer(model).reshape(3, -1)

        def score(x: F64) -> F64:
            with np.errstate(invalid="ignore"):
                z = np.clip(np.nan_to_num((x - center) / spread), -50.0, 50.0)
            # Row by row, so that a row's score does not depend on those beside it.
            return np.asarray((z * towards).sum(axis=1))

        return score


@dataclass(frozen=True, slots=True)
class UnrulySpec(MeansSpec):
    """The same, but that a fit to rows with a first value below 0 does what `does` says."""

    type: ClassVar[str] = "unruly"

    does: str = "raises"

    def fit(self, x: F64, fraud: F64) -> bytes:
        if not (x[:, 0] < 0).any():
            return MeansSpec.fit(self, x, fraud)
        match self.does:
            case "raises":
                raise ValueError("no such thing")
            case "sleeps":
                time.sleep(60)
            case "dies":
                os._exit(3)
        return b""
