"""[sequences], [features] and [windows]: what is computed of events -> declarations."""

import math
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from detectors.features import sequences
from detectors.features.declare import FeatureDecl, SequenceDecl
from detectors.features.kinds import FEATURES, sources
from detectors.features.plan import FeaturePlan
from flows.config.compile.named import check_names, fits, knows
from flows.config.problems import Problems
from flows.event_stream import WindowFeatures
from state.schema import Schema

if TYPE_CHECKING:
    from flows.config.declarations import Declared, FeatureConfig


def sequences_of(config: "Declared", schema: Schema, problems: Problems) -> tuple[SequenceDecl, ...]:
    """Those that fit the event columns."""
    declared: list[SequenceDecl] = []
    for name, s in config.sequences.items():
        key = ("sequences", name)
        if name in schema:
            problems.add(key, name, "a name that no event column has")
        usable = fits(schema, s.where, (*key, "where"), problems)
        usable &= fits(schema, s.sign_up, (*key, "sign_up"), problems)
        if not (knows(schema, s.column, (*key, "column"), problems) and usable):
            problems.breaks(*key)
            continue
        declared.append(SequenceDecl(name, s.kind, s.column, s.where, s.cap, s.remember, s.sign_up))
        if problems.guard(key, partial(sequences.needs, schema, declared[-1])) is None:
            problems.breaks(*key)
            declared.pop()
    return tuple(declared)


def features_of(config: "Declared", schema: Schema, problems: Problems) -> tuple[FeatureDecl, ...]:
    """Those whose columns and sequences there are."""
    declared: list[FeatureDecl] = []
    for name, f in config.features.items():
        key = ("features", name)
        usable = fits(schema, f.where, (*key, "where"), problems)
        usable &= fits(schema, f.of, (*key, "of"), problems)
        usable &= knows(schema, f.column, (*key, "column"), problems)
        if f.sequence and f.sequence not in config.sequences:
            usable = False
            if not problems.is_broken("sequences", f.sequence):
                problems.unknown((*key, "sequence"), f.sequence, config.sequences, "a sequence")
        if problems.is_broken("sequences", f.sequence):
            usable = False
        for part, source in (("feature", f.feature), ("by", f.by)):
            if source and source not in config.features:
                usable = False
                if not problems.is_broken("features", source):
                    problems.unknown((*key, part), source, config.features, "a feature")
        if "half_life" in FEATURES[f.kind].keys.needs and f.half_life <= 0:
            problems.add((*key, "half_life"), f.half_life, "a duration above 0")
            usable = False
        check_limits(name, f, problems)
        if usable:
            declared.append(declaration(name, f))
        else:
            problems.breaks(*key)
    return _whole(declared, problems)


def _whole(declared: list[FeatureDecl], problems: Problems) -> tuple[FeatureDecl, ...]:
    """Those that are not made of one that is broken."""
    left = {f.name: f for f in declared}
    while without := [f.name for f in left.values() if not left.keys() >= set(sources(f))]:
        for name in without:
            problems.breaks("features", name)
            del left[name]
    return tuple(left.values())


def check_limits(name: str, f: "FeatureConfig", problems: Problems) -> None:
    """Whether low is below high."""
    if f.low is not None and f.high is not None and f.low >= f.high:
        problems.add(("features", name, "low"), f.low, f"a number below high ({f.high:g})")


def declaration(name: str, f: "FeatureConfig") -> FeatureDecl:
    """A feature as its table says."""
    return FeatureDecl(
        name,
        f.kind,
        column=f.column,
        where=f.where,
        of=f.of,
        sequence=f.sequence,
        min_rows=f.min_rows,
        resolution=f.resolution,
        unit_us=float(f.unit),
        bins_per_octave=f.bins_per_octave,
        direction=f.direction,
        log=f.log,
        low=math.nan if f.low is None else f.low,
        high=math.nan if f.high is None else f.high,
        feature=f.feature,
        half_life_us=f.half_life,
        floor=f.floor,
        by=f.by,
    )


def windows_of(config: "Declared", problems: Problems) -> tuple[WindowFeatures, ...]:
    """All of them, with the features that they name, or all."""
    if not config.windows and not problems.are_broken("windows"):
        problems.add(("windows",), "nothing", "at least one window")
    declared: list[WindowFeatures] = []
    for name, w in config.windows.items():
        key = ("windows", name)
        chosen = tuple(config.features) if w.features is None else w.features
        check_names((*key, "features"), chosen, config.features, "features", problems)
        if not chosen and not problems.are_broken("features"):
            problems.add((*key, "features"), [], "at least one feature")
        spec = problems.guard(key, partial(w.spec, name))
        if spec is None:
            problems.breaks(*key)
        else:
            declared.append(WindowFeatures(spec, chosen))
    return tuple(declared)


def check_features(
    schema: Schema,
    derived: tuple[SequenceDecl, ...],
    features: tuple[FeatureDecl, ...],
    windows: tuple[WindowFeatures, ...],
    problems: Problems,
) -> None:
    """Whether each feature of a window can read what it is given."""
    declared = {f.name: f for f in features}
    for f in features:
        of = _made_of(f, declared)
        mine = tuple((w.window, tuple(n for n in w.features if n in of)) for w in windows if f.name in w.features)
        if mine:
            problems.guard(("features", f.name), partial(FeaturePlan, schema, derived, tuple(of.values()), mine))


def _made_of(f: FeatureDecl, declared: Mapping[str, FeatureDecl]) -> dict[str, FeatureDecl]:
    """A feature and all that it is made of, by name."""
    found, due = {f.name: f}, [f]
    while due:
        for name in sources(due.pop()):
            if name in declared and name not in found:
                found[name] = declared[name]
                due.append(declared[name])
    return found
