"""How much each detector's word counts, from what can be told without labels, and from labels where there are some.

Without labels: agreement.  Detectors of different kinds err differently, so one that has little in common with the
others is more likely to be wrong than all of them: the reasoning of Zimek, Campello & Sander 2014, "Ensembles for
unsupervised outlier detection".  Agreement is the correlation of surprises (-log of tail probabilities) with another
detector's, on average over the others; surprises, not ranks, so that the odd rows count and not the order of ordinary
ones.

With labels: twice the area under the ROC curve above one half, of each detector's own scores on rows whose labels have
come.  `_TRUSTED` labelled frauds say as much as agreement.

A power of either, relative to the best detector's, multiplies the weight that was configured.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from detectors.sample import Sample
from state.snapshot import pack, unpack
from state.types import F64

_KIND: Final = "weighing"
_VERSION: Final = 1
_POWER_OF_AGREEMENT: Final = 4.0
_POWER_OF_SKILL: Final = 16.0
"""Chosen on public data (examples/README.md); what labels say is surer."""
_REMEMBER_ROWS: Final = 8192
_READY_ROWS: Final = 256
_LABELS: Final = 512
_TRUSTED: Final = 10.0
_LEAST: Final = 1e-3
"""Nobody's word counts for nothing."""
_FLOOR: Final = 1e-4
"""Surprises beyond this do not count more: single rows must not decide."""


class Weighing:
    """What was seen of some detectors' words.

    names: the detectors.  by_labels: whether labels count.
    """

    def __init__(self, names: tuple[str, ...], *, by_labels: bool) -> None:
        k = len(names)
        self._names = names
        self._by_labels = by_labels
        self._sums: F64 = np.zeros((4, k, k))
        """Over rows of which detectors i and j had an opinion: rows, surprise of i, its square, product of both."""
        self._fraud, self._genuine = Sample(k, _LABELS), Sample(k, _LABELS)

    def weights(self) -> F64:
        """(k,) float64 in (0, 1], to multiply those configured by."""
        worth = _relative(self._agreement() ** _POWER_OF_AGREEMENT)
        seen = min(self._fraud.count, self._genuine.count) if self._by_labels else 0
        if seen:
            skill = _relative(self._skill() ** _POWER_OF_SKILL)
            worth = (seen * skill + _TRUSTED * worth) / (seen + _TRUSTED)
        return np.maximum(worth, _LEAST)

    def _agreement(self) -> F64:
        """(k,) float64 in [0, 1], mean correlation with others; 1 where that is not known yet."""
        rows, total, squares, products = self._sums
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = total / rows
            spread = np.sqrt(np.maximum(squares / rows - mean**2, 0.0))
            found = (products / rows - mean * mean.T) / (spread * spread.T)
        known = (rows >= _READY_ROWS) & np.isfinite(found)
        np.fill_diagonal(known, val=False)
        count = known.sum(axis=1)
        mean = np.where(known, found, 0.0).sum(axis=1) / np.maximum(count, 1)
        return np.where(count > 0, np.clip(mean, 0.0, 1.0), 1.0)

    def _skill(self) -> F64:
        """(k,) float64 in [0, 1], on labelled rows; 0 for a detector that had no opinion on any."""
        (fraud, frauds), (genuine, genuines) = self._fraud.ordered(), self._genuine.ordered()
        out = np.zeros(len(self._names))
        for i in np.flatnonzero((frauds > 0) & (genuines > 0)).tolist():
            known, mine = genuine[i, : genuines[i]], fraud[i, : frauds[i]]
            below = np.searchsorted(known, mine, "left") + np.searchsorted(known, mine, "right")
            out[i] = max(below.mean() / len(known) - 1.0, 0.0)
        return out

    def learn(self, tail: F64) -> None:
        """tail: (k, n) float64 tail probabilities of a round, nan for "not yet"."""
        known = ~np.isnan(tail)
        surprise = -np.log(np.maximum(np.where(known, tail, 1.0), _FLOOR))
        there = known.astype(np.float64)
        self._sums *= (1 - 1 / _REMEMBER_ROWS) ** tail.shape[1]
        self._sums += [there @ there.T, surprise @ there.T, surprise**2 @ there.T, surprise @ surprise.T]

    def learn_labels(self, score: F64, label: F64) -> None:
        """score: (k, n) float64, each detector's own, nan for "not yet".  label: (n,) 1, 0, or nan for unknown."""
        self._fraud.add(score[:, label == 1.0].T)
        self._genuine.add(score[:, label == 0.0].T)

    def snapshot(self) -> bytes:
        """All of it."""
        fraud, frauds = self._fraud.state()
        genuine, genuines = self._genuine.state()
        arrays = {f"fraud.{name}": a for name, a in frauds.items()}
        arrays |= {f"genuine.{name}": a for name, a in genuines.items()}
        meta = {"names": list(self._names), "fraud": fraud, "genuine": genuine}
        return pack(_KIND, _VERSION, meta, {"sums": self._sums, **arrays})

    def restore(self, blob: bytes, renamed: Mapping[str, str] = MappingProxyType({})) -> None:
        """Takes what `snapshot` gave, where it was of the same detectors; else stays as it is.  renamed: name that a
        detector had then -> name now.
        """
        _, meta, arrays = unpack(blob, _KIND, (_VERSION,))
        if [renamed.get(name, name) for name in meta["names"]] != list(self._names):
            return
        self._sums = arrays["sums"]

        def sample(name: str, told: dict[str, Any]) -> Sample:
            mine = {key.removeprefix(f"{name}."): a for key, a in arrays.items() if key.startswith(f"{name}.")}
            return Sample.resume(told, mine)

        self._fraud, self._genuine = sample("fraud", meta["fraud"]), sample("genuine", meta["genuine"])


def _relative(worth: F64) -> F64:
    """Divided by the largest; ones where all are worthless."""
    most = worth.max(initial=0.0)
    return worth / most if most > 0 else np.ones(len(worth))
