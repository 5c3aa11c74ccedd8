"""Records as Arrow tables: a column per field, typed as the stream's fields are."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from flows.streams.fields import Column, Free, ListOf, Moment, Number, Table, Type
from state.errors import SinkError

if TYPE_CHECKING:
    import pyarrow as pa


def pyarrow(what: str) -> Any:
    """The module with what it needs for Parquet.  what: needs it.  Raises SinkError where it is not installed."""
    try:
        import pyarrow as pa
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise SinkError(f"{what} needs pyarrow: pip install 'driftnet[parquet]'") from None
    return pa


def arrow_schema(columns: Iterable[Column]) -> "pa.Schema":
    """The types of the columns, each of which may be null."""
    pa = pyarrow("a table of columns")
    return pa.schema([pa.field(column.name, _arrow_type(column.type)) for column in columns])


def arrow_table(columns: Sequence[Column], records: Sequence[dict[str, Any]]) -> "pa.Table":
    """A row per record; what a record does not have is null."""
    pa = pyarrow("a table of columns")
    schema = arrow_schema(columns)
    arrays = [pa.array(_values(column, records), type_) for column, type_ in zip(columns, schema.types, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _arrow_type(type_: Type) -> Any:
    import pyarrow as pa

    match type_:
        case Moment():
            return pa.timestamp("us", tz="UTC")
        case Number():
            return pa.int64() if type_.whole else pa.float64()
        case ListOf(item):
            return pa.list_(_arrow_type(item))
        case Table(fields):
            return pa.struct([pa.field(f.name, _arrow_type(f.type)) for f in fields])
    return pa.string()


def _values(column: Column, records: Sequence[dict[str, Any]]) -> list[Any]:
    name, *inner = column.path
    found = [record.get(name) for record in records]
    for key in inner:
        found = [None if value is None else value.get(key) for value in found]
    if isinstance(column.type, Moment | ListOf | Table | Free):
        return [_value(column.type, value) for value in found]
    return found


def _value(type_: Type, value: Any) -> Any:
    """A value of a record as Arrow takes it: objects of any form become texts of JSON."""
    if value is None:
        return None
    match type_:
        case Moment():
            return datetime.fromisoformat(value)
        case ListOf(item):
            return [_value(item, each) for each in value]
        case Table(fields):
            return {f.name: _value(f.type, value.get(f.name)) for f in fields}
        case Free():
            return orjson.dumps(value).decode()
    return value
