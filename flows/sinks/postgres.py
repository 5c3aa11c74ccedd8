"""A table of PostgreSQL as a sink: what is emitted twice, after a kill or in a second replay, is there once."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import orjson

from flows.placeholders import expanded
from flows.redaction import hidden
from flows.sinks.base import BufferedSink, Patience, Record
from flows.sinks.identity import record_id
from flows.streams import Stream
from flows.streams.fields import Moment, Number, Text, Type
from state.errors import ConfigError, SinkError

if TYPE_CHECKING:
    from psycopg import Connection

_CONNECTION: Final = {
    "application_name": "driftnet",
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""Who is silent for so long is down; what the address says itself wins."""
_STAGING: Final = "driftnet_staging"
_LOCK: Final = int.from_bytes(b"DRIFTNET", "big")
"""Of whoever makes tables: two jobs that begin at once do not make one twice."""
_NUL: Final = "\0"
_INSTEAD: Final = "\N{REPLACEMENT CHARACTER}"
"""PostgreSQL has no texts with a NUL."""


class PostgresWriter(BufferedSink[tuple[Any, ...]]):
    """Upserts records of one stream by their id: of a record that comes again, what was said last is there.

    Each batch is one transaction: it is copied into a temporary table of the session, and from there upserted.  The
    table is made where it is not there; columns that it lacks are added.

    url: as libpq takes it ("postgresql://user@host/db", or "host=... dbname=..."); "${NAME}" stands for an environment
    variable.  table: "name" or "schema.name".  Raises ConfigError, SinkError.
    """

    advice = "see to the server, then resume the run"

    def __init__(
        self, url: str, stream: Stream, table: str = "", run_id: str = "", patience: Patience | None = None
    ) -> None:
        psycopg = _psycopg()
        self._settings = _settings(url)
        self._table = table or stream.value
        host = self._settings.get("host") or self._settings.get("service") or "localhost"
        super().__init__(f"PostgreSQL at {host}, table {self._table}", patience or Patience())
        self.errors = psycopg.OperationalError, psycopg.InterfaceError
        types = {f.name: f.type for f in stream.records.fields}
        own = stream.stored.columns if stream.stored is not None else ()
        self._own = {name: _type(types[name]) for name in own}
        self._indexed = stream.stored.indexed if stream.stored is not None else ()
        self._stream = stream
        self._run_id = run_id
        self._sent = 0
        self._db: Connection[Any] | None = None
        self._briefly(self._connected)

    def _encode(self, records: list[Record]) -> list[tuple[Any, ...]]:
        items = []
        for record in records:
            text = orjson.dumps(record)
            if rb"\u0000" in text:
                record = _without_nul(record)  # noqa: PLW2901
                text = orjson.dumps(record)
            own = (record.get(column) for column in self._own)
            items.append((record_id(self._stream, record, text), self._run_id, *own, text.decode()))
        return items

    def _send(self, items: list[tuple[Any, ...]]) -> None:
        from psycopg import Error
        from psycopg.sql import SQL, Identifier

        db = self._connected()
        columns = SQL(", ").join(map(Identifier, ("id", "run_id", *self._own, "record")))
        kept = ("id",) if self._stream.records.latest else ("id", "run_id")
        told = [c for c in ("id", "run_id", *self._own, "record") if c not in kept]
        new = SQL(", ").join(SQL("{0} = excluded.{0}").format(Identifier(c)) for c in told)
        target, staging = self._name(), Identifier(_STAGING)
        upsert = SQL(
            "INSERT INTO {0} AS there ({1}) SELECT {1} FROM {2} ORDER BY id"
            " ON CONFLICT (id) DO UPDATE SET {3} WHERE there.record IS DISTINCT FROM excluded.record"
        )
        last = {item[0]: item for item in items}
        try:
            with db.transaction(), db.cursor() as cursor:
                with cursor.copy(SQL("COPY {} ({}) FROM STDIN").format(staging, columns)) as copy:
                    for item in last.values():
                        copy.write_row(item)
                cursor.execute(upsert.format(target, columns, staging, new))
        except self.errors:
            self._let_go()
            raise
        except Error as error:
            self._let_go()
            raise self._refused(error) from error
        self._sent += len(items)

    def _connected(self) -> "Connection[Any]":
        """The connection, with the tables that it needs."""
        if self._db is None:
            from psycopg import Connection, Error

            self._db = Connection.connect(**self._settings, autocommit=True)
            try:
                self._make_tables(self._db)
            except self.errors:
                self._let_go()
                raise
            except Error as error:
                self._let_go()
                raise self._refused(error) from error
        return self._db

    def _make_tables(self, db: "Connection[Any]") -> None:
        from psycopg.sql import SQL, Identifier

        target, types = self._name(), {"id": "text", "run_id": "text", **self._own, "record": "jsonb"}
        there = self._columns(db)
        if there is None or not there >= types.keys():
            with db.transaction():
                db.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
                own = SQL("").join(SQL("{} {}, ").format(Identifier(c), SQL(t)) for c, t in self._own.items())
                head = (
                    "CREATE TABLE IF NOT EXISTS {} (id text PRIMARY KEY, run_id text NOT NULL, {}record jsonb NOT NULL)"
                )
                db.execute(SQL(head).format(target, own))
                for column in sorted(types.keys() - (self._columns(db) or set())):
                    add = SQL("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} {}")
                    db.execute(add.format(target, Identifier(column), SQL(types[column])))
                for column in self._indexed if there is None else ():
                    name = Identifier(f"{self._table.rpartition('.')[2]}_{column}")
                    index = SQL("CREATE INDEX IF NOT EXISTS {} ON {} ({})")
                    db.execute(index.format(name, target, Identifier(column)))
        columns = SQL(", ").join(map(Identifier, types))
        copied = SQL("CREATE TEMP TABLE {} ON COMMIT DELETE ROWS AS SELECT {} FROM {} WITH NO DATA")
        db.execute(copied.format(Identifier(_STAGING), columns, target))

    def _columns(self, db: "Connection[Any]") -> set[str] | None:
        """Those that the table has; None where there is none."""
        query = "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"
        return {name for (name,) in db.execute(query, [self._name().as_string(db)])} or None

    def _name(self) -> Any:
        from psycopg.sql import Identifier

        return Identifier(*self._table.split("."))

    def _refused(self, error: Exception) -> SinkError:
        """Of what waiting does not heal: a right or a column that is missing, a table of somebody else's."""
        return SinkError(hidden(f"{self._where}: {error}; the table and what the user may do there must be put right"))

    def _position(self) -> dict[str, int]:
        return {"rows": self._sent}  # every send is a commit; nothing is taken back on resume, the ids see to that

    def _let_go(self) -> None:
        if self._db is not None:
            with suppress(Exception):  # it is gone anyway
                self._db.close()
            self._db = None

    def _release(self) -> None:
        self._let_go()


def _psycopg() -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise ConfigError(
            f'kind "postgres" needs the package psycopg ({error}); install it: pip install "driftnet[postgres]"'
        ) from error
    return psycopg


def _settings(url: str) -> dict[str, Any]:
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        given = conninfo_to_dict(str(expanded({"url": url})["url"]))
    except ProgrammingError as error:
        raise ConfigError(hidden(f"postgres: url: {error}")) from None
    return _CONNECTION | given


def _type(type_: Type) -> str:
    """What PostgreSQL calls the type of such a value."""
    match type_:
        case Moment():
            return "timestamptz"
        case Number(whole=True):
            return "bigint"
        case Number():
            return "double precision"
        case Text():
            return "text"
        case _:
            return "jsonb"


def _without_nul(value: Any) -> Any:
    match value:
        case str():
            return value.replace(_NUL, _INSTEAD)
        case dict():
            return {_without_nul(key): _without_nul(each) for key, each in value.items()}
        case list() | tuple():
            return [_without_nul(each) for each in value]
        case _:
            return value
