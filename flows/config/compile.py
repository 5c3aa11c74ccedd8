"""Compiler: a configuration whose keys are right one by one, checked as a whole and turned into a Job."""

import hashlib
import json
import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from detectors.alerting.exempt import Exemption
from detectors.features import sequences
from detectors.features.declare import FeatureDecl, SequenceDecl, Where
from detectors.features.plan import FeaturePlan
from detectors.features.where import misfits
from detectors.registry import detector_types, type_of
from detectors.settings import spec_of
from flows.config.exempt import read_list
from flows.config.layers import Key
from flows.config.needs import Needs
from flows.config.problems import Problems
from flows.evolution.renames import Renames
from flows.job import CohortSpec, DetectorUse, Job, StateSpec, TimeSpec, WindowFeatures
from flows.sinks.parts import parquet_columns
from flows.streams import STREAMS
from flows.wire.path_text import asked, clash, format_path
from flows.wire.spec import ISO8601, FieldSpec, Path, WireSpec
from state.durations import format_duration
from state.errors import ConfigError, PluginError
from state.plain import plain, told
from state.schema import SYSTEM_COLUMNS, Column, Kind, Schema
from state.types import SECOND_US
from state.words import one_of

if TYPE_CHECKING:
    from flows.config.declarations import DetectorConfig, FeatureConfig, WindowConfig
    from flows.config.models import ColumnConfig, Config, EventConfig

    Renamable = FeatureConfig | WindowConfig | DetectorConfig

_log: Final = logging.getLogger("driftnet")
_BESIDE: Final = ("digest", "asked", "exempt", "renamed", "left_out")
"""Of a job, what its digest does not tell."""


