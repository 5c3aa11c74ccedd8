"""explain: rebuild the state behind an alert by replaying its run up to the alert's window, and show all that was
seen.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from flows.drive.local import LocalDriver, Progress
from flows.job import Job
from flows.operators.population.candidates import typical_own
from flows.operators.population.verdict import Verdict, known
from flows.operators.population.window_models import WindowModels
from flows.operators.rows import FeatureRows
from flows.sinks.memory import MemoryWriter
from flows.sources.base import Partition
from flows.streams import Stream
from state.errors import SourceError
from state.times import from_iso, iso
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
    end_us = from_iso(alert["end"])
    found: list[Explanation] = []

    def observe(rows: FeatureRows, verdict: Verdict, models: WindowModels) -> None:
        if rows.window == alert["window"] and rows.end_us == end_us:
            at = np.flatnonzero(rows.name == alert["subject"])
            found.extend(_look(rows, verdict, models, int(i), alert) for i in at)

    until_us = end_us + job.stream.time.allowed_lateness_us + SECOND_US
    kind = alert.get("kind", job.judgement.own_kind)
    observed = "" if kind == job.judgement.own_kind else kind
    LocalDriver(job, partitions, {}, observer=observe, until_us=until_us, reads=reads, observed=observed).run(progress)
    if not found:
        raise SourceError(
            f"alert {alert['alert_id']}: replaying the run's input gave no {alert['window']} window"
            f" of {alert['subject']!r} that ends at {iso(end_us)}; the input is no longer what the run read"
        )
    return found[-1]


@dataclass(frozen=True, slots=True)
class CampaignExplanation:
    """A campaign's alert, found again.  reproduced: whether all that it says equals what was stored, to the bit."""

    alert: dict[str, Any]
    rebuilt: dict[str, Any]
    reproduced: bool

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return asdict(self)


def explain_campaign(
    job: Job,
    partitions: Sequence[Partition],
    alert: dict[str, Any],
    progress: Callable[[Progress], None] | None = None,
    reads: Mapping[str, str] = MappingProxyType({}),
) -> CampaignExplanation:
    """Replays the partitions up to the round in which an alert of a campaign was told.

    As of `explain`.  Raises SourceError when the input no longer gives the campaign then.
    """
    sink = MemoryWriter()
    until_us = from_iso(alert["raised"]) + job.stream.time.allowed_lateness_us + SECOND_US
    LocalDriver(job, partitions, {Stream.ALERTS: [sink]}, until_us=until_us, reads=reads).run(progress)
    told = [r for r in sink.records if r["alert_id"] == alert["alert_id"] and r["raised"] == alert["raised"]]
    if not told:
        raise SourceError(
            f"alert {alert['alert_id']}: replaying the run's input gave no such campaign at {alert['raised']}; the"
            " input is no longer what the run read"
        )
    stored = {name: value for name, value in alert.items() if name in told[-1]}
    return CampaignExplanation(alert, told[-1], told[-1] == stored)


def _look(rows: FeatureRows, verdict: Verdict, models: WindowModels, i: int, alert: dict[str, Any]) -> Explanation:
    at = np.array([i])
    one, said = rows.take(at), verdict.take(at)
    shares = models.shares(one.view(models.window), one.own, said)
    share = np.sum([s[0] for _, s in shares], axis=0)
    own = typical_own(one.own, one.x)[0]
    cohort = models.usual(rows.view(models.window))
    features = [
        FeatureView(f.name, known(rows.x[i, j]), known(own[j]), known(cohort[j]), float(share[j]))
        for j, f in enumerate(models.features)
    ]
    p = float(verdict.p[i])
    return Explanation(
        alert,
        p,
        p == alert["window_tail_probability"],
        len(rows),
        int((verdict.p < p).sum()) + 1,
        tuple(DetectorView(n, known(s[0]), known(said.tail[n][0])) for n, s in said.score.items()),
        tuple(sorted(features, key=lambda f: -f.share)),
    )
