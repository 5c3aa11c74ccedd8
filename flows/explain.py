"""explain: rebuild the state behind an alert by replaying its run up to the alert's window, and show all that was
seen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from detectors.alerting.alert import iso
from detectors.base import Rows
from flows.job import Job
from flows.local import LocalDriver, Progress
from flows.operators.messages import FeatureRows, OwnVerdict
from flows.operators.models import Verdict, WindowModels
from flows.sources.base import Partition
from state.errors import SourceError
from state.types import SECOND_US


@dataclass(frozen=True, slots=True)
class FeatureView:
    """One feature of the alerted window.  typical_own, typical_cohort: usual values, None where unknown.  share: of
    the evidence.
    """

    feature: str
    seen: float | None
    typical_own: float | None
    typical_cohort: float | None
    share: float


@dataclass(frozen=True, slots=True)
class DetectorView:
    """One detector's verdict, as rebuilt: its score and tail probability, None for "not yet"."""

    detector: str
    score: float | None
    tail_probability: float | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """An alert's window, rebuilt.

    reproduced: whether the rebuilt tail probability equals the stored one to the bit (promise P6).
    rows: how many subjects its round compared it with.  rank: its place among them, 1 for the oddest.
    features: all of the window, the largest share first.
    """

    alert: dict[str, Any]
    tail_probability: float
    reproduced: bool
    rows: int
    rank: int
    detectors: tuple[DetectorView, ...]
    features: tuple[FeatureView, ...]

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return asdict(self)


def explain(
    job: Job,
    partitions: Sequence[Partition],
    alert: dict[str, Any],
    progress: Callable[[Progress], None] | None = None,
    reads: Mapping[str, str] = MappingProxyType({}),
) -> Explanation:
    """Replays the partitions up to the alert's window.

    alert: a record as stored.  partitions: the run's input, from its beginning.  reads: as of LocalDriver.
    Raises SourceError when the input no longer holds the alerted window.
    """
    end_us = int(np.datetime64(alert["end"].removesuffix("Z"), "us").astype(np.int64))
    found: list[Explanation] = []

    def observe(rows: FeatureRows, verdict: Verdict, models: WindowModels) -> None:
        if rows.window == alert["window"] and rows.end_us == end_us:
            at = np.flatnonzero(rows.name == alert["subject"])
            found.extend(_look(rows, verdict, models, int(i), alert) for i in at)

    until_us = end_us + job.time.allowed_lateness_us + SECOND_US
    LocalDriver(job, partitions, {}, observer=observe, until_us=until_us, reads=reads).run(progress)
    if not found:
        raise SourceError(
            f"alert {alert['alert_id']}: replaying the run's input gave no {alert['window']} window"
            f" of {alert['subject']!r} that ends at {iso(end_us)}; the input is no longer what the run read"
        )
    return found[-1]


def _look(rows: FeatureRows, verdict: Verdict, models: WindowModels, i: int, alert: dict[str, Any]) -> Explanation:
    one = slice(i, i + 1)
    view = Rows(rows.window, rows.end_us, rows.x[one], rows.subject[one], rows.start_us[one], rows.stop_us[one])
    own = {n: OwnVerdict(v.score[one], v.typical[one], v.share[one]) for n, v in rows.own.items()}
    score = {n: s[one] for n, s in verdict.score.items()}
    tail = {n: p[one] for n, p in verdict.tail.items()}
    shares = models.shares(view, own, Verdict(verdict.p[one], score, tail))
    share = np.sum([s[0] for _, s in shares], axis=0)
    typical_own = np.full(rows.x.shape[1], np.nan)
    for v in own.values():
        typical_own = np.where(np.isnan(typical_own), v.typical[0], typical_own)
    cohort = models.usual(Rows(rows.window, rows.end_us, rows.x, rows.subject, rows.start_us, rows.stop_us))
    features = [
        FeatureView(f.name, _known(rows.x[i, j]), _known(typical_own[j]), _known(cohort[j]), float(share[j]))
        for j, f in enumerate(models.features)
    ]
    p = float(verdict.p[i])
    return Explanation(
        alert,
        p,
        p == alert["window_tail_probability"],
        len(rows),
        int((verdict.p < p).sum()) + 1,
        tuple(DetectorView(n, _known(s[0]), _known(tail[n][0])) for n, s in score.items()),
        tuple(sorted(features, key=lambda f: -f.share)),
    )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
