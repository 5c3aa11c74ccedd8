"""Text and parquet in, JSON Lines out; .gz decides about compression."""

import gzip
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import orjson

from state.errors import SinkError, SourceError
from state.times import from_iso
from state.types import MS_US

Record = dict[str, Any]


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 text with their ends, without a byte order mark.  Raises SourceError."""
    opened: Callable[..., IO[str]] = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as lines:
            yield from lines
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: cannot be read: {error}") from None


def read_parquet(path: Path, *columns: str) -> Any:
    """A pyarrow table, of these columns if any are named.  Raises SourceError, also where pyarrow is missing."""
    try:
        # Only two formats need it, and it is larger than everything else together.
        from pyarrow import ArrowException
        from pyarrow.parquet import read_table
    except ImportError:
        raise SourceError(f"{path}: reading parquet needs pyarrow: pip install 'driftnet[parquet]'") from None
    try:
        table = read_table(path)
    except (OSError, ArrowException) as error:
        raise SourceError(f"{path}: cannot be read as parquet: {error}") from None
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise SourceError(f"{path}: no column {', '.join(missing)}; it has {', '.join(table.column_names)}")
    return table.select(columns) if columns else table


def write_lines(out: Path, records: Iterable[Record]) -> int:
    """Writes one JSON object per line, without members that are None; the number of lines.  Raises SinkError."""
    count = 0
    try:
        with out.open("wb") as raw, _compressed(raw, out) as stream:
            for record in records:
                known = {name: value for name, value in record.items() if value is not None}
                stream.write(orjson.dumps(known, option=orjson.OPT_APPEND_NEWLINE))
                count += 1
    except OSError as error:
        raise SinkError(f"{out}: cannot be written: {error}") from None
    return count


def _compressed(raw: IO[bytes], out: Path) -> IO[bytes] | gzip.GzipFile:
    # No name and no time in the header: the same input gives the same bytes.
    return gzip.GzipFile("", "wb", 6, raw, mtime=0) if out.suffix == ".gz" else raw


def iso_ms(text: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 text, UTC where it has no offset.  Raises ValueError."""
    return round(from_iso(text) / MS_US)
