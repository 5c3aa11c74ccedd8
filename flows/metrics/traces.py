"""Spans of a run, put together from what its processes tell: one for each checkpoint, restore, slow round, alert."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from flows.metrics.happening import Happening, What, trace_of_alert
from flows.metrics.observation import Observation

Attributes = dict[str, str | int | float]
Saved = Callable[[], tuple[int, float] | None]
"""The epoch that a run would go on from, and when it was written; None for nothing saved."""
_PREFIX: Final = "driftnet."


@dataclass(frozen=True, slots=True)
class Span:
    """began_s, ended_s: seconds since 1970.  children: parts of it.  trace: its trace's id, None for a new one.
    error: why it came to nothing, "" where it did not.
    """

    name: str
    began_s: float
    ended_s: float
    attributes: Mapping[str, str | int | float]
    children: Sequence["Span"] = ()
    trace: int | None = None
    error: str = ""


@dataclass(slots=True)
class _Restore:
    began_s: float
    operators: int
    restarts: int
    epoch: int
    parts: list[tuple[int, Happening]] = field(default_factory=list)


class Traces:
    """Of one supervising process, over all starts of its processes.

    A checkpoint is a span from where its first operator began to when all of it was written; of several that were
    completed between two looks, a second apart, there is one.
    """

    def __init__(self, run: str, emit: Callable[[Span], None]) -> None:
        self._run = run
        self._emit = emit
        self._parts: list[tuple[int, Happening]] = []
        """Of checkpoints that are not complete yet, with the processes that told them."""
        self._epoch: int | None = None
        self._due: tuple[int, float] | None = None
        """A checkpoint that is complete, and of which not every process has told its part."""
        self._restore: _Restore | None = None

    def started(self, now_s: float, operators: int, restarts: int, saved: tuple[int, float] | None) -> None:
        """Processes are being started, with the state of so many operators to go on from."""
        self._epoch = None if saved is None else saved[0]
        self._restore = _Restore(now_s, operators, restarts, self._epoch or 0) if operators else None

    def take(self, process: int, seen: Observation, latest: Mapping[int, Observation], saved: Saved) -> None:
        """A process told of itself.  latest: what each told last."""
        for happening in seen.happened:
            match happening.what:
                case What.CHECKPOINT:
                    self._parts.append((process, happening))
                case What.RESTORE if self._restore is not None:
                    self._restore.parts.append((process, happening))
                case What.ROUND:
                    self._emit(_span("slow round", process, happening))
                case What.ALERT:
                    trace = trace_of_alert(self._run, str(happening.told["alert.id"]))
                    self._emit(_span("alert", process, happening, trace))
        self._look(saved)
        if self._due is not None and all(other.at_s >= self._due[1] for other in latest.values()):
            self._checkpoint()

    def restored(self) -> None:
        """All operators are there again."""
        self._end_restore("")

    def gone(self, now_s: float, saved: Saved, *, well: bool) -> None:
        """No process is there any more.  What was completed is told; the rest never will be."""
        self._look(saved)
        self._checkpoint()
        self._parts.clear()
        self._end_restore("" if well else "processes ended before all state was restored", now_s)

    def _look(self, saved: Saved) -> None:
        if self._due is None and (now := saved()) is not None and now[0] != self._epoch:
            self._epoch, self._due = now[0], now

    def _checkpoint(self) -> None:
        if self._due is None:
            return
        (epoch, written_s), self._due = self._due, None
        mine = [part for part in self._parts if part[1].began_s <= written_s]
        self._parts = [part for part in self._parts if part[1].began_s > written_s]
        if not mine:
            return
        ended_s = max(written_s, *(happening.ended_s for _, happening in mine))
        self._emit(_whole("checkpoint", mine, ended_s, {_PREFIX + "checkpoint.epoch": epoch}))

    def _end_restore(self, error: str, ended_s: float = 0.0) -> None:
        restore, self._restore = self._restore, None
        if restore is None:
            return
        attributes: Attributes = {
            _PREFIX + "restore.operators": restore.operators,
            _PREFIX + "restore.epoch": restore.epoch,
            _PREFIX + "restarts": restore.restarts,
        }
        ended_s = max((happening.ended_s for _, happening in restore.parts), default=0.0) if not error else ended_s
        self._emit(_whole("restore", restore.parts, ended_s or restore.began_s, attributes, restore.began_s, error))


def _span(name: str, process: int, happening: Happening, trace: int | None = None) -> Span:
    attributes: Attributes = {_PREFIX + "process": process, _PREFIX + "stage": happening.stage}
    attributes |= {_PREFIX + key: value for key, value in happening.told.items()}
    return Span(name, happening.began_s, happening.ended_s, attributes, trace=trace)


def _whole(
    name: str,
    parts: Sequence[tuple[int, Happening]],
    ended_s: float,
    attributes: Attributes,
    began_s: float | None = None,
    error: str = "",
) -> Span:
    """With a child for what each process did in each stage."""
    began_s = min(happening.began_s for _, happening in parts) if began_s is None else began_s
    groups: dict[tuple[int, str], list[Happening]] = {}
    for process, happening in parts:
        groups.setdefault((process, happening.stage), []).append(happening)
    children = [
        Span(
            f"{name} {stage}",
            min(h.began_s for h in of),
            max(h.ended_s for h in of),
            {_PREFIX + "process": process, _PREFIX + "stage": stage, **_sums(name, of)},
        )
        for (process, stage), of in sorted(groups.items())
    ]
    told = attributes | _sums(name, (happening for _, happening in parts))
    told[_PREFIX + "processes"] = len({process for process, _ in parts})
    return Span(name, began_s, ended_s, told, children, error=error)


def _sums(name: str, parts: Iterable[Happening]) -> Attributes:
    """Of what is told of the parts, all numbers; and of the time that they took."""
    out: Attributes = {f"{_PREFIX}{name}.seconds": 0.0, f"{_PREFIX}{name}.parts": 0}
    for part in parts:
        for key, n in (("seconds", part.ended_s - part.began_s), ("parts", 1), *part.told.items()):
            where = f"{_PREFIX}{name}.{key}"
            out[where] = out.get(where, 0) + n  # type: ignore[operator]
    return out
