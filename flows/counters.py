"""The catalogue of counters: what a run counts, who adds to it, and how it is told.  Everything else reads it.

A total is kept under its key: the counter's name, then the values of its labels, as in "read" or "rows.w1h".  A further
stage of the same operator (flows.job_stages) keeps totals of its own, under "STAGE/" and the key.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from detectors.alerting.exempt import Origin
from detectors.alerting.policy import Counted
from detectors.drift.event import Watch
from flows.steps import Step
from flows.streams import Stream
from flows.wire.reject import Reason
from state.errors import DriftnetError


class CounterError(DriftnetError):
    """A counter that is not in the catalogue, or is added to by a step that must not."""


class Kind(StrEnum):
    """COUNTER: only grows.  GAUGE: what there is now."""

    COUNTER = "counter"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Counter:
    """One entry of the catalogue.

    unit: what is counted, in the plural.  help: a clause for people.  steps: whose operators add to it; several only
    where what they count is not the same thing twice.  labels: what totals are told apart by.  told: the name of the
    table of totals by label, in `--json`; the counter's own where it is empty.  first: values of the label that are
    told first, in this order; others follow by their totals.  fate: whether it is where an input line ends: each line
    ends in exactly one of these (promise P2).  known: values that the label has in every job, beside `first`.  ids:
    whether its values are ids, which no metric has.  by_kind: whether metrics tell it by kind of subjects.
    """

    name: str
    unit: str
    help: str
    steps: tuple[Step, ...] = ()
    labels: tuple[str, ...] = ()
    kind: Kind = Kind.COUNTER
    told: str = ""
    first: tuple[str, ...] = ()
    fate: bool = False
    known: tuple[str, ...] = ()
    ids: bool = False
    by_kind: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """In `--json`: of the total, and of the table by label."""
        total = (self.name,) if self.fate or not self.labels else ()
        return (*total, self.told or self.name) if self.labels else total

    def key(self, *values: str) -> str:
        """Where a total is kept.  values: of the labels, in order; only the last may have a full stop in it.  Raises
        CounterError.
        """
        if len(values) != len(self.labels) or any("." in value for value in values[:-1]):
            raise CounterError(
                f"counter {self.name}: seen the label values {values!r}, expected one of each of {self.labels!r},"
                " without full stops but in the last"
            )
        return ".".join((self.name, *values))

    def of(self, totals: Mapping[str, int], *values: str) -> int:
        """The total of some label values; 0 for what was never counted."""
        return totals.get(self.key(*values), 0)

    def total(self, totals: Mapping[str, int]) -> int:
        """The total over all label values."""
        return sum(self.by_label(totals).values()) if self.labels else totals.get(self.name, 0)

    def by_label(self, totals: Mapping[str, int]) -> dict[str, int]:
        """Label value (of several, joined by full stops) -> total, largest first after those that are told `first`."""
        prefix = f"{self.name}."
        found = {key.removeprefix(prefix): n for key, n in totals.items() if key.startswith(prefix)}
        return dict(sorted(found.items(), key=lambda item: (self._rank(item[0]), -item[1], item[0])))

    def _rank(self, value: str) -> int:
        return self.first.index(value) if value in self.first else len(self.first)


_SEVERITIES: Final = ("critical", "high", "medium", "low")

READ: Final = Counter("read", "lines", "lines of events that were read", (Step.INGEST,))
ACCEPTED: Final = Counter("accepted", "lines", "events that counted in windows", (Step.SUBJECT,), fate=True)
LATE: Final = Counter(
    "late",
    "lines",
    "events whose windows had closed: by their own partition, or by the clock of a live one that was idle",
    (Step.INGEST, Step.SUBJECT),
    fate=True,
)
DUPLICATE: Final = Counter(
    "duplicate", "lines", "events that came again within `time.dedup_horizon`", (Step.SUBJECT,), fate=True
)
REJECTED: Final = Counter(
    "rejected",
    "lines",
    "lines that are no event: " + ", ".join(Reason),
    (Step.INGEST,),
    ("reason",),
    told="rejects",
    fate=True,
    known=tuple(Reason),
)
FILTERED: Final = Counter("filtered", "lines", "lines that `event.where` leaves out", (Step.INGEST,), fate=True)
OPEN: Final = Counter(
    "open",
    "lines",
    "events that have no fate yet: they are in panes that are open, or wait for others",
    kind=Kind.GAUGE,
)
CAPPED: Final = Counter(
    "capped",
    "lines",
    "accepted events beyond `state.rows_per_pane_max`, which are counted only",
    (Step.SUBJECT,),
    by_kind=True,
)
FILLED: Final = Counter(
    "filled",
    "partitions",
    "source partitions that gave a value of a column",
    (Step.INGEST,),
    ("column",),
    kind=Kind.GAUGE,
)
_OUTCOMES: Final = ("read", "rejected")
LABELS: Final = Counter(
    "labels", "lines", "lines of labels, read and rejected", (Step.INGEST,), ("outcome",), known=_OUTCOMES
)
CONTROL: Final = Counter(
    "control", "lines", "lines of commands, read and rejected", (Step.INGEST,), ("outcome",), known=_OUTCOMES
)
ROWS: Final = Counter(
    "rows", "rows", "rows of windows that closed", (Step.SUBJECT,), ("window",), told="windows", by_kind=True
)
EVICTED: Final = Counter(
    "evicted", "subjects", "subjects that left for want of room (`state.capacity`)", (Step.SUBJECT,), by_kind=True
)
EXPIRED: Final = Counter(
    "expired", "subjects", "subjects that left after `state.ttl` of silence", (Step.SUBJECT,), by_kind=True
)
SCORED: Final = Counter("scored", "rows", "rows that detectors judged", (Step.POPULATION,), by_kind=True)
NOT_LEARNED: Final = Counter(
    "not_learned", "rows", "rows that no detector learned from (`learning.teach_every`)", (Step.POPULATION,)
)
DETECTOR_FAULTS: Final = Counter(
    "detector_faults",
    "rounds",
    "rounds in which a detector failed, and goes on",
    (Step.SUBJECT, Step.POPULATION),
    ("detector",),
)
DETECTOR_OFF: Final = Counter(
    "detector_off",
    "detectors",
    "detectors that failed too often and are off, of one window and cohort (or key group) each",
    (Step.SUBJECT, Step.POPULATION),
    ("detector",),
    told="detectors_off",
)
LABELLED: Final = Counter(
    "labelled",
    "rows",
    "rows that were joined with a label: fraud_suspected, fraud_missed, genuine_suspected, genuine_cleared",
    (Step.POPULATION,),
    ("verdict",),
    known=("fraud_suspected", "fraud_missed", "genuine_suspected", "genuine_cleared"),
)
CANDIDATES: Final = Counter(
    Counted.CANDIDATES, "rows", "rows at or below `alerts.candidate_line`: evidence", (Step.ALERTS,)
)
ALERTS: Final = Counter(
    Counted.ALERTS,
    "alerts",
    "alerts that were raised",
    (Step.ALERTS,),
    ("severity",),
    told="severities",
    first=_SEVERITIES,
)
SUPPRESSED: Final = Counter(
    Counted.SUPPRESSED, "rows", "candidates that were folded into an alert of before", (Step.ALERTS,)
)
WITHHELD: Final = Counter(
    Counted.WITHHELD,
    "subjects",
    "subjects for whom `alerts.budget_per_day` had no room",
    (Step.ALERTS,),
    ("severity",),
    first=_SEVERITIES,
)
RELEASED: Final = Counter(Counted.RELEASED, "subjects", "of those withheld, the ones alerted later", (Step.ALERTS,))
SPARED: Final = Counter(
    Counted.SPARED,
    "alerts",
    "alerts that an exemption kept back, by who vouches (file, command, label), or that a campaign which was told has"
    " said already (campaign)",
    (Step.ALERTS,),
    ("origin",),
    known=tuple(Origin),
)
CAMPAIGN_ALERTS: Final = Counter(Counted.CAMPAIGN_ALERTS, "alerts", "of the alerts, those of campaigns", (Step.ALERTS,))
CAMPAIGN_UPDATES: Final = Counter(
    Counted.CAMPAIGN_UPDATES, "records", "alerts of campaigns that were told again, for nothing", (Step.ALERTS,)
)
FORGOTTEN: Final = Counter(
    Counted.FORGOTTEN,
    "subjects",
    "subjects that the policy forgot for want of room (`alerts.capacity`)",
    (Step.ALERTS,),
)
OUT: Final = Counter(
    "out", "records", "records of output streams", (Step.SINKS,), ("stream",), told="outputs", known=tuple(Stream)
)
REASON: Final = Counter(
    "reason", "alerts", "alerts by the feature that told most", (Step.SINKS,), ("feature",), told="reasons"
)
DRIFT: Final = Counter(
    "drift", "records", "drift events, by what was watched", (Step.SINKS,), ("what",), known=(*Watch, "lines")
)
SPARED_SUBJECT: Final = Counter(
    "spared_subject",
    "alerts",
    "alerts that were kept back, by subject, of the first hundred",
    (Step.SINKS,),
    ("subject",),
    told="spared_subjects",
    ids=True,
)
SPARED_OTHERS: Final = Counter(
    "spared_others", "alerts", "alerts that were kept back, of other subjects", (Step.SINKS,)
)

CATALOGUE: Final[Mapping[str, Counter]] = {
    counter.name: counter for counter in list(globals().values()) if isinstance(counter, Counter)
}
"""Name -> counter, in the order in which they are told."""
FATES: Final = tuple(counter for counter in CATALOGUE.values() if counter.fate)
"""Where an input line can end; each line ends in exactly one of them."""


def unaccounted(totals: Mapping[str, int]) -> int:
    """Lines that were read and have no fate: `read` less all of FATES; below 0: some have two.

    While a run goes on these are its open rows; once it has stopped they are `open`, or lost.
    """
    return READ.total(totals) - sum(fate.total(totals) for fate in FATES)


def of_kinds(totals: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Further kind of subjects -> its own totals, by name."""
    found: dict[str, dict[str, int]] = {}
    for key, n in totals.items():
        stage, is_other, name = key.partition("/")
        if is_other:
            of = found.setdefault(stage.rpartition("_")[0], {})
            of[name] = of.get(name, 0) + n
    return dict(sorted(found.items()))


