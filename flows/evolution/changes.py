"""State that was saved with one layout, made fit for a job that has another.

What has a counterpart of the same name and meaning goes on.  What is new knows nothing of before, and says so: it
counts from where no row that had come before can be in it any more.  Until then a new feature has no value for subjects
whose window began earlier, and of a new window those that began earlier are not told.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from detectors.base import FeatureInfo
from flows.event_stream import EventStream
from flows.evolution.layout import Layout, StateForm, WindowLayout
from flows.evolution.renames import Names, Renames, moved
from flows.judgement import DetectorUse
from state.chunks import Chunks, Latest, Saved
from state.refit import CellFit, ColumnFit, RowFit, table_map
from state.schema import Schema
from state.snapshot import pack, unpack
from state.types import F64, I16, I64, NO_CODE, START_OF_TIME_US

_KIND: Final = "layout"
_VERSION: Final = 1


class LayoutNote:
    """Where an operator says what its state is made of.  The layout is a chunk, written once."""

    def __init__(self, form: StateForm) -> None:
        self._form = form
        self._layout = form.layout
        self._frame = pack(_KIND, _VERSION, self._layout.to_plain(), {})
        self._latest = Latest()

    def put(self, chunks: Chunks) -> list[int]:
        """For the meta of a root frame."""
        (ref,) = self._latest.put(chunks, {_KIND: self._frame})
        return [ref.segment, ref.offset, ref.size]

    def changed(self, saved: Saved, meta: Mapping[str, Any]) -> Layout | None:
        """The layout that state was saved with, under the names of now, None where it is that of now."""
        found = self._form.unsaid
        if meta.get(_KIND) is not None:
            refs = saved.chunks.refs(np.array([meta[_KIND]], np.int64))
            frame = self._latest.get(saved.chunks, [_KIND], refs)[_KIND]
            found = Layout.from_plain(unpack(frame, _KIND, (_VERSION,))[1])
        return None if found in (None, self._layout) else found.renamed(self._form.renames, self._layout)


@dataclass(frozen=True, slots=True)
class WindowFit:
    """A window that goes on, whose features may be others.

    columns: (F,) where each feature was in the saved matrix, -1 for nowhere.  name: the window's in the saved state.
    was: feature -> its name there, of those that are called otherwise now.
    """

    saved: WindowLayout
    now: WindowLayout
    columns: I64
    name: str
    was: Mapping[str, str]

    def __call__(self, x: F64, fill: float = np.nan) -> F64:
        """(n, F) the features of now.  x: (n, any) those that were saved."""
        out = np.full((len(x), len(self.columns)), fill)
        there = self.columns >= 0
        out[:, there] = x[:, self.columns[there]]
        return out

    def same_for(self, use: DetectorUse) -> bool:
        """Whether a detector sees what it saw when its state was saved."""
        return self.saved.inputs(use.features) == self.now.inputs(use.features)

    @property
    def new(self) -> frozenset[str]:
        """Features that were not there, or were something else."""
        return frozenset(name for name, _ in set(self.now.features) - set(self.saved.features))


def window_fits(windows: Iterable[str], now: Layout, saved: Layout | None) -> dict[str, WindowFit | None]:
    """Of the windows that go on; None where nothing has changed.  windows: all that there are now."""
    if saved is None:
        return dict.fromkeys(windows)
    found: dict[str, WindowFit | None] = {}
    for name, before in saved.kept_windows(now).items():
        at = {feature: i for i, feature in enumerate(before.features)}
        columns = np.array([at.get(feature, -1) for feature in now.windows[name].features], np.int64)
        was = saved.before.get("windows", {}).get(name, name)
        found[name] = WindowFit(before, now.windows[name], columns, was, saved.before.get("features", {}))
    return found


def learned_as(features: Iterable[str], fit: WindowFit | None, before: Names) -> dict[str, str]:
    """Feature -> its name when a detector began, of those that are called otherwise now.

    What detectors save has the names in it that features had then, so they are told these for as long as they go on.
    before: the same, as it was saved.
    """
    found = {}
    for name in features:
        was = name if fit is None else fit.was.get(name, name)
        if (first := before.get(was, was)) != name:
            found[name] = first
    return found


def under_names(infos: tuple[FeatureInfo, ...], names: Names) -> tuple[FeatureInfo, ...]:
    """Features, for a detector that knows some by other names."""
    return tuple(replace(info, name=names.get(info.name, info.name)) for info in infos)


def name_in_state(window: str, fit: WindowFit | None) -> str:
    """What a window that goes on is called in the saved state."""
    return window if fit is None else fit.name


class Evolution:
    """What becomes of one key group's state."""

    def __init__(self, schema: Schema, now: Layout, saved: Layout) -> None:
        self._now = now
        self._saved = saved
        self._columns = {c.name: c for c in schema.columns if c.name in now.columns}
        self.rows = RowFit({name: self._column(name) for name in now.columns})
        self.cold_sequences = frozenset(
            name for name, meaning in now.sequences.items() if saved.sequences.get(name) != meaning
        )
        self.windows = saved.kept_windows(now)
        self.unknown = {name: saved.unknown(name, now) for name in self.windows}

        same = saved.cohorts[0] == now.cohorts[0]
        self.cohort_codes = _codes(saved.cohorts[1] if same else (), now.cohorts[1])

    def _column(self, name: str) -> ColumnFit:
        kind = self._columns[name].kind
        meaning, words = self._now.columns[name]
        before = self._saved.columns.get(name)
        if before is None or before[0] != meaning:
            return ColumnFit(kind, known=False)
        return ColumnFit(kind, known=True, codes=None if before[1] == words else _codes(before[1], words))

    @property
    def cells(self) -> CellFit:
        """For cells of any window; what they do not have in their tables is not there either."""
        rows = [
            np.array([saved.index(p) if p in saved else -1 for p in now], np.int64)
            for saved, now in zip(self._saved.parts[:-1], self._now.parts[:-1], strict=True)
        ]
        # The event times, which both have, come first.
        rows[1], rows[2] = (np.concatenate([[0], np.where(at < 0, -1, at + 1)]) for at in rows[1:3])
        now = {part: number for number, part in enumerate(self._now.parts[-1])}
        tables = {old: now[part] for old, part in enumerate(self._saved.parts[-1]) if part in now}
        sums, mins, maxs, bits = rows
        return CellFit(sums, mins, maxs, bits, table_map(tables))


