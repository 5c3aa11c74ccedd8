"""A load in figures: what was offered, what was done, how long it took."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from flows.load.send import Sent
from flows.load.watch import Arrival, Sample, Seen
from state.types import F64

if TYPE_CHECKING:
    from rich.console import RenderableType

QUANTILES: Final = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


@dataclass(frozen=True, slots=True)
class Figures:
    """What a load showed.

    events: sent.  offered_per_s: as asked for.  done_per_s: events that the group was told, per second between the
    first and the last time that it was told while events were sent; None if it never was.  sender_late_s: how far the
    sender was behind its own times, at worst: where it is large the load was less than asked for.  failed: events that
    brokers did not take, by reason.
    alerts: records that arrived.  event_to_alert_s, window_to_alert_s: quantiles of their latency, from the moment at
    which the last event of their subject in their window was due, and from the end of that window; empty without any.
    watched: whether anybody looked for alerts.  seconds: how long they were looked for, from the first event on.
    lag_max, lag_end: records.  cores: CPU time of the job's processes per second.  rss_max_bytes: of all of them.
    """

    events: int
    offered_per_s: float
    done_per_s: float | None
    sender_late_s: float
    failed: dict[str, int]
    alerts: int
    event_to_alert_s: dict[str, float] = field(default_factory=dict)
    window_to_alert_s: dict[str, float] = field(default_factory=dict)
    lag_max: int | None = None
    lag_end: int | None = None
    cores: float | None = None
    rss_max_bytes: int | None = None
    watched: bool = True
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return asdict(self)

    def _why_none(self) -> str:
        return (
            f"0 in {self.seconds:,.0f} s: a window is judged when it has ended and time.out_of_orderness has passed. A"
            " job with longer ones has judged none yet, and detectors say nothing while they warm up: send for longer"
            " (--minutes), watch for longer (--settle), or give the job shorter windows"
        )

    def table(self) -> "RenderableType":
        """The same for people."""
        from flows.summary import two_columns

        grid = two_columns("Load")
        grid.add_row("events", f"{self.events:,} at {self.offered_per_s:,.0f} a second")
        for reason, count in self.failed.items():
            grid.add_row("failed", f"{count:,}: {reason}")
        grid.add_row("sender behind", f"{self.sender_late_s * 1e3:,.0f} ms at worst")
        if self.done_per_s is not None:
            grid.add_row("processed", f"{self.done_per_s:,.0f} a second")
        lag = "unknown: the group was told no offsets"
        if self.lag_max is not None:
            lag = f"{self.lag_max:,} records at most, {self.lag_end:,} at the end"
        grid.add_row("lag", lag)
        grid.add_row("alerts", f"{self.alerts:,}" if self.alerts or not self.watched else self._why_none())
        if self.event_to_alert_s:
            grid.add_row("event to alert", _quantiles(self.event_to_alert_s))
            grid.add_row("window to alert", _quantiles(self.window_to_alert_s))
        if self.cores is not None and self.rss_max_bytes is not None:
            grid.add_row("cost", f"{self.cores:.2f} cores, {self.rss_max_bytes / 2**20:,.0f} MiB at most")
        return grid


def figures(sent: Sent, seen: Seen, *, watched: bool = True) -> Figures:
    """What a load showed.  watched: whether alerts were looked for."""
    until_s = sent.start_s + len(sent.users) / sent.rate
    during = [s for s in seen.samples if sent.start_s <= s.at_s <= until_s + 1]
    lags = [s.lag for s in seen.samples if s.lag is not None]
    event_s, window_s = latencies_s(sent, seen.arrivals)
    return Figures(
        events=len(sent.users),
        offered_per_s=sent.rate,
        done_per_s=_done_per_s(during),
        sender_late_s=sent.late_s,
        failed=dict(sent.failed),
        alerts=len(seen.arrivals),
        watched=watched,
        seconds=max(max((s.at_s for s in seen.samples), default=sent.start_s) - sent.start_s, 0.0),
        event_to_alert_s=_of(event_s),
        window_to_alert_s=_of(window_s),
        lag_max=max(lags, default=None),
        lag_end=lags[-1] if lags else None,
        cores=_cores(during),
        rss_max_bytes=max((s.rss_bytes for s in seen.samples if s.rss_bytes is not None), default=None),
    )


def latencies_s(sent: Sent, arrivals: Sequence[Arrival]) -> tuple[F64, F64]:
    """(n,) seconds from the last event of the subject before the window's end, and (n,) from that end.

    Records of subjects, or windows, that this load had no part in are left out.
    """
    due_s = sent.due_s
    of_user: dict[bytes, list[int]] = {}
    for number, user in enumerate(sent.users):
        of_user.setdefault(user, []).append(number)
    from_event, from_window = [], []
    for arrival in arrivals:
        mine = of_user.get(arrival.subject.encode())
        if mine is None:
            continue
        before = int(np.searchsorted(due_s[mine], arrival.end_s, side="left"))
        if before:
            from_event.append(arrival.at_s - due_s[mine[before - 1]])
            from_window.append(arrival.at_s - arrival.end_s)
    return np.array(from_event, np.float64), np.array(from_window, np.float64)


def _of(values: F64) -> dict[str, float]:
    if not len(values):
        return {}
    return {name: float(np.quantile(values, q)) for name, q in QUANTILES.items()} | {"max": float(values.max())}


def _quantiles(found: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f} s" for name, value in found.items())


def _done_per_s(samples: Sequence[Sample]) -> float | None:
    """The group is told at each checkpoint: what counts is what lies between two times of telling."""
    steps = [
        (after.at_s, after.told)
        for before, after in pairwise(samples)
        if before.told is not None and after.told is not None and after.told > before.told
    ]
    if len(steps) < 2:
        return None
    (from_s, first), (to_s, last) = steps[0], steps[-1]
    assert first is not None
    assert last is not None
    return (last - first) / (to_s - from_s)


def _cores(samples: Sequence[Sample]) -> float | None:
    known = [(s.at_s, s.cpu_s) for s in samples if s.cpu_s is not None]
    if len(known) < 2:
        return None
    (from_s, first), (to_s, last) = known[0], known[-1]
    return (last - first) / (to_s - from_s)
