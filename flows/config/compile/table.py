"""Rows that are there already, the columns of a table their features -> Judgement, and what it is told of them."""

from typing import TYPE_CHECKING

from flows.config.compile.declared import check_limits, declaration, windows_of
from flows.config.compile.detectors import check_detectors, uses_of
from flows.config.compile.judgement import cohorts_of, judgement_of, log_left_out
from flows.config.problems import Problems
from flows.judgement import Judgement
from flows.rows_spec import RowsSpec, WindowRows
from state.schema import Schema

if TYPE_CHECKING:
    from flows.config.models import Config

_NO_EVENTS = Schema((), has_event_id=False)


def compile_table(config: "Config", columns: tuple[str, ...], problems: Problems) -> tuple[Judgement, RowsSpec]:
    """columns: of the table.  Raises ConfigError with all that is wrong."""
    cohorts = cohorts_of(config.about.cohorts, _NO_EVENTS, problems)
    for name, f in config.features.items():
        if name not in columns:
            problems.unknown(("features", name), name, columns, "a column of the table")
        check_limits(name, f, problems)
    features = tuple(declaration(name, f) for name, f in config.features.items())
    uses = uses_of(config, features, windows_of(config, problems), problems)
    for use in uses.detectors:
        for name in use.features:
            if name not in config.features:
                key = ("detectors", use.name, "features")
                problems.unknown(key, name, columns, "columns of the table, as the detector's own feature is none")
    problems.raise_all()
    told = {f.name: f.info for f in uses.features}
    windows = tuple(WindowRows(w.window, tuple(told[name] for name in w.features)) for w in uses.windows)
    judgement, rows = judgement_of(config, cohorts, uses), RowsSpec(config.about.key_groups, windows)
    check_detectors(judgement, rows, problems)
    problems.raise_all()
    log_left_out(judgement)
    return judgement, rows
