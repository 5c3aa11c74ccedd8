"""The named things of a job: sequences, features, windows and detectors, as tables."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

from pydantic import Field
from pydantic_core import PydanticCustomError

from detectors.base import Direction
from detectors.features.declare import FeatureKind, SequenceKind
from detectors.features.derived import SEQUENCES
from detectors.features.kinds import FEATURES
from flows.config.section import Declaration, problem
from flows.config.where import WhereTable
from flows.durations import Duration
from state.kinds import Keys
from state.types import DAY_US, MINUTE_US, MS_US, SECOND_US
from state.windows import WINDOWS, Fire, WindowKind, WindowSpec
from state.words import one_of

_ALWAYS: Final = ("min_rows", "direction", "log", "low", "high", "renamed_from")
"""Keys that features of all kinds have."""


def _kinds(key: str, table: Mapping[Any, Any]) -> str:
    """The kinds that have this key, for its description."""
    return ", ".join(kind for kind, entry in table.items() if key in entry.keys.all)


_RENAMED: Final = "its name in state that was saved earlier, which goes on under the new one (docs/state.md)"


def _wrong_keys(
    table: Mapping[str, Any], kinds: Mapping[Any, Any], always: tuple[str, ...] = ()
) -> Iterator[PydanticCustomError]:
    """Entries of pydantic's report for keys that a kind does not have, or lacks.  kinds: entries with `keys`."""
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        return
    keys: Keys = kinds[kind].keys
    what = f"kind {kind}"
    allowed = ("kind", *keys.all, *always)
    elsewhere = {key for entry in kinds.values() for key in entry.keys.all}
    for key in sorted(table.keys() & elsewhere - set(allowed)):
        yield problem(f"the key {key!r}", f"for {what}: {one_of(allowed)}", key)
    for key in keys.needs:
        if key not in table:
            yield problem("nothing", f"a value; {what} needs this key", key)
    if keys.one and len(table.keys() & set(keys.one)) != 1:
        seen = f"the keys {one_of(sorted(table.keys() & set(keys.one)))}"
        yield problem(seen, f"exactly one of {' and '.join(keys.one)} for {what}", keys.one[0])
    if keys.some and not any(table.get(key) for key in keys.some):
        yield problem("nothing", f"{', '.join(keys.some)} or several of them for {what}", keys.some[0])


class SequenceConfig(Declaration):
    """A column derived from a subject's rows in their order."""

    kind: SequenceKind = Field(description="what is derived, see docs/features.md")
    column: str = Field("", description=f"the event column that is read ({_kinds('column', SEQUENCES)})")
    where: WhereTable = Field((), description="the rows that count; others have no value")
    cap: Duration = Field(30 * MINUTE_US, description=f"{_kinds('cap', SEQUENCES)}: a longer silence is no gap")
    remember: int = Field(
        8, ge=1, le=64, description=f"{_kinds('remember', SEQUENCES)}: how many distinct values are remembered"
    )
    sign_up: WhereTable = Field(
        (),
        description=f"{_kinds('sign_up', SEQUENCES)}: a row that marks the account's creation, where `column` has no"
        " value",
    )

    @classmethod
    def mistakes_of_keys(cls, table: Mapping[str, Any]) -> Iterator[PydanticCustomError]:
        return _wrong_keys(table, SEQUENCES)