def _codes(before: tuple[str, ...], now: tuple[str, ...]) -> I16:
    """Code of a word -> its code now; the last item is that of no word."""
    return np.array([*(now.index(word) if word in now else NO_CODE for word in before), NO_CODE], np.int16)


@dataclass(slots=True)
class Since:
    """From when on what is new counts, in microseconds of event time.

    windows: name -> since when.  parts: window -> part -> since when.
    """

    windows: dict[str, int] = field(default_factory=dict)
    parts: dict[str, dict[str, int]] = field(default_factory=dict)

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return {"windows": self.windows, "parts": self.parts}

    def evolve(self, evolution: Evolution, stream: EventStream, before: Renames, since_us: int) -> None:
        """A further change: what it makes new counts from there on, what it leaves has been counting."""
        names = {w.window.name for w in stream.windows}
        kept, renamed = evolution.windows.keys(), dict(before.windows)
        self.windows, self.parts = moved(self.windows, renamed), moved(self.parts, renamed)
        self.windows = {n: us for n, us in self.windows.items() if n in kept}
        self.windows |= dict.fromkeys(names - kept, since_us)
        self.parts = {n: self.parts.get(n, {}) | dict.fromkeys(evolution.unknown[n], since_us) for n in sorted(kept)}

    def forget(self, stream: EventStream, closed_us: int) -> None:
        """What no window that is still open can tell any more."""
        span = {w.window.name: w.window.span_us + w.window.gap_us for w in stream.windows}
        self.windows = {n: us for n, us in self.windows.items() if us + span[n] > closed_us}
        self.parts = {
            n: left
            for n, of in self.parts.items()
            if (left := {part: us for part, us in of.items() if us + span[n] > closed_us})
        }

    def features(self, layout: Layout) -> dict[str, I64]:
        """Window -> (F,) since when each feature has counted, START_OF_TIME_US for ever; for windows with new ones."""
        found = {}
        for name, window in layout.windows.items():
            new = self.parts.get(name, {})
            since = [max(new.get(p, START_OF_TIME_US) for p in layout.features[f]) for f, _ in window.features]
            if any(us > START_OF_TIME_US for us in since):
                found[name] = np.array(since, np.int64)
        return found
