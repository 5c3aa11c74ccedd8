"""Any CSV: a line per row, with the columns' names."""

import csv
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from flows.convert.files import Record, read_lines, write_lines
from state.errors import SourceError

_TRUTH: Final = {"true": True, "false": False}
_EXACT: Final = 2**53
"""Integers up to here are exact as float64; JSON's readers take larger ones for something else."""
_FIELD_BYTES_MAX: Final = 1 << 24


class Converted(NamedTuple):
    """lines: how many.  kept: column -> a text in it that is a number, but would not print as it stands there."""

    lines: int
    kept: dict[str, str]


def convert_table(
    path: Path,
    out: Path,
    columns: tuple[str, ...] = (),
    sort_by: str = "",
    text: tuple[str, ...] = (),
    numbers: tuple[str, ...] = (),
    separator: str = ",",
) -> Converted:
    """CSV rows (.gz or not) to lines.  A column becomes JSON's numbers, or true and false, only where each of its texts
    is what that prints as: 007 and +49 are ids, and so is 1e5 beside 100000.  Empty cells are left out.

    columns: names, for a file without a header.  sort_by: the column whose order the lines have; "": the file's.
    text, numbers: columns that are so whatever they look like.  Raises SourceError for input that cannot be read, or is
    not what was asked for, SinkError when out cannot be written.
    """
    rows = list(_rows(path, columns, separator))
    names = list(rows[0]) if rows else []
    for name in (*text, *numbers, *([sort_by] if sort_by else [])):
        if rows and name not in names:
            raise SourceError(f"{path}: no column {name!r}; there are {', '.join(names)}")
    found: dict[str, tuple[Callable[[str], Any], str]] = {}
    for name in names:
        cells = [row[name] for row in rows if row[name]]
        found[name] = (
            (str, "") if name in text else (_number_of(path, name, cells), "") if name in numbers else _kind(cells)
        )
    lines: list[Record] = [{n: found[n][0](cell) if cell else None for n, cell in row.items()} for row in rows]
    if sort_by:
        empty = next((i for i, line in enumerate(lines, 1) if line[sort_by] is None), 0)
        if empty:
            raise SourceError(f"{path}: row {empty} has nothing in {sort_by!r}, which the lines are to be sorted by")
        lines.sort(key=lambda line: line[sort_by])
    return Converted(write_lines(out, lines), {name: odd for name, (_, odd) in found.items() if odd})


def _rows(path: Path, columns: tuple[str, ...], separator: str) -> Iterator[dict[str, str]]:
    before = csv.field_size_limit(_FIELD_BYTES_MAX)
    try:
        reader = csv.reader(read_lines(path), delimiter=separator)
        header = list(columns) or next(reader, [])
        if twice := [name for i, name in enumerate(header) if name in header[:i]]:
            raise SourceError(f"{path}: two columns are called {twice[0]!r}; rename one, or name all with --columns")
        if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
            raise SourceError(f"{path}: seen one column, {header[0]!r}; say what is between columns: --separator")
        for number, row in enumerate((row for row in reader if row), 1):
            if len(row) != len(header):
                raise SourceError(f"{path}: row {number} has {len(row)} columns, expected {', '.join(header)}")
            yield dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise SourceError(f"{path}: cannot be read as CSV: {error}") from None
    finally:
        csv.field_size_limit(before)


def _kind(cells: list[str]) -> tuple[Callable[[str], Any], str]:
    """What a column's texts are, and one that stands against numbers where all can be read as such."""
    if cells and all(cell in _TRUTH for cell in cells):
        return _TRUTH.__getitem__, ""
    odd = next((cell for cell in cells if _exact(cell) is None), None)
    if odd is None:
        return _number, ""
    return str, odd if all(_finite(cell) for cell in cells) else ""


def _exact(cell: str) -> int | float | None:
    """The number that prints as this text; None for any other."""
    if not cell.isascii() or not _finite(cell):
        return None
    value = _number(cell)
    if isinstance(value, int):
        return value if str(value) == cell and abs(value) <= _EXACT else None
    return value if repr(value) == cell else None


def _number(cell: str) -> int | float:
    try:
        return int(cell)
    except ValueError:
        return float(cell)


def _finite(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def _number_of(path: Path, name: str, cells: list[str]) -> Callable[[str], Any]:
    for cell in cells:
        if not _finite(cell) or abs(_number(cell)) > _EXACT:
            raise SourceError(f"{path}: column {name!r} has {cell[:40]!r}, expected numbers of at most 2**53")
    return _number
