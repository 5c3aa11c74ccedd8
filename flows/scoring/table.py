"""Tables: CSV, parquet and numpy files as columns of numbers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from state.errors import SourceError
from state.types import F64, I64, SECOND_US, Values

_MATRIX: Final = "X"
_TRUTH: Final = "y"


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows to judge.

    x: (n, F) float64, nan for no value.  features: their names.  label: (n,) float64 in {0, 1}, nan for unknown, None
    without labels.  subject: (n,) whose row it is, None where rows are nobody's.  time_us: (n,) int64 ascending, None
    without a time.  numbers: (n,) int64, where in the file each row was, from 0; None for rows in that order.
    """

    x: F64
    features: tuple[str, ...]
    label: F64 | None = None
    subject: Values | None = None
    time_us: I64 | None = None
    numbers: I64 | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def number(self) -> I64:
        """(n,) int64, where in the file each row was, from 0."""
        return np.arange(len(self)) if self.numbers is None else self.numbers

    def without(self, features: Collection[str]) -> "Table":
        """The same rows without these features."""
        stay = [i for i, name in enumerate(self.features) if name not in features]
        return replace(self, x=self.x[:, stay], features=tuple(self.features[i] for i in stay))

    def as_series(self) -> "Table":
        """The same rows, all of one subject."""
        return replace(self, subject=np.zeros(len(self), np.int64))

    def first(self, rows: int | None) -> "Table":
        """So many rows, or all."""
        return self.take(np.arange(len(self))[:rows])

    def shuffled(self, seed: int) -> "Table":
        """The same rows in a random order, without their times."""
        return replace(self.take(np.random.default_rng(seed).permutation(len(self))), time_us=None)

    def take(self, rows: I64) -> "Table":
        """These rows, in this order."""
        return Table(
            self.x[rows],
            self.features,
            None if self.label is None else self.label[rows],
            None if self.subject is None else self.subject[rows],
            None if self.time_us is None else self.time_us[rows],
            self.number[rows],
        )


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a file are what.  features: all other numeric ones if empty.  positive: the label's word for
    fraud, "" for numbers above 0.
    """

    features: tuple[str, ...] = ()
    label: str = ""
    subject: str = ""
    time: str = ""
    positive: str = ""


def read_table(path: Path, columns: Columns) -> Table:
    """A table from .csv, .csv.gz, .parquet, or .npz with X (n, F) and perhaps y (n,).

    Raises SourceError for a file that cannot be read, a column that is not there, or one that is not numbers.
    """
    return table_of(_numpy(path) if path.suffix == ".npz" else _arrow(path), columns, str(path))


def table_of(found: Mapping[str, Values], columns: Columns, where: str) -> Table:
    """A table from named (n,) columns.  where: for messages.  Raises SourceError as `read_table` does, and for columns
    that are not all equally long.
    """
    for name, values in found.items():
        if values.shape != (len(next(iter(found.values()))),):
            raise SourceError(f"{where}: column {name!r} has the shape {values.shape}, expected one value for each row")
    for name in (*columns.features, columns.label, columns.subject, columns.time):
        if name and name not in found:
            raise SourceError(f"{where}: no column {name!r}; there are {', '.join(found)}")
    about = {columns.label, columns.subject, columns.time}
    numeric = [name for name, values in found.items() if values.dtype.kind in "fiub" and name not in about]
    names = columns.features or tuple(numeric)
    if not names:
        raise SourceError(f"{where}: no column of numbers among {', '.join(found)}")
    for name in names:
        if found[name].dtype.kind not in "fiub":
            raise SourceError(
                f"{where}: column {name!r} holds no numbers; numbers are in {', '.join(numeric) or 'none'}"
            )
    table = Table(
        np.stack([found[name].astype(np.float64) for name in names], axis=1),
        tuple(names),
        _label(found, columns, where) if columns.label else None,
        found[columns.subject] if columns.subject else None,
        _time_us(found[columns.time], f"{where}: column {columns.time!r}") if columns.time else None,
    )
    return table if table.time_us is None else table.take(np.argsort(table.time_us, kind="stable"))


def _label(found: Mapping[str, Values], columns: Columns, where: str) -> F64:
    values = found[columns.label]
    if columns.positive:
        return (values.astype(str) == columns.positive).astype(np.float64)
    if values.dtype.kind not in "fiub":
        words = ", ".join(map(str, np.unique(values.astype(str))[:5]))
        raise SourceError(
            f"{where}: the label {columns.label!r} holds words ({words}); say with --positive which one is fraud"
        )
    number = values.astype(np.float64)
    return np.where(np.isnan(number), np.nan, (number > 0).astype(np.float64))


def _time_us(values: Values, where: str) -> I64:
    """Microseconds since 1970 of times, ISO 8601 texts (UTC), or numbers of seconds."""
    try:
        if values.dtype.kind == "M" or values.dtype.kind in "OU":
            return values.astype("datetime64[us]").astype(np.int64)
        return np.round(values.astype(np.float64) * SECOND_US).astype(np.int64)
    except ValueError as error:
        raise SourceError(f"{where}: {error}; expected times, ISO 8601 texts or seconds since 1970") from None


def _numpy(path: Path) -> dict[str, Values]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays: dict[str, Any] = {name: file[name] for name in file.files}
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: cannot be read: {error}") from None
    if _MATRIX not in arrays or arrays[_MATRIX].ndim != 2:
        raise SourceError(f"{path}: expected an array X of shape (rows, features), found {', '.join(arrays)}")
    width = arrays[_MATRIX].shape[1]
    named = {f"x{i:0{len(str(width - 1))}d}": arrays[_MATRIX][:, i] for i in range(width)}
    return named | ({_TRUTH: arrays[_TRUTH].ravel()} if _TRUTH in arrays else {})


def _arrow(path: Path) -> dict[str, Values]:
    try:
        from pyarrow import ArrowException, csv
    except ImportError:
        raise SourceError(f"{path}: reading tables needs pyarrow: pip install 'driftnet[parquet]'") from None
    from flows.convert.files import read_parquet

    try:
        table = read_parquet(path) if path.suffix == ".parquet" else csv.read_csv(path)
    except (OSError, ArrowException) as error:
        raise SourceError(f"{path}: cannot be read as CSV: {error}") from None
    return {name: _plain(table.column(name).to_numpy()) for name in table.column_names}


def _plain(values: Values) -> Values:
    """Yes and no as numbers, missing ones as nan."""
    if values.dtype.kind == "O" and all(v is None or isinstance(v, bool) for v in values[:1000].tolist()):
        return np.array([np.nan if v is None else float(v) for v in values.tolist()])
    return values


def rounds_of(table: Table, size: int) -> Sequence[tuple[int, int]]:
    """Where rounds begin and end: at most `size` rows each, and no subject twice in one."""
    if table.subject is None or size == 1:
        return [(low, min(low + size, len(table))) for low in range(0, len(table), size)]
    bounds: list[tuple[int, int]] = []
    low, met = 0, set[object]()
    for i, who in enumerate(table.subject.tolist()):
        if who in met or i - low == size:
            bounds.append((low, i))
            low, met = i, set()
        met.add(who)
    return [*bounds, (low, len(table))] if len(table) else []
