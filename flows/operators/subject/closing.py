"""What becomes of the windows that close: features, what own history says of them, one list of rows per cohort."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from detectors.features.plan import WindowPlan
from detectors.features.running import Running
from flows.counters import Counts
from flows.evolution.changes import WindowFit, name_in_state
from flows.evolution.layout import StateForm
from flows.evolution.renames import Renames
from flows.judgement import Audience
from flows.metrics.catalogue import Numbers
from flows.operators.faults import fault_outputs, observe_guard
from flows.operators.messages import Leaving
from flows.operators.rows import FeatureRows
from flows.operators.subject.lending import Lending, Met
from flows.operators.subject.own import OwnDetectors
from flows.rows_spec import WindowRows
from flows.steps import Step
from state.cells import run_starts
from state.chunks import Chunks
from state.order import stable_argsort
from state.slots import SlotTable
from state.spans import Spans
from state.types import F64, I16, I64, U64, Names

_TOGETHER: Final = 2_048
"""So many rows of small windows are worked out at once: what a window costs, few rows or many, is shared."""
_WAITING: Final = 32_768
"""Rows that wait at most."""
_NO_KEYS: Final = np.zeros(0, np.uint64)
_NO_NAMES: Final = np.zeros(0, object)
_NO_COHORTS: Final = np.zeros(0, np.int16)


@dataclass(slots=True)
class _Due:
    """Windows that closed.  order: of the rows of each by subject.  The rest is in this order, and as it was then.

    Rows that nobody hears stay in their own order, and have no names.
    """

    index: int
    spans: Spans
    order: I64
    slot: I64
    key: U64
    name: Names
    cohort: I16


@dataclass(slots=True)
class _Worked:
    """What became of them.  x: (n, F).  ends_us: of those that have rows; cuts: where the rows of each begin, and n."""

    x: F64
    ends_us: list[int]
    cuts: list[int]


@dataclass(slots=True)
class _Closed:
    """One window's rows.  index: which window.  cohort: of the rows."""

    index: int
    rows: FeatureRows
    cohort: I16


