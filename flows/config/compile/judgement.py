"""What is thought of rows: cohorts, detectors, and the sections that are specs already -> Judgement."""

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from flows.config.compile.detectors import Uses
from flows.config.exempt import read_list
from flows.config.layers import Key
from flows.config.problems import Problems
from flows.judgement import CohortSpec, Judgement
from flows.streams import STREAMS
from flows.wire.told import Kinds
from state.schema import Kind, Schema
from state.words import one_of

if TYPE_CHECKING:
    from detectors.alerting.exempt import Exemption
    from flows.config.models import CohortsConfig, Config

_log: Final = logging.getLogger("driftnet")


def judgement_of(config: "Config", cohorts: CohortSpec, uses: Uses, exempt: "tuple[Exemption, ...]" = ()) -> Judgement:
    """The judgement, without its digest."""
    return Judgement(
        name=config.about.name,
        seed=config.about.seed,
        cohorts=cohorts,
        detectors=uses.detectors,
        calibration=config.calibration,
        drift=config.drift,
        policy=config.alerts,
        learning=config.learning,
        combination=config.about.combination,
        labels=config.labels if any(s.reads == "labels" for s in config.sources.values()) else None,
        asked=frozenset(stream for stream in STREAMS if config.sinks.of(stream)),
        exempt=exempt,
        left_out=uses.left_out,
        own_kind=config.event.kind,
    )


def cohorts_of(
    cohorts: "CohortsConfig | None", schema: Schema, problems: Problems, key: Key = ("job", "cohorts"), kind: str = ""
) -> CohortSpec:
    """Who is modelled apart from whom.  key: of the table that says so.  kind: of the subjects."""
    one = CohortSpec(kind=kind)
    if cohorts is None or problems.is_broken("event", "columns", cohorts.column):
        return one
    enums = [c for c in schema.columns if c.kind is Kind.ENUM]
    column = next((c for c in enums if c.name == cohorts.column), None)
    if column is None:
        problems.unknown((*key, "column"), cohorts.column, [c.name for c in enums], "an enum column")
        return one
    if cohorts.values is not None and cohorts.values != column.values:
        allowed = f"all words of {column.name!r} in their order ({one_of(column.values)})"
        problems.add((*key, "values"), list(cohorts.values), allowed)
    return CohortSpec(column.name, column.values, kind)


def exempt_of(config: "Config", problems: Problems) -> "tuple[Exemption, ...]":
    """The list of who is not alerted."""
    file, kinds = config.exempt.file, Kinds(config.event.kind, frozenset(config.subjects))
    return () if file is None else problems.guard(("exempt", "file"), partial(read_list, file, kinds)) or ()


def log_left_out(judgement: Judgement) -> None:
    """Says which detectors do not work, and why."""
    for name, why in judgement.left_out:
        _log.error("detector %s is left out, the others do their work: %s", name, why)
