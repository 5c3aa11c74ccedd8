"""Any CSV: a line per row, with the columns' names."""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from flows.convert.files import Record, read_lines, write_lines
from state.errors import SourceError

_TRUTH: Final = {"true": True, "false": False}


def convert_table(path: Path, out: Path, columns: tuple[str, ...] = (), sort_by: str = "") -> int:
    """CSV rows (.gz or not) to lines; the number of lines.  Columns of numbers, or of true and false, become
    JSON's; empty cells are left out.

    columns: names, for a file without a header.  sort_by: the column whose order the lines have; "": the file's.
    Raises SourceError for input that cannot be read, SinkError when out cannot be written.
    """
    rows = list(_rows(path, columns))
    kinds = {name: _kind([row[name] for row in rows]) for name in (rows[0] if rows else ())}
    if sort_by and sort_by not in kinds:
        raise SourceError(f"{path}: no column {sort_by!r}; there are {', '.join(kinds)}")
    lines: list[Record] = [{name: kinds[name](text) if text else None for name, text in row.items()} for row in rows]
    if sort_by:
        lines.sort(key=lambda line: line[sort_by])
    return write_lines(out, lines)


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    for number, row in enumerate(csv.DictReader(read_lines(path), columns or None), 1):
        if None in row or None in row.values():
            raise SourceError(f"{path}: row {number} has other columns than {', '.join(k for k in row if k)}")
        yield row


def _kind(texts: list[str]) -> Callable[[str], Any]:
    """What all of a column's texts can be read as; an id with digits and an e in it must not become a number alone."""
    known = [text for text in texts if text]
    if all(text in _TRUTH for text in known):
        return _TRUTH.__getitem__
    for kind in (int, float):
        try:
            for text in known:
                kind(text)
        except ValueError:
            continue
        return kind
    return str