class Compiler:
    """Turns one configuration into specs.  Problems are collected, and raised together as one ConfigError.

    problems: what is known to be wrong, and was taken out of the configuration: what depends on it is passed over.
    """

    def __init__(self, config: "Config", problems: Problems) -> None:
        self._config = config
        self._problems = problems
        self._left_out: dict[str, str] = {}

    def problems(self) -> list[str]:
        """All that is wrong, a line each, as far as it shows without a whole job."""
        self._check_features(self._specs())
        self._exempt()
        self._renamed()
        return self._problems.lines

    def _specs(self) -> "_Specs":
        wire = self._wire()
        schema = wire.schema()
        cohorts = self._cohorts(schema)
        derived = self._sequences(schema)
        features = self._features(schema)
        windows = self._windows()
        uses, features, windows = self._detectors(features, windows)
        self._check_state(windows)
        return _Specs(wire, schema, cohorts, derived, features, windows, uses)

    def job(self) -> Job:
        """The compiled job.  Raises ConfigError."""
        config = self._config
        specs = self._specs()
        wire, schema, cohorts, derived, features, windows, uses = specs
        exempt, renamed = self._exempt(), self._renamed()
        if self._problems.lines:
            self._check_features(specs)
            self._problems.raise_all()
        job = Job(
            name=config.about.name,
            seed=config.about.seed,
            key_groups=config.about.key_groups,
            digest="",
            schema=schema,
            wire=wire,
            cohorts=cohorts,
            time=TimeSpec(
                config.time.out_of_orderness,
                config.time.allowed_lateness,
                config.time.idle_timeout,
                config.time.dedup_horizon,
                config.time.ahead_max,
            ),
            state=StateSpec(config.state.capacity, config.state.ttl, config.state.rows_per_pane_max),
            sequences=derived,
            features=features,
            windows=windows,
            detectors=uses,
            calibration=config.calibration,
            drift=config.drift,
            policy=config.alerts,
            learning=config.learning,
            combination=config.about.combination,
            asked=frozenset(stream for stream in STREAMS if config.sinks.of(stream)),
            labels=config.labels if any(s.reads == "labels" for s in config.sources.values()) else None,
            exempt=exempt,
            renamed=renamed,
            left_out=tuple(self._left_out.items()),
        )
        plan = self._problems.guard((), lambda: job.plan)
        if plan is None:  # of features that do not fit, each says so itself
            whole, self._problems.lines = self._problems.lines, []
            self._check_features(specs)
            self._problems.lines = self._problems.lines or whole
        else:
            self._check_detectors(job, plan)
            self._check_columns(job)
        self._problems.raise_all()
        for name, why in job.left_out:
            _log.error("detector %s is left out, the others do their work: %s", name, why)
        return replace(job, digest=digest(job))

    def _check_columns(self, job: Job) -> None:
        """Of streams that go to files of columns, whether each has a name of its own."""
        for stream in STREAMS:
            for i, sink in enumerate(self._config.sinks.of(stream)):
                if sink.kind == "parquet":
                    try:
                        parquet_columns(stream.records.fields, job.names)
                    except ValueError as error:
                        key = ("sinks", stream.value, str(i))
                        self._problems.add(key, "kind parquet", f"another kind: {error}")

    def _wire(self) -> WireSpec:
        event = self._config.event
        for name in event.columns:
            if name in SYSTEM_COLUMNS:
                self._problems.add(
                    ("event", "columns", name),
                    name,
                    f"a name other than {one_of(SYSTEM_COLUMNS)}, which every stream has",
                )
        self._check_paths(event)
        wire = WireSpec(
            fields=tuple(_field(name, column) for name, column in event.columns.items()),
            event_id=event.id,
            event_time=event.time.path,
            time_unit=event.time.unit,
            subject=event.subject,
            line_bytes_max=event.max_line_bytes,
            time_min_us=event.time_min,
            time_max_us=event.time_max,
            subject_chars_max=event.max_subject_chars,
            time_zone="" if event.time_zone == "UTC" else event.time_zone,
        )
        fits = self._check_where(wire.schema(), event.where, ("event", "where"))
        return replace(wire, where=event.where) if fits else wire

    def _check_paths(self, event: "EventConfig") -> None:
        """Whether a line can have values at the ends of any two paths."""
        ends: list[tuple[Key, Path, frozenset[str]]] = [
            (("event", "time", "path"), event.time.path, _TEXT if event.time.unit == ISO8601 else _NUMBER),
            (("event", "subject"), event.subject, _ID),
            *([(("event", "id"), event.id, _ID)] if event.id else []),
            *((("event", "columns", n), c.path or (n,), _types(c)) for n, c in event.columns.items()),
        ]
        for i, (key, path, types) in enumerate(ends):
            for earlier, other, others in ends[:i]:
                at = clash(path, other)
                if at is not None:
                    mine, its = asked(path, len(at)), asked(other, len(at))
                    seen = f"a path {format_path(path)}, which takes {format_path(at)} for {mine}"
                    self._problems.add(key, seen, f"what can be there beside {'.'.join(earlier)}, which says {its}")
                elif path == other and not types & others:
                    seen = f"a path {format_path(path)} to {_or(types)}"
                    self._problems.add(key, seen, f"what can be there beside {'.'.join(earlier)}: {_or(others)}")

    def _cohorts(self, schema: Schema) -> CohortSpec:
        cohorts = self._config.about.cohorts
        if cohorts is None or self._problems.is_broken("event", "columns", cohorts.column):
            return CohortSpec()
        enums = [c for c in schema.columns if c.kind is Kind.ENUM]
        column = next((c for c in enums if c.name == cohorts.column), None)
        if column is None:
            self._problems.unknown(
                ("job", "cohorts", "column"), cohorts.column, [c.name for c in enums], "an enum column"
            )
            return CohortSpec()
        if cohorts.values is not None and cohorts.values != column.values:
            self._problems.add(
                ("job", "cohorts", "values"),
                list(cohorts.values),
                f"all words of {column.name!r} in their order ({one_of(column.values)})",
            )
        return CohortSpec(column.name, column.values)

    def _sequences(self, schema: Schema) -> tuple[SequenceDecl, ...]:
        declared: list[SequenceDecl] = []
        for name, s in self._config.sequences.items():
            key = ("sequences", name)
            if name in schema:
                self._problems.add(key, name, "a name that no event column has")
            fits = self._check_where(schema, s.where, (*key, "where"))
            fits &= self._check_where(schema, s.sign_up, (*key, "sign_up"))
            if not (self._knows(schema, s.column, (*key, "column")) and fits):
                self._problems.breaks(*key)
                continue
            declared.append(SequenceDecl(name, s.kind, s.column, s.where, s.cap, s.remember, s.sign_up))
            if self._problems.guard(key, partial(sequences.needs, schema, declared[-1])) is None:
                self._problems.breaks(*key)
                declared.pop()
        return tuple(declared)

    def _knows(self, schema: Schema, column: str, key: Key) -> bool:
        """Whether there is this event column, if any is asked for."""
        if not column or column in schema:
            return True
        if not self._problems.is_broken("event", "columns", column):
            self._problems.unknown(key, column, [c.name for c in schema.columns], "an event column")
        return False

    def _features(self, schema: Schema) -> tuple[FeatureDecl, ...]:
        declared: list[FeatureDecl] = []
        for name, f in self._config.features.items():
            key = ("features", name)
            fits = self._check_where(schema, f.where, (*key, "where"))
            fits &= self._check_where(schema, f.of, (*key, "of"))
            fits &= self._knows(schema, f.column, (*key, "column"))
            if f.sequence and f.sequence not in self._config.sequences:
                fits = False
                if not self._problems.is_broken("sequences", f.sequence):
                    self._problems.unknown((*key, "sequence"), f.sequence, self._config.sequences, "a sequence")
            if self._problems.is_broken("sequences", f.sequence):
                fits = False
            if f.low is not None and f.high is not None and f.low >= f.high:
                self._problems.add((*key, "low"), f.low, f"a number below high ({f.high:g})")
            if not fits:
                self._problems.breaks(*key)
                continue
            declared.append(
                FeatureDecl(
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
                )
            )
        return tuple(declared)

    def _check_features(self, specs: "_Specs") -> None:
        """Whether each feature of a window can read what it is given."""
        for f in specs.features:
            mine = tuple((w.window, (f.name,)) for w in specs.windows if f.name in w.features)
            if mine:
                plan = partial(FeaturePlan, specs.schema, specs.sequences, (f,), mine)
                self._problems.guard(("features", f.name), plan)

    def _windows(self) -> tuple[WindowFeatures, ...]:
        if not self._config.windows and not self._problems.are_broken("windows"):
            self._problems.add(("windows",), "nothing", "at least one window")
        declared: list[WindowFeatures] = []
        for name, w in self._config.windows.items():
            key = ("windows", name)
            chosen = tuple(self._config.features) if w.features is None else w.features
            self._check_names((*key, "features"), chosen, self._config.features, "features")
            if not chosen and not self._problems.are_broken("features"):
                self._problems.add((*key, "features"), [], "at least one feature")
            spec = self._problems.guard(key, partial(w.spec, name))
            if spec is None:
                self._problems.breaks(*key)
            else:
                declared.append(WindowFeatures(spec, chosen))
        return tuple(declared)

    def _detectors(
        self, features: tuple[FeatureDecl, ...], windows: tuple[WindowFeatures, ...]
    ) -> tuple[tuple[DetectorUse, ...], tuple[FeatureDecl, ...], tuple[WindowFeatures, ...]]:
        """The detectors, and features and windows with what they bring along."""
        uses: list[DetectorUse] = []
        has = {w.window.name: w.features for w in windows}
        needs = Needs(features, windows)
        for name, d in self._config.detectors.items():
            key = ("detectors", name)
            try:
                kind = type_of(d.type)
            except PluginError as error:
                self._left_out[name] = str(error)
                continue
            except ConfigError:
                self._problems.unknown(
                    (*key, "type"), d.type, sorted(detector_types()), "a detector type, or the path of a file"
                )
                continue
            brought = self._problems.guard(key, partial(needs.add, kind, d.features is None, d.windows is None))
            own_features, own_windows = brought or ((), ())
            chosen = own_windows or (tuple(has) if d.windows is None else d.windows)
            if not own_windows:
                self._check_names((*key, "windows"), chosen, self._config.windows, "windows")
            if not chosen and not self._problems.are_broken("windows"):
                self._problems.add((*key, "windows"), [], "at least one window")
            needs.use(chosen, own_features)
            wanted = d.features or ()
            self._check_names((*key, "features"), wanted, self._config.features, "features")
            for window in chosen:
                if wanted and window in has and not self._can_do(wanted, has[window]):
                    allowed = f"features of the window {window!r}: {one_of(has[window])}"
                    self._problems.add((*key, "features"), list(wanted), allowed)
            spec = self._problems.guard((*key, "params"), partial(spec_of, kind, d.params))
            if spec is not None:
                limits = (d.budget / SECOND_US, d.cost_us, d.memory_bytes)
                uses.append(DetectorUse(name, spec, chosen, own_features or wanted, d.weight, *limits))
        return tuple(map(needs.settled, uses)), needs.features(), needs.windows()

    def _can_do(self, wanted: tuple[str, ...], there: tuple[str, ...]) -> bool:
        """Whether a window has any of the features that a detector wants, as far as these are known."""
        return bool(set(wanted) & set(there)) or any(self._problems.is_broken("features", name) for name in wanted)

    def _check_state(self, windows: tuple[WindowFeatures, ...]) -> None:
        ttl_us = self._config.state.ttl
        longest = max((w.window for w in windows), key=lambda w: w.span_us, default=None)
        if longest is not None and ttl_us < longest.span_us and not self._problems.is_broken("state", "ttl"):
            reach = format_duration(longest.span_us)
            self._problems.add(
                ("state", "ttl"), format_duration(ttl_us), f"at least {reach}, the reach of the window {longest.name!r}"
            )
        held_us = self._config.time.out_of_orderness + self._config.time.allowed_lateness
        if 0 < self._config.time.dedup_horizon < held_us:
            seen = format_duration(self._config.time.dedup_horizon)
            self._problems.add(
                ("time", "dedup_horizon"),
                seen,
                f"at least out_of_orderness + allowed_lateness ({format_duration(held_us)})",
            )

    def _check_where(self, schema: Schema, where: Where, key: Key) -> bool:
        """Whether all conditions fit their columns."""
        fits = True
        for misfit in misfits(schema, where):
            fits = False
            if self._problems.is_broken("event", "columns", misfit.column):
                continue
            here = (*key, misfit.column)
            if misfit.known:
                self._problems.unknown(here, misfit.seen, misfit.known, misfit.allowed)
            else:
                self._problems.add(here, misfit.seen, misfit.allowed)
        return fits

    def _check_names(self, key: Key, names: tuple[str, ...], known: Iterable[str], what: str) -> None:
        for name in names:
            if name not in known and not self._problems.is_broken(what, name):
                self._problems.unknown(key, name, known, f"names of {what}")
        if len(set(names)) < len(names):
            self._problems.add(key, list(names), "each name once")

    def _renamed(self) -> Renames:
        config = self._config
        return Renames(
            self._names_before("features", config.features),
            self._names_before("windows", config.windows),
            self._names_before("detectors", config.detectors),
        )

    def _names_before(self, kind: str, table: Mapping[str, "Renamable"]) -> tuple[tuple[str, str], ...]:
        found: dict[str, str] = {}
        for name, declared in table.items():
            was, key = declared.renamed_from, (kind, name, "renamed_from")
            if was in table:
                self._problems.add(key, was, f"a name that nothing in [{kind}] has now")
            elif was in found:
                self._problems.add(key, was, f"each name once; {found[was]!r} has it too")
            elif was:
                found[was] = name
        return tuple(found.items())

    def _exempt(self) -> tuple[Exemption, ...]:
        file = self._config.exempt.file
        return () if file is None else self._problems.guard(("exempt", "file"), partial(read_list, file)) or ()

    def _check_detectors(self, job: Job, plan: FeaturePlan) -> None:
        """Whether detectors can do with what they get, which only the compiled plan knows."""
        for use in job.detectors:
            for window in plan.windows:
                if window.spec.name in use.windows:
                    infos = tuple(f for f in window.features if not use.features or f.name in use.features)
                    self._problems.guard(("detectors", use.name), partial(use.spec.build, infos))


