"""The first lines of a file of events, as JSON objects."""

import gzip
import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import orjson

from flows.convert import convert_table
from state.errors import SourceError

_TABLES: Final = (".csv", ".tsv")


@dataclass(frozen=True, slots=True)
class Sample:
    """lines, documents: those that hold an object, as bytes and parsed.  others: how many do not.

    is_table: whether the file is a table, which `driftnet convert table` has to make lines of first.
    """

    path: Path
    lines: list[bytes]
    documents: list[dict[str, Any]]
    others: int
    is_table: bool


def read_sample(path: Path, count: int) -> Sample:
    """At most `count` lines from the beginning of a file, plain or .gz.

    Raises SourceError for what cannot be read, and where less than half of the lines hold an object.
    """
    is_table = bool(set(path.suffixes) & set(_TABLES))
    found = _table_lines(path, count) if is_table else _lines(path, count)
    lines, documents = [], []
    for line in found:
        try:
            document = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        if isinstance(document, dict):
            lines.append(line)
            documents.append(document)
    if 2 * len(documents) <= len(found) or not documents:
        raise SourceError(f"{path}: {_why_not(path, found)}; expected JSON Lines, one object per line, or a .csv")
    return Sample(path, lines, documents, len(found) - len(documents), is_table)


def _why_not(path: Path, lines: list[bytes]) -> str:
    if not lines:
        return "seen no line"
    if path.suffix == ".parquet":
        return "seen parquet, which `driftnet convert` makes lines of where it is of a known kind"
    first = lines[0].lstrip()
    if first.startswith(b"["):
        return "seen a JSON array: write one line per item, such as `jq -c '.[]'` does"
    if first.rstrip() == b"{":
        return "seen an object over several lines: write one per line, such as `jq -c .` does"
    if b"," in first and not first.startswith(b"{"):
        return "seen what may be a table: name it .csv"
    return f"seen {first[:60].decode(errors='replace')!r} and others that are no JSON objects"


def _lines(path: Path, count: int) -> list[bytes]:
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            lines = [line.rstrip(b"\r\n") for line in islice(file, count)]
    except (OSError, EOFError) as error:
        raise SourceError(f"{path}: cannot be read: {error}") from None
    if lines:
        lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
    return [line for line in lines if line.strip()]


def _table_lines(path: Path, count: int) -> list[bytes]:
    """As `driftnet convert table` makes them, of the header and so many rows."""
    with TemporaryDirectory(prefix="driftnet-") as folder:
        part, out = Path(folder) / "part.csv", Path(folder) / "part.jsonl"
        lines = _lines(path, count + 1)
        while sum(line.count(b'"') for line in lines) % 2:  # the sample ends inside a text of several lines
            lines.pop()
        if lines and any(_is_datum(cell) for cell in lines[0].split(_separator(lines[0]).encode())):
            raise SourceError(
                f"{path}: seen data in the first row, expected the columns' names: driftnet convert table {path}"
                " OUT.jsonl --columns NAME,NAME,... gives them names; then infer from OUT.jsonl"
            )
        part.write_bytes(b"".join(line + b"\n" for line in lines))
        try:
            convert_table(part, out, separator=_separator(lines[0]) if lines else ",")
        except SourceError as error:
            raise SourceError(str(error).replace(str(part), str(path))) from None
        return _lines(out, count)


def _is_datum(cell: bytes) -> bool:
    """Whether what should be a name is a number or a time."""
    text = cell.decode(errors="replace").strip().strip('"')
    return bool(re.fullmatch(r"[-+]?\d+([.,]\d+)?|\d{4}-\d\d-\d\d.*", text))


def _separator(header: bytes) -> str:
    return max(",", ";", "\t", key=lambda mark: header.count(mark.encode()))
