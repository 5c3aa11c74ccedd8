"""A whole input through the oracle: lateness, duplicates, the row budget, windows, features, counts."""

from dataclasses import dataclass, field
from typing import Any

from detectors.features.declare import FeatureDecl, FeatureKind, SequenceDecl
from state.windows import WindowSpec
from tests.oracle.features import feature
from tests.oracle.sequences import Row, derive
from tests.oracle.windows import Span, pane_end, pane_width, spans

Event = dict[str, Any]
Key = tuple[str, int, int]
"""(window, end in microseconds, subject)"""


@dataclass(frozen=True)
class Declared:
    """What a job declares, as far as the subject stage goes.  windows: each with the names of its features."""

    sequences: tuple[SequenceDecl, ...]
    features: tuple[FeatureDecl, ...]
    windows: tuple[tuple[WindowSpec, tuple[str, ...]], ...]
    out_of_orderness_us: int = 0
    allowed_lateness_us: int = 0
    dedup_horizon_us: int = 3_600_000_000
    rows_per_pane_max: int = 1_000_000
    cohort_column: str = ""

    @property
    def pane_us(self) -> int:
        """The base pane."""
        return pane_width(tuple(spec for spec, _ in self.windows))


@dataclass
class Outcome:
    """rows: each window's "start", "stop", "cohort" and features.  Counts are events."""

    rows: dict[Key, dict[str, Any]] = field(default_factory=dict)
    accepted: int = 0
    late: int = 0
    duplicate: int = 0


def run(declared: Declared, partitions: list[list[Event]]) -> Outcome:
    """Everything that comes out of these partitions, each a list of events in the order of arrival."""
    outcome = Outcome()
    last_us = max((event["event_time_us"] for partition in partitions for event in partition), default=0)
    by_subject: dict[int, list[Event]] = {}
    for partition in partitions:
        for event in on_time(declared, partition, outcome):
            by_subject.setdefault(event["subject"], []).append(event)
    for subject, events in by_subject.items():
        rows, dropped = unique(declared, events, outcome)
        outcome.accepted += len(rows)
        mark_capped(declared, rows)
        derive(declared.sequences, [row for row in rows if not row["capped"]])
        told = with_dropped(declared, rows, dropped)
        for spec, names in declared.windows:
            for span in spans(spec, declared.pane_us, told if asks(declared, names) else rows):
                if spec.slide_us and span.end_us > pane_end(last_us, spec.slide_us):
                    continue  # the end of the input is not the silence of everybody
                outcome.rows[spec.name, span.end_us, subject] = _window(declared, names, span, rows)
    return outcome


def asks(declared: Declared, names: tuple[str, ...]) -> bool:
    """Whether a window asks for what does not count."""
    return any(d.kind in (FeatureKind.DUPLICATES, FeatureKind.REJECTS) for d in declared.features if d.name in names)


def _window(declared: Declared, names: tuple[str, ...], span: Span, rows: list[Row]) -> dict[str, Any]:
    out: dict[str, Any] = {"start": span.start_us, "stop": span.stop_us}
    if declared.cohort_column:
        so_far = [row for row in rows if row["event_time_us"] < span.end_us and not row["capped"]]
        words = [row[declared.cohort_column] for row in so_far]
        out["cohort"] = next((word for word in reversed(words) if word is not None), None)
    return out | {d.name: feature(d, span.rows, span.length_us) for d in declared.features if d.name in names}


def on_time(declared: Declared, partition: list[Event], outcome: Outcome) -> list[Event]:
    """The events that are not late for the partition they came in."""
    kept: list[Event] = []
    seen_us: list[int] = []
    for event in partition:
        closes_us = pane_end(event["event_time_us"], declared.pane_us) + declared.allowed_lateness_us
        if seen_us and closes_us <= max(seen_us) - declared.out_of_orderness_us:
            outcome.late += 1
        else:
            kept.append(event)
        seen_us.append(event["event_time_us"])
    return kept


def unique(declared: Declared, events: list[Event], outcome: Outcome) -> tuple[list[Row], list[Event]]:
    """One subject's rows in (event time, event key) order without those that repeat a key in the horizon; and those."""
    rows: list[Row] = []
    dropped: list[Event] = []
    for event in sorted(events, key=lambda e: (e["event_time_us"], e["event_key"])):
        horizon_us = event["event_time_us"] - declared.dedup_horizon_us
        if any(r["event_key"] == event["event_key"] and r["event_time_us"] >= horizon_us for r in rows):
            outcome.duplicate += 1
            dropped.append(event)
        else:
            rows.append({**event, "again": 0, "only_dropped": False})
    return rows, dropped


def with_dropped(declared: Declared, rows: list[Row], dropped: list[Event]) -> list[Row]:
    """The rows with how many were dropped in the pane, told by the first of the pane; by one that is nothing else, at
    the pane's beginning, where no row of the pane counts.
    """
    told = list(rows)
    of_pane = {pane_end(row["event_time_us"], declared.pane_us): row for row in reversed(rows)}
    for event in dropped:
        end_us = pane_end(event["event_time_us"], declared.pane_us)
        if end_us not in of_pane:
            at_us = end_us - declared.pane_us
            of_pane[end_us] = {**event, "event_time_us": at_us, "again": 0, "only_dropped": True, "capped": False}
            told.append(of_pane[end_us])
        of_pane[end_us]["again"] += 1
    return sorted(told, key=lambda row: (row["event_time_us"], row["event_key"]))


def mark_capped(declared: Declared, rows: list[Row]) -> None:
    """Of the rows of each pane, those with the smallest event keys are within the budget."""
    panes: dict[int, list[Row]] = {}
    for row in rows:
        panes.setdefault(pane_end(row["event_time_us"], declared.pane_us), []).append(row)
    for pane in panes.values():
        for rank, row in enumerate(sorted(pane, key=lambda r: r["event_key"])):
            row["capped"] = rank >= declared.rows_per_pane_max
            row.update(dict.fromkeys(d.name for d in declared.sequences))
