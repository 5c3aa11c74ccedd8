"""What judges a table: its columns are the features, one row counts as one window.  There is no stream."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from flows.config.load import SERIES, TABLE, load_table
from flows.judgement import Judgement
from flows.rows_spec import RowsSpec


def table_judgement(
    features: Sequence[str],
    config: Path | str | None = None,
    settings: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    *,
    series: bool = False,
) -> tuple[Judgement, RowsSpec]:
    """The judgement, and the rows that it is of.  config: a file with [detectors] and whatever else is to differ from
    flows/table.toml, or with series from flows/series.toml.

    Raises ConfigError naming file, line, key, what was seen and what is allowed.
    """
    columns = {name: {"kind": "number"} for name in features}
    declared = {name: {"kind": "mean", "column": name, "direction": "both"} for name in features}
    shipped = SERIES if series else TABLE
    generated = {"event": {"id": "", "columns": columns}, "features": declared}
    found = load_table(shipped, generated, config, os.environ if environ is None else environ, settings)
    return found.table_judgement(tuple(features))
