"""What saved state is made of: the parts of a job by name, as text for people and as what state is compared by."""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass, replace
from enum import Enum
from functools import lru_cache
from typing import Any, Final

import msgspec

from detectors.features.declare import FeatureDecl, SequenceDecl
from detectors.features.kinds import computed, parts, sources
from detectors.features.parts import MARK_KINDS, Part, PartKind
from flows.event_stream import EventStream
from flows.evolution.renames import Names, Renames, moved, told_in
from flows.job import Job
from flows.judgement import CohortSpec, DetectorUse, Judgement
from flows.loans import Lends
from state.errors import SnapshotError
from state.plain import not_by_default
from state.schema import Kind
from state.windows import Fire, WindowSpec

Settings = Mapping[str, str]
"""Field -> value, without those that are as by default: a field that a newer build adds changes nothing."""


def settings_of(thing: Any) -> dict[str, str]:
    """The settings of a dataclass instance, and its type."""
    return {"type": type(thing).__name__} | {name: repr(value) for name, value in not_by_default(thing)}


def state_settings(job: Job) -> dict[str, Settings]:
    """What rows, cells and windows are made of."""
    stream = job.stream
    found: dict[str, Settings] = {
        "event ids": {"present": str(stream.schema.has_event_id)},
        "cohorts": settings_of(job.judgement.cohorts),
    }
    columns = [c for c in stream.schema.columns if c.name in job.columns]
    for kind, things in (("column", columns), ("sequence", stream.sequences), ("feature", stream.features)):
        found |= {f"{kind} {thing.name}": settings_of(thing) for thing in things}
    for window in stream.windows:
        of_window = settings_of(kept_of(window.window)) | {"features": ", ".join(window.features)}
        found[f"window {window.window.name}"] = of_window
    return found


def kept_of(window: WindowSpec) -> WindowSpec:
    """A window as its state knows it: whom it tells of makes no difference to that."""
    return replace(window, fire=Fire.ALL)


def replaceable(judgement: Judgement) -> dict[str, Settings]:
    """What starts cold where it is not as it was saved, while all the rest goes on."""
    detectors = {f"detector {use.name}": detector_settings(use) for use in judgement.detectors}
    return detectors | {"calibration": settings_of(judgement.calibration), "drift": settings_of(judgement.drift)}


def detector_settings(use: DetectorUse) -> Settings:
    """Of a detector: what it knows holds for these alone."""
    return settings_of(use.spec) | {"features": ", ".join(use.features) or "all"}


def settings_now(saved: Settings, renamed: Renames) -> Settings:
    """Settings of a detector as they were saved, with the names that features have now."""
    return {**saved, "features": told_in(saved["features"], dict(renamed.features))}


