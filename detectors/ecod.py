"""ECOD, online and one-sided: how far out is each feature among remembered rows, added up over features.

Source: Li, Zhao, Hu, Botta, Ionescu & Chen 2022, "ECOD: Unsupervised Outlier Detection Using Empirical Cumulative
Distribution Functions".  Theirs takes the heavier of two tails; here a feature says which side is suspicious.

Robust by addition: when 3 % of the remembered rows are attackers, none of an attacker's features looks rarer than
about 3 %, but twelve such features add up to 42 nats, where people are at about 12.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from detectors.base import Detector, DetectorSpec, Direction, FeatureInfo, Rows
from detectors.limits import require, require_features
from detectors.sample import Sample
from state.errors import SnapshotError
from state.snapshot import pack, unpack
from state.types import F32, F64


@dataclass(frozen=True, slots=True)
class EcodSpec(DetectorSpec):
    """Empirical tail probabilities, added.

    remember: rows kept.  ready: rows before the first score.  tail_share: only what is further out than this share of
    the remembered rows counts, so that many ordinary features do not drown a few odd ones (Zaykin et al. 2002, the
    truncated product method); 1 counts everything, as in the paper.
    """

    type: ClassVar[str] = "ecod"

    remember: int = 2048
    ready: int = 256
    tail_share: float = 0.3

    def __post_init__(self) -> None:
        require(
            self,
            self.type,
            remember=(self.remember >= 16, "at least 16"),
            tail_share=(0 < self.tail_share <= 1, "above 0 and at most 1"),
            ready=(2 <= self.ready <= self.remember, f"2 to remember ({self.remember})"),
        )

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> "Ecod":
        """A detector at work."""
        require_features(len(features), self.type)
        detector = Ecod(self, features)
        if resume is not None:
            detector.resume(resume)
        return detector


class Ecod(Detector):
    """Score: the sum over features of -log P(as far out on the suspicious side), in nats."""

    KIND: ClassVar[str] = "ecod"

    def __init__(self, spec: EcodSpec, features: tuple[FeatureInfo, ...]) -> None:
        self.spec = spec
        self.features = features
        self.sample = Sample(len(features), spec.remember)

    @property
    def ready(self) -> bool:
        """Whether rows are scored."""
        return self.sample.count >= self.spec.ready

    def score(self, rows: Rows) -> F64:
        """(n,) float64 >= 0 in nats; nan before `ready` rows, and for rows without any value."""
        if not self.ready or not len(rows):
            return np.full(len(rows), np.nan)
        parts = self._parts(rows.x)
        missing = np.isnan(parts)
        if not missing.any():
            return parts.sum(axis=0)
        # A missing feature counts as an average one: rows with and without it stay comparable.
        total: F64 = np.where(missing, self._average()[:, None], parts).sum(axis=0)
        total[missing.all(axis=0)] = np.nan
        return total

    def learn(self, rows: Rows) -> None:
        """Remember rows."""
        self.sample.add(rows.x)

    def explain(self, rows: Rows) -> F64:
        """(n, F): the parts of the score."""
        if not self.ready or not len(rows):
            return np.zeros((len(rows), len(self.features)))
        return np.nan_to_num(self._parts(rows.x).T)

    def _parts(self, x: F64) -> F64:
        """(F, n) nats; nan where x has no value."""
        with np.errstate(over="ignore"):
            values = np.ascontiguousarray(x.T, dtype=np.float32)
        columns, counts = self.sample.ordered()
        out = np.empty(values.shape)
        for i, feature in enumerate(self.features):
            order = np.argsort(values[i])  # searching for ascending values stays in the cache
            out[i, order] = self._beyond(surprise(columns[i, : counts[i]], values[i][order], feature.direction))
        out[np.isnan(values)] = np.nan
        return out

    def _beyond(self, nats: F64) -> F64:
        return np.maximum(nats + np.log(self.spec.tail_share), 0.0)

    def _average(self) -> F64:
        """(F,) mean part of the remembered rows themselves, from every 16th of them."""
        columns, counts = self.sample.ordered()
        known = [columns[i, : counts[i]] for i in range(len(counts))]
        parts = [self._beyond(surprise(k, k[::16], f.direction)) for k, f in zip(known, self.features, strict=True)]
        return np.array([part.mean() if len(part) else 0.0 for part in parts])

    def snapshot(self) -> bytes:
        """The sample."""
        meta, arrays = self.sample.state()
        return pack(self.KIND, self.version, {"sample": meta, "fits": self._fits()}, arrays)

    def _fits(self) -> list[object]:
        return [self.spec.remember, [f.name for f in self.features]]

    def resume(self, blob: bytes) -> None:
        """Take back a snapshot.  Raises SnapshotError where the sample's size or the features differ."""
        _, meta, arrays = unpack(blob, self.KIND, (self.version,))
        if meta["fits"] != self._fits():
            raise SnapshotError(f"ecod: saved for (remember, features) {meta['fits']}, configured {self._fits()}")
        self.sample = Sample.resume(meta["sample"], arrays)


def surprise(known: F32, values: F32, direction: Direction) -> F64:
    """-log of the conformal tail probability (1 + rows as far out) / (1 + rows), in nats.

    known: (n,) ascending.  values: (m,) ascending (for speed).  Returns (m,) float64 in [0, log(n + 1)].
    """
    n = len(known)
    log = _logs((n + 2).bit_length())
    if direction is Direction.HIGH:
        return log[n + 1] - log.take(n + 1 - np.searchsorted(known, values, side="left"))
    if direction is Direction.LOW:
        return log[n + 1] - log.take(np.searchsorted(known, values, side="right") + 1)
    either = np.maximum(surprise(known, values, Direction.HIGH), surprise(known, values, Direction.LOW))
    return np.maximum(either - log[2], 0.0)


@lru_cache(maxsize=32)
def _logs(bits: int) -> F64:
    """log(k) for k < 2**bits, log(0) standing as 0."""
    return np.log(np.maximum(np.arange(2**bits), 1.0))
