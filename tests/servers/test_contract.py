"""Sinks that write to servers keep the contract that plug-ins are held to, kills and outages among it."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from flows.config.servers import PostgresConfig, RedisConfig, WebhookConfig
from flows.contract.trial import SinkTrial
from flows.sinks.base import Delivery
from tests.contract.trials import Places, ids, trials
from tests.servers.running import Receiver, Server

SECRET = "hunter2-of-the-servers"
OUTAGE_S = 3.0
NOBODY = "127.0.0.1:1"


class Ends(Places):
    """With servers, which are not there where the checks are only named."""

    database: Server | None = None
    cache: Server | None = None
    receiver: Receiver | None = None

    def url(self, of: str) -> str:
        server = getattr(self, of)
        return server.url if server is not None else f"{of}://{NOBODY}"


@contextmanager
def away(server: Any) -> Iterator[None]:
    """Nobody listens there."""
    server.stop()
    try:
        yield
    finally:
        server.start()


def postgres(place: Ends) -> SinkTrial:
    """A table of its own for each trial."""

    def read(settings: PostgresConfig) -> list[Any]:
        with psycopg.connect(settings.url.replace(f":{SECRET}@", "@")) as db:
            return [r for (r,) in db.execute(f"SELECT record FROM {settings.table} ORDER BY raised, id")]

    def fresh() -> PostgresConfig:
        url = place.url("database").replace("driftnet@", f"driftnet:{SECRET}@")
        return PostgresConfig(kind="postgres", url=url, table=f"t{secrets.token_hex(6)}")

    return SinkTrial(
        fresh,
        read,
        ordered=False,
        outage=lambda settings: away(place.database),
        outage_s=OUTAGE_S,
        broken=lambda: PostgresConfig(kind="postgres", url=f"postgresql://ann:{SECRET}@{NOBODY}/x"),
        secret="" if place.names_only else SECRET,
    )


def redis_keys(place: Ends) -> SinkTrial:
    """A prefix of its own for each trial."""

    def read(settings: RedisConfig) -> list[Any]:
        with redis.Redis.from_url(settings.url) as db:
            return [json.loads(db.get(key) or b"") for key in sorted(db.keys(f"{settings.prefix}:*"))]

    return SinkTrial(
        lambda: RedisConfig(kind="redis", url=place.url("cache"), prefix=f"p{secrets.token_hex(6)}"),
        read,
        ordered=False,
        outage=lambda settings: away(place.cache),
        outage_s=OUTAGE_S,
        broken=lambda: RedisConfig(kind="redis", url=f"redis://ann:{SECRET}@{NOBODY}/0"),
        secret="",
    )


def redis_stream(place: Ends) -> SinkTrial:
    """Entries tell the order."""

    def read(settings: RedisConfig) -> list[Any]:
        with redis.Redis.from_url(settings.url, decode_responses=True) as db:
            return [json.loads(fields["record"]) for _, fields in db.xrange(settings.prefix)]

    return SinkTrial(
        lambda: RedisConfig(kind="redis", url=place.url("cache"), prefix=f"p{secrets.token_hex(6)}", form="stream"),
        read,
        outage=lambda settings: away(place.cache),
        outage_s=OUTAGE_S,
    )


def webhook(place: Ends) -> SinkTrial:
    """A receiver that looks at no ids has what is sent again twice."""

    def read(settings: WebhookConfig) -> list[Any]:
        assert place.receiver is not None
        assert not Path(settings.dead_letters).exists()
        return [request.json() for request in place.receiver.requests]

    def fresh() -> WebhookConfig:
        if place.receiver is not None:
            place.receiver.requests.clear()
        dead = str(place.new() / "dead.jsonl")
        return WebhookConfig(kind="webhook", url=place.url("receiver"), dead_letters=dead, secret=SECRET)

    return SinkTrial(fresh, read, outage=lambda settings: away(place.receiver), outage_s=OUTAGE_S, secret=SECRET)


class Known(WebhookConfig):
    """A webhook whose receiver keeps by `webhook-id` what came last."""

    @property
    def delivery(self) -> Delivery:
        return Delivery.UPSERT


def webhook_by_id(place: Ends) -> SinkTrial:
    """Each record once, in the order in which they came first."""
    plain = webhook(place)

    def read(settings: WebhookConfig) -> list[Any]:
        assert place.receiver is not None
        return list({request.headers["webhook-id"]: request.json() for request in place.receiver.requests}.values())

    return replace(plain, fresh=lambda: Known(**dict(plain.fresh())), read=read)


@pytest.mark.parametrize("check", trials(postgres, webhook, webhook_by_id, place=Ends), ids=ids)
def test_contract(check: Any, tmp_path: Path, request: pytest.FixtureRequest, receiver: Receiver) -> None:
    """What a job relies on."""
    place = Ends(tmp_path)
    place.receiver = receiver
    if check.make is postgres:
        place.database = request.getfixturevalue("database")
    check(place)


@pytest.mark.parametrize("check", trials(redis_keys, redis_stream, place=Ends), ids=ids)
def test_contract_of_caches(check: Any, tmp_path: Path, cache: Server) -> None:
    """The same, of Valkey and of Redis."""
    place = Ends(tmp_path)
    place.cache = cache
    check(place)
