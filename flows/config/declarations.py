"""The named things of a job: sequences, features, windows and detectors, as tables."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import Field
from pydantic_core import PydanticCustomError

from detectors.base import Direction
from detectors.features.declare import FeatureKind, SequenceKind
from flows.config.durations import Duration
from flows.config.section import Declaration, problem
from flows.config.where import WhereTable
from state.types import DAY_US, MINUTE_US, MS_US, SECOND_US
from state.windows import WindowKind
from state.words import one_of

Keys = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
"""Keys that a kind needs, keys that it may have, keys of which it needs exactly one."""
_VALUES: Final = ((), ("where", "resolution"), ("column", "sequence"))
_NUMBERS: Final = ((), ("where",), ("column", "sequence"))
_GAPS: Final = (("sequence",), ("where",), ())
FEATURE_KEYS: Final[dict[FeatureKind, Keys]] = {
    FeatureKind.COUNT: ((), ("where",), ()),
    FeatureKind.CAPPED: ((), (), ()),
    FeatureKind.DUPLICATES: ((), (), ()),
    FeatureKind.REJECTS: ((), (), ()),
    FeatureKind.SUM: _NUMBERS,
    FeatureKind.MEAN: _NUMBERS,
    FeatureKind.MIN: _NUMBERS,
    FeatureKind.MAX: _NUMBERS,
    FeatureKind.SHARE: (("where",), ("of",), ()),
    FeatureKind.RATIO: (("where", "of"), (), ()),
    FeatureKind.NUNIQUE: _VALUES,
    FeatureKind.DISTINCT_SHARE: _VALUES,
    FeatureKind.REPEAT_SHARE: _VALUES,
    FeatureKind.TOP_SHARE: _VALUES,
    FeatureKind.ENTROPY: _VALUES,
    FeatureKind.GAP_MEAN: _GAPS,
    FeatureKind.GAP_CV: _GAPS,
    FeatureKind.GAP_TOP_SHARE: (("sequence",), ("where", "bins_per_octave"), ()),
    FeatureKind.ACTIVE_HOURS: ((), ("where",), ()),
    FeatureKind.PER_ACTIVE_HOUR: ((), ("where",), ()),
    FeatureKind.TIME_RATIO: ((), ("where", "unit"), ("column", "sequence")),
    FeatureKind.AGE_MIN: (("sequence",), ("where",), ()),
    FeatureKind.PER_AGE_DAY: (("sequence",), ("where",), ()),
}
SEQUENCE_KEYS: Final[dict[SequenceKind, Keys]] = {
    SequenceKind.GAP: ((), ("where", "cap"), ()),
    SequenceKind.PREVIOUS: (("column",), ("where",), ()),
    SequenceKind.TRANSITION: (("column",), ("where",), ()),
    SequenceKind.OVERLAP: (("column",), ("where",), ()),
    SequenceKind.AGE: ((), ("column", "sign_up"), ()),
    SequenceKind.NOVEL: (("column",), ("where", "remember"), ()),
}
WINDOW_KEYS: Final[dict[WindowKind, Keys]] = {
    WindowKind.TUMBLING: (("size",), ("features",), ()),
    WindowKind.SLIDING: (("size", "slide"), ("features",), ()),
    WindowKind.SESSION: (("gap",), ("max", "features"), ()),
}


def _wrong_keys(
    table: Mapping[str, Any], kinds: Mapping[Any, Keys], always: tuple[str, ...]
) -> Iterator[PydanticCustomError]:
    """Entries of pydantic's report for keys that a kind does not have, or lacks."""
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        return
    needed, optional, one = kinds[kind]
    what = f"kind {kind}"
    allowed = ("kind", *needed, *one, *optional, *always)
    elsewhere = {key for keys in kinds.values() for group in keys for key in group}
    for key in sorted(table.keys() & elsewhere - set(allowed)):
        yield problem(f"the key {key!r}", f"for {what}: {one_of(allowed)}", key)
    for key in needed:
        if key not in table:
            yield problem("nothing", f"a value; {what} needs this key", key)
    if one and len(table.keys() & set(one)) != 1:
        seen = f"the keys {one_of(sorted(table.keys() & set(one)))}"
        yield problem(seen, f"exactly one of {' and '.join(one)} for {what}", one[0])


class SequenceConfig(Declaration):
    """A column derived from a subject's rows in their order."""

    kind: SequenceKind = Field(description="what is derived, see docs/features.md")
    column: str = Field("", description="the event column that is read (previous, transition, overlap, age, novel)")
    where: WhereTable = Field((), description="the rows that count; others have no value")
    cap: Duration = Field(30 * MINUTE_US, description="gap: a longer silence is no gap")
    remember: int = Field(8, ge=1, le=64, description="novel: how many distinct values are remembered")
    sign_up: WhereTable = Field(
        (), description="age: a row that marks the account's creation, where `column` has no value"
    )

    @classmethod
    def mistakes_of_keys(cls, table: Mapping[str, Any]) -> Iterator[PydanticCustomError]:
        yield from _wrong_keys(table, SEQUENCE_KEYS, ())
        if table.get("kind") == SequenceKind.AGE and not (table.get("column") or table.get("sign_up")):
            yield problem("nothing", "an age needs a column, a sign_up condition or both", "column")


class FeatureConfig(Declaration):
    """A number per subject and window, computed from the window's rows."""

    kind: FeatureKind = Field(description="what is computed, see docs/features.md")
    column: str = Field("", description="the event column that is read")
    sequence: str = Field("", description="the derived column that is read, instead of an event column")
    where: WhereTable = Field((), description="the rows that count")
    of: WhereTable = Field((), description="share, ratio: the rows they are compared with")
    min_rows: int = Field(
        0, ge=0, description="no value below so many rows that satisfy `of` (share, ratio) or `where`"
    )
    resolution: float = Field(1.0, gt=0, description="features of distinct values: bin width of a number column")
    unit: Duration = Field(MS_US, description="time_ratio: the column's unit of time")
    bins_per_octave: int = Field(4, ge=1, le=64, description="gap_top_share: bins per factor of two")
    direction: Direction = Field(Direction.HIGH, description="the suspicious side")
    log: bool = Field(False, description="values span orders of magnitude: detectors look at log(1 + value)")
    low: float | None = Field(None, description="physical lower limit, if there is one")
    high: float | None = Field(None, description="physical upper limit, if there is one")

    @classmethod
    def mistakes_of_keys(cls, table: Mapping[str, Any]) -> Iterator[PydanticCustomError]:
        return _wrong_keys(table, FEATURE_KEYS, ("min_rows", "direction", "log", "low", "high"))


class WindowConfig(Declaration):
    """A span of each subject's events, aligned to midnight UTC of 1970-01-01."""

    kind: WindowKind = Field(
        description="tumbling: one after the other; sliding: overlapping; session: between silences"
    )
    size: Duration = Field(0, description="tumbling, sliding: the span")
    slide: Duration = Field(0, description="sliding: a new window begins every slide; the size is a multiple of it")
    gap: Duration = Field(0, description="session: a longer silence ends it")
    max: Duration = Field(DAY_US, description="session: the longest one")
    features: tuple[str, ...] | None = Field(None, description="names of features; absent: all")

    @classmethod
    def mistakes_of_keys(cls, table: Mapping[str, Any]) -> Iterator[PydanticCustomError]:
        return _wrong_keys(table, WINDOW_KEYS, ())


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
    params: dict[str, Any] = Field({}, description="the type's own parameters, see `driftnet detectors list`")
