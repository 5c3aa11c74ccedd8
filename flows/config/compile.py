"""Compiler: a configuration whose keys are right one by one, checked as a whole and turned into a Job."""

import hashlib
import json
import logging
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from detectors.alerting.exempt import Exemption
from detectors.base import DetectorSpec
from detectors.features import sequences
from detectors.features.declare import FeatureDecl, SequenceDecl, Where
from detectors.features.where import misfits
from detectors.registry import detector_types, spec_from, type_of
from flows.config.durations import format_duration, parse_duration_us
from flows.config.exempt import read_list
from flows.config.layers import Key, Layers
from flows.config.load import placed
from flows.config.needs import Needs
from flows.config.problems import message
from flows.config.section import did_you_mean, one_of
from flows.job import CohortSpec, DetectorUse, Job, StateSpec, TimeSpec, WindowFeatures
from flows.renames import Renames
from flows.sinks.parts import parquet_columns
from flows.streams import STREAMS
from flows.wire.spec import FieldSpec, WireSpec
from state.errors import ConfigError, PluginError
from state.schema import SYSTEM_COLUMNS, Column, Kind, Schema
from state.types import SECOND_US

if TYPE_CHECKING:
    from flows.config.declarations import DetectorConfig, FeatureConfig, WindowConfig
    from flows.config.models import ColumnConfig, Config

    Renamable = FeatureConfig | WindowConfig | DetectorConfig

Built = TypeVar("Built")
_log: Final = logging.getLogger("driftnet")
_BESIDE: Final = ("digest", "asked", "exempt", "renamed", "left_out")
"""Of a job, what its digest does not tell."""
_OWNER: Final = re.compile(r"(feature|sequence) '([^']+)'")


