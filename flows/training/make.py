"""Recorded events to window rows with their features and labels: as files, or as one table in memory."""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from flows.batches import BATCH_LINES
from flows.config.endpoints import FilesConfig, events_of
from flows.config.models import Config
from flows.drive.assembly import Assembly
from flows.drive.local import LocalDriver, Progress
from flows.job import Job
from flows.sinks import parts
from flows.sinks.arrow import arrow_table
from flows.sinks.base import Record, Sink
from flows.sinks.memory import MemoryWriter
from flows.sinks.parquet import ParquetWriter
from flows.streams import Stream
from flows.streams.fields import Field
from flows.summary import Summary
from flows.training.labels import LABELS, KnownLabels
from state.errors import SinkError

if TYPE_CHECKING:
    import pyarrow as pa

_FILE_ROWS: Final = 1_000_000
Frame = Literal["arrow", "pandas", "polars"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a training set is made of.

    events: files, directories and patterns; per_file: they were written side by side.  labels: a file of labels; None
    for none.  scores: whether the job's detectors run, and say what they would have said at the time.
    """

    config: Config
    events: Sequence[str]
    labels: Path | None = None
    per_file: bool = False
    scores: bool = True
    batch_lines: int = BATCH_LINES

    @property
    def fields(self) -> tuple[Field, ...]:
        """Of a row."""
        return Stream.FEATURES.records.fields + (LABELS if self.labels is not None else ())

    def assembly(self) -> Assembly:
        """The events, and the labels where detectors hear of them, as sources."""
        sources: dict[str, Any] = {"events": events_of(self.events, per_file=self.per_file)}
        if self.labels is not None and self.scores:
            sources["labels"] = FilesConfig(kind="files", paths=(str(self.labels),), reads="labels")
        return Assembly(self.config.model_copy(update={"sources": sources}))

    def job(self) -> Job:
        """The job that makes the rows, and nothing else.  Raises ConfigError."""
        job = self.assembly().config.job().asking({Stream.FEATURES})
        return job if self.scores else job.without_detectors()


@dataclass(slots=True)
class Made:
    """What was made.  rows: by window.  labels: rows by what was found out afterwards: "fraud", "genuine", "unknown".
    first, last: ends of the first and the last window; "" for no rows.
    """

    summary: Summary
    rows: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    first: str = ""
    last: str = ""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        told = {"rows": dict(self.rows), "labels": dict(self.labels), "first": self.first, "last": self.last}
        return told | {"summary": self.summary.to_json()}


def write_training_set(recipe: Recipe, folder: Path, progress: Callable[[Progress], None] | None = None) -> Made:
    """Writes Parquet files by day (docs/training_sets.md) into a folder, which is there as a whole or not at all.

    Raises SinkError for a folder that has something in it, ConfigError, SourceError.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SinkError(f"{folder}: is there, and not empty; name another folder, or delete it")
    job = recipe.job()
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    try:
        sink = ParquetWriter(str(fresh), recipe.fields, job.names, Stream.FEATURES.records.time, _FILE_ROWS)
        try:
            made = _made(recipe, job, sink, progress)
        finally:
            sink.close()
        fresh.replace(folder)
    except OSError as error:
        raise SinkError(f"{folder}: cannot be written: {error}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return made


def feature_table(recipe: Recipe, progress: Callable[[Progress], None] | None = None) -> "pa.Table":
    """The rows as one Arrow table, in the order of their windows' ends: columns as in the files.  All of it is in
    memory; for more, `write_training_set`.  Raises SinkError where pyarrow is missing, ConfigError, SourceError.
    """
    job = recipe.job()
    columns = parts.parquet_columns(recipe.fields, job.names)
    rows = MemoryWriter()
    _made(recipe, job, rows, progress)
    return arrow_table(columns, rows.records)


def as_frame(table: "pa.Table", kind: Frame = "arrow") -> Any:
    """The table as pandas or Polars have it.  Raises SinkError where that is not installed."""
    try:
        match kind:
            case "pandas":
                import pandas as pd

                frame: pd.DataFrame = table.to_pandas()
                return frame
            case "polars":
                import polars as pl

                return pl.from_arrow(table)
    except ModuleNotFoundError:
        raise SinkError(f"a table for {kind} needs {kind}: pip install {kind}") from None
    return table


def _made(recipe: Recipe, job: Job, out: Sink, progress: Callable[[Progress], None] | None) -> Made:
    labels = None if recipe.labels is None else KnownLabels.read(recipe.labels, job.kinds_known)
    partitions, reads = recipe.assembly().inputs()
    rows = _Labelled(out, labels)
    driver = LocalDriver(job, partitions, {Stream.FEATURES: [rows]}, recipe.batch_lines, reads=reads)
    made = Made(driver.run(progress), rows.rows, rows.labels)
    made.first, made.last = (min(rows.ends), max(rows.ends)) if rows.ends else ("", "")
    return made


class _Labelled:
    """A sink that adds to each row what was found out about it, and counts."""

    def __init__(self, out: Sink, labels: KnownLabels | None) -> None:
        self._out = out
        self._known = labels
        self.rows: Counter[str] = Counter()
        self.labels: Counter[str] = Counter()
        self.ends: set[str] = set()

    def write(self, records: list[Record]) -> None:
        self.rows.update(record["window"] for record in records)
        self.ends.update(record["end"] for record in records)
        if self._known is not None:
            records = [record | self._known.about(record) for record in records]
            self.labels.update(_WORDS[record["label"]] for record in records)
        self._out.write(records)

    def flush(self) -> Any:
        return self._out.flush()

    def close(self) -> None:
        self._out.close()


_WORDS: Final = {1.0: "fraud", 0.0: "genuine", None: "unknown"}