class _Specs(NamedTuple):
    """What of a job follows from more than one table."""

    wire: WireSpec
    schema: Schema
    cohorts: CohortSpec
    sequences: tuple[SequenceDecl, ...]
    features: tuple[FeatureDecl, ...]
    windows: tuple[WindowFeatures, ...]
    uses: tuple[DetectorUse, ...]


_TEXT: Final = frozenset({"a text"})
_NUMBER: Final = frozenset({"an integer", "a float"})
_ID: Final = frozenset({"a text", "an integer"})
_WORD: Final = frozenset({"a text", "true or false"})


def _types(column: "ColumnConfig") -> frozenset[str]:
    """The JSON values that may be one of this column."""
    match column.kind:
        case Kind.ID:
            return _ID
        case Kind.ENUM:
            return _WORD
        case Kind.TIME if column.unit == ISO8601:
            return _TEXT
        case _:
            return _NUMBER


def _or(types: frozenset[str]) -> str:
    return " or ".join(sorted(types))


def _field(name: str, column: "ColumnConfig") -> FieldSpec:
    is_time = column.kind is Kind.TIME
    return FieldSpec(
        column=Column(name, column.kind, "us" if is_time else column.unit, column.words),
        path=column.path or (name,),
        required=column.required,
        unit=column.unit if is_time else "",
        scale=column.scale,
        low=column.min,
        high=column.max,
        strict=column.strict,
        words=tuple(sorted(column.map.items())),
    )


def digest(job: Job) -> str:
    """16 hexadecimal digits: a hash of everything that alerts depend on beside the events.

    Where events come from, where records go and how long a live run waits are left out, and so is what people tell:
    labels, commands, the list of who is exempt.
    """
    known = {name: value for name, value in told(job) if name not in _BESIDE}
    known["time"] = replace(job.time, idle_timeout_us=0)
    text = json.dumps(plain(known), sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
