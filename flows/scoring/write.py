"""Scores as a table of their own, one row per row."""

from pathlib import Path
from typing import Any

from flows.scoring.prequential import Scores
from flows.scoring.table import Table
from state.errors import SinkError


def write_scores(table: Table, scores: Scores, path: Path) -> None:
    """Columns: row, its number in the file, from 0; tail_probability; NAME and NAME.tail per detector; empty for "not
    yet".

    path: .csv or .parquet.  Raises SinkError for another name, and when it cannot be written.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise SinkError(f"{path}: scores go to a .csv or a .parquet file")
    try:
        import pyarrow as pa
        from pyarrow import csv, parquet
    except ImportError:
        raise SinkError(f"{path}: writing tables needs pyarrow: pip install 'driftnet[parquet]'") from None
    columns: dict[str, Any] = {"row": table.number, "tail_probability": scores.tail_probability}
    for name in scores.score:
        columns |= {name: scores.score[name], f"{name}.tail": scores.tail[name]}
    out = pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})
    try:
        if path.suffix == ".csv":
            csv.write_csv(out, path)
        else:
            parquet.write_table(out, path)
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error}") from None