@dataclass(frozen=True, slots=True)
class WindowLayout:
    """spec: what window it is.  features: (name, meaning) in matrix order.  tables: which tables its cells hold.
    marks: the same of sums that count what does not count, which other windows' cells leave out.
    """

    spec: str
    features: tuple[tuple[str, str], ...]
    tables: tuple[int, ...]
    marks: tuple[int, ...] = ()

    def inputs(self, chosen: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        """What a detector with these features, or all where there are none, sees of the window."""
        return tuple(f for f in self.features if not chosen or f[0] in chosen)


@dataclass(frozen=True, slots=True)
class Layout:
    """What the state of a job is made of, in digests of what things mean.

    columns: name -> (meaning, words of an enum).  sequences: name -> meaning.  features: name -> the parts that it is
    computed from.  parts: what the rows of cells mean, in the order of `Cells`: sums, mins, maxs (after the event
    times), bits, tables.  marks: those of them that count what does not count.  cohorts: the column that they go by,
    and its words.  before: name now -> name in the state, of features and of windows that are called otherwise now.
    """

    pane_us: int
    columns: Mapping[str, tuple[str, tuple[str, ...]]]
    sequences: Mapping[str, str]
    features: Mapping[str, tuple[str, ...]]
    parts: tuple[tuple[str, ...], ...]
    windows: Mapping[str, WindowLayout]
    cohorts: tuple[str, tuple[str, ...]]
    marks: tuple[str, ...] = ()
    before: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def renamed(self, renames: Mapping[str, Names], now: "Layout") -> "Layout":
        """The same under the names that features and windows have in another layout.  renames: of `renames_of`."""
        features, windows = (
            {old: new for old, new in renames.get(kind, {}).items() if old in held}
            for kind, held in (("features", self.features), ("windows", self.windows))
        )
        if not features and not windows:
            return self

        def window(name: str, held: WindowLayout) -> WindowLayout:
            own = tuple((features.get(f, f), meaning) for f, meaning in held.features)
            # A window's meaning has its name in it.
            same = name in windows and held.spec == renames["specs"][name]
            return replace(held, features=own, spec=now.windows[windows[name]].spec if same else held.spec)

        return replace(
            self,
            features=moved(self.features, features),
            windows=moved({name: window(name, held) for name, held in self.windows.items()}, windows),
            before={
                "features": {new: old for old, new in features.items()},
                "windows": {new: old for old, new in windows.items()},
            },
        )

    def kept_windows(self, now: "Layout") -> dict[str, WindowLayout]:
        """Windows that are the same ones in another layout, as they are here; their features may be others."""
        return {
            name: before
            for name, before in self.windows.items()
            if name in now.windows and now.windows[name].spec == before.spec
        }

    def unknown(self, window: str, now: "Layout") -> frozenset[str]:
        """Parts of another layout that the cells of a window do not have here."""
        held = self.windows[window]
        here = {part for group in self.parts[:-1] for part in group}.difference(self.marks)
        here |= {self.parts[0][row] for row in held.marks} | {self.parts[-1][number] for number in held.tables}
        return frozenset(part for group in now.parts for part in group if part not in here)

    def to_plain(self) -> dict[str, Any]:
        """As JSON values."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        del plain["before"]  # saved state has the names that it has
        return plain

    @staticmethod
    def from_plain(plain: Any) -> "Layout":
        """What `to_plain` gave.  Raises SnapshotError for something else."""
        try:
            return msgspec.convert(plain, Layout)
        except msgspec.ValidationError as error:
            raise SnapshotError(f"layout: saved state that makes no sense: {error}; use another savepoint") from error


def layout_of(job: Job) -> Layout:
    """The layout of the state that a job saves."""
    return _layout(job.stream, job.judgement.cohorts, job.columns)


@lru_cache(maxsize=8)
def _layout(stream: EventStream, cohorts: CohortSpec, decoded: frozenset[str]) -> Layout:
    meanings, plan = _Meanings(stream), stream.plan
    features = {f.name: meanings.feature(f) for f in stream.features}
    columns = {c.name: c for c in stream.schema.columns if c.name in decoded}
    used = {name for window in stream.windows for name in window.features}
    declared = {f.name: f for f in stream.features}
    return Layout(
        stream.pane_us,
        {name: (_digest(_plain(column, "values")), column.values) for name, column in columns.items()},
        {s.name: meanings.sequence(s.name) for s in plan.sequences},
        {f.name: tuple(map(meanings.part, parts(computed(f, declared)))) for f in stream.features if f.name in used},
        tuple(tuple(map(meanings.part, group)) for group in plan.kernel.rows),
        {
            w.window.name: WindowLayout(
                _digest(_plain(kept_of(w.window))),
                tuple((f, features[f]) for f in w.features),
                tuple(sorted(planned.held)),
                planned.marks,
            )
            for w, planned in zip(stream.windows, plan.windows, strict=True)
        },
        (cohorts.column, cohorts.values),
        tuple(meanings.part(Part(kind)) for kind in MARK_KINDS),
    )


@dataclass(frozen=True, slots=True)
class StateForm:
    """What an operator's state is made of, and what was otherwise in state that it goes on with.

    layout: of now; nothing for rows that come from no stream.  renamed: what had other names.  specs: name before ->
    what such a window means under that name.  unsaid: the layout of state that does not say its own; None for that of
    now.
    """

    layout: Layout = field(default_factory=lambda: Layout(0, {}, {}, {}, (), {}, ("", ())))
    renamed: Renames = field(default_factory=Renames)
    specs: Mapping[str, str] = field(default_factory=dict)
    unsaid: Layout | None = None

    def lends(self, lends: Lends | None) -> list[str]:
        """What is lent, as state that holds it was saved: the window's meaning, and those of the features."""
        if lends is None or lends.window not in self.layout.windows:
            return []
        window = self.layout.windows[lends.window]
        return [window.spec, *(dict(window.features)[name] for name in lends.features)]

    def running(self, window: str, features: Iterable[str]) -> dict[str, str]:
        """Feature -> what it means in a window that it goes on from."""
        held = self.layout.windows.get(window)
        return {} if held is None else {f: f"{held.spec} {dict(held.features)[f]}" for f in features}

    @property
    def renames(self) -> dict[str, dict[str, str]]:
        """Name before -> name now of what was renamed, by kind; and "specs"."""
        return self.renamed.to_plain() | ({"specs": dict(self.specs)} if self.specs else {})


def form_of(job: Job, unsaid: Layout | None = None) -> StateForm:
    """The form of the state that a job saves."""
    windows = {w.window.name: w.window for w in job.stream.windows}
    specs = {old: _digest(_plain(replace(kept_of(windows[new]), name=old))) for old, new in job.renamed.windows}
    return StateForm(layout_of(job), job.renamed, specs, unsaid)


class _Meanings:
    """Digests of what features, and the parts that they are made of, mean: of all that their values follow from."""

    def __init__(self, stream: EventStream) -> None:
        self._columns = {c.name: c for c in stream.schema.columns}
        self._sequences = {s.name: s for s in stream.sequences}
        self._features = {f.name: f for f in stream.features}

    def feature(self, feature: FeatureDecl) -> str:
        """Beside its name."""
        made_of = [self.feature(self._features[name]) for name in sources(feature)]
        return _digest([_plain(feature, "name"), self._read(_columns_of(feature)), *made_of])

    def part(self, part: Part) -> str:
        # Distinct values of an enum are counted by their codes.
        words = self._columns[part.column].values if self._is_table_of_enum(part) else ()
        return _digest([_plain(part), self._read(_columns_of(part)), words])

    def sequence(self, name: str) -> str:
        return _digest(self._read([name]))

    def _is_table_of_enum(self, part: Part) -> bool:
        column = self._columns.get(part.column)
        return part.kind is PartKind.TABLE and column is not None and column.kind is Kind.ENUM

    def _read(self, names: Iterable[str]) -> list[Any]:
        """What columns and sequences of these names are."""
        found: list[Any] = []
        for name in dict.fromkeys(names):
            sequence = self._sequences.get(name)
            if sequence is None:
                found.append(_plain(self._columns[name], "values"))
            else:
                found.append([_plain(sequence), self._read(_columns_of(sequence))])
        return found


def _columns_of(thing: FeatureDecl | SequenceDecl | Part) -> Iterator[str]:
    """Columns and sequences that it reads."""
    if thing.column:
        yield thing.column
    if isinstance(thing, FeatureDecl) and thing.sequence:
        yield thing.sequence
    for where in (getattr(thing, name, ()) for name in ("where", "of", "sign_up")):
        yield from (condition.column for condition in where)


def _plain(value: Any, *without: str) -> Any:
    """As JSON values; of dataclasses what is not as by default, and not left out."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(each) for name, each in not_by_default(value) if name not in without}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Enum):
        return value.value
    return None if isinstance(value, float) and math.isnan(value) else value


def _digest(plain: Any) -> str:
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


_DEFAULT: Final = "as by default"


def changes(saved: Mapping[str, Settings], now: Mapping[str, Settings]) -> dict[str, str]:
    """Name -> how it is new, gone or set otherwise, as text."""
    lines = {}
    for name in sorted(saved.keys() | now.keys()):
        before, after = saved.get(name), now.get(name)
        if before is None or after is None:
            lines[name] = f"{name} is {'new' if before is None else 'gone'}"
        elif before != after:
            told = (
                f"{key} was {before.get(key, _DEFAULT)}, is {after.get(key, _DEFAULT)}"
                for key in sorted(before.keys() | after.keys())
                if before.get(key) != after.get(key)
            )
            lines[name] = f"{name}: {', '.join(told)}"
    return lines