@dataclass(slots=True)
class Counts:
    """What one operator adds to the totals.

    step: what the operator does.  stage: the name of its stage; another one than the step's is a further stage, which
    keeps totals of its own.
    """

    step: Step
    stage: str = ""
    added: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.added)

    def add(self, counter: Counter, n: int, *values: str) -> None:
        """n: of a counter at least 0, of which 0 leaves no trace; of a gauge the change.  values: of the labels.

        Raises CounterError for what is not in the catalogue, for a counter that is another step's, and for one that
        would shrink.
        """
        name = str(getattr(counter, "name", counter))
        if CATALOGUE.get(name) is not counter:
            raise CounterError(f"counter {name}: seen one that is not in the catalogue of flows/counters.py")
        if self.step not in counter.steps:
            raise CounterError(
                f"counter {name}: added to by step {self.step}, expected: by {' or '.join(counter.steps) or 'none'}"
                " alone (flows/counters.py); what two steps count has two counters"
            )
        if n < 0 and counter.kind is Kind.COUNTER:
            raise CounterError(f"counter {counter.name}: seen {n} to add, expected at least 0: a counter only grows")
        if n or counter.kind is Kind.GAUGE:
            key = counter.key(*values)
            key = key if self.stage in ("", self.step) else f"{self.stage}/{key}"
            self.added[key] = self.added.get(key, 0) + int(n)

    def add_named(self, counts: Mapping[str, int]) -> None:
        """Of those who keep totals by key themselves.  Raises CounterError."""
        for key, n in counts.items():
            counter, values = parse(key)
            self.add(counter, n, *values)


