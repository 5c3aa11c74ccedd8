"""The catalogue of metrics: names, kinds and labels of all that a run exposes.  Everything else reads it.

Names follow Prometheus's conventions: base units, `_total` for what only grows, times as timestamps and not as ages.
The totals of flows.counters are metrics under their own names (`of_counter`); what else there is stands here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from flows import counters
from flows.counters import Counter, Kind
from state.types import END_OF_TIME_US, SECOND_US

PREFIX: Final = "driftnet_"
Key = tuple[str, ...]
"""The name of a metric, then the values of its labels."""
Numbers = dict[Key, float]


_UNITS: Final = {"_seconds": "s", "_bytes": "By", "_ratio": "1"}
"""Ends of names, which Prometheus's conventions ask for."""


class Merge(StrEnum):
    """How the numbers become one that several operators, or processes, tell under the same labels."""

    SUM = "sum"
    MAX = "max"
    MIN = "min"


@dataclass(frozen=True, slots=True)
class Metric:
    """One entry.  name: without the prefix, and without `_total`.  help: a clause for people.  kind: a counter starts
    at 0 when the supervising process does, and only grows, also when processes are started again.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    merge: Merge = Merge.SUM

    @property
    def exposed(self) -> str:
        """As it stands in a scrape."""
        return f"{PREFIX}{self.name}{'_total' if self.kind is Kind.COUNTER else ''}"

    @property
    def unit(self) -> str:
        """In UCUM's notation; "" for what is counted."""
        return next((unit for end, unit in _UNITS.items() if self.name.endswith(end)), "")

    def key(self, *values: str) -> Key:
        """Where a number of it is kept.  values: of the labels, in order."""
        assert len(values) == len(self.labels), (self.name, values)
        return (self.name, *values)


def _counter(name: str, help_: str, *labels: str) -> Metric:
    return Metric(name, Kind.COUNTER, help_, labels)


def _gauge(name: str, help_: str, *labels: str, merge: Merge = Merge.SUM) -> Metric:
    return Metric(name, Kind.GAUGE, help_, labels, merge)


_SOURCE: Final = ("partition", "reads")
_DETECTOR: Final = ("detector", "window")
_SINK: Final = ("sink", "stream")

RUN_INFO: Final = _gauge("run_info", "1; which version and job this is", "version", "python", "name", "live")
RUN_STARTED: Final = _gauge("run_start_timestamp_seconds", "when the supervising process began")
READY: Final = _gauge("ready", "1 while /readyz says that the run is ready, else 0")
RESTARTS: Final = _counter("restarts", "times that the processes were started again")

SOURCE_RECORDS: Final = _counter("source_records", "lines that a source partition gave", *_SOURCE)
SOURCE_BYTES: Final = _counter(
    "source_bytes", "bytes of these lines; of a large read estimated from every sixteenth line", *_SOURCE
)
SOURCE_WATERMARK: Final = _gauge(
    "source_watermark_timestamp_seconds", "how far a partition has come in event time; 0: not begun", *_SOURCE
)
SOURCE_NEWEST: Final = _gauge(
    "source_newest_event_timestamp_seconds", "the largest event time that counts; 0: none yet", *_SOURCE
)
SOURCE_HEARD: Final = _gauge(
    "source_last_record_timestamp_seconds", "when a partition last gave a line, or was opened", *_SOURCE
)
SOURCE_ASKED: Final = _gauge(
    "source_asked_timestamp_seconds", "when a partition was last asked for lines, or was opened", *_SOURCE
)
SOURCE_LAG: Final = _gauge("source_lag_records", "records that were written and not read; 0 where unknown", *_SOURCE)
SOURCE_HELD: Final = _gauge(
    "source_held_back_seconds", "event time that a partition is ahead of the one it waits for", *_SOURCE
)
SOURCE_UP: Final = _gauge("source_up", "1 while its source can say what there is, else 0", *_SOURCE)
SOURCE_WAITING: Final = _gauge(
    "source_waiting_lines", "lines that are dated far ahead, and wait for others to bear them out", *_SOURCE
)

STAGE_SECONDS: Final = _counter(
    "stage_seconds",
    "time of a process's workers: busy in this stage; held back, by other stages or partitions; idle; together all"
    " there is",
    "process",
    "stage",
    "state",
)
STAGE_MOVED: Final = _gauge(
    "stage_moved_timestamp_seconds", "when a stage last ended a piece of work; 0: never", "process", "stage"
)
STAGE_BOUNDARY: Final = _gauge(
    "stage_boundary_timestamp_seconds",
    "event time up to which all keys of a stage are done: closed panes, rounds; 0: none yet",
    "stage",
    merge=Merge.MIN,
)
ROUNDS: Final = _counter("rounds", "rounds that were judged, of a window and cohort each", "window")
SUBJECTS: Final = _gauge(
    "state_subjects", "subjects that a stage remembers: of its kind, objects, accounts in campaigns", "stage"
)
STATE_BYTES: Final = _gauge("state_bytes", "state as the last checkpoint has it; 0 without saved state", "stage")
CAMPAIGNS: Final = _gauge("campaigns", "campaigns that go on")
KEY_GROUPS: Final = _gauge("key_groups", "parts that subjects are spread over")
BUSIEST: Final = _gauge(
    "key_group_busiest_ratio", "share of the latest rows, some minutes, that went to one key group, the busiest"
)
UNACCOUNTED: Final = _gauge(
    "lines_unaccounted",
    "read - accepted - late - duplicate - rejected - filtered - what waits in panes; 0, but for lines under way",
)

