"""Derived columns, one row after the other.  Source: docs/features.md."""

from collections.abc import Callable
from typing import Any

from detectors.features.declare import SequenceDecl, SequenceKind, Where

Row = dict[str, Any]


def holds(where: Where, row: Row) -> bool:
    """Whether the row satisfies all conditions; a missing value satisfies `excluded` only."""
    for condition in where:
        value = row[condition.column]
        if condition.excluded:
            if value in condition.excluded:
                return False
            continue
        if value is None:
            return False
        if condition.words and value not in condition.words:
            return False
        if condition.low is not None and value < condition.low:
            return False
        if condition.high is not None and value >= condition.high:
            return False
    return True


def derive(declared: tuple[SequenceDecl, ...], rows: list[Row]) -> None:
    """Adds every declared column to one subject's rows, which come in (event time, event key) order."""
    for d in declared:
        step = _STEPS[d.kind]()
        for row in rows:
            if d.kind is SequenceKind.AGE or holds(d.where, row):
                row[d.name] = step(d, row)
            else:
                row[d.name] = None


Step = Callable[[SequenceDecl, Row], Any]


def _gap() -> Step:
    last_us: int | None = None

    def step(d: SequenceDecl, row: Row) -> float | None:
        nonlocal last_us
        before_us, last_us = last_us, row["event_time_us"]
        if before_us is None or last_us - before_us > d.cap_us:
            return None
        return (last_us - before_us) / 1_000_000

    return step


def _previous() -> Step:
    last: int | None = None

    def step(d: SequenceDecl, row: Row) -> int | None:
        nonlocal last
        before, last = last, row[d.column]
        return before

    return step


def _transition() -> Step:
    last: int | None = None

    def step(d: SequenceDecl, row: Row) -> tuple[int, int] | None:
        nonlocal last
        before, last = last, row[d.column]
        return None if before is None or last is None else (before, last)

    return step


def _overlap() -> Step:
    ends_us: list[int] = []

    def step(d: SequenceDecl, row: Row) -> float | None:
        end_us, duration_ms = row["event_time_us"], row[d.column]
        earlier_us = list(ends_us)
        ends_us.append(end_us)
        if duration_ms is None:
            return None
        if not earlier_us:
            return 0.0
        start_us = end_us - duration_ms * 1_000
        lap_ms: float = (max(earlier_us) - start_us) / 1_000
        return min(max(lap_ms, 0.0), float(duration_ms))

    return step


def _age() -> Step:
    created_us: float | None = None

    def step(d: SequenceDecl, row: Row) -> float | None:
        nonlocal created_us
        if d.column and row[d.column] is not None:
            created_us = row[d.column]
        elif d.sign_up and holds(d.sign_up, row):
            created_us = float(row["event_time_us"])
        if created_us is None:
            return None
        return max(float(row["event_time_us"]) - created_us, 0.0) / 86_400_000_000

    return step


def _novel() -> Step:
    ring: list[int] = []

    def step(d: SequenceDecl, row: Row) -> float | None:
        value = row[d.column]
        if value is None:
            return None
        if value in ring:
            return 0.0
        first = not ring
        ring.append(value)
        if len(ring) > d.remember:
            del ring[0]
        return 0.0 if first else 1.0

    return step


_STEPS: dict[SequenceKind, Callable[[], Step]] = {
    SequenceKind.GAP: _gap,
    SequenceKind.PREVIOUS: _previous,
    SequenceKind.TRANSITION: _transition,
    SequenceKind.OVERLAP: _overlap,
    SequenceKind.AGE: _age,
    SequenceKind.NOVEL: _novel,
}
