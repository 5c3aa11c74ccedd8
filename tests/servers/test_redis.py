"""RedisWriter against a Valkey or Redis server."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from flows.contract.records import record_of
from flows.sinks import RedisSink, open_sink
from flows.sinks.base import Patience
from flows.streams import STREAMS, Stream
from state.errors import ConfigError, SinkError
from tests.servers.running import Server

SHORT = Patience(tries=3, pause_s=0.0)
ALERTS = [record_of(Stream.ALERTS, n) for n in range(6)]


@pytest.fixture
def db(cache: Server) -> Iterator[Any]:
    """An empty server."""
    with redis.Redis.from_url(cache.url, decode_responses=True) as found:
        found.flushall()
        yield found


def sink(cache: Server, stream: str = "alerts", position: Any = None, **settings: Any) -> Any:
    return open_sink(RedisSink(cache.url, outage_s=0.0, **settings), stream, position, patience=SHORT)


def entries(db: Any, key: str = "driftnet:alerts") -> list[Any]:
    return [json.loads(fields["record"]) for _, fields in db.xrange(key)]


@pytest.mark.parametrize("form", ["keys", "stream"])
@pytest.mark.parametrize("stream", STREAMS)
def test_a_record_of_each_stream_is_there(cache: Server, db: Any, stream: Stream, form: Any) -> None:
    """Whole, under its id or as an entry with it."""
    record = record_of(stream)
    writer = sink(cache, stream, form=form)
    writer.write([record])
    writer.close()
    (key,) = db.keys("*")
    text = db.get(key) if form == "keys" else db.xrange(key)[0][1]["record"]
    assert json.loads(text) == record
    assert key.startswith(f"driftnet:{stream}")
    assert form == "stream" or not stream.records.id or key == f"driftnet:{stream}:{record[stream.records.id]}"


def test_a_key_has_what_was_told_last(cache: Server, db: Any) -> None:
    """Under the prefix that was asked for, and for as long."""
    writer = sink(cache, prefix="mine", expire_s=50.0)
    writer.write([ALERTS[0], ALERTS[1], ALERTS[0] | {"severity": "worse"}])
    writer.close()
    assert sorted(db.keys("*")) == [f"mine:{a['alert_id']}" for a in ALERTS[:2]]
    assert json.loads(db.get(f"mine:{ALERTS[0]['alert_id']}"))["severity"] == "worse"
    assert 40 < db.ttl(f"mine:{ALERTS[1]['alert_id']}") <= 50


def test_a_stream_has_each_record_once_after_a_kill(cache: Server, db: Any) -> None:
    """What came after the checkpoint and comes again is known, also by a run that is killed again before its own first
    one; what is new is not.
    """
    writer = sink(cache, form="stream")
    writer.write(ALERTS[:2])
    saved = json.loads(json.dumps(writer.flush()))
    writer.write(ALERTS[2:5])  # and is killed
    again = sink(cache, position=saved, form="stream")
    again.write(ALERTS[2:3])
    again = sink(cache, position=json.loads(json.dumps(again.flush())), form="stream")  # ALERTS[2] is behind it
    again.write(ALERTS[3:6])
    assert again.flush()["known"] == {}
    again.write([ALERTS[3]])
    again.close()
    assert entries(db) == [*ALERTS, ALERTS[3]]


def test_a_stream_begins_behind_what_is_there(cache: Server, db: Any) -> None:
    """A fresh run adds to what others wrote, and takes none of it for its own."""
    for _ in range(2):
        writer = sink(cache, form="stream")
        writer.write(ALERTS[:1])
        writer.close()
    assert entries(db) == [ALERTS[0], ALERTS[0]]


def test_an_answer_that_is_lost_doubles_nothing(cache: Server, db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server took the entries, and the connection broke before it said so."""
    writer = sink(cache, form="stream")
    execute, lost = redis.client.Pipeline.execute, [True]

    def losing(self: Any, *args: Any) -> Any:
        found = execute(self, *args)
        if lost and lost.pop():
            raise redis.ConnectionError("Connection reset by peer")
        return found

    monkeypatch.setattr(redis.client.Pipeline, "execute", losing)
    writer.write(ALERTS[:3])
    assert writer.waiting == 3
    writer.write(ALERTS[3:])
    writer.close()
    assert entries(db) == ALERTS


def test_a_stream_is_as_long_as_it_may(cache: Server, db: Any) -> None:
    """About, as the server trims whole nodes."""
    writer = sink(cache, form="stream", length_max=100)
    writer.write([record_of(Stream.ALERTS, n) for n in range(2500)])
    writer.close()
    assert 100 <= db.xlen("driftnet:alerts") < 400


def test_what_does_not_fit_is_told(cache: Server, db: Any) -> None:
    """A key of another type, no server, no address."""
    db.set("driftnet:alerts", "a text")
    with pytest.raises(SinkError, match=r"WRONGTYPE.*must be put right"):
        sink(cache, form="stream")
    writer = sink(cache, form="keys")
    db.config_set("maxmemory", "1")
    try:
        with pytest.raises(SinkError, match="maxmemory"):
            writer.write(ALERTS)
    finally:
        db.config_set("maxmemory", "0")
    with pytest.raises(SinkError, match=r"Redis at 127\.0\.0\.1:1, driftnet:alerts: cannot write after 6 tries"):
        open_sink(RedisSink("redis://:secret@127.0.0.1:1/0"), "alerts")
    with pytest.raises(ConfigError, match="redis: url: "):
        open_sink(RedisSink("http://127.0.0.1"), "alerts")