class FeatureConfig(Declaration):
    """A number per subject and window, computed from the window's rows."""

    kind: FeatureKind = Field(description="what is computed, see docs/features.md")
    column: str = Field("", description="the event column that is read")
    sequence: str = Field("", description="the derived column that is read, instead of an event column")
    where: WhereTable = Field((), description="the rows that count")
    of: WhereTable = Field((), description=f"{_kinds('of', FEATURES)}: the rows they are compared with")
    min_rows: int = Field(
        0,
        ge=0,
        description=f"no value below so many rows that satisfy `of` ({_kinds('of', FEATURES)}) or `where`",
    )
    resolution: float = Field(1.0, gt=0, description="features of distinct values: bin width of a number column")
    unit: Duration = Field(MS_US, description=f"{_kinds('unit', FEATURES)}: the column's unit of time")
    bins_per_octave: int = Field(
        4, ge=1, le=64, description=f"{_kinds('bins_per_octave', FEATURES)}: bins per factor of two"
    )
    feature: str = Field("", description=f"{_kinds('feature', FEATURES)}: the feature whose values it is made of")
    by: str = Field(
        "",
        description=f"{_kinds('by', FEATURES)}: the feature whose values it is compared with, or which ends it",
    )
    half_life: Duration = Field(0, description=f"{_kinds('half_life', FEATURES)}: after which a value counts half")
    floor: float = Field(
        1.0,
        gt=0,
        description=f"{_kinds('floor', FEATURES)}: added to both sides of the comparison, or to the denominator",
    )
    direction: Direction = Field(Direction.HIGH, description="the suspicious side")
    log: bool = Field(False, description="values span orders of magnitude: detectors look at log(1 + value)")
    low: float | None = Field(None, description="physical lower limit, if there is one")
    high: float | None = Field(None, description="physical upper limit, if there is one")
    renamed_from: str = Field("", description=_RENAMED)

    @classmethod
    def mistakes_of_keys(cls, table: Mapping[str, Any]) -> Iterator[PydanticCustomError]:
        return _wrong_keys(table, FEATURES, _ALWAYS)


class WindowConfig(Declaration):
    """A span of each subject's events, aligned to midnight UTC of 1970-01-01."""

    kind: WindowKind = Field(description="; ".join(f"{kind}: {entry.about}" for kind, entry in WINDOWS.items()))
    size: Duration = Field(0, description=f"{_kinds('size', WINDOWS)}: the span")
    slide: Duration = Field(
        0, description=f"{_kinds('slide', WINDOWS)}: a new window begins every slide; the size is a multiple of it"
    )
    fire: Fire = Field(
        Fire.ALL,
        description=f"{_kinds('fire', WINDOWS)}: whom a slide tells of, `all` with an event in the window or those that"
        " were `active` since the last slide (and all once per size)",
    )
    gap: Duration = Field(0, description=f"{_kinds('gap', WINDOWS)}: a longer silence ends it")
    max: Duration = Field(DAY_US, description=f"{_kinds('max', WINDOWS)}: the longest one")
    features: tuple[str, ...] | None = Field(None, description="names of features; absent: all")
    renamed_from: str = Field("", description=_RENAMED)

    @classmethod
    def mistakes_of_keys(cls, table: Mapping[str, Any]) -> Iterator[PydanticCustomError]:
        return _wrong_keys(table, WINDOWS, ("features", "renamed_from"))

    def spec(self, name: str) -> WindowSpec:
        """Of the keys that its kind has.  Raises ConfigError."""
        keys = WINDOWS[self.kind].keys.all
        times = {f"{key}_us": getattr(self, key) for key in keys if key != "fire"}
        return WindowSpec(name, self.kind, **times, fire=self.fire)


class Declared(Protocol):
    """What declares features of events, and detectors on them: the whole configuration, or a kind of subjects."""

    @property
    def sequences(self) -> Mapping[str, SequenceConfig]: ...

    @property
    def features(self) -> Mapping[str, FeatureConfig]: ...

    @property
    def windows(self) -> Mapping[str, WindowConfig]: ...

    @property
    def detectors(self) -> "Mapping[str, DetectorConfig]": ...


class DetectorConfig(Declaration):
    """A detector on some windows."""

    type: str = Field(description="a word of `driftnet detectors list`")
    windows: tuple[str, ...] | None = Field(None, description="names of windows; absent: all")
    features: tuple[str, ...] | None = Field(None, description="names of features; absent: all of each window's")
    weight: float = Field(1.0, gt=0, description="how much its verdict counts among the others")
    budget: Duration = Field(
        30 * SECOND_US,
        description="how long one call (of a detector of each subject's own past: a round's calls) may take before the"
        " detector counts as failed; 0s: no limit",
    )
    cost_us: float = Field(
        0.0,
        ge=0,
        description="CPU per row, in microseconds, that it may take on average; beyond it is asked for one subject in"
        " eight, then switched off; 0: any",
    )
    memory_bytes: int = Field(
        0, ge=0, description="size of a cohort's model as it is saved, beyond which it counts as failed; 0: any"
    )
    renamed_from: str = Field("", description=_RENAMED)
    params: dict[str, Any] = Field({}, description="the type's own parameters, see `driftnet detectors list`")
