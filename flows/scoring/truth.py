"""Who is who, by subject: what a run's scores are compared with."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from flows.convert.files import read_lines
from state.errors import SourceError

SUBJECT, LABEL = "user_id", "is_attacker"
"""What the simulator's truth calls them."""


def read_truth(path: Path, subject: str = "", label: str = "", positive: str = "") -> dict[str, float]:
    """Subject -> 1 for fraud, 0 for none.  Raises SourceError.

    path: JSON Lines, as `driftnet simulate` writes them, or a CSV; without a header its columns are numbers from 0.
    subject, label: members or columns; "" for those of the simulator.  positive: the label's word for fraud; "" where
    that is a number above 0, or true.
    """
    subject, label = subject or SUBJECT, label or LABEL
    known = {}
    for number, row in enumerate(_rows(path, subject, label), 1):
        try:
            said = row[label]
            known[str(row[subject])] = float(said == positive) if positive else float(float(said) > 0)
        except (KeyError, ValueError, TypeError) as error:
            raise SourceError(
                f"{path}: row {number}: {error!r}; expected {subject} and {label} (--subject, --label name others), the"
                f" label {positive or 'a number'}"
            ) from None
    return known


def _rows(path: Path, subject: str, label: str) -> Iterable[Mapping[str, Any]]:
    lines = read_lines(path)
    first = next(lines, "")
    if first.lstrip().startswith("{"):
        return _records(path, first, lines)
    whole = _with(first, lines)
    if subject.isdigit() and label.isdigit():
        return ({str(i): cell for i, cell in enumerate(row)} for row in csv.reader(whole))
    return csv.DictReader(whole)


def _records(path: Path, first: str, lines: Iterator[str]) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(_with(first, lines), 1):
        if line.strip():
            try:
                yield orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise SourceError(f"{path}:{number}: not JSON: {error}") from None


def _with(first: str, lines: Iterator[str]) -> Iterator[str]:
    yield first
    yield from lines