def parse(key: str) -> tuple[Counter, tuple[str, ...]]:
    """The counter of a key, and the values of its labels.  Raises CounterError for one that there is not."""
    name, *rest = key.split(".", 1)
    counter = CATALOGUE.get(name)
    if counter is None:
        raise CounterError(f"counter {name}: seen in {key!r}, and not in the catalogue of flows/counters.py")
    values = tuple(rest[0].split(".", max(len(counter.labels) - 1, 0))) if rest else ()
    counter.key(*values)
    return counter, values


VERSION: Final = 2
"""Of totals as they are saved."""


def restored(totals: Mapping[str, int], version: int) -> dict[str, int]:
    """Totals that were saved, also by version 1, which counted some things twice.

    There `candidates` was added to by the population stage and by the policy: half of it is right, but for candidates
    that waited between these two for another cohort.  What this build does not know stays as it is.
    """
    if version >= VERSION:
        return dict(totals)
    kept = {key: n for key, n in totals.items() if key not in _TWICE and not key.startswith("severity.")}
    if "rows" in totals:
        kept[SCORED.key()] = totals["rows"]
    if "candidates" in totals:
        kept[CANDIDATES.key()] = (totals["candidates"] + 1) // 2
    return kept


_TWICE: Final = ("rows", "rejected", "drift_events", "labels.rows")
"""Of version 1: totals of others, under a name of their own; "severity." was what "alerts." is."""


_PAGE: Final = """\
# What a run counts

The totals in the summary of a run, in its `--json`, in the status line and in saved state. A counter only grows, a
gauge says what there is. They are those of the state's life: a run that goes on from saved state adds to them. Each
line that was read ends in exactly one place, which is checked at the end of each run (exit code 1):

    {identity}

{table}

"by" is the label that a total is told apart by; `--json` has such totals as a table of label and total. What else it
tells of a run (`lag`, `paused`, `resumed`, ...) is about the input as it is now, and not counted.
"""


def markdown() -> str:
    """docs/counters.md."""
    lines = ["| counter | kind | unit | by | in `--json` | what |", "|---|---|---|---|---|---|"]
    for counter in CATALOGUE.values():
        told, by = ", ".join(f"`{name}`" for name in counter.names), ", ".join(counter.labels)
        lines.append(f"| `{counter.name}` | {counter.kind} | {counter.unit} | {by} | {told} | {counter.help} |")
    identity = f"{READ.name} = {' + '.join(counter.name for counter in (*FATES, OPEN))}"
    return _PAGE.format(identity=identity, table="\n".join(lines))


if __name__ == "__main__":
    sys.stdout.write(markdown())
