"""What is usual in a cohort: the "typical value" that an alert's reasons are compared with."""

from collections.abc import Sequence
from typing import Final

from detectors.base import FeatureInfo
from detectors.sample import Sample
from state.errors import SnapshotError
from state.snapshot import pack, unpack
from state.types import F64, I64

_KIND: Final = "profile"
_VERSION: Final = 1


class PopulationProfile:
    """Running medians and inter-quartile ranges of a cohort's features on one window."""

    def __init__(
        self,
        features: Sequence[FeatureInfo],
        remember: int = 1024,
        resume: bytes | None = None,
        columns: I64 | None = None,
    ) -> None:
        """columns: (F,) where each feature is in what was saved, -1 for nowhere; None for the same features."""
        self.features = tuple(features)
        self.sample = Sample(len(self.features), remember)
        if resume is not None:
            _, meta, arrays = unpack(resume, _KIND, (_VERSION,))
            names = [f.name for f in self.features]
            if (columns is None and meta["features"] != names) or meta["remember"] != remember:
                saved = f"remember={meta['remember']} and features {meta['features']}"
                raise SnapshotError(f"profile: saved with {saved}, configured remember={remember} and {names}")
            self.sample = Sample.resume(meta, arrays)
            if columns is not None:
                self.sample = self.sample.with_columns(columns)

    def learn(self, x: F64) -> None:
        """x: (n, F) float64, one round in original units; nan for no value."""
        self.sample.add(x)

    def typical(self) -> F64:
        """(F,) float64: medians in original units; nan for a feature never seen."""
        return self.sample.quantiles((0.5,))[0]

    def spread(self) -> F64:
        """(F,) float64 >= 0: inter-quartile ranges in original units; nan for a feature never seen."""
        low, high = self.sample.quantiles((0.25, 0.75))
        return high - low

    def snapshot(self) -> bytes:
        """The sample."""
        meta, arrays = self.sample.state()
        return pack(_KIND, _VERSION, {**meta, "features": [f.name for f in self.features]}, arrays)
