"""Values as they are: for features that were made to be compared, such as a surge against the subject's own mean."""

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from detectors.base import Detector, DetectorSpec, Direction, FeatureInfo, Rows
from state.snapshot import pack, unpack
from state.types import F64

_MOST: Final = 1e100
"""What is larger counts as this: sums stay finite."""


@dataclass(frozen=True, slots=True)
class ValuesSpec(DetectorSpec):
    """The sum of its features' values, on their log scale where they have one, and from the suspicious side.

    It learns nothing: what was odd in the first hour is as odd in the last. How rare a sum is, calibration says.
    """

    type: ClassVar[str] = "values"
    learns: ClassVar[bool] = False
    one_mode: ClassVar[bool] = False

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> "Values":
        """A detector at work.  It has no state: from `resume` only kind and version are checked."""
        if resume is not None:
            unpack(resume, Values.KIND, (Values.version,))
        return Values(features)


class Values(Detector):
    """Score: the sum over features that have a value; nan where none has.  Where both sides of a feature are suspicious
    it counts how far from 0 it is.
    """

    KIND: ClassVar[str] = "values"

    def __init__(self, features: tuple[FeatureInfo, ...]) -> None:
        self._log = np.array([f.log for f in features], np.bool_)
        self._low = np.array([f.direction is Direction.LOW for f in features], np.bool_)
        self._both = np.array([f.direction is Direction.BOTH for f in features], np.bool_)

    def _parts(self, x: F64) -> F64:
        x = np.clip(x, -_MOST, _MOST)
        natural = np.where(self._log, np.sign(x) * np.log1p(np.abs(x)), x)
        out: F64 = np.where(self._both, np.abs(natural), np.where(self._low, -natural, natural))
        return out

    def score(self, rows: Rows) -> F64:
        """(n,) float64."""
        parts = self._parts(rows.x)
        unknown = np.isnan(parts)
        return np.where(unknown.all(axis=1), np.nan, np.where(unknown, 0.0, parts).sum(axis=1))

    def learn(self, rows: Rows) -> None:
        """Nothing."""

    def explain(self, rows: Rows) -> F64:
        """(n, F): each feature's part, as far as it is on the suspicious side of 0."""
        return np.maximum(np.nan_to_num(self._parts(rows.x)), 0.0)

    def snapshot(self) -> bytes:
        """An empty frame."""
        return pack(self.KIND, self.version, {}, {})
