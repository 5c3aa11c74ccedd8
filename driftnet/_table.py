"""score_table: the detectors on rows that somebody already has."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from state.types import I64, Values

if TYPE_CHECKING:
    from flows.scoring.prequential import Scores


class Frame(Protocol):
    """What pandas, Polars and Arrow have in common: columns by name."""

    def __getitem__(self, name: str, /) -> Any: ...


def score_table(
    table: "Mapping[str, Any] | Frame | Path | str",
    features: Sequence[str] = (),
    *,
    label: str = "",
    subject: str = "",
    time: str = "",
    positive: str = "",
    config: Path | str | None = None,
    settings: Sequence[str] = (),
    series: bool = False,
    round_rows: int = 32,
) -> "Scores":
    """Scores rows by the detectors of the flow, each before anything is learned from it.

    table: column -> (n,) values, a frame of Arrow, pandas or Polars, or the path of a .csv, .csv.gz, .parquet or .npz
    file (docs/scoring.md).  features: the columns to look at; none for all other numeric ones but running numbers,
    hashes and constants.  label: the column with the truth (above 0 is fraud, nan unknown), which classifiers learn
    from after they scored; positive: the word of that column that is fraud, where it holds words.  subject: the column
    that says whose row it is, for detectors of own history.  time: a column to sort by.  config: a TOML file on top of
    what is shipped for tables; settings: "section.key=value" on top of that.  series: all rows are one subject's,
    judged one by one.  round_rows: rows that are scored before any of them is learned from.

    Gives `Scores`: `tail_probability` (n,) float64, all detectors' together; `score` and `tail`, detector -> (n,)
    float64; nan for "not yet"; `candidates`, row -> evidence, of odd rows.  Rows are numbered from 0 as they are in the
    table.
    Raises ConfigError, and SourceError for columns that are not there or hold no numbers.

        >>> import driftnet, numpy as np
        >>> rng = np.random.default_rng(1)
        >>> amount, hour = rng.lognormal(3, 1, 2000), rng.normal(14, 3, 2000)
        >>> amount[1990], hour[1990] = 20_000, 3
        >>> scores = driftnet.score_table({"amount": amount, "hour": hour})
        >>> scores.tail_probability.shape, scores.tail_probability.dtype
        ((2000,), dtype('float64'))
        >>> int(np.nanargmin(scores.tail_probability))
        1990
    """
    from flows.scoring.identifiers import left_out
    from flows.scoring.judgement import table_judgement
    from flows.scoring.prequential import score_table as scored
    from flows.scoring.table import Columns, read_table, table_of

    wanted = Columns(tuple(features), label, subject, time, positive)
    if isinstance(table, str | Path):
        found = read_table(Path(table), wanted)
    else:
        found = table_of(_columns(table), wanted, "the table")
    if not features and not series:
        found = found.without(left_out(found))
    if series:
        found = found.as_series()
    judgement, rows = table_judgement(found.features, config, settings, series=series)
    return _as_given(scored(judgement, rows, found, 1 if series else round_rows), found.number)


def _as_given(scores: "Scores", number: I64) -> "Scores":
    """The same, in the order that the table had before it was sorted by time."""
    row = np.argsort(number)
    return replace(
        scores,
        tail_probability=scores.tail_probability[row],
        score={name: values[row] for name, values in scores.score.items()},
        tail={name: values[row] for name, values in scores.tail.items()},
        drift=[{**event, "row": int(number[event["row"]])} for event in scores.drift],
        candidates={int(number[at]): found for at, found in scores.candidates.items()},
    )


def _columns(table: Any) -> dict[str, Values]:
    names = table if isinstance(table, Mapping) else getattr(table, "column_names", None) or table.columns
    return {str(name): np.asarray(table[name]) for name in names}
