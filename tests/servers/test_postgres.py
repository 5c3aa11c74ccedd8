"""PostgresWriter against a PostgreSQL server."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from flows.contract.records import record_of
from flows.sinks import PostgresSink, open_sink
from flows.sinks.base import Patience
from flows.streams import STREAMS, Stream
from state.errors import ConfigError, SinkError
from tests.servers.running import Server

SHORT = Patience(tries=3, pause_s=0.0)
ALERT = record_of(Stream.ALERTS)


@pytest.fixture
def db(database: Server) -> Iterator[psycopg.Connection[Any]]:
    """An empty database."""
    with psycopg.connect(database.url, autocommit=True) as found:
        for name in (name for (name,) in found.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")):
            found.execute(f'DROP TABLE "{name}"')
        yield found


def sink(database: Server, stream: str = "alerts", **settings: Any) -> Any:
    return open_sink(PostgresSink(database.url, outage_s=0.0, **settings), stream, run_id="run", patience=SHORT)


@pytest.mark.parametrize("stream", STREAMS)
def test_a_record_of_each_stream_is_stored_once(database: Server, db: psycopg.Connection[Any], stream: Stream) -> None:
    """Whole, with its columns, however often it is written, in one batch, in another, and by another run."""
    record = record_of(stream)
    for _ in range(2):
        writer = sink(database, stream)
        writer.write([record, record])
        writer.write([record])
        assert writer.flush()["rows"] == 3
        writer.close()
    rows = db.execute(f"SELECT id, run_id, record FROM {stream}").fetchall()
    assert [(run, found) for _, run, found in rows] == [("run", record)]
    assert rows[0][0] == (record[stream.records.id] if stream.records.id else rows[0][0]) != ""


def test_columns_have_the_types_of_fields(database: Server, db: psycopg.Connection[Any]) -> None:
    """Times are times, and can be asked for as such."""
    writer = sink(database)
    writer.write([ALERT])
    writer.close()
    query = "SELECT tail_probability FROM alerts WHERE raised BETWEEN %s AND %s::timestamptz + interval '1 second'"
    assert db.execute(query, [ALERT["raised"], ALERT["raised"]]).fetchall() == [(ALERT["tail_probability"],)]
    types = dict(
        db.execute("SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'alerts'")
    )
    assert types["raised"] == "timestamp with time zone"
    assert types["record"] == "jsonb"


def test_what_is_told_last_of_an_id_is_there(database: Server, db: psycopg.Connection[Any]) -> None:
    """In one batch and in another; in volume too."""
    writer = sink(database)
    writer.write([ALERT | {"alert_id": f"{i:016x}", "severity": "low"} for i in range(5000)])
    writer.write(
        [ALERT | {"alert_id": f"{i:016x}", "severity": word} for word in ("high", "critical") for i in range(9)]
    )
    writer.close()
    assert db.execute("SELECT severity, count(*) FROM alerts GROUP BY 1 ORDER BY 1").fetchall() == [
        ("critical", 9),
        ("low", 4991),
    ]


def test_texts_that_the_database_does_not_have(database: Server, db: psycopg.Connection[Any]) -> None:
    """A NUL in an id stops nobody; a backslash in front of what looks like one stays."""
    writer = sink(database)
    writer.write([ALERT | {"subject": "a\0b\\u0000", "job": "tab\tand\nline\\N"}])
    writer.close()
    ((subject, record),) = db.execute("SELECT subject, record FROM alerts").fetchall()
    assert subject == record["subject"] == "a\N{REPLACEMENT CHARACTER}b\\u0000"
    assert record["job"] == "tab\tand\nline\\N"


def test_a_schema_and_a_table_of_before(database: Server, db: psycopg.Connection[Any]) -> None:
    """A table that lacks a column gets it, and what is in it stays."""
    db.execute("CREATE SCHEMA IF NOT EXISTS watch; DROP TABLE IF EXISTS watch.found")
    db.execute("CREATE TABLE watch.found (id text PRIMARY KEY, run_id text NOT NULL, record jsonb NOT NULL, mine int)")
    db.execute("INSERT INTO watch.found VALUES ('old', 'r', '{}', 5)")
    writer = sink(database, table="watch.found")
    writer.write([ALERT])
    writer.close()
    rows = db.execute("SELECT id, severity, mine FROM watch.found ORDER BY id").fetchall()
    assert sorted(rows) == sorted([("old", None, 5), (ALERT["alert_id"], ALERT["severity"], None)])


def test_who_may_not_write_is_told_at_once(database: Server, db: psycopg.Connection[Any]) -> None:
    """Waiting does not heal it; and a password is not in what is said."""
    writer = sink(database)
    writer.close()
    db.execute("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN PASSWORD 'hunter2'")
    url = database.url.replace("driftnet@", "reader:hunter2@")
    other = open_sink(PostgresSink(url, outage_s=0.0), "alerts", patience=SHORT)
    db.execute("GRANT SELECT ON alerts TO reader")
    with pytest.raises(SinkError, match=r"permission denied for table alerts.*must be put right") as told:
        other.write([ALERT])
    assert "hunter2" not in str(told.value)
    db.execute("GRANT INSERT, UPDATE ON alerts TO reader")
    other.close()
    assert db.execute("SELECT count(*) FROM alerts").fetchone() == (1,)


def test_no_server_and_no_address() -> None:
    """Both are said with where it was looked for."""
    with pytest.raises(SinkError, match=r"PostgreSQL at 127\.0\.0\.1, table alerts: cannot write after 6 tries"):
        open_sink(PostgresSink("postgresql://a@127.0.0.1:1/x"), "alerts")
    with pytest.raises(ConfigError, match="postgres: url: "):
        open_sink(PostgresSink("nothing of the kind"), "alerts")
    with pytest.raises(ConfigError, match="NO_SUCH_DB"):
        open_sink(PostgresSink("postgresql://${NO_SUCH_DB}/x"), "alerts")
