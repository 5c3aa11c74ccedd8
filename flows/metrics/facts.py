"""What is known of a run before it begins: every value that a label can have, so that all series are there at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Final

from flows import counters
from flows.job import Job
from flows.metrics.catalogue import (
    DETECTOR_SCORE,
    DETECTOR_STATE,
    FUSE,
    OF_COUNTERS,
    PERCENTILES,
    STAGE_SECONDS,
    STATES,
    Metric,
)
from flows.steps import Step
from flows.streams import Stream


@dataclass(frozen=True, slots=True)
class Facts:
    """Of a run.  Picklable.

    run: its name.  partitions: source partition -> what it holds, "events", "labels" or "control".  processes: the
    numbers of those that this supervising process has.  stages: of the flow, ingest first, sinks last.  kinds: kind of
    subjects -> its windows, those that the stream is keyed by first.  detectors: (name, window), of all kinds.
    sinks: name -> the stream it takes.  elsewhere: whether other hosts have a part of the run.
    """

    run: str = ""
    job: str = ""
    version: str = ""
    live: bool = False
    partitions: Mapping[str, str] = field(default_factory=dict)
    processes: tuple[int, ...] = (0,)
    stages: tuple[str, ...] = ()
    kinds: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"subject": ()})
    detectors: tuple[tuple[str, str], ...] = ()
    sinks: Mapping[str, Stream] = field(default_factory=dict)
    severities: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    key_groups: int = 1
    elsewhere: bool = False

    @classmethod
    def of_job(
        cls,
        job: Job,
        *,
        run: str,
        version: str,
        live: bool,
        partitions: Mapping[str, str],
        processes: tuple[int, ...],
        stages: tuple[str, ...],
        sinks: Mapping[str, Stream],
        elsewhere: bool,
    ) -> "Facts":
        """stages: between ingest and sinks."""
        judgement, names = job.judgement, job.names
        jobs = (job, *(kind.job for kind in job.kinds))
        return cls(
            run=run,
            job=job.name,
            version=version,
            live=live,
            partitions=partitions,
            processes=processes,
            stages=(Step.INGEST.value, *stages, Step.SINKS.value),
            kinds={of.judgement.kind: tuple(w.name for w in of.stream.rows.windows) for of in jobs},
            detectors=tuple(
                dict.fromkeys((use.name, w) for of in jobs for use in of.judgement.detectors for w in use.windows)
            ),
            sinks=sinks,
            severities=tuple(name for name, _ in judgement.policy.severities),
            features=names["features"],
            columns=tuple(sorted(job.decoded)),
            key_groups=job.stream.key_groups,
            elsewhere=elsewhere,
        )

    def series(self, metric: Metric) -> Iterator[tuple[str, ...]]:
        """Every combination of label values that a metric has in this run."""
        axes: list[list[tuple[str, ...]]] = []
        labels = list(metric.labels)
        while labels:
            pair = tuple(labels[:2])
            if pair in _PAIRS:
                axes.append(list(self._pairs(pair)))
                labels = labels[2:]
            else:
                axes.append([(value,) for value in self._values(metric, labels.pop(0))])
        for chosen in product(*axes):
            yield tuple(value for part in chosen for value in part)

    def _pairs(self, pair: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        match pair:
            case ("partition", "reads"):
                yield from self.partitions.items()
            case ("sink", "stream"):
                yield from ((name, stream.value) for name, stream in self.sinks.items())
            case ("kind", "window"):
                yield from ((kind, window) for kind, windows in self.kinds.items() for window in windows)
            case _:
                yield from self.detectors

    def _values(self, metric: Metric, label: str) -> tuple[str, ...]:
        known = _KNOWN.get((metric.name, label))
        if known is not None:
            return known
        of_run: Mapping[str, tuple[str, ...]] = {
            "process": tuple(map(str, self.processes)),
            "stage": self.stages,
            "kind": tuple(self.kinds),
            "window": tuple(dict.fromkeys(window for windows in self.kinds.values() for window in windows)),
            "detector": tuple(dict.fromkeys(name for name, _ in self.detectors)),
            "severity": self.severities,
            "feature": self.features,
            "column": self.columns,
        }
        return of_run[label]


_PAIRS: Final = (("partition", "reads"), ("detector", "window"), ("sink", "stream"), ("kind", "window"))
"""Labels of which not every value goes with every value of the other."""


def _known() -> dict[tuple[str, str], tuple[str, ...]]:
    found: dict[tuple[str, str], tuple[str, ...]] = {
        (STAGE_SECONDS.name, "state"): STATES,
        (DETECTOR_STATE.name, "state"): FUSE,
        (DETECTOR_SCORE.name, "percentile"): tuple(map(str, PERCENTILES)),
    }
    for counter in counters.CATALOGUE.values():
        if counter.known:
            found[OF_COUNTERS[counter.name].name, counter.labels[0]] = tuple(map(str, counter.known))
    return found


_KNOWN: Final = _known()
