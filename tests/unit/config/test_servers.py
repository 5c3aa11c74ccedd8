"""PostgreSQL, Valkey or Redis, and webhooks in the configuration: what tables stand for, what is shown of them."""

import pytest

from flows.config.load import loads
from flows.config.models import Config
from flows.sinks.specs import PostgresSink, RedisSink, WebhookSink
from flows.streams import Stream
from state.errors import ConfigError


def config(sink: str, stream: str = "alerts") -> Config:
    return loads(f"[sinks]\n{stream} = {{ {sink} }}\n")


def test_tables_stand_for_sinks() -> None:
    """With what is given, and with what is not."""
    told = config(
        'kind = "webhook", url = "https://h/x", dead_letters = "d", template = "pagerduty", secret = "s",'
        ' headers = { accept = "x" }, values = { routing_key = "k" }, timeout = "3s", outage = "1m"'
    )
    (hook,) = told.sinks.of(Stream.ALERTS)
    assert hook.sink() == WebhookSink(
        "https://h/x", "d", "pagerduty", (("accept", "x"),), (("routing_key", "k"),), "s", 3.0, 60.0
    )
    (table,) = config('kind = "postgres", url = "postgresql://h/x", table = "a.b"').sinks.of(Stream.ALERTS)
    assert table.sink() == PostgresSink("postgresql://h/x", "a.b", 300.0)
    (keys,) = config('kind = "redis", expire = "7d"', "standings").sinks.of(Stream.STANDINGS)
    assert keys.sink() == RedisSink("redis://localhost:6379/0", "", "keys", 604_800.0, 0, 300.0)


@pytest.mark.parametrize(
    ("sink", "problem"),
    [
        ('kind = "postgres"', "url"),
        ('kind = "postgres", url = "x", table = "a; DROP TABLE b"', 'allowed: a name such as "alerts"'),
        ('kind = "redis", form = "stream", expire = "1d"', "length_max bounds a stream"),
        ('kind = "redis", length_max = 9', "expire bounds keys"),
        ('kind = "redis", form = "list"', "form"),
        ('kind = "webhook", url = "http://h"', "dead_letters"),
        (
            'kind = "webhook", url = "http://h", dead_letters = "d", template = "pagerduty"',
            "the service's integration key",
        ),
    ],
)
def test_mistakes(sink: str, problem: str) -> None:
    """Each is told with what is allowed."""
    with pytest.raises(ConfigError, match=r"sinks\.alerts") as told:
        config(sink)
    assert problem in str(told.value)


@pytest.mark.parametrize(
    ("sink", "shown"),
    [
        ('kind = "postgres", url = "postgresql://ann:hunter2@db/x"', "postgresql://[redacted]@db/x"),
        ('kind = "postgres", url = "host=db password=hunter2"', "host=db password=[redacted]"),
        ('kind = "postgres", url = "${DB_URL}"', "${DB_URL}"),
        ('kind = "redis", url = "redis://:hunter2@cache:6379/0"', "redis://[redacted]@cache:6379/0"),
        (
            'kind = "webhook", dead_letters = "d", url = "https://hooks.slack.com/services/T1/hunter2"',
            "slack.com/[redacted]",
        ),
        ('kind = "webhook", dead_letters = "d", url = "http://h", secret = "hunter2"', "[redacted]"),
        ('kind = "webhook", dead_letters = "d", url = "http://h", headers = { x-who = "hunter2" }', "[redacted]"),
        ('kind = "webhook", dead_letters = "d", url = "http://h", values = { routing_key = "hunter2" }', "[redacted]"),
        ('kind = "webhook", dead_letters = "d", url = "http://h", values = { routing_key = "${KEY}" }', "${KEY}"),
    ],
)
def test_secrets_are_not_shown(sink: str, shown: str) -> None:
    """Neither in what `driftnet config show` prints and a store keeps, nor in any text of the objects."""
    told = config(sink)
    (table,) = told.sinks.of(Stream.ALERTS)
    assert shown in told.to_toml()
    for text in (told.to_toml(), repr(told), repr(table), repr(table.sink())):
        assert "hunter2" not in text
