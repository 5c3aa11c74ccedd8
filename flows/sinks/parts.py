"""A folder of Parquet files: a folder in it for each day of event time, and numbered files in that.

FOLDER/day=2026-03-02/part-000012.parquet is finished; FOLDER/.part-000013.jsonl is not, and no reader of such folders
takes it for one.  Numbers rise over the whole folder: a file of a higher one was begun later.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flows.sinks.arrow import pyarrow
from flows.streams.fields import Column, Field, columns_of
from state.errors import SinkError

if TYPE_CHECKING:
    import pyarrow as pa

DAY: Final = "day"
"""The column that readers add: which folder a row was found in."""
_DAY: Final = re.compile(DAY + r"=(\d{4}-\d\d-\d\d)")
_PART: Final = re.compile(r"part-(\d{6,})\.parquet")
_JOURNAL: Final = re.compile(r"\.part-(\d{6,})\.jsonl")
_UNFINISHED: Final = ".part-*.parquet.new"


class Finished(NamedTuple):
    """A finished file.  day: "2026-03-02"."""

    number: int
    day: str
    file: Path


def finished(folder: Path) -> list[Finished]:
    """The finished files of a folder, by number."""
    found = [(_DAY.fullmatch(file.parent.name), _PART.fullmatch(file.name), file) for file in folder.glob("*/*")]
    return sorted(Finished(int(part[1]), day[1], file) for day, part, file in found if day and part)


def journals(folder: Path) -> dict[int, Path]:
    """Number -> rows that are not finished, as JSON Lines."""
    found = ((_JOURNAL.fullmatch(file.name), file) for file in folder.iterdir())
    return {int(name[1]): file for name, file in found if name}


def journal_of(folder: Path, number: int) -> Path:
    """Where the rows of a file stand until it is finished."""
    return folder / f".part-{number:06d}.jsonl"


def file_of(folder: Path, number: int, day: str) -> Path:
    """Where a finished file stands."""
    return folder / f"{DAY}={day}" / f"part-{number:06d}.parquet"


def remove_unfinished(folder: Path) -> None:
    """Removes what was being written when a run was killed."""
    for file in folder.glob(_UNFINISHED):
        file.unlink()


def put(file: Path, tables: Iterable["pa.Table"], schema: "pa.Schema") -> int:
    """Makes a finished file of the tables: it is there as a whole and on the disk, or not at all.  Its rows.

    Raises OSError.
    """
    pa = pyarrow("a Parquet file")
    fresh = file.parent.parent / f".{file.name}.new"
    rows = 0
    with pa.parquet.ParquetWriter(fresh, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table)
            rows += len(table)
    _sync(fresh)
    file.parent.mkdir(exist_ok=True)
    fresh.replace(file)
    _sync(file.parent)
    return rows


def read(file: Path) -> "pa.Table":
    """The rows of a finished file.  Raises SinkError for one that is no Parquet."""
    pa = pyarrow("a Parquet file")
    try:
        with pa.parquet.ParquetFile(file) as parquet:
            return parquet.read()
    except pa.ArrowException as error:
        raise SinkError(f"{file}: cannot be read as Parquet: {error}") from error


def cut(file: Path, rows: int) -> bool:
    """Leaves the first rows of a finished file; whether it had more.  Raises OSError, SinkError."""
    table = read(file)
    if len(table) <= rows:
        return False
    put(file, [table.slice(0, rows)], table.schema)
    return True


def keep(file: Path, test: Callable[["pa.Table"], Any]) -> int:
    """Leaves the rows of a finished file that a test gives True for; how many it had beside them.  Raises OSError,
    SinkError.
    """
    table = read(file)
    kept = table.filter(test(table))
    if len(kept) == len(table):
        return 0
    if len(kept):
        put(file, [kept], table.schema)
    else:
        remove(file)
    return len(table) - len(kept)


def remove(file: Path) -> None:
    """Removes a finished file, and the folder of its day where it was the last one."""
    file.unlink()
    with suppress(OSError):  # it is not empty
        file.parent.rmdir()


def parquet_columns(fields: Iterable[Field], names: Mapping[str, Iterable[str]]) -> tuple[Column, ...]:
    """The columns of the files.  Raises ValueError, for people, where two would have one name."""
    found = columns_of(fields, names)
    if any(column.name == DAY for column in found):
        raise ValueError(f"a column cannot be called {DAY!r}, which readers take for the folder of a day; rename it")
    return found


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def lines(journal: Path) -> Iterator[bytes]:
    """The whole lines of a journal; what was removed from it (`driftnet forget`) is skipped."""
    with journal.open("rb") as file:
        yield from (line for line in file if line.strip() and line.endswith(b"\n"))
