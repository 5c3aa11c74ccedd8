"""feature_table: window rows with their features, and what was found out about them later."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from flows.config.models import Config


def feature_table(
    events: Sequence[str | Path] | str | Path,
    config: "Config | Path | str | None" = None,
    labels: Path | str | None = None,
    *,
    side_by_side: bool = False,
    scores: bool = True,
    frame: Literal["arrow", "pandas", "polars"] = "arrow",
) -> Any:
    """A training set in memory: each window of each subject, as it was known when the window closed.

    events: files, directories and patterns.  config: what `load` or `loads` gave, the path of a TOML file, or None for
    the shipped configuration.  labels: a file of labels (docs/labels.md); then the columns say what was found out after
    a window, and what was known by then.  side_by_side: the files were written at the same time; else each follows the
    one before it.  scores: whether detectors run, and have columns.  frame: an Arrow table, or a frame of pandas or
    Polars where that is installed.

    The columns are those of the files that `driftnet features` writes (docs/training_sets.md).
    Raises ConfigError, SourceError, and SinkError where pyarrow, pandas or Polars is missing.
    """
    from flows.config import load
    from flows.training import Recipe, as_frame
    from flows.training import feature_table as made

    found = load(config) if config is None or isinstance(config, str | Path) else config
    files = [str(file) for file in ([events] if isinstance(events, str | Path) else events)]
    recipe = Recipe(found, files, None if labels is None else Path(labels), side_by_side, scores)
    return as_frame(made(recipe), frame)
