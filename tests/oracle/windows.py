"""Which rows make up which window: every pane boundary is visited and asked."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from state.windows import Fire, WindowKind, WindowSpec
from tests.oracle.sequences import Row


@dataclass
class Span:
    """A window of one subject.  end_us: the boundary at which it closes.  start_us, stop_us: its bounds."""

    end_us: int
    start_us: int
    stop_us: int
    length_us: int
    rows: list[Row]


def pane_width(windows: tuple[WindowSpec, ...]) -> int:
    """The greatest common divisor of all sizes and slides, cut into equal parts no wider than any session gap."""
    grid = [us for w in windows if w.kind is not WindowKind.SESSION for us in (w.size_us, w.slide_us)]
    gaps = [w.gap_us for w in windows if w.kind is WindowKind.SESSION]
    if not grid:
        return min(gaps)
    base = math.gcd(*grid)
    return next(base // parts for parts in count(1) if base % parts == 0 and all(base // parts <= gap for gap in gaps))


def pane_end(time_us: int, pane_us: int) -> int:
    """The first pane boundary after this time."""
    return (time_us // pane_us + 1) * pane_us


def spans(spec: WindowSpec, pane_us: int, rows: list[Row]) -> Iterator[Span]:
    """The windows of one subject's rows (in order), by end."""
    match spec.kind:
        case WindowKind.TUMBLING | WindowKind.SLIDING:
            return _grid(spec, rows)
        case WindowKind.SESSION:
            return _sessions(spec, pane_us, rows)
    raise AssertionError(f"the oracle does not know {spec.kind}")


def _grid(spec: WindowSpec, rows: list[Row]) -> Iterator[Span]:
    if not rows:
        return
    first_us, last_us = rows[0]["event_time_us"], rows[-1]["event_time_us"]
    start_us = (first_us - spec.size_us) // spec.slide_us * spec.slide_us
    while start_us <= last_us:
        stop_us = start_us + spec.size_us
        inside = [row for row in rows if start_us <= row["event_time_us"] < stop_us]
        if inside and _is_told(spec, stop_us, inside):
            yield Span(stop_us, start_us, stop_us, spec.size_us, inside)
        start_us += spec.slide_us


def _is_told(spec: WindowSpec, stop_us: int, inside: list[Row]) -> bool:
    """Whether a window that fires for the active only is told: its last slide has a row, or it shares none with others
    that are told whoever is active.
    """
    if spec.fire is Fire.ALL or stop_us % spec.size_us == 0:
        return True
    return any(row["event_time_us"] >= stop_us - spec.slide_us for row in inside)


def _sessions(spec: WindowSpec, pane_us: int, rows: list[Row]) -> Iterator[Span]:
    waiting = list(rows)
    while waiting:
        start_us = last_us = waiting[0]["event_time_us"]
        session: list[Row] = []
        boundary_us = pane_end(start_us, pane_us)
        while True:
            while waiting and waiting[0]["event_time_us"] < boundary_us:
                if waiting[0]["event_time_us"] - last_us > spec.gap_us:
                    break
                session.append(waiting.pop(0))
                last_us = session[-1]["event_time_us"]
            if last_us + spec.gap_us < boundary_us or boundary_us - start_us >= spec.max_us:
                break
            boundary_us += pane_us
        yield Span(boundary_us, start_us, last_us, max(last_us - start_us, 1_000_000), session)
