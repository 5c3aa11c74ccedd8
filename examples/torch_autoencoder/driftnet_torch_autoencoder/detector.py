"""Autoencoder: a row that a small network, trained on all rows so far, cannot rebuild is odd.

Source: Hawkins, He, Williams & Baxter 2002, "Outlier detection using replicator neural networks".
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from driftnet.kit import (
    F64,
    Detector,
    DetectorSpec,
    FeatureInfo,
    Rows,
    Sample,
    Scale,
    SnapshotError,
    fit_scale,
    pack,
    require,
    require_features,
    scale_of,
    unpack,
)


@dataclass(frozen=True, slots=True)
class AutoencoderSpec(DetectorSpec):
    """A network of two layers, tanh between them.

    hidden: numbers that a row is squeezed into.  rate: of gradient descent.  batch: rows per step.  ready: rows that
    fix the scale, and again as many before the first score.  seed: of the first weights.
    """

    type: ClassVar[str] = "torch_autoencoder"
    budget_us: ClassVar[float] = 100.0

    hidden: int = 3
    rate: float = 0.05
    batch: int = 32
    ready: int = 256
    seed: int = 1

    def __post_init__(self) -> None:
        require(
            self,
            self.type,
            hidden=(self.hidden >= 1, "at least 1"),
            rate=(self.rate > 0, "above 0"),
            batch=(self.batch >= 1, "at least 1"),
            ready=(self.ready >= 16, "at least 16"),
        )

    def build(self, features: tuple[FeatureInfo, ...], resume: bytes | None = None) -> "Autoencoder":
        """A detector at work."""
        require_features(len(features), self.type)
        detector = Autoencoder(self, features)
        if resume is not None:
            detector.resume(resume)
        return detector


class Autoencoder(Detector):
    """Score: mean squared distance between a row and what the network makes of it, in inter-quartile ranges."""

    KIND: ClassVar[str] = "torch_autoencoder"

    def __init__(self, spec: AutoencoderSpec, features: tuple[FeatureInfo, ...]) -> None:
        self.spec = spec
        self.features = features
        self.sample = Sample(len(features), max(512, spec.ready))
        self.scale: Scale | None = None
        self.learned = 0
        # A generator of its own: the weights do not depend on what else in the process draws numbers.
        source = torch.Generator().manual_seed(spec.seed)
        sizes = ((spec.hidden, len(features)), (spec.hidden,), (len(features), spec.hidden), (len(features),))
        self.weights = [0.3 * torch.randn(size, generator=source, dtype=torch.float64) for size in sizes]

    def _rebuilt(self, z: torch.Tensor) -> torch.Tensor:
        into, bias, out, level = self.weights
        return torch.tanh(z @ into.T + bias) @ out.T + level

    def _parts(self, x: F64) -> F64:
        """(n, F) squared distances."""
        assert self.scale is not None
        with torch.no_grad():
            z = torch.from_numpy(np.ascontiguousarray(self.scale.apply(x)))
            parts: F64 = ((self._rebuilt(z) - z) ** 2).numpy()
        return parts

    @property
    def ready(self) -> bool:
        """Whether rows are scored."""
        return self.scale is not None and self.learned >= self.spec.ready

    def score(self, rows: Rows) -> F64:
        """(n,) float64 >= 0; nan before twice `ready` rows."""
        return self._parts(rows.x).mean(axis=1) if self.ready else np.full(len(rows), np.nan)

    def learn(self, rows: Rows) -> None:
        """A step of gradient descent per mini-batch."""
        if not len(rows):
            return
        if self.scale is None:
            self.sample.add(rows.x)
            if self.sample.count < self.spec.ready:
                return
            self.scale = fit_scale(self.features, self.sample, directed=True)
        z = torch.from_numpy(np.ascontiguousarray(self.scale.apply(rows.x)))
        for part in torch.split(z, self.spec.batch):
            weights = [w.requires_grad_() for w in self.weights]
            loss = ((self._rebuilt(part) - part) ** 2).mean()
            slopes = torch.autograd.grad(loss, weights)
            with torch.no_grad():
                self.weights = [(w - self.spec.rate * g).detach() for w, g in zip(weights, slopes, strict=True)]
        self.learned += len(rows)

    def explain(self, rows: Rows) -> F64:
        """(n, F): the squared distances."""
        return self._parts(rows.x) if self.ready else np.zeros(rows.x.shape)

    def snapshot(self) -> bytes:
        """The weights as arrays, the scale, the sample."""
        sample, arrays = self.sample.state()
        arrays["scale"] = np.empty((2, 0)) if self.scale is None else np.stack([self.scale.center, self.scale.spread])
        arrays |= {f"w{i}": w.detach().numpy().copy() for i, w in enumerate(self.weights)}
        return pack(self.KIND, self.version, {"sample": sample, "learned": self.learned, "fits": self._fits()}, arrays)

    def _fits(self) -> list[Any]:
        return [self.spec.hidden, self.spec.seed, self.spec.ready, [f.name for f in self.features]]

    def resume(self, blob: bytes) -> None:
        """Take back a snapshot.  Raises SnapshotError for another shape or other features."""
        _, meta, arrays = unpack(blob, self.KIND, (self.version,))
        if meta["fits"] != self._fits():
            raise SnapshotError(
                f"{self.KIND}: saved for (hidden, seed, ready, features) {meta['fits']}, configured {self._fits()}"
            )
        self.sample, self.learned = Sample.resume(meta["sample"], arrays), int(meta["learned"])
        self.weights = [torch.from_numpy(arrays[f"w{i}"].copy()) for i in range(4)]
        if arrays["scale"].size:
            self.scale = scale_of(self.features, arrays["scale"][0], arrays["scale"][1], directed=True)
