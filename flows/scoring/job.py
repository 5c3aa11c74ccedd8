"""The job of a table: its columns are the features, one row counts as one window."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from flows.config.load import SERIES, TABLE, load_table
from flows.job import Job


def table_job(
    features: Sequence[str],
    config: Path | str | None = None,
    settings: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    *,
    series: bool = False,
) -> Job:
    """The compiled job.  config: a file with [detectors] and whatever else is to differ from flows/table.toml, or with
    series from flows/series.toml.

    Raises ConfigError naming file, line, key, what was seen and what is allowed.
    """
    columns = {name: {"kind": "number"} for name in features}
    declared = {name: {"kind": "mean", "column": name, "direction": "both"} for name in features}
    shipped = SERIES if series else TABLE
    generated = {"event": {"id": "", "columns": columns}, "features": declared}
    return load_table(shipped, generated, config, os.environ if environ is None else environ, settings).job()