CHECKPOINTS: Final = _counter("checkpoints", "checkpoints that were completed")
CHECKPOINT_DONE: Final = _gauge(
    "checkpoint_completed_timestamp_seconds", "when the last complete checkpoint was; 0: never"
)
CHECKPOINT_SECONDS: Final = _counter("checkpoint_seconds", "time that taking checkpoints took", "process")
CHECKPOINT_BYTES: Final = _counter("checkpoint_bytes", "what was written for them", "process")
ARCHIVED: Final = _gauge(
    "archived_checkpoint_timestamp_seconds",
    "when the last checkpoint that was archived was taken, or the run took the archive; 0: no --archive",
)
ARCHIVE_ERRORS: Final = _counter("archive_errors", "attempts to copy a checkpoint into the archive that failed")
ARCHIVE_BYTES: Final = _counter("archive_bytes", "what was written into the archive")
DISK_FREE: Final = _gauge("disk_free_bytes", "room where state is, or where the run was started without any")
DISK_SIZE: Final = _gauge("disk_size_bytes", "size of that file system")

DETECTOR_ROWS: Final = _counter("detector_rows", "rows that a detector gave a score", *_DETECTOR)
DETECTOR_ODD: Final = _counter(
    "detector_odd_rows", "rows that it found as odd as 1 % of subjects on a day, or odder", *_DETECTOR
)
DETECTOR_CPU: Final = _counter("detector_cpu_seconds", "CPU that it took", *_DETECTOR)
DETECTOR_STATE: Final = _gauge(
    "detector_state",
    "of a detector's instances (cohorts, or key groups) those that are on, sampled, paused, off",
    *_DETECTOR,
    "state",
)
DETECTOR_SCORE: Final = _gauge(
    "detector_score", "percentiles of the raw scores of its last round; 0: none yet", *_DETECTOR, "percentile",
    merge=Merge.MAX,
)  # fmt: skip
DETECTOR_DRIFT: Final = _gauge(
    "detector_drift_timestamp_seconds", "the round in which its scores last drifted; 0: never", *_DETECTOR,
    merge=Merge.MAX,
)  # fmt: skip
LEARNING: Final = _gauge("learning_frozen", "cohorts that do not learn now, because of drift", "window")
MUTED: Final = _gauge("features_muted", "features that detectors do not see now, because of drift", "window")
TRIALS: Final = _gauge("detector_trials", "successors of detectors that are on trial, because of drift", "window")

LABELS_WAITING: Final = _gauge("labels_waiting_rows", "rows that wait for what people find out", "window")
LABELS_SINCE: Final = _gauge(
    "labels_waiting_timestamp_seconds", "the round of the oldest rows that wait so; 0: none does", "window",
    merge=Merge.MIN,
)  # fmt: skip

SINK_RECORDS: Final = _counter("sink_records", "records that a sink was given", *_SINK)
SINK_ERRORS: Final = _counter("sink_errors", "attempts to write that failed", *_SINK)
SINK_DONE: Final = _gauge(
    "sink_success_timestamp_seconds", "when all that a sink was given was last written; 0: never", *_SINK
)
SINK_WAITING: Final = _gauge("sink_waiting_records", "records that wait in memory", *_SINK)

CPU: Final = _counter("process_cpu_seconds", "CPU of a worker process", "process")
MEMORY: Final = _gauge("process_resident_memory_bytes", "memory of a worker process", "process")
MEMORY_LIMIT: Final = _gauge("memory_limit_bytes", "what all processes together may have")

PERCENTILES: Final = (50, 99)
ONE_PERCENT: Final = 0.01
STATES: Final = ("busy", "held_back", "idle")
FUSE: Final = ("on", "sampled", "paused", "off")


def of_counter(counter: Counter) -> Metric:
    """The metric of a total.  Ids are no labels: of totals by id there is the sum."""
    name = counter.name if counter.name == counter.unit else f"{counter.unit}_{counter.name}"
    labels = () if counter.ids else counter.labels
    return Metric(name, counter.kind, counter.help, ("kind", *labels) if counter.by_kind else labels)


OF_COUNTERS: Final[Mapping[str, Metric]] = {
    counter.name: of_counter(counter) for counter in counters.CATALOGUE.values()
}
"""Name of a counter -> its metric."""
CATALOGUE: Final[Mapping[str, Metric]] = {
    metric.name: metric
    for metric in (*(m for m in list(globals().values()) if isinstance(m, Metric)), *OF_COUNTERS.values())
}
"""Name -> metric, in the order in which they are told."""


def seconds(time_us: int) -> float:
    """Event time as metrics have it: seconds since 1970, 0 before anything has begun and after all has ended."""
    return time_us / SECOND_US if 0 < time_us < END_OF_TIME_US else 0.0


def add(numbers: Numbers, metric: Metric, value: float, *labels: str) -> None:
    """Puts a number to what others told under the same labels."""
    key = metric.key(*labels)
    before = numbers.get(key)
    if before is None:
        numbers[key] = value
    elif metric.merge is Merge.SUM:
        numbers[key] = before + value
    else:
        numbers[key] = max(before, value) if metric.merge is Merge.MAX else min(before, value)


def merged(all_numbers: list[Numbers]) -> Numbers:
    """Of several processes."""
    out: Numbers = {}
    for numbers in all_numbers:
        for key, value in numbers.items():
            add(out, CATALOGUE[key[0]], value, *key[1:])
    return out