class Compiler:
    """Turns one configuration into specs.  Problems are collected, and raised together as one ConfigError."""

    def __init__(self, config: "Config", layers: Layers) -> None:
        self._config = config
        self._layers = layers
        self._problems: list[str] = []
        self._left_out: dict[str, str] = {}

    def job(self) -> Job:
        """The compiled job.  Raises ConfigError."""
        config = self._config
        wire = self._wire()
        schema = wire.schema()
        derived = self._sequences(schema)
        features = self._features(schema)
        windows = self._windows()
        cohorts = self._cohorts(schema)
        uses, features, windows = self._detectors(features, windows)
        self._check_state(windows)
        self._raise()
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
            exempt=self._exempt(),
            renamed=self._renamed(),
            left_out=tuple(self._left_out.items()),
        )
        self._check_plan(job)
        self._raise()
        self._check_columns(job)
        self._raise()
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
                        self._problem(("sinks", stream.value, str(i)), "kind parquet", f"another kind: {error}")

    def _problem(self, key: Key, seen: object, allowed: str, hint: str = "") -> None:
        self._problems.append(message(self._layers, key, seen, allowed, hint))

    def _unknown(self, key: Key, seen: str, known: Iterable[str], what: str) -> None:
        names = list(known)
        self._problem(key, seen, f"{what}: {one_of(names)}", did_you_mean(seen, names))

    def _raise(self) -> None:
        if self._problems:
            raise ConfigError("\n".join(dict.fromkeys(self._problems)))

    def _wire(self) -> WireSpec:
        event = self._config.event
        for name in event.columns:
            if name in SYSTEM_COLUMNS:
                self._problem(
                    ("event", "columns", name),
                    name,
                    f"a name other than {one_of(SYSTEM_COLUMNS)}, which every stream has",
                )
        return WireSpec(
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

    def _cohorts(self, schema: Schema) -> CohortSpec:
        cohorts = self._config.about.cohorts
        if cohorts is None:
            return CohortSpec()
        enums = [c for c in schema.columns if c.kind is Kind.ENUM]
        column = next((c for c in enums if c.name == cohorts.column), None)
        if column is None:
            self._unknown(("job", "cohorts", "column"), cohorts.column, [c.name for c in enums], "an enum column")
            return CohortSpec()
        if cohorts.values is not None and cohorts.values != column.values:
            self._problem(
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
                self._problem(key, name, "a name that no event column has")
            self._check_where(schema, s.where, (*key, "where"))
            self._check_where(schema, s.sign_up, (*key, "sign_up"))
            if s.column and s.column not in schema:
                self._unknown((*key, "column"), s.column, [c.name for c in schema.columns], "an event column")
                continue
            declared.append(SequenceDecl(name, s.kind, s.column, s.where, s.cap, s.remember, s.sign_up))
            self._guard(key, partial(sequences.needs, schema, declared[-1]))
        return tuple(declared)

    def _features(self, schema: Schema) -> tuple[FeatureDecl, ...]:
        declared: list[FeatureDecl] = []
        for name, f in self._config.features.items():
            key = ("features", name)
            self._check_where(schema, f.where, (*key, "where"))
            self._check_where(schema, f.of, (*key, "of"))
            if f.column and f.column not in schema:
                self._unknown((*key, "column"), f.column, [c.name for c in schema.columns], "an event column")
            if f.sequence and f.sequence not in self._config.sequences:
                self._unknown((*key, "sequence"), f.sequence, self._config.sequences, "a sequence")
            if f.low is not None and f.high is not None and f.low >= f.high:
                self._problem((*key, "low"), f.low, f"a number below high ({f.high:g})")
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

    def _windows(self) -> tuple[WindowFeatures, ...]:
        if not self._config.windows:
            self._problem(("windows",), "nothing", "at least one window")
        declared: list[WindowFeatures] = []
        for name, w in self._config.windows.items():
            key = ("windows", name)
            chosen = tuple(self._config.features) if w.features is None else w.features
            self._check_names((*key, "features"), chosen, self._config.features, "features")
            if not chosen:
                self._problem((*key, "features"), [], "at least one feature")
            spec = self._guard(key, partial(w.spec, name))
            if spec is not None:
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
                self._unknown(
                    (*key, "type"), d.type, sorted(detector_types()), "a detector type, or the path of a file"
                )
                continue
            brought = self._guard(key, partial(needs.add, kind, d.features is None, d.windows is None))
            own_features, own_windows = brought or ((), ())
            chosen = own_windows or (tuple(has) if d.windows is None else d.windows)
            if not own_windows:
                self._check_names((*key, "windows"), chosen, self._config.windows, "windows")
            if not chosen:
                self._problem((*key, "windows"), [], "at least one window")
            needs.use(chosen, own_features)
            wanted = d.features or ()
            self._check_names((*key, "features"), wanted, self._config.features, "features")
            for window in chosen:
                if wanted and window in has and not set(wanted) & set(has[window]):
                    allowed = f"features of the window {window!r}: {one_of(has[window])}"
                    self._problem((*key, "features"), list(wanted), allowed)
            params = self._params(key, kind, d.params)
            spec = self._guard((*key, "params"), partial(spec_from, d.type, params, ".".join(key)))
            if spec is not None:
                limits = (d.budget / SECOND_US, d.cost_us, d.memory_bytes)
                uses.append(DetectorUse(name, spec, chosen, own_features or wanted, d.weight, *limits))
        return tuple(map(needs.settled, uses)), needs.features(), needs.windows()

    def _params(self, key: Key, spec: type[DetectorSpec], params: Mapping[str, Any]) -> dict[str, Any]:
        """A parameter `x_us` is written as the duration `x`."""
        names = {f.name for f in fields(spec) if f.init}  # type: ignore[arg-type]
        found: dict[str, Any] = {}
        for name, value in params.items():
            if name not in names and f"{name}_us" in names:
                try:
                    found[f"{name}_us"] = parse_duration_us(value)
                except ValueError as error:
                    self._problem((*key, "params", name), value, str(error))
            else:
                found[name] = value
        return found

    def _check_state(self, windows: tuple[WindowFeatures, ...]) -> None:
        ttl_us = self._config.state.ttl
        longest = max((w.window for w in windows), key=lambda w: w.span_us, default=None)
        if longest is not None and ttl_us < longest.span_us:
            reach = format_duration(longest.span_us)
            self._problem(
                ("state", "ttl"), format_duration(ttl_us), f"at least {reach}, the reach of the window {longest.name!r}"
            )
        held_us = self._config.time.out_of_orderness + self._config.time.allowed_lateness
        if 0 < self._config.time.dedup_horizon < held_us:
            seen = format_duration(self._config.time.dedup_horizon)
            self._problem(
                ("time", "dedup_horizon"),
                seen,
                f"at least out_of_orderness + allowed_lateness ({format_duration(held_us)})",
            )

    def _check_where(self, schema: Schema, where: Where, key: Key) -> None:
        for misfit in misfits(schema, where):
            here = (*key, misfit.column)
            if misfit.known:
                self._unknown(here, str(misfit.seen), misfit.known, misfit.allowed)
            else:
                self._problem(here, misfit.seen, misfit.allowed)

    def _check_names(self, key: Key, names: tuple[str, ...], known: Iterable[str], what: str) -> None:
        for name in names:
            if name not in known:
                self._unknown(key, name, known, f"names of {what}")
        if len(set(names)) < len(names):
            self._problem(key, list(names), "each name once")

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
                self._problem(key, was, f"a name that nothing in [{kind}] has now")
            elif was in found:
                self._problem(key, was, f"each name once; {found[was]!r} has it too")
            elif was:
                found[was] = name
        return tuple(found.items())

    def _exempt(self) -> tuple[Exemption, ...]:
        file = self._config.exempt.file
        return () if file is None else self._guard(("exempt", "file"), partial(read_list, file)) or ()

    def _check_plan(self, job: Job) -> None:
        """What only the compiled plan knows: whether features can read what they are given, detectors what they get."""
        plan = self._guard((), lambda: job.plan)
        if plan is None:
            return
        for use in job.detectors:
            for window in plan.windows:
                if window.spec.name in use.windows:
                    infos = tuple(f for f in window.features if not use.features or f.name in use.features)
                    self._guard(("detectors", use.name), partial(use.spec.build, infos))

    def _guard(self, key: Key, build: Callable[[], Built]) -> Built | None:
        """What it builds, or None with its ConfigError noted under the key."""
        try:
            return build()
        except ConfigError as error:
            owner = _OWNER.search(str(error))
            if owner and not key:
                key = (f"{owner[1]}s", owner[2])
            text = str(placed(error, self._layers))
            if text == str(error):
                text = ": ".join(part for part in (self._layers.place(key), ".".join(key), text) if part)
            self._problems.append(text)
            return None


def _field(name: str, column: "ColumnConfig") -> FieldSpec:
    is_time = column.kind is Kind.TIME
    return FieldSpec(
        column=Column(name, column.kind, "us" if is_time else column.unit, column.values),
        path=column.path or (name,),
        required=column.required,
        unit=column.unit if is_time else "",
        scale=column.scale,
        low=column.min,
        high=column.max,
        strict=column.strict,
    )


def digest(job: Job) -> str:
    """16 hexadecimal digits: a hash of everything that alerts depend on beside the events.

    Where events come from, where records go and how long a live run waits are left out, and so is what people tell:
    labels, commands, the list of who is exempt.
    """
    known = {f.name: getattr(job, f.name) for f in fields(job) if f.name not in _BESIDE}
    if job.labels is None:
        del known["labels"]
    known["wire"] = _canonical(job.wire)
    if not job.wire.time_zone:  # as digests were before there were zones
        del known["wire"]["time_zone"]
    known["time"] = replace(job.time, idle_timeout_us=0)
    text = json.dumps(_canonical(known), sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _canonical(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        kind = getattr(value, "type", None)
        about = {"type": kind, "version": value.version} if isinstance(kind, str) and hasattr(value, "version") else {}
        return {f.name: _canonical(getattr(value, f.name)) for f in fields(value) if not f.name.startswith("_")} | about
    if isinstance(value, dict):
        return {str(k): _canonical(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_canonical(v) for v in value]
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, float) and math.isnan(value):
        return None
    return value