class Closing:
    """The windows of one key group that have closed.

    They wait until `take` asks for them, or until subjects leave, so that a stretch of quiet time with a few rows at
    each boundary is worked out in few steps.
    """

    def __init__(
        self,
        windows: Sequence[WindowPlan],
        audience: Audience,
        group: int,
        stage: str,
        renamed: Renames,
        lending: Lending | None = None,
    ) -> None:
        """stage: whose detectors are counted.  renamed: what had other names in state that was saved earlier.  lending:
        is told of the rows of its window.
        """
        self._lending = lending
        self._group = group
        self._stage = stage
        self._windows = windows
        self._cohorts = audience.cohorts.names
        self._heard = audience.heard
        self._own = [OwnDetectors(audience.own, WindowRows(w.spec, w.features), renamed) for w in windows]
        self._running = [Running(w.running) for w in windows]
        self._due: list[_Due] = []
        self._met: list[tuple[Met, ...]] = []
        self._waiting = 0
        self._rows: dict[str, list[FeatureRows]] = {name: [] for name in self._cohorts}
        self._counted: dict[str, int] = {}
        self._faults: list[Leaving] = []
        self.since: Mapping[str, I64] = {}
        """Window -> (F,) since when each of its features counts, of windows where some have not always done so."""

    def add(self, index: int, spans: Spans, slots: SlotTable, cohort: I16) -> None:
        """Windows of one kind that closed.  cohort: code by slot."""
        self._waiting += len(spans)
        if not self._heard:
            order = np.arange(len(spans))
            self._due.append(_Due(index, spans, order, spans.slot, _NO_KEYS, _NO_NAMES, _NO_COHORTS))
            return
        key = slots.key(spans.slot)
        order = stable_argsort(key)
        if len(spans.ends_us) > 1:
            order = order[stable_argsort(spans.part[order].view(np.uint64))]
        slot = spans.slot[order]
        self._due.append(_Due(index, spans, order, slot, key[order], slots.name(slot), cohort[slot]))

    def relieve(self) -> None:
        """Works out what has closed where that has become much.  To be asked when all windows have come as far."""
        if self._waiting >= _WAITING:
            self._work()

    def met(self, met: tuple[Met, ...]) -> None:
        """Who met whom in panes, after the windows that closed where these end."""
        self._met.append(met)

    def take(self) -> dict[str, list[FeatureRows]]:
        """The rows of all windows that closed since, by cohort, in the order in which they closed."""
        self._work()
        rows, self._rows = self._rows, {name: [] for name in self._cohorts}
        return rows

    def counted(self) -> dict[str, int]:
        """Window -> rows that it gave since the last call, of those that have some."""
        told, self._counted = self._counted, {}
        return told

    def faults(self) -> list[Leaving]:
        """What own-history detectors did wrong since the last call."""
        told, self._faults = self._faults, []
        return told

    def observe(self, numbers: Numbers) -> None:
        """What own-history detectors cost, and whether they are at work."""
        for window, own in zip(self._windows, self._own, strict=True):
            for name, guard in own.guards.items():
                observe_guard(numbers, (name, window.spec.name), guard)

    def row(self, slot: int) -> dict[str, Any]:
        """Window -> own-history detector -> feature -> what it knows of one subject."""
        told = {w.spec.name: own.row(slot) for w, own in zip(self._windows, self._own, strict=True)}
        return {window: found for window, found in told.items() if found}

    def forget(self, slots: I64) -> None:
        """These slots' subjects leave."""
        self._work()
        for own in self._own:
            own.forget(slots)
        for running in self._running:
            running.forget(slots)
        if self._lending is not None:
            self._lending.forget(slots)

    def _work(self) -> None:
        closed: list[_Closed] = []
        for index, window in enumerate(self._windows):
            for batch in _batches([due for due in self._due if due.index == index]):
                x = window.matrix([due.spans for due in batch])
                ends = np.cumsum([len(due.spans) for due in batch])[:-1]
                for due, mine in zip(batch, np.split(x, ends, axis=1), strict=True):
                    worked = self._worked(due, mine)
                    closed += self._judged(due, worked) if self._heard else ()
        met, self._met, self._due, self._waiting = self._met, [], [], 0
        if self._lending is not None:
            self._lending.lend(met)
        for one in sorted(closed, key=lambda c: (c.rows.end_us, c.index)):
            self._emit(one)

    def _worked(self, due: _Due, matrix: F64) -> _Worked:
        """Counts the rows, goes on with features that go on, and tells the lending."""
        spec, spans = self._windows[due.index].spec, due.spans
        since = self.since.get(spec.name)
        if since is not None:
            matrix = np.where(spans.cells.first_us < since[:, None], np.nan, matrix)
        x = matrix[:, due.order].T
        starts = run_starts(spans.part)
        ends_us, cuts = spans.ends_us[spans.part[starts]].tolist(), [*starts.tolist(), len(spans)]
        if self._windows[due.index].running:
            for end_us, a, b in zip(ends_us, cuts, cuts[1:], strict=False):
                x[a:b] = self._running[due.index].go_on(end_us, due.slot[a:b], x[a:b])
        if self._lending is not None and spec.name == self._lending.window:
            self._lending.know(np.repeat(ends_us, np.diff(cuts)), due.slot, x)
        if len(spans):
            self._counted[spec.name] = self._counted.get(spec.name, 0) + len(spans)
        return _Worked(x, ends_us, cuts)

    def _judged(self, due: _Due, worked: _Worked) -> Iterator[_Closed]:
        """Each of the windows that have rows, with what own history says of them."""
        spec, spans, own = self._windows[due.index].spec, due.spans, self._own[due.index]
        x, ends_us, cuts = worked.x, worked.ends_us, worked.cuts
        first_us, last_us = spans.cells.first_us[due.order], spans.cells.last_us[due.order]
        start_us, stop_us = spec.bounds(spans.end_us, first_us, last_us)
        whole = FeatureRows(spec.name, 0, self._group, due.key, due.name, start_us, stop_us, x)
        for stretch in own.stretches(ends_us):
            first, stop = cuts[stretch.start], cuts[stretch.stop]
            rows = whole.cut(slice(first, stop), ends_us[stretch.stop - 1])
            slot = due.slot[first:stop].astype(np.int32)
            said = own.judge(rows.view(spec, slot), cuts[stretch.stop - 1] - first)
            where = f"{spec.name} of key group {self._group}"
            self._faults += fault_outputs(own.faults(), where, rows.end_us, Counts(Step.SUBJECT, self._stage))
            for i in range(stretch.start, stretch.stop):
                mine = slice(cuts[i], cuts[i + 1])
                one = whole.cut(mine, ends_us[i])
                one.own = {name: v.cut(slice(mine.start - first, mine.stop - first)) for name, v in said.items()}
                yield _Closed(due.index, one, due.cohort[mine])

    def _emit(self, closed: _Closed) -> None:
        rows, cohort = closed.rows, closed.cohort
        if len(self._cohorts) == 1:
            self._rows[self._cohorts[0]].append(rows)
            return
        code = np.where(cohort < 0, len(self._cohorts) - 1, cohort)
        for each in np.unique(code).tolist():
            self._rows[self._cohorts[each]].append(rows.take(np.flatnonzero(code == each)))

    def running(self, chunks: Chunks) -> dict[str, bytes]:
        """The root frames of the features that go on from window to window, by window."""
        return {
            window.spec.name: running.memory.snapshot(chunks)
            for window, running in zip(self._windows, self._running, strict=True)
            if running.remembers
        }

    def meant(self, form: StateForm) -> dict[str, dict[str, str]]:
        """Window -> feature that goes on -> what it means."""
        return {
            w.spec.name: form.running(w.spec.name, (f.decl.name for f in w.running)) for w in self._windows if w.running
        }

    def restore_running(
        self, frames: Mapping[str, bytes], chunks: Chunks, saved: Mapping[str, Mapping[str, str]], form: StateForm
    ) -> None:
        """Takes what `running` gave; features that meant something else then begin anew.  saved: of `meant`."""
        now = self.meant(form)
        for window, running in zip(self._windows, self._running, strict=True):
            name = window.spec.name
            if running.remembers and name in frames:
                cold = [f for f, meaning in now[name].items() if saved.get(name, {}).get(f) != meaning]
                running.memory.restore(frames[name], chunks, running.columns_of(cold))

    def snapshots(self, chunks: Chunks) -> dict[str, bytes]:
        """The root frames of the own-history detectors' state, by window and detector."""
        return {
            f"{window.spec.name}.{name}": root
            for window, own in zip(self._windows, self._own, strict=True)
            for name, root in own.snapshots(chunks).items()
        }

    def restore(self, frames: Mapping[str, bytes], chunks: Chunks, fits: Mapping[str, WindowFit | None]) -> None:
        """Takes what `snapshots` gave.  fits: of the saved windows that go on."""
        for window, own in zip(self._windows, self._own, strict=True):
            if window.spec.name in fits:
                fit = fits[window.spec.name]
                prefix = f"{name_in_state(window.spec.name, fit)}."
                mine = {n.removeprefix(prefix): f for n, f in frames.items() if n.startswith(prefix)}
                own.restore(mine, chunks, fit)


def _batches(due: list[_Due]) -> list[list[_Due]]:
    """Cut where enough rows have come together."""
    batches: list[list[_Due]] = []
    rows = _TOGETHER
    for windows in due:
        if rows >= _TOGETHER:
            batches.append([])
            rows = 0
        batches[-1].append(windows)
        rows += len(windows.spans)
    return batches
